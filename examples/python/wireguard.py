"""Gets a key and hands it to WireGuard, as a file that only this user can read.

python wireguard.py URL ca.pem REMOTE FILE [KEYID]: a fresh key, or the one of KEYID. Prints the keyId.
wg set wg0 peer PUBLIC_KEY preshared-key FILE reads it; both ends need it before the next handshake.
"""

import os
import sys
from pathlib import Path

from skip_client import Client, SkipError


def main(url: str, ca: str, remote: str, target: str, key_id: str = "") -> int:
    """Replaces the file in one step, so that WireGuard never reads half a key."""
    draft = f"{target}.new"
    try:
        with Client(url, ca=ca) as kp:
            fetched = kp.key_by_id(key_id, remote) if key_id else kp.new_key(remote, size=256)
            with fetched as key:
                descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                key.export_to(descriptor, "wireguard")
                os.close(descriptor)
                Path(draft).replace(target)
                print(key.key_id)
                return 0
    except SkipError as error:
        print(f"{error.code}: {error}; {error.hint}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
