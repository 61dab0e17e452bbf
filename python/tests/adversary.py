"""An attacker on the path without any key, who cuts connections, slows them down, forges alerts and modifies hellos."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# how a connection may be cut short; an alert is its number
RESET, CLOSE, RESET_ANSWER, TAMPER, PASS = "reset", "close", "reset the answer", "tamper", "pass"
Act = str | int
ACTS: tuple[Act, ...] = (RESET, CLOSE, RESET_ANSWER, TAMPER, PASS, 40, 47, 50, 70, 86)


@dataclass
class Adversary:
    """A proxy in front of a server. It applies `acts` to its next connections, in order; later connections pass."""

    url: str
    acts: list[Act] = field(default_factory=list)
    connections: int = 0
    # while set, what servers send passes byte by byte
    drips: threading.Event = field(default_factory=threading.Event)
    _clients: list[socket.socket] = field(default_factory=list)

    def end(self) -> None:
        """Ends the attack: closes the connections that are still open, and passes later ones unchanged."""
        self.acts = []
        self.drips.clear()
        for client in self._clients:
            # some have already ended
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self._clients.clear()


def attacks(seed: int = 7, mixed: int = 10) -> Iterator[list[Act]]:
    """Each act on the first, the first two, ... hellos, and some combinations."""
    chance = random.Random(seed)
    for act in ACTS:
        for hellos in range(1, 5):
            yield [act] * hellos
    for _ in range(mixed):
        yield chance.choices(ACTS, k=5)


@contextmanager
def in_front_of(server: str) -> Iterator[Adversary]:
    """A running adversary."""
    target = urlsplit(server)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        this = Adversary(f"https://127.0.0.1:{listener.getsockname()[1]}")
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    client, _ = listener.accept()
                    this.connections += 1
                    act = this.acts.pop(0) if this.acts else PASS
                    this._clients.append(client)
                    threading.Thread(
                        target=_play, args=(act, client, (target.hostname, target.port), this.drips), daemon=True
                    ).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield this
        finally:
            ended.set()
            thread.join()


def _play(act: Act, client: socket.socket, server: tuple[str, int], drips: threading.Event) -> None:
    # whichever side ends first, close both connections
    with client, suppress(OSError):
        client.settimeout(20)
        head = _exactly(client, 5)
        hello = bytearray(head + _exactly(client, int.from_bytes(head[3:])))
        if act == CLOSE:
            return
        if act == RESET:
            _reset(client)
            return
        if isinstance(act, int):
            client.sendall(bytes([21, 3, 3, 0, 2, 2, act]))
            client.shutdown(socket.SHUT_WR)
            client.recv(1)
            return
        if act == TAMPER:
            # the first byte of the random, after the record header, the handshake header and the version
            hello[11] ^= 1
        with socket.create_connection(server, 20) as behind:
            behind.sendall(hello)
            if act == RESET_ANSWER:
                behind.recv(1)
                _reset(client)
                return
            thread = threading.Thread(target=_copy, args=(client, behind), daemon=True)
            thread.start()
            _copy(behind, client, drips)
            client.shutdown(socket.SHUT_RDWR)
            thread.join()


def _copy(source: socket.socket, sink: socket.socket, drips: threading.Event | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            while drips and drips.is_set() and data:
                sink.sendall(data[:1])
                data = data[1:]
                time.sleep(0.3)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = source.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data
