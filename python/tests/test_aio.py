"""The client for asyncio."""

import asyncio
import threading
import time

import pytest

from skip_client import AsyncClient, InvalidArgument, Key, Rejected
from skip_client.testing import KeyProviderPair


def test_the_exchange() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice, AsyncClient(pair.bob.url, ca=pair.ca) as bob:
                assert (await alice.capabilities()).local_system_id == "Alice"
                key = await alice.new_key("Bob", size=384)
                assert await bob.key_by_id(key.key_id, "Alice") == key
                with pytest.raises(Rejected):
                    await bob.key_by_id(key.key_id, "Alice")
                assert (await alice.entropy(bits=128)).bits == 128
                assert alice.connection is not None

    asyncio.run(run())


def test_a_hundred_tasks_at_once() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice, AsyncClient(pair.bob.url, ca=pair.ca) as bob:

                async def exchange() -> str:
                    key = await alice.new_key("Bob")
                    assert await bob.key_by_id(key.key_id, "Alice") == key
                    return key.key_id

                ids = await asyncio.gather(*(exchange() for _ in range(100)))
                assert len(set(ids)) == 100

    asyncio.run(run())


def test_a_cancelled_task_ends_its_request_at_once() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca, timeout=60.0) as alice:
                await alice.capabilities()
                tasks = [asyncio.create_task(alice.new_key("Bob")) for _ in range(20)]
                await asyncio.sleep(0.3)
                started = time.monotonic()
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(result, asyncio.CancelledError) for result in results)
                assert time.monotonic() - started < 4
                pair.set_faults([])
                key = await alice.new_key("Bob")
                assert isinstance(key, Key)

    asyncio.run(run())


def test_a_timeout_of_asyncio_works() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca, timeout=60.0) as alice:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await alice.new_key("Bob")

    asyncio.run(run())


def test_closing_ends_threads_and_later_calls() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            alice = AsyncClient(pair.alice.url, ca=pair.ca)
            await alice.new_key("Bob")
            await alice.aclose()
            with pytest.raises(InvalidArgument, match="closed"):
                await alice.new_key("Bob")
            alice.close()

    asyncio.run(run())
    deadline = time.monotonic() + 10
    while any(thread.name == "skip-client" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread was left behind"
        time.sleep(0.01)
