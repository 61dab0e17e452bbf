package io.github.skipclient

import io.github.skipclient.ffi.CorePsk

/**
 * A TLS pre-shared key (draft 3, Table 1): an identity of 1 to 128 bytes and a key of 1 to 256 bytes. The form of a key
 * cannot be detected, so there is a function for each form.
 *
 * The key is kept outside the JVM and wiped by [close], or when it is collected; a client keeps its
 * own copy. A `String` cannot be wiped: [raw] and [file] take arrays, which can.
 */
public class Psk private constructor(
    internal val core: CorePsk,
) : AutoCloseable {
    /** The identity, which TLS sends in the clear. */
    public val identity: String = core.identity()

    /** Wipes this copy of the key; clients created with it keep working. */
    override fun close(): Unit = core.close()

    /** The identity, never the key. */
    override fun toString(): String = "Psk(identity=$identity, [redacted])"

    /** Creates keys from their usual forms. */
    public companion object {
        /**
         * A key in hexadecimal digits, an even number from 2 to 512.
         *
         * @throws SkipException.InvalidArgument when the key or the identity is malformed
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun hex(
            identity: String,
            digits: String,
        ): Psk = translated { Psk(CorePsk.fromHex(identity, digits)) }

        /**
         * A key that is the text itself, in UTF-8: type 0 on a router.
         *
         * @throws SkipException.InvalidArgument when the key or the identity is malformed
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun text(
            identity: String,
            text: String,
        ): Psk = translated { Psk(CorePsk.fromText(identity, text)) }

        /**
         * A key in base64, the standard alphabet with padding.
         *
         * @throws SkipException.InvalidArgument when the key or the identity is malformed
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun base64(
            identity: String,
            text: String,
        ): Psk = translated { Psk(CorePsk.fromBase64(identity, text)) }

        /**
         * A key given as bytes; fill [key] with zeros afterwards.
         *
         * @throws SkipException.InvalidArgument when the length or the identity is invalid
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun raw(
            identity: String,
            key: ByteArray,
        ): Psk = translated { Psk(CorePsk.fromBytes(identity, key)) }

        /**
         * The key of a file's content: lines `identity:hex`, of which [identity] chooses one, or one line of digits.
         *
         * @throws SkipException.InvalidArgument for another form, or unless exactly one line matches
         */
        @JvmStatic
        @JvmOverloads
        @Throws(SkipException::class)
        public fun file(
            content: ByteArray,
            identity: String? = null,
        ): Psk = translated { Psk(CorePsk.fromFileContent(content, identity)) }
    }
}
