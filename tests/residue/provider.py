"""A Key Provider that follows a script, and what it does with each request for a secret."""

import http.server
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

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


def at_a_partial_block(content: bytes) -> bytes:
    """The same with an end that fills no block of AES in TLS 1.2, nor in TLS 1.3, which appends a byte."""
    return content[:1] + b" " * ((12 - len(content)) % 16) + content[1:]


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
    """Never sends the end."""
    content = body(script)
    send(handler, content[:-4], length=len(content))
    script.done.wait(20)
    handler.close_connection = True


def cut(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    """Closes the connection before the end."""
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
    """A random string."""
    send(handler, json.dumps({"randomStr": script.secret.hex(), "minentropy": 256}).encode())


def poor_entropy(script: Script, handler: http.server.BaseHTTPRequestHandler) -> None:
    """The same, declared to be predictable."""
    send(handler, json.dumps({"randomStr": script.secret.hex(), "minentropy": 0}).encode())


# name: the step, the server's behaviour, and the client's answer
CASES: dict[str, tuple[str, Callable[[Script, http.server.BaseHTTPRequestHandler], None], str]] = {
    "a fresh key": ("new_key", lambda s, h: send(h, body(s)), "ok"),
    "a key up to a partial block": ("new_key", lambda s, h: send(h, at_a_partial_block(body(s))), "ok"),
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
        """Shakes hands in the thread of the connection."""
        self.request.do_handshake()
        super().setup()
        self.server.script.connections.append(self)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        """Capabilities as they are; anything else by the script."""
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
