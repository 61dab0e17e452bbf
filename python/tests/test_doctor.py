"""Examining Key Providers from Python and in pytest."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from skip_client import InvalidArgument, doctor
from skip_client.testing import KeyProviderPair


def test_the_pair_passes(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    for report in [
        doctor(pair.alice.url, peer=pair.bob.url, ca=pair.ca, timeout=60.0),
        doctor(pair.alice.psk_url, peer=pair.bob.psk_url, psk=pair.psk, timeout=60.0, connect_timeout=60.0),
    ]:
        assert report.verdict == "pass", str(report)
        assert report["peer-same-key"].result == "pass"
        assert report.remote == "Bob"
        assert 100 < report.keys_used <= 136
        assert json.loads(report.json())["verdict"] == "pass"
        assert "<svg" in report.html()
        assert report.junit().startswith("<?xml")
        for form in [str(report), repr(report), report.json(), report.html(), report.junit(), repr(report.checks)]:
            assert not re.search(r"[0-9a-fA-F]{16}", form)


def test_what_is_wrong_is_found_and_said() -> None:
    with KeyProviderPair(faults=["wrong-size"]) as pair:
        report = doctor(pair.alice.url, ca=pair.ca, budget=20)
        assert report.verdict == "fail"
        check = report["key-size-kept"]
        assert (check.result, check.level, check.section) == ("fail", "MUST", "4.2")
        assert check.message
        assert check.remedy
    assert doctor(pair.alice.url, ca=pair.ca if Path(pair.ca).exists() else "system").verdict == "no-connection"
    with pytest.raises(KeyError):
        report["no-such-check"]
    with pytest.raises(InvalidArgument):
        doctor("https://127.0.0.1:1", ca="system", only=["no-such-check"])
    with pytest.raises(InvalidArgument):
        doctor("https://127.0.0.1:1", ca="system", profile="ios")


def test_one_check_with_other_credentials_for_the_peer(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    report = doctor(
        pair.alice.url,
        peer=pair.bob.psk_url,
        ca=pair.ca,
        peer_psk=pair.psk,
        only=["peer-same-key"],
        timeout=60.0,
        connect_timeout=60.0,
    )
    assert [(check.id, check.result) for check in report.checks] == [("peer-same-key", "pass")], str(report)
    assert report.summary == "SKIP draft: pass, 1 of 1"
    assert report["peer-same-key"].page.endswith("/docs/checks/peer-same-key.md")


def test_the_words_of_a_key_provider_that_failed_are_in_the_report() -> None:
    with KeyProviderPair(faults=["key-500"]) as pair:
        check = doctor(pair.alice.url, ca=pair.ca, only=["key-new"])["key-new"]
    assert (check.result, check.provider_text != "") == ("fail", True)


def test_each_check_is_a_test_of_pytest(tmp_path: Path) -> None:
    with KeyProviderPair(faults=["wrong-key-id"], quirks=["text-html-type"]) as pair:
        command = [sys.executable, "-m", "pytest", "-rA", "--key-provider-url", pair.alice.url]
        command += ["--key-provider-peer", pair.bob.url, "--key-provider-ca", pair.ca, "--key-provider-budget", "25"]
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    failed = set(re.findall(r"FAILED .*\[([a-z0-9.-]+)\]", ran.stdout))
    assert failed == {"peer-key-id", "peer-other-direction"}, ran.stdout
    assert "DoctorWarning" in ran.stdout
    assert re.search(r"PASSED .*\[key-new\]", ran.stdout), ran.stdout
