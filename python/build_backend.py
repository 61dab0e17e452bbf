"""maturin, for `pip install ./python` in a clone: builds of OpenSSL what is used of it (877 of 1,143 files)."""

import os
from pathlib import Path

from maturin import *  # noqa: F403

_PERL = Path(__file__).resolve().parent.parent / "scripts/openssl-perl"
# a shell script; it is not in the source distribution
if os.name == "posix" and _PERL.exists():
    os.environ.setdefault("OPENSSL_SRC_PERL", str(_PERL))
