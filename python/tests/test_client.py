"""The client against the development Key Providers."""

import logging
import math
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import skip_client
from skip_client import CancelToken, Client, InvalidArgument, SkipError
from skip_client._core import KeyProviderPair as Pair
from skip_client.testing import KeyProviderPair


def test_the_exchange(alice: Client, bob: Client) -> None:
    caps = alice.capabilities()
    assert (caps.local_system_id, caps.remote_system_ids) == ("Alice", ["Bob"])
    assert caps.supports_key
    assert caps.supports_entropy
    assert caps.matches_remote("Bob")
    assert not caps.matches_remote("Eve")
    key = alice.new_key("Bob", size=512)
    same = bob.key_by_id(key.key_id, "Alice")
    assert key == same
    assert (key.bits, len(bytes(key)), key.fingerprint) == (512, 64, same.fingerprint)
    with pytest.raises(skip_client.Rejected) as refused:
        bob.key_by_id(key.key_id, "Alice")
    assert (refused.value.code, refused.value.advice, refused.value.status) == ("rejected", "new_key", 400)
    assert refused.value.provider_text
    salt = alice.entropy(bits=128)
    assert (salt.bits, len(bytes(salt))) == (128, 16)
    assert alice.entropy().bits == 256


def test_the_connection_is_visible(alice: Client) -> None:
    assert alice.connection is None
    alice.capabilities()
    info = alice.connection
    assert info is not None
    assert (info.tls_version, info.cipher_suite) == ("TLS 1.3", "TLS_AES_256_GCM_SHA384")
    assert info.group == "X25519MLKEM768"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_version_of_tls_can_be_asked_for(skip_key_providers: KeyProviderPair, version: str) -> None:
    pair = skip_key_providers
    ca = Path(pair.ca).read_bytes()
    with Client(pair.alice.url, ca=ca, tls=version) as kp:
        kp.new_key("Bob")
        assert kp.connection is not None
        assert kp.connection.tls_version == f"TLS {version}"


def test_a_client_certificate(tmp_path: Path) -> None:
    with KeyProviderPair(require_client_cert=True) as pair:
        with Client(pair.alice.url, ca=pair.ca) as kp, pytest.raises(skip_client.TlsFailed, match="certificate"):
            kp.capabilities()
        with Client(pair.alice.url, ca=pair.ca, cert=(pair.client_cert, Path(pair.client_key))) as kp:
            kp.new_key("Bob")


def test_several_urls_are_tried_in_order(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    with Client(["https://127.0.0.1:1", pair.alice.url], ca=pair.ca) as kp:
        assert kp.new_key("Bob").bits == 256


FAULTS = {
    "drop-before-response": ("connection_lost", "new_key"),
    "drop-mid-body": ("connection_lost", "new_key"),
    "wrong-size": ("size_mismatch", "no"),
    "not-hex": ("malformed_response", "no"),
    "duplicate-member": ("malformed_response", "no"),
    "missing-member": ("malformed_response", "no"),
    "content-encoding": ("malformed_response", "no"),
    "not-utf8": ("malformed_response", "no"),
    "html-200": ("malformed_response", "no"),
    "truncated-json": ("malformed_response", "no"),
    "odd-key": ("malformed_response", "no"),
    "all-zero-key": ("weak_key", "no"),
    "huge-body": ("response_too_large", "no"),
    "huge-header": ("response_too_large", "no"),
    "many-headers": ("response_too_large", "no"),
    "redirect": ("unexpected_status", "no"),
    "key-500": ("provider_failed", "new_key"),
    "drip": ("timed_out", "new_key"),
    "stall": ("timed_out", "new_key"),
    "echo-key-in-error": ("rejected", "no"),
}
# seen by methods other than new_key
OTHERS = {"wrong-key-id", "entropy-503", "on-capabilities"}
# not visible in any single response: doctor finds them
DEFECTS = {
    "false-flags",
    "wrong-list",
    "unstable-capabilities",
    "any-path",
    "any-method",
    "loses-pipelined",
    "any-size",
    "fixed-order",
    "any-remote",
    "key-from-key-id",
    "key-id-from-key",
    "invents-keys",
    "other-keys",
    "gives-twice",
    "one-direction",
    "impatient",
    "biased",
    "repeated-key-ids",
    "repeated-keys",
    "repeated-entropy",
    "talkative-errors",
    "few-at-once",
    "some-at-once",
    "few-connections",
    "few-keys",
}


def test_every_fault_is_listed() -> None:
    assert set(Pair.fault_names()) == set(FAULTS) | OTHERS | DEFECTS


def could_be_a_key(text: str) -> bool:
    """Whether a text contains 16 consecutive hexadecimal digits."""
    run = 0
    for character in text:
        run = run + 1 if character in "0123456789abcdefABCDEF" else 0
        if run >= 16:
            return True
    return False


@pytest.mark.parametrize("mode", ["certificates", "PSK"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_code_and_shows_no_key(fault: str, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    # short only if the timeout itself is tested, because the machine may be busy
    timeout = 4.0 if FAULTS[fault][0] == "timed_out" else 30.0
    with KeyProviderPair(faults=[fault]) as pair, ExitStack() as stack:
        if mode == "PSK":
            kp = stack.enter_context(Client(pair.alice.psk_url, psk=pair.psk, timeout=timeout))
        else:
            kp = stack.enter_context(Client(pair.alice.url, ca=pair.ca, timeout=timeout))
        with pytest.raises(SkipError) as caught:
            kp.new_key("Bob", size=256)
        error = caught.value
        assert (error.code, error.advice) == FAULTS[fault]
        assert error.hint
        shown = [str(error), repr(error), error.hint, error.provider_text or "", caplog.text]
        shown += traceback.format_exception(error)
        # memory addresses in reprs are 16 digits too
        assert not could_be_a_key(" ".join(shown).replace("0x", " "))


def test_faults_of_other_methods(skip_key_providers: KeyProviderPair, alice: Client, bob: Client) -> None:
    pair = skip_key_providers
    key = alice.new_key("Bob")
    pair.set_faults(["wrong-key-id"])
    with pytest.raises(skip_client.KeyIdMismatch):
        bob.key_by_id(key.key_id, "Alice")
    pair.set_faults(["entropy-503"])
    with pytest.raises(skip_client.Busy):
        alice.entropy()
    pair.set_faults(["html-200", "on-capabilities"])
    with pytest.raises(skip_client.MalformedResponse):
        alice.capabilities(refresh=True)


@pytest.mark.parametrize("quirk", Pair.quirk_names())
def test_a_quirk_is_borne(quirk: str) -> None:
    with (
        KeyProviderPair(quirks=[quirk]) as pair,
        Client(pair.alice.url, ca=pair.ca) as alice,
        Client(pair.bob.url, ca=pair.ca) as bob,
    ):
        for _ in range(2):
            key = alice.new_key("Bob")
            assert bob.key_by_id(key.key_id, "Alice") == key


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "http://kp"},
        {"url": []},
        {"url": "https://\ud800"},
        {"ca": None},
        {"ca": b"nonsense"},
        {"ca": "/no/such/file"},
        {"cert": (b"x", b"y")},
        {"pin": "md5/x"},
        {"server_name": "a b"},
        {"server_name": "\ud800"},
        {"tls": "1.1"},
        {"timeout": 0.0},
        {"timeout": -1.0},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"connect_timeout": 0.0},
        {"wait_when_busy": -1.0},
        {"proxy": "socks5://x"},
    ],
)
def test_bad_options_are_invalid_arguments(arguments: dict[str, Any]) -> None:
    options: dict[str, Any] = {"url": "https://kp", "ca": "system", **arguments}
    url = options.pop("url")
    with pytest.raises(InvalidArgument) as caught:
        Client(url, **options)
    assert isinstance(caught.value, ValueError)
    assert caught.value.hint


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[tuple[KeyProviderPair, Path, Path]]:
    """Key Providers that require a client certificate, whose key has a password: PKCS#8 and PKCS#12."""
    with KeyProviderPair(require_client_cert=True) as pair:
        password, key, both = tmp_path / "password", tmp_path / "client.key", tmp_path / "client.p12"
        password.write_text("marker\n")
        out = ["-passout", f"file:{password}", "-out"]
        subprocess.run(["openssl", "pkcs8", "-topk8", "-in", pair.client_key, *out, key], check=True)
        inputs = ["-in", pair.client_cert, "-inkey", pair.client_key]
        subprocess.run(["openssl", "pkcs12", "-export", *inputs, *out, both], check=True)
        yield pair, key, both


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("password", ["marker", b"marker", "file"])
def test_a_password_opens_the_key(
    sealed: tuple[KeyProviderPair, Path, Path], password: str | bytes, as_bytes: bool
) -> None:
    pair, key, both = sealed
    given = key.with_name("password") if password == "file" else password
    certs = [
        (pair.client_cert, key.read_bytes() if as_bytes else key),
        both.read_bytes() if as_bytes else both,
    ]
    for cert in certs:
        with Client(pair.alice.url, ca=pair.ca, cert=cert, key_password=given) as client:
            assert client.capabilities().local_system_id == "Alice"


@pytest.mark.parametrize("scheme", ["-scrypt", "-v2 aes-128-cbc", "-v2 des3", "-v2 aes-256-cbc -v2prf hmacWithSHA512"])
def test_the_openssl_of_the_package_opens_every_promised_encryption(
    sealed: tuple[KeyProviderPair, Path, Path], scheme: str
) -> None:
    pair, key, _ = sealed
    out = ["-passout", "pass:marker", "-out", key]
    subprocess.run(["openssl", "pkcs8", "-topk8", *scheme.split(), "-in", pair.client_key, *out], check=True)
    with Client(pair.alice.url, ca=pair.ca, cert=(pair.client_cert, key), key_password="marker") as client:
        assert client.capabilities().local_system_id == "Alice"


def test_an_old_pkcs12_file_is_opened(sealed: tuple[KeyProviderPair, Path, Path]) -> None:
    pair, _, both = sealed
    old = ["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]
    inputs = ["-in", pair.client_cert, "-inkey", pair.client_key]
    subprocess.run(["openssl", "pkcs12", "-export", *old, *inputs, "-passout", "pass:marker", "-out", both], check=True)
    with Client(pair.alice.url, ca=pair.ca, cert=both, key_password="marker") as client:
        assert client.capabilities().local_system_id == "Alice"


def test_a_password_that_is_wrong_or_missing_is_named(sealed: tuple[KeyProviderPair, Path, Path]) -> None:
    pair, key, both = sealed
    for cert, what in (((pair.client_cert, key), "private key"), (both, "PKCS#12 file")):
        with pytest.raises(InvalidArgument, match=f"^key_password: is missing: the {what} is encrypted"):
            Client(pair.alice.url, ca=pair.ca, cert=cert)
        with pytest.raises(InvalidArgument, match=f"^key_password: does not open the {what}") as caught:
            Client(pair.alice.url, ca=pair.ca, cert=cert, key_password="hunter2")
        assert "hunter2" not in str(caught.value)
    with pytest.raises(TypeError, match="key_password"):
        Client(pair.alice.url, ca=pair.ca, cert=both, key_password=7)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("remote", "size"),
    [
        ("", None),
        ("a\nb", None),
        ("x" * 256, None),
        ("KP_*", None),
        ("\ud800", None),
        ("Bob", 0),
        ("Bob", 250),
        ("Bob", -8),
        ("Bob", 65_544),
        ("Bob", 1 << 80),
    ],
)
def test_bad_arguments_are_invalid_arguments(alice: Client, remote: str, size: int | None) -> None:
    with pytest.raises(InvalidArgument):
        alice.new_key(remote, size)


def test_other_types_are_type_errors(alice: Client) -> None:
    for call in (
        lambda: alice.new_key(7),  # type: ignore[arg-type]
        lambda: alice.new_key("Bob", "256"),  # type: ignore[arg-type]
        lambda: alice.new_key("Bob", True),
        lambda: alice.entropy(12.5),  # type: ignore[arg-type]
        lambda: Client(7),  # type: ignore[arg-type]
        lambda: Client("https://kp", ca=7),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError):
            call()


def test_key_ids_by_mode(skip_key_providers: KeyProviderPair, bob: Client) -> None:
    pair = skip_key_providers
    with pytest.raises(InvalidArgument):
        bob.key_by_id("SKIP-SAE-A", "Alice")
    with Client(pair.bob.url, ca=pair.ca, strict=False) as lenient:
        with pytest.raises(skip_client.Rejected):
            lenient.key_by_id("SKIP-SAE-A", "Alice")
        with pytest.raises(InvalidArgument):
            lenient.key_by_id("..", "Alice")


def test_an_unknown_remote_and_the_check(skip_key_providers: KeyProviderPair, alice: Client) -> None:
    pair = skip_key_providers
    with pytest.raises(skip_client.UnknownRemote):
        alice.new_key("Eve")
    with Client(pair.alice.url, ca=pair.ca, check_remote=False) as kp, pytest.raises(skip_client.Rejected):
        kp.new_key("Eve")


def test_one_client_serves_many_threads(alice: Client, bob: Client) -> None:
    def exchange(_: int) -> str:
        key = alice.new_key("Bob")
        assert bob.key_by_id(key.key_id, "Alice") == key
        return key.key_id

    with ThreadPoolExecutor(32) as pool:
        ids = list(pool.map(exchange, range(320)))
    assert len(set(ids)) == len(ids)


def test_calls_leave_the_interpreter_to_others() -> None:
    def wait(kp: Client) -> None:
        with pytest.raises(SkipError):
            kp.new_key("Bob")

    with KeyProviderPair(faults=["stall"]) as pair, Client(pair.alice.url, ca=pair.ca, timeout=1.0) as kp:
        kp.capabilities()
        waiting = threading.Thread(target=wait, args=(kp,))
        waiting.start()
        turns = 0
        while waiting.is_alive():
            turns += 1
        waiting.join()
    # a call that held the GIL would leave one or two
    assert turns > 10


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_running_call_can_be_ended(how: str) -> None:
    with KeyProviderPair(faults=["stall"]) as pair, Client(pair.alice.url, ca=pair.ca, timeout=300.0) as kp:
        kp.capabilities()
        token = CancelToken()
        ender = threading.Timer(0.2, token.cancel if how == "cancel" else kp.close)
        ender.start()
        with pytest.raises(SkipError) as caught:
            kp.new_key("Bob", cancel=token)
        assert caught.value.code != "timed_out"
        assert token.cancelled == (how == "cancel")
        ender.join()


def test_a_closed_client_says_so(alice: Client) -> None:
    alice.close()
    with pytest.raises(InvalidArgument, match="closed"):
        alice.new_key("Bob")


def test_ctrl_c_ends_a_waiting_call() -> None:
    # a shell that starts the tests in the background ignores this signal for them
    program = """
import signal
from skip_client import Client
from skip_client.testing import KeyProviderPair
signal.signal(signal.SIGINT, signal.default_int_handler)
with KeyProviderPair(faults=["stall"]) as pair, Client(pair.alice.url, ca=pair.ca, timeout=300.0) as kp:
    kp.capabilities()
    print("waiting", flush=True)
    try:
        kp.new_key("Bob")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(timeout=60) == 0


def test_ctrl_c_ends_a_command_that_waits_for_its_input() -> None:
    program = """
import signal
from skip_client.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
print("waiting", flush=True)
main()
"""
    command = [sys.executable, "-c", program, "validate", "key", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == -signal.SIGINT
