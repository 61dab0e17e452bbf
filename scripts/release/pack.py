"""pack.py wheel FILE | cli TARGET | swift: packs a wheel tighter, archives of the command line (tar.gz and .deb) and
of the Swift package, into dist/.

The same content gives the same bytes: one date, one owner, sorted names.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import zopfli.zlib
from artefacts import DIST, VERSION
from linked import ROOT, Graph, linked, notices

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
TARGET_DIR = Path(os.environ["CARGO_TARGET_DIR"])
WORK = TARGET_DIR / "packages"
DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE", "LICENSE-APACHE", "LICENSE-MIT")


def compressed(content: bytes) -> bytes:
    """Gzip with one date, and no name."""
    return gzip.compress(content, 9, mtime=EPOCH)


class Zopfli:
    """The compressor that `zipfile` asks: deflate, as small as it gets, once all is there."""

    def __init__(self) -> None:
        """Has nothing yet."""
        self.parts: list[bytes] = []
        self.size = 0

    def compress(self, part: bytes) -> bytes:
        """Keeps it."""
        self.parts.append(bytes(part))
        return b""

    def flush(self) -> bytes:
        """All of it, without the head and the sum that zlib has around it."""
        # half a minute for a wheel; further rounds take as long and gain a thousandth
        packed = zopfli.zlib.compress(b"".join(self.parts), numiterations=3)[2:-4]
        self.size = len(packed)
        return packed


def wheel(path: Path) -> None:
    """The same files in the same order, 6 % smaller than maturin packs them."""
    out = DIST / path.name
    with zipfile.ZipFile(path) as made, zipfile.ZipFile(out, "w") as archive:
        for item in made.infolist():
            info = zipfile.ZipInfo(item.filename, item.date_time)
            info.create_system, info.external_attr = item.create_system, item.external_attr
            info.compress_type = zipfile.ZIP_DEFLATED
            compressor = Zopfli()
            with archive.open(info, "w") as file:
                file._compressor = compressor  # type: ignore[attr-defined] # zipfile has no door for it
                file.write(made.read(item))
            if info.compress_size != compressor.size:
                raise SystemExit(f"error: zipfile of Python {sys.version.split()[0]} did not take the compressor")
    with zipfile.ZipFile(out) as archive:
        if archive.testzip() is not None:
            raise SystemExit(f"error: {out} was not packed well")


def pages() -> Path:
    """The folder with the manual pages and the completions."""
    out = WORK / "pages"
    shutil.rmtree(out, ignore_errors=True)
    # with the flags of the release, so that its libraries are not built once more
    host = next(
        line.partition(" ")[2]
        for line in subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        if line.startswith("host: ")
    )
    script = """. scripts/release/environment "$1"
        cargo run --locked --quiet --release "${compiled[@]}" --target "$1" -p skip-client-cli \\
            --features psk-vendored --example pages -- "$2"
    """
    subprocess.run(["bash", "-euc", script, "pages", host, str(out)], cwd=ROOT, check=True)
    return out


def tarball(target: str, program: bytes, made: Path, texts: str) -> None:
    """`skip-client-VERSION-ARCH-linux.tar.gz`."""
    architecture = target.partition("-")[0]
    folder = f"skip-client-{VERSION}-{architecture}-linux"
    files = {"skip-client": (program, 0o755), "THIRD-PARTY.txt": (texts.encode(), 0o644)}
    files |= {name: ((ROOT / name).read_bytes(), 0o644) for name in DOCUMENTS}
    files |= {
        path.relative_to(made).as_posix(): (path.read_bytes(), 0o644) for path in made.rglob("*") if path.is_file()
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in sorted(files.items()):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mode, info.mtime = len(content), mode, EPOCH
            archive.addfile(info, io.BytesIO(content))
    (DIST / f"{folder}.tar.gz").write_bytes(compressed(buffer.getvalue()))


def deb(target: str, program: bytes, made: Path, texts: str) -> None:
    """`skip-client_VERSION_ARCH.deb`, with the services of crates/agent/packaging if there are any."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[target.partition("-")[0]]
    tree = WORK / f"deb-{architecture}"
    shutil.rmtree(tree, ignore_errors=True)
    files = {"usr/bin/skip-client": program}
    share = "usr/share"
    for page in sorted(made.glob("man/*.1")):
        files[f"{share}/man/man1/{page.name}.gz"] = compressed(page.read_bytes())
    files |= {
        f"{share}/bash-completion/completions/skip-client": (made / "completions/skip-client.bash").read_bytes(),
        f"{share}/zsh/vendor-completions/_skip-client": (made / "completions/_skip-client").read_bytes(),
        f"{share}/fish/vendor_completions.d/skip-client.fish": (made / "completions/skip-client.fish").read_bytes(),
        f"{share}/doc/skip-client/changelog.gz": compressed((ROOT / "CHANGELOG.md").read_bytes()),
        f"{share}/doc/skip-client/copyright": _copyright(texts).encode(),
    }
    services = sorted((ROOT / "crates/agent/packaging").glob("*.service"))
    files |= {f"usr/lib/systemd/system/{path.name}": path.read_bytes() for path in services}
    users = sorted((ROOT / "crates/agent/packaging").glob("*.sysusers"))
    files |= {f"usr/lib/sysusers.d/{path.stem}.conf": path.read_bytes() for path in users}
    size = (sum(map(len, files.values())) + 1023) // 1024
    files["DEBIAN/control"] = _control(architecture, size).encode()
    if services:
        # a service is not started by being installed: it needs a configuration first
        reload = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\n"
        make_users = "if command -v systemd-sysusers >/dev/null; then systemd-sysusers; fi\n" if users else ""
        files |= {"DEBIAN/postinst": (reload + make_users).encode(), "DEBIAN/postrm": reload.encode()}
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if name in ("usr/bin/skip-client", "DEBIAN/postinst", "DEBIAN/postrm") else 0o644)
    out = DIST / f"skip-client_{VERSION}_{architecture}.deb"
    # xz, which every Debian and Ubuntu reads
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", str(tree), str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _control(architecture: str, size: int) -> str:
    return f"""\
Package: skip-client
Version: {VERSION}
Architecture: {architecture}
Maintainer: The skip-client developers <https://github.com/skip-client/skip-client/issues>
Installed-Size: {size}
Depends: libc6 (>= 2.17)
Recommends: ca-certificates
Section: net
Priority: optional
Homepage: https://github.com/skip-client/skip-client
Description: quantum-safe keys from a SKIP Key Provider
 The command skip-client fetches pre-shared keys from a Key Provider of the
 Secure Key Integration Protocol (draft-cisco-skip-02), over TLS with
 certificates or pre-shared keys, in the forms that strongSwan, WireGuard and
 MACsec read. It also checks messages, examines Key Providers, and runs a pair
 of them for tests.
 .
 OpenSSL and AWS-LC are linked in: skip-client --version says their versions.
"""


def _copyright(texts: str) -> str:
    mit = (ROOT / "LICENSE-MIT").read_text().strip()
    apache = "skip-client: Apache-2.0 (/usr/share/common-licenses/Apache-2.0) or MIT, at your choice."
    return f"{apache}\n\n{mit}\n\n{texts}"


def swift() -> None:
    """`skip-client-VERSION-swift.zip`: the package as its users get it, without tests' leftovers."""
    here = ROOT / "bindings/swift"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."], cwd=here, check=True,
        stdout=subprocess.PIPE, text=True,
    ).stdout.split()  # fmt: skip
    files = {name: here / name for name in names if not name.startswith(".")}
    files |= {name: ROOT / name for name in ("LICENSE", "LICENSE-APACHE", "LICENSE-MIT", "CHANGELOG.md")}
    files["README.md"] = ROOT / "docs/fetch-a-key-from-swift.md"
    date = datetime.fromtimestamp(EPOCH, UTC).timetuple()[:6]
    with zipfile.ZipFile(DIST / f"skip-client-{VERSION}-swift.zip", "w") as archive:
        for name, path in sorted(files.items()):
            info = zipfile.ZipInfo(f"SkipClient/{name}", date)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes(), compresslevel=9)


def main() -> None:
    """Packs one kind."""
    DIST.mkdir(exist_ok=True)
    match sys.argv[1:]:
        case ["wheel", file]:
            wheel(Path(file))
        case ["cli", target]:
            program = (TARGET_DIR / target / "release/skip-client").read_bytes()
            texts = notices(linked((Graph("skip-client-cli", ("psk-vendored",), (target,)),)))
            made = pages()
            tarball(target, program, made, texts)
            deb(target, program, made, texts)
        case ["swift"]:
            swift()
        case _:
            sys.exit("usage: pack.py wheel FILE | cli TARGET | swift")


if __name__ == "__main__":
    main()
