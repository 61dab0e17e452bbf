"""All contestants in one run: `make bench` writes bench/results.json, docs/performance.md and its plot.

Contestants take turns, round by round, so that a slow moment of the machine affects all of them. What counts is ratios:
to the floor of the same language (a TLS stream with fixed bytes), or to the competitor that a goal names.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import local
import report
import servers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class Contestant:
    """A process that measures itself."""

    def __init__(self, name: str, command: list[str], stderr: int | None = None) -> None:
        """Starts the process."""
        self.name = name
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=stderr, text=True)

    def ask(self, line: str) -> list[int]:
        """The nanoseconds that it measured."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended: status {self.process.wait()}")
        return [int(number) for number in json.loads(answer)]

    def end(self) -> None:
        """Stops the process."""
        self.process.kill()
        self.process.communicate()


class Commands:
    """The commands that start the contestants."""

    def __init__(self, python: str, rust: str, built: dict[str, list[str]]) -> None:
        """Takes the interpreter with all competitors, the Rust program, and the commands of other languages."""
        self.python, self.rust, self.built = python, rust, built

    def command(self, name: str, url: str, ca: str, psk: str | None = None) -> list[str]:
        """`rust floor`, `python httpx`, `node undici`, `go net/http`."""
        language, _, which = name.partition(" ")
        more = [psk] if psk else []
        match language:
            case "rust":
                return [self.rust, which, url, ca, *more]
            case "python":
                return [self.python, str(HERE / "contestant.py"), which, url, ca, *more]
            case "node":
                return ["node", str(HERE / "node" / "contestant.mjs"), which, url, ca]
            case _:
                return [*self.built[language], url, ca]


def compete(
    commands: dict[str, list[str]], pin: list[str], line: str, rounds: int, floors: str | None = None
) -> dict[str, dict[str, float]]:
    """Microseconds per request, median and p99 over all rounds, for each; `floors` is the command for the floors."""
    contestants = [Contestant(name, [*pin, *command]) for name, command in commands.items()]
    samples: dict[str, list[int]] = {name: [] for name in commands}
    lines = {name: floors if floors and "floor" in name else line for name in commands}
    try:
        for contestant in contestants:
            contestant.ask(lines[contestant.name])
        for _ in range(rounds):
            for contestant in contestants:
                samples[contestant.name] += contestant.ask(lines[contestant.name])
    finally:
        for contestant in contestants:
            contestant.end()
    return {
        name: {
            "median": statistics.median(found) / 1000,
            "p99": sorted(found)[int(len(found) * 0.99)] / 1000,
        }
        for name, found in samples.items()
    }


def throughput(commands: dict[str, list[str]], callers: int, each: int, rounds: int) -> dict[str, dict[str, float]]:
    """Keys per second with this many concurrent callers, the median of the rounds."""
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            contestant = Contestant(name, command)
            try:
                taken = contestant.ask(f"many {callers} {each}")[0]
            finally:
                contestant.end()
            found[name].append(callers * each / taken * 1e9)
    return {name: {"keys per second": statistics.median(rates)} for name, rates in found.items()}


RUST = ["rust floor", "rust skip-client", "rust ureq", "rust reqwest"]
PEERS = ("http.client", "urllib3", "requests", "httpx", "pycurl", "skip-qkd")
PYTHON = [f"python {name}" for name in ("floor", "skip-client", *PEERS)]
SMALL = ["python floor", "python skip-client", "python http.client", "python pycurl"]
# each with the option that supplies it
BUILT = {"kotlin": "kotlin skip-client", "swift": "swift skip-client", "go": "go net/http"}
NODE = ["node https", "node undici"]


def main() -> None:
    """Measures everything and writes the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", required=True)
    for language in BUILT:
        parser.add_argument(f"--{language}", help="the command, in words")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    built = {language: shlex.split(getattr(arguments, language) or "") for language in BUILT}
    commands = Commands(sys.executable, arguments.rust, built)
    missing = {name: "not built on this machine" for language, name in BUILT.items() if not built[language]}
    for name, why in missing.items():
        print(f"MISSING: {name}: {why}", file=sys.stderr)
    others = [name for name in (*BUILT.values(), *NODE) if name not in missing]
    rounds = arguments.rounds
    # the Swift made by scripts/swift-env sees this folder, but not /tmp
    tempfile.tempdir = str(Path(arguments.rust).resolve().parent)
    skip_client = str(Path(sys.executable).parent / "skip-client")
    results: dict[str, dict[str, dict[str, float]]] = {}

    def case(name: str, found: dict[str, dict[str, float]]) -> None:
        results[name] = found
        print(name, {who: round(next(iter(values.values())), 1) for who, values in found.items()}, flush=True)

    for where, pin in (("two CPUs", []), ("one CPU", ["taskset", "-c", "0"])):
        with servers.nginx(pin) as kp:
            made = {name: commands.command(name, kp.tls13, kp.ca) for name in [*RUST, *PYTHON, *others]}
            case(f"warm, TLS 1.3, {where}", compete(made, pin, "warm 300", rounds))
    with servers.nginx([]) as kp:
        made = {name: commands.command(name, kp.tls12, kp.ca) for name in [*RUST, *PYTHON, *others]}
        case("warm, TLS 1.2, two CPUs", compete(made, [], "warm 300", rounds))
        names = ["rust skip-client", "rust ureq", *PYTHON[1:], *others]
        closing = {name: commands.command(name, kp.closing, kp.ca) for name in names}
        case("cold, TLS 1.3, X25519, client reused", compete(closing, [], "warm 40", rounds))
        floors = {name: commands.command(name, kp.tls13, kp.ca) for name in ("rust floor", "python floor")}
        case("cold floors: one stream after another", compete(floors, [], "cold 40", rounds))
        case("cold, one group at both ends", groups(commands, [*RUST, *SMALL, *others], rounds, missing))
        for callers, each in ((1, 2000), (10, 300), (100, 50)):
            threads = ["rust floor", "rust skip-client", "python floor", "python skip-client", "python http.client"]
            tasks = ["python skip-client async", "python aiohttp", "python httpx async"]
            made = {name: commands.command(name, kp.tls13, kp.ca) for name in [*threads, *tasks]}
            case(f"{callers} callers at once", throughput(made, callers, each, 3))
        case("one command, a whole process: milliseconds", local.whole_processes(sys.executable, skip_client, kp))
    with servers.pair(skip_client, "connection-close") as kp:
        case("cold, our Key Provider, client reused", compete(modes(commands, kp), [], "warm 40", rounds, "cold 40"))
    with servers.pair(skip_client) as kp:
        case("warm, our Key Provider", compete(modes(commands, kp), [], "warm 300", rounds))
        case("cold, our Key Provider, a client each", compete(modes(commands, kp), [], "cold 40", rounds))
        case("a storm of 10,000 tunnels, 100 callers", local.storm(sys.executable, kp))
        case("growth: microseconds a key", local.growth(sys.executable, kp))
    case("validate(key): nanoseconds", local.validation())
    case("import: milliseconds over a bare interpreter", local.imports(sys.executable))
    case("memory of idle clients: KiB", local.memory(sys.executable))
    case("packages: MiB", local.sizes(ROOT))

    machine = {
        "cpu": next(iter(cpu_names()), platform.machine()),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    document = {"machine": machine, "missing": missing, "results": results}
    (HERE / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    report.write(document, ROOT / "docs")


def modes(commands: Commands, kp: servers.Pair) -> dict[str, list[str]]:
    """Certificates with both TLS libraries, and pre-shared keys, which Python's ssl lacks before 3.13."""
    made = {}
    for language in ("rust", "python"):
        certificates = [("", "skip-client"), (", OpenSSL", "skip-client-openssl"), (", floor", "floor")]
        for suffix, which in certificates:
            command = commands.command(f"{language} {which}", kp.alice, kp.ca)
            made[f"{language} certificates{suffix}"] = command
        for suffix, which in [("", "skip-client"), (", floor", "floor")][: 2 if language == "rust" else 1]:
            command = commands.command(f"{language} {which}", kp.alice_psk, kp.ca, kp.psk)
            made[f"{language} PSK{suffix}"] = command
    return made


def groups(commands: Commands, names: list[str], rounds: int, missing: dict[str, str]) -> dict[str, dict[str, float]]:
    """Key exchange with and without ML-KEM, with the same group at both ends; reports who lacks a group."""
    with ExitStack() as stack:
        made = {}
        for group in ("X25519", "X25519MLKEM768"):
            url, ca = stack.enter_context(servers.one_group(commands.rust, group))
            for name in names:
                # Go enables ML-KEM by default only for modules that are new enough
                mlkem = ["env", "GODEBUG=tlsmlkem=1"] if group != "X25519" else []
                command = [*mlkem, *commands.command(name, url, ca)]
                # all of them support X25519, so failing there is an error
                if group == "X25519" or can(name, command):
                    made[f"{name}, {group}"] = command
                else:
                    missing[f"{name}, {group}"] = "its TLS library, as it comes, does not offer this group"
                    print(f"MISSING: {name}: no {group}", file=sys.stderr)
        return compete(made, [], "warm 40", rounds, "cold 40")


def can(name: str, command: list[str]) -> bool:
    """Whether a contestant can fetch a key."""
    contestant = Contestant(name, command, stderr=subprocess.DEVNULL)
    try:
        contestant.ask("cold 1")
    except RuntimeError:
        return False
    finally:
        contestant.end()
    return True


def cpu_names() -> list[str]:
    """The processor's name according to Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]


if __name__ == "__main__":
    main()
