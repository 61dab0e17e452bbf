"""Looks through the memory of another process.

From outside, because a search inside a process would hold what it searches for, and what it allocates would cover
what was freed.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

MAP = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+ *(.*)$")


def pieces(secret: bytes) -> dict[str, bytes]:
    """What of a secret must not be found: its quarters, as bytes and as digits of either case.

    Quarters, because `free` overwrites the first 16 bytes of a block: a search for the whole finds nothing where half
    of it is left.
    """
    found = {}
    step = len(secret) // 4
    for at in range(0, len(secret), step):
        part = secret[at : at + step]
        forms = {"raw": part, "hex": part.hex().encode(), "HEX": part.hex().upper().encode()}
        found.update({f"{name} {at}-{at + step}": form for name, form in forms.items()})
    return found


def search(process: int, patterns: dict[str, bytes]) -> Counter[str]:
    """How often each pattern is in the heap, the stacks and all other private writable memory of a process."""
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
