"""Code of a user, for type checkers: `make check-python` runs mypy and pyright on it.

A line that must be refused has a comment for each; both complain about a comment that is not needed.
"""

from collections.abc import Sequence
from typing import Unpack, assert_type

from skip_client import (
    AsyncClient,
    Busy,
    Capabilities,
    Client,
    Entropy,
    Key,
    Problem,
    Psk,
    SkipError,
    doctor,
    export_formats,
    is_valid,
    matches_remote,
    schema,
    validate,
)
from skip_client.testing import KeyProviderPair
from skip_client.types import ClientOptions, ErrorCode, ExportFormat, MessageKind

OPTIONS: ClientOptions = {"timeout": 5.0, "tls": "1.3", "proxy": None}
WRONG: ClientOptions = {"tls": "1.1"}  # type: ignore[typeddict-item] # pyright: ignore[reportAssignmentType]


def connected(urls: Sequence[str], psk: Psk, **options: Unpack[ClientOptions]) -> Client:
    """A program that passes the options on."""
    return Client(urls, psk=psk, **options)


def fetch(kp: Client) -> None:
    """Every type of result."""
    assert_type(kp.capabilities(), Capabilities)
    with kp.new_key("Bob", 256) as key:
        assert_type(key, Key)
        assert_type(key.export("raw"), bytes)
        assert_type(key.export("wireguard"), str)
        form: ExportFormat = "hex"
        for form in export_formats():
            assert_type(key.export(form), bytes | str)
        assert_type(memoryview(key).nbytes, int)
        key.export("wiregaurd")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(kp.entropy(), Entropy)
    kp.new_key("Bob", size="256")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


async def fetch_async(url: str) -> None:
    """The same client for asyncio."""
    async with AsyncClient((url,), **OPTIONS) as kp:
        assert_type(await kp.new_key("Bob"), Key)
    AsyncClient(url, timeuot=5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def judge(kind: MessageKind, message: bytes) -> list[Problem]:
    """Validation."""
    assert_type(is_valid(kind, message), bool)
    validate("keys", message)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    schema(kind, "published")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    matches_remote(("Bob", "Carol"), "Bob")
    return validate(kind, message, lenient=True)


def again(error: SkipError) -> bool:
    """Codes are words that a checker knows."""
    code: ErrorCode = error.code
    if code == "bussy":  # type: ignore[comparison-overlap] # pyright: ignore[reportUnnecessaryComparison]
        return False
    return error.advice != "no" or isinstance(error, Busy)


def examine(pair: KeyProviderPair) -> str:
    """The doctor."""
    doctor(pair.alice.url, profile="ios")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    report = doctor(pair.alice.url, peer=pair.bob.url, ca=pair.ca, only=("connect",), peer_tls="1.3", timeout=5)
    return report["connect"].result
