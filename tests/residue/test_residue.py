"""No copy of a key stays in a client's memory, whatever the outcome. `make test-residue` shows the table.

A client process runs a step and waits while its memory is searched for fragments of the secret. Its connection stays
open, as a later request over it verifies. The positive control: while the client holds the key, it is found.
"""

import functools
import json
import os
import platform
import re
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from memory import fragments, pieces, search
from provider import CASES, serve

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# the build profile of the targets
PROFILE = os.environ.get("PROFILE", "quick")


@dataclass(frozen=True)
class Setting:
    """A TLS stack and version: the server's authentication, the client's settings, and the client's own secret."""

    context: ssl.SSLContext
    options: list[str]
    own_secrets: dict[str, bytes]


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def certificates(directory: Path, version: ssl.TLSVersion, *more: str) -> Setting:
    """rustls (or OpenSSL with --legacy), with a client certificate."""
    for name in ("server", "client"):
        curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl(directory, "genpkey", *curve, "-out", f"{name}.key")
        subject = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE", "-days", "2")
        openssl(directory, "req", "-x509", "-new", "-key", f"{name}.key", *subject, *leaf, "-out", f"{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.load_verify_locations(directory / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    der = subprocess.run(
        ["openssl", "pkey", "-in", "client.key", "-outform", "DER"], cwd=directory, check=True, capture_output=True
    ).stdout
    # SEC 1 inside PKCS #8: an OCTET STRING of 32 bytes is the scalar
    scalar = der[der.index(b"\x02\x01\x01\x04\x20") + 5 :][:32]
    digits = "".join((directory / "client.key").read_text().splitlines()[1:-1]).encode()
    own = pieces(scalar) | {f"reversed {name}": form[::-1] for name, form in pieces(scalar).items() if "raw" in name}
    own |= {f"PEM {at}": digits[at : at + 24] for at in range(48, 96, 24)}
    options = ["--ca", "server.pem", "--cert", "client.pem", "--key", "client.key", *more]
    return Setting(context, [str(directory / o) if "." in o else o for o in options], own)


def pre_shared_key(directory: Path, version: ssl.TLSVersion) -> Setting:
    """OpenSSL with a pre-shared key."""
    from sslpsk3 import SSLPSKContext

    secret = secrets.token_bytes(32)
    (directory / "psk.txt").write_text(f"router:{secret.hex()}\n")
    context = SSLPSKContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("PSK")
    context.set_psk_server_callback(lambda identity: secret)
    return Setting(context, ["--psk", str(directory / "psk.txt")], pieces(secret))


SETTINGS: dict[str, Callable[[Path], Setting]] = {
    "rustls 1.3": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_3),
    "rustls 1.2": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_2),
    "openssl PSK 1.3": lambda directory: pre_shared_key(directory, ssl.TLSVersion.TLSv1_3),
    "openssl PSK 1.2": lambda directory: pre_shared_key(directory, ssl.TLSVersion.TLSv1_2),
    "openssl legacy 1.2": lambda directory: certificates(directory, ssl.TLSVersion.TLSv1_2, "--legacy"),
}

# the command of the client in each language, built if necessary
LANGUAGES: dict[str, Callable[[], list[str]]] = {
    "rust": lambda: [str(rust_target())],
    "tokio": lambda: [str(rust_target()), "--tokio"],
    "c": lambda: [str(c_target())],
    "go": lambda: [str(go_target())],
    "python": lambda: [sys.executable, str(HERE / "target.py")],
    "asyncio": lambda: [sys.executable, str(HERE / "target.py"), "--asyncio"],
    "kotlin": lambda: packaged("kotlin", "javac", "mvn"),
    "swift": lambda: packaged("swift", "swift"),
}
# what runs the command, if not this system
INSIDE = {"swift": [str(ROOT / "scripts/swift-env")]}

# Variables that make one processor behave like others: glibc, OpenSSL and AWS-LC (which reads OpenSSL's variable) then
# use other registers. glibc ignores names that it does not know.
PROCESSORS: dict[str, dict[str, str]] = {
    "this one": {},
    "no AVX": {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX2_Usable,-AVX,-AVX_Usable",
        # bit 60: AVX; in the second word, bits 5 and 16: AVX2 and AVX-512
        "OPENSSL_ia32cap": "~0x1000000000000000:~0x10020",
    },
    # bits 57 and 33: AES and carry-less multiplication
    "no AES": {"OPENSSL_ia32cap": "~0x200000200000000"},
    "no fast rep movsb": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"},
    "no XSAVEC": {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-XSAVEC,-XSAVEC_Usable"},
    "bound at once": {"LD_BIND_NOW": "1"},
}


class Run(NamedTuple):
    """A client process, with a row of the table for each case."""

    setting: str
    language: str
    processor: str

    def __str__(self) -> str:
        return "-".join(self)


# each language and stack on this processor; on the others, those that differ most
RUNS = [Run(setting, language, "this one") for setting in SETTINGS for language in LANGUAGES]
if platform.machine() == "x86_64":
    RUNS += [
        Run(setting, language, processor)
        for setting in ("rustls 1.3", "openssl PSK 1.3")
        for language in ("rust", "python", "kotlin", "swift")
        for processor in PROCESSORS
        if processor != "this one"
    ]


def rust_target() -> Path:
    """The client as built by `make test-residue`."""
    return built() / "residue-target"


@functools.cache
def built() -> Path:
    """The build folder of this profile."""
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    metadata = subprocess.run(command, cwd=HERE, check=True, capture_output=True).stdout
    return Path(json.loads(metadata)["target_directory"]) / ("debug" if PROFILE == "dev" else PROFILE)


@functools.cache
def c_target() -> Path:
    """The test program of the C library, which has the same steps."""
    source = ROOT / "bindings/c/tests/target.c"
    out = built() / "residue-target-c"
    command = ["sh", "-euc", 'cc "$1" -o "$2" $(pkg-config --cflags --libs skip-client-static) -pthread', "sh"]
    subprocess.run([*command, str(source), str(out)], check=True, env=with_library(), timeout=600)
    return out


@functools.cache
def go_target() -> Path:
    """The same with the Go package."""
    require("go")
    out = built() / "residue-target-go"
    subprocess.run(["go", "build", "-o", str(out), "."], cwd=HERE / "go", check=True, env=with_library(), timeout=600)
    return out


@functools.cache
def packaged(language: str, *needs: str) -> list[str]:
    """The same with the package for Kotlin or Swift, which its own script builds."""
    require(*needs)
    command = [ROOT / "scripts" / language, "residue"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800).stdout.split()


def require(*tools: str) -> None:
    """Skips the test where these are missing, except in CI, where the build installs what it can or fails."""
    need = [ROOT / "scripts/need", "--why", *tools]
    reasons = subprocess.run(need, stdout=subprocess.PIPE, text=True, timeout=60).stdout.splitlines()
    if reasons and not os.environ.get("CI"):
        pytest.skip(reasons[0])


@functools.cache
def with_library() -> dict[str, str]:
    """An environment in which pkg-config finds the C library of the same build."""
    folder = built() / "c"
    subprocess.run([ROOT / "scripts/c", "install", folder, "--profile", PROFILE], cwd=ROOT, check=True, timeout=1800)
    return os.environ | {"PKG_CONFIG_PATH": str(folder / "lib/pkgconfig"), "CGO_ENABLED": "1"}


class Target:
    """A client process that waits after each step."""

    def __init__(self, language: str, arguments: list[str], processor: str = "this one") -> None:
        variables = [f"{name}={value}" for name, value in PROCESSORS[processor].items()]
        command = [*INSIDE.get(language, []), "env", *variables, *LANGUAGES[language](), *arguments]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        ready, _, process = self._answer().partition(" ")
        assert ready == "ready"
        # the process that was started may only wait for another
        self.id = int(process or self.process.pid)

    def step(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        # the C program answers with more than one word
        return self._answer().partition(" ")[0]

    def hits(self, patterns: dict[str, bytes]) -> Counter[str]:
        return search(self.id, patterns)

    def finally_left(self, patterns: dict[str, bytes]) -> Counter[str]:
        """The same after the client was closed, with time for threads that end a call."""
        deadline = time.monotonic() + 10
        while (left := self.hits(patterns)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def target(run: Run, url: str, options: list[str]) -> Iterator[Target]:
    """A client process while it is needed."""
    started = Target(run.language, [url, *options], run.processor)
    try:
        yield started
    finally:
        with suppress(OSError):
            started.end()


@contextmanager
def place() -> Iterator[Path]:
    """A folder for credentials, which Swift in a system of its own can read, too."""
    with tempfile.TemporaryDirectory(dir=built()) as directory:
        yield Path(directory)


class Row(NamedTuple):
    """A row of the table: copies while the key was held, copies afterwards."""

    run: Run
    case: str
    held: str
    after: Counter[str]


def measure(run: Run) -> list[Row]:
    """Runs every case in one client process."""
    rows = []
    with place() as directory:
        setting = SETTINGS[run.setting](directory)
        with serve(setting.context) as (url, script), target(run, url, setting.options) as client:
            assert client.step("capabilities") == "ok"
            for name, (step, reply, answer) in CASES.items():
                script.secret, script.reply = secrets.token_bytes(32), reply
                patterns = pieces(script.secret)
                assert client.step(step) == answer, name
                shown = "-"
                if answer == "ok":
                    held = client.hits(patterns)["raw 0-8"]
                    assert held >= 1, f"{name}: the positive control found nothing"
                    shown = str(held)
                    assert client.step("drop") == "ok"
                before = len(script.connections)
                after = client.hits(patterns)
                if answer == "ok":
                    # the connection was open all the time
                    assert client.step("capabilities") == "ok" and len(script.connections) == before
                    after |= client.hits(patterns)
                rows.append(Row(run, name, shown, after))
            assert client.hits(setting.own_secrets), "the client's own secret: the positive control found nothing"
            assert client.step("close") == "ok"
            rows.append(Row(run, "the client's own secret, closed", "yes", client.finally_left(setting.own_secrets)))
    return rows


@pytest.fixture(scope="module")
def measured(request: pytest.FixtureRequest) -> Iterator[dict[Run, Future[list[Row]]]]:
    """Measures all rows, one more at a time than there are processors: some wait for a deadline."""
    items = [item for item in request.session.items if item.name.startswith("test_nothing_stays")]
    runs = []
    for run in (item.callspec.params["run"] for item in items):
        # one that is skipped says so in its test
        with suppress(pytest.skip.Exception):
            LANGUAGES[run.language]()
            runs.append(run)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0)) + 1) as pool:
        yield {run: pool.submit(measure, run) for run in runs}
        pool.shutdown(cancel_futures=True)


table: list[Row] = []
skipped: list[Run] = []


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_nothing_stays(run: Run, measured: dict[Run, Future[list[Row]]]) -> None:
    try:
        LANGUAGES[run.language]()
    except pytest.skip.Exception:
        skipped.append(run)
        raise
    rows = measured[run].result()
    table.extend(rows)
    assert [f"{row.case}: {hit} x {times}" for row in rows for hit, times in row.after.items()] == []


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the measurements."""
    with capsys.disabled():
        print(f"\n\n{'':10}{'':20}{'':18}{'':40}{'held':>6}{'after':>7}")
        for (setting, language, processor), case, held, after in table:
            print(f"{language:10}{setting:20}{processor:18}{case:40}{held:>6}{after.total():>7}")
    assert len(table) == (len(RUNS) - len(skipped)) * (len(CASES) + 1)


def encrypted_key(directory: Path) -> list[str]:
    """PKCS#8."""
    secret = ("-passout", "file:password.txt")
    openssl(directory, "pkcs8", "-topk8", "-v2", "aes-256-cbc", *secret, "-in", "client.key", "-out", "encrypted.key")
    return ["--cert", str(directory / "client.pem"), "--key", str(directory / "encrypted.key")]


def pkcs12(directory: Path) -> list[str]:
    """The certificate and the key in one file."""
    files = ("-inkey", "client.key", "-in", "client.pem", "-out", "client.p12")
    openssl(directory, "pkcs12", "-export", "-passout", "file:password.txt", *files)
    return ["--cert", str(directory / "client.p12")]


@pytest.mark.parametrize("form", [encrypted_key, pkcs12])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_password_stays(language: str, form: Callable[[Path], list[str]]) -> None:
    password = secrets.token_urlsafe(24)
    # PKCS#12 takes it as UTF-16
    patterns = fragments("plain", password.encode()) | fragments("UTF-16", password.encode("utf-16-be"))
    with place() as directory:
        (directory / "password.txt").write_text(f"{password}\n")
        setting = SETTINGS["rustls 1.3"](directory)
        credentials = ["--ca", str(directory / "server.pem"), *form(directory)]
        options = [*credentials, "--key_password", str(directory / "password.txt")]
        run = Run("rustls 1.3", language, "this one")
        with serve(setting.context) as (url, _), target(run, url, options) as client:
            assert client.hits(patterns) == {}
            assert client.step("capabilities") == "ok"
            assert client.hits(patterns) == {}
            assert client.hits(setting.own_secrets), "the client's key: the positive control found nothing"
            assert client.step("close") == "ok"
            assert client.finally_left(patterns | setting.own_secrets) == {}
    # it can be found: here it is
    assert search(os.getpid(), patterns)["plain 0-8"] >= 1


def test_what_we_link_is_bound_at_once() -> None:
    """A dynamic linker that binds lazily saves vector registers, with just copied data, on the stack."""
    import skip_client

    python = list(Path(skip_client.__file__).parent.glob("_core*.so"))
    library = Path(with_library()["PKG_CONFIG_PATH"]).parent / "libskip_client.so"
    assert python
    for path in [rust_target(), library, *python]:
        read = subprocess.run(["readelf", "--dynamic", "--wide", path], check=True, capture_output=True, text=True)
        assert re.search(r"BIND_NOW|FLAGS_1.*\bNOW\b", read.stdout), f"{path} is bound lazily"
