"""Many threads use the same objects: in parallel in free-threaded Python, in turns with the GIL."""

import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from skip_client import Client, InvalidArgument, Key, SkipError, is_valid, validate
from skip_client.testing import KeyProviderPair


def at_once(work: Callable[[], object], threads: int = 8) -> None:
    """Runs a function in threads that start together; none may fail."""
    start, failures = threading.Barrier(threads), list[BaseException]()

    def run() -> None:
        try:
            start.wait()
            work()
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not failures


def test_importing_the_package_does_not_bring_the_gil_back() -> None:
    # stays disabled in a Python without it
    program = (
        "import sys; gil = getattr(sys, '_is_gil_enabled', lambda: True); before = gil(); "
        "import skip_client, skip_client.testing; print(gil() == before)"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("True\n", "")


def test_one_client_for_all(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    keys: dict[str, Key] = {}
    with Client(pair.alice.url, ca=pair.ca) as kp, Client(pair.bob.url, ca=pair.ca) as other:

        def fetch() -> None:
            for _ in range(10):
                key = kp.new_key("Bob")
                keys[key.key_id] = key
                assert other.key_by_id(key.key_id, "Alice") == key
                assert kp.capabilities() == kp.capabilities(refresh=True)
                assert kp.connection is not None

        at_once(fetch)
    assert len(keys) == 80


def test_one_key_for_all_until_one_wipes_it(alice: Client) -> None:
    for _ in range(20):
        key, other = alice.new_key("Bob"), alice.new_key("Bob")
        whole = bytes(key)

        def use(key: Key = key, other: Key = other, whole: bytes = whole) -> None:
            try:
                with memoryview(key) as view:
                    assert len(bytes(view)) == 32
                assert key == key
                assert key != other
                assert bytes(key) == key.export("raw") == whole
                assert key.hex() == whole.hex()
            except InvalidArgument as error:
                assert "was wiped" in str(error)
            key.wipe()
            with pytest.raises(InvalidArgument):
                bytes(key)

        at_once(use)


def test_values_and_servers_for_all(skip_key_providers: KeyProviderPair) -> None:
    problems = validate("key", "{}")

    def use() -> None:
        for at in range(50):
            assert validate("key", "{}") == problems and not is_valid("key", b"{}")
            assert hash(problems[0]) == hash(validate("key", "{}")[0])
            skip_key_providers.set_faults(["key-500"] if at % 2 else [])

    at_once(use)


def test_closing_ends_what_others_do(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    for _ in range(5):
        kp = Client(pair.alice.url, ca=pair.ca)
        codes = set[str]()

        def fetch(kp: Client = kp, codes: set[str] = codes) -> None:
            try:
                for _ in range(20):
                    kp.new_key("Bob")
                kp.close()
                kp.new_key("Bob")
            except SkipError as error:
                codes.add(error.code)

        at_once(fetch)
        assert codes == {"invalid_argument"} and kp.closed
