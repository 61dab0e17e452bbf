"""The search of a process's memory is that of the room `residue`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "residue"))
