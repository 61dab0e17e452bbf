"""The documents are true: their Python and shell blocks run as they are printed.

A block works in the folder of `skip-client serve`; the default addresses are replaced by those of a fresh pair. The
blocks of one page run in their order, each in its own process. ```console blocks (set-up, tools of other people) do
not run; Rust blocks are doc tests of examples/rust.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skip_client import Client, SkipError
from skip_client.testing import KeyProviderPair

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page that run: language and text."""
    return [(found[1], found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def test_there_are_blocks() -> None:
    """A reader that finds nothing would always be content."""
    languages = [language for page in PAGES for language, _ in blocks(page)]
    assert languages.count("python") >= 5
    assert languages.count("sh") >= 5


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_blocks_run(page: Path, tmp_path: Path) -> None:
    """Each block of the page ends without an error."""
    folder = tmp_path / "kp"
    tools = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SKIP_")}
    environment["PATH"] = os.pathsep.join([tools, environment.get("PATH", os.defpath)])
    with KeyProviderPair() as pair:
        shutil.copytree(Path(pair.ca).parent, folder)
        addresses = {"https://127.0.0.1:8443": pair.alice.url, "https://127.0.0.1:8444": pair.bob.url}
        addresses |= {"https://127.0.0.1:8445": pair.alice.psk_url, "https://127.0.0.1:8446": pair.bob.psk_url}
        for language, text in blocks(page):
            for printed, real in addresses.items():
                text = text.replace(printed, real.rstrip("/"))
            command = [sys.executable, "-"] if language == "python" else ["sh", "-eu", "-s"]
            result = subprocess.run(
                command, input=text, text=True, capture_output=True, cwd=folder, env=environment, timeout=120
            )
            assert result.returncode == 0, f"{page.name}:\n{text}\n{result.stdout}\n{result.stderr}"


FAULT = re.compile(r"^\| `([a-z0-9-]+)` \|[^|]*\| `([a-z_]+)` \|$", re.MULTILINE)
FAULTS = FAULT.findall((ROOT / "docs/development-key-providers.md").read_text(encoding="utf-8").split("## Faults")[1])


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_faults_give_the_error_code_of_their_table(fault: str, code: str) -> None:
    """Every fault, by the request that it breaks."""
    with KeyProviderPair(faults=[fault]) as pair:
        options = {"ca": pair.ca, "timeout": 2.0, "connect_timeout": 2.0}
        with Client(pair.alice.url, **options) as kp, pytest.raises(SkipError) as caught:
            if fault == "entropy-503":
                kp.entropy()
            elif fault == "wrong-key-id":
                with Client(pair.bob.url, **options) as peer:
                    key_id = peer.new_key(pair.alice.id).key_id
                kp.key_by_id(key_id, pair.bob.id)
            else:
                kp.new_key(pair.bob.id, size=256)
        assert caught.value.code == code
        assert caught.value.hint


def test_links_lead_somewhere() -> None:
    """Links between the pages, and into the code, are files of the repository."""
    broken = []
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in link and not (page.parent / link).exists():
                broken.append(f"{page.name}: {link}")
    assert not broken
