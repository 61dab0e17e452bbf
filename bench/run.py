"""All contestants in one run: `make bench` writes bench/results.json, docs/performance.md and its plot.

Contestants take turns, round by round, so that a slow moment of the machine affects all of them. What counts is ratios:
to the floor of the same language (a TLS stream with fixed bytes), or to the competitor that a goal names. At the end it
prints what changed since the last recorded run on the same kind of processor.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Timer
from typing import Any

import agents
import local
import records
import report
import servers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


# seconds; no command takes that long
PATIENCE = 120.0
NOT_BUILT = "not built on this machine"
# just-in-time compilers need more requests to warm up
WARM_UP = {"kotlin": 10, "node": 10}
# with many callers it takes a hundred times as long as others, so it makes fewer requests
SLOW = {"python httpx async": 5}


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
        clock = Timer(PATIENCE, self.process.kill)
        clock.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            clock.cancel()
        if not answer:
            raise Ended(f"it ended with status {self.process.wait()} at `{line}`")
        return [int(number) for number in json.loads(answer)]

    def end(self) -> None:
        """Stops the process."""
        self.process.kill()
        self.process.communicate()


class Ended(RuntimeError):
    """A contestant stopped answering."""


class Commands:
    """The commands that start the contestants."""

    def __init__(self, python: str, rust: str, built: dict[str, list[str]]) -> None:
        """Takes the interpreter with all competitors, the Rust program, and the commands of other languages."""
        self.built = {
            **built,
            "rust": [rust],
            "python": [python, str(HERE / "contestant.py")],
            "node": ["node", str(HERE / "node" / "contestant.mjs")],
        }

    def command(self, name: str, url: str, ca: str, psk: str | None = None) -> list[str]:
        """`rust floor`, `python httpx`, `node undici`, `go net/http`."""
        language, _, which = name.partition(" ")
        return [*self.built[language], which, url, ca, *([psk] if psk else [])]


class Absent(dict[str, str]):
    """The contestants that did not take part, and why."""

    def note(self, name: str, why: str) -> None:
        """Adds one, and prints it."""
        if name not in self:
            self[name] = why
            print(f"MISSING: {name}: {why}", file=sys.stderr)


def compete(
    commands: dict[str, list[str]], pin: list[str], line: str, rounds: int, absent: Absent, floors: str | None = None
) -> dict[str, records.Figure]:
    """Microseconds per request, median and p99 over all rounds, for each; `floors` is the command for the floors."""
    contestants = [Contestant(name, [*pin, *command]) for name, command in commands.items()]
    samples: dict[str, list[list[int]]] = {name: [] for name in commands}
    lines = {name: floors if floors and "floor" in name else line for name in commands}
    try:
        # the first round warms up
        for at in range(rounds + 1):
            for contestant in contestants:
                if contestant.name not in samples:
                    continue
                times = 1 if at else WARM_UP.get(contestant.name.partition(" ")[0], 1)
                try:
                    found = [contestant.ask(lines[contestant.name]) for _ in range(times)]
                except Ended as reason:
                    absent.note(contestant.name, str(reason))
                    del samples[contestant.name]
                    continue
                if at:
                    samples[contestant.name] += found
    finally:
        for contestant in contestants:
            contestant.end()
    return {name: latencies(found) for name, found in samples.items()}


def latencies(rounds: list[list[int]]) -> records.Figure:
    """Microseconds: the median and the 99th percentile of all, and the median of each round."""
    every = sorted(taken for found in rounds for taken in found)
    figure = records.figure(
        [statistics.median(found) / 1000 for found in rounds], p99=every[int(len(every) * 0.99)] / 1000
    )
    return {**figure, "median": statistics.median(every) / 1000}


def throughput(
    commands: dict[str, list[str]], callers: int, each: int, rounds: int, absent: Absent
) -> dict[str, records.Figure]:
    """Keys per second with this many concurrent callers, and how long each call took, in microseconds."""
    rates: dict[str, list[float]] = {name: [] for name in commands}
    calls: dict[str, list[int]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            if name not in rates:
                continue
            contestant = Contestant(name, command)
            calls_each = each // SLOW.get(name, 1)
            try:
                total, *taken = contestant.ask(f"many {callers} {calls_each}")
            except Ended as reason:
                absent.note(name, str(reason))
                del rates[name]
                continue
            finally:
                contestant.end()
            rates[name].append(callers * calls_each / total * 1e9)
            calls[name] += taken
    return {
        name: records.figure(
            found,
            "keys per second",
            p50=statistics.median(calls[name]) / 1000,
            p99=sorted(calls[name])[int(len(calls[name]) * 0.99)] / 1000,
        )
        for name, found in rates.items()
    }


RUST = ["rust floor", "rust skip-client", "rust ureq", "rust reqwest"]
PEERS = ("http.client", "urllib3", "requests", "httpx", "pycurl", "skip-qkd")
PYTHON = [f"python {name}" for name in ("floor", "skip-client", *PEERS)]
SMALL = ["python floor", "python skip-client", "python http.client", "python pycurl"]
NODE = ["node https", "node undici"]
# each language with its contestants; an option supplies its command
BUILT = {
    "c": ["c skip-client", "c libcurl"],
    "go": ["go skip-client", "go net/http"],
    "kotlin": ["kotlin skip-client", "kotlin OkHttp", "kotlin java.net.http"],
    "swift": ["swift skip-client", "swift URLSession"],
}
THREADS = ["rust floor", "rust skip-client", "python floor", "python skip-client", "python http.client"]
TASKS = ["python skip-client async", "python aiohttp", "python httpx async"]


class Run:
    """The cases, one by one: one that fails does not lose the others."""

    def __init__(self, rounds: int) -> None:
        """Has measured nothing yet."""
        self.rounds = rounds
        self.results: records.Results = {}
        self.absent = Absent()
        self.failed = False
        self.started = time.monotonic()

    def case(self, name: str, measure: Callable[[], dict[str, records.Figure]]) -> None:
        """Measures a case, and prints the result."""
        try:
            found = measure()
        except Exception as reason:  # any error: the earlier measurements are worth keeping
            self.absent.note(name, f"{type(reason).__name__}: {reason}")
            self.failed = True
            return
        self.results[name] = found
        at = time.monotonic() - self.started
        print(f"{at:4.0f} s", name, {who: round(records.first(it), 1) for who, it in found.items()}, flush=True)

    def compete(self, name: str, commands: dict[str, list[str]], line: str, **options: Any) -> None:
        """A case in which contestants take turns."""
        pin = options.pop("pin", [])
        self.case(name, lambda: compete(commands, pin, line, self.rounds, self.absent, **options))


def main() -> int:
    """Measures everything and writes the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rust", required=True)
    parser.add_argument("--command", help="skip-client, as released")
    for language in BUILT:
        parser.add_argument(f"--{language}", help="the command, in words")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-record", action="store_true", help="only print, to try something")
    arguments = parser.parse_args()
    built = {language: shlex.split(getattr(arguments, language) or "") for language in BUILT}
    commands = Commands(sys.executable, arguments.rust, built)
    # the Swift made by scripts/swift-env sees this folder, but not /tmp
    tempfile.tempdir = str(Path(arguments.rust).resolve().parent)
    skip_client = str(Path(sys.executable).parent / "skip-client")
    run = Run(arguments.rounds)
    machine = {**records.processor(), "load": os.getloadavg()[0]}
    if machine["load"] > 0.5:
        print(f"WARNING: the machine is not idle: a load of {machine['load']:.1f} before the start", file=sys.stderr)
    with servers.nginx([]) as kp:
        others = present(commands, kp, run.absent)
    print("take part:", ", ".join(others))

    for where, pin in (("two CPUs", []), ("one CPU", ["taskset", "-c", "0"])):
        with servers.nginx(pin) as kp:
            made = {name: commands.command(name, kp.tls13, kp.ca) for name in [*RUST, *PYTHON, *others]}
            run.compete(f"warm, TLS 1.3, {where}", made, "warm 300", pin=pin)
    with servers.nginx([]) as kp:
        made = {name: commands.command(name, kp.tls12, kp.ca) for name in [*RUST, *PYTHON, *others]}
        run.compete("warm, TLS 1.2, two CPUs", made, "warm 300")
        names = ["rust floor", "rust skip-client", "rust ureq", *PYTHON, *others]
        closing = {name: commands.command(name, kp.closing, kp.ca) for name in names}
        run.compete("cold, TLS 1.3, X25519, client reused", closing, "warm 40", floors="cold 40")
        run.case("cold, one group at both ends", lambda: groups(commands, [*RUST, *SMALL, *others], run))
        for callers, each in ((1, 2000), (10, 300), (100, 50)):
            names = [*THREADS, *TASKS, *(name for name in others if not name.startswith("node"))]
            made = {name: commands.command(name, kp.tls13, kp.ca) for name in names}
            run.case(f"{callers} callers at once", partial(throughput, made, callers, each, 3, run.absent))
        run.case(
            "one command, a whole process: milliseconds",
            lambda: local.whole_processes(sys.executable, skip_client, arguments.command, kp),
        )
    bound = [name for name in others if name in ("c skip-client", "go skip-client")]
    with servers.pair(skip_client, "connection-close") as pair:
        made = modes(commands, pair, bound)
        run.compete("cold, our Key Provider, client reused", made, "warm 40", floors="cold 40")
    with servers.pair(skip_client) as pair:
        made = modes(commands, pair, bound)
        run.compete("warm, our Key Provider", made, "warm 300")
        run.compete("cold, our Key Provider, a client each", made, "cold 40")
        run.case("a storm of 10,000 tunnels, 100 callers", lambda: local.storm(sys.executable, pair))
        run.case("growth: microseconds a key", lambda: local.growth(sys.executable, pair))
    run.case(agents.CASE, lambda: agents.measure(arguments.command or skip_client))
    run.case("validate(key): nanoseconds", local.validation)
    run.case("import: milliseconds over a bare interpreter", lambda: local.imports(sys.executable))
    run.case("memory of idle clients: KiB", lambda: local.memory(sys.executable))
    run.case("packages: KiB", lambda: local.sizes(ROOT, run.absent))

    before = records.like(machine)
    document = {"machine": machine, "missing": run.absent, "results": run.results}
    if not arguments.no_record:
        report.write(records.save(document), ROOT / "docs")
    print(f"\n{records.kind(machine)}: {time.monotonic() - run.started:.0f} s")
    for line in report.since(before, run.results):
        print(line)
    broken = [name for name, why in run.absent.items() if "skip-client" in name and why != NOT_BUILT]
    return int(run.failed or bool(broken))


def present(commands: Commands, kp: servers.Neutral, absent: Absent) -> list[str]:
    """The contestants that were built and can fetch a key; says why the others cannot."""
    found = []
    for name in [*(name for names in BUILT.values() for name in names), *NODE]:
        language = name.partition(" ")[0]
        if not commands.built[language]:
            absent.note(name, NOT_BUILT)
        elif why := refusal(name, commands.command(name, kp.tls13, kp.ca)):
            absent.note(name, why)
        else:
            found.append(name)
    return found


def modes(commands: Commands, kp: servers.Pair, bound: list[str]) -> dict[str, list[str]]:
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
    for name in bound:
        language = name.partition(" ")[0]
        made[f"{language} certificates"] = commands.command(name, kp.alice, kp.ca)
        made[f"{language} PSK"] = commands.command(name, kp.alice_psk, kp.ca, kp.psk)
    return made


def groups(commands: Commands, names: list[str], run: Run) -> dict[str, records.Figure]:
    """Key exchange with and without ML-KEM, with the same group at both ends; reports contestants that lack a group."""
    with ExitStack() as stack:
        made = {}
        for group in ("X25519", "X25519MLKEM768"):
            url, ca = stack.enter_context(servers.one_group(commands.built["rust"][0], group))
            for name in names:
                # Go enables ML-KEM by default only for modules that are new enough
                mlkem = ["env", "GODEBUG=tlsmlkem=1"] if group != "X25519" else []
                command = [*mlkem, *commands.command(name, url, ca)]
                # all of them support X25519, so failing there is an error
                if group == "X25519" or not refusal(name, command):
                    made[f"{name}, {group}"] = command
                else:
                    run.absent.note(f"{name}, {group}", "its TLS library, as it comes, does not offer this group")
        return compete(made, [], "warm 40", run.rounds, run.absent, floors="cold 40")


def refusal(name: str, command: list[str]) -> str | None:
    """Why a contestant cannot fetch a key."""
    with tempfile.TemporaryFile("w+") as errors:
        contestant = Contestant(name, command, stderr=errors.fileno())
        try:
            contestant.ask("cold 1")
        except Ended as reason:
            errors.seek(0)
            said = [line for line in errors.read().splitlines() if line.strip()]
            # the first line that names an error: some contestants show source lines before it
            told = next((line for line in said if "rror" in line), said[-1] if said else "")
            return f"{reason}: {told[:200]}" if told else str(reason)
        finally:
            contestant.end()
    return None


if __name__ == "__main__":
    sys.exit(main())
