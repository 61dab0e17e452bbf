"""The client for asyncio."""

import asyncio
import gc
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from skip_client import AsyncClient, InvalidArgument, Key, Rejected, SkipError, UnknownRemote
from skip_client._aio import _outcome
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
            async with AsyncClient(pair.alice.url, ca=pair.ca, timeout=300.0) as alice:
                await alice.capabilities()
                tasks = [asyncio.create_task(alice.new_key("Bob")) for _ in range(20)]
                await asyncio.sleep(0.3)
                for task in tasks:
                    task.cancel()
                async with asyncio.timeout(60):
                    results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(result, asyncio.CancelledError) for result in results)
                pair.set_faults([])
                key = await alice.new_key("Bob")
                assert isinstance(key, Key)

    asyncio.run(run())


def test_a_timeout_of_asyncio_works() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca, timeout=300.0) as alice:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await alice.new_key("Bob")

    asyncio.run(run())


def test_a_call_that_is_cancelled_before_its_turn_asks_nothing() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca, timeout=300.0) as alice:
                await alice.capabilities()
                tasks = [asyncio.create_task(alice.new_key("Bob")) for _ in range(400)]
                await asyncio.sleep(0.3)
                assert threads() <= 128
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
                assert all(isinstance(result, asyncio.CancelledError) for result in results)
                pair.set_faults([])
                keys = await asyncio.gather(*(alice.new_key("Bob") for _ in range(400)))
                assert len({key.key_id for key in keys}) == 400

    asyncio.run(run())


def test_cancelling_at_any_moment_leaves_whole_answers() -> None:
    """Many calls are cancelled as their responses arrive; all others get their own keys, equal at both ends."""

    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice, AsyncClient(pair.bob.url, ca=pair.ca) as bob:
                kept = []
                for at in range(60):
                    tasks = [asyncio.create_task(alice.new_key("Bob")) for _ in range(10)]
                    await asyncio.sleep(at / 20_000)
                    for task in tasks[::2]:
                        task.cancel()
                    results = await asyncio.gather(*tasks, return_exceptions=True)
                    assert all(isinstance(result, Key | asyncio.CancelledError) for result in results)
                    assert all(isinstance(result, Key) for result in results[1::2])
                    kept += [result for result in results if isinstance(result, Key)]
                assert len({key.key_id for key in kept}) == len(kept)
                for key in kept:
                    assert await bob.key_by_id(key.key_id, "Alice") == key

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["key", "entropy"])
def test_a_secret_that_came_just_before_its_task_was_cancelled_is_wiped(kind: str) -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice:
                calls = alice._calls()
                future = calls.new_key("Bob", None) if kind == "key" else calls.entropy(None)
                seen = []

                def cancel(future: "asyncio.Future[Any]") -> None:
                    seen.append(bytes(future.result()))
                    task.cancel()

                # called once the answer has arrived, but before the task continues
                future.add_done_callback(cancel)
                task = asyncio.create_task(_outcome(calls, future))
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert any(seen[0])
                with pytest.raises(InvalidArgument, match="was wiped"):
                    bytes(future.result())

    asyncio.run(run())


def test_one_client_at_several_loops_at_once_and_one_after_another() -> None:
    with KeyProviderPair() as pair:
        alice = AsyncClient(pair.alice.url, ca=pair.ca)

        async def some() -> set[str]:
            return {key.key_id for key in await asyncio.gather(*(alice.new_key("Bob") for _ in range(20)))}

        found: list[set[str]] = []
        loops = [threading.Thread(target=lambda: found.append(asyncio.run(some()))) for _ in range(4)]
        for thread in loops:
            thread.start()
        for thread in loops:
            thread.join()
        for _ in range(3):
            found.append(asyncio.run(some()))
        assert len(set.union(*found)) == 7 * 20
        alice.close()


def test_descriptors_and_loops_are_let_go() -> None:
    with KeyProviderPair() as pair:
        ended = []

        async def one(client: AsyncClient) -> None:
            ended.append(weakref.ref(asyncio.get_running_loop()))
            await client.new_key("Bob")

        alice = AsyncClient(pair.alice.url, ca=pair.ca)
        asyncio.run(one(alice))
        before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
        for _ in range(10):
            asyncio.run(one(alice))
            other = AsyncClient(pair.alice.url, ca=pair.ca)
            asyncio.run(one(other))
            other.close()
        gc.collect()
        assert sum(loop() is not None for loop in ended) <= 1, "only the last loop of a client that lives is known"
        if sys.platform == "linux":
            assert len(list(Path("/proc/self/fd").iterdir())) <= before
        alice.close()


def test_clients_come_and_go_at_one_loop() -> None:
    """A client's loop registrations are removed with it, closed or not, so that descriptors can be reused."""

    async def run() -> None:
        with KeyProviderPair() as pair, pytest.warns(ResourceWarning, match="^unclosed AsyncClient"):
            for at in range(20):
                alice = AsyncClient(pair.alice.url, ca=pair.ca)
                await alice.new_key("Bob")
                if at % 2:
                    alice.close()
                del alice
            async with asyncio.timeout(60):
                while threads():
                    await asyncio.sleep(0.01)

    asyncio.run(run())


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """Like Windows' default loop: it cannot wait for a descriptor."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


def test_a_loop_that_cannot_wait_for_a_descriptor() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice:
                keys = await asyncio.gather(*(alice.new_key("Bob") for _ in range(200)))
                assert len({key.key_id for key in keys}) == 200
                with pytest.raises(InvalidArgument):
                    await alice.new_key("")

    with asyncio.Runner(loop_factory=LoopWithoutReaders) as runner:
        runner.run(run())


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, LoopWithoutReaders])
def test_a_loop_that_ends_before_its_answers(loop: type[asyncio.AbstractEventLoop]) -> None:
    with KeyProviderPair() as pair:
        alice = AsyncClient(pair.alice.url, ca=pair.ca)

        async def leave() -> None:
            await alice.capabilities()
            calls = alice._calls()
            calls.new_key("Bob", None)  # neither awaited nor cancelled

        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(leave())
        time.sleep(0.2)
        assert isinstance(asyncio.run(alice.new_key("Bob")), Key)
        alice.close()


def test_an_error_keeps_no_client() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            alice = AsyncClient(pair.alice.url, ca=pair.ca, timeout=0.2)
            code = ""
            try:
                await alice.new_key("Bob")
            except SkipError as error:
                code = error.code
            assert code == "timed_out"
            known = weakref.ref(alice)
            alice.close()
            del alice
            await asyncio.sleep(0)  # until then asyncio itself holds the future
            assert known() is None, "only a search for cycles would find it"

    gc.disable()
    try:
        asyncio.run(run())
    finally:
        gc.enable()


def test_errors_come_from_where_they_are_awaited() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            async with AsyncClient(pair.alice.url, ca=pair.ca) as alice:
                later = [alice.new_key(""), alice.new_key("Bob", 7), alice.key_by_id("x", "Bob"), alice.entropy(9)]
                for call in later:
                    with pytest.raises(InvalidArgument):
                        await call
                with pytest.raises(TypeError):
                    await alice.new_key(7)  # type: ignore[arg-type]
                with pytest.raises(UnknownRemote):
                    await alice.new_key("Carol")

    asyncio.run(run())


def test_closing_ends_running_calls() -> None:
    async def run() -> None:
        with KeyProviderPair(faults=["stall"]) as pair:
            alice = AsyncClient(pair.alice.url, ca=pair.ca, timeout=300.0)
            await alice.capabilities()
            tasks = [asyncio.create_task(alice.new_key("Bob")) for _ in range(200)]
            await asyncio.sleep(0.3)
            alice.close()
            async with asyncio.timeout(60):
                results = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(result, SkipError) for result in results)
            assert all("closed" in str(result) for result in results)

    asyncio.run(run())


def test_closing_ends_threads_and_later_calls() -> None:
    async def run() -> None:
        with KeyProviderPair() as pair:
            alice = AsyncClient(pair.alice.url, ca=pair.ca)
            await alice.new_key("Bob")
            if sys.platform == "linux":
                assert threads() == 1
            await alice.aclose()
            with pytest.raises(InvalidArgument, match="closed"):
                await alice.new_key("Bob")
            alice.close()

    asyncio.run(run())
    deadline = time.monotonic() + 60
    while threads():
        assert time.monotonic() < deadline, "a thread was left behind"
        time.sleep(0.01)


def threads() -> int:
    """The threads of all clients. Only Linux can tell."""
    found = 0
    for task in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # it has just ended
            found += task.read_text() == "skip-client\n"
    return found
