package io.github.skipclient

import com.sun.jna.Native
import com.sun.jna.Pointer
import io.github.skipclient.ffi.CoreEntropyAnswer
import io.github.skipclient.ffi.CoreKey
import io.github.skipclient.ffi.CoreKeyAnswer
import io.github.skipclient.ffi.entropyOf
import io.github.skipclient.ffi.keyOf
import java.nio.ByteBuffer

/**
 * A key and its keyId (draft 4.2). The key is kept outside the JVM and wiped by [close], or when it is collected.
 *
 * [useBuffer] lends the key without ever putting it on the JVM heap. [useBytes] lends an array that is filled with
 * zeros afterwards; if the garbage collector has moved the array in the meantime, a copy may remain on the heap
 * until it is overwritten.
 *
 * @property keyId the keyId (draft 4.2): public, hexadecimal unless the client is lenient
 * @property bits the length of the key in bits
 * @property fingerprint eight hexadecimal digits for people to compare: equal at both ends if the keys are
 * @property warnings warnings about a valid reply
 */
public class Key internal constructor(
    answer: CoreKeyAnswer,
) : AutoCloseable {
    private val core: CoreKey = answer.handle
    private val secret = Lent(answer.handle)

    public val keyId: String = answer.keyId
    public val bits: Int = answer.bits.toInt()
    public val fingerprint: String = answer.fingerprint
    public val warnings: List<Problem> = answer.warnings.map { it.toPublic() }

    /**
     * Lends the key as an array of [bits] / 8 bytes, filled with zeros when [block] returns. Do not keep a reference to
     * it.
     *
     * @throws IllegalStateException when the key was closed
     */
    public fun <T> useBytes(block: (ByteArray) -> T): T =
        secret.bytes(bits / Byte.SIZE_BITS, { core.writeTo(it.address, it.capacity) }, block)

    /**
     * Lends the key as a read-only direct buffer of [bits] / 8 bytes, filled with zeros when [block] returns. The key
     * stays outside the JVM heap as long as [block] does not copy it there.
     *
     * @throws IllegalStateException when the key was closed
     */
    public fun <T> useBuffer(block: (ByteBuffer) -> T): T =
        secret.buffer(bits / Byte.SIZE_BITS, { core.writeTo(it.address, it.capacity) }, block)

    /**
     * Lends the key in an export format, filled with zeros when [block] returns. All formats except
     * [ExportFormat.RAW] are ASCII text.
     *
     * @throws SkipException.InvalidArgument when the format does not support this length or this keyId
     * @throws IllegalStateException when the key was closed
     */
    @Throws(SkipException::class)
    public fun <T> useExport(
        format: ExportFormat,
        block: (ByteArray) -> T,
    ): T =
        secret.bytes(
            // the longest format has a few words, the keyId several times, and the key in hexadecimal
            EXPORT_ROOM + EXPORT_KEY_IDS * keyId.length + bits,
            { translated { core.exportTo(format.text, it.address, it.capacity) } },
            block,
        )

    /** Wipes the key. Its other properties remain available. Can be called repeatedly. */
    override fun close(): Unit = secret.close()

    /** Whether the bytes are equal, in constant time; keyIds are not compared. A closed key equals only itself. */
    override fun equals(other: Any?): Boolean =
        this === other || (other is Key && secret.isOpen && other.secret.isOpen && core.equalsKey(other.core))

    /** Of the fingerprint. */
    override fun hashCode(): Int = fingerprint.hashCode()

    /** keyId and length, never the key. */
    override fun toString(): String = "Key(keyId=$keyId, bits=$bits, [redacted])"

    /** Creates keys without a Key Provider. */
    public companion object {
        /**
         * A key of your own, for a fake [KeyProvider] in tests. [bytes] are copied; [keyId] may have any form that a
         * lenient client accepts.
         *
         * @throws SkipException.InvalidArgument when the keyId is invalid
         */
        @JvmStatic
        @Throws(SkipException::class)
        public fun of(
            keyId: String,
            bytes: ByteArray,
        ): Key = Key(copied(bytes) { translated { keyOf(keyId, it.address, it.capacity) } })
    }
}

/**
 * Random bytes of a Key Provider (draft 4.3), kept outside the JVM and wiped by [close], or when they are collected.
 *
 * @property bits the entropy in bits according to the Key Provider, at least as much as requested
 * @property length the number of bytes
 * @property warnings warnings about a valid reply
 */
public class Entropy internal constructor(
    answer: CoreEntropyAnswer,
) : AutoCloseable {
    private val core = answer.handle
    private val secret = Lent(answer.handle)

    public val bits: Int = answer.bits.toInt()
    public val length: Int = answer.length.toInt()
    public val warnings: List<Problem> = answer.warnings.map { it.toPublic() }

    /** Lends the bytes as an array, filled with zeros when [block] returns; see [Key.useBytes]. */
    public fun <T> useBytes(block: (ByteArray) -> T): T =
        secret.bytes(length, { core.writeTo(it.address, it.capacity) }, block)

    /** Lends the bytes as a read-only direct buffer, filled with zeros when [block] returns; see [Key.useBuffer]. */
    public fun <T> useBuffer(block: (ByteBuffer) -> T): T =
        secret.buffer(length, { core.writeTo(it.address, it.capacity) }, block)

    /** Wipes the bytes. Can be called repeatedly. */
    override fun close(): Unit = secret.close()

    /** The bits, never the bytes. */
    override fun toString(): String = "Entropy(bits=$bits, [redacted])"

    /** Creates entropy without a Key Provider. */
    public companion object {
        /** Random bytes of your own, of full entropy, for a fake [KeyProvider] in tests. [bytes] are copied. */
        @JvmStatic
        public fun of(bytes: ByteArray): Entropy =
            Entropy(copied(bytes) { translated { entropyOf(it.address, it.capacity) } })
    }
}

/** The export formats of a key. */
public enum class ExportFormat(
    internal val text: String,
) {
    /** Hexadecimal, lower case. */
    HEX("hex"),

    /** Base64 with padding. */
    BASE64("base64"),

    /** The bytes themselves. */
    RAW("raw"),

    /** A `secrets` block for strongSwan's `swanctl.conf`. */
    STRONGSWAN("strongswan"),

    /** A line for libreswan's `ipsec.secrets`; keyIds of at most 64 bytes. */
    LIBRESWAN("libreswan"),

    /** `set` commands for VyOS. */
    VYOS("vyos"),

    /** Base64 of exactly 256 bits, as `wg set ... preshared-key` reads it. */
    WIREGUARD("wireguard"),

    /** `mka_cak` and `mka_ckn` for wpa_supplicant (MACsec); keys of 128 or 256 bits. */
    WPA("wpa"),

    /** A `ppk manual` line for a Cisco IOS XE IKEv2 keyring. */
    CISCO("cisco"),
}

private const val EXPORT_ROOM = 512
private const val EXPORT_KEY_IDS = 4

/** A direct buffer that was filled by the native library. */
internal class Room(
    val buffer: ByteBuffer,
) {
    val address = Pointer.nativeValue(Native.getDirectBufferPointer(buffer)).toULong()
    val capacity = buffer.capacity().toUInt()

    fun wipe() {
        buffer.clear()
        while (buffer.hasRemaining()) buffer.put(0)
    }
}

/** Lends a copy of [bytes] to the native library. */
private inline fun <T> copied(
    bytes: ByteArray,
    take: (Room) -> T,
): T {
    val room = Room(ByteBuffer.allocateDirect(bytes.size))
    try {
        room.buffer.put(bytes)
        return take(room)
    } finally {
        room.wipe()
    }
}

/** Lends a native secret out until it is closed. */
private class Lent(
    private val handle: AutoCloseable,
) : AutoCloseable {
    @Volatile
    var isOpen = true
        private set

    fun <T> bytes(
        capacity: Int,
        write: (Room) -> UInt,
        block: (ByteArray) -> T,
    ): T =
        filled(capacity, write) { buffer ->
            val bytes = ByteArray(buffer.remaining())
            try {
                buffer.get(bytes)
                block(bytes)
            } finally {
                bytes.fill(0)
            }
        }

    fun <T> buffer(
        capacity: Int,
        write: (Room) -> UInt,
        block: (ByteBuffer) -> T,
    ): T = filled(capacity, write) { block(it.asReadOnlyBuffer()) }

    private inline fun <T> filled(
        capacity: Int,
        write: (Room) -> UInt,
        block: (ByteBuffer) -> T,
    ): T {
        check(isOpen) { "the secret was closed, and so wiped" }
        val room = Room(ByteBuffer.allocateDirect(capacity))
        try {
            val length = write(room).toInt()
            check(length <= capacity) { "a bug in skip-client: $length bytes are too many for $capacity" }
            return block(room.buffer.duplicate().apply { limit(length) })
        } finally {
            room.wipe()
        }
    }

    override fun close() {
        isOpen = false
        handle.close()
    }
}
