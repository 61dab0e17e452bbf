"""Debian packages that are unpacked into the cache and not installed: they conflict with others or start a service."""

import os
import re
import shutil
from pathlib import Path

from lab import run


def unpack(package: str, *, with_libraries: bool = True) -> Path:
    """The folder with the unpacked package and, `with_libraries`, those that it needs and this machine lacks."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skip-client"
    made = cache / f"{package}-{_candidate(package)}"
    if made.exists():
        return made
    # without package lists there is no candidate, and old lists name files that no longer exist
    run("apt-get", "-q", "update", timeout=300)
    made = cache / f"{package}-{_candidate(package)}"
    building = made.with_suffix(f".{os.getpid()}")
    packages = building / "packages"
    (packages / "partial").mkdir(parents=True)
    if with_libraries:
        quiet = ("-q", "-y", "--no-install-recommends", "--download-only", "-o", f"Dir::Cache::archives={packages}")
        run("apt-get", *quiet, "install", package, timeout=300)
    else:
        run("sh", "-c", f"cd {packages} && apt-get -q download {package}", timeout=300)
    for archive in packages.glob("*.deb"):
        run("dpkg", "-x", archive, building)
    shutil.rmtree(packages)
    building.rename(made)
    return made


def _candidate(package: str) -> str:
    """The version available from Debian, as a file name."""
    version = re.search(r"Candidate: (\S+)", run("apt-cache", "policy", package))
    return version[1].replace(":", ".") if version else "unknown"
