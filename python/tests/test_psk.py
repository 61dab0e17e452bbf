"""Pre-shared keys as arguments: their forms, their limits, and that they are never shown."""

import copy
import json
import pickle
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from skip_client import Client, InvalidArgument, Psk
from skip_client.testing import KeyProviderPair

KEY = bytes(range(0x40, 0x60))


def test_each_form_is_the_same_key(tmp_path: Path) -> None:
    file = tmp_path / "psk.txt"
    file.write_text(f"other:00\nrouter:{KEY.hex()}\n")
    forms = [
        Psk("router", raw=KEY),
        Psk("router", raw=memoryview(KEY)),
        Psk("router", hex=KEY.hex().upper()),
        Psk("router", text=KEY.decode()),
        Psk("router", base64="QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8="),
        Psk.from_file(file, "router"),
        Psk.from_file(str(file), identity="router"),
    ]
    with KeyProviderPair(psks=[forms[0]]) as pair:
        assert pair.psk is forms[0]
        for psk in forms:
            with Client(pair.alice.psk_url, psk=psk) as kp:
                assert kp.capabilities().local_system_id == "Alice"


VECTORS = Path(__file__).resolve().parents[2] / "tests/vectors/draft-cisco-skip-02/psk.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
# the key of all that are taken
SHARED = b"0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def knows_all() -> Iterator[KeyProviderPair]:
    """Key Providers that know every identity of the vectors."""
    identities = sorted({case["is"] for case in CASES if "is" in case})
    with KeyProviderPair(psks=[Psk(identity, raw=SHARED) for identity in identities]) as pair:
        yield pair


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_the_vectors(case: dict[str, Any], knows_all: KeyProviderPair, tmp_path: Path) -> None:
    assert set(case) <= {"name", "form", "identity", "input", "input_base64", "is", "code"}
    form, identity, file = case["form"], case.get("identity"), tmp_path / "psk.txt"

    def read() -> Psk:
        if form == "file":
            file.write_bytes(case["input"].encode() if "input" in case else b64decode(case["input_base64"]))
            return Psk.from_file(file, identity)
        assert form in ("hex", "text", "base64")
        return Psk(identity, **{form: case["input"]})

    if "code" in case:
        with pytest.raises(InvalidArgument) as caught:
            read()
        assert caught.value.code == case["code"]
    else:
        psk = read()
        assert psk.identity == case["is"]
        with Client(knows_all.alice.psk_url, psk=psk) as kp:
            assert kp.capabilities().local_system_id == "Alice"


def test_a_psk_may_go_once_a_client_was_made() -> None:
    with KeyProviderPair() as pair:
        psk = Psk.from_file(pair.psk_file)
        kp = Client(pair.alice.psk_url, psk=psk)
        del psk
        with kp:
            assert kp.new_key("Bob").bits == 256


@pytest.mark.parametrize(
    ("forms", "said"),
    [
        ({}, "exactly one form"),
        ({"hex": "00", "text": "00"}, "exactly one form"),
        ({"hex": "marker"}, "hexadecimal"),
        ({"hex": ""}, "1 to 256 bytes"),
        ({"raw": bytes(257)}, "1 to 256 bytes"),
        ({"base64": "bWFya2Vy!"}, "base64"),
    ],
)
def test_what_breaks_a_rule_is_refused_and_not_shown(forms: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said) as caught:
        Psk("router", **forms)  # type: ignore[arg-type]
    assert "marker" not in f"{caught.value} {caught.value!r} {caught.value.hint}"


def test_a_file_that_does_not_say_which_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "psk.txt"
    file.write_text("a:00\nb:01\n")
    for path, identity, said in [
        (file, None, "several"),
        (file, "c", "that identity"),
        (tmp_path / "no", None, "read"),
    ]:
        with pytest.raises(InvalidArgument, match=said):
            Psk.from_file(path, identity)


def test_nothing_shows_or_copies_a_key() -> None:
    psk = Psk("router", text="marker")
    assert repr(psk) == "Psk('router', [redacted])" and "marker" not in str(psk)
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            copied(psk)


def test_certificates_do_not_go_with_a_pre_shared_key() -> None:
    with KeyProviderPair() as pair, pytest.raises(InvalidArgument, match="ca: does not go with a pre-shared key"):
        Client(pair.alice.psk_url, psk=pair.psk, ca=pair.ca)
