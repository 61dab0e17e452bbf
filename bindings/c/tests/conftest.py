"""What the tests of the C library share: the library, programs that use it in each supported way, and servers."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
VECTORS = ROOT / "tests/vectors/draft-cisco-skip-02"
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1", "-g")


@dataclass(frozen=True)
class Way:
    """A way to use the library: compiler and language, kind of library, and what the program runs under."""

    compiler: tuple[str, ...]
    static: bool = False
    under: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


VALGRIND = ("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--fair-sched=yes")  # fmt: skip
ASAN = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
# in a CI container LeakSanitizer may not be allowed to trace; its failure must still be visible
LEAKS = (("ASAN_OPTIONS", "detect_leaks=1:halt_on_error=1"),)
WAYS = {
    "gcc-c11-shared": Way(("gcc", "-std=c11")),
    "clang-c11-static": Way(("clang", "-std=c11"), static=True),
    "g++-c++17-static": Way(("g++", "-std=c++17"), static=True),
    "clang++-c++17-shared": Way(("clang++", "-std=c++17")),
    "gcc-asan": Way(("gcc", "-std=c11", *ASAN), environment=LEAKS),
    "gcc-valgrind": Way(("gcc", "-std=c11"), under=VALGRIND),
}


def run(*command: str | Path, **more: object) -> str:
    """Runs a command and gives what it says on stdout."""
    words = [str(word) for word in command]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, timeout=1200, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{' '.join(words)[:300]}: status {done.returncode}"
    return str(done.stdout)


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder where the library is installed."""
    folder = TARGET / "c"
    run(ROOT / "scripts/c", "install", folder, cwd=ROOT)
    run("cargo", "build", "--locked", "--quiet", "-p", "skip-client-cli", cwd=ROOT)
    return folder


def flags(library: Path, *options: str) -> list[str]:
    """What pkg-config says of the library."""
    environment = os.environ | {"PKG_CONFIG_PATH": str(library / "lib/pkgconfig")}
    return run("pkg-config", *options, "skip-client", env=environment).split()


@pytest.fixture(scope="session")
def compiled(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Way], Path]:
    """Compiles a program of one file; each once for a way."""
    made: dict[tuple[Path, Way], Path] = {}

    def compiled(source: Path, way: Way) -> Path:
        if (source, way) not in made:
            if missing := [tool for tool in (way.compiler[0], *way.under[:1]) if shutil.which(tool) is None]:
                assert not os.environ.get("CI"), f"{missing} is missing"
                pytest.skip(f"{missing} is missing: apt-get install g++ clang valgrind")
            out = tmp_path_factory.mktemp("program") / source.stem
            if way.static:
                libraries = flags(library, "--libs", "--static")
                libraries = [f"-l:lib{name[2:]}.a" if name == "-lskip_client" else name for name in libraries]
            else:
                libraries = [*flags(library, "--libs"), f"-Wl,-rpath,{library / 'lib'}"]
            language = "c++" if "++" in way.compiler[0] else "c"
            run(*way.compiler, *STRICT, *flags(library, "--cflags"), "-x", language, source, "-x", "none", "-o", out,
                *libraries, "-pthread")  # fmt: skip
            made[source, way] = out
        return made[source, way]

    return compiled


class Target:
    """A process of tests/target.c."""

    def __init__(self, program: Path, way: Way) -> None:
        """Starts it."""
        # until a call has surely sent its request
        self.delay = 10_000 if way.under else 1000
        self.process = subprocess.Popen(
            [*way.under, str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | dict(way.environment),
        )
        assert self._answer() == ["ready"]

    def step(self, *words: str | bytes | int) -> list[str]:
        """Does a step; the words of the answer. An empty text goes in as NULL."""
        line = b" ".join(self._word(word) for word in words)
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        """Ends the process; sanitizers and valgrind speak by its status."""
        self.process.communicate(timeout=300)
        assert self.process.returncode == 0

    @staticmethod
    def _word(word: str | bytes | int) -> bytes:
        if isinstance(word, int):
            return str(int(word)).encode()
        content = word if isinstance(word, bytes) else word.encode("utf-8", "surrogatepass")
        quoted = quote_from_bytes(content, safe="=:/,+").encode()
        return {b"": b"-", b"-": b"%2D"}.get(quoted, quoted)

    def _answer(self) -> list[str]:
        assert self.process.stdout is not None
        words = self.process.stdout.readline().decode("ascii").split()
        assert words, f"the program ended with status {self.process.wait(60)}"
        return ["" if word == "-" else unquote_to_bytes(word).decode("utf-8", "surrogateescape") for word in words]


@pytest.fixture(params=WAYS)
def target(request: pytest.FixtureRequest, compiled: Callable[[Path, Way], Path]) -> Iterator[Target]:
    """The program, in each way."""
    way = WAYS[request.param]
    process = Target(compiled(HERE / "target.c", way), way)
    yield process
    process.end()


class Pair:
    """A pair of development Key Providers on free ports."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        """Starts them, with switches of `skip-client serve`."""
        self.folder = folder
        ports = [word for name in ("--alice", "--bob", "--psk-alice", "--psk-bob") for word in (name, "127.0.0.1:0")]
        self.process = subprocess.Popen(
            [TARGET / "debug/skip-client", "serve", "--dir", folder, *ports, *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == "ready":
                break
        endpoints = json.loads((folder / "endpoints.json").read_text())
        self.alice, self.bob = endpoints["alice"]["url"], endpoints["bob"]["url"]
        self.psk_alice, self.psk_bob = endpoints["alice"]["psk_url"], endpoints["bob"]["psk_url"]

    def modes(self) -> dict[str, tuple[str, str, list[str]]]:
        """Alice, Bob and the options of a client, with certificates and with pre-shared keys."""
        certificates = [f"file:ca={self.folder / 'ca.pem'}", f"file:cert={self.folder / 'client.pem'}",
                        f"file:key={self.folder / 'client.key'}"]  # fmt: skip
        # a busy machine is slow, and one under valgrind more so
        patient = ["timeout=60", "connect_timeout=60"]
        return {
            "certificates": (self.alice, self.bob, [*certificates, *patient]),
            "psk": (self.psk_alice, self.psk_bob, [f"file:psk={self.folder / 'psk.txt'}", *patient]),
        }

    def stop(self) -> None:
        """Ends them."""
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Pair]:
    """A pair with switches."""
    pair = Pair(folder, *arguments)
    try:
        yield pair
    finally:
        pair.stop()


@pytest.fixture(scope="session")
def pair(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair without switches."""
    with serving(tmp_path_factory.mktemp("pair") / "kp") as made:
        yield made


@pytest.fixture(scope="session")
def vector_server(pair: Pair) -> Iterator[str]:
    """The URL of the server whose replies are the vectors."""
    command = [sys.executable, str(ROOT / "bindings/tests/vector_server.py"), pair.folder / "alice.pem"]
    process = subprocess.Popen(
        [*command, pair.folder / "alice.key", VECTORS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"https://127.0.0.1:{process.stdout.readline().strip()}"
    process.communicate(timeout=30)
