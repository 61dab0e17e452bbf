"""The examples run unmodified."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from skip_client.testing import KeyProviderPair

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_initiator_and_responder(skip_key_providers: KeyProviderPair, tmp_path: Path) -> None:
    pair = skip_key_providers
    first = run("initiator.py", pair.alice.url, pair.ca, "Bob", tmp_path / "alice")
    assert first.returncode == 0, first.stderr
    key_id = first.stdout.strip()
    second = run("responder.py", pair.bob.url, pair.ca, key_id, "Alice", tmp_path / "bob")
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "alice").read_text() == (tmp_path / "bob").read_text()
    assert (tmp_path / "bob").stat().st_mode & 0o777 == 0o600
    again = run("responder.py", pair.bob.url, pair.ca, key_id, "Alice", tmp_path / "again")
    assert again.returncode == 3


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("strongswan.py", r"secrets \{\n  ppk-\w+ \{\n    id = [0-9a-f]{32}\n    secret = 0x[0-9a-f]{64}\n  \}\n\}\n"),
        ("wireguard.py", r"[A-Za-z0-9+/]{43}="),
        ("macsec.py", r"mka_cak=[0-9a-f]{64}\nmka_ckn=[0-9a-f]{32}\n"),
    ],
)
def test_consumers(skip_key_providers: KeyProviderPair, tmp_path: Path, name: str, form: str) -> None:
    pair = skip_key_providers
    first = run(name, pair.alice.url, pair.ca, "Bob", tmp_path / "alice")
    assert first.returncode == 0, first.stderr
    second = run(name, pair.bob.url, pair.ca, "Alice", tmp_path / "bob", first.stdout.strip())
    assert second.returncode == 0, second.stderr
    text = (tmp_path / "alice").read_text()
    assert re.fullmatch(form, text)
    assert text == (tmp_path / "bob").read_text()
    assert (tmp_path / "alice").stat().st_mode & 0o777 == 0o600
