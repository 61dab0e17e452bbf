"""The types of arguments, for programs that pass them on."""

from os import PathLike
from typing import Literal, TypeAlias, TypedDict

__all__ = [
    "Advice",
    "ClientOptions",
    "DoctorProfile",
    "ErrorCode",
    "ExportFormat",
    "Message",
    "MessageKind",
    "Pem",
    "SchemaStyle",
    "TextFormat",
    "TlsVersion",
]

Pem: TypeAlias = str | PathLike[str] | bytes
"""Certificates or a private key: the path of a file, or PEM as bytes or as a str that begins with `-----BEGIN`."""

Message: TypeAlias = str | bytes | bytearray | memoryview
"""A message as it was received."""

TlsVersion: TypeAlias = Literal["auto", "1.2", "1.3"]
MessageKind: TypeAlias = Literal["capabilities", "key", "entropy"]
SchemaStyle: TypeAlias = Literal["strict", "as-published"]
DoctorProfile: TypeAlias = Literal["draft", "ios-xe", "ios-xr", "nx-os"]
TextFormat: TypeAlias = Literal["hex", "base64", "strongswan", "libreswan", "vyos", "wireguard", "wpa", "cisco"]
"""A format of `Key.export` that is text."""
ExportFormat: TypeAlias = Literal["raw"] | TextFormat
"""A format of `Key.export`; `raw` is bytes."""
Advice: TypeAlias = Literal["same_request", "new_key", "no"]
"""What to request next after a SkipError."""
ErrorCode: TypeAlias = Literal[
    "invalid_argument",
    "unknown_remote",
    "not_supported",
    "connect_failed",
    "tls_failed",
    "timed_out",
    "connection_lost",
    "rejected",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "busy",
    "provider_failed",
    "unexpected_status",
    "malformed_response",
    "response_too_large",
    "key_id_mismatch",
    "size_mismatch",
    "weak_key",
]


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of the clients and of doctor, except credentials: `**options: Unpack[ClientOptions]`."""

    # options:types begin (core/tests/front_ends.rs writes it)
    server_name: str | None
    """The name that the Key Provider's certificate must have, instead of the URL's host."""
    pin: str | None
    """The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`."""
    tls: Literal["auto", "1.2", "1.3"]
    """Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3."""
    forward_secrecy: bool
    """Refuse cipher suites without forward secrecy."""
    post_quantum: bool
    """Offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger."""
    timeout: float
    """Time for the whole call, in seconds."""
    connect_timeout: float
    """Time for resolving the name, TCP and TLS of one Key Provider together, in seconds."""
    proxy: str | None
    """URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored."""
    source_address: str | None
    """Local IP address to connect from."""
    lenient: bool
    """Accept some known deviations of real Key Providers from the draft."""
    check_remote: bool
    """Refuse locally what the capabilities exclude, such as a remote that they do not list."""
    wait_when_busy: float
    """Total time to keep retrying while a Key Provider is busy (429, 503), in seconds."""
    legacy: bool
    """Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure."""
    # options:types end
    key_password: str | bytes | PathLike[str] | None
    """Password of an encrypted private key (PKCS#8), or of PKCS#12; a `pathlib.Path` is a file with it."""
    strict: bool
    """The opposite of `lenient`, until 1.0."""
