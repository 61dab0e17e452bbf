"""pack.py wheel FILE | cli TARGET | library TARGET FOLDER | swift: packs a wheel tighter, archives of the command line
(tar.gz and .deb), the C library (.deb) and the Swift package, into dist/.

pack.py deb PROGRAM PAGES FOLDER: the .deb of the command line with any program, for tests.

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

from artefacts import DIST, GNU_X86, VERSION
from linked import ROOT, Graph, linked, notices

EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])
TARGET_DIR = Path(os.environ["CARGO_TARGET_DIR"])
WORK = TARGET_DIR / "packages"
DOCUMENTS = ("README.md", "CHANGELOG.md", "LICENSE", "LICENSE-APACHE", "LICENSE-MIT")


def compressed(content: bytes) -> bytes:
    """Gzip with a fixed date and no file name."""
    return gzip.compress(content, 9, mtime=EPOCH)


class Zopfli:
    """A compressor for `zipfile`: collects all input, then deflates it as small as possible."""

    def __init__(self) -> None:
        """Starts empty."""
        self.parts: list[bytes] = []
        self.size = 0

    def compress(self, part: bytes) -> bytes:
        """Collects the input."""
        self.parts.append(bytes(part))
        return b""

    def flush(self) -> bytes:
        """The compressed data without zlib's header and checksum."""
        import zopfli.zlib

        # takes half a minute for a wheel; further iterations take as long and gain a thousandth
        packed = zopfli.zlib.compress(b"".join(self.parts), numiterations=3)[2:-4]
        self.size = len(packed)
        return packed


def wheel(path: Path) -> None:
    """Repacks the same files in the same order, 6 % smaller than maturin does."""
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
    """The folder with the manual pages and completions."""
    out = WORK / "pages"
    shutil.rmtree(out, ignore_errors=True)
    # with the flags of the release, so that its libraries are not built twice
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


def deb(target: str, program: bytes, made: Path, texts: str, out: Path = DIST) -> None:
    """`skip-client_VERSION_ARCH.deb`, with the services of crates/agent/packaging if there are any."""
    files: Files = {"usr/bin/skip-client": program}
    share = "usr/share"
    for page in sorted(made.glob("man/*.1")):
        files[f"{share}/man/man1/{page.name}.gz"] = compressed(page.read_bytes())
    files |= {
        f"{share}/bash-completion/completions/skip-client": (made / "completions/skip-client.bash").read_bytes(),
        f"{share}/zsh/vendor-completions/_skip-client": (made / "completions/_skip-client").read_bytes(),
        f"{share}/fish/vendor_completions.d/skip-client.fish": (made / "completions/skip-client.fish").read_bytes(),
    }
    packaging = ROOT / "crates/agent/packaging"
    services = sorted(packaging.glob("*.service"))
    files |= {f"usr/lib/systemd/system/{path.name}": path.read_bytes() for path in services}
    users = {path.with_suffix(".conf").name: path.read_bytes() for path in packaging.glob("*.sysusers")}
    files |= {f"usr/lib/sysusers.d/{name}": content for name, content in users.items()}
    if services:
        # installing does not start a service, which needs a configuration first
        reload = "#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\n"
        make_users = f"if command -v systemd-sysusers >/dev/null; then systemd-sysusers {' '.join(users)}; fi\n"
        files |= {"DEBIAN/postinst": (reload + make_users).encode(), "DEBIAN/postrm": reload.encode()}
    fields = "Depends: libc6 (>= 2.17)\nRecommends: ca-certificates\nSection: net\n"
    _debian("skip-client", target, files, fields, COMMAND, texts, out)


def library(target: str, folder: Path) -> None:
    """`libskip-client0` and `libskip-client-dev`, from the folder that `scripts/c install` has filled."""
    texts = notices(linked((Graph("skip-client-c", ("psk-vendored",), (target,)),)))
    lib = f"usr/lib/{target.partition('-')[0]}-linux-gnu"
    shared = next(path for path in (folder / "lib").glob("libskip_client.so.*") if not path.is_symlink())
    files: Files = {
        f"{lib}/{shared.name}": shared.read_bytes(),
        f"{lib}/libskip_client.so.0": Path(shared.name),
        # for packages built against it, and for the loader's cache
        "DEBIAN/shlibs": f"libskip_client 0 libskip-client0 (>= {VERSION})\n".encode(),
        "DEBIAN/triggers": b"activate-noawait ldconfig\n",
    }
    fields = "Multi-Arch: same\nDepends: libc6 (>= 2.17)\nRecommends: ca-certificates\nSection: libs\n"
    _debian("libskip-client0", target, files, fields, LIBRARY, texts)

    files = {
        "usr/include/skip_client.h": (folder / "include/skip_client.h").read_bytes(),
        f"{lib}/libskip_client.a": (folder / "lib/libskip_client.a").read_bytes(),
        f"{lib}/libskip_client.so": Path("libskip_client.so.0"),
    }
    described = WORK / "pkgconfig"
    prefix = ["/usr", f"${{prefix}}/{lib.removeprefix('usr/')}", ""]
    subprocess.run([ROOT / "scripts/c", "pkg-config", described, *prefix], check=True)
    files |= {f"{lib}/pkgconfig/{path.name}": path.read_bytes() for path in described.glob("*.pc")}
    fields = f"Multi-Arch: same\nDepends: libskip-client0 (= {VERSION}), libc6-dev\nSection: libdevel\n"
    _debian("libskip-client-dev", target, files, fields, DEVELOPMENT, texts)


# paths in a package, with their content or the target of a symbolic link
Files = dict[str, bytes | Path]


def _debian(
    package: str, target: str, files: Files, fields: str, description: str, texts: str, folder: Path = DIST
) -> None:
    """`PACKAGE_VERSION_ARCH.deb`."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[target.partition("-")[0]]
    tree = WORK / f"{package}-{architecture}"
    shutil.rmtree(tree, ignore_errors=True)
    doc = f"usr/share/doc/{package}"
    files |= {
        f"{doc}/changelog.gz": compressed((ROOT / "CHANGELOG.md").read_bytes()),
        f"{doc}/copyright": _copyright(texts).encode(),
    }
    size = sum(len(content) for content in files.values() if isinstance(content, bytes))
    files["DEBIAN/control"] = f"""\
Package: {package}
Version: {VERSION}
Architecture: {architecture}
Maintainer: The skip-client developers <https://github.com/skip-client/skip-client/issues>
Installed-Size: {(size + 1023) // 1024}
{fields}Priority: optional
Homepage: https://github.com/skip-client/skip-client
Description: {description}""".encode()
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.symlink_to(content)
            continue
        path.write_bytes(content)
        path.chmod(0o755 if name in ("usr/bin/skip-client", "DEBIAN/postinst", "DEBIAN/postrm") else 0o644)
    out = folder / f"{package}_{VERSION}_{architecture}.deb"
    # xz, which every Debian and Ubuntu supports
    command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--threads-max=1", "--build", str(tree), str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


COMMAND = """\
quantum-safe keys from a SKIP Key Provider
 The command skip-client fetches pre-shared keys from a Key Provider of the
 Secure Key Integration Protocol (draft-cisco-skip-02), over TLS with
 certificates or pre-shared keys, in the forms that strongSwan, WireGuard and
 MACsec read. It also checks messages, examines Key Providers, and runs a pair
 of them for tests.
 .
 OpenSSL and AWS-LC are linked in: skip-client --version says their versions.
"""
LIBRARY = """\
quantum-safe keys from a SKIP Key Provider (shared library)
 The library fetches pre-shared keys from a Key Provider of the Secure Key
 Integration Protocol (draft-cisco-skip-02), over TLS with certificates or
 pre-shared keys.
 .
 OpenSSL and AWS-LC are linked in, and their symbols are not visible.
"""
DEVELOPMENT = """\
quantum-safe keys from a SKIP Key Provider (development files)
 The header skip_client.h, the static library and the files of pkg-config, for
 programs in C, C++ and, by cgo, Go.
"""


def _copyright(texts: str) -> str:
    mit = (ROOT / "LICENSE-MIT").read_text().strip()
    apache = "skip-client: Apache-2.0 (/usr/share/common-licenses/Apache-2.0) or MIT, at your choice."
    return f"{apache}\n\n{mit}\n\n{texts}"


def swift() -> None:
    """`skip-client-VERSION-swift.zip`: the package as published, without build products of the tests."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "Package.swift", "bindings/swift"], cwd=ROOT,
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.split()  # fmt: skip
    files = {name: ROOT / name for name in names if not Path(name).name.startswith(".")}
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
    """Packs one kind of artefact."""
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
        case ["deb", program, made, folder]:
            deb(GNU_X86, Path(program).read_bytes(), Path(made), "", Path(folder))
        case ["library", target, folder]:
            library(target, Path(folder))
        case ["swift"]:
            swift()
        case _:
            sys.exit("usage: see the head of pack.py")


if __name__ == "__main__":
    main()
