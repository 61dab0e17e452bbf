"""Validation: the vectors shared by all languages, and what is specific to Python."""

import base64
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import skip_client
from skip_client import InvalidArgument, SkipError, errors, ikev2, is_valid, matches_remote, schema, validate

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "draft-cisco-skip-02"
MESSAGE_WORDS = {"name", "body", "body_base64", "valid", "errors", "warnings", "lenient", "as_published"}


def cases(name: str, words: set[str]) -> list[dict[str, Any]]:
    """The cases of one file. An empty file or an unknown word is an error."""
    document = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = document["cases"]
    assert next(iter(document)) == "_comment"
    assert found
    for case in found:
        assert set(case) <= words, case["name"]
    return found


def messages() -> list[Any]:
    return [
        pytest.param(kind, case, id=f"{kind}: {case['name']}")
        for kind in ("capabilities", "key", "entropy")
        for case in cases(kind, MESSAGE_WORDS)
    ]


@pytest.mark.parametrize(("kind", "case"), messages())
def test_messages(kind: str, case: dict[str, Any]) -> None:
    body: str | bytes = base64.b64decode(case["body_base64"]) if "body_base64" in case else case["body"]
    problems = validate(kind, body)
    for severity in ("error", "warning"):
        found = {f"{problem.path} {problem.code}" for problem in problems if problem.severity == severity}
        assert found == set(case[f"{severity}s"])
    assert is_valid(kind, body) == case["valid"]
    assert is_valid(kind, body, strict=False) == case["lenient"]
    assert is_valid(kind, body, schema="as-published") == case["as_published"]
    published = validate(kind, body, schema="as-published")
    assert case["as_published"] == (not [problem for problem in published if problem.severity == "error"])
    as_bytes = body.encode() if isinstance(body, str) else body
    assert (
        validate(kind, as_bytes)
        == validate(kind, bytearray(as_bytes))
        == validate(kind, memoryview(as_bytes))
        == problems
    )


@pytest.mark.parametrize(
    "case", cases("patterns", {"name", "pattern", "matches", "matches_not"}), ids=lambda c: c["name"]
)
def test_patterns(case: dict[str, Any]) -> None:
    for identifier in case["matches"]:
        assert matches_remote([case["pattern"]], identifier)
    for identifier in case["matches_not"]:
        assert not matches_remote((case["pattern"],), identifier)


@pytest.mark.parametrize(
    "case",
    cases("ikev2", {"name", "payload", "hex", "local_system_id", "key_id", "octets", "next_payload", "error"}),
    ids=lambda c: c["name"],
)
def test_payloads_of_ikev2(case: dict[str, Any]) -> None:
    payload, following = bytes.fromhex(case["hex"]), case.get("next_payload", 0)
    if case.get("error"):
        with pytest.raises(InvalidArgument):
            (ikev2.decode_use_ppk if case["payload"] == "use_ppk" else ikev2.decode_ppk_identity)(payload)
    elif case["payload"] == "use_ppk":
        assert ikev2.decode_use_ppk(payload) == case["local_system_id"]
        assert ikev2.encode_use_ppk(case["local_system_id"], next_payload=following) == payload
    else:
        octets, key_id = "octets" in case, case.get("octets") or case["key_id"]
        assert ikev2.decode_ppk_identity(payload, as_octets=octets) == key_id
        assert ikev2.encode_ppk_identity(key_id, as_octets=octets, next_payload=following) == payload


def test_other_arguments_of_payloads_are_refused() -> None:
    for call in (
        lambda: ikev2.encode_use_ppk("\ud800"),
        lambda: ikev2.encode_ppk_identity(""),
        lambda: ikev2.encode_ppk_identity("router-7", as_octets=True),
    ):
        with pytest.raises(InvalidArgument):
            call()
    with pytest.raises(OverflowError):
        ikev2.encode_use_ppk(next_payload=256)
    assert ikev2.encode_use_ppk()[6:] == ikev2.USE_PPK.to_bytes(2)
    assert ikev2.encode_ppk_identity("0a")[6:8] == ikev2.PPK_IDENTITY.to_bytes(2)


def has_half_a_pair(body: str) -> bool:
    """Whether a message contains an unpaired surrogate, which a schema's pattern cannot detect."""
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


BEYOND_SCHEMA = ("syntax", "duplicate_member", "weak_key", "too_short", "escaped", "not_integer")


@pytest.mark.parametrize("kind", ["capabilities", "key", "entropy"])
@pytest.mark.parametrize("style", ["strict", "as-published"])
def test_the_schemas_agree_where_they_can(kind: Any, style: Any) -> None:
    document = schema(kind, style)
    validator = jsonschema.validators.validator_for(document)
    validator.check_schema(document)
    compared = 0
    for case in cases(kind, MESSAGE_WORDS):
        if "body" not in case or any(error.endswith(BEYOND_SCHEMA) for error in case["errors"]):
            continue
        if has_half_a_pair(case["body"]):
            continue
        expected = case["valid" if style == "strict" else "as_published"]
        assert validator(document).is_valid(json.loads(case["body"])) == expected, case["name"]
        compared += 1
    assert compared > 10


def test_problems_are_values() -> None:
    first, again = validate("key", "{}"), validate("key", b"{}")
    assert first == again
    assert len({*first, *again}) == 2
    assert {(p.path, p.code, p.severity, p.section) for p in first} == {
        ("/keyId", "missing_member", "error", "4.2"),
        ("/key", "missing_member", "error", "4.2"),
    }
    assert "missing" in repr(first[0])


def test_lone_surrogates_are_an_invalid_message() -> None:
    assert [problem.code for problem in validate("key", '{"key": "\ud800"}')] == ["syntax"]


def test_other_arguments_are_refused() -> None:
    for call in (
        lambda: validate("keys", "{}"),
        lambda: schema("key", "loose"),  # type: ignore[arg-type]
        lambda: validate("key", "{}", schema="published"),  # type: ignore[arg-type]
        lambda: matches_remote(["\ud800"], "a"),
    ):
        with pytest.raises(InvalidArgument):
            call()
    with pytest.raises(TypeError):
        validate("key", 7)  # type: ignore[arg-type]


BASES: dict[str, type[Exception]] = {
    "invalid_argument": ValueError,
    "unknown_remote": LookupError,
    "connect_failed": ConnectionError,
    "tls_failed": ConnectionError,
    "timed_out": TimeoutError,
    "connection_lost": ConnectionError,
    "unauthorized": PermissionError,
    "not_found": LookupError,
    "malformed_response": ValueError,
    "response_too_large": ValueError,
    "key_id_mismatch": ValueError,
    "size_mismatch": ValueError,
    "weak_key": ValueError,
}


def test_every_code_has_its_class() -> None:
    names = set()
    for code in skip_client.error_codes():
        error = errors._from_core(code, "message", "hint", "no", 400, None)
        assert type(error) is not SkipError, code
        assert isinstance(error, BASES.get(code, SkipError))
        assert (error.code, str(error), error.hint, error.advice, error.status) == (code, "message", "hint", "no", 400)
        assert getattr(skip_client, type(error).__name__) is type(error)
        names.add(type(error).__name__)
    assert len(names) == len(skip_client.error_codes()) == 19
