"""The capabilities of an attacker who can reach the hand-off port."""

import ctypes
import multiprocessing
import secrets
import socket
import ssl
import time
from collections import Counter
from pathlib import Path

from agents import HAND_OFF
from lab import OUTER
from rig import Rig

PORT = HAND_OFF["bob"][0]
FLOOD = 1500


def run(rig: Rig) -> str:
    """Attacks Bob's agent from inside Alice's site; returns what was tried."""
    before = rig.agents["bob"].resident()
    queue: multiprocessing.Queue[Counter[str]] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_inside, args=(rig.lab.namespace("alice"), str(rig.lab.folder), queue))
    process.start()
    peak = before
    while process.is_alive():
        peak = max(peak, rig.agents["bob"].resident())
        process.join(0.1)
    # replay what an agent has sent
    for _ in range(20):
        replayed = rig.wires.set("to-bob", "double")
        time.sleep(0.5)
    rig.wires.set("to-bob")
    assert replayed > 0, "nothing was replayed"
    assert process.exitcode == 0, "the attacker failed"
    tally = queue.get(timeout=5)
    assert tally["let in"] == 0, "a stranger was let in"
    tally["replayed connections"] = replayed
    return ", ".join(f"{count} x {what}" for what, count in tally.items()) + f"; peak {peak >> 20} MiB"


def _inside(namespace: str, folder: str, queue: "multiprocessing.Queue[Counter[str]]") -> None:
    with Path(f"/run/netns/{namespace}").open() as handle:
        if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
    queue.put(_garbage() + _strangers(f"{folder}/hand-off") + _flood())


def _connect(timeout: float = 2) -> socket.socket:
    return socket.create_connection((OUTER["bob"], PORT), timeout, (OUTER["alice"], 0))


def _garbage() -> Counter[str]:
    """Random bytes, half a ClientHello, HTTP, a record of maximum length."""
    tally: Counter[str] = Counter()
    for content in (
        *(secrets.token_bytes(1 << 14) for _ in range(30)),
        *(b"\x16\x03\x01\x40\x00" + secrets.token_bytes(1 << 14) for _ in range(30)),
        *(b"GET / HTTP/1.1\r\n\r\n" for _ in range(30)),
        *(b"\x16\x03\x01\x00\xff\x01" for _ in range(30)),
    ):
        try:
            with _connect() as sock:
                sock.sendall(content)
        except OSError:
            pass
        tally["garbage"] += 1
    return tally


def _strangers(folder: str) -> Counter[str]:
    """Clients with a certificate of another CA, without one, and with TLS 1.2."""
    tally: Counter[str] = Counter()
    for at in range(60):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        what = ("another authority", "no certificate", "TLS 1.2")[at % 3]
        if what == "another authority":
            context.load_cert_chain(f"{folder}/stranger-alice.pem", f"{folder}/stranger-alice.key")
        if what == "TLS 1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        tally[what] += 1
        try:
            with _connect() as sock, context.wrap_socket(sock) as tls:
                # in TLS 1.3 the refusal arrives after the client has finished the handshake
                tls.sendall(b"\x00" * 100)
                if tls.recv(100):
                    tally["let in"] += 1
        except OSError:
            pass
    return tally


def _flood() -> Counter[str]:
    """Idle connections, as many at once as possible."""
    held: list[socket.socket] = []
    for _ in range(FLOOD):
        try:
            held.append(_connect(0.5))
        except OSError:
            break
    time.sleep(2)
    for sock in held:
        sock.close()
    return Counter({"silent connections at once": len(held)})
