"""prove.py [PART...]: installs the artefacts in dist/ on clean systems and uses them. See docs/packages.md.

The roots are Debian systems below ~/.cache/skip-client, created by mmdebstrap on first use. Programs in a root have
their own network with only a loopback interface, and see nothing of this machine except dist/ and the files under test.
Needs root.

--record writes the table into docs/packages.md. --quick builds without optimisation and with the system's OpenSSL where
a build from source is tested.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from artefacts import DIST, VERSION, artefacts, crates
from linked import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skip-client"
MIRROR = "http://deb.debian.org/debian"
QUICK = "--quick" in sys.argv
TARGET_DIR = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
TABLE = "<!-- what `make test-release` printed -->"


def root(suite: str, architecture: str, packages: str = "iproute2 python3 python3-pip-whl python3-venv") -> Path:
    """A minimal Debian with these packages, created if missing: with Python unless others are given."""
    kind = "" if "python3" in packages else f"-{packages.partition(' ')[0]}"
    place = CACHE / f"release-debian-{suite}-{architecture}{kind}"
    if not (place / "usr").exists():
        print(f"making {place}", file=sys.stderr)
        building = place.with_name(f"{place.name}.new")
        shutil.rmtree(building, ignore_errors=True)
        packages += " ca-certificates"
        variant = "apt"
        if architecture != X86:
            # for another architecture: unpacked but not configured, so that nothing in it has to run
            packages += " base-files base-passwd bash coreutils dash debconf diffutils dpkg findutils grep gzip"
            packages += " libc-bin mawk sed tar"
            variant = "extract"
        include = f"--include={','.join(packages.split())}"
        command = ["mmdebstrap", f"--architectures={architecture}", f"--variant={variant}", include, suite]
        run([*command, str(building), MIRROR])
        if variant == "extract":
            for name in ("passwd", "group"):
                shutil.copy(building / f"usr/share/base-passwd/{name}.master", building / f"etc/{name}")
        shutil.rmtree(place, ignore_errors=True)
        building.rename(place)
    return place


def run(command: list[str], cwd: Path | str | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a command and returns its output, which is shown on failure."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=env)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)[:300]}: status {done.returncode}\n{done.stdout[-3000:]}")
    return str(done.stdout)


INSIDE = """
place="$1" words=("${@:3:$2}")
shift $(($2 + 2))
ip link set lo up
mkdir -p "$place/mnt" "$place/proc" "$place/dev"
mount -t tmpfs none "$place/mnt"
mkdir -p "$place/mnt/dist" "$place/mnt/work" "$place/mnt/proof"
cp -r "$@" "$place/mnt/proof/"
mount --bind DIST "$place/mnt/dist"
mount -t proc proc "$place/proc"
mount --rbind /dev "$place/dev"
exec env -i HOME=/mnt/work TMPDIR=/mnt/work LANG=C.UTF-8 \\
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin chroot "$place" "${words[@]}"
"""


def inside(place: Path, start: str | tuple[str, ...], *more: Path) -> str:
    """Runs a shell script or a command in a root, which is left unchanged except for what the script itself removes."""
    words = ("sh", "-euc", f"cd /mnt/work; {start}") if isinstance(start, str) else start
    command = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "--net",
        "bash",
        "-euc",
        INSIDE.replace("DIST", str(DIST)),
    ]
    files = [str(ROOT / "README.md"), str(ROOT / "scripts/release/readme.py")]
    return run([*command, "inside", str(place), str(len(words)), *words, *files, *map(str, more)])


def works(command: list[str]) -> bool:
    """Whether a command succeeds."""
    return subprocess.run(command, capture_output=True).returncode == 0


def artefact(pattern: str) -> Path:
    """The only file in dist/ that matches a pattern."""
    found = sorted(DIST.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"dist/ has {len(found)} files {pattern}; `make release` makes them")
    return found[0]


def last(text: str) -> str:
    """The last output of a program, without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text).strip().splitlines()[-1]


WHEEL = """
if ip route | grep .; then exit 1; fi
python3 -m venv fresh
fresh/bin/pip install --quiet --no-index --disable-pip-version-check /mnt/dist/{wheel}
[ "$(fresh/bin/pip freeze --disable-pip-version-check | wc -l)" = 1 ]
fresh/bin/skip-client demo >/dev/null
fresh/bin/skip-client --version
fresh/bin/python /mnt/proof/readme.py /mnt/proof/README.md
"""


FOREIGN = """
export PYTHONPATH=/mnt/proof/site
python3 -m skip_client demo >/dev/null
python3 /mnt/proof/readme.py /mnt/proof/README.md
"""


def foreign_wheel(pattern: str, suite: str, architecture: str, platform_tag: str) -> str:
    """A wheel for another architecture: installed by this machine's pip (qemu would take minutes), run in qemu."""
    with tempfile.TemporaryDirectory() as work:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check"]
        pip += [f"--platform={platform_tag}", "--python-version=3.13", "--only-binary=:all:", f"--target={work}/site"]
        run([*pip, str(artefact(pattern))])
        return last(inside(root(suite, architecture), FOREIGN, Path(work, "site")))


def wheel(pattern: str, suite: str, architecture: str) -> str:
    """A wheel in a new virtual environment on Debian."""
    return last(inside(root(suite, architecture), WHEEL.format(wheel=artefact(pattern).name)))


MUSL = """
import os, subprocess, sys
os.chdir("/mnt/work")
assert len(open("/proc/net/route").readlines()) == 1, "there is a network"
assert not os.path.exists("/bin/sh") and not os.path.exists("/lib64"), "there is more than musl and Python"
for command in (
    [sys.executable, "-m", "venv", "fresh"],
    ["fresh/bin/pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", "/mnt/dist/{wheel}"],
    ["fresh/bin/skip-client", "demo"],
    ["fresh/bin/python", "/mnt/proof/readme.py", "/mnt/proof/README.md"],
):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    if done.returncode:
        sys.exit(done.returncode)
"""


def musl() -> str:
    """The musl wheel with a Python built for musl, in a root with nothing else."""
    place = CACHE / "release-musl-python-3.13"
    if not place.exists():
        print(f"making {place}", file=sys.stderr)
        run(["nice", "-n", "10", str(ROOT / "scripts/release/musl-python"), str(place)])
    start = ("/usr/bin/python3", "-c", MUSL.format(wheel=artefact("*musllinux*x86_64.whl").name))
    return last(inside(place, start))


def pythons() -> str:
    """A wheel in new environments with each Python on this machine, with only a loopback interface."""
    name, tried = artefact("*manylinux*x86_64.whl"), []
    for minor in range(11, 20):
        places = [shutil.which(f"python3.{minor}"), *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3")]
        found = [place for place in places if place and works([str(place), "-c", ""])]
        if not found:
            continue
        with tempfile.TemporaryDirectory() as work:
            run([str(found[0]), "-m", "venv", f"{work}/fresh"])
            script = f"""
            ip link set lo up
            cd {work}
            fresh/bin/pip install --quiet --no-index --disable-pip-version-check {name}
            fresh/bin/python {ROOT}/scripts/release/readme.py {ROOT}/README.md"""
            tried.append(last(run(["unshare", "--net", "bash", "-euc", script])))
    if not tried:
        raise RuntimeError("there is no Python 3.11 or later on this machine")
    versions = ", ".join(line.partition("Python ")[2].partition(",")[0] for line in tried)
    return f"README with certificates and with pre-shared keys: Python {versions}"


DEB = """
before() {{ find / -xdev -not -path '/mnt/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' | sort; }}
before > before
dpkg -i {force} /mnt/dist/{deb} >/dev/null 2>&1
skip-client --version
skip-client demo >/dev/null
test -s /usr/share/doc/skip-client/copyright
test -s /usr/share/bash-completion/completions/skip-client
test -s /usr/share/zsh/vendor-completions/_skip-client
test -s /usr/share/fish/vendor_completions.d/skip-client.fish
zcat /usr/share/man/man1/skip-client-new-key.1.gz | grep -q '^\\.SH OPTIONS'
dpkg -L skip-client | wc -l | sed 's/$/ files/'
dpkg -P skip-client >/dev/null
before > after
cmp before after
echo installed, demo in both modes, removed without a trace
"""


def deb(suite: str, architecture: str) -> str:
    """The Debian package: installed, used and removed."""
    place = root(suite, architecture)
    name = artefact(f"skip-client_*_{architecture}.deb").name
    # packages that were only unpacked satisfy no dependencies
    force = "" if architecture == X86 else "--force-depends"
    text = inside(place, DEB.format(deb=name, force=force))
    return last(text)


TARBALL = """
tar xzf /mnt/dist/{name}
cd skip-client-*
./skip-client --version
./skip-client demo >/dev/null
test -s man/skip-client.1 -a -s man/skip-client-new-key.1 -a -s completions/_skip-client
echo demo in both modes
"""


def tarball(pattern: str, suite: str, architecture: str) -> str:
    """The command from its archive."""
    return last(inside(root(suite, architecture), TARBALL.format(name=artefact(pattern).name)))


SERVE = """
mkdir serving
tar xzf /mnt/dist/{command} -C serving --strip-components=1
serving/skip-client serve --dir kp >/dev/null &
trap "kill $!" EXIT
until test -e kp/endpoints.json; do sleep 0.1; done
"""
LIBRARY = """
# without what dpkg and ldconfig keep for themselves
here() { find / -xdev -not -path '/mnt/*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' \\
    -not -path '/var/cache/ldconfig/*' | sort; }
here > before
dpkg -i /mnt/dist/{library} /mnt/dist/{development} >/dev/null
"""
NO_LIBRARY = """
dpkg -P libskip-client-dev libskip-client0 >/dev/null
here > after
diff before after
"""
C = f"""
if command -v python3 g++; then exit 1; fi
{LIBRARY}
cc -Wall -Wextra -Werror -o fetch /mnt/proof/fetch_ppk.c $(pkg-config --cflags --libs skip-client)
cc -o fetch-static /mnt/proof/fetch_ppk.c $(pkg-config --cflags --libs skip-client-static)
{SERVE}
for program in ./fetch ./fetch-static; do
    rm -f key.json
    serving/skip-client new-key https://127.0.0.1:8443 --ca kp/ca.pem --remote Bob --json -o key.json
    keyid=$(sed -n 's/.*"keyId": *"\\([^"]*\\)".*/\\1/p' key.json)
    $program https://127.0.0.1:8444 kp/ca.pem "$keyid" Alice | grep '256 bits, fingerprint'
done
{NO_LIBRARY}
# the static library is in the program
if ./fetch 2>/dev/null; then exit 1; fi
./fetch-static https://127.0.0.1:8444 kp/ca.pem "$keyid" Alice 2>&1 | grep -q '^error: '
echo "the example, shared and static, with $(cc --version | head -n 1)"
"""
GO = f"""
{LIBRARY}
export GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-mod=mod
mkdir program
cp /mnt/proof/main.go program
cd program
go mod init program 2>/dev/null
go mod edit -require=github.com/skip-client/skip-client/bindings/go@v0.0.0 \
    -replace=github.com/skip-client/skip-client/bindings/go=/mnt/proof/go
go build -o fetch
cd ..
{NO_LIBRARY}
{SERVE}
program/fetch 2>&1 | grep ' true$'
echo "README, the library linked in: $(go version | cut -d ' ' -f 3)"
"""


def library(script: str, suite: str, packages: str, *files: Path) -> str:
    """The C library from its Debian packages, in a root with nothing but these packages."""
    names = {
        "library": artefact("libskip-client0_*_amd64.deb").name,
        "development": artefact("libskip-client-dev_*_amd64.deb").name,
        "command": artefact("*-x86_64-linux.tar.gz").name,
    }
    for name, file in names.items():
        script = script.replace("{" + name + "}", file)
    return last(inside(root(suite, X86, f"{packages} iproute2"), script, *files))


def c() -> str:
    """The example of C."""
    return library(C, "bookworm", "gcc libc6-dev pkg-config", ROOT / "examples/c/fetch_ppk.c")


def go() -> str:
    """The code of README in Go, from the sources of the package."""
    block = re.search(r"```go\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    if block is None:
        raise RuntimeError("README.md has no code in Go")
    with tempfile.TemporaryDirectory() as name:
        program = Path(name, "main.go")
        program.write_text(GO_PROGRAM.replace("BLOCK", block[1]))
        return library(GO, "trixie", "golang-go gcc libc6-dev pkg-config", program, ROOT / "bindings/go")


GO_PROGRAM = """package main

import (
	"context"
	"log"
	"os"

	skip "github.com/skip-client/skip-client/bindings/go"
)

func fetch(ctx context.Context, alice, bob string, pem []byte) error {
	BLOCK
	return nil
}

func main() {
	pem, err := os.ReadFile("kp/ca.pem")
	if err == nil {
		err = fetch(context.Background(), "https://127.0.0.1:8443", "https://127.0.0.1:8444", pem)
	}
	if err != nil {
		log.Fatal(err)
	}
}
"""


def sdist() -> str:
    """The sdist, built and installed without access to the repository."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        run(["python3", "-m", "venv", str(work / "fresh")])
        pip = str(work / "fresh/bin/pip")
        run([pip, "install", "--quiet", "--require-hashes", "-r", str(ROOT / "scripts/requirements-dev.txt")])
        for file in (artefact("skip_client-*.tar.gz"), ROOT / "README.md", ROOT / "scripts/release/readme.py"):
            shutil.copy(file, work)
        environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET_DIR / "sdist"), "TMPDIR": name}
        environment["PATH"] = f"{work}/fresh/bin:{environment['PATH']}"
        if QUICK:
            environment |= {"OPENSSL_NO_VENDOR": "1", "MATURIN_PEP517_ARGS": "--profile dev"}
            environment["CARGO_TARGET_DIR"] = str(TARGET_DIR)
        hide = f'mount -t tmpfs none {ROOT} && cd {work} && exec nice -n 10 "$@"'
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-euc", hide, "hidden"]
        archive = str(work / f"skip_client-{VERSION}.tar.gz")
        run([*command, pip, "install", "--no-build-isolation", "--no-deps", archive], env=environment)
        return last(run([*command, str(work / "fresh/bin/python"), "readme.py", "README.md"], env=environment))


def cargo_install() -> str:
    """`cargo install --path cli`."""
    with tempfile.TemporaryDirectory() as name:
        command = ["nice", "-n", "10", "cargo", "install", "--locked", "--quiet", "--path", "cli", "--root", name]
        run(command + (["--debug"] if QUICK else []), cwd=ROOT)
        program = f"{name}/bin/skip-client"
        run([program, "demo"])
        return ", ".join(run([program, "--version"]).splitlines()) + "; demo in both modes"


def cargo_package() -> str:
    """Builds every crate from its packaged file."""
    packages = [f"--package={crate}" for crate in crates()]
    run(["nice", "-n", "10", "cargo", "package", "--locked", "--quiet", *packages], cwd=ROOT)
    return f"built from the packed files: {', '.join(f'`{crate}`' for crate in crates())}"


NODE = """
import { validateKey } from "skip-client";
import { createRequire } from "node:module";
const same = createRequire(import.meta.url)("skip-client").validateKey === validateKey;
const { valid, problems } = validateKey('{"keyId": "0a1b", "key": "xyz"}');
if (valid || !same || !problems.some((problem) => problem.path === "/key")) {
  throw new Error(JSON.stringify({ valid, same, problems }));
}
console.log(`import and require of the tarball: Node ${process.version}`);
"""


def node(version: str) -> str:
    """The npm tarball with Node from the registry."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "package.json").write_text('{"private": true, "type": "module"}')
        npm = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
        run([*npm, f"node@{version}", str(artefact("skip-client-*.tgz"))], cwd=work)
        (work / "try.js").write_text(NODE)
        program = str(work / "node_modules/node/bin/node")
        (work / "bad.json").write_text("{}")
        checked = subprocess.run(
            [program, "node_modules/skip-client/dist/skip-validate.js", "key", "bad.json"],
            cwd=work,
            capture_output=True,
        )
        if checked.returncode == 0:
            raise RuntimeError("skip-validate took {} for a key")
        return last(run([program, "try.js"], cwd=work))


def jar() -> str:
    """The JAR, from a Maven project with no other dependency."""
    text = run(["scripts/kotlin", "consumer", str(artefact("skip-client-*.jar"))], cwd=ROOT)
    return f"an empty Maven project on Java {run(['java', '--version']).split()[1]}: {last(text)}"


def swift() -> str:
    """The Swift package, built from its archive."""
    with tempfile.TemporaryDirectory(dir=TARGET_DIR) as name:
        run(["python3", "-m", "zipfile", "-e", str(artefact("*-swift.zip")), name])
        library = DIST.parent / "scripts/build-bindings"
        run(["nice", "-n", "10", str(library)], cwd=ROOT)
        environment = os.environ | {"CARGO_TARGET_DIR": str(TARGET_DIR)}
        command = [str(ROOT / "scripts/swift-env"), "swift", "build", "-Xlinker", f"-L{TARGET_DIR}/release"]
        run(command, cwd=f"{name}/SkipClient", env=environment)
        return "swift build of the unpacked archive"


X86, ARM = "amd64", "arm64"
PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "wheel-debian-12": ("wheel, Debian 12, x86-64", lambda: wheel("*manylinux*x86_64.whl", "bookworm", X86)),
    "wheel-debian-13": ("wheel, Debian 13, x86-64", lambda: wheel("*manylinux*x86_64.whl", "trixie", X86)),
    "wheel-debian-sid": ("wheel, Debian unstable, x86-64", lambda: wheel("*manylinux*x86_64.whl", "sid", X86)),
    "wheel-aarch64": (
        "wheel, Debian 13, aarch64 (qemu)",
        lambda: foreign_wheel("*manylinux*aarch64.whl", "trixie", ARM, "manylinux2014_aarch64"),
    ),
    "wheel-musl": ("wheel, musl and nothing but a Python for it, x86-64", musl),
    "wheel-pythons": ("wheel, every Python of this machine", pythons),
    "deb-debian-12": (".deb, Debian 12, x86-64", lambda: deb("bookworm", X86)),
    "deb-debian-13": (".deb, Debian 13, x86-64", lambda: deb("trixie", X86)),
    "deb-aarch64": (".deb, Debian 13, aarch64 (qemu)", lambda: deb("trixie", ARM)),
    "cli-debian-12": ("command, Debian 12, x86-64", lambda: tarball("*-x86_64-linux.tar.gz", "bookworm", X86)),
    "cli-aarch64": ("command, Debian 13, aarch64 (qemu)", lambda: tarball("*-aarch64-linux.tar.gz", "trixie", ARM)),
    "c": ("C library, Debian 12, x86-64, with gcc and pkg-config", c),
    "go": ("Go package, Debian 13, x86-64, with Go and gcc", go),
    "sdist": ("sdist, repository hidden", sdist),
    "cargo-install": ("cargo install --path cli", cargo_install),
    "cargo-package": ("cargo package, verified", cargo_package),
    "node-20": ("npm tarball, Node 20", lambda: node("20")),
    "node-newest": ("npm tarball, newest Node", lambda: node("latest")),
    "jar": ("JAR", jar),
    "swift": ("Swift archive", swift),
}


def main() -> int:
    """Runs the parts and prints the tables."""
    if os.getuid() != 0:
        print("error: the roots of the proofs need root\nhint: sudo make test-release", file=sys.stderr)
        return 1
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("--")] or list(PARTS)
    rows, failed = [], 0
    for name in asked:
        what, proof = PARTS[name]
        try:
            said = proof()
            print(f"passed  {what}: {said}", flush=True)
        except Exception as error:
            failed += 1
            said = f"**failed**: {str(error).splitlines()[0][:200]}"
            print(f"FAILED  {what}", flush=True)
            traceback.print_exc()
        rows.append(f"| {what} | {said} |")
    sizes = [f"| `{path.name}` | {kind.what} | {path.stat().st_size / 1024:,.0f} KiB |" for path, kind in artefacts()]
    machine = f"{platform.machine()}, {len(os.sched_getaffinity(0))} CPUs"
    table = "\n".join(
        [
            "| artefact | for | size |",
            "|---|---|---|",
            *sizes,
            "",
            f"Tested ({machine}):",
            "",
            "| what | what ran |",
            "|---|---|",
            *rows,
        ]
    )
    if "--record" in sys.argv:
        page = ROOT / "docs/packages.md"
        before, _, rest = page.read_text().partition(TABLE)
        _, _, after = rest.partition(TABLE)
        page.write_text(f"{before}{TABLE}\n\n{table}\n\n{TABLE}{after}")
    else:
        print(f"\n{table}")
    print(f"\n{len(asked) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
