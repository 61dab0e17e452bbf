"""Processes that fork while they have clients: everything works in the child, and the parent is not affected."""

import asyncio
import multiprocessing
import os
import select
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from skip_client import AsyncClient, Client, Psk
from skip_client.testing import KeyProviderPair

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

PATIENCE = 60.0

Options = dict[str, str | Psk]


def in_child(run: Callable[[], str]) -> str:
    """Runs a function in a child, which then exits like a normal program; returns the child's output."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            os.write(writer, run().encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    until = time.monotonic() + PATIENCE
    said = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            pytest.fail("the child hangs")
        piece = os.read(reader, 4096)
        if not piece:
            break
        said += piece
    os.close(reader)
    _, status = os.waitpid(pid, 0)
    assert status == 0, "the child failed"
    return said.decode()


@pytest.fixture(params=["certificates", "psk"])
def ends(request: pytest.FixtureRequest, skip_key_providers: KeyProviderPair) -> tuple[str, str, Options]:
    """The URLs of both Key Providers, and the options for connecting to them."""
    pair = skip_key_providers
    if request.param == "psk":
        return pair.alice.psk_url, pair.bob.psk_url, {"psk": pair.psk}
    return pair.alice.url, pair.bob.url, {"ca": pair.ca}


def exchange(alice: Client, bob: Client) -> str:
    """Fetches a key at both ends; returns its keyId."""
    key = alice.new_key("Bob")
    assert bob.key_by_id(key.key_id, "Alice") == key
    return key.key_id


async def exchange_async(alice: AsyncClient, bob: AsyncClient) -> str:
    """The same with asyncio."""
    key = await alice.new_key("Bob")
    assert await bob.key_by_id(key.key_id, "Alice") == key
    return key.key_id


def test_clients_work_in_children(ends: tuple[str, str, Options]) -> None:
    """Clients used before the fork work in parent and child at once after it."""
    alice_url, bob_url, options = ends
    with Client(alice_url, **options) as alice, Client(bob_url, **options) as bob:
        ids = [exchange(alice, bob)]
        for _ in range(3):
            ids.append(in_child(lambda: exchange(alice, bob)))
            ids.append(exchange(alice, bob))
    assert len(set(ids)) == len(ids)


def test_async_clients_work_in_children(ends: tuple[str, str, Options]) -> None:
    """The child has none of the threads of its parent's client."""
    alice_url, bob_url, options = ends
    alice = AsyncClient(alice_url, timeout=20, **options)
    bob = AsyncClient(bob_url, timeout=20, **options)

    async def both_at_once() -> list[str]:
        return list(await asyncio.gather(*(exchange_async(alice, bob) for _ in range(4))))

    ids = asyncio.run(both_at_once())
    for _ in range(3):
        ids += in_child(lambda: " ".join(asyncio.run(both_at_once()))).split()
        ids += asyncio.run(both_at_once())
    alice.close()
    bob.close()
    assert len(set(ids)) == len(ids) == 28


def test_a_fork_within_a_running_loop(ends: tuple[str, str, Options]) -> None:
    """The parent's loop keeps running and is not woken by the child."""
    alice_url, bob_url, options = ends

    async def main() -> list[str]:
        async with AsyncClient(alice_url, **options) as alice, AsyncClient(bob_url, **options) as bob:
            ids = [await exchange_async(alice, bob)]
            running = asyncio.ensure_future(exchange_async(alice, bob))
            await asyncio.sleep(0)

            def child() -> str:
                alice.close()
                with Client(alice_url, **options) as again, Client(bob_url, **options) as other:
                    return exchange(again, other)

            ids.append(in_child(child))
            ids.append(await running)
            ids.append(await exchange_async(alice, bob))
            return ids

    ids = asyncio.run(main())
    assert len(set(ids)) == 4


def test_children_of_a_process_with_busy_threads(ends: tuple[str, str, Options]) -> None:
    """Forking is safe whatever locks other threads hold at that moment."""
    alice_url, bob_url, options = ends
    ids: list[str] = []
    enough = threading.Event()
    with Client(alice_url, **options) as alice, Client(bob_url, **options) as bob:

        def work() -> None:
            while not enough.is_set():
                ids.append(exchange(alice, bob))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        from_children = [in_child(lambda: exchange(alice, bob)) for _ in range(15)]
        enough.set()
        for thread in threads:
            thread.join()
    assert len(set(ids + from_children)) == len(ids) + 15


def send_keys(alice: Client, bob: Client, to: Connection) -> None:
    """The task of a multiprocessing worker."""
    to.send([exchange(alice, bob) for _ in range(3)])
    to.close()


def test_multiprocessing(ends: tuple[str, str, Options]) -> None:
    """Workers inherit the client, as with gunicorn --preload or Celery."""
    alice_url, bob_url, options = ends
    fork = multiprocessing.get_context("fork")
    with Client(alice_url, **options) as alice, Client(bob_url, **options) as bob:
        ids = [exchange(alice, bob)]
        workers = []
        for _ in range(4):
            receiver, sender = fork.Pipe(duplex=False)
            worker = fork.Process(target=send_keys, args=(alice, bob, sender), daemon=True)
            worker.start()
            sender.close()
            workers.append((worker, receiver))
        for worker, receiver in workers:
            assert receiver.poll(PATIENCE), "the worker hangs"
            ids += receiver.recv()
            worker.join()
            assert worker.exitcode == 0
        ids.append(exchange(alice, bob))
    assert len(set(ids)) == len(ids) == 14


def test_a_pair_outlives_a_child_that_ends() -> None:
    """The child's copy of the pair stops and removes nothing."""
    with KeyProviderPair() as pair:

        def child() -> str:
            pair.close()
            return "done"

        assert in_child(child) == "done"
        assert Path(pair.ca).exists()
        with Client(pair.alice.url, ca=pair.ca) as alice, Client(pair.bob.url, ca=pair.ca) as bob:
            exchange(alice, bob)
