"""The calls of AsyncClient in trio, on trio's own worker threads."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import trio

from ._core import CancelToken, Capabilities, Client, Entropy, Key

T = TypeVar("T")


class CallsInTrio:
    """The counterpart of Calls for asyncio."""

    def __init__(self, client: Client) -> None:
        """Nothing runs yet."""
        self._client = client
        # as many as the client keeps connections; trio's own 40 threads are left to the program
        self._limiter = trio.CapacityLimiter(128)

    def capabilities(self, refresh: bool, timeout: float | None) -> Coroutine[Any, Any, Capabilities]:
        """Like the method of Client; the others likewise."""
        return self._run(partial(self._client.capabilities, refresh=refresh, timeout=timeout))

    def new_key(self, remote: str, size: int | None, timeout: float | None) -> Coroutine[Any, Any, Key]:
        """See capabilities."""
        return self._run(partial(self._client.new_key, remote, size, timeout=timeout))

    def key_by_id(self, key_id: str, remote: str, timeout: float | None) -> Coroutine[Any, Any, Key]:
        """See capabilities."""
        return self._run(partial(self._client.key_by_id, key_id, remote, timeout=timeout))

    def entropy(self, bits: int | None, timeout: float | None) -> Coroutine[Any, Any, Entropy]:
        """See capabilities."""
        return self._run(partial(self._client.entropy, bits, timeout=timeout))

    def cancel(self, _future: object) -> None:
        """Does nothing: in trio, a call cancels itself."""

    async def _run(self, call: Callable[..., T]) -> T:
        token = CancelToken()
        try:
            run = partial(call, cancel=token)
            return await trio.to_thread.run_sync(run, abandon_on_cancel=True, limiter=self._limiter)
        except trio.Cancelled:
            # the call then ends at once; a key that still arrives is wiped when it is dropped
            token.cancel()
            raise
