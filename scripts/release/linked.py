"""What is linked into an artefact, from Cargo's own graph for its package, features and target.

A crate used only during the build (a build script, a procedural macro) is not in the artefact, so it is not in the
list. Code bundled by C crates is: OpenSSL, AWS-LC, and the compiler's runtime.
"""

import html
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LICENCE_FILE = re.compile(r"(?i)^(licen[sc]e|copying|notice|unlicense|copyright)([-._].*)?$")


@dataclass(frozen=True)
class Graph:
    """A package as built: `package` with `features`, for each of `targets`."""

    package: str
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


@dataclass
class Component:
    """A linked component."""

    name: str
    version: str
    licence: str
    purl: str
    features: list[str] = field(default_factory=list)
    sha256: str | None = None
    repository: str | None = None
    texts: dict[str, str] = field(default_factory=dict)


def linked(graphs: tuple[Graph, ...]) -> list[Component]:
    """The components of all graphs together, by name. The crates of this workspace are included."""
    found: dict[tuple[str, str], set[str]] = {}
    sources: dict[str, str] = {}
    for graph in graphs:
        for target in graph.targets:
            for name, version, features in _tree(graph, target, "normal,no-proc-macro"):
                found.setdefault((name, version), set()).update(features)
            for name, version, _ in _tree(graph, target, "normal,build,no-proc-macro"):
                if name == "openssl-src":
                    sources[name] = version
    components = []
    for (name, version), features in sorted(found.items()):
        package = _packages()[name, version]
        components.append(
            Component(
                name=name,
                version=version,
                licence=(package["license"] or "").replace("/", " OR "),
                purl=f"pkg:cargo/{name}@{version}",
                features=sorted(features),
                sha256=_checksums().get((name, version)),
                repository=package["repository"],
                texts=_texts(_folder(package)),
            )
        )
    if ("aws-lc-sys", version := _version(found, "aws-lc-sys")) in found:
        components.append(_aws_lc(version))
    if "openssl-src" in sources:
        components.append(_openssl(sources["openssl-src"]))
    if graphs:
        components.append(_rust())
    targets = {target for graph in graphs for target in graph.targets}
    if any("-linux-" in target for target in targets):
        components.append(_zig())
    if any("-windows-gnu" in target for target in targets):
        components.append(_mingw())
    return components


def _tree(graph: Graph, target: str, edges: str) -> list[tuple[str, str, list[str]]]:
    command = ["cargo", "tree", "--locked", "-p", graph.package, "--target", target, "-e", edges, "--prefix", "none"]
    command += ["--no-dedupe", "--format", "{p}|{f}"]
    if graph.features:
        command += ["--features", ",".join(graph.features)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = []
    for line in sorted(set(output.splitlines())):
        crate, _, features = line.partition("|")
        name, version = crate.split()[:2]
        result.append((name, version.removeprefix("v"), [feature for feature in features.split(",") if feature]))
    return result


def _version(found: dict[tuple[str, str], set[str]], name: str) -> str:
    return next((version for crate, version in found if crate == name), "")


@cache
def _packages() -> dict[tuple[str, str], dict[str, str]]:
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {(package["name"], package["version"]): package for package in json.loads(output)["packages"]}


@cache
def _checksums() -> dict[tuple[str, str], str]:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}


def _folder(package: dict[str, str]) -> Path:
    return Path(package["manifest_path"]).parent


def _texts(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.is_file() and LICENCE_FILE.match(path.name))
    return {path.name: path.read_text(encoding="utf-8", errors="replace").strip() for path in files}


def _aws_lc(crate: str) -> Component:
    source = _folder(_packages()["aws-lc-sys", crate]) / "aws-lc"
    header = (source / "include/openssl/base.h").read_text()
    version = re.search(r'AWSLC_VERSION_NUMBER_STRING "(.+)"', header)
    if version is None:
        sys.exit("error: the version of AWS-LC is not where it was in aws-lc-sys")
    licence = "Apache-2.0 AND ISC AND OpenSSL AND MIT AND BSD-3-Clause"
    return Component(
        "aws-lc",
        version[1],
        licence,
        f"pkg:github/aws/aws-lc@v{version[1]}",
        repository="https://github.com/aws/aws-lc",
        texts=_texts(source),
    )


def _openssl(crate: str) -> Component:
    version = crate.partition("+")[2]
    return Component(
        "openssl",
        version,
        "Apache-2.0",
        f"pkg:generic/openssl@{version}",
        repository="https://github.com/openssl/openssl",
        texts=_texts(_folder(_packages()["openssl-src", crate]) / "openssl"),
    )


def _rust() -> Component:
    line, sysroot = (
        subprocess.run(["rustc", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        for arguments in (["--version"], ["--print", "sysroot"])
    )
    version = line.split()[1]
    page = (Path(sysroot) / "share/doc/rust/COPYRIGHT-library.html").read_text(encoding="utf-8")
    return Component(
        "rust-std",
        version,
        "MIT OR Apache-2.0",
        f"pkg:generic/rust-std@{version}",
        repository="https://github.com/rust-lang/rust",
        texts={"COPYRIGHT-library": html.unescape(re.sub(r"<style.*?</style>|<[^>]*>", "", page, flags=re.DOTALL))},
    )


def _zig() -> Component:
    import ziglang

    folder = Path(ziglang.__file__).parent
    command = [folder / "zig", "version"]
    version = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    texts = _texts(folder) | {f"libunwind/{name}": text for name, text in _texts(folder / "lib/libunwind").items()}
    return Component(
        "zig-compiler-rt-and-libunwind",
        version,
        "MIT AND Apache-2.0 WITH LLVM-exception",
        f"pkg:pypi/ziglang@{version}",
        repository="https://codeberg.org/ziglang/zig",
        texts=texts,
    )


def _mingw() -> Component:
    version = subprocess.run(
        ["x86_64-w64-mingw32-gcc", "-dumpfullversion"], check=True, stdout=subprocess.PIPE, text=True
    )
    copyrights = {}
    for package in ("gcc-mingw-w64-x86-64-win32", "mingw-w64-x86-64-dev"):
        path = Path("/usr/share/doc") / package / "copyright"
        if path.exists():
            copyrights[f"{package}/copyright"] = path.read_text(encoding="utf-8", errors="replace").strip()
    if not copyrights:
        sys.exit("error: the copyright of the MinGW runtime is not in /usr/share/doc")
    return Component(
        "mingw-w64-runtime",
        version.stdout.strip(),
        "GPL-3.0-or-later WITH GCC-exception-3.1 AND ZPL-2.1",
        f"pkg:generic/mingw-w64-runtime@{version.stdout.strip()}",
        repository="https://www.mingw-w64.org",
        texts=copyrights,
    )


def notices(components: list[Component]) -> str:
    """The licence texts of the components, without duplicates. A component without a licence text is an error."""
    own = (ROOT / "LICENSE-APACHE").read_text().strip()
    texts: dict[str, list[str]] = {}
    for component in components:
        if component.name.startswith("skip-"):
            continue
        label = f"{component.name} {component.version} ({component.licence})"
        found = component.texts
        if not found and "Apache-2.0" in component.licence.split(" OR "):
            # allowed by the licence itself, whose text is always the same
            found = {"LICENSE-APACHE": own}
        if not found:
            found = {"(none in the crate)": _spdx_text(component)}
        for text in found.values():
            normal = "\n".join(line.rstrip() for line in text.splitlines())
            users = texts.setdefault(normal, [])
            if label not in users:
                users.append(label)
    parts = ["What is linked into this package, and the licence texts of it. skip-client itself: Apache-2.0 or MIT.\n"]
    for text, users in sorted(texts.items(), key=lambda item: (item[1], item[0])):
        parts.append("=" * 100 + "\n" + "\n".join(users) + "\n" + "=" * 100 + f"\n\n{text}\n")
    return "\n".join(parts)


def _spdx_text(component: Component) -> str:
    if component.licence == "MIT" or "MIT" in component.licence.split(" OR "):
        mit = (ROOT / "LICENSE-MIT").read_text()
        permission = mit[mit.index("Permission is hereby granted") :]
        return f"Copyright (c) the authors of {component.name} ({component.repository})\n\n{permission.strip()}"
    sys.exit(f"error: {component.name} {component.version} has no licence text ({component.licence})")
