"""Searches the memory of another process.

A search inside the process would hold the patterns itself, and its allocations would overwrite freed memory.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MAP = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


def pieces(secret: bytes) -> dict[str, bytes]:
    """Fragments of a secret that must not be found: eight bytes each, of the secret and of its digits in either case.

    They are this short because a register may hold no more, and because `free` overwrites the first 16 bytes of a
    block. They start at every fourth byte, because what is left may begin anywhere.
    """
    found = {}
    for name, form in {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}.items():
        found.update({f"{name} {at}-{at + 8}": form[at : at + 8] for at in range(0, len(form) - 7, 4)})
    return found


def search(process: int, patterns: dict[str, bytes]) -> Counter[str]:
    """How often each pattern occurs in the heap, the stacks and all other private writable memory of a process."""
    hits: Counter[str] = Counter()
    for memory in _writable(process):
        for name, pattern in patterns.items():
            hits[name] += memory.count(pattern)
    return +hits


def _writable(process: int) -> Iterator[bytes]:
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            found = MAP.match(line)
            if found is None or not found[3].startswith("rw") or found[4] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            memory.seek(start)
            content = bytearray()
            while len(content) < end - start:
                part = memory.read(end - start - len(content))
                if not part:
                    break
                content += part
            yield bytes(content)
