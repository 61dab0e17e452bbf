"""Third-party servers used by several tests, with static responses."""

import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY_ID = "0123456789abcdef0123456789ABCDEF"
KEY = "c3a15e97" * 8
RANDOM = "5b2ef047" * 8
MESSAGES = {
    "capabilities": {
        "entropy": True,
        "key": True,
        "algorithm": "static",
        "localSystemID": "Alice",
        "remoteSystemID": ["Bob"],
    },
    "key": {"keyId": KEY_ID, "key": KEY},
    "entropy": {"randomStr": RANDOM, "minentropy": 256},
}
REPLIES = {
    "/capabilities": MESSAGES["capabilities"],
    "/key": MESSAGES["key"],
    f"/key/{KEY_ID}": MESSAGES["key"],
    "/entropy": MESSAGES["entropy"],
}


def needs(tool: str) -> str:
    """The path of a program. Without the program the test is skipped, or fails in CI."""
    found = shutil.which(tool, path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
    if found:
        return found
    reason = subprocess.run([ROOT / "scripts/need", "--why", tool], stdout=subprocess.PIPE, text=True).stdout.strip()
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def openssl(*arguments: str | Path, directory: Path) -> None:
    """Runs one openssl command."""
    command = [needs("openssl"), *map(str, arguments)]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=60)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(command: list[str], directory: Path, port: int) -> Iterator[str]:
    """A server process that listens on a port; yields its URL."""
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                log_text = (directory / "log").read_text(errors="replace")
                assert server.poll() is None and time.monotonic() < end, log_text
                time.sleep(0.05)
        yield f"https://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


@contextmanager
def nginx(directory: Path, leaf: tuple[Path, Path] | None = None, extra: str = "") -> Iterator[str]:
    """Debian's nginx with static responses; without a certificate it serves plain HTTP."""
    port = free_port()
    tls = f"ssl; ssl_certificate {leaf[0]}; ssl_certificate_key {leaf[1]}" if leaf else ""
    locations = ""
    for number, (path, message) in enumerate(REPLIES.items()):
        (directory / f"reply{number}").write_text(json.dumps(message))
        locations += f"location = {path} {{ default_type application/json; alias {directory}/reply{number}; }}\n"
    temporary = "".join(f"{name}_temp_path tmp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port} {tls};\n{extra}\n{locations}}} }}\n"
    )
    command = [needs("nginx"), "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"]
    with process(command, directory, port) as url:
        yield url


@contextmanager
def http_server(context: ssl.SSLContext, protocol: str = "HTTP/1.1") -> Iterator[str]:
    """Python's http.server with a context of its ssl module."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = protocol

        def setup(self) -> None:
            # in the handler's thread, so that a slow client does not block others
            self.request.do_handshake()
            super().setup()

        def do_GET(self) -> None:
            reply = REPLIES.get(self.path.partition("?")[0])
            body = json.dumps(reply).encode()
            self.send_response(200 if reply else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Quiet: some tests expect a refused handshake."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def spki_pin(certificate: Path) -> str:
    """The pin, computed as in docs/tls.md."""
    script = (
        f"openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform DER"
        " | openssl dgst -sha256 -binary | openssl base64"
    )
    return "sha256/" + subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.strip()
