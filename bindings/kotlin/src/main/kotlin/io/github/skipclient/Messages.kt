@file:JvmName("SkipMessages")

package io.github.skipclient

import io.github.skipclient.ffi.CoreCapabilities
import io.github.skipclient.ffi.CoreConnection
import io.github.skipclient.ffi.CoreProblem
import io.github.skipclient.ffi.CoreRules
import io.github.skipclient.ffi.isValidMessage
import io.github.skipclient.ffi.listMatchesRemote
import io.github.skipclient.ffi.messageSchema
import io.github.skipclient.ffi.validateMessage
import java.io.ByteArrayOutputStream

/**
 * The capabilities of a Key Provider (draft 4.1, Table 4).
 *
 * @property localSystemId the id of the KP itself (draft 4.1.1)
 * @property remoteSystemIds ids, or patterns of ids, of the KPs that share keys with this one (draft 4.1.2)
 * @property algorithm how the KP generates and synchronises keys, in its own words, up to 1024 bytes
 * @property supportsKey whether the KP offers `GET /key`
 * @property supportsEntropy whether the KP offers `GET /entropy`
 * @property warnings warnings about a valid message
 */
public data class Capabilities
    @JvmOverloads
    constructor(
        public val localSystemId: String,
        public val remoteSystemIds: List<String>,
        public val algorithm: String,
        public val supportsKey: Boolean,
        public val supportsEntropy: Boolean,
        public val warnings: List<Problem> = emptyList(),
    ) {
        /** Whether the KP lists [id] as a remote; see [io.github.skipclient.matchesRemote]. */
        public fun matchesRemote(id: String): Boolean = matchesRemote(remoteSystemIds, id)
    }

/**
 * A problem with a message. It contains no value of the message.
 *
 * @property path the location as a JSON Pointer (RFC 6901); empty for the whole document
 * @property code a stable code
 * @property message a text for people
 * @property severity whether it makes the message invalid
 * @property section the section of the draft with the violated rule
 */
public data class Problem(
    public val path: String,
    public val code: String,
    public val message: String,
    public val severity: Severity,
    public val section: String,
)

/** Whether a [Problem] makes a message invalid. */
public enum class Severity(
    internal val text: String,
) {
    /** The message is invalid. */
    ERROR("error"),

    /** The message is valid, but this is likely to cause trouble. */
    WARNING("warning"),
}

/**
 * Information about a connection to a Key Provider.
 *
 * @property url the Key Provider's URL
 * @property address address and port of the Key Provider, or of the proxy
 * @property tlsVersion `TLS 1.2` or `TLS 1.3`
 * @property cipherSuite the IANA name of the cipher suite, as in Table 1 of the draft
 * @property group the key exchange group, for example `X25519MLKEM768`
 * @property warnings deviations from Table 1 of the draft
 */
public data class ConnectionInfo
    @JvmOverloads
    constructor(
        public val url: String,
        public val address: String,
        public val tlsVersion: String,
        public val cipherSuite: String,
        public val group: String? = null,
        public val warnings: List<String> = emptyList(),
    )

/** The draft's three kinds of message. */
public enum class MessageKind(
    internal val text: String,
) {
    /** The reply to `GET /capabilities` (draft 4.1). */
    CAPABILITIES("capabilities"),

    /** The reply to `GET /key` and `GET /key/{keyId}` (draft 4.2). */
    KEY("key"),

    /** The reply to `GET /entropy` (draft 4.3). */
    ENTROPY("entropy"),
}

/** The two sets of schemas. */
public enum class SchemaStyle(
    internal val text: String,
) {
    /** JSON Schema 2020-12 with the rules of this project. */
    STRICT("strict"),

    /** JSON Schema draft-04 with the constraints of the draft's figures. */
    AS_PUBLISHED("as-published"),
}

/** The rules for valid messages. */
public enum class Rules(
    internal val core: CoreRules,
) {
    /** The draft, with limits where it has none. */
    STRICT(CoreRules.STRICT),

    /**
     * As [STRICT], but accepts known deviations of real Key Providers: other keyIds, `minentropy` as a string,
     * capabilities without `algorithm` or `localSystemID`.
     */
    LENIENT(CoreRules.LENIENT),

    /** Only the constraints of the JSON Schemas in the draft. */
    AS_PUBLISHED(CoreRules.AS_PUBLISHED),
}

/**
 * All problems of a message; empty, or only warnings, if it is valid. A string with lone surrogates is an invalid
 * message.
 */
@JvmOverloads
public fun validate(
    kind: MessageKind,
    message: ByteArray,
    rules: Rules = Rules.STRICT,
): List<Problem> = translated { validateMessage(kind.text, message, rules.core) }.map { it.toPublic() }

/** [validate] for text. */
@JvmOverloads
public fun validate(
    kind: MessageKind,
    message: String,
    rules: Rules = Rules.STRICT,
): List<Problem> = validate(kind, message.asMessage(), rules)

/** Whether [validate] finds no problems other than warnings. */
@JvmOverloads
public fun isValid(
    kind: MessageKind,
    message: ByteArray,
    rules: Rules = Rules.STRICT,
): Boolean = translated { isValidMessage(kind.text, message, rules.core) }

/** [isValid] for text. */
@JvmOverloads
public fun isValid(
    kind: MessageKind,
    message: String,
    rules: Rules = Rules.STRICT,
): Boolean = isValid(kind, message.asMessage(), rules)

/** The JSON Schema of a message, as text. */
@JvmOverloads
public fun schema(
    kind: MessageKind,
    style: SchemaStyle = SchemaStyle.STRICT,
): String = translated { messageSchema(kind.text, style.text) }

/**
 * Whether an entry of a remoteSystemID list matches [id]: literal ids, and patterns with `*`, `?` and `[...]` (draft
 * 4.1.2, Table 5).
 *
 * @throws SkipException.InvalidArgument when a string cannot be encoded as UTF-8
 */
@Throws(SkipException::class)
public fun matchesRemote(
    remoteSystemIds: List<String>,
    id: String,
): Boolean = translated { listMatchesRemote(remoteSystemIds, id) }

internal fun CoreCapabilities.toPublic() =
    Capabilities(
        localSystemId,
        remoteSystemIds,
        algorithm,
        supportsKey,
        supportsEntropy,
        warnings.map { it.toPublic() },
    )

internal fun CoreConnection.toPublic() = ConnectionInfo(url, address, tlsVersion, cipherSuite, group, warnings)

internal fun CoreProblem.toPublic() = Problem(path, code, text, Severity.entries.first { it.text == severity }, section)

/** UTF-8, with an invalid byte for each lone surrogate, where Kotlin would write a valid question mark. */
private fun String.asMessage(): ByteArray {
    val bytes = ByteArrayOutputStream(length)
    codePoints().forEach { point ->
        if (point in Char.MIN_SURROGATE.code..Char.MAX_SURROGATE.code) {
            bytes.write(NOT_UTF8)
        } else {
            bytes.write(String(Character.toChars(point)).encodeToByteArray())
        }
    }
    return bytes.toByteArray()
}

private const val NOT_UTF8 = 0xFF
