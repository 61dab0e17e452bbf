"""The compiled part of the package."""

from asyncio import Future
from collections.abc import Awaitable, Callable, Sequence
from os import PathLike
from typing import Any, Literal, NoReturn, Self, Unpack, final, overload

from .types import (
    ClientOptions,
    DoctorProfile,
    ErrorCode,
    ExportFormat,
    Message,
    MessageKind,
    Pem,
    SchemaStyle,
    TextFormat,
    TlsVersion,
)

__all__ = [
    "Calls",
    "CancelToken",
    "Capabilities",
    "Check",
    "Client",
    "ConnectionInfo",
    "Endpoint",
    "Entropy",
    "Inbox",
    "Key",
    "KeyProviderPair",
    "Problem",
    "Psk",
    "Report",
    "Threads",
    "__version__",
    "cli_main",
    "decode_ppk_identity",
    "decode_use_ppk",
    "doctor",
    "doctor_checks",
    "encode_ppk_identity",
    "encode_use_ppk",
    "error_codes",
    "export_formats",
    "harden_process",
    "is_valid",
    "lock_memory",
    "matches_remote",
    "schema_text",
    "tls_libraries",
    "validate",
]

__version__: str

@final
class CancelToken:
    """Cancels calls from another thread."""

    def __new__(cls) -> Self: ...
    def cancel(self) -> None:
        """Cancels every call that uses this token, now or later; they raise ConnectionLost."""
    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""

@final
class Capabilities:
    """The capabilities of a Key Provider (draft 4.1, Table 4). The constructor is for your tests."""

    def __new__(
        cls,
        local_system_id: str,
        remote_system_ids: Sequence[str],
        algorithm: str = "",
        supports_key: bool = True,
        supports_entropy: bool = True,
        warnings: Sequence[Problem] = ...,
    ) -> Self: ...
    @property
    def local_system_id(self) -> str:
        """The id of the Key Provider itself; empty if a lenient client found none."""
    @property
    def remote_system_ids(self) -> list[str]:
        """The ids, or patterns of ids, of the Key Providers that share keys with this one."""
    @property
    def algorithm(self) -> str:
        """How keys are generated and synchronised, in the Key Provider's words (up to 1024 bytes)."""
    @property
    def supports_key(self) -> bool:
        """Whether GET /key is offered."""
    @property
    def supports_entropy(self) -> bool:
        """Whether GET /entropy is offered."""
    @property
    def warnings(self) -> list[Problem]:
        """Warnings about a valid message."""
    def matches_remote(self, id: str) -> bool:
        """Whether the Key Provider lists `id` as a remote (draft 4.1.2)."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Problem:
    """A problem with a message; it never contains a value of the message. The constructor is for your tests."""

    def __new__(
        cls, path: str, code: str, message: str, severity: Literal["error", "warning"] = "error", section: str = ""
    ) -> Self: ...
    @property
    def path(self) -> str:
        """The location as a JSON Pointer; empty for the whole document."""
    @property
    def code(self) -> str:
        """A stable code."""
    @property
    def message(self) -> str:
        """A text for people."""
    @property
    def severity(self) -> Literal["error", "warning"]:
        """Whether it makes the message invalid."""
    @property
    def section(self) -> str:
        """The section of the draft concerned."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class ConnectionInfo:
    """Information about a connection to a Key Provider. The constructor is for your tests."""

    def __new__(
        cls,
        url: str,
        address: str,
        tls_version: str,
        cipher_suite: str,
        group: str | None = None,
        warnings: Sequence[str] = ...,
    ) -> Self: ...
    @property
    def url(self) -> str:
        """The Key Provider's URL."""
    @property
    def address(self) -> str:
        """Address and port of the Key Provider, or of the proxy."""
    @property
    def tls_version(self) -> str:
        """`TLS 1.2` or `TLS 1.3`."""
    @property
    def cipher_suite(self) -> str:
        """The IANA name of the cipher suite, as in Table 1 of the draft."""
    @property
    def group(self) -> str | None:
        """The key exchange group, for example `X25519MLKEM768`."""
    @property
    def warnings(self) -> list[str]:
        """Deviations from Table 1 of the draft."""
    def __eq__(self, other: object, /) -> bool: ...

@final
class Key:
    """A key and its keyId (draft 4.2). Wiped by `wipe`, by `with`, and when collected; `==` is constant-time.

    `memoryview(key)` reads it without a copy; `bytes(key)`, `hex` and `export` make copies that Python cannot wipe.
    """

    @property
    def key_id(self) -> str:
        """The keyId, to be passed on to the other end unchanged."""
    @property
    def bits(self) -> int:
        """The length of the key in bits."""
    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits for people to compare; equal at both ends if the keys are."""
    @property
    def warnings(self) -> list[Problem]:
        """Warnings about a valid reply."""
    def hex(self) -> str:
        """The key in hexadecimal, lower case."""
    @overload
    def export(self, format: Literal["raw"]) -> bytes: ...
    @overload
    def export(self, format: TextFormat) -> str:
        """The key in an export format: str, or bytes for `raw`. See `export_formats()`.

        Raises InvalidArgument for an unknown format, and when the format does not support this length or this keyId.
        """
    def export_to(self, file_descriptor: int, format: ExportFormat = "raw") -> None:
        """Writes the exported key to a file descriptor, without a copy in Python (OSError on Windows).

        Raises InvalidArgument, OSError.
        """
    def wipe(self) -> None:
        """Overwrites the key with zeros now; open memoryviews then read zeros.

        `key_id`, `bits` and `fingerprint` remain. Reading, exporting and comparing then raise InvalidArgument.
        """
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def __reduce__(self) -> NoReturn: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...

@final
class Entropy:
    """Random bytes (draft 4.3). Wiped by `wipe`, at the end of `with`, and when collected; `==` is constant-time."""

    @property
    def bits(self) -> int:
        """The entropy in bits according to the Key Provider, at least as much as requested."""
    @property
    def warnings(self) -> list[Problem]:
        """Warnings about a valid reply."""
    def hex(self) -> str:
        """The bytes in hexadecimal, lower case."""
    def wipe(self) -> None:
        """Overwrites the bytes with zeros now; open memoryviews then read zeros.

        Reading and comparing then raise InvalidArgument.
        """
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...
    def __reduce__(self) -> NoReturn: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    def __release_buffer__(self, buffer: memoryview, /) -> None: ...

@final
class Psk:
    """A TLS pre-shared key and its identity (draft 3, Table 1). It may be dropped after creating a client with it.

    `identity`: 1 to 128 bytes of UTF-8. The key, 1 to 256 bytes (32 random bytes are a good key), in exactly one form:
    `hex` digits, the `text` itself, `base64` with padding, or `raw` bytes. Raises InvalidArgument, which never shows
    the key. It cannot be compared, copied or pickled, and its repr shows the identity only.
    """

    def __new__(
        cls,
        identity: str,
        *,
        hex: str | None = None,
        text: str | None = None,
        base64: str | None = None,
        raw: bytes | bytearray | memoryview | None = None,
    ) -> Self: ...
    @staticmethod
    def from_file(path: str | PathLike[str], identity: str | None = None) -> Psk:
        """The key in a file with lines `identity:hex`, one of them selected by `identity`, or with `hex` alone for it.

        Raises InvalidArgument.
        """
    @property
    def identity(self) -> str:
        """The identity, which TLS sends in the clear."""

class Client:
    """The base class of `skip_client.Client`."""

    def __new__(
        cls,
        url: str | Sequence[str],
        *,
        ca: Pem | None = None,
        cert: tuple[Pem, Pem] | Pem | None = None,
        psk: Psk | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self: ...
    def capabilities(
        self, *, refresh: bool = False, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Capabilities:
        """The Key Provider's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again.

        `timeout`, here and in the other calls: seconds, instead of the client's. Raises SkipError of the network's and
        the provider's sides.
        """
    def new_key(
        self,
        remote: str,
        size: int | None = None,
        *,
        timeout: float | None = None,
        cancel: CancelToken | None = None,
    ) -> Key:
        """A fresh key of `size` bits (8 to 65536, a multiple of 8), or of the Key Provider's default (draft 4.2).

        Raises SkipError; with the advice `new_key` the key of this request may be lost: request another one.
        """
    def key_by_id(
        self, key_id: str, remote: str, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Key:
        """The key that the initiator got from the Key Provider `remote` with `key_id` (draft 4.2), handed out once.

        Raises SkipError; with the advice `new_key` the initiator has to request another key.
        """
    def entropy(
        self, bits: int | None = None, *, timeout: float | None = None, cancel: CancelToken | None = None
    ) -> Entropy:
        """Random bytes of at least `bits` bits, or of the default of 256 bits (draft 4.3). Raises SkipError."""
    @property
    def connection(self) -> ConnectionInfo | None:
        """Information about the last connection; None before the first one."""
    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
    def close(self) -> None:
        """Cancels the running calls and closes all connections; later calls raise InvalidArgument."""
    def __enter__(self) -> Self: ...
    def __exit__(self, *_error: object) -> None: ...

@final
class Threads:
    """The threads of an AsyncClient; they never take the interpreter's lock."""

    def __new__(cls, client: Client) -> Self: ...
    def at_loop(self, create_future: Callable[[], Future[Any]]) -> tuple[Calls, Inbox]:
        """The two ends of the queue for one event loop."""
    def end(self) -> None:
        """Ends the threads when no calls are left."""

@final
class Calls:
    """Accepts the calls of coroutines. When it is dropped, the inbox learns that no other calls will follow."""

    def capabilities(self, refresh: bool, timeout: float | None = None) -> Future[Capabilities]:
        """Like the method of Client; the others likewise."""
    def new_key(self, remote: str, size: int | None, timeout: float | None = None) -> Future[Key]: ...
    def key_by_id(self, key_id: str, remote: str, timeout: float | None = None) -> Future[Key]: ...
    def entropy(self, bits: int | None, timeout: float | None = None) -> Future[Entropy]: ...
    def cancel(self, future: Awaitable[Any]) -> None:
        """Cancels the call of this future, or wipes a result that has just arrived."""

@final
class Inbox:
    """Delivers results to an event loop. When it is dropped, so are results that are no longer awaited."""

    def fileno(self) -> int:
        """A descriptor that becomes readable when there are results to deliver."""
    def wake_by(self, call: Callable[[], object]) -> None:
        """Sets a callback instead, which is called from any thread."""
    def deliver(self) -> bool:
        """Completes the futures of all results; returns whether these were the last ever."""

@final
class Check:
    """One check of `doctor` and its result."""

    @property
    def id(self) -> str:
        """Its stable name."""
    @property
    def section(self) -> str:
        """The section of the draft concerned."""
    @property
    def level(self) -> Literal["MUST", "SHOULD", "security", "interop"]:
        """Its level in the profile."""
    @property
    def result(self) -> Literal["pass", "fail", "warn", "skip"]:
        """The result."""
    @property
    def message(self) -> str:
        """What was found."""
    @property
    def remedy(self) -> str:
        """What to do; empty when there is nothing to do."""
    @property
    def title(self) -> str:
        """The requirement."""
    @property
    def about(self) -> str:
        """Why it matters."""
    @property
    def page(self) -> str:
        """The URL of its page."""
    @property
    def provider_text(self) -> str:
        """The Key Provider's text of an internal error (status 500 and above), redacted; usually empty."""
    @property
    def evidence(self) -> list[str]:
        """Its requests and the replies, without secrets."""

@final
class Report:
    """The report of `doctor`; `str(report)` is readable text."""

    @property
    def verdict(self) -> Literal["pass", "fail", "no-connection"]:
        """`fail` when a check of level MUST failed."""
    @property
    def summary(self) -> str:
        """One line."""
    @property
    def checks(self) -> list[Check]:
        """All checks, in the order of the report."""
    @property
    def profile(self) -> DoctorProfile:
        """The profile of the examination."""
    @property
    def remote(self) -> str | None:
        """The remote that keys were requested for."""
    @property
    def keys_used(self) -> int:
        """The maximum number of keys that were used up."""
    @property
    def seconds(self) -> float:
        """The duration in seconds."""
    def __getitem__(self, id: str, /) -> Check:
        """The check with this id. Raises KeyError."""
    def json(self) -> str:
        """One JSON object, as `skip-client doctor --json` prints it."""
    def junit(self) -> str:
        """JUnit XML."""
    def html(self) -> str:
        """A self-contained web page."""

@final
class Endpoint:
    """One of the two development Key Providers."""

    @property
    def id(self) -> str:
        """Its localSystemID."""
    @property
    def url(self) -> str:
        """Its URL."""
    @property
    def psk_url(self) -> str:
        """Its URL for clients with a pre-shared key."""

@final
class KeyProviderPair:
    """The servers behind `skip_client.testing.KeyProviderPair`."""

    def __new__(
        cls,
        quirks: list[str],
        faults: list[str],
        *,
        alice_id: str,
        bob_id: str,
        alice_remotes: list[str],
        bob_remotes: list[str],
        require_client_cert: bool,
        psks: list[Psk],
        psk_ciphers: str | None,
        key_lifetime: float,
    ) -> Self: ...
    @property
    def alice(self) -> Endpoint: ...
    @property
    def bob(self) -> Endpoint: ...
    @property
    def ca(self) -> str: ...
    @property
    def client_cert(self) -> str: ...
    @property
    def client_key(self) -> str: ...
    @property
    def psk_file(self) -> str: ...
    def set_quirks(self, quirks: list[str]) -> None: ...
    def set_faults(self, faults: list[str]) -> None: ...
    def stop(self) -> None: ...
    @staticmethod
    def quirk_names() -> list[str]: ...
    @staticmethod
    def fault_names() -> list[str]: ...

def doctor(
    url: str,
    *,
    peer: str | None = None,
    remote: str | None = None,
    profile: DoctorProfile = "draft",
    budget: int = 200,
    only: Sequence[str] | None = None,
    ca: Pem | None = None,
    cert: tuple[Pem, Pem] | Pem | None = None,
    psk: Psk | None = None,
    peer_ca: Pem | None = None,
    peer_cert: tuple[Pem, Pem] | Pem | None = None,
    peer_psk: Psk | None = None,
    peer_server_name: str | None = None,
    peer_pin: str | None = None,
    peer_tls: TlsVersion = "auto",
    peer_proxy: str | None = None,
    **options: Unpack[ClientOptions],
) -> Report:
    """Examines whether a Key Provider, preferably together with its peer, follows the draft.

    It uses up keys, at most `budget`. `remote`: the remote to request keys for, by default the peer. `profile`:
    `draft`, `ios-xe`, `ios-xr` or `nx-os`. `only`: ids of the checks to run, together with their controls; by default
    all. The other arguments are those of Client and apply to both Key Providers, unless one that begins with `peer_`
    overrides them for the peer. Failures are in the report; raises InvalidArgument only for invalid arguments.
    """

def encode_use_ppk(local_system_id: str | None = None, *, next_payload: int = 0) -> bytes:
    """`USE_PPK` with the localSystemID of the sender's Key Provider (draft 5, step 3), or empty as in RFC 8784.

    Raises InvalidArgument when the id is invalid, OverflowError when `next_payload` is not from 0 to 255.
    """

def decode_use_ppk(payload: bytes) -> str | None:
    """The localSystemID of a `USE_PPK`; None when there is none. Raises InvalidArgument for another payload."""

def encode_ppk_identity(key_id: str, *, as_octets: bool = False, next_payload: int = 0) -> bytes:
    """`PPK_IDENTITY` for a keyId: as text, which every known implementation accepts, or as the octets of its digits.

    Raises InvalidArgument when the keyId is invalid, or has no octets; OverflowError as encode_use_ppk.
    """

def decode_ppk_identity(payload: bytes, *, as_octets: bool = False) -> str:
    """The keyId of a `PPK_IDENTITY` that has it as text, or as octets. Raises InvalidArgument for another payload."""

def doctor_checks(profile: DoctorProfile, has_peer: bool) -> list[str]:
    """The ids of the checks of `doctor`. Raises InvalidArgument for an unknown profile."""

def validate(
    kind: MessageKind,
    data: Message,
    *,
    lenient: bool | None = None,
    schema: SchemaStyle = "strict",
    strict: bool | None = None,
) -> list[Problem]:
    """Lists the problems of a message (capabilities, key or entropy); a valid one has no problems but warnings.

    `lenient` accepts known deviations of real Key Providers; `strict` is its opposite, until 1.0. The schema
    `as-published` has only the constraints of the JSON Schemas in the draft (Figures 3, 5 and 7).

    Raises InvalidArgument for an unknown kind or schema, and if `lenient` and `strict` contradict each other.
    """

def is_valid(
    kind: MessageKind,
    data: Message,
    *,
    lenient: bool | None = None,
    schema: SchemaStyle = "strict",
    strict: bool | None = None,
) -> bool:
    """Whether `validate` finds no problem of severity `error`. Raises InvalidArgument as `validate`."""

def matches_remote(remote_system_ids: Sequence[str], id: str) -> bool:
    """Whether an entry of the list is `id`, or a pattern (Table 5 of the draft) that matches it."""

def schema_text(kind: MessageKind, style: SchemaStyle) -> str:
    """The JSON Schema of a message, as JSON. Raises InvalidArgument."""

def error_codes() -> list[ErrorCode]:
    """The codes of all errors."""

def export_formats() -> list[ExportFormat]:
    """The formats of Key.export."""

def harden_process() -> Literal["full", "core_dumps_off", "nothing"]:
    """Protects this process's memory, for programs that hold keys; a library must not call it on behalf of its host.

    `full` (Linux): no core dumps, and no other process of the same user can read or trace this one. The price: no core
    dump after a crash, here and in child programs, no debugger or profiler, and a process without privileges cannot
    open its own /proc/self/mem or environ. It cannot be undone.
    """

def lock_memory() -> bool:
    """Keeps every page that this process touches from now on out of swap (Linux); False if that is not permitted.

    It requires root, or an unlimited RLIMIT_MEMLOCK (`LimitMEMLOCK=infinity` for a service). The price: all memory
    stays in RAM, including that of the interpreter. Hibernation still writes it to disk.
    """

def tls_libraries() -> dict[str, str]:
    """The TLS libraries inside this package with their versions: AWS-LC (certificates), OpenSSL (pre-shared keys)."""

def cli_main(arguments: list[str]) -> int:
    """Runs the command line; the first argument is its name. Returns the exit status."""
