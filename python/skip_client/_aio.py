"""The client for asyncio and trio: blocking calls on threads, cancelled with their task."""

import asyncio
import sys
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from ._client import warn_of_unclosed
from ._core import Calls, Capabilities, Client, ConnectionInfo, Entropy, Key, Psk, Threads

if TYPE_CHECKING:
    from typing import Unpack

    from ._trio import CallsInTrio
    from .types import ClientOptions, Pem

T = TypeVar("T")


class AsyncClient:
    """The client for asyncio and trio: see Client for the arguments and exceptions.

    At most 128 calls run at a time. The others are queued, and their timeout starts when they leave the queue.
    """

    _ended = True

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        ca: "Pem | None" = None,
        cert: "tuple[Pem, Pem] | Pem | None" = None,
        psk: Psk | None = None,
        **options: "Unpack[ClientOptions]",
    ) -> None:
        """Creates the client, without connecting yet. Raises InvalidArgument."""
        self._client = Client(url, ca=ca, cert=cert, psk=psk, **options)
        self._threads = Threads(self._client)
        self._at_loop: dict[asyncio.AbstractEventLoop, Calls] = {}
        self._in_trio: CallsInTrio | None = None
        self._ended = False

    async def capabilities(self, *, refresh: bool = False, timeout: float | None = None) -> Capabilities:
        """The Key Provider's capabilities (draft 4.1): fetched once, then cached; `refresh` fetches them again."""
        calls = self._calls()
        return await _outcome(calls, calls.capabilities(refresh, timeout))

    async def new_key(self, remote: str, size: int | None = None, *, timeout: float | None = None) -> Key:
        """A fresh key of `size` bits, or of the default, shared with the Key Provider `remote` (draft 4.2)."""
        calls = self._calls()
        return await _outcome(calls, calls.new_key(remote, size, timeout))

    async def key_by_id(self, key_id: str, remote: str, *, timeout: float | None = None) -> Key:
        """The key that the initiator got from the Key Provider `remote` with `key_id` (draft 4.2), handed out once."""
        calls = self._calls()
        return await _outcome(calls, calls.key_by_id(key_id, remote, timeout))

    async def entropy(self, bits: int | None = None, *, timeout: float | None = None) -> Entropy:
        """Random bytes of at least `bits` bits, or of the Key Provider's default of 256 bits (draft 4.3)."""
        calls = self._calls()
        return await _outcome(calls, calls.entropy(bits, timeout))

    @property
    def connection(self) -> ConnectionInfo | None:
        """Information about the last connection; None before the first one."""
        return self._client.connection

    def close(self) -> None:
        """Cancels the running calls and closes all connections."""
        self._ended = True
        self._client.close()
        self._threads.end()
        self._at_loop = {}

    async def aclose(self) -> None:
        """Cancels the running calls and closes all connections."""
        self.close()

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the client."""
        self.close()

    def __repr__(self) -> str:
        """As that of Client."""
        return f"Async{self._client!r}"

    def __del__(self) -> None:
        """Warns about unclosed connections, and closes them."""
        if self._ended:
            return
        try:
            warn_of_unclosed(self._client, self)
        finally:  # warnings can be errors
            self.close()

    def _calls(self) -> "Calls | CallsInTrio":
        # checked first, because an asyncio loop may host trio
        if "trio" in sys.modules and sys.modules["trio"].lowlevel.in_trio_task():
            return self._in_trio or self._begin_in_trio()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("AsyncClient runs in asyncio and in trio; elsewhere use Client, in a thread") from None
        return self._at_loop.get(loop) or self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Calls:
        """Registers an inbox with the loop at its first call, until the loop or the client ends."""
        calls, inbox = self._threads.at_loop(loop.create_future)

        def deliver() -> None:
            if inbox.deliver():
                loop.remove_reader(inbox.fileno())

        try:
            loop.add_reader(inbox.fileno(), deliver)
        except NotImplementedError:  # as on Windows
            inbox.wake_by(lambda: loop.call_soon_threadsafe(inbox.deliver))
        if not self._ended:
            others = {other: its for other, its in self._at_loop.items() if not other.is_closed()}
            self._at_loop = {**others, loop: calls}
        return calls

    def _begin_in_trio(self) -> "CallsInTrio":
        from ._trio import CallsInTrio

        self._in_trio = CallsInTrio(self._client)
        return self._in_trio


async def _outcome(calls: "Calls | CallsInTrio", future: Awaitable[T]) -> T:
    try:
        return await future
    except asyncio.CancelledError:
        calls.cancel(future)
        raise
    finally:
        # an exception refers to this frame: a reference cycle would keep the client alive for a while
        del future
