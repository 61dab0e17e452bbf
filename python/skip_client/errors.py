"""What can go wrong: one class for each code, whose base says what kind of Python error it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Advice = Literal["same_request", "new_key", "no"]


class SkipError(Exception):
    """A failure. `str()` of it is one line, lower case, and never shows a key or what the Key Provider wrote.

    `code` is stable and the same in every language; `hint` says what to do; `advice` says what to ask next; `status` is
    the HTTP status if there was one; `provider_text` is what the Key Provider wrote beside a status other than 200,
    made safe to show to a person (printable, at most 512 bytes, anything that could be a key replaced).
    """

    code: str
    hint: str
    advice: Advice
    status: int | None
    provider_text: str | None

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        hint: str = "",
        advice: Advice = "no",
        status: int | None = None,
        provider_text: str | None = None,
    ) -> None:
        """Usually made by the client."""
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.advice = advice
        self.status = status
        self.provider_text = provider_text


class InvalidArgument(SkipError, ValueError):
    """An argument breaks a rule; nothing was sent."""


class UnknownRemote(SkipError, LookupError):
    """No entry of the Key Provider's remoteSystemID list matches the remote; no key was asked for."""


class NotSupported(SkipError):
    """The capabilities say that this method is not offered; nothing was asked for."""


class ConnectFailed(SkipError, ConnectionError):
    """No connection: name, address, route, port or proxy."""


class TlsFailed(SkipError, ConnectionError):
    """TCP came up, TLS did not."""


class TimedOut(SkipError, TimeoutError):
    """A deadline passed."""


class ConnectionLost(SkipError, ConnectionError):
    """The connection was lost after the request, or a part of it, had gone out."""


class Rejected(SkipError):
    """The Key Provider refused the request (400, 409, 410, 422 and other 4xx)."""


class Unauthorized(SkipError, PermissionError):
    """The Key Provider does not accept this client (401, 403)."""


class NotFound(SkipError, LookupError):
    """The Key Provider has no such path (404)."""


class MethodNotAllowed(SkipError):
    """The server refused the method GET (405)."""


class Busy(SkipError):
    """The Key Provider is busy, or has no entropy now (429, 503)."""


class ProviderFailed(SkipError):
    """The Key Provider failed inside (5xx)."""


class UnexpectedStatus(SkipError):
    """A status that SKIP has no meaning for (1xx, 3xx, other 2xx, above 599)."""


class MalformedResponse(SkipError, ValueError):
    """The reply is not what the draft describes."""


class ResponseTooLarge(SkipError, ValueError):
    """The reply is larger than any SKIP message may be."""


class KeyIdMismatch(SkipError, ValueError):
    """The reply names another keyId than the one asked for; the key was wiped."""


class SizeMismatch(SkipError, ValueError):
    """The key, or the random string, has another length than the one asked for."""


class WeakKey(SkipError, ValueError):
    """The key is all zeros, all ones, or can be read off its keyId."""


def _from_core(
    code: str, message: str, hint: str, advice: Advice, status: int | None, provider_text: str | None
) -> SkipError:
    """The exception for an error of the core: the class is the code in CamelCase."""
    kind = globals().get("".join(word.capitalize() for word in code.split("_")), SkipError)
    error: SkipError = kind(message, code=code, hint=hint, advice=advice, status=status, provider_text=provider_text)
    return error
