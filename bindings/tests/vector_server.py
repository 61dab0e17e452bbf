"""A server whose replies are the shared vectors, for the tests of the Kotlin and Swift packages.

`vector_server.py CERTIFICATE KEY VECTORS` prints its port and serves until its standard input ends. Case 7 of
statuses.json is the Key Provider `https://127.0.0.1:PORT/statuses/7`:

* statuses: every request is answered with the status of the case;
* requests: a request is answered with 200 when its target is that of the case, else with 404;
* export: a request for a key is answered with the key of the case.
"""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# text beside a status, with something that could be a key
DETAIL = b'{"detail": "no key ad229dfb8a276e74c1f3b6c09349a69f"}'
KEY = bytes(range(1, 256)) * 33
CAPABILITIES = {
    "entropy": True,
    "key": True,
    "algorithm": "PRF",
    "localSystemID": "Alice",
    "remoteSystemID": ["*"],
}


def reply(case: dict, file: str, target: str) -> tuple[int, bytes]:
    """Status and body for a request, as the case wants them."""
    if file == "statuses":
        return case["status"], DETAIL
    if file == "export":
        return 200, json.dumps({"keyId": case["key_id"], "key": case["key"]}).encode()
    if target != case.get("target"):
        return 404, b"the target is not that of the vector"
    query = parse_qs(urlsplit(target).query)
    if case["kind"] == "capabilities":
        return 200, json.dumps(CAPABILITIES).encode()
    if case["kind"] == "entropy":
        bits = int(query.get("minentropy", ["256"])[0])
        return 200, json.dumps({"randomStr": KEY[: bits // 8].hex(), "minentropy": bits}).encode()
    bits = int(query.get("size", ["256"])[0])
    return 200, json.dumps({"keyId": case.get("key_id", "0a1b2c3d"), "key": KEY[: bits // 8].hex()}).encode()


class Handler(BaseHTTPRequestHandler):
    """Finds the case in the path."""

    protocol_version = "HTTP/1.1"
    vectors: Path

    def do_GET(self) -> None:
        """Answers with what the case wants, and closes: a reply without a body must not be waited for."""
        _, file, number, rest = self.path.split("/", 3)
        case = json.loads((self.vectors / f"{file}.json").read_text(encoding="utf-8"))["cases"][int(number)]
        status, body = reply(case, file, f"/{rest}")
        if 100 <= status < 200 and status != 101:
            # an interim reply announces another one (RFC 9110, 15.2): this server has nothing else
            for _ in range(100):
                self.send_response_only(status, "as the vector says")
                self.end_headers()
            self.close_connection = True
            return
        self.send_response_only(status, "as the vector says")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Says nothing: standard error is for failures."""


def main() -> None:
    """Serves until standard input ends."""
    certificate, key, vectors = sys.argv[1:]
    Handler.vectors = Path(vectors)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
