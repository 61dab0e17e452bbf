"""The vectors that every language reads, through the C library."""

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from conftest import VECTORS, Pair, Target, serving

# the key of all that are taken
PSK = b"0123456789abcdef0123456789abcdef"
ADVICE = {"no": 0, "same_request": 1, "new_key": 2}


def cases(file: str, words: str) -> list[dict[str, Any]]:
    """The cases of a file; one without cases, or with an unknown word, is an error."""
    found: list[dict[str, Any]] = json.loads((VECTORS / f"{file}.json").read_text(encoding="utf-8"))["cases"]
    assert found and all(set(case) <= {"name", *words.split()} for case in found), file
    return found


@pytest.mark.parametrize("kind", ["capabilities", "key", "entropy"])
def test_messages(target: Target, kind: str) -> None:
    for case in cases(kind, "body body_base64 valid errors warnings lenient as_published"):
        body = case["body"].encode("utf-8", "surrogatepass") if "body" in case else b64decode(case["body_base64"])
        for lenient, valid in ((False, case["valid"]), (True, case["lenient"])):
            answer = target.step("validate", kind, body, lenient)
            assert answer[:2] == ["ok", str(int(valid))], case["name"]
            if not lenient:
                found = sorted(zip(answer[2::3], answer[3::3], answer[4::3], strict=True))
                expected = [("error", *text.split(" ")) for text in case["errors"]]
                expected += [("warning", *text.split(" ")) for text in case["warnings"]]
                assert sorted(set(found)) == sorted(set(expected)), case["name"]


def test_patterns(target: Target) -> None:
    for case in cases("patterns", "pattern matches matches_not"):
        for expected, ids in (("1", case["matches"]), ("0", case["matches_not"])):
            for id in ids:
                assert target.step("matches", case["pattern"], id) == ["ok", expected], case["name"]


def test_ikev2(target: Target) -> None:
    for case in cases("ikev2", "payload hex local_system_id key_id octets next_payload error"):
        payload, next_payload = bytes.fromhex(case["hex"]), case.get("next_payload", 0)
        if case["payload"] == "use_ppk":
            decoded = target.step("decode_use_ppk", payload)
        else:
            decoded = target.step("decode_ppk_identity", payload, "octets" in case)
        if case.get("error"):
            assert decoded == ["invalid_argument"], case["name"]
        elif case["payload"] == "use_ppk":
            id = case["local_system_id"] or ""
            assert decoded == ["ok", id], case["name"]
            assert target.step("encode_use_ppk", id, next_payload) == said(payload), case["name"]
        else:
            id, octets = case.get("octets") or case["key_id"], "octets" in case
            assert decoded == ["ok", id], case["name"]
            assert target.step("encode_ppk_identity", id, octets, next_payload) == said(payload), case["name"]


def said(content: bytes) -> list[str]:
    """How the program says bytes."""
    return ["ok", content.decode("utf-8", "surrogateescape")]


def ask(target: Target, case: dict[str, Any]) -> list[str]:
    """The request of a case."""
    remote = case.get("remote", "Bob")
    match case["kind"]:
        case "new_key":
            return target.step("new_key", remote, case.get("size", 0))
        case "key_by_id":
            return target.step("key_by_id", case.get("key_id", "00"), remote)
        case "entropy":
            return target.step("entropy", case.get("size", 0))
        case "capabilities":
            return target.step("capabilities")
    raise AssertionError(case["kind"])


def client(target: Target, pair: Pair, url: str, *options: str) -> None:
    """A client of the server of the vectors."""
    options = (f"file:ca={pair.folder / 'ca.pem'}", "check_remote=false", "timeout=60", "connect_timeout=60", *options)
    assert target.step("client", url, *options) == ["ok"]


def test_requests(target: Target, pair: Pair, vector_server: str) -> None:
    for number, case in enumerate(cases("requests", "kind remote size key_id lenient target code")):
        # a C program has no other numbers than these
        if not 0 <= case.get("size", 0) < 2**32 or "\0" in case.get("remote", "") or case.get("size") == 0:
            continue
        client(target, pair, f"{vector_server}/requests/{number}", f"lenient={str(case.get('lenient', False)).lower()}")
        assert ask(target, case)[0] == case.get("code", "ok"), case["name"]
        target.step("drop")


def test_statuses(target: Target, pair: Pair, vector_server: str) -> None:
    for number, case in enumerate(cases("statuses", "kind status code advice")):
        client(target, pair, f"{vector_server}/statuses/{number}")
        assert ask(target, case) == [case["code"]], case["name"]
        code, _, _, advice, status, *texts = target.step("error")
        assert (code, int(advice), int(status)) == (case["code"], ADVICE[case["advice"]], case["status"]), case["name"]
        assert not any("ad229dfb" in text for text in texts), "what could be a key is redacted"


def test_exports(target: Target, pair: Pair, vector_server: str) -> None:
    for number, case in enumerate(cases("export", "format key_id key output output_hex code")):
        client(target, pair, f"{vector_server}/export/{number}", "lenient=true")
        assert target.step("new_key", "Bob", len(case["key"]) * 4) == ["ok"], case["name"]
        exported = target.step("export", case["format"])
        if "code" in case:
            assert exported == [case["code"]], case["name"]
        else:
            content = case["output"].encode() if "output" in case else bytes.fromhex(case["output_hex"])
            assert exported == said(content), case["name"]
        target.step("drop")


def test_pre_shared_keys(target: Target, library: Path, tmp_path: Path) -> None:
    found = cases("psk", "form identity input input_base64 is code")
    known, file = tmp_path / "known", tmp_path / "psk.txt"
    identities = {case["is"] for case in found if "is" in case}
    known.write_text("".join(f"#{id.encode().hex()}:{PSK.hex()}\n" for id in sorted(identities)))
    with serving(tmp_path / "kp", "--psk-file", str(known)) as pair:
        for case in found:
            content = case["input"].encode() if "input" in case else b64decode(case["input_base64"])
            identity = case.get("identity")
            file.write_bytes(content)
            if case["form"] == "file":
                option: str | bytes = f"file:psk={file}" if identity is None else f"pskfile:{identity}={file}"
            else:
                # the bytes of a text are its key
                form = case["form"].replace("text", "raw")
                option = f"{form}psk:{identity}=".encode() + content
            made = target.step("client", pair.psk_alice, option, "timeout=60", "connect_timeout=60")
            assert made == ["ok" if "is" in case else case["code"]], case["name"]
            if "is" in case:
                assert target.step("capabilities")[:2] == ["ok", "Alice"], case["name"]
