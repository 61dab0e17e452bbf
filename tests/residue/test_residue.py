"""No copy of a key stays in a client's memory, whatever the outcome. `make test-residue` shows the table.

A client process runs a step and waits while its memory is searched for fragments of the secret. Its connection stays
open, as a later request over it verifies. The positive control: while the client holds the key, it is found.
"""

import functools
import http.server
import json
import os
import platform
import re
import secrets
import socketserver
import ssl
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memory import pieces, search

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# the build profile of the targets
PROFILE = os.environ.get("PROFILE", "quick")
KEY_ID = "00112233445566778899aabbccddeeff"


@dataclass
class Script:
    """How the server treats the next request for a secret, and what it has seen."""

    secret: bytes = b""
    reply: "Callable[[Script, http.server.BaseHTTPRequestHandler], None]" = lambda script, handler: None
    connections: list[object] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


def body(script: Script, **changes: object) -> bytes:
    """A key message; a change to None removes the member."""
    message = {"keyId": KEY_ID, "key": script.secret.hex()} | changes
    return json.dumps({name: value for name, value in message.items() if value is not None}).encode()


def send(
    handler: http.server.BaseHTTPRequestHandler, content: bytes, status: int = 200, length: int | None = None
) -> None:
    """Sends a response; if `length` exceeds the content, the rest never arrives."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


def stall(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    content = body(script)
    send(handler, content[:-4], length=len(content))
    script.done.wait(20)
    handler.close_connection = True


def cut(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    content = body(script)
    send(handler, content[:-4], length=len(content))
    handler.close_connection = True


def chunked(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    """Splits the body, so that the key crosses chunks, records and reads."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    content = body(script)
    for at in range(0, len(content), 24):
        part = content[at : at + 24]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.flush()
    handler.wfile.write(b"0\r\n\r\n")


def entropy(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    send(handler, json.dumps({"randomStr": script.secret.hex(), "minentropy": 256}).encode())


def poor_entropy(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    send(handler, json.dumps({"randomStr": script.secret.hex(), "minentropy": 0}).encode())


# name: the step, the server's behaviour, and the client's answer
CASES: dict[str, tuple[str, Callable[[Script, http.server.BaseHTTPRequestHandler], None], str]] = {
    "a fresh key": ("new_key", lambda s, h: send(h, body(s)), "ok"),
    "a key in chunks": ("new_key", chunked, "ok"),
    "a key by its keyId": (f"key_by_id {KEY_ID}", lambda s, h: send(h, body(s)), "ok"),
    "entropy": ("entropy", entropy, "ok"),
    "not hexadecimal": ("new_key", lambda s, h: send(h, body(s, key=s.secret.hex()[:-1] + "g")), "malformed_response"),
    "escapes in the key": (
        "new_key",
        lambda s, h: send(h, body(s).replace(s.secret.hex()[:1].encode(), b"\\u0030", 1)),
        "malformed_response",
    ),
    "a member is missing": ("new_key", lambda s, h: send(h, body(s, keyId=None)), "malformed_response"),
    "the keyId behind the key is a number": (
        "new_key",
        lambda s, h: send(h, json.dumps({"key": s.secret.hex(), "keyId": 7}).encode()),
        "malformed_response",
    ),
    "the key comes twice": (
        "new_key",
        lambda s, h: send(h, body(s)[:-1] + b', "key": "%s"}' % s.secret.hex().encode()),
        "malformed_response",
    ),
    "something follows": ("new_key", lambda s, h: send(h, body(s) + b"}"), "malformed_response"),
    "random digits with too little entropy": ("entropy", poor_entropy, "malformed_response"),
    "broken JSON": ("new_key", lambda s, h: send(h, body(s)[:-1]), "malformed_response"),
    "too long": ("new_key", lambda s, h: send(h, body(s, key=s.secret.hex() * 2)), "size_mismatch"),
    "too short": ("new_key", lambda s, h: send(h, body(s, key=s.secret.hex()[:32])), "size_mismatch"),
    "wrong keyId": (f"key_by_id {KEY_ID}", lambda s, h: send(h, body(s, keyId="ab" * 16)), "key_id_mismatch"),
    "the key is in the keyId": ("new_key", lambda s, h: send(h, body(s, keyId=s.secret.hex())), "weak_key"),
    "an error that shows the key": ("new_key", lambda s, h: send(h, body(s), status=400), "rejected"),
    "too large": ("new_key", lambda s, h: send(h, body(s, more="x" * 70_000)), "response_too_large"),
    "cut in the middle": ("new_key", cut, "connection_lost"),
    "time is up in the middle": ("new_key", stall, "timed_out"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    """A Key Provider that follows a script."""

    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()
        self.server.script.connections.append(self)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        script: Script = self.server.script  # type: ignore[attr-defined]
        if self.path == "/capabilities":
            capabilities = {"entropy": True, "key": True, "algorithm": "fixed", "localSystemID": "Alice"}
            send(self, json.dumps(capabilities | {"remoteSystemID": ["Bob"]}).encode())
        else:
            script.reply(script, self)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class Server(http.server.ThreadingHTTPServer):
    """Ignores clients that disconnect."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


@contextmanager
def serve(context: ssl.SSLContext) -> Iterator[tuple[str, Script]]:
    """The URL of a server, and its script."""
    server = Server(("127.0.0.1", 0), Handler)
    server.script = Script()  # type: ignore[attr-defined]
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}", server.script  # type: ignore[attr-defined]
    finally:
        server.script.done.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        socketserver.TCPServer.server_close(server)


@dataclass(frozen=True)
class Setting:
    """A TLS stack and version: the server's authentication, the client's settings, and the client's own secret."""

    context: ssl.SSLContext
    options: list[str]
    own_secrets: dict[str, bytes]


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def certificates(directory: Path, version: ssl.TLSVersion, *more: str) -> Setting:
    """rustls (or OpenSSL with --legacy), with a client certificate."""
    for name in ("server", "client"):
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl(directory, "genpkey", *curve, "-out", f"{name}.key")
        subject = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE", "-days", "2")
        openssl(directory, "req", "-x509", "-new", "-key", f"{name}.key", *subject, *leaf, "-out", f"{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.load_verify_locations(directory / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    der = subprocess.run(
        ["openssl", "pkey", "-in", "client.key", "-outform", "DER"], cwd=directory, check=True, capture_output=True
    ).stdout
    # SEC 1 inside PKCS #8: an OCTET STRING of 32 bytes is the scalar
    scalar = der[der.index(b"\x02\x01\x01\x04\x20") + 5 :][:32]
    digits = "".join((directory / "client.key").read_text().splitlines()[1:-1]).encode()
    own = pieces(scalar) | {f"reversed {name}": form[::-1] for name, form in pieces(scalar).items() if "raw" in name}
    own |= {f"PEM {at}": digits[at : at + 24] for at in range(48, 96, 24)}
    options = ["--ca", "server.pem", "--cert", "client.pem", "--key", "client.key", *more]
    return Setting(context, [str(directory / o) if "." in o else o for o in options], own)


def pre_shared_key(directory: Path, version: ssl.TLSVersion) -> Setting:
    """OpenSSL with a pre-shared key."""
    from sslpsk3 import SSLPSKContext

    secret = secrets.token_bytes(32)
    (directory / "psk.txt").write_text(f"router:{secret.hex()}\n")
    context = SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda identity: secret)
    return Setting(context, ["--psk", str(directory / "psk.txt")], pieces(secret))


SETTINGS: dict[str, Callable[[Path], Setting]] = {
    "rustls 1.3": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_3),
    "rustls 1.2": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_2),
    "openssl PSK 1.3": lambda directory: pre_shared_key(directory, ssl.TLSVersion.TLSv1_3),
    "openssl PSK 1.2": lambda directory: pre_shared_key(directory, ssl.TLSVersion.TLSv1_2),
    "openssl legacy 1.2": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_2, "--legacy"),
}

LANGUAGES = {
    "rust": lambda: [str(rust_target())],
    "tokio": lambda: [str(rust_target()), "--tokio"],
    "c": lambda: [str(c_target())],
    "go": lambda: [str(go_target())],
    "python": lambda: [sys.executable, str(HERE / "target.py")],
    "asyncio": lambda: [sys.executable, str(HERE / "target.py"), "--asyncio"],
}

# Variables that make one processor behave like others: glibc, OpenSSL and AWS-LC (which reads OpenSSL's variable) then
# use other registers. glibc ignores names that it does not know.
PROCESSORS: dict[str, dict[str, str]] = {
    "this one": {},
    "no AVX": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX2_Usable,-AVX,-AVX_Usable",
        # bit 60: AVX; in the second word, bits 5 and 16: AVX2 and AVX-512
        "OPENSSL_ia32cap": "~0x1000000000000000:~0x10020",
    },
    # bits 57 and 33: AES and carry-less multiplication
    "no AES": {"OPENSSL_ia32cap": "~0x200000200000000"},
    "no fast rep movsb": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"},
    "no XSAVEC": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-XSAVEC,-XSAVEC_Usable"},
    "bound at once": {"LD_BIND_NOW": "1"},
}
# each language and stack on this processor; on the others, those that differ most
RUNS = [(setting, language, "this one") for setting in SETTINGS for language in LANGUAGES]
if platform.machine() == "x86_64":
    RUNS += [
        (setting, language, processor)
        for setting in ("rustls 1.3", "openssl PSK 1.3")
        for language in ("rust", "python")
        for processor in PROCESSORS
        if processor != "this one"
    ]


def rust_target() -> Path:
    """The client as built by `make test-residue`."""
    return built() / "residue-target"


@functools.cache
def built() -> Path:
    """The build folder of this profile."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    metadata = subprocess.run(command, cwd=HERE, check=True, capture_output=True).stdout
    return Path(json.loads(metadata)["target_directory"]) / ("debug" if PROFILE == "dev" else PROFILE)


def c_target() -> Path:
    """The test program of the C library, which has the same steps."""
    source = ROOT / "bindings/c/tests/target.c"
    out = built() / "residue-target-c"
    command = ["sh", "-euc", 'cc "$1" -o "$2" $(pkg-config --cflags --libs skip-client-static) -pthread', "sh"]
    subprocess.run([*command, str(source), str(out)], check=True, env=with_library(), timeout=600)
    return out


def go_target() -> Path:
    """The same with the Go package."""
    out = built() / "residue-target-go"
    subprocess.run(["go", "build", "-o", str(out), "."], cwd=HERE / "go", check=True, env=with_library(), timeout=600)
    return out


@functools.cache
def with_library() -> dict[str, str]:
    """An environment in which pkg-config finds the C library of the same build."""
    folder = built() / "c"
    subprocess.run([ROOT / "scripts/c", "install", folder, "--profile", PROFILE], cwd=ROOT, check=True, timeout=1800)
    return os.environ | {"PKG_CONFIG_PATH": str(folder / "lib/pkgconfig"), "CGO_ENABLED": "1"}


class Target:
    """A client process that waits after each step."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        pipe, environment = subprocess.PIPE, os.environ | variables
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        assert self._answer() == "ready"

    def step(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self._answer()

    def hits(self, patterns: dict[str, bytes]) -> Counter[str]:
        return search(self.process.pid, patterns)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        # the C program answers with more than one word
        return self.process.stdout.readline().strip().partition(" ")[0]


# rows of the table: language, stack, processor, case, copies while the key was held, copies afterwards
table: list[tuple[str, str, str, str, str, int]] = []
# languages and settings without the programs they need
skipped: list[tuple[str, str]] = []


@pytest.mark.parametrize(("setting", "language", "processor"), RUNS)
def test_nothing_stays(setting: str, language: str, processor: str, tmp_path: Path) -> None:
    try:
        made = SETTINGS[setting](tmp_path)
    except pytest.skip.Exception:
        skipped.append((language, setting))
        raise
    left: list[str] = []
    with serve(made.context) as (url, script):
        target = Target([*LANGUAGES[language](), url, *made.options], PROCESSORS[processor])
        try:
            assert target.step("capabilities") == "ok"
            for name, (step, reply, answer) in CASES.items():
                script.secret, script.reply = secrets.token_bytes(32), reply
                patterns = pieces(script.secret)
                assert target.step(step) == answer, name
                held = target.hits(patterns)
                if answer == "ok":
                    assert held["raw 0-8"] >= 1, f"{name}: the positive control found nothing"
                    assert target.step("drop") == "ok"
                before = len(script.connections)
                after = target.hits(patterns)
                if answer == "ok":
                    # the connection was open all the time
                    assert target.step("capabilities") == "ok" and len(script.connections) == before
                    after |= target.hits(patterns)
                shown = str(held["raw 0-8"]) if answer == "ok" else "-"
                table.append((language, setting, processor, name, shown, after.total()))
                left += [f"{name}: {hit}" for hit in after]
            assert target.hits(made.own_secrets), "the client's own secret: the positive control found nothing"
            assert target.step("close") == "ok"
            after = target.hits(made.own_secrets)
            table.append((language, setting, processor, "the client's own secret, closed", "yes", after.total()))
            left += [f"own secret: {hit} x {times}" for hit, times in after.items()]
        finally:
            script.done.set()
            with suppress(OSError):
                target.end()
    assert left == []


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the measurements."""
    with capsys.disabled():
        print(f"\n\n{'':10}{'':20}{'':18}{'':40}{'held':>6}{'after':>7}")
        for language, setting, processor, name, held, after in table:
            print(f"{language:10}{setting:20}{processor:18}{name:40}{held:>6}{after:>7}")
    assert len(table) == (len(RUNS) - len(skipped)) * (len(CASES) + 1)


def test_what_we_link_is_bound_at_once() -> None:
    """A dynamic linker that binds lazily saves vector registers, with just copied data, on the stack."""
    import skip_client

    python = list(Path(skip_client.__file__).parent.glob("_core*.so"))
    library = Path(with_library()["PKG_CONFIG_PATH"]).parent / "libskip_client.so"
    assert python
    for path in [rust_target(), library, *python]:
        read = subprocess.run(["readelf", "--dynamic", "--wide", path], check=True, capture_output=True, text=True)
        assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", read.stdout), f"{path} is bound lazily"
