"""The responder: gets the key for the keyId that the initiator sent.

python responder.py https://127.0.0.1:8444 ca.pem KEYID Alice
"""

import sys

from skip_client import Client, SkipError


def main(url: str, ca: str, key_id: str, remote: str) -> None:
    """Fetches the key, which the Key Provider gives once."""
    with Client(url, ca=ca) as kp, kp.key_by_id(key_id, remote) as key:
        # bytes(key) is the key itself; a fingerprint can be shown
        print(f"responder has a key of {key.bits} bits, fingerprint {key.fingerprint}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SkipError as error:
        if error.advice == "new_key":
            print("tell the initiator to ask for a new key", file=sys.stderr)
        sys.exit(f"{error}: {error.hint}")
