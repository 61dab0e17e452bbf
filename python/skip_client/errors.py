"""What can go wrong: one class for each code, whose base says what kind of Python error it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .types import Advice, ErrorCode


class SkipError(Exception):
    """A failure. `str()` of it is one line, lower case, and never shows a key or what the Key Provider wrote.

    `code` is stable and the same in every language; `hint` says what to do; `advice` says what to ask next; `status` is
    the HTTP status if there was one; `provider_text` is what the Key Provider wrote beside a status other than 200,
    made safe to show to a person (printable, at most 512 bytes, anything that could be a key replaced).
    """

    code: ErrorCode = ""  # type: ignore[assignment] # only of errors that a program makes of this class itself
    hint: str
    advice: Advice
    status: int | None
    provider_text: str | None

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        hint: str = "",
        advice: Advice = "no",
        status: int | None = None,
        provider_text: str | None = None,
    ) -> None:
        """Usually made by the client; `code` is that of the class unless given."""
        super().__init__(message)
        if code is not None:
            self.code = code
        self.hint = hint
        self.advice = advice
        self.status = status
        self.provider_text = provider_text


class InvalidArgument(SkipError, ValueError):
    """An argument breaks a rule; nothing was sent."""

    code: ErrorCode = "invalid_argument"


class UnknownRemote(SkipError, LookupError):
    """No entry of the Key Provider's remoteSystemID list matches the remote; no key was asked for."""

    code: ErrorCode = "unknown_remote"


class NotSupported(SkipError):
    """The capabilities say that this method is not offered; nothing was asked for."""

    code: ErrorCode = "not_supported"


class ConnectFailed(SkipError, ConnectionError):
    """No connection: name, address, route, port or proxy."""

    code: ErrorCode = "connect_failed"


class TlsFailed(SkipError, ConnectionError):
    """TCP came up, TLS did not."""

    code: ErrorCode = "tls_failed"


class TimedOut(SkipError, TimeoutError):
    """A deadline passed."""

    code: ErrorCode = "timed_out"


class ConnectionLost(SkipError, ConnectionError):
    """The connection was lost after the request, or a part of it, had gone out."""

    code: ErrorCode = "connection_lost"


class Rejected(SkipError):
    """The Key Provider refused the request (400, 409, 410, 422 and other 4xx)."""

    code: ErrorCode = "rejected"


class Unauthorized(SkipError, PermissionError):
    """The Key Provider does not accept this client (401, 403)."""

    code: ErrorCode = "unauthorized"


class NotFound(SkipError, LookupError):
    """The Key Provider has no such path (404)."""

    code: ErrorCode = "not_found"


class MethodNotAllowed(SkipError):
    """The server refused the method GET (405)."""

    code: ErrorCode = "method_not_allowed"


class Busy(SkipError):
    """The Key Provider is busy, or has no entropy now (429, 503)."""

    code: ErrorCode = "busy"


class ProviderFailed(SkipError):
    """The Key Provider failed inside (5xx)."""

    code: ErrorCode = "provider_failed"


class UnexpectedStatus(SkipError):
    """A status that SKIP has no meaning for (1xx, 3xx, other 2xx, above 599)."""

    code: ErrorCode = "unexpected_status"


class MalformedResponse(SkipError, ValueError):
    """The reply is not what the draft describes."""

    code: ErrorCode = "malformed_response"


class ResponseTooLarge(SkipError, ValueError):
    """The reply is larger than any SKIP message may be."""

    code: ErrorCode = "response_too_large"


class KeyIdMismatch(SkipError, ValueError):
    """The reply names another keyId than the one asked for; the key was wiped."""

    code: ErrorCode = "key_id_mismatch"


class SizeMismatch(SkipError, ValueError):
    """The key, or the random string, has another length than the one asked for."""

    code: ErrorCode = "size_mismatch"


class WeakKey(SkipError, ValueError):
    """The key is all zeros, all ones, or can be read off its keyId."""

    code: ErrorCode = "weak_key"


_KINDS = {kind.code: kind for kind in SkipError.__subclasses__()}


def _from_core(
    code: ErrorCode, message: str, hint: str, advice: Advice, status: int | None, provider_text: str | None
) -> SkipError:
    """The exception for an error of the core."""
    kind = _KINDS.get(code, SkipError)
    return kind(message, code=code, hint=hint, advice=advice, status=status, provider_text=provider_text)
