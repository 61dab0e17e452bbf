"""Values without secrets are compared, copied, pickled and shown like Python's own."""

import copy
import pickle
from collections.abc import Callable

import pytest

from skip_client import Capabilities, Client, ConnectionInfo, Problem, Psk, SkipError, validate
from skip_client.testing import KeyProviderPair

COPIES: list[Callable[[object], object]] = [copy.copy, copy.deepcopy]
COPIES += [lambda value, number=number: pickle.loads(pickle.dumps(value, number)) for number in range(6)]


def values(kp: Client) -> list[object]:
    return [kp.capabilities(), kp.connection, validate("key", "{}")[0]]


@pytest.mark.parametrize("made", COPIES)
def test_copies_are_equal(alice: Client, made: Callable[[object], object]) -> None:
    for value in values(alice):
        assert made(value) == value
        assert repr(made(value)) == repr(value)


def test_repr_is_a_call_that_makes_an_equal_value(alice: Client) -> None:
    for value in values(alice):
        assert eval(repr(value)) == value
    odd = Problem('/it\'s "odd"\n', "form", "é\u0301\x00")
    assert eval(repr(odd)) == odd


def test_programs_make_values_for_their_tests() -> None:
    found = Capabilities("Alice", ["Bob", "C*"], warnings=[Problem("/key", "short", "is short", "warning", "4.1")])
    assert (found.supports_key, found.matches_remote("Carol"), found.matches_remote("Dave")) == (True, True, False)
    assert found != Capabilities("Alice", ["Bob", "C*"]) != Capabilities("Alice", ["Bob"], "x")
    here = ConnectionInfo("https://a", "[::1]:8443", "TLS 1.3", "TLS_AES_256_GCM_SHA384")
    assert (here.group, here.warnings) == (None, [])


def test_clients_and_secrets_refuse_to_be_copied(alice: Client) -> None:
    for value in (alice, Psk("router", hex="00" * 16), alice.new_key("Bob"), alice.entropy()):
        for made in COPIES:
            with pytest.raises(TypeError, match=f"^{type(value).__name__} objects cannot be copied or pickled: "):
                made(value)


def test_errors_can_be_pickled_as_pools_of_processes_do() -> None:
    with pytest.raises(SkipError) as raised:
        Client("http://kp")
    again = pickle.loads(pickle.dumps(raised.value))
    assert (type(again), str(again), vars(again)) == (type(raised.value), str(raised.value), vars(raised.value))


def test_repr_of_what_holds_secrets_and_connections(skip_key_providers: KeyProviderPair) -> None:
    pair = skip_key_providers
    proxied = Client([pair.alice.url, "https://kp"], ca=pair.ca, proxy="http://user:marker@127.0.0.1:1")
    assert repr(proxied) == f"Client(['{pair.alice.url}', 'https://kp'])"
    assert repr(Psk("it's", text="marker")) == 'Psk("it\'s", [redacted])'
    assert repr(pair).startswith("KeyProviderPair(alice=Endpoint(id='Alice', url='https://127.0.0.1:")
