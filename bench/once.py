"""How many requests does a Key Provider see for one call? `scripts/bench once` writes the table of docs/compare.md.

A GET creates or consumes a key here. Requests that a client repeats or redirects by itself after a failure are
therefore counted at a server that fails in one way after another. Each client asks the same server for a key with its
default options, except for the CA.
"""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs/compare.md"
SECRET = "c3a15e97" * 8
REPLY = json.dumps({"keyId": "0123456789abcdef0123456789abcdef", "key": SECRET}).encode()
TARGET = "/key?remoteSystemID=Bob&size=256"

# how the server treats the last request; `reused`: after one good response on the same connection
FAILURES = {
    "no reply": "closes the connection without a reply",
    "no reply, reused": "does the same on a connection that has served a request",
    "302": "redirects to the same path",
    "503": "is busy: 503 with `Retry-After: 0`",
}


class KeyProvider:
    """Counts requests for keys, and fails on demand."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Listens on a free port."""
        self.failure, self.seen = "", 0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        """Starts a thread for each connection."""
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, raw: socket.socket) -> None:
        """Serves the requests of one connection."""
        try:
            with self.context.wrap_socket(raw, server_side=True) as connection:
                while head := self.head(connection):
                    self.seen += head.startswith(b"GET /key")
                    answer = self.answer()
                    if not answer:
                        return
                    connection.sendall(answer)
                    if b"connection: close" in head.lower():
                        return
        except OSError:
            pass  # the client has disconnected

    def head(self, connection: ssl.SSLSocket) -> bytes:
        """The head of a request; empty at the end of the connection."""
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(4096)
            if not received:
                return b""
            head += received
        return head

    def answer(self) -> bytes:
        """The response to the request just counted; empty to close the connection."""
        if self.failure == "no reply" or (self.failure == "no reply, reused" and self.seen > 1):
            return b""
        if self.failure == "302":
            return f"HTTP/1.1 302 Found\r\nLocation: {TARGET}\r\nContent-Length: 0\r\n\r\n".encode()
        if self.failure == "503":
            return b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(REPLY)}\r\n\r\n"
        return head.encode() + REPLY


def main() -> None:
    """Sends requests with each client and writes the table."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    with provider() as (kp, ca, url):
        rows = [
            [name, *(count(kp, client, url, ca, failure) for failure in FAILURES)] for name, client in CLIENTS.items()
        ]
    head = ["client", *FAILURES]
    table = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    legend = "\n".join(f"* *{name}*: the Key Provider {what}." for name, what in FAILURES.items())
    text = PAGE.read_text(encoding="utf-8")
    new = f"<!-- scripts/bench once writes this -->\n\n{table}\n\n{legend}\n\n<!-- end -->"
    PAGE.write_text(
        re.sub(r"<!-- scripts/bench once.*?<!-- end -->", lambda _: new, text, flags=re.DOTALL), encoding="utf-8"
    )
    print(table)


def count(kp: KeyProvider, client: Callable[[str, str, int], None], url: str, ca: str, failure: str) -> str:
    """The number of requests for the call that failed; a dash for a client that did not get that far."""
    before = 1 if failure == "no reply, reused" else 0
    kp.failure, kp.seen = failure, 0
    try:
        client(url, ca, before + 1)
    except Exception as error:  # each client has its own errors
        if kp.seen <= before:
            print(f"{client.__name__}, {failure}: never asked: {error!r}", file=sys.stderr)
        if SECRET in f"{error!r} {error}":
            print(f"{client.__name__}: the key is in the text of the error", file=sys.stderr)
    return str(kp.seen - before) if kp.seen > before else "-"


@contextmanager
def provider() -> Iterator[tuple[KeyProvider, str, str]]:
    """The server, its CA file, and its URL."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder) / "c.pem", Path(folder) / "k.pem"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=kp", "-days", "2"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(command, check=True, capture_output=True)
        kp = KeyProvider(certificate, key)
        yield kp, str(certificate), f"https://127.0.0.1:{kp.port}"


def skip_client(url: str, ca: str, times: int) -> None:
    """This project's client; the server has no capabilities to check first."""
    from skip_client import Client

    with Client(url, ca=ca, check_remote=False) as client:
        for _ in range(times):
            client.new_key("Bob", size=256)


def http_client(url: str, ca: str, times: int) -> None:
    """The standard library's low-level client."""
    from http.client import HTTPSConnection
    from urllib.parse import urlsplit

    connection = HTTPSConnection(urlsplit(url).netloc, context=ssl.create_default_context(cafile=ca))
    for _ in range(times):
        connection.request("GET", TARGET)
        connection.getresponse().read()


def urllib_request(url: str, ca: str, times: int) -> None:
    """The standard library, which opens a connection for each request."""
    from urllib.request import urlopen

    for _ in range(times):
        urlopen(url + TARGET, context=ssl.create_default_context(cafile=ca)).read()


def urllib3_pool(url: str, ca: str, times: int) -> None:
    """urllib3."""
    import urllib3

    pool = urllib3.PoolManager(ca_certs=ca)
    for _ in range(times):
        pool.request("GET", url + TARGET)


def requests_session(url: str, ca: str, times: int) -> None:
    """requests."""
    import requests

    with requests.Session() as session:
        for _ in range(times):
            # not session.verify, which an environment variable overrides
            session.get(url + TARGET, verify=ca)


def httpx_client(url: str, ca: str, times: int) -> None:
    """httpx."""
    import httpx

    with httpx.Client(verify=ssl.create_default_context(cafile=ca)) as client:
        for _ in range(times):
            client.get(url + TARGET)


def aiohttp_session(url: str, ca: str, times: int) -> None:
    """aiohttp."""
    import asyncio

    import aiohttp

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            for _ in range(times):
                async with session.get(url + TARGET, ssl=ssl.create_default_context(cafile=ca)) as reply:
                    await reply.read()

    asyncio.run(ask())


def curl(url: str, ca: str, times: int) -> None:
    """The curl command, with the URL once for each request."""
    subprocess.run(["curl", "--silent", "--cacert", ca, *[url + TARGET] * times], check=True, capture_output=True)


def curl_follow(url: str, ca: str, times: int) -> None:
    """The same with options that are common in scripts."""
    command = ["curl", "--silent", "--location", "--retry", "3", "--cacert", ca, *[url + TARGET] * times]
    subprocess.run(command, check=True, capture_output=True)


def skip_qkd(url: str, ca: str, times: int) -> None:
    """The other published SKIP client, which requires a client certificate."""
    from skip_qkd import MTLSConfig, SkipQKDClient

    key = str(Path(ca).with_name("k.pem"))
    client = SkipQKDClient(url.removeprefix("https://"), "Alice", MTLSConfig(ca, ca, key))
    for _ in range(times):
        client.request_key("Bob", 256)


CLIENTS: dict[str, Callable[[str, str, int], None]] = {
    "skip-client": skip_client,
    "skip-qkd": skip_qkd,
    "http.client": http_client,
    "urllib.request": urllib_request,
    "urllib3": urllib3_pool,
    "requests": requests_session,
    "httpx": httpx_client,
    "aiohttp": aiohttp_session,
    "curl": curl,
    "curl --location --retry 3": curl_follow,
}

if __name__ == "__main__":
    main()
