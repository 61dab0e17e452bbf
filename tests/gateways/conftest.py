"""Makes the memory search in `tests/residue` importable, and stops everything on termination."""

import signal
import sys
from pathlib import Path

# processes are stopped even if the tests are terminated from outside
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "residue"))
