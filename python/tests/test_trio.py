"""AsyncClient in trio, and in anyio on both backends; elsewhere its error says what to do."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio

from skip_client import AsyncClient, Key, Rejected
from skip_client.testing import KeyProviderPair

RUNS: dict[str, Callable[..., Any]] = {
    "trio": trio.run,
    "anyio on trio": lambda main: anyio.run(main, backend="trio"),
    "anyio on asyncio": lambda main: anyio.run(main, backend="asyncio"),
}
run_in = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


@run_in
def test_every_call(skip_key_providers: KeyProviderPair, run: Callable[..., Any]) -> None:
    pair = skip_key_providers

    async def main() -> None:
        async with AsyncClient(pair.alice.url, ca=pair.ca) as kp, AsyncClient(pair.bob.url, ca=pair.ca) as other:
            assert (await kp.capabilities(refresh=True)).matches_remote("Bob")
            key = await kp.new_key("Bob", 128, timeout=5)
            assert await other.key_by_id(key.key_id, "Alice") == key
            assert (await kp.entropy(64)).bits == 64
            with pytest.raises(Rejected):
                await other.key_by_id(key.key_id, "Alice")

    run(main)


@run_in
def test_many_at_once(skip_key_providers: KeyProviderPair, run: Callable[..., Any]) -> None:
    pair, keys = skip_key_providers, list[Key]()

    async def main() -> None:
        async def fetch(kp: AsyncClient) -> None:
            keys.append(await kp.new_key("Bob"))

        async with AsyncClient(pair.alice.url, ca=pair.ca) as kp, anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(fetch, kp)

    run(main)
    assert len({key.key_id for key in keys}) == 50


@run_in
def test_cancelling_ends_the_call_at_once(run: Callable[..., Any]) -> None:
    """Its thread ends too, long before the timeout of the call."""

    async def main() -> None:
        async with AsyncClient(pair.alice.url, ca=pair.ca, check_remote=False, timeout=600) as kp:
            with anyio.move_on_after(0.5) as scope:
                await kp.new_key("Bob")
            assert scope.cancelled_caught
            with anyio.fail_after(60):
                while kp._in_trio is not None and kp._in_trio._limiter.borrowed_tokens:
                    await anyio.sleep(0.01)

    with KeyProviderPair(faults=["stall"]) as pair:
        run(main)


def test_elsewhere_it_says_what_to_do(skip_key_providers: KeyProviderPair) -> None:
    kp = AsyncClient(skip_key_providers.alice.url, ca=skip_key_providers.ca)
    with pytest.raises(RuntimeError, match="asyncio and in trio; elsewhere use Client"):
        kp.new_key("Bob").send(None)
    kp.close()
