"""An attacker on the path without a key delays every byte: each call still ends, whatever it waits for."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from adversary import Adversary, in_front_of

from skip_client import AsyncClient, CancelToken, Client, Psk, SkipError
from skip_client.testing import KeyProviderPair

Options = dict[str, str | Psk]


@pytest.fixture(params=["certificates", "legacy", "psk"])
def path(request: pytest.FixtureRequest, skip_key_providers: KeyProviderPair) -> Iterator[tuple[Adversary, Options]]:
    """The path to a Key Provider, for each TLS stack."""
    pair = skip_key_providers
    url, options = {
        "certificates": (pair.alice.url, {"ca": pair.ca}),
        "legacy": (pair.alice.url, {"ca": pair.ca, "legacy": True}),
        "psk": (pair.alice.psk_url, {"psk": pair.psk}),
    }[request.param]
    with in_front_of(url) as adversary:
        yield adversary, options
        adversary.end()


@pytest.fixture(params=["handshake", "reply"])
def slow(request: pytest.FixtureRequest) -> str:
    """The slow step: a handshake or a reply."""
    return str(request.param)


def ended(failure: pytest.ExceptionInfo[SkipError], code: str, slow: str) -> None:
    """Checks the code and the advice: a key that may have been handed out is not requested again."""
    assert failure.value.code == code
    assert failure.value.advice == ("same_request" if slow == "handshake" else "new_key")


def test_a_call_times_out(path: tuple[Adversary, Options], slow: str) -> None:
    """The timeout applies to the whole call, not to each read."""
    adversary, options = path
    with Client(adversary.url, timeout=2, **options) as kp:
        if slow == "reply":
            kp.new_key("Bob")
        adversary.drips.set()
        with pytest.raises(SkipError) as failure:
            kp.new_key("Bob")
    ended(failure, "timed_out", slow)


def test_a_call_is_cancelled(path: tuple[Adversary, Options], slow: str) -> None:
    """By its token, from another thread."""
    adversary, options = path
    token = CancelToken()
    with Client(adversary.url, timeout=300, connect_timeout=300, **options) as kp:
        if slow == "reply":
            kp.new_key("Bob")
        adversary.drips.set()
        threading.Timer(1, token.cancel).start()
        with pytest.raises(SkipError) as failure:
            kp.new_key("Bob", cancel=token)
    ended(failure, "connection_lost", slow)


def test_closing_a_client_ends_its_calls(path: tuple[Adversary, Options], slow: str) -> None:
    """From another thread."""
    adversary, options = path
    kp = Client(adversary.url, timeout=300, connect_timeout=300, **options)
    if slow == "reply":
        kp.new_key("Bob")
    adversary.drips.set()
    threading.Timer(1, kp.close).start()
    with pytest.raises(SkipError) as failure:
        kp.new_key("Bob")
    ended(failure, "invalid_argument", slow)


def test_the_same_with_asyncio(path: tuple[Adversary, Options], slow: str) -> None:
    """Timeouts, cancelled tasks and close; the event loop never waits."""
    adversary, options = path

    async def run() -> None:
        async with AsyncClient(adversary.url, timeout=2, **options) as kp:
            if slow == "reply":
                await kp.new_key("Bob")
            adversary.drips.set()
            with pytest.raises(SkipError) as failure:
                await kp.new_key("Bob")
        ended(failure, "timed_out", slow)

        adversary.end()
        kp = AsyncClient(adversary.url, timeout=300, connect_timeout=300, **options)
        if slow == "reply":
            await kp.new_key("Bob")
        adversary.drips.set()
        call = asyncio.create_task(kp.new_key("Bob"))
        await asyncio.sleep(0.5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        call = asyncio.create_task(kp.new_key("Bob"))
        await asyncio.sleep(0.5)
        await kp.aclose()
        with pytest.raises(SkipError) as failure:
            await call
        # the cancelled call closed its connection
        ended(failure, "invalid_argument", "handshake")

    asyncio.run(run())
