"""Side by side in one run: `make bench` runs this, and writes bench/results.json, docs/performance.md and its plot.

Contestants take turns, round by round, so that a slow moment of the machine hits all of them. Ratios are what counts:
against the floor of the same language (a TLS stream with fixed bytes) or against the peer that a goal names.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

import local
import report
import servers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class Contestant:
    """A process that measures itself."""

    def __init__(self, name: str, command: list[str]) -> None:
        """Starts it."""
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> list[int]:
        """Nanoseconds, as it measured them."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended: status {self.process.wait()}")
        return [int(number) for number in json.loads(answer)]

    def end(self) -> None:
        """Stops it."""
        self.process.kill()
        self.process.communicate()


class Commands:
    """How each contestant is started."""

    def __init__(self, python: str, rust: str, go: str | None) -> None:
        """The interpreter with all peers, and the built programs."""
        self.python, self.rust, self.go = python, rust, go

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
                assert self.go is not None
                return [self.go, url, ca]


def compete(commands: dict[str, list[str]], pin: list[str], line: str, rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a request, median and p99 over all rounds, for each contestant."""
    contestants = [Contestant(name, [*pin, *command]) for name, command in commands.items()]
    samples: dict[str, list[int]] = {name: [] for name in commands}
    try:
        for contestant in contestants:
            contestant.ask(line)
        for _ in range(rounds):
            for contestant in contestants:
                samples[contestant.name] += contestant.ask(line)
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
    """Keys per second with so many callers at once, the median of the rounds."""
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
PEERS = ("http.client", "urllib3", "requests", "httpx", "pycurl")
PYTHON = [f"python {name}" for name in ("floor", "skip-client", *PEERS)]
OTHERS = ["node https", "node undici", "go net/http"]


def main() -> None:
    """Measures, and writes the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", required=True)
    parser.add_argument("--go")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    commands = Commands(sys.executable, arguments.rust, arguments.go)
    others = [name for name in OTHERS if arguments.go or not name.startswith("go")]
    rounds = arguments.rounds
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
        for callers, each in ((1, 2000), (10, 300), (100, 50)):
            threads = ["rust floor", "rust skip-client", "python floor", "python skip-client", "python http.client"]
            tasks = ["python skip-client async", "python aiohttp", "python httpx async"]
            made = {name: commands.command(name, kp.tls13, kp.ca) for name in [*threads, *tasks]}
            case(f"{callers} callers at once", throughput(made, callers, each, 3))
        case("one command, a whole process: milliseconds", local.whole_processes(sys.executable, skip_client, kp))
    with servers.pair(skip_client, "connection-close") as kp:
        case("cold, our Key Provider, client reused", compete(modes(commands, kp), [], "warm 40", rounds))
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
    document = {"machine": machine, "results": results}
    (HERE / "results.json").write_text(json.dumps(document, indent=1) + "\n")
    report.write(document, ROOT / "docs")


def modes(commands: Commands, kp: servers.Pair) -> dict[str, list[str]]:
    """Certificates by both TLS libraries, and the pre-shared key."""
    return {
        f"{language} {mode}": commands.command(f"{language} {which}", url, kp.ca, psk)
        for language in ("rust", "python")
        for mode, which, url, psk in (
            ("certificates", "skip-client", kp.alice, None),
            ("certificates, OpenSSL", "skip-client-openssl", kp.alice, None),
            ("PSK", "skip-client", kp.alice_psk, kp.psk),
        )
    }


def cpu_names() -> list[str]:
    """What Linux calls the processors."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    return [line.split(": ", 1)[1] for line in lines if line.startswith("model name")]


if __name__ == "__main__":
    main()
