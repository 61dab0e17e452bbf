"""Initiator: gets a fresh key and prints its keyId, which is all that the other end needs.

python initiator.py https://127.0.0.1:8443 ca.pem Bob key.hex
"""

import os
import sys

from skip_client import Client, SkipError


def main(url: str, ca: str, remote: str, target: str) -> int:
    """Writes the key to a file that only this user can read."""
    try:
        with Client(url, ca=ca) as kp, kp.new_key(remote, size=256) as key:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            key.export_to(descriptor, "hex")
            os.close(descriptor)
            print(key.key_id)
            return 0
    except SkipError as error:
        print(f"{error.code}: {error}; {error.hint}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
