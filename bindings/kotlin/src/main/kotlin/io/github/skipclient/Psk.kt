package io.github.skipclient

import io.github.skipclient.ffi.CorePsk

/**
 * What a client and a Key Provider share so that TLS needs no certificate (draft 3, Table 1): an identity of 1 to 128
 * bytes and a key of 1 to 256 bytes. A key has no encoding of its own, so each form has its own function.
 *
 * The key is kept outside the JVM and wiped by [close], or when it is collected; a client keeps its own copy. A
 * `String` cannot be wiped: [raw] and [file] take arrays, which you can.
 */
public class Psk private constructor(
    internal val core: CorePsk,
) : AutoCloseable {
    /** The identity, which TLS sends in the clear. */
    public val identity: String = core.identity()

    /** Wipes the key here; clients that were made with it go on. */
    override fun close(): Unit = core.close()

    /** The identity, never the key. */
    override fun toString(): String = "Psk(identity=$identity, [redacted])"

    /** The forms in which people have a key. */
    public companion object {
        /**
         * A key in hexadecimal digits, an even number from 2 to 512.
         *
         * @throws SkipException.InvalidArgument for another form, or an identity that is none
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun hex(
            identity: String,
            digits: String,
        ): Psk = translated { Psk(CorePsk.fromHex(identity, digits)) }

        /**
         * A key that is the text itself, in UTF-8: what a router calls a key of type 0.
         *
         * @throws SkipException.InvalidArgument for another form, or an identity that is none
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
         * @throws SkipException.InvalidArgument for another form, or an identity that is none
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun base64(
            identity: String,
            text: String,
        ): Psk = translated { Psk(CorePsk.fromBase64(identity, text)) }

        /**
         * A key of bytes as they are; fill [key] with zeros afterwards.
         *
         * @throws SkipException.InvalidArgument for another length, or an identity that is none
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
         * @throws SkipException.InvalidArgument for another form, or when there is no one line that fits
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
