"""A key for WireGuard: base64 of 256 bits, for `wg set wg0 peer ... preshared-key FILE`.

python wireguard.py https://127.0.0.1:8443 ca.pem Bob psk
"""

import os
import sys

from skip_client import Client, SkipError


def main(url: str, ca: str, remote: str, file: str) -> None:
    """WireGuard takes 256 bits and nothing else; the export refuses another size."""
    with Client(url, ca=ca) as kp, kp.new_key(remote, size=256) as key:
        # a new file that only we can read; never over one that may be in use
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(key.export("wireguard"))
        print(key.key_id)  # for the other end, which asks for the key by this


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SkipError as error:
        sys.exit(f"{error}: {error.hint}")
