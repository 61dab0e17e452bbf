"""check.py: checks everything in dist/ for what must not be released, then writes dist/SHA256SUMS.

* No artefact contains a folder, user or host name of this machine, at any depth of archives.
* Linux programs link only the C library, and no symbol newer than the glibc that the artefact claims.
* Windows programs import only what Windows, Python, or their own archive provides.
* Each artefact has its SBOM, and the licences if its format allows.
"""

import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from artefacts import DIST, KINDS, Kind, artefacts, crates
from linked import ROOT

C_LIBRARY = re.compile(
    r"^(lib(c|m|dl|rt|pthread|util)\.so\.\d|ld-linux-(x86-64|aarch64)\.so\.\d|libc\.so|libc\.musl-\w+\.so\.1)$"
)
WINDOWS = re.compile(
    r"(?i)^(kernel32|ntdll|ws2_32|advapi32|bcrypt|bcryptprimitives|crypt32|secur32|user32|userenv|msvcrt|"
    r"synchronization|ole32|shell32|ncrypt|python3|api-ms-win-[a-z0-9-]+)\.dll$"
)
UNPACKED = (".whl", ".jar", ".aar", ".zip", ".gz", ".tgz", ".crate", ".xz", ".deb", ".tar")


def members(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file, and recursively the members of an archive, each with its path."""
    yield name, content
    if content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for item in archive.infolist():
                yield f"{name}!", item.comment + item.extra
                yield from members(f"{name}!{item.filename}", archive.read(item))
    elif content[:2] == b"\x1f\x8b":
        yield from members(
            f"{name}!", subprocess.run(["gzip", "-dc"], input=content, check=True, capture_output=True).stdout
        )
    elif content[:6] == b"\xfd7zXZ\x00":
        yield from members(f"{name}!", lzma.decompress(content))
    elif content[:8] == b"!<arch>\n" and name.endswith(".deb"):
        yield from _ar(name, content)
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for item in archive:
                yield f"{name}!{item.name} (owner)", f"{item.uname} {item.gname}".encode()
                if (item.uname or "root", item.gname or "root") != ("root", "root") or (item.uid, item.gid) != (0, 0):
                    yield f"{name}!{item.name}: owner {item.uid}:{item.gid} {item.uname}:{item.gname}", b"/home/"
                file = archive.extractfile(item) if item.isfile() else None
                if file:
                    yield from members(f"{name}!{item.name}", file.read())


def _ar(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    place = 8
    while place < len(content):
        header, size = content[place : place + 60], int(content[place + 48 : place + 58])
        yield from members(
            f"{name}!{header[:16].decode().strip().rstrip('/')}", content[place + 60 : place + 60 + size]
        )
        place += 60 + size + size % 2


def traces() -> dict[bytes, str]:
    """Strings that must not occur, with a description of each."""
    found = {
        b"/home/": "a home folder",
        b"/root/": "a home folder",
        b"/Users/": "a home folder",
        b"/tmp/": "a folder for temporary files",
    }
    for name in (str(ROOT), os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target")), str(Path.home())):
        found[name.encode()] = "a folder of this machine"
    host = os.uname().nodename
    if len(host) > 5 and host not in ("localhost", "debian"):
        found[host.encode()] = "the name of this machine"
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or ""
    if len(user) > 3 and user not in ("root", "user", "runner", "builder"):
        found[user.encode()] = "the name of the user"
    return found


# text in sources and documentation that is not about this machine: examples and tests, ours and third-party ones
HARMLESS = re.compile(rb"/tmp/(skip|tmux|kp|\.X11|foo|x|ca|test)|(\"|')/tmp(/|\"|')|/home/(user|alice|me)/")


def text_of_other_people(name: str) -> bool:
    """Third-party sources, which contain what their authors wrote; only files built here are searched for folders."""
    return name.endswith(
        (".rs", ".py", ".md", ".js", ".ts", ".toml", ".lock", ".txt", ".json", ".kt", ".swift", ".html", "copyright")
    )


def programs(name: str, content: bytes, kind: Kind) -> list[str]:
    """The faults of a compiled file."""
    if content[:4] == b"\x7fELF":
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            out = subprocess.run(["readelf", "-dVW", file.name], check=True, capture_output=True, text=True).stdout
        wrong = [
            f"{name}: links {library}"
            for library in re.findall(r"\(NEEDED\).*\[(.+)\]", out)
            if not C_LIBRARY.match(library)
        ]
        wrong += [
            f"{name}: has the path {path} to look for libraries"
            for path in re.findall(r"\(R(?:UN)?PATH\).*\[(.+)\]", out)
        ]
        versions = {tuple(map(int, text.split("."))) for text in re.findall(r"GLIBC_([0-9.]+)", out)}
        newest = max(versions, default=(0,))
        if kind.glibc and newest > kind.glibc:
            wrong.append(
                f"{name}: needs glibc {'.'.join(map(str, newest))}, and claims {kind.glibc[0]}.{kind.glibc[1]}"
            )
        if not kind.glibc and versions:
            wrong.append(f"{name}: needs glibc, and claims not to")
        return wrong
    if content[:2] == b"MZ":
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            command = ["x86_64-w64-mingw32-objdump", "-p", file.name]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [
            f"{name}: imports {library}"
            for library in re.findall(r"DLL Name: (\S+)", out)
            if not WINDOWS.match(library)
        ]
    return []


def complaints(path: Path, kind: Kind) -> list[str]:
    """All faults of one artefact."""
    wrong = []
    forbidden = traces()
    for name, content in members(path.name, path.read_bytes()):
        if name.lower().endswith(UNPACKED) and content[:2] in (b"PK", b"\x1f\x8b"):
            continue
        wrong += programs(name, content, kind)
        if text_of_other_people(name):
            own = {
                trace: what
                for trace, what in forbidden.items()
                if what == "a folder of this machine" and len(trace) > 8
            }
        else:
            own = forbidden
        searched = HARMLESS.sub(b"", content)
        for trace, what in own.items():
            if trace in searched:
                place = searched.index(trace)
                around = searched[max(0, place - 20) : place + 60].decode("ascii", "replace")
                wrong.append(f"{name}: {what} is in it: {around!r}")
    if not path.with_name(path.name + ".cdx.json").exists():
        wrong.append(f"{path.name}: no SBOM (python scripts/release/sbom.py)")
    return wrong


def main() -> int:
    """Prints the faults; if there are none, writes the checksums."""
    every = "--partial" not in sys.argv[1:]
    present = artefacts()
    wrong = [complaint for path, kind in present for complaint in complaints(path, kind)]
    if every:
        kinds = [kind for _, kind in present]
        wrong += [f"dist/ has no {kind.pattern} ({kind.what})" for kind in KINDS if kind not in kinds]
        packed = {path.name.rpartition("-")[0] for path, kind in present if kind.pattern == "*.crate"}
        wrong += [f"dist/ has no crate {name}" for name in crates() if name not in packed]
    for complaint in wrong:
        print(f"error: {complaint}", file=sys.stderr)
    if wrong:
        return 1
    files = sorted(path for path in DIST.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    (DIST / "SHA256SUMS").write_text(sums)
    print(f"{len(present)} artefacts: nothing of this machine in them, nothing linked that they do not claim")
    for path, kind in present:
        print(f"{path.stat().st_size:>10,}  {path.name:<60} {kind.what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
