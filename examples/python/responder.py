"""Responder: gets the key of the keyId that the initiator printed.

python responder.py https://127.0.0.1:8444 ca.pem KEYID Alice key.hex
"""

import os
import sys

from skip_client import Client, SkipError


def main(url: str, ca: str, key_id: str, remote: str, target: str) -> int:
    """Writes the key to a file that only this user can read; exit status 3: the initiator has to request a new key."""
    try:
        with Client(url, ca=ca) as kp, kp.key_by_id(key_id, remote) as key:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            key.export_to(descriptor, "hex")
            os.close(descriptor)
            return 0
    except SkipError as error:
        print(f"{error.code}: {error}; {error.hint}", file=sys.stderr)
        return 3 if error.advice == "new_key" else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
