"""Client for the Secure Key Integration Protocol (SKIP, draft-cisco-skip-02).

The initiator requests a fresh key from its Key Provider and passes the keyId on; the responder requests the key with
that keyId from its own Key Provider. All lengths are in bits.
"""

from ._client import Client
from ._core import (
    CancelToken,
    Capabilities,
    Check,
    ConnectionInfo,
    Entropy,
    Key,
    Problem,
    Psk,
    Report,
    __version__,
    doctor,
    error_codes,
    export_formats,
    harden_process,
    is_valid,
    lock_memory,
    matches_remote,
    tls_libraries,
    validate,
)
from ._schema import schema
from .errors import (
    Busy,
    ConnectFailed,
    ConnectionLost,
    InvalidArgument,
    KeyIdMismatch,
    MalformedResponse,
    MethodNotAllowed,
    NotFound,
    NotSupported,
    ProviderFailed,
    Rejected,
    ResponseTooLarge,
    SizeMismatch,
    SkipError,
    TimedOut,
    TlsFailed,
    Unauthorized,
    UnexpectedStatus,
    UnknownRemote,
    WeakKey,
)

# like typing.TYPE_CHECKING; importing typing takes half as long as all of this
TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._aio import AsyncClient

__all__ = [
    "AsyncClient",
    "Busy",
    "CancelToken",
    "Capabilities",
    "Check",
    "Client",
    "ConnectFailed",
    "ConnectionInfo",
    "ConnectionLost",
    "Entropy",
    "InvalidArgument",
    "Key",
    "KeyIdMismatch",
    "MalformedResponse",
    "MethodNotAllowed",
    "NotFound",
    "NotSupported",
    "Problem",
    "ProviderFailed",
    "Psk",
    "Rejected",
    "Report",
    "ResponseTooLarge",
    "SizeMismatch",
    "SkipError",
    "TimedOut",
    "TlsFailed",
    "Unauthorized",
    "UnexpectedStatus",
    "UnknownRemote",
    "WeakKey",
    "__version__",
    "doctor",
    "error_codes",
    "export_formats",
    "harden_process",
    "is_valid",
    "lock_memory",
    "matches_remote",
    "schema",
    "tls_libraries",
    "validate",
]


def __getattr__(name: str) -> object:
    """Imports AsyncClient on first use: importing asyncio alone takes ten times as long as everything else."""
    if name == "AsyncClient":
        from ._aio import AsyncClient

        globals()[name] = AsyncClient
        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
