"""A packet every two milliseconds through a tunnel: sends numbers from Alice, and Bob says which ones came.

Run inside a site: `traffic.py receive ADDRESS PORT FILE`, `traffic.py send FROM ADDRESS PORT FILE`. Both write their
count at SIGTERM.
"""

import json
import signal
import socket
import struct
import sys
import time
from pathlib import Path

EVERY = 0.002
stopping = False


def stop(*_: object) -> None:
    """Ends the loop."""
    global stopping
    stopping = True


def receive(address: str, port: str, file: str) -> None:
    """Counts what comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind((address, int(port)))
        sock.settimeout(0.1)
        seen: set[int] = set()
        doubled = 0
        last = 0.0
        while not stopping:
            if time.monotonic() - last > 0.05:
                Path(f"{file}.now").write_text(f"{len(seen)}")
                last = time.monotonic()
            try:
                (number,) = struct.unpack("!Q", sock.recv(64)[:8])
            except TimeoutError:
                continue
            doubled += number in seen
            seen.add(number)
        Path(file).write_text(json.dumps({"count": len(seen), "doubled": doubled}))


def send(source: str, address: str, port: str, file: str) -> None:
    """Sends at a steady pace; a late sender does not catch up in a burst."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        number = failed = 0
        while not stopping:
            try:
                sock.sendto(struct.pack("!Q", number) + bytes(40), (address, int(port)))
                number += 1
            except OSError:
                failed += 1
            time.sleep(EVERY)
        Path(file).write_text(json.dumps({"count": number, "failed": failed}))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    match sys.argv[1:]:
        case ["receive", address, port, file]:
            receive(address, port, file)
        case ["send", source, address, port, file]:
            send(source, address, port, file)
