"""The client for asyncio: blocking calls on threads of its own, aborted when their task is cancelled."""

import asyncio
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from ._core import CancelToken, Capabilities, Client, ConnectionInfo, Entropy, Key

T = TypeVar("T")

# what is to be done, or None for a thread that shall end
_Job = Callable[[], None] | None


class _Threads:
    """Daemon threads, made when there is more to do than there are idle ones; the interpreter can always exit."""

    LIMIT = 128

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._count = 0
        self._ended = False

    def submit(self, job: Callable[[], None]) -> None:
        with self._lock:
            ended = self._ended
            if ended:
                pass
            elif self._idle:
                self._idle -= 1
            elif self._count < self.LIMIT:
                self._count += 1
                threading.Thread(target=self._work, name="skip-client", daemon=True).start()
            if not ended:
                self._jobs.put(job)
        if ended:
            job()  # the client is closed, and says so at once

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for _ in range(self._count):
                self._jobs.put(None)
            self._count = 0

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            del job
            with self._lock:
                # a job that waits already is this thread's next one
                self._idle += 1 if self._jobs.empty() else 0


class AsyncClient:
    """The same client for asyncio: see Client for the arguments, and for what is raised."""

    def __init__(self, url: str | list[str] | tuple[str, ...], **options: Any) -> None:
        """Makes the client; nothing is connected yet. Raises InvalidArgument."""
        self._client = Client(url, **options)
        self._threads = _Threads()

    async def capabilities(self, *, refresh: bool = False) -> Capabilities:
        """What the Key Provider offers (draft 4.1): fetched once, then remembered; `refresh` asks again."""
        return await self._run(lambda token: self._client.capabilities(refresh=refresh, cancel=token))

    async def new_key(self, remote: str, size: int | None = None) -> Key:
        """A fresh key of `size` bits, or of the default, shared with the Key Provider `remote` (draft 4.2)."""
        return await self._run(lambda token: self._client.new_key(remote, size, cancel=token))

    async def key_by_id(self, key_id: str, remote: str) -> Key:
        """The key that the initiator got from the Key Provider `remote` under `key_id` (draft 4.2), given once."""
        return await self._run(lambda token: self._client.key_by_id(key_id, remote, cancel=token))

    async def entropy(self, bits: int | None = None) -> Entropy:
        """Random bytes of at least `bits` bits, or of the Key Provider's default of 256 bits (draft 4.3)."""
        return await self._run(lambda token: self._client.entropy(bits, cancel=token))

    @property
    def connection(self) -> ConnectionInfo | None:
        """How the last connection was made; None before the first one."""
        return self._client.connection

    def close(self) -> None:
        """Ends the running calls and closes every connection."""
        self._client.close()
        self._threads.end()

    async def aclose(self) -> None:
        """Ends the running calls and closes every connection."""
        self.close()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the client."""
        self.close()

    async def _run(self, call: Callable[[CancelToken], T]) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        token = CancelToken()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                _wipe(result)
            elif error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]

        def job() -> None:
            result: T | None = None
            error: BaseException | None = None
            try:
                result = call(token)
            except BaseException as raised:
                error = raised
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:  # the loop has ended, and nobody waits any more
                _wipe(result)

        self._threads.submit(job)
        try:
            return await future
        except asyncio.CancelledError:
            token.cancel()
            raise


def _wipe(late: object) -> None:
    """A key that comes after its task was cancelled belongs to nobody."""
    if isinstance(late, Key | Entropy):
        late.wipe()
