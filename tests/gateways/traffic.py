"""A packet every two milliseconds through a tunnel: Alice sends numbers, and Bob reports those received.

Run inside a site: `traffic.py receive ADDRESS PORT FILE`, `traffic.py send FROM ADDRESS PORT FILE`, and `traffic.py
watch INTERFACE FILE NETWORK...`, which counts the packets of these networks that pass unprotected. All write their
count on SIGTERM.
"""

import ipaddress
import json
import signal
import socket
import struct
import sys
import time
from pathlib import Path

EVERY = 0.002
ETH_P_IP = 0x0800
ETH_P_ALL = 0x0003
stopping = False


def stop(*_: object) -> None:
    """Ends the loop."""
    global stopping
    stopping = True


def receive(address: str, port: str, file: str) -> None:
    """Counts the packets received."""
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
            except OSError:
                # no route: also lost
                failed += 1
            number += 1
            time.sleep(EVERY)
        Path(file).write_text(json.dumps({"count": number, "failed": failed}))


def watch(interface: str, file: str, *networks: str) -> None:
    """Counts the packets on a wire, and those with an address that only occurs inside a tunnel."""
    inner = [ipaddress.ip_network(network) for network in networks]
    seen = plain = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sock.bind((interface, 0))
        sock.settimeout(0.1)
        Path(f"{file}.now").write_text("0")
        while not stopping:
            try:
                packet, (_, protocol, *_rest) = sock.recvfrom(64)
            except TimeoutError:
                continue
            if protocol == ETH_P_IP and len(packet) >= 20:
                seen += 1
                ends = (ipaddress.ip_address(packet[12:16]), ipaddress.ip_address(packet[16:20]))
                plain += any(end in network for end in ends for network in inner)
    Path(file).write_text(json.dumps({"count": seen, "plain": plain}))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    print("ready", flush=True)
    match sys.argv[1:]:
        case ["receive", address, port, file]:
            receive(address, port, file)
        case ["send", source, address, port, file]:
            send(source, address, port, file)
        case ["watch", interface, file, *networks]:
            watch(interface, file, *networks)
