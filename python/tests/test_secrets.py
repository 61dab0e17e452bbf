"""Keys and random bytes: never shown, wiped on request, and identical through every accessor."""

import base64
import copy
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from skip_client import Client, Entropy, InvalidArgument, Key, export_formats
from skip_client.testing import KeyProviderPair


@pytest.fixture
def key(alice: Client) -> Key:
    return alice.new_key("Bob", size=256)


def test_a_key_reads_the_same_through_every_door(key: Key) -> None:
    raw = bytes(key)
    with memoryview(key) as view:
        assert view.readonly
        assert view.nbytes == len(key) == 32
        assert bytes(view) == raw
    assert key.hex() == key.export("hex") == raw.hex()
    assert key.export("raw") == raw
    assert key.export("base64") == key.export("wireguard") == base64.b64encode(raw).decode()
    assert re.search(rf"secret = 0x{raw.hex()}\n", key.export("strongswan"))


def test_every_format_is_made(key: Key) -> None:
    for name in export_formats():
        assert key.export(name)
    with pytest.raises(InvalidArgument):
        key.export("nonsense")


def test_a_consumer_that_cannot_take_the_key_says_so(alice: Client) -> None:
    with pytest.raises(InvalidArgument, match="256 bits"):
        alice.new_key("Bob", size=128).export("wireguard")


def test_a_key_can_go_to_a_descriptor_without_a_copy_in_python(key: Key, tmp_path: Path) -> None:
    target = tmp_path / "key"
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        key.export_to(descriptor)
        key.export_to(descriptor, "hex")
        os.fstat(descriptor)  # still open
    finally:
        os.close(descriptor)
    assert target.read_bytes() == bytes(key) + key.hex().encode()
    with pytest.raises(OSError, match=r"."):
        key.export_to(-1)


def test_wiping_also_wipes_what_a_view_sees(key: Key) -> None:
    view = memoryview(key)
    with key:
        assert any(view)
    assert not any(view)
    del key
    assert not any(view)


@pytest.mark.parametrize("kind", [Key, Entropy])
def test_a_wiped_secret_cannot_be_read_exported_or_compared(alice: Client, kind: type) -> None:
    """Its zeros would be the same at both ends, and WireGuard would treat them as no key at all."""
    secret: Key | Entropy = alice.new_key("Bob") if kind is Key else alice.entropy()
    other: Key | Entropy = alice.new_key("Bob") if kind is Key else alice.entropy()
    bits, length, fingerprint = secret.bits, len(secret), getattr(secret, "fingerprint", None)
    secret.wipe()
    reads: list[Callable[[], object]] = [
        lambda: bytes(secret),
        lambda: memoryview(secret),
        lambda: secret.hex(),
        lambda: secret == secret,
        lambda: secret == other,
        lambda: other == secret,
        lambda: other != secret,
    ]
    if isinstance(secret, Key):
        key = secret
        reads += [lambda name=name: key.export(name) for name in ("raw", "hex", "base64", "wireguard", "strongswan")]
        reads.append(lambda: key.export_to(1))
    for read in reads:
        with pytest.raises(InvalidArgument, match="was wiped"):
            read()
    assert secret != b""
    assert (secret.bits, len(secret), getattr(secret, "fingerprint", None)) == (bits, length, fingerprint)


PROGRAM = """
import sys, threading
from skip_client import Client, InvalidArgument
with Client(sys.argv[1], ca=sys.argv[2]) as kp:
    key = kp.new_key("Bob")
key.wipe()
sys.setswitchinterval(1e-6)

def read():
    for _ in range(2000):
        for call in (key.__bytes__, key.hex, lambda: memoryview(key), lambda: key == key, lambda: key.export("raw")):
            try: call()
            except InvalidArgument: pass

threads = [threading.Thread(target=read) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_threads_do_not_wait_for_each_other_at_a_wiped_key(skip_key_providers: KeyProviderPair) -> None:
    """Its error is created by Python code, which other threads can interrupt."""
    command = [sys.executable, "-c", PROGRAM, skip_key_providers.alice.url, skip_key_providers.ca]
    subprocess.run(command, timeout=120, check=True)


def test_a_view_keeps_the_key_alive(alice: Client) -> None:
    view = memoryview(alice.new_key("Bob"))
    assert any(view)


@pytest.mark.parametrize("kind", [Key, Entropy])
def test_nothing_shows_or_copies_a_secret(alice: Client, kind: type) -> None:
    secret: Key | Entropy = alice.new_key("Bob") if kind is Key else alice.entropy()
    marker = bytes(secret).hex()
    for shown in (repr(secret), str(secret), f"{secret!r}"):
        assert marker not in shown.lower()
        assert "redacted" in shown
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            leak(secret)
    with pytest.raises(TypeError):
        hash(secret)
    assert not hasattr(secret, "__dict__")


def test_equality(alice: Client, bob: Client) -> None:
    key = alice.new_key("Bob")
    same = bob.key_by_id(key.key_id, "Alice")
    assert key == same
    assert key == key
    assert key != alice.new_key("Bob")
    assert key != bytes(key)
    assert key != alice.entropy()


def test_entropy_is_wiped_too(alice: Client) -> None:
    with alice.entropy(bits=64) as salt:
        assert salt.hex() == bytes(salt).hex()
        view = memoryview(salt)
    assert not any(view)


@pytest.mark.skipif(sys.platform != "linux", reason="what harden_process does elsewhere is less")
def test_a_hardened_process_has_no_core_dumps() -> None:
    program = (
        "import resource, skip_client\nprint(skip_client.harden_process(), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "full (0, 0)\n"


@pytest.mark.skipif(sys.platform != "linux", reason="there is no such call elsewhere")
def test_memory_is_locked_where_the_system_allows_it() -> None:
    program = "import skip_client\nprint(skip_client.lock_memory())\nprint(*open('/proc/self/status'))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    allowed, *status = ran.stdout.splitlines()
    locked = next(int(line.split()[1]) for line in status if "VmLck:" in line)
    assert allowed == str(locked > 0)


# run without standard streams; their status is 0 if none has become something else
CLIENT_WITHOUT_STREAMS = """
import os, stat, sys
from skip_client import Client

def is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False

with Client(sys.argv[1], ca=sys.argv[2]) as kp:
    kp.new_key("Bob")
    os._exit(any(is_socket(descriptor) for descriptor in range(3)))
"""
COMMAND_WITHOUT_STREAMS = """
import os, sys
from skip_client.__main__ import main

main()
os._exit(any(os.fstat(descriptor).st_rdev != os.stat(os.devnull).st_rdev for descriptor in range(3)))
"""


def test_a_connection_never_takes_the_place_of_a_closed_stream(skip_key_providers: KeyProviderPair) -> None:
    """What a program writes to stdout would go to the Key Provider, in clear."""
    pair = skip_key_providers
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c"]
    for program, arguments in [
        (CLIENT_WITHOUT_STREAMS, [pair.alice.url, str(pair.ca)]),
        (COMMAND_WITHOUT_STREAMS, ["capabilities", pair.alice.url, "--ca", str(pair.ca)]),
    ]:
        subprocess.run([*closing, program, *arguments], check=True, timeout=60)
