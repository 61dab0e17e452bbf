"""The search of a process's memory is that of the room `residue`."""

import signal
import sys
from pathlib import Path

# what was started ends also when the tests are ended from outside
signal.signal(signal.SIGTERM, signal.default_int_handler)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "residue"))
