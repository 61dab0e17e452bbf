"""Searches the memory of another process.

A search inside the process would hold the patterns itself, and its allocations would overwrite freed memory.
"""

import functools
import json
import os
import subprocess
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent


def pieces(secret: bytes) -> dict[str, bytes]:
    """Fragments of a secret that must not be found: eight bytes each, of the secret and of its digits in either case.

    They are this short because a register may hold no more, and because `free` overwrites the first 16 bytes of a
    block. They start at every fourth byte, because what is left may begin anywhere.
    """
    forms = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    return {name: piece for form, content in forms.items() for name, piece in fragments(form, content).items()}


def fragments(form: str, content: bytes) -> dict[str, bytes]:
    """The fragments of a secret in one form."""
    return {f"{form} {at}-{at + 8}": content[at : at + 8] for at in range(0, len(content) - 7, 4)}


def search(process: int, patterns: dict[str, bytes]) -> Counter[str]:
    """How often each pattern occurs in the heap, the stacks and all other writable memory of a process."""
    command = [searcher(), str(process), str(os.sysconf("SC_PAGE_SIZE"))]
    lines = "".join(f"{pattern.hex()}\n" for pattern in patterns.values())
    found = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120)
    if found.returncode:
        raise OSError(f"the memory of process {process} cannot be searched: {found.stderr}")
    return +Counter(dict(zip(patterns, map(int, found.stdout.split()), strict=True)))


@functools.cache
def searcher() -> str:
    """The program in `search/`, always built for speed."""
    command = ["cargo", "build", "--locked", "--quiet", "--release", "--message-format", "json"]
    built = subprocess.run(
        [*command, "-p", "skip-client-residue-search"], cwd=HERE, check=True, stdout=subprocess.PIPE, timeout=600
    )
    messages = map(json.loads, built.stdout.splitlines())
    return next(message["executable"] for message in messages if message.get("executable"))
