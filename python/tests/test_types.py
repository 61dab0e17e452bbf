"""The types as checkers see the installed package, and their literals, which must match the core's."""

from pathlib import Path
from typing import get_args

import mypy.api
import pytest

import skip_client
from skip_client import Busy, InvalidArgument, SkipError, doctor, is_valid, schema, types
from skip_client._options import OPTIONS

PYTHON = Path(__file__).resolve().parents[1]


def test_code_of_a_user_is_checked(tmp_path: Path) -> None:
    """Correct code passes, and each wrong line is reported; `make check-python` also runs pyright."""
    command = ["--strict", "--no-incremental", "--cache-dir", str(tmp_path), str(PYTHON / "tests/user_code.py")]
    shown, errors, status = mypy.api.run(command)
    assert status == 0, shown + errors


def test_the_words_are_those_of_the_core() -> None:
    assert list(get_args(types.ErrorCode)) == skip_client.error_codes()
    assert set(skip_client.export_formats()) == {"raw", *get_args(types.TextFormat)}
    for kind in get_args(types.MessageKind):
        assert not is_valid(kind, "")
        for style in get_args(types.SchemaStyle):
            assert schema(kind, style)
    assert get_args(types.Advice) == ("same_request", "new_key", "no")
    for profile in get_args(types.DoctorProfile):
        assert doctor("https://127.0.0.1:1", ca="system", profile=profile).profile == profile
    with pytest.raises(InvalidArgument, match=r"draft, ios-xe, ios-xr or nx-os|profile"):
        doctor("https://127.0.0.1:1", ca="system", profile="ios")  # type: ignore[arg-type]
    assert types.ClientOptions.__annotations__.keys() == {*OPTIONS, "key_password", "strict"}


def test_an_error_made_by_hand_has_the_code_of_its_class() -> None:
    """As in the tests of other programs."""
    assert Busy("no entropy").code == "busy"
    assert SkipError("another", code="weak_key").code == "weak_key"
