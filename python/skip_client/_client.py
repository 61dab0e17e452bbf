"""The blocking client."""

# importing `warnings` takes as long as this whole package
from _warnings import warn

from . import _core


class Client(_core.Client):
    """A client of one Key Provider, or of several in order of preference. One client serves many threads at once.

    `url`: `https://host[:port][/path]`, or a list of such URLs. `ca`: the CA's certificates as a path or as PEM
    bytes, or `"system"`. `cert`: certificate and private key of the client, as paths or PEM bytes, or one PKCS#12.
    `psk`: a pre-shared key, instead of certificates. All other options: see docs/options.md; times are in seconds.
    Raises InvalidArgument.

    Close it, or use it in `with`: a connected client that is garbage-collected unclosed causes a ResourceWarning.
    """

    __slots__ = ()
    __module__ = "skip_client"

    def __del__(self) -> None:
        """Warns about unclosed connections, which are closed now."""
        warn_of_unclosed(self, self)


def warn_of_unclosed(client: _core.Client, owner: object) -> None:
    """Warns if the client has connected and was not closed; one that was never used holds no resources."""
    if not client.closed and client.connection is not None:
        warn(f"unclosed {owner!r}", ResourceWarning, stacklevel=3, source=owner)
