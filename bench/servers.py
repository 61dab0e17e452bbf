"""The servers of the benchmark: nginx with static responses, and the development Key Providers."""

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, create_server

KEY = {"keyId": "0123456789abcdef0123456789abcdef", "key": "c3a15e97" * 8}


@dataclass(frozen=True)
class Neutral:
    """nginx: keep-alive over TLS 1.3 and 1.2, and a server that closes after each response."""

    ca: str
    tls13: str
    tls12: str
    closing: str


@dataclass(frozen=True)
class Pair:
    """The development Key Providers."""

    ca: str
    alice: str
    bob: str
    alice_psk: str
    bob_psk: str
    psk: str


@contextmanager
def nginx(pin: list[str]) -> Iterator[Neutral]:
    """Starts nginx. `pin` is a prefix of the command (taskset)."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        certificate(directory)
        (directory / "key.json").write_text(json.dumps(KEY))
        ports = [free_port() for _ in range(3)]
        blocks = "".join(
            f"server {{ listen 127.0.0.1:{port} ssl backlog=1024; ssl_protocols {version}; keepalive_timeout {alive};\n"
            f"location = /key {{ default_type application/json; alias {directory}/key.json; }} }}\n"
            for port, (version, alive) in zip(ports, (("TLSv1.3", 600), ("TLSv1.2", 600), ("TLSv1.3", 0)), strict=True)
        )
        temporary = "".join(f"{name}_temp_path tmp;" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (directory / "nginx.conf").write_text(
            "daemon off; master_process off; pid nginx.pid; error_log stderr crit;\n"
            "events { worker_connections 2048; }\n"
            f"http {{ access_log off; tcp_nodelay on; keepalive_requests 10000000; {temporary}\n"
            # full handshakes, with the same group for all; P-256 is for the certificate in TLS 1.2
            "ssl_certificate c.pem; ssl_certificate_key k.pem; ssl_session_tickets off; ssl_session_cache off;\n"
            f"ssl_ecdh_curve X25519:prime256v1;\n{blocks}}}\n"
        )
        server = subprocess.Popen([*pin, "/usr/sbin/nginx", "-p", folder, "-c", "nginx.conf", "-e", "stderr"])
        try:
            for port in ports:
                wait_for(port, server)
            urls = [f"https://127.0.0.1:{port}" for port in ports]
            yield Neutral(str(directory / "c.pem"), *urls)
        finally:
            server.terminate()
            server.wait(10)


@contextmanager
def pair(skip_client: str, *quirks: str, pin: Sequence[str] = ()) -> Iterator[Pair]:
    """Runs `skip-client serve`; `pin` is a prefix of the command."""
    with tempfile.TemporaryDirectory() as folder:
        ports = [option for name in ("alice", "bob", "psk-alice", "psk-bob") for option in (f"--{name}", "127.0.0.1:0")]
        options = [*ports, *(option for quirk in quirks for option in ("--quirk", quirk))]
        server = subprocess.Popen(
            [*pin, skip_client, "serve", "--dir", folder, *options], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            while server.stdout.readline() != "ready\n":
                assert server.poll() is None
            ends = json.loads((Path(folder) / "endpoints.json").read_text())
            yield Pair(
                f"{folder}/ca.pem",
                *(ends[side][kind] for kind in ("url", "psk_url") for side in ("alice", "bob")),
                f"{folder}/psk.txt",
            )
        finally:
            server.terminate()
            server.wait(10)


@contextmanager
def one_group(program: str, group: str) -> Iterator[tuple[str, str]]:
    """The server of bench/rust, limited to this group, which closes after a response: its URL and its CA file."""
    with tempfile.TemporaryDirectory() as folder:
        certificate(Path(folder))
        command = [program, "serve", group, f"{folder}/c.pem", f"{folder}/k.pem"]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            yield f"https://127.0.0.1:{int(server.stdout.readline())}", f"{folder}/c.pem"
        finally:
            server.terminate()
            server.wait(10)


def certificate(directory: Path) -> None:
    """Writes c.pem, which is its own CA, and k.pem."""
    leaf = ("-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem")
    command = ["openssl", "req", "-x509", *curve, "-out", "c.pem", "-subj", "/CN=kp", "-days", "2", *leaf]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)


def free_port() -> int:
    """A port that nobody listens on."""
    with create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    """Waits until the port accepts connections."""
    for _ in range(200):
        try:
            create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert server.poll() is None
            time.sleep(0.05)
    raise TimeoutError(port)
