"""The C blocks of the documents and the C examples compile without a warning, and do what they say."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HERE, ROOT, Pair, Target, Way

PAGES = ("README.md", "docs/fetch-a-key-from-c.md")
GNU = (Way(("gcc", "-std=gnu11")), Way(("clang", "-std=gnu11"), static=True))


@pytest.mark.parametrize("page", PAGES)
def test_blocks(page: str, pair: Pair, compiled: Callable[[Path, Way], Path], tmp_path: Path) -> None:
    """Each block is the body of `main`, in the folder of a pair of Key Providers."""
    blocks = re.findall(r"^```c\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        block = block.replace("https://127.0.0.1:8443", pair.alice).replace("https://127.0.0.1:8444", pair.bob)
        source = tmp_path / f"block{number}.c"
        includes = "".join(f"#include <{name}.h>\n" for name in ("assert", "stdio", "string", "skip_client"))
        source.write_text(f"{includes}int main(void) {{\n{block}return 0;\n}}\n")
        subprocess.run([compiled(source, GNU[0])], check=True, cwd=pair.folder, timeout=120)


@pytest.mark.parametrize("way", GNU, ids=("gcc-shared", "clang-static"))
def test_fetch_ppk(way: Way, pair: Pair, compiled: Callable[[Path, Way], Path]) -> None:
    """The responder gets the key of the initiator, and is told to wait for another one when it is gone."""
    initiator = Target(compiled(HERE / "target.c", Way(("gcc", "-std=c11"))), Way(()))
    initiator.step("client", pair.alice, *pair.modes()["certificates"][2])
    initiator.step("new_key")
    _, key_id, bits, fingerprint = initiator.step("id")
    initiator.end()
    command = [compiled(ROOT / "examples/c/fetch_ppk.c", way), pair.bob, pair.folder / "ca.pem", key_id, "Alice"]
    first = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert first.stdout == f"{key_id}: {bits} bits, fingerprint {fingerprint}\n", first.stderr
    again = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (again.returncode, again.stdout) == (2, "") and again.stderr.startswith("error: ")


def test_the_options_are_those_of_the_table(compiled: Callable[[Path, Way], Path]) -> None:
    """The library has each option of the guide, and no other."""
    target = Target(compiled(HERE / "target.c", Way(("gcc", "-std=c11"))), Way(()))
    _, *names = target.step("options")
    target.end()
    page = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    # the credentials have a form of their own in each language
    others = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert len(others) > 10 and names == ["ca", "cert", "key", "key_password", "psk", *others]
