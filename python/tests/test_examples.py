"""The programs in examples/python, run as their users run them."""

import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skip_client.testing import KeyProviderPair

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


@pytest.fixture(scope="module")
def pair() -> Iterator[KeyProviderPair]:
    with KeyProviderPair() as pair:
        yield pair


def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_initiator_and_responder_end_with_the_same_key(pair: KeyProviderPair) -> None:
    initiator = run("initiator.py", pair.alice.url, pair.ca, "Bob")
    assert initiator.returncode == 0, initiator.stderr
    key_id, alice = initiator.stdout.split()
    responder = run("responder.py", pair.bob.url, pair.ca, key_id, alice)
    assert responder.returncode == 0, responder.stderr
    assert initiator.stderr.split()[-1] == responder.stderr.split()[-1]

    again = run("responder.py", pair.bob.url, pair.ca, key_id, alice)
    assert again.returncode == 1
    assert "new key" in again.stderr
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("name", "marks"),
    [("strongswan", ["secret", "0x"]), ("wireguard", ["="]), ("macsec", ["mka_cak=", "mka_ckn="])],
)
def test_consumers_get_their_files(pair: KeyProviderPair, tmp_path: Path, name: str, marks: list[str]) -> None:
    file = tmp_path / "out"
    result = run(f"{name}.py", pair.alice.url, pair.ca, "Bob", file)
    assert result.returncode == 0, result.stderr
    text = file.read_text()
    assert all(mark in text for mark in marks), "a mark is missing"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(result.stdout.strip())) > 0

    # a file is never overwritten: the key in it may be in use
    assert run(f"{name}.py", pair.alice.url, pair.ca, "Bob", file).returncode == 1
