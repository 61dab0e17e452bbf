"""The artefacts of a release: which files they are, and what is linked into each."""

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path

from linked import ROOT, Graph

DIST = ROOT / "dist"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
GNU_X86 = "x86_64-unknown-linux-gnu"
GNU_ARM = "aarch64-unknown-linux-gnu"
MUSL_X86 = "x86_64-unknown-linux-musl"
WINDOWS = "x86_64-pc-windows-gnu"


def _graph(package: str, *targets: str) -> Graph:
    return Graph(package, ("psk-vendored",), targets)


@dataclass(frozen=True)
class Kind:
    """One or more files in dist/ that match `pattern`."""

    pattern: str
    what: str
    graphs: tuple[Graph, ...] = ()
    # dependencies installed by a package manager, as purls: not in the file
    needs: tuple[str, ...] = ()
    # the newest glibc whose symbols it may use
    glibc: tuple[int, int] | None = None


def _maven() -> tuple[str, ...]:
    """The dependencies of the Kotlin package, from its project file."""
    import xml.etree.ElementTree as ET

    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    project = ET.parse(ROOT / "bindings/kotlin/pom.xml").getroot()
    properties = {item.tag.partition("}")[2]: item.text or "" for item in project.find("m:properties", space) or ()}
    found = []
    for dependency in project.findall("m:dependencies/m:dependency", space):
        text = {item.tag.partition("}")[2]: item.text or "" for item in dependency}
        if text.get("scope") != "test":
            version = properties[text["version"].strip("${}")]
            found.append(f"pkg:maven/{text['groupId']}/{text['artifactId']}@{version}")
    return tuple(found)


_BINDINGS = ("skip-client-bindings", GNU_X86, GNU_ARM, WINDOWS)
KINDS = (
    Kind("skip_client-*manylinux*x86_64.whl", "Python, Linux with glibc, x86-64",
         (_graph("skip-client-python", GNU_X86),), glibc=(2, 17)),
    Kind("skip_client-*manylinux*aarch64.whl", "Python, Linux with glibc, aarch64",
         (_graph("skip-client-python", GNU_ARM),), glibc=(2, 17)),
    Kind("skip_client-*musllinux*x86_64.whl", "Python, Linux with musl (Alpine), x86-64",
         (_graph("skip-client-python", MUSL_X86),)),
    Kind("skip_client-*win_amd64.whl", "Python, Windows, x86-64", (_graph("skip-client-python", WINDOWS),)),
    Kind("skip_client-*.tar.gz", "Python, sources",
         (_graph("skip-client-python", GNU_X86, GNU_ARM, MUSL_X86, WINDOWS),)),
    Kind("skip-client-*-x86_64-linux.tar.gz", "command line, Linux, x86-64", (_graph("skip-client-cli", GNU_X86),),
         glibc=(2, 17)),
    Kind("skip-client-*-aarch64-linux.tar.gz", "command line, Linux, aarch64", (_graph("skip-client-cli", GNU_ARM),),
         glibc=(2, 17)),
    Kind("skip-client_*_amd64.deb", "Debian and Ubuntu package, x86-64", (_graph("skip-client-cli", GNU_X86),),
         glibc=(2, 17)),
    Kind("skip-client_*_arm64.deb", "Debian and Ubuntu package, aarch64", (_graph("skip-client-cli", GNU_ARM),),
         glibc=(2, 17)),
    Kind("libskip-client0_*_amd64.deb", "C library, Debian and Ubuntu, x86-64", (_graph("skip-client-c", GNU_X86),),
         glibc=(2, 17)),
    Kind("libskip-client0_*_arm64.deb", "C library, Debian and Ubuntu, aarch64", (_graph("skip-client-c", GNU_ARM),),
         glibc=(2, 17)),
    Kind("libskip-client-dev_*_amd64.deb", "C library to build with, x86-64", (_graph("skip-client-c", GNU_X86),),
         glibc=(2, 17)),
    Kind("libskip-client-dev_*_arm64.deb", "C library to build with, aarch64", (_graph("skip-client-c", GNU_ARM),),
         glibc=(2, 17)),
    Kind("skip-client-*.tgz", "npm", (Graph("skip-client-node", (), ("wasm32-unknown-unknown",)),)),
    Kind("skip-client-*.jar", "Kotlin and Java", (_graph(*_BINDINGS),), _maven(), glibc=(2, 17)),
    Kind("skip-client-*.aar", "Android (its native libraries need the NDK)", (), _maven()),
    Kind("skip-client-*-swift.zip", "Swift package, sources", (_graph("skip-client-bindings", GNU_X86),)),
    Kind("*.crate", "Rust crate, sources"),
)  # fmt: skip


def crates() -> dict[str, Path]:
    """The published crates in the order of their dependencies, with their folders."""
    members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    found: dict[str, tuple[Path, set[str]]] = {}
    for member in members:
        manifest = tomllib.loads((ROOT / member / "Cargo.toml").read_text())
        if manifest["package"].get("publish", True):
            found[manifest["package"]["name"]] = (ROOT / member, set(manifest.get("dependencies", {})))
    ordered: dict[str, Path] = {}
    while len(ordered) < len(found):
        ready = [
            name for name, (_, needs) in found.items() if name not in ordered and needs & set(found) <= set(ordered)
        ]
        if not ready:
            raise SystemExit(f"error: the crates {sorted(set(found) - set(ordered))} need each other")
        ordered |= {name: found[name][0] for name in ready}
    return ordered


def artefacts() -> list[tuple[Path, Kind]]:
    """Every artefact in dist/ with its kind. A file of no kind is an error, because nothing would check it."""
    found = []
    for path in sorted(DIST.iterdir()):
        if path.is_dir() or path.name.endswith(".cdx.json") or path.name == "SHA256SUMS":
            continue
        kind = next((kind for kind in KINDS if fnmatch.fnmatch(path.name, kind.pattern)), None)
        if kind is None:
            raise SystemExit(f"error: {path} is no artefact of scripts/release/artefacts.py")
        found.append((path, kind))
    return found


if __name__ == "__main__":
    print("\n".join(crates()))
