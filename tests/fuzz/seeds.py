"""Writes seeds for the fuzz targets into fuzz/corpus/: the vectors, and what fuzzing found before (fuzz/kept/).

`seeds.py --keep` goes the other way: it writes what is in fuzz/corpus/ into fuzz/kept/, a line of hex an input. Before
it, `cargo +nightly fuzz cmin TARGET` throws out what reaches nothing new.
"""

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors" / "draft-cisco-skip-02"
# longer seeds add little
KEPT_BYTES = 160
KEY_ID = "1726e9AE76234FB1dd1283d4dca1911e1f93864d70f3069e"


def cases(name: str) -> list[dict]:
    """The cases of one file of vectors."""
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["cases"]


def responses() -> Iterator[bytes]:
    """Sizes and status as two bytes, Content-Type, line feed, body: see fuzz_targets/response.rs."""
    for kind in ("capabilities", "key", "entropy"):
        for case in cases(kind):
            body = base64.b64decode(case["body_base64"]) if "body_base64" in case else case["body"].encode()
            yield b"00application/json\n" + body
            yield b"\x20" + b"0\n" + body
    key = json.dumps({"keyId": KEY_ID.lower(), "key": bytes(range(32)).hex()}).encode()
    for content_type in (b"", b"text/html; charset=utf-8", b"application/skip+json", b"\xc3\xa4/ad229dfb8a276e74"):
        yield b"00" + content_type + b"\n" + key
    # the status is five times the second byte, unless that is a printable character
    for status in (100, 150, 0, 655, 700, 1275):
        yield bytes([0x30, status // 5]) + b'\n{"detail": "no key ad229dfb8a276e74c1f3b6c09349a69f"}'


def patterns() -> Iterator[bytes]:
    """Entry, line feed, id: see fuzz_targets/pattern.rs."""
    for case in cases("patterns"):
        for remote in case["matches"] + case["matches_not"]:
            yield f"{case['pattern']}\n{remote}".encode()


def psks() -> Iterator[bytes]:
    """Identity, line feed, file: see fuzz_targets/psk.rs."""
    digits = bytes(range(32)).hex()
    for content in (
        f"alice:{digits}\nbob:{digits.upper()}\r\n",
        digits,
        f"a:b:{digits}\n\n",
        base64.b64encode(bytes(range(33))).decode(),
        "alice:0\nalice:00\n",
    ):
        for identity in ("alice", "a:b", ""):
            yield f"{identity}\n{content}".encode()


def arguments() -> Iterator[bytes]:
    """Ids, sizes and payloads: see fuzz_targets/arguments.rs."""
    yield from (b"Bob", b"KP_*_[!a-c]?", "Zür ich/%20".encode(), KEY_ID.encode(), b"QKD-A~1.0_x", b"256", b"65537")
    for case in cases("ikev2"):
        for value in case.values():
            if isinstance(value, str) and len(value) % 2 == 0 and not set(value) - set("0123456789abcdefABCDEF"):
                yield bytes.fromhex(value)


def pems() -> Iterator[bytes]:
    """Which file it is, line feed, file: see fuzz_targets/pem.rs."""
    certificate, key = ((HERE / "pem" / f"{name}.pem").read_bytes() for name in ("certificate", "private-key"))
    for file in (certificate, key, certificate * 2, key + certificate, certificate[:-30], key.replace(b"\n", b"\r\n")):
        for which in (b"0", b"1", b"2"):
            yield which + b"\n" + file


def https() -> Iterator[bytes]:
    """The length of pieces, reply: see fuzz_targets/http.rs."""
    chunks = b"Transfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n1\r\n}\r\n0\r\n"
    for head in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 503 x\r\n"):
        for rest in (
            b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            b"Connection: keep-alive, close\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 200 OK",
            b"Retry-After: 3\r\nContent-Encoding: gzip\r\n\r\n{}",
            chunks + b"\r\n",
            chunks + b"A: b\r\n\r\n",
            b"Content-Length: 2\r\n" + chunks,
        ):
            for piece in (b"\0", b"\x07", b"\xff"):
                yield piece + head + rest


def write(target: str, seeds: Iterator[bytes]) -> None:
    """Writes one file per seed, named after its content like libFuzzer's."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    for seed in [*seeds, *kept(target)]:
        (folder / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    print(f"{folder.relative_to(HERE.parent)}: {len(list(folder.iterdir()))} inputs")


def kept(target: str) -> list[bytes]:
    """The inputs kept from earlier runs."""
    file = HERE / "kept" / f"{target}.hex"
    return [bytes.fromhex(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep() -> None:
    """The short inputs of each corpus, in order."""
    for folder in sorted((HERE / "corpus").iterdir()):
        inputs = sorted({file.read_bytes() for file in folder.iterdir() if file.stat().st_size <= KEPT_BYTES})
        (HERE / "kept").mkdir(exist_ok=True)
        (HERE / "kept" / f"{folder.name}.hex").write_text("".join(f"{one.hex()}\n" for one in inputs))
        print(f"fuzz/kept/{folder.name}.hex: {len(inputs)} inputs")


if "--keep" in sys.argv:
    keep()
    sys.exit()
write("response", responses())
write("pattern", patterns())
write("psk", psks())
write("arguments", arguments())
write("pem", pems())
write("http", https())
