"""A pair of development Key Providers for tests, also as the pytest fixture `skip_key_providers`.

They are real servers over TLS on free ports of 127.0.0.1, with their own certificate authority and pre-shared key in a
temporary directory.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import Self
from warnings import warn

from ._core import Endpoint, Psk
from ._core import KeyProviderPair as _Pair

__all__ = ["Endpoint", "KeyProviderPair"]


class KeyProviderPair:
    """Two Key Providers that share keys; a context manager. The ids are `Alice` and `Bob` unless given.

    `quirks` and `faults` are names of `skip-client serve --help`, for both Key Providers. `psks` are the pre-shared
    keys that both accept (one is generated if there is none; `.psk` is the first), and `psk_ciphers` the suites of TLS
    1.2 for them, by OpenSSL's names. `key_lifetime` is in seconds.
    Raises InvalidArgument for an unknown name, OSError if no port is available.
    """

    _pair: _Pair | None = None

    def __init__(
        self,
        quirks: Iterable[str] = (),
        faults: Iterable[str] = (),
        *,
        alice_id: str = "Alice",
        bob_id: str = "Bob",
        alice_remotes: Iterable[str] | None = None,
        bob_remotes: Iterable[str] | None = None,
        require_client_cert: bool = False,
        psks: Iterable[Psk] = (),
        psk_ciphers: str | None = None,
        key_lifetime: float = 3600.0,
    ) -> None:
        """Starts both."""
        given = list(psks)
        pair = _Pair(
            list(quirks),
            list(faults),
            alice_id=alice_id,
            bob_id=bob_id,
            alice_remotes=[bob_id] if alice_remotes is None else list(alice_remotes),
            bob_remotes=[alice_id] if bob_remotes is None else list(bob_remotes),
            require_client_cert=require_client_cert,
            psks=given,
            psk_ciphers=psk_ciphers,
            key_lifetime=key_lifetime,
        )
        self.alice: Endpoint = pair.alice
        self.bob: Endpoint = pair.bob
        self.ca: str = pair.ca
        self.client_cert: str = pair.client_cert
        self.client_key: str = pair.client_key
        self.psk_file: str = pair.psk_file
        self.psk: Psk = given[0] if given else Psk.from_file(pair.psk_file)
        self._pair = pair

    def set_quirks(self, quirks: Iterable[str]) -> None:
        """Replaces the quirks of both Key Providers."""
        self._running().set_quirks(list(quirks))

    def set_faults(self, faults: Iterable[str]) -> None:
        """Replaces the faults of both Key Providers."""
        self._running().set_faults(list(faults))

    def close(self) -> None:
        """Stops both, and deletes their directory."""
        pair, self._pair = self._pair, None
        if pair is not None:
            pair.stop()

    def __enter__(self) -> Self:
        """The pair itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stops both."""
        self.close()

    def __repr__(self) -> str:
        """The addresses of both ends."""
        return f"KeyProviderPair(alice={self.alice!r}, bob={self.bob!r})" if self._pair else "KeyProviderPair(closed)"

    def __del__(self) -> None:
        """Warns about servers that were not stopped, and stops them."""
        if self._pair is None:
            return
        try:
            warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
        finally:  # warnings can be errors
            self.close()

    def _running(self) -> _Pair:
        if self._pair is None:
            raise ValueError("the pair was stopped")
        return self._pair
