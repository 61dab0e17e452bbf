"""The client against servers not written for it: nginx, `openssl s_server`, Python's http.server, and broken ones.

Each combination works, or fails with an error that says what to do. Tests of servers that are not installed are
skipped, or fail in CI.
"""

import functools
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from servers import KEY, KEY_ID, MESSAGES, RANDOM, free_port, http_server, needs, nginx, openssl, process, spki_pin

from skip_client import Client, SkipError


class Pki:
    """Certificates created with the openssl command: one CA, and leaves as the tests need them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made = 0
        self.ca = directory / "ca.pem"
        self.unknown_ca = directory / "unknown.pem"
        for name in ("ca", "unknown"):
            self._key(f"{name}.key", "EC")
            openssl(
                *("req", "-x509", "-new", "-key", f"{name}.key", "-subj", f"/CN={name}", "-days", "2"),
                *("-addext", "keyUsage=critical,keyCertSign", "-out", f"{name}.pem"),
                directory=directory,
            )

    def _key(self, file: str, kind: str) -> None:
        options = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        if kind == "RSA":
            options = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
        openssl("genpkey", *options, "-out", file, directory=self.directory)

    def leaf(self, names: str, *, expired: bool = False, kind: str = "EC") -> tuple[Path, Path]:
        """Creates a certificate and its key; `names` is a subjectAltName, or empty for a common name only."""
        self.made += 1
        name = f"leaf{self.made}"
        self._key(f"{name}.key", kind)
        (self.directory / f"{name}.ext").write_text(
            "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
            + (f"subjectAltName={names}\n" if names else "")
        )
        (self.directory / f"{name}.index").write_text("")
        (self.directory / f"{name}.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={name}.index\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=p\n[p]\ncommonName=supplied\n"
        )
        openssl(
            "req",
            "-new",
            "-key",
            f"{name}.key",
            "-subj",
            "/CN=localhost",
            "-out",
            f"{name}.csr",
            directory=self.directory,
        )
        dates = ("-startdate", "200101000000Z", "-enddate", "210101000000Z") if expired else ("-days", "2")
        openssl(
            *("ca", "-batch", "-notext", "-config", f"{name}.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", *dates),
            *("-in", f"{name}.csr", "-extfile", f"{name}.ext", "-out", f"{name}.pem"),
            directory=self.directory,
        )
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The test run's own CA."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def address_leaf(pki: Pki) -> tuple[Path, Path]:
    """A certificate for an IP address, as lab Key Providers have."""
    return pki.leaf("IP:127.0.0.1")


def certificate_nginx(
    leaf: tuple[Path, Path], directory: Path, protocol: str, extra: str = ""
) -> AbstractContextManager[str]:
    """nginx with a certificate."""
    return nginx(directory, leaf, f"ssl_protocols {protocol};\n{extra}")


def certificate_server(
    leaf: tuple[Path, Path],
    *,
    protocol: str = "HTTP/1.1",
    version: ssl.TLSVersion | None = None,
    client_ca: Path | None = None,
) -> AbstractContextManager[str]:
    """Python's http.server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*leaf)
    if version:
        context.minimum_version = context.maximum_version = version
    if client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return http_server(context, protocol)


@contextmanager
def raw_server(talk: Callable[[socket.socket], None], tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """A server that runs `talk` on each connection."""
    stopped = threading.Event()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)

    def serve(connection: socket.socket) -> None:
        with ExitStack() as stack:
            stack.enter_context(connection)
            connection.settimeout(20)
            with suppress(OSError):
                talk(stack.enter_context(context.wrap_socket(connection, server_side=True)) if context else connection)

    def accept(listener: socket.socket) -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            thread.join()


def fetch_everything(kp: Client) -> None:
    """Sends all six requests to a server with static responses."""
    assert kp.capabilities().local_system_id == "Alice"
    key = kp.new_key("Bob")
    assert (key.key_id, key.bits, key.hex()) == (KEY_ID, 256, KEY)
    assert kp.new_key("Bob", size=256) == key
    assert kp.key_by_id(KEY_ID, "Bob") == key
    assert bytes(kp.entropy()).hex() == RANDOM
    assert kp.entropy(bits=128).bits >= 128


def refused(url: str, **options: object) -> SkipError:
    """The error from requesting the capabilities: it has a hint, and quotes none of the response."""
    with Client(url, **{"timeout": 60.0, "connect_timeout": 30.0} | options) as kp, pytest.raises(SkipError) as caught:
        kp.capabilities()
    error = caught.value
    assert error.hint, f"{error.code} has no hint"
    assert KEY not in f"{error} {error!r} {error.hint}"
    return error


# Servers that work.


def test_the_time_to_connect_counts_for_each_connection(pki: Pki) -> None:
    """A Key Provider that closes after each reply, and is busy for longer than a connection may take."""
    replies = [
        b"HTTP/1.1 503 Busy\r\nRetry-After: 4\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        f'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{{"keyId": "{KEY_ID}", "key": "{KEY}"}}'.encode(),
    ]

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(replies.pop(0))
        connection.close()

    options = {"check_remote": False, "connect_timeout": 3.0, "wait_when_busy": 10.0, "timeout": 30.0}
    with raw_server(talk, pki.leaf("IP:127.0.0.1")) as url, Client(url, ca=pki.ca, **options) as kp:
        assert kp.new_key("Bob").hex() == KEY


@pytest.mark.parametrize("protocol", ["TLSv1.2", "TLSv1.3"])
@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_nginx_serves_all_requests(pki: Pki, tmp_path: Path, protocol: str, kind: str) -> None:
    """Also with an RSA certificate, as real Key Providers have."""
    with (
        certificate_nginx(pki.leaf("IP:127.0.0.1", kind=kind), tmp_path, protocol) as url,
        Client(url, ca=pki.ca) as kp,
    ):
        fetch_everything(kp)


def test_nginx_that_closes_after_each_reply(pki: Pki, address_leaf: tuple[Path, Path], tmp_path: Path) -> None:
    """keepalive_timeout 0 sends `Connection: close`."""
    with (
        certificate_nginx(address_leaf, tmp_path, "TLSv1.3", "keepalive_timeout 0;") as url,
        Client(url, ca=pki.ca) as kp,
    ):
        fetch_everything(kp)


@pytest.mark.parametrize("tls", ["-tls1_2", "-tls1_3"])
def test_s_server_www_says_text_plain_and_closes(
    pki: Pki, address_leaf: tuple[Path, Path], tmp_path: Path, tls: str
) -> None:
    """HTTP/1.0, another media type, no length: the body ends with the connection."""
    (tmp_path / "capabilities").write_text(json.dumps(MESSAGES["capabilities"]))
    (tmp_path / "key?remoteSystemID=Bob").write_text(json.dumps(MESSAGES["key"]))
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / f"{KEY_ID}?remoteSystemID=Bob").write_text(json.dumps(MESSAGES["key"]))
    (tmp_path / "entropy").write_text(json.dumps(MESSAGES["entropy"]))
    with s_server(address_leaf, tmp_path, tls, "-WWW") as url, Client(url, ca=pki.ca) as kp:
        assert kp.capabilities().remote_system_ids == ["Bob"]
        assert kp.new_key("Bob").hex() == KEY
        assert kp.key_by_id(KEY_ID, "Bob").hex() == KEY
        assert bytes(kp.entropy()).hex() == RANDOM


@contextmanager
def s_server(leaf: tuple[Path, Path], directory: Path, *options: str) -> Iterator[str]:
    """`openssl s_server` with files from a folder."""
    port = free_port()
    command = [needs("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", *options]
    with process([*command, "-cert", str(leaf[0]), "-key", str(leaf[1])], directory, port) as url:
        yield url


def test_s_server_http_with_headers_from_files(pki: Pki, address_leaf: tuple[Path, Path], tmp_path: Path) -> None:
    """-HTTP sends files unmodified, headers included."""
    body = json.dumps(MESSAGES["capabilities"])
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    (tmp_path / "capabilities").write_bytes((head + body).encode())
    with s_server(address_leaf, tmp_path, "-HTTP") as url, Client(url, ca=pki.ca) as kp:
        assert kp.capabilities().algorithm == "static"


@pytest.mark.parametrize("protocol", ["HTTP/1.0", "HTTP/1.1"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_python_http_server(pki: Pki, address_leaf: tuple[Path, Path], protocol: str, version: ssl.TLSVersion) -> None:
    """Python's own server, in old and new versions."""
    with certificate_server(address_leaf, protocol=protocol, version=version) as url, Client(url, ca=pki.ca) as kp:
        fetch_everything(kp)


def test_a_name_that_resolves_to_more_addresses(pki: Pki) -> None:
    """localhost is ::1 and 127.0.0.1 on most machines; the server listens on one of them."""
    with (
        certificate_server(pki.leaf("DNS:localhost")) as url,
        Client(url.replace("127.0.0.1", "localhost"), ca=pki.ca) as kp,
    ):
        fetch_everything(kp)


def test_a_client_certificate_that_is_demanded(pki: Pki, address_leaf: tuple[Path, Path], tmp_path: Path) -> None:
    """http.server refuses the handshake without one, and nginx the request."""
    mine = pki.leaf("DNS:encryptor")
    demand = f"ssl_verify_client on; ssl_client_certificate {pki.ca};"
    for server in (
        functools.partial(certificate_server, address_leaf, client_ca=pki.ca),
        functools.partial(certificate_nginx, address_leaf, tmp_path, "TLSv1.2 TLSv1.3", demand),
    ):
        with server() as url, Client(url, ca=pki.ca, cert=mine) as kp:
            fetch_everything(kp)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_the_client_certificate_the_error_names_it(
    pki: Pki, address_leaf: tuple[Path, Path], version: ssl.TLSVersion
) -> None:
    """In TLS 1.3 the refusal arrives after the client considers the handshake complete."""
    with certificate_server(address_leaf, version=version, client_ca=pki.ca) as url:
        error = refused(url, ca=pki.ca)
    assert error.code == "tls_failed"
    assert "client certificate" in f"{error} {error.hint}"


def test_nginx_without_the_client_certificate(pki: Pki, address_leaf: tuple[Path, Path], tmp_path: Path) -> None:
    """nginx answers 400 with an HTML page, whose text is kept out of the message."""
    demand = f"ssl_verify_client on; ssl_client_certificate {pki.ca};"
    with certificate_nginx(address_leaf, tmp_path, "TLSv1.3", demand) as url:
        error = refused(url, ca=pki.ca)
    assert (error.code, error.status) == ("rejected", 400)


# Certificates that are not what the client expects.


def test_unknown_ca(pki: Pki, address_leaf: tuple[Path, Path]) -> None:
    """The remedy is the right CA file, or a pin."""
    with certificate_server(address_leaf) as url:
        error = refused(url, ca=pki.unknown_ca)
    assert error.code == "tls_failed"
    assert "ca" in error.hint.lower()


def test_expired_certificate(pki: Pki) -> None:
    """The message says so."""
    with certificate_server(pki.leaf("IP:127.0.0.1", expired=True)) as url:
        error = refused(url, ca=pki.ca)
    assert error.code == "tls_failed"
    assert "expired" in f"{error} {error.hint}"


def test_wrong_name(pki: Pki) -> None:
    """server_name says which name the certificate has."""
    with certificate_server(pki.leaf("DNS:kp.example")) as url:
        error = refused(url, ca=pki.ca)
        assert error.code == "tls_failed"
        assert "name" in f"{error} {error.hint}"
        with Client(url, ca=pki.ca, server_name="kp.example") as kp:
            fetch_everything(kp)


def test_common_name_only(pki: Pki) -> None:
    """A pin helps without a new certificate."""
    leaf = pki.leaf("")
    with certificate_server(leaf) as url:
        error = refused(url, ca=pki.ca)
        assert error.code == "tls_failed"
        assert "pin" in error.hint
        with Client(url, pin=spki_pin(leaf[0])) as kp:
            fetch_everything(kp)
        assert refused(url, pin=spki_pin(pki.ca)).code == "tls_failed"


def test_tls_versions_that_do_not_meet(pki: Pki, address_leaf: tuple[Path, Path]) -> None:
    """The client requires a version that the server lacks."""
    for version, asked in ((ssl.TLSVersion.TLSv1_2, "1.3"), (ssl.TLSVersion.TLSv1_3, "1.2")):
        with certificate_server(address_leaf, version=version) as url:
            assert refused(url, ca=pki.ca, tls=asked).code == "tls_failed"


# Servers that do not work.


def test_nobody_listens(pki: Pki) -> None:
    """A closed port is not reported as a TLS failure."""
    assert refused(f"https://127.0.0.1:{free_port()}", ca=pki.ca).code == "connect_failed"


def test_plain_http(pki: Pki) -> None:
    """The error says that the server does not use TLS."""

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with raw_server(talk) as url:
        error = refused(url, ca=pki.ca)
    assert error.code == "tls_failed"
    assert "http" in f"{error} {error.hint}".lower()


def test_tls_garbage(pki: Pki) -> None:
    """Bytes that look like a record, and bytes that do not."""
    for garbage in (b"\x16\x03\x03\x00\x40" + bytes(range(64)), os.urandom(4096), b"\x15\x03\x03\x00\x02\x02\x28"):

        def talk(connection: socket.socket, garbage: bytes = garbage) -> None:
            connection.recv(4096)
            connection.sendall(garbage)

        with raw_server(talk) as url:
            assert refused(url, ca=pki.ca).code == "tls_failed"


def test_a_port_that_closes_at_once(pki: Pki) -> None:
    """A Key Provider that closes the connection during the handshake."""
    with raw_server(lambda connection: connection.recv(4096) and None) as url:
        assert refused(url, ca=pki.ca).code == "tls_failed"


def test_a_port_that_never_answers(pki: Pki) -> None:
    """The connect timeout covers the handshake as well."""
    with raw_server(lambda connection: time.sleep(4)) as url:
        assert refused(url, ca=pki.ca, connect_timeout=0.5).code == "timed_out"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def drip(connection: socket.socket) -> None:
    """One byte a second."""
    connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n")
    for _ in range(10):
        connection.sendall(b" ")
        time.sleep(1)


def send(reply: bytes) -> Callable[[socket.socket], None]:
    """Sends a response of any length for as long as the client reads."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(reply)

    return talk


BAD_REPLIES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "not UTF-8": (send(HEAD + b'Content-Length: 9\r\n\r\n{"a":"\xff"}'), "malformed_response"),
    "10 MB with a length": (send(HEAD + b"Content-Length: 10000000\r\n\r\n" + b" " * 10_000_000), "response_too_large"),
    "10 MB without a length": (send(HEAD + b"\r\n" + b" " * 10_000_000), "response_too_large"),
    "10 MB in chunks": (
        send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 10_000),
        "response_too_large",
    ),
    "broken chunks": (
        send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b" " * 2000),
        "malformed_response",
    ),
    "10,000 headers": (send(HEAD + b"X: y\r\n" * 10_000 + b"\r\n"), "response_too_large"),
    "one byte a second": (drip, "timed_out"),
    "silence": (lambda connection: time.sleep(5), "timed_out"),
    "cut after the headers": (send(HEAD + b"Content-Length: 100\r\n\r\n{"), "connection_lost"),
    "closed without a reply": (lambda connection: None, "connection_lost"),
    "not HTTP": (send(b"SSH-2.0-OpenSSH_9.2\r\n"), "malformed_response"),
    "no HTTP/2 was offered": (send(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)), "malformed_response"),
    "a redirect": (send(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), "unexpected_status"),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_bad_replies_end_within_the_deadline(pki: Pki, address_leaf: tuple[Path, Path], name: str) -> None:
    """An error with a hint, never a hang."""
    reply, code = BAD_REPLIES[name]

    def talk(connection: socket.socket) -> None:
        connection.recv(4096)
        reply(connection)

    with raw_server(talk, address_leaf) as url:
        assert refused(url, ca=pki.ca, timeout=2.0 if code == "timed_out" else 60.0).code == code


def test_no_proxy_from_the_environment(
    pki: Pki, address_leaf: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key must not travel through a proxy that nobody configured for it."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with certificate_server(address_leaf) as url, Client(url, ca=pki.ca) as kp:
        fetch_everything(kp)


def test_an_explicit_proxy(pki: Pki, address_leaf: tuple[Path, Path]) -> None:
    """CONNECT through a compliant proxy, and through one that refuses."""
    asked: list[bytes] = []

    def tunnel(connection: socket.socket) -> None:
        request = connection.recv(4096)
        asked.append(request.split(b"\r\n")[0])
        host, _, port = request.split(b" ")[1].decode().rpartition(":")
        with closing(socket.create_connection((host, int(port)), 5)) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

            def copy(source: socket.socket, sink: socket.socket) -> None:
                try:
                    while data := source.recv(65536):
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            back = threading.Thread(target=copy, args=(onward, connection), daemon=True)
            back.start()
            copy(connection, onward)
            back.join(5)

    def deny(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with certificate_server(address_leaf) as url:
        with raw_server(tunnel) as proxy, Client(url, ca=pki.ca, proxy=proxy.replace("https", "http")) as kp:
            fetch_everything(kp)
        assert asked[0].startswith(b"CONNECT 127.0.0.1:")
        with raw_server(deny) as proxy:
            assert refused(url, ca=pki.ca, proxy=proxy.replace("https", "http")).code == "connect_failed"
