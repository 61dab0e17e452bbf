"""The exchange with the installed Python package: `make demo` runs this, then the same with the command line."""

import sys
from typing import Any

from skip_client import Client, SkipError
from skip_client.testing import KeyProviderPair


def main() -> int:
    """Runs the draft's exchange in both TLS modes; prints fingerprints, never keys."""
    with KeyProviderPair() as pair:
        certificates = {"ca": pair.ca, "cert": (pair.client_cert, pair.client_key)}
        both = exchange("certificates", pair.alice.url, pair.bob.url, certificates) and exchange(
            "PSK", pair.alice.psk_url, pair.bob.psk_url, {"psk": pair.psk}
        )
    return 0 if both else 1


def exchange(mode: str, alice_url: str, bob_url: str, options: dict[str, Any]) -> bool:
    """Runs it once; returns whether it followed the draft."""
    with Client(alice_url, **options) as alice, Client(bob_url, **options) as bob:
        print(f"{mode}: the exchange through the Python package")
        for kp in (alice, bob):
            caps = kp.capabilities()
            print(f"  {caps.local_system_id} reaches {', '.join(caps.remote_system_ids)}: {caps.algorithm}")

        key = alice.new_key("Bob", size=256)
        print(f"  1.-2. encryptor Alice gets a key of {key.bits} bits, keyId {key.key_id}")
        print("  3.    encryptor Alice sends the keyId to encryptor Bob")
        same = bob.key_by_id(key.key_id, "Alice")
        print("  4.-5. encryptor Bob gets the key for that keyId")
        print(f"        fingerprint at Alice {key.fingerprint}, at Bob {same.fingerprint}")
        if key != same:
            return False

        try:
            bob.key_by_id(key.key_id, "Alice")
            return False
        except SkipError as refused:
            print(f"        a second fetch is refused: {refused.code}, advice {refused.advice}")
        print(f"        entropy: {alice.entropy(bits=128).bits} bits")
    return True


if __name__ == "__main__":
    sys.exit(main())
