package io.github.skipclient

import io.github.skipclient.ffi.CoreException

/**
 * An error. The message says what happened, [hint] what to do, and [advice] what to request next. There is a subclass
 * for each [code]. None of these contains a secret.
 *
 * @property code the stable code
 * @property hint what to do about it; empty when there is nothing to add
 * @property advice what to request next so that both encryptors end up with the same key
 * @property status the HTTP status, if the Key Provider replied
 * @property providerText the body of a reply with a status other than 200: at most 512 bytes, with anything that could
 *   be a key replaced by `[redacted]`. It is not our text: show it to a person, do not log it
 */
public sealed class SkipException private constructor(
    public val code: ErrorCode,
    failure: Failure,
) : Exception(failure.message) {
    public val hint: String = failure.hint
    public val advice: Advice = failure.advice
    public val status: Int? = failure.status
    public val providerText: String? = failure.providerText

    /** An argument breaks a rule; nothing was sent. */
    public class InvalidArgument internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.INVALID_ARGUMENT, failure)

    /** No entry of the KP's remoteSystemID list matches the remote (draft 4.1.2); no key was requested. */
    public class UnknownRemote internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.UNKNOWN_REMOTE, failure)

    /** The KP does not offer this method (draft 4.1); nothing was requested. */
    public class NotSupported internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.NOT_SUPPORTED, failure)

    /** No connection could be made: name, address, route, port or proxy. */
    public class ConnectFailed internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.CONNECT_FAILED, failure)

    /** TCP connected, but the TLS handshake failed. */
    public class TlsFailed internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.TLS_FAILED, failure)

    /** A deadline passed. */
    public class TimedOut internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.TIMED_OUT, failure)

    /** The connection was lost after all or part of the request had been sent. */
    public class ConnectionLost internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.CONNECTION_LOST, failure)

    /** The KP refused the request (400, 409, 410, 422 and other 4xx). */
    public class Rejected internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.REJECTED, failure)

    /** The KP does not accept this client (401, 403). */
    public class Unauthorized internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.UNAUTHORIZED, failure)

    /** The KP has no such path (404), or answers 404 for a keyId. */
    public class NotFound internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.NOT_FOUND, failure)

    /** The KP refused the method GET (405). */
    public class MethodNotAllowed internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.METHOD_NOT_ALLOWED, failure)

    /** The KP is busy, or currently has no entropy (429, 503). */
    public class Busy internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.BUSY, failure)

    /** The KP failed internally (5xx). */
    public class ProviderFailed internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.PROVIDER_FAILED, failure)

    /** A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599). */
    public class UnexpectedStatus internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.UNEXPECTED_STATUS, failure)

    /** The reply does not conform to the draft. */
    public class MalformedResponse internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.MALFORMED_RESPONSE, failure)

    /** The reply is larger than any SKIP message can be. */
    public class ResponseTooLarge internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.RESPONSE_TOO_LARGE, failure)

    /** The reply has a different keyId from the one requested (draft 4.2). */
    public class KeyIdMismatch internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.KEY_ID_MISMATCH, failure)

    /** The key or random string has a different length from the one requested. */
    public class SizeMismatch internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.SIZE_MISMATCH, failure)

    /** The key is all zeros, all ones, or can be read from its keyId. */
    public class WeakKey internal constructor(
        failure: Failure,
    ) : SkipException(ErrorCode.WEAK_KEY, failure)

    /** Creates exceptions for a fake [KeyProvider]. */
    public companion object {
        /** The exception of a [code]; the other arguments are its properties. */
        @JvmStatic
        @JvmOverloads
        public fun of(
            code: ErrorCode,
            message: String,
            hint: String = "",
            advice: Advice = Advice.NO,
            status: Int? = null,
            providerText: String? = null,
        ): SkipException {
            val failure = Failure(message, hint, advice, status, providerText)
            return when (code) {
                ErrorCode.INVALID_ARGUMENT -> InvalidArgument(failure)
                ErrorCode.UNKNOWN_REMOTE -> UnknownRemote(failure)
                ErrorCode.NOT_SUPPORTED -> NotSupported(failure)
                ErrorCode.CONNECT_FAILED -> ConnectFailed(failure)
                ErrorCode.TLS_FAILED -> TlsFailed(failure)
                ErrorCode.TIMED_OUT -> TimedOut(failure)
                ErrorCode.CONNECTION_LOST -> ConnectionLost(failure)
                ErrorCode.REJECTED -> Rejected(failure)
                ErrorCode.UNAUTHORIZED -> Unauthorized(failure)
                ErrorCode.NOT_FOUND -> NotFound(failure)
                ErrorCode.METHOD_NOT_ALLOWED -> MethodNotAllowed(failure)
                ErrorCode.BUSY -> Busy(failure)
                ErrorCode.PROVIDER_FAILED -> ProviderFailed(failure)
                ErrorCode.UNEXPECTED_STATUS -> UnexpectedStatus(failure)
                ErrorCode.MALFORMED_RESPONSE -> MalformedResponse(failure)
                ErrorCode.RESPONSE_TOO_LARGE -> ResponseTooLarge(failure)
                ErrorCode.KEY_ID_MISMATCH -> KeyIdMismatch(failure)
                ErrorCode.SIZE_MISMATCH -> SizeMismatch(failure)
                ErrorCode.WEAK_KEY -> WeakKey(failure)
            }
        }
    }
}

/** The stable error codes. [text] is the same in every language of the project. */
public enum class ErrorCode(
    /** The spelling, the same in every language of the project. */
    public val text: String,
) {
    /** An argument breaks a rule; nothing was sent. */
    INVALID_ARGUMENT("invalid_argument"),

    /** No entry of the KP's remoteSystemID list matches the remote (draft 4.1.2); no key was requested. */
    UNKNOWN_REMOTE("unknown_remote"),

    /** The KP does not offer this method (draft 4.1); nothing was requested. */
    NOT_SUPPORTED("not_supported"),

    /** No connection could be made: name, address, route, port or proxy. */
    CONNECT_FAILED("connect_failed"),

    /** TCP connected, but the TLS handshake failed. */
    TLS_FAILED("tls_failed"),

    /** A deadline passed. */
    TIMED_OUT("timed_out"),

    /** The connection was lost after all or part of the request had been sent. */
    CONNECTION_LOST("connection_lost"),

    /** The KP refused the request (400, 409, 410, 422 and other 4xx). */
    REJECTED("rejected"),

    /** The KP does not accept this client (401, 403). */
    UNAUTHORIZED("unauthorized"),

    /** The KP has no such path (404), or answers 404 for a keyId. */
    NOT_FOUND("not_found"),

    /** The KP refused the method GET (405). */
    METHOD_NOT_ALLOWED("method_not_allowed"),

    /** The KP is busy, or currently has no entropy (429, 503). */
    BUSY("busy"),

    /** The KP failed internally (5xx). */
    PROVIDER_FAILED("provider_failed"),

    /** A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599). */
    UNEXPECTED_STATUS("unexpected_status"),

    /** The reply does not conform to the draft. */
    MALFORMED_RESPONSE("malformed_response"),

    /** The reply is larger than any SKIP message can be. */
    RESPONSE_TOO_LARGE("response_too_large"),

    /** The reply has a different keyId from the one requested (draft 4.2). */
    KEY_ID_MISMATCH("key_id_mismatch"),

    /** The key or random string has a different length from the one requested. */
    SIZE_MISMATCH("size_mismatch"),

    /** The key is all zeros, all ones, or can be read from its keyId. */
    WEAK_KEY("weak_key"),
}

/** What to request next. [text] is the same in every language of the project. */
public enum class Advice(
    /** The spelling, the same in every language of the project. */
    public val text: String,
) {
    /** No key was consumed: the same request can be retried. */
    SAME_REQUEST("same_request"),

    /** The key of this request may be lost: the initiator should request a new key and pass its keyId on. */
    NEW_KEY("new_key"),

    /** Retrying will not help until something is changed. */
    NO("no"),
}

/** The properties of an error other than its code. */
internal class Failure(
    val message: String,
    val hint: String,
    val advice: Advice,
    val status: Int?,
    val providerText: String?,
)

internal fun CoreException.Failed.toPublic(): SkipException =
    SkipException.of(
        ErrorCode.entries.first { it.text == code },
        reason,
        hint,
        Advice.entries.first { it.text == advice },
        status?.toInt(),
        providerText,
    )
