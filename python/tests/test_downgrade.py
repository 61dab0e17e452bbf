"""Nobody on the path can downgrade TLS: third-party servers with pre-shared keys, and ours in both modes.

Tests of servers that are not installed are skipped, or fail in CI.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from adversary import RESET, attacks, in_front_of
from psk_servers import SERVERS, Secret, Start

from skip_client import Client, ConnectionInfo, Psk, TlsFailed
from skip_client.testing import KeyProviderPair

SECRET = Secret("router-1", bytes(range(32)))
PSK = Psk(SECRET.identity, raw=SECRET.key)
SHA384 = "TLS_AES_256_GCM_SHA384"
SHA256 = "TLS_CHACHA20_POLY1305_SHA256"
DHE = "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384"
PLAIN = "TLS_PSK_WITH_AES_256_GCM_SHA384"

# the best suite of each server, by the versions that it is configured for
BEST = {
    ("openssl s_server -psk", "auto"): SHA256,
    ("openssl s_server -psk", "1.2"): DHE,
    ("openssl s_server -psk_session", "auto"): SHA384,
    ("gnutls-serv", "auto"): SHA256,
    ("gnutls-serv", "1.2"): DHE,
    ("stunnel and nginx", "auto"): SHA256,
    ("stunnel and nginx", "1.2"): DHE,
    # without Diffie-Hellman parameters
    ("Python sslpsk3", "auto"): SHA256,
    ("Python sslpsk3", "1.2"): PLAIN,
}
FALLBACK = "by a fallback"
NO_FORWARD_SECRECY = "no forward secrecy"


def connect(make: Callable[[], Client]) -> ConnectionInfo:
    """Connects with a client that is used only once."""
    with make() as kp:
        kp.capabilities()
        assert kp.connection is not None
        return kp.connection


@pytest.mark.parametrize(("server", "tls"), BEST)
def test_a_pre_shared_key_is_used_in_the_strongest_way_that_the_server_has(
    server: str, tls: str, tmp_path: Path
) -> None:
    best = BEST[server, tls]
    start: Start = SERVERS[server]
    with start(tmp_path, SECRET, tls) as running, in_front_of(running.url) as adversary:
        undisturbed = connect(lambda: Client(running.url, psk=PSK))
        assert undisturbed.cipher_suite == best
        said = " ".join(undisturbed.warnings)
        assert (FALLBACK in said) == (best == PLAIN) and (NO_FORWARD_SECRECY in said) == (best == PLAIN)
        assert ("SHA-256" in said) == (best == SHA256)
        for acts in attacks():
            # a long-lived client, whose memory of the server an attack could corrupt
            with Client(adversary.url, psk=PSK, connect_timeout=20, timeout=20) as kp:
                adversary.acts = list(acts)
                try:
                    kp.capabilities()
                except TlsFailed:
                    pass
                else:
                    assert kp.connection is not None
                    assert kp.connection.tls_version == undisturbed.tls_version, acts
                    assert kp.connection.cipher_suite == best or kp.connection.warnings, acts
                adversary.end()
                kp.capabilities(refresh=True)
                assert kp.connection is not None and kp.connection.cipher_suite == best, acts


@contextmanager
def both_modes(quirks: list[str]) -> Iterator[list[tuple[str, Callable[[str], Client]]]]:
    """The development Key Provider's two ports, each with a function that creates a client for it."""
    with KeyProviderPair([*quirks, "connection-close"]) as pair:
        yield [
            (pair.alice.url, lambda url: Client(url, ca=pair.ca, connect_timeout=20, timeout=20)),
            (pair.alice.psk_url, lambda url: Client(url, psk=pair.psk, connect_timeout=20, timeout=20)),
        ]


def test_tls_1_3_stays_tls_1_3_in_both_modes() -> None:
    with both_modes([]) as modes:
        for url, make in modes:
            with in_front_of(url) as adversary, make(adversary.url) as kp:
                for acts in attacks():
                    adversary.acts = list(acts)
                    for _ in range(2):
                        try:
                            kp.capabilities(refresh=True)
                        except TlsFailed:
                            assert acts
                        else:
                            assert kp.connection is not None
                            assert (kp.connection.tls_version, kp.connection.warnings) == ("TLS 1.3", []), acts
                        adversary.end()


def test_a_key_provider_without_diffie_hellman_parameters_gets_tls_1_3() -> None:
    quirks = ["psk-no-dh", "psk-identity-hint", "no-close-notify", "connection-close"]
    with (
        KeyProviderPair(quirks) as pair,
        in_front_of(pair.alice.psk_url) as adversary,
        Client(adversary.url, psk=pair.psk) as kp,
    ):
        adversary.acts = [RESET]
        # connections that were cut are tried again, refused ones are remembered
        for hellos in (2, 2, 1):
            kp.capabilities(refresh=True)
            assert kp.connection is not None
            assert (kp.connection.cipher_suite, adversary.connections) == (SHA256, hellos)
            adversary.connections = 0


def test_tls_1_2_is_there_for_those_who_ask_for_it() -> None:
    with KeyProviderPair(["psk-no-dh"]) as pair:
        info = connect(lambda: Client(pair.alice.psk_url, psk=pair.psk, tls="1.2"))
        assert info.cipher_suite == PLAIN
        assert [warning for warning in info.warnings if NO_FORWARD_SECRECY in warning] == info.warnings
