"""Pre-shared keys with third-party servers: a table of suites and servers, and the text of each error.

Tests of servers that are not installed are skipped, or fail in CI. `make test-python` shows the table.
"""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE

import pytest
from psk_servers import SERVERS, Secret, Server, s_server
from servers import free_port, needs, nginx, openssl, process, spki_pin

from skip_client import Client, ConnectionLost, InvalidArgument, Psk, SkipError, TlsFailed
from skip_client.testing import KeyProviderPair

SECRET = Secret("router-1", bytes(range(32)))
PSK = Psk(SECRET.identity, raw=SECRET.key)


@contextmanager
def ours(directory: Path, secret: Secret, tls: str = "auto", cipher: str | None = None) -> Iterator[Server]:
    """The development Key Provider."""
    quirks = [] if tls == "auto" else [f"tls-{tls}-only"]
    with KeyProviderPair(quirks, psks=[Psk(secret.identity, raw=secret.key)], psk_ciphers=cipher) as pair:
        yield Server(pair.alice.psk_url)


ALL = {"development Key Provider": ours, **SERVERS}

# the client's setting, the server's setting, and the suite that must result
ROWS = {
    "1.2 DHE-PSK-AES256-GCM-SHA384": ("1.2", "1.2", "DHE-PSK-AES256-GCM-SHA384", "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384"),
    "1.2 DHE-PSK-AES256-CBC-SHA384": ("1.2", "1.2", "DHE-PSK-AES256-CBC-SHA384", "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384"),
    "1.2 PSK-AES256-GCM-SHA384": ("1.2", "1.2", "PSK-AES256-GCM-SHA384", "TLS_PSK_WITH_AES_256_GCM_SHA384"),
    "1.2 DHE-PSK-AES256-CBC-SHA": ("1.2", "1.2", "DHE-PSK-AES256-CBC-SHA", "TLS_DHE_PSK_WITH_AES_256_CBC_SHA"),
    "1.3 AES-256-GCM, key bound to SHA-384": ("1.3", "1.3", None, "TLS_AES_256_GCM_SHA384"),
    "1.3 ChaCha20, key bound to SHA-256": ("1.3", "1.3", None, "TLS_CHACHA20_POLY1305_SHA256"),
    "auto, the server has both": ("auto", "auto", None, "TLS_AES_256_GCM_SHA384"),
    "auto, the server has 1.2": ("auto", "1.2", None, "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384"),
}

# every "no" of the table, with the actual result and the reason
SHA384_ONLY = ("TLS_AES_256_GCM_SHA384", "it does what the draft requires and binds keys to SHA-384")
SHA256_ONLY = ("TLS_CHACHA20_POLY1305_SHA256", "it has the callback of TLS 1.2 only, whose keys are bound to SHA-256")
NO_DH = ("tls_failed", "Python's ssl has no DH group unless load_dh_params gives one")
PLAIN = ("TLS_PSK_WITH_AES_256_GCM_SHA384", NO_DH[1])
REASONS = {
    ("1.3 ChaCha20, key bound to SHA-256", "development Key Provider"): SHA384_ONLY,
    ("1.3 ChaCha20, key bound to SHA-256", "openssl s_server -psk_session"): SHA384_ONLY,
    **{
        (row, server): SHA256_ONLY
        for row in ("1.3 AES-256-GCM, key bound to SHA-384", "auto, the server has both")
        for server in SERVERS
        if server != "openssl s_server -psk_session"
    },
    **{(row, "Python sslpsk3"): NO_DH for row in ROWS if "DHE" in row},
    ("auto, the server has 1.2", "Python sslpsk3"): PLAIN,
}

seen: dict[tuple[str, str], str] = {}


@pytest.mark.parametrize("server", ALL)
@pytest.mark.parametrize("row", ROWS)
def test_each_suite_with_each_server(row: str, server: str, tmp_path: Path) -> None:
    asked, told, cipher, suite = ROWS[row]
    try:
        with ALL[server](tmp_path, SECRET, told, cipher) as running:
            found = exchange(running, asked)
    except pytest.skip.Exception as skipped:
        seen[row, server] = f"not measured: {skipped.msg}"
        raise
    seen[row, server] = found
    assert found == REASONS.get((row, server), (suite, ""))[0]


def exchange(server: Server, tls: str) -> str:
    """The suite over which capabilities, a key and entropy arrived, or the code of the error."""
    with Client(server.url, psk=PSK, tls=tls) as kp:
        try:
            server.reply_with("capabilities")
            assert kp.capabilities().local_system_id == "Alice"
            server.reply_with("key")
            assert kp.new_key("Bob").bits == 256
            server.reply_with("entropy")
            assert kp.entropy().bits >= 256
        except TlsFailed as error:
            return error.code
        assert kp.connection is not None
        return kp.connection.cipher_suite


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Shows the cells measured by the tests above; all are present, except for servers that are not installed."""
    with capsys.disabled():
        print()
        reasons: list[str] = []
        for row in ROWS:
            print(f"\n{row}")
            for server in ALL:
                found = seen.get((row, server), "not measured")
                reason = REASONS.get((row, server), ("", ""))[1]
                word = f"no    {found}: {reason}" if reason else f"works {found}"
                word = found if found.startswith("not measured") else word
                print(f"  {server:32}{word}")
                reasons.append(reason)
    assert len(seen) == len(ROWS) * len(ALL) and any(reasons)


# with OpenSSL 3.0 in Python, and after the operator has disabled TLS 1.3
FIELD = {
    "TLS_CHACHA20_POLY1305_SHA256": ["psk-no-dh"],
    "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384": ["tls-1.2-only", "psk-gcm-only"],
    "TLS_PSK_WITH_AES_256_GCM_SHA384": ["tls-1.2-only", "psk-no-dh"],
}


@pytest.mark.parametrize("suite", FIELD)
def test_a_server_of_the_field_with_all_its_quirks(suite: str) -> None:
    quirks = [*FIELD[suite], "psk-identity-hint", "connection-close", "no-close-notify"]
    with (
        KeyProviderPair([*quirks, "no-percent-decoding", "sizes-128-192-256"]) as pair,
        Client(pair.alice.psk_url, psk=pair.psk) as alice,
        Client(pair.bob.psk_url, psk=pair.psk) as bob,
    ):
        for _ in range(3):
            key = alice.new_key("Bob", 256)
            assert bob.key_by_id(key.key_id, "Alice") == key
        assert alice.connection is not None and alice.connection.cipher_suite == suite


@pytest.mark.parametrize("mode", ["psk", "certificates"])
def test_renegotiation_is_refused(mode: str, tmp_path: Path) -> None:
    """`openssl s_server` renegotiates when its input has a line with R."""
    port = free_port()
    url = f"https://127.0.0.1:{port}"
    command = [needs("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-tls1_2"]
    if mode == "psk":
        command += ["-nocert", "-psk_identity", SECRET.identity, "-psk", SECRET.key.hex()]
        client = Client(url, psk=PSK, tls="1.2")
    else:
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        files = ("-keyout", "k.pem", "-out", "c.pem")
        openssl("req", "-x509", *kind, *files, "-subj", "/CN=kp", directory=tmp_path)
        command += ["-cert", "c.pem", "-key", "k.pem"]
        client = Client(url, pin=spki_pin(tmp_path / "c.pem"), tls="1.2")
    with subprocess.Popen(command, cwd=tmp_path, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, bufsize=0) as server:
        assert server.stdin is not None and server.stdout is not None
        try:
            said = server.stdout.readline()
            while not said.startswith(b"ACCEPT"):
                said = server.stdout.readline()
            with client as kp, ThreadPoolExecutor(1) as pool:
                asked = pool.submit(kp.capabilities)
                while not said.startswith(b"GET "):
                    said = server.stdout.readline()
                server.stdin.write(b"R\n")
                # no response is typed in: by then the client has refused the renegotiation
                with pytest.raises((ConnectionLost, TlsFailed)):
                    asked.result(20)
        finally:
            server.kill()


def test_a_short_key_works_with_a_warning(tmp_path: Path) -> None:
    short = Secret("a", b"short")
    with (
        s_server(tmp_path, short, "1.2") as server,
        Client(server.url, psk=Psk("a", text="short")) as kp,
    ):
        kp.capabilities()
        assert kp.connection is not None
        assert [warning for warning in kp.connection.warnings if "128 bits" in warning]


@pytest.mark.parametrize("identity", ["", "x" * 129, "a\0b"])
def test_an_identity_that_cannot_be_is_refused_before_anything_is_sent(identity: str) -> None:
    with pytest.raises(InvalidArgument, match="identity must have 1 to 128 bytes"):
        Psk(identity, raw=bytes(32))


@contextmanager
def raw(answer: bytes) -> Iterator[str]:
    """A port that answers each connection with these bytes, or not at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(OSError):  # nobody connected, or the client has disconnected
                    peer, _ = listener.accept()
                    with peer:
                        peer.settimeout(5)
                        peer.recv(4096)
                        if answer:
                            peer.sendall(answer)
                        else:
                            peer.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            ended.set()
            thread.join()


@contextmanager
def certificates_only(directory: Path) -> Iterator[str]:
    """nginx, which knows no pre-shared keys."""
    openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-subj", "/CN=kp"),
        directory=directory,
    )
    with nginx(directory, (directory / "c.pem", directory / "k.pem")) as url:
        yield url


@contextmanager
def tls_1_1_only(directory: Path) -> Iterator[str]:
    """A server limited to TLS 1.1 (2006)."""
    port = free_port()
    command = [needs("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-nocert", "-tls1_1"]
    command += ["-psk_identity", SECRET.identity, "-psk", SECRET.key.hex(), "-cipher", "PSK:@SECLEVEL=0"]
    with process(command, directory, port) as url:
        yield url


def other_key(directory: Path) -> Iterator[str]:
    with s_server(directory, Secret(SECRET.identity, bytes(32))) as server:
        yield server.url


def other_identity(directory: Path) -> Iterator[str]:
    with ours(directory, Secret("somebody-else", SECRET.key)) as server:
        yield server.url


WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "wrong key": (contextmanager(other_key), "tls_failed", "has another key for this PSK identity"),
    "wrong identity": (contextmanager(other_identity), "tls_failed", "does not know this PSK identity"),
    "no PSK": (certificates_only, "tls_failed", "answered with a certificate|share no cipher suite"),
    "TLS 1.1": (tls_1_1_only, "tls_failed", "does not offer the version of TLS"),
    "plain HTTP": (lambda _: raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "tls_failed", "does not speak TLS"),
    "garbage": (lambda _: raw(bytes(range(200, 255)) * 4), "tls_failed", "does not speak TLS|broke a rule"),
    "silence": (lambda _: raw(b""), "timed_out", "TLS handshake did not come in time"),
}


def client_of(url: str, code: str) -> Client:
    """A client that waits as long as necessary, unless the timeout itself is tested."""
    return Client(url, psk=PSK, connect_timeout=1.0 if code == "timed_out" else 60.0, timeout=60.0)


@pytest.mark.parametrize("name", WRONG)
def test_each_failure_says_what_it_is(name: str, tmp_path: Path) -> None:
    start, code, said = WRONG[name]
    with (
        start(tmp_path) as url,  # type: ignore[attr-defined]
        client_of(url, code) as kp,
        pytest.raises(SkipError, match=said) as caught,
    ):
        kp.new_key("Bob")
    assert caught.value.code == code
    assert caught.value.hint
