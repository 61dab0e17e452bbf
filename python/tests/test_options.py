"""Every option of the core's table, in every Python function that creates a client."""

import subprocess
import sys

import pytest

from skip_client import AsyncClient, Client, InvalidArgument, doctor, is_valid, validate
from skip_client._options import OPTIONS
from skip_client.testing import KeyProviderPair

URL = "https://127.0.0.1:1"
PIN = "sha256/" + "A" * 43 + "="
# values of the options that do not accept arbitrary text
VALUES = {"server_name": "localhost", "pin": PIN, "tls": "1.3", "proxy": "http://127.0.0.1:1"}


def value(name: str) -> object:
    """A valid value of the option."""
    kind = OPTIONS[name][0]
    if kind == "seconds":
        return 2.5
    return VALUES.get(name, "127.0.0.1") if kind == "text" else kind == "on"


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_taken(name: str) -> None:
    """Both clients and doctor accept it; doctor cannot connect here."""
    options = {"pin": PIN, name: value(name)}
    Client(URL, **options).close()
    AsyncClient(URL, **options).close()
    assert doctor(URL, **options).verdict == "no-connection"


def test_another_keyword_is_refused() -> None:
    """Like any Python function."""
    for make in (Client, AsyncClient, doctor):
        with pytest.raises(TypeError, match="timeuot"):
            make(URL, pin=PIN, timeuot=5)


def test_the_pytest_plugin_has_every_option() -> None:
    """The command-line option has the same name."""
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for name, (kind, _) in OPTIONS.items():
        no = "no-" if kind == "off" else ""
        assert f"--key-provider-{no}{name.replace('_', '-')}" in shown, name


def test_errors_speak_python() -> None:
    """They use the argument's name as written in Python, and the given value."""
    with pytest.raises(InvalidArgument, match=r"^timeout: must be more than 0 .* not inf$"):
        Client(URL, pin=PIN, timeout=float("inf"))
    with pytest.raises(InvalidArgument) as nobody:
        Client(URL)
    assert 'ca="system"' in nobody.value.hint
    client = Client(URL, pin=PIN)
    with pytest.raises(InvalidArgument, match=r"^size: .* not -8$"):
        client.new_key("Bob", -8)
    with pytest.raises(InvalidArgument, match=r"^bits: .* not 7$"):
        client.entropy(7)
    with pytest.raises(InvalidArgument, match=r"^key_id: ") as strict:
        client.key_by_id("xyz", "Bob")
    assert strict.value.hint.endswith("lenient=True")


def test_lenient_has_its_opposite_until_one() -> None:
    """`strict=False` is `lenient=True`."""
    body = b'{"keyId": "SKIP-1", "key": "ad229dfb8a276e74c1f3b6e09a1852aa"}'
    assert not is_valid("key", body)
    assert is_valid("key", body, lenient=True)
    assert is_valid("key", body, strict=False)
    assert not [problem for problem in validate("key", body, lenient=True) if problem.severity == "error"]


@pytest.mark.parametrize("both", [True, False])
def test_lenient_and_its_opposite_do_not_contradict_each_other(both: bool) -> None:
    """Whichever comes first; both may be given if they agree."""
    body = b'{"keyId": "SKIP-1", "key": "ad229dfb8a276e74c1f3b6e09a1852aa"}'
    for call in (
        lambda: validate("key", body, lenient=both, strict=both),
        lambda: is_valid("key", body, lenient=both, strict=both, schema="as-published"),
        lambda: Client("https://kp", ca="system", lenient=both, strict=both),
        lambda: Client("https://kp", ca="system", strict=both, lenient=both),
    ):
        with pytest.raises(InvalidArgument, match=r"^strict: contradicts lenient") as error:
            call()
        assert error.value.hint == "give lenient alone"
    assert is_valid("key", body, lenient=both, strict=not both) == both
    Client("https://kp", ca="system", lenient=both, strict=not both).close()


def test_a_call_may_have_a_timeout_of_its_own() -> None:
    """In both clients; an invalid one is refused before anything is sent."""
    with KeyProviderPair() as pair, Client(pair.alice.url, ca=pair.ca) as kp:
        assert kp.new_key("Bob", timeout=5.0).bits == 256
        with pytest.raises(InvalidArgument, match=r"^timeout: "):
            kp.new_key("Bob", timeout=0.0)
