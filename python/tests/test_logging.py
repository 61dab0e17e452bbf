"""The logger `skip_client`: lines about connections, without secrets, and nothing when it is off."""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from skip_client import AsyncClient, Client, ConnectFailed, Psk
from skip_client.testing import KeyProviderPair


@pytest.fixture
def closed() -> Iterator[str]:
    """A URL that nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{taken.getsockname()[1]}"


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of the lines logged since the last call."""
    assert {record.name for record in caplog.records if record.name != "asyncio"} <= {"skip_client"}
    found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "skip_client"]
    caplog.clear()
    return found


def test_connections_are_logged(
    skip_key_providers: KeyProviderPair, closed: str, caplog: pytest.LogCaptureFixture
) -> None:
    url, ca = skip_key_providers.alice.url, skip_key_providers.ca
    with caplog.at_level("DEBUG"), Client([closed, url], ca=ca) as kp:
        kp.new_key("Bob")
        kp.new_key("Bob")
        here = caplog.records[0]
        (warning, connected) = lines(caplog)
        assert warning[0] == "WARNING"
        assert warning[1].startswith(f"{closed}: ") and warning[1].endswith(f"; trying {url}")
        assert (connected[0], f"{url}: connected to " in connected[1], "TLS 1.3" in connected[1]) == (
            "DEBUG",
            True,
            True,
        )
        assert here.filename == "test_logging.py"  # the program's line, where it calls from its own thread


def test_the_level_is_the_loggers(
    skip_key_providers: KeyProviderPair, closed: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It applies from the next call on, wherever it is set."""
    url, ca = skip_key_providers.alice.url, skip_key_providers.ca
    seen = []
    for level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        with caplog.at_level(level, "skip_client"), Client([closed, url], ca=ca) as kp:
            kp.capabilities()
        seen.append([name for name, _ in lines(caplog)])
    assert seen == [["WARNING", "DEBUG"], ["WARNING"], ["WARNING"], []]


def test_threads_and_tasks_log_too(skip_key_providers: KeyProviderPair, caplog: pytest.LogCaptureFixture) -> None:
    url, ca = skip_key_providers.alice.url, skip_key_providers.ca

    async def fetch() -> None:
        async with AsyncClient(url, ca=ca) as kp:
            await asyncio.gather(*(kp.new_key("Bob") for _ in range(20)))

    with caplog.at_level("DEBUG", "skip_client"), Client(url, ca=ca) as kp:
        asyncio.run(fetch())
        assert {level for level, _ in lines(caplog)} == {"DEBUG"}
        thread = threading.Thread(target=kp.new_key, args=("Bob",))
        thread.start()
        thread.join()
        assert [level for level, _ in lines(caplog)] == ["DEBUG"]


def test_no_line_has_a_secret(caplog: pytest.LogCaptureFixture, closed: str) -> None:
    marker = "4d41524b4552"
    psk = Psk("router", hex=marker * 4)
    secrets = [marker]
    with KeyProviderPair(["classic-psk"], ["entropy-503"], psks=[psk]) as pair, caplog.at_level("DEBUG"):
        with Client(pair.alice.psk_url, psk=psk, wait_when_busy=1) as kp:
            secrets += [kp.new_key("Bob").hex() for _ in range(3)]
            with pytest.raises(Exception, match=r"503"):
                kp.entropy()
        with Client(closed, ca=pair.ca, proxy=f"http://user:{marker}@{closed[8:]}") as kp, pytest.raises(ConnectFailed):
            kp.new_key("Bob")
    found = lines(caplog)
    assert {level for level, _ in found} == {"DEBUG", "INFO", "WARNING"}
    assert not [text for _, text in found for secret in secrets if secret in text.lower()]


def test_ctrl_c_in_a_handler_ends_the_call(skip_key_providers: KeyProviderPair) -> None:
    class Interrupted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise KeyboardInterrupt

    logger, handler = logging.getLogger("skip_client"), Interrupted()
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    # programs in the background may have inherited that Ctrl-C is ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with Client(skip_key_providers.alice.url, ca=skip_key_providers.ca) as kp, pytest.raises(KeyboardInterrupt):
            kp.new_key("Bob")
            time.sleep(60)  # where Python looks for signals if the call was faster
    finally:
        signal.signal(signal.SIGINT, before)
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)


PROGRAM = """
import builtins, sys
if sys.argv[3] != "never": import logging
from skip_client import Client
with Client([sys.argv[2], sys.argv[1]], pin="sha256/" + "A" * 43 + "=") as kp:
    try: kp.new_key("Bob")
    except OSError: pass
with Client(sys.argv[1], ca=sys.argv[4]) as kp:
    kp.new_key("Bob")
    imports, builtins.__import__ = builtins.__import__, None
    kp.new_key("Bob")
    builtins.__import__ = imports
assert ("logging" in sys.modules) == (sys.argv[3] != "never")
"""


@pytest.mark.parametrize("imported", ["never", "first"])
def test_a_program_without_a_log_sees_nothing(skip_key_providers: KeyProviderPair, closed: str, imported: str) -> None:
    """Not on stderr either. Calls import nothing: neither `logging`, nor another module again and again."""
    arguments = [skip_key_providers.alice.url, closed, imported, skip_key_providers.ca]
    command = [sys.executable, "-X", "dev", "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
