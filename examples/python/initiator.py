"""The initiator: asks its Key Provider for a new key and prints what the responder needs, which is public.

python initiator.py https://127.0.0.1:8443 ca.pem Bob
"""

import sys

from skip_client import Client, SkipError


def main(url: str, ca: str, remote: str) -> None:
    """Prints the keyId and the id of our Key Provider: send them to the responder over any channel."""
    with Client(url, ca=ca) as kp, kp.new_key(remote, size=256) as key:
        print(key.key_id, kp.capabilities().local_system_id)
        # bytes(key) is the key itself; a fingerprint can be shown
        print(f"initiator has a key of {key.bits} bits, fingerprint {key.fingerprint}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SkipError as error:
        sys.exit(f"{error}: {error.hint}")
