"""The exceptions: one class for each code, derived from the matching built-in exception."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .types import Advice, ErrorCode


class SkipError(Exception):
    """An error. `str(error)` is one line, lower case, and never contains a key or the Key Provider's text.

    `code` is stable and the same in every language; `hint` says what to do; `advice` says what to request next;
    `status` is the HTTP status, if there was one; `provider_text` is the body of a reply with a status other than 200,
    made safe to show to a person (printable, at most 512 bytes, anything that could be a key redacted).
    """

    code: ErrorCode = ""  # type: ignore[assignment] # only for instances of this base class that a program creates
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
        """Usually raised by the client; `code` defaults to that of the class."""
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
    """No entry of the Key Provider's remoteSystemID list matches the remote; no key was requested."""

    code: ErrorCode = "unknown_remote"


class NotSupported(SkipError):
    """The Key Provider does not offer this method; nothing was requested."""

    code: ErrorCode = "not_supported"


class ConnectFailed(SkipError, ConnectionError):
    """No connection could be made: name, address, route, port or proxy."""

    code: ErrorCode = "connect_failed"


class TlsFailed(SkipError, ConnectionError):
    """TCP connected, but the TLS handshake failed."""

    code: ErrorCode = "tls_failed"


class TimedOut(SkipError, TimeoutError):
    """A deadline passed."""

    code: ErrorCode = "timed_out"


class ConnectionLost(SkipError, ConnectionError):
    """The connection was lost after all or part of the request had been sent."""

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
    """The Key Provider is busy, or currently has no entropy (429, 503)."""

    code: ErrorCode = "busy"


class ProviderFailed(SkipError):
    """The Key Provider failed internally (5xx)."""

    code: ErrorCode = "provider_failed"


class UnexpectedStatus(SkipError):
    """A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599)."""

    code: ErrorCode = "unexpected_status"


class MalformedResponse(SkipError, ValueError):
    """The reply does not conform to the draft."""

    code: ErrorCode = "malformed_response"


class ResponseTooLarge(SkipError, ValueError):
    """The reply is larger than any SKIP message can be."""

    code: ErrorCode = "response_too_large"


class KeyIdMismatch(SkipError, ValueError):
    """The reply has a different keyId from the one requested; the key was wiped."""

    code: ErrorCode = "key_id_mismatch"


class SizeMismatch(SkipError, ValueError):
    """The key or random string has a different length from the one requested."""

    code: ErrorCode = "size_mismatch"


class WeakKey(SkipError, ValueError):
    """The key is all zeros, all ones, or can be read from its keyId."""

    code: ErrorCode = "weak_key"


_KINDS = {kind.code: kind for kind in SkipError.__subclasses__()}


def _from_core(
    code: ErrorCode, message: str, hint: str, advice: Advice, status: int | None, provider_text: str | None
) -> SkipError:
    """The exception for an error of the core."""
    kind = _KINDS.get(code, SkipError)
    return kind(message, code=code, hint=hint, advice=advice, status=status, provider_text=provider_text)
