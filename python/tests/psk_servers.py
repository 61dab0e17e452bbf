"""Third-party servers with pre-shared keys, on free ports of 127.0.0.1, with static responses.

All take the arguments of `Start`. What each of them supports is in the table of suites in the tests.
"""

import base64
import importlib.util
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from servers import KEY_ID, MESSAGES, free_port, http_server, needs, nginx, openssl, process

AES_GCM_SHA384 = "TLS_AES_256_GCM_SHA384"


@dataclass(frozen=True)
class Secret:
    """An identity and its key, which the repr omits."""

    identity: str
    key: bytes = field(repr=False)

    def write(self, path: Path) -> Path:
        """Writes a line identity:hex, the format of GnuTLS, stunnel and the client."""
        path.touch(mode=0o600)
        path.write_text(f"{self.identity}:{self.key.hex()}\n")
        return path


@dataclass(frozen=True)
class Server:
    """A listening server. `reply_with` selects its next message, if it has one for all paths."""

    url: str
    reply_with: Callable[[str], None] = lambda message: None


class Start(Protocol):
    """Starts a server. `tls` is `1.2`, `1.3` or `auto`; `cipher` is OpenSSL's name of the only suite for TLS 1.2."""

    def __call__(
        self, directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None
    ) -> AbstractContextManager[Server]:
        """The running server."""
        ...


@contextmanager
def s_server(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """`openssl s_server -psk`: uses the TLS 1.2 callback for all versions, so that TLS 1.3 keys are bound to SHA-256.

    It accepts every identity, provided the key is right.
    """
    with _s_server(directory, tls, cipher, "-psk_identity", secret.identity, "-psk", secret.key.hex()) as server:
        yield server


@contextmanager
def s_server_session(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """`openssl s_server -psk_session`: in TLS 1.3 the key is bound to SHA-384; in TLS 1.2 it works like `-psk`."""
    session = directory / "session.pem"
    session.write_text(session_pem(secret.key))
    options = ["-psk_identity", secret.identity, "-psk_session", str(session), "-ciphersuites", AES_GCM_SHA384]
    if tls != "1.3":
        options += ["-psk", secret.key.hex()]
    with _s_server(directory, tls, cipher, *options) as server:
        yield server


@contextmanager
def gnutls_serv(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """GnuTLS, which has one response for all paths, selected by `reply_with`. It can only listen on all addresses."""
    reply = directory / "reply"

    def reply_with(message: str) -> None:
        reply.write_text(json.dumps(MESSAGES[message]))

    reply_with("capabilities")
    versions = "".join(f":+VERS-TLS{version}" for version in ("1.2", "1.3") if tls in (version, "auto"))
    priority = f"NONE{versions}:+SIGN-ALL:+GROUP-ALL:+COMP-NULL{_GNUTLS[cipher]}"
    port = free_port()
    command = [
        *(needs("gnutls-serv"), "--port", str(port), "--http", "--httpdata", str(reply), "--priority", priority),
        *("--pskpasswd", str(secret.write(directory / "psk.txt")), "--quiet"),
    ]
    with process(command, directory, port) as url:
        yield Server(url, reply_with)


@contextmanager
def stunnel(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """stunnel with a pre-shared key in front of nginx."""
    port = free_port()
    with ExitStack() as stack:
        (directory / "nginx").mkdir()
        behind = stack.enter_context(nginx(directory / "nginx")).removeprefix("https://")
        versions = {"1.2": ("TLSv1.2", "TLSv1.2"), "1.3": ("TLSv1.3", "TLSv1.3"), "auto": ("TLSv1.2", "TLSv1.3")}
        oldest, newest = versions[tls]
        configuration = directory / "stunnel.conf"
        configuration.write_text(
            f"foreground = yes\npid =\nsyslog = no\n[skip]\naccept = 127.0.0.1:{port}\nconnect = {behind}\n"
            f"PSKsecrets = {secret.write(directory / 'psk.txt')}\nciphers = {cipher or 'PSK'}\n"
            f"sslVersionMin = {oldest}\nsslVersionMax = {newest}\n"
        )
        url = stack.enter_context(process([needs("stunnel4"), str(configuration)], directory, port))
        yield Server(url)


@contextmanager
def sslpsk3(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """Python's http.server with the package sslpsk3: plain PSK only, because Python's ssl has no default DH group."""
    with http_server(_sslpsk3_context(secret, tls, cipher)) as url:
        yield Server(url)


@contextmanager
def sslpsk3_dh(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """The same after `load_dh_params`."""
    context = _sslpsk3_context(secret, tls, cipher)
    parameters = directory / "dh.pem"
    generate = ("genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe3072", "-out", parameters)
    openssl(*generate, directory=directory)
    context.load_dh_params(parameters)
    with http_server(context) as url:
        yield Server(url)


def _sslpsk3_context(secret: Secret, tls: str, cipher: str | None) -> ssl.SSLContext:
    if importlib.util.find_spec("sslpsk3") is None:
        needs("sslpsk3")
    from sslpsk3 import SSLPSKContext

    versions = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    context = SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = versions.get(tls, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = versions.get(tls, ssl.TLSVersion.TLSv1_3)
    context.set_ciphers(cipher or "PSK")
    context.set_psk_server_callback(lambda identity: secret.key if identity == secret.identity else b"")
    return context


def session_pem(key: bytes) -> str:
    """An SSL_SESSION of OpenSSL (PEM) that represents a key of TLS_AES_256_GCM_SHA384 in TLS 1.3."""

    def der(tag: int, content: bytes) -> bytes:
        length = len(content)
        # DER's long form, from 128 bytes on
        head = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
        return bytes([tag]) + head + content

    def integer(value: int) -> bytes:
        return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    session = der(
        0x30,
        integer(1)  # version of the structure
        + integer(0x0304)  # TLS 1.3
        + der(0x04, b"\x13\x02")  # the suite
        + der(0x04, b"")  # session id
        + der(0x04, key)
        + der(0xA1, integer(int(time.time())))
        + der(0xA2, integer(24 * 60 * 60)),  # valid for a day
    )
    kind = "SSL SESSION PARAMETERS"
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(session).decode()}-----END {kind}-----\n"


@contextmanager
def _s_server(directory: Path, tls: str, cipher: str | None, *options: str) -> Iterator[Server]:
    """`openssl s_server` with the responses in files, headers included."""
    site = directory / "site"
    (site / "key").mkdir(parents=True)
    for name, message in (
        ("capabilities", "capabilities"),
        ("key?remoteSystemID=Bob", "key"),
        ("key?remoteSystemID=Bob&size=256", "key"),
        (f"key/{KEY_ID}?remoteSystemID=Bob", "key"),
        ("entropy", "entropy"),
        ("entropy?minentropy=128", "entropy"),
    ):
        body = json.dumps(MESSAGES[message])
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        (site / name).write_bytes(f"{head}Connection: close\r\n\r\n{body}".encode())
    port = free_port()
    command = [needs("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-nocert", "-HTTP", *options]
    command += {"1.2": ["-tls1_2"], "1.3": ["-tls1_3"], "auto": []}[tls]
    if cipher:
        command += ["-cipher", cipher]
    with process(command, site, port) as url:
        yield Server(url)


_GNUTLS = {
    None: ":+DHE-PSK:+PSK:+AES-256-GCM:+AES-256-CBC:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD:+SHA384:+SHA1",
    "DHE-PSK-AES256-GCM-SHA384": ":+DHE-PSK:+AES-256-GCM:+AEAD",
    "DHE-PSK-AES256-CBC-SHA384": ":+DHE-PSK:+AES-256-CBC:+SHA384",
    "PSK-AES256-GCM-SHA384": ":+PSK:+AES-256-GCM:+AEAD",
    "DHE-PSK-AES256-CBC-SHA": ":+DHE-PSK:+AES-256-CBC:+SHA1",
}

SERVERS: dict[str, Start] = {
    "openssl s_server -psk": s_server,
    "openssl s_server -psk_session": s_server_session,
    "gnutls-serv": gnutls_serv,
    "stunnel and nginx": stunnel,
    "Python sslpsk3": sslpsk3,
    "Python sslpsk3 with a DH group": sslpsk3_dh,
}
