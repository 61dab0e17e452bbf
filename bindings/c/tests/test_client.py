"""The client of the C library against the development Key Providers, in both modes of TLS."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import HERE, ROOT, WAYS, Pair, Target, Way, run, serving

CODES = {
    "invalid_argument": 1, "unknown_remote": 2, "not_supported": 3, "connect_failed": 4, "tls_failed": 5,
    "timed_out": 6, "connection_lost": 7, "rejected": 8, "unauthorized": 9, "not_found": 10, "method_not_allowed": 11,
    "busy": 12, "provider_failed": 13, "unexpected_status": 14, "malformed_response": 15, "response_too_large": 16,
    "key_id_mismatch": 17, "size_mismatch": 18, "weak_key": 19,
}  # fmt: skip


def test_the_symbols_are_those_of_the_header(library: Path) -> None:
    header = (library / "include/skip_client.h").read_text()
    declared = set(re.findall(r"^(?!typedef)[^\s/*#].*?\b(skip_\w+)\(", header, re.MULTILINE))
    assert len(declared) > 60
    shared = run("nm", "-D", "--defined-only", library / "lib/libskip_client.so").splitlines()
    found = {line.split()[-1] for line in shared if " A " not in line}
    assert found == {f"{name}@@SKIP_CLIENT_0" for name in declared}
    static = run("nm", "-g", "--defined-only", library / "lib/libskip_client.a").splitlines()
    assert {line.split()[-1] for line in static if len(line.split()) == 3} == declared
    dynamic = run("readelf", "-d", library / "lib/libskip_client.so")
    assert "Library soname: [libskip_client.so.0]" in dynamic and "RPATH" not in dynamic and "RUNPATH" not in dynamic


def test_both_ends_have_the_same_key(target: Target, pair: Pair) -> None:
    for mode, (alice, bob, options) in pair.modes().items():
        assert target.step("client", alice, *options) == ["ok"]
        assert target.step("connection") == ["ok"]
        said = target.step("capabilities")
        assert said[:2] == ["ok", "Alice"] and said[3:] == ["1", "1", "1", "Bob"], mode
        assert target.step("new_key", "Bob", 512) == ["ok"]
        _, key_id, bits, fingerprint = target.step("id")
        assert bits == "512" and re.fullmatch("[0-9a-f]{8}", fingerprint)
        _, url, address, version, suite, *_ = target.step("connection")
        assert (url.rstrip("/"), version) == (alice.rstrip("/"), "TLS 1.3") and address in alice
        assert suite == "TLS_AES_256_GCM_SHA384"
        assert target.step("threads", 16) == ["ok", "16"]
        assert target.step("client", bob, *options) == ["ok"]
        assert target.step("key_by_id", key_id, "Alice") == ["ok"]
        assert target.step("id")[1:] == [key_id, bits, fingerprint]
        assert target.step("equal") == ["ok", "true"]
        assert target.step("key_by_id", key_id, "Alice") == ["rejected"]
        assert target.step("error")[:5] == ["rejected", "8", "3", "2", "400"]
        assert target.step("new_key", "Alice", 256) == ["ok"]
        assert target.step("equal") == ["ok", "false"]
        assert target.step("entropy", 384)[:2] == ["ok", "384"]
        assert target.step("copy_entropy")[0] == "ok"
        assert target.step("drop") == ["ok"]


def test_a_child_process_asks_for_itself(target: Target, pair: Pair) -> None:
    for alice, _, options in pair.modes().values():
        target.step("client", alice, *options)
        assert target.step("new_key") == ["ok"]
        assert target.step("forked", "new_key") == ["ok"]
        # the connection of the parent is as it was
        assert target.step("new_key") == ["ok"]
        target.step("drop")


def test_another_thread_ends_a_call(target: Target, library: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "kp", "--fault", "stall") as pair:
        for alice, _, options in pair.modes().values():
            target.step("client", alice, *options, "check_remote=false")
            code, milliseconds = target.step("cancelled", target.delay, "new_key")
            assert code == "connection_lost" and int(milliseconds) < 30_000
            assert target.step("error")[:4] == ["connection_lost", "7", "2", "2"]
            assert target.step("closed", target.delay, "new_key")[0] == "invalid_argument"
            # now it is closed for good
            assert target.step("new_key") == ["invalid_argument"]


def test_arguments(target: Target, pair: Pair) -> None:
    alice, _, options = pair.modes()["certificates"]
    assert target.step("nulls") == ["ok"]
    assert target.step("version") == ["ok", re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]]
    for wrong in ("timeuot=1", "timeout=soon", "timeout=0", "lenient=yes", "tls=1.1", "url=ftp://a", "psk=xyz", "pin=x",
                  "file:ca=/nonexistent", "rawpsk:=0123456789abcdef", "hexpsk:me=00f", "wordspsk:me=00ff"):  # fmt: skip
        assert target.step("client", alice, *options, wrong) == ["invalid_argument"], wrong
        assert "nonexistent" not in " ".join(target.step("error"))
    assert target.step("client", "http://localhost") == ["invalid_argument"]
    assert target.step("client", b"https://\xff") == ["invalid_argument"]
    assert target.step("client", alice, options[0], options[1]) == ["invalid_argument"], "a certificate without its key"
    assert target.step("client", alice, *options) == ["ok"]
    for step in (("new_key", "Bob", 12), ("new_key", "B*", 256), ("new_key", "", 256), ("key_by_id", "xyz", "Bob")):
        assert target.step(*step) == ["invalid_argument"], step
    assert target.step("error")[1:4] == ["1", "1", "0"]
    assert target.step("new_key", "Nobody") == ["unknown_remote"]
    assert target.step("new_key") == ["ok"]
    assert target.step("export", "HEX") == ["invalid_argument"]
    assert target.step("schema", "key", "strict")[0] == "ok"
    assert target.step("schema", "key", "loose") == ["invalid_argument"]
    assert target.step("validate", "keys", "{}", 0) == ["invalid_argument"]


def test_a_further_key_provider_is_asked_when_the_first_is_away(target: Target, pair: Pair) -> None:
    alice, _, options = pair.modes()["certificates"]
    assert target.step("client", "https://127.0.0.1:9", *options, f"url={alice}") == ["ok"]
    assert target.step("capabilities")[:2] == ["ok", "Alice"]


def test_lines_of_the_log_have_no_secrets(target: Target, tmp_path: Path) -> None:
    off, warning, info, debug = "0", "1", "2", "3"
    soon, long = 0, 60_000
    with serving(tmp_path / "kp", "--quirk", "classic-psk", "--fault", "entropy-503") as pair:
        modes = pair.modes()
        secrets, lines = [(pair.folder / "psk.txt").read_text().strip().rpartition(":")[2]], []

        def line(level: str, words: str) -> None:
            _, found, text = target.step("line", long)
            lines.append(text)
            assert found == level and words in text, text

        def connect(mode: str, url: str, *more: str) -> None:
            assert target.step("client", url, *modes[mode][2], *more) == ["ok"]
            assert target.step("new_key") == ["ok"]
            secrets.append(target.step("export", "hex")[1])

        connect("certificates", modes["certificates"][0])
        assert target.step("line", soon) == ["ok"], "it is off at first"
        target.step("log", debug)
        connect("certificates", "https://127.0.0.1:9", f"url={modes['certificates'][0]}")
        line(warning, f"; trying {modes['certificates'][0]}")
        line(debug, ": connected to 127.0.0.1:")
        assert target.step("forked", "line", soon) == ["ok"], "a child has its own"
        connect("psk", modes["psk"][0], "wait_when_busy=1")
        line(info, "the handshake for TLS 1.3 with SHA-384 failed: ")
        line(debug, ": connected to 127.0.0.1:")
        line(warning, ": ")
        assert target.step("entropy") == ["busy"]
        while not lines[-1].endswith("; asking again in 1 s"):
            lines.append(target.step("line", long)[2])
        assert not [text for text in lines for secret in secrets if secret in text.lower()]
        target.step("log", warning)
        connect("certificates", modes["certificates"][0])
        target.step("log", off)
        connect("certificates", "https://127.0.0.1:9", f"url={modes['certificates'][0]}")
        assert target.step("line", long) == ["ok"]
        assert target.step("woken") == ["ok"]
        target.step("drop")


def test_a_psk_as_bytes(target: Target, pair: Pair) -> None:
    identity, _, digits = (pair.folder / "psk.txt").read_text().strip().rpartition(":")
    option = f"rawpsk:{identity}=".encode() + bytes.fromhex(digits)
    assert target.step("client", pair.psk_alice, option, *pair.modes()["psk"][2][1:]) == ["ok"]
    assert target.step("new_key") == ["ok"]


@pytest.fixture
def native(compiled: Callable[[Path, Way], Path]) -> Iterator[Target]:
    """One way is enough where the servers differ."""
    way = WAYS["gcc-c11-shared"]
    process = Target(compiled(HERE / "target.c", way), way)
    yield process
    process.end()


EXPECTED = {
    "connection_lost": (2, 0), "timed_out": (2, 0), "key_id_mismatch": (0, 200), "size_mismatch": (0, 200),
    "malformed_response": (0, 200), "weak_key": (0, 200), "response_too_large": (0, 0), "unexpected_status": (0, 302),
    "busy": (1, 503), "provider_failed": (2, 500), "rejected": (0, 400),
    # from the capabilities, before a key is asked for
    "not_supported": (0, 0), "unknown_remote": (0, 0),
}  # fmt: skip


def table(heading: str) -> list[tuple[str, str]]:
    """First and last cells of a table of the guide to the development Key Providers."""
    page = (ROOT / "docs/development-key-providers.md").read_text(encoding="utf-8")
    part = page.split(heading)[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in row.split("|")] for row in part.splitlines()]
    return [(row[1].strip("`"), row[3]) for row in rows if len(row) == 5 and row[1].startswith("`")]


def test_faults(native: Target, tmp_path: Path) -> None:
    faults = [(fault, last.strip("`")) for fault, last in table("## Faults") if last.startswith("`")]
    assert len(faults) > 20
    for fault, code in faults:
        with serving(tmp_path / fault, "--fault", fault) as pair:
            for alice, bob, options in pair.modes().values():
                # the two that never end need not be waited for
                options = [*options, f"timeout={5 if code == 'timed_out' else 60}"]
                if fault == "wrong-key-id":
                    native.step("client", bob, *options)
                    assert native.step("new_key", "Alice") == ["ok"]
                key_id = native.step("id")[1] if fault == "wrong-key-id" else ""
                native.step("client", alice, *options)
                steps = {"entropy-503": ("entropy",), "wrong-key-id": ("key_by_id", key_id, "Bob")}
                assert native.step(*steps.get(fault, ("new_key", "Bob", 256))) == [code], fault
                said, number, _, advice, status, message, hint, text = native.step("error")
                assert (said, int(number)) == (code, CODES[code]) and message and hint, fault
                assert (int(advice), int(status)) == EXPECTED[code], fault
                assert not re.search("[0-9a-fA-F]{16}", message + hint + text), f"{fault}: could be a key"


def test_quirks(native: Target, tmp_path: Path) -> None:
    quirks = [quirk for quirk, last in table("## Quirks") if last.startswith("works")]
    assert len(quirks) > 8
    for quirk in quirks:
        with serving(tmp_path / quirk, "--quirk", quirk) as pair:
            alice, bob, options = pair.modes()["certificates"]
            native.step("client", alice, *options)
            assert native.step("new_key") == ["ok"], quirk
            key_id = native.step("id")[1]
            native.step("client", bob, *options)
            assert native.step("key_by_id", key_id, "Alice") == ["ok"], quirk
            assert native.step("equal") == ["ok", "true"], quirk
            native.step("drop")
