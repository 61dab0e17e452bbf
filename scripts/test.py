#!/usr/bin/env python3
"""Runs the parts of the tests one after the other and ends with a table: `make test`, `make test-PART`.

A part that fails does not stop the others. Parts and tests whose programs are missing are skipped: the table says why,
and how to install them. A part named explicitly must run, and with CI=true each skip is a failure. The output of a part
is also in target/test/PART.log.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "target/test"
CI = bool(os.environ.get("CI"))
PYTEST = ".venv/bin/pytest -rfEs --no-fold-skipped --tb=short"


@dataclass(frozen=True)
class Part:
    """What a part needs, in the terms of scripts/need, and the shell command that runs it."""

    needs: str
    command: str


# `make installed` is the Python package in .venv, which several parts use
PARTS = {
    # core, Key Provider, command line, examples, Rust blocks of the documentation
    "test-rust": Part(
        "cargo cc libssl-or-perl openssl script",
        "cargo test --locked --no-fail-fast"
        " $(scripts/need libssl 2>/dev/null || echo --features skip-client/psk-vendored)",
    ),
    # the package as published, third-party servers, load, blocks of the documentation
    "test-python": Part("python3 cargo cc perl openssl", f"make installed && {PYTEST} python/tests"),
    # the npm package as published, the page in a browser, cross-checks
    "test-node": Part(
        "node cargo cc wasm32-unknown-unknown python3",
        "make npm .venv/tools node/test/ecosystem/node_modules/installed && cd node && npm test --silent",
    ),
    # the JVM package, a project that uses it, the Android archive and example
    "test-kotlin": Part("javac mvn cargo cc perl python3", "scripts/kotlin test"),
    # the Swift package, with the Swift on the PATH or in a Debian 13 created for it
    "test-swift": Part("cargo cc perl python3", "scripts/swift test"),
    # the C library: both compilers, C and C++, static and shared, AddressSanitizer, valgrind; C blocks of the
    # documentation
    "test-c": Part(
        "linux python3 cargo cc libssl",
        f"make .venv/tools && {PYTEST} -c python/pyproject.toml --rootdir bindings/c/tests bindings/c/tests",
    ),
    # the Go package under the race detector, a short fuzz run, the example; Go blocks of the documentation
    "test-go": Part("linux go python3 cargo cc libssl", "scripts/go test"),
    # no copy of a key stays in memory: a table of TLS stacks, languages and failures
    "test-residue": Part(
        "linux python3 cargo cc libssl perl openssl readelf",
        "make installed && cargo build --locked --profile ${PROFILE:-quick} -p skip-client-residue"
        f" && {PYTEST} -c python/pyproject.toml --rootdir tests/residue tests/residue",
    ),
    # real strongSwan and WireGuard gateways take keys: ROTATIONS=100 each, FAULTS=1000 from SEED=7
    "test-gateways": Part(
        "gateways python3 cargo cc perl openssl",
        f"make installed && {PYTEST} -c python/pyproject.toml --rootdir tests/gateways tests/gateways",
    ),
    # the documentation site: links, names, and its appearance and search in a browser
    "test-docs": Part(
        "node python3 cargo cc perl wasm32-unknown-unknown",
        "make installed && scripts/docs-node && make docs-site"
        f" && {PYTEST} -c python/pyproject.toml --rootdir docs/site docs/site"
        " && cd node && node --test --test-reporter=spec test/site/*.test.js",
    ),
}
# these run only on request
MORE = {
    # formatters, linters, types, wasm purity, licences; side by side, as many of them use one processor
    "check": Part("", "make -j2 --output-sync=target check"),
}

# how test runners report failures and skips, with the reason
FAILED = (
    re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+?::.+?)(?: - .*)?$"),  # pytest
    re.compile(r"^test (?P<test>.+) \.\.\. FAILED$"),  # cargo test
    re.compile(r"^\s*✖ (?P<test>.+) \([\d.]+ms\)$"),  # node --test
    re.compile(r"^\s*--- FAIL: (?P<test>\S+)"),  # go test
    re.compile(r"^Test Case '(?P<test>.+)' failed"),  # XCTest
    re.compile(r"^\[ERROR\] (?P<test>.+) -- Time elapsed: .* <<< (?:FAILURE|ERROR)!$"),  # surefire
)
SKIPPED = (
    re.compile(r"^SKIPPED (?P<test>\S+?::.+?) - Skipped: (?P<why>.*)$"),
    re.compile(r"^test (?P<test>.+) \.\.\. ignored(?:, (?P<why>.*))?$"),
    re.compile(r"^\s*﹣ (?P<test>.+) \([\d.]+ms\) # (?P<why>.*)$"),
    re.compile(r"^\s*--- SKIP: (?P<test>\S+)"),
    re.compile(r"^Test Case '(?P<test>.+)' skipped"),
    re.compile(r"^SKIPPED: (?P<test>[^:]+): (?P<why>.*)$"),  # our scripts and Rust tests
)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Row:
    """A row of the table: a part, or some of its tests with the same outcome and reason."""

    name: str
    result: str
    why: str = ""
    command: str = ""
    seconds: float | None = None


@dataclass
class Seen:
    """The results of single tests, from the output of a part."""

    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Parses a line."""
        text = COLOURS.sub("", text.rstrip())
        for pattern in FAILED:
            if (found := pattern.match(text)) and found["test"] not in self.failed:
                self.failed.append(found["test"])
                return
        for pattern in SKIPPED:
            if found := pattern.match(text):
                self.skipped.append((found["test"], found.groupdict().get("why") or "the test does not say why"))
                return

    def rows(self, part: str) -> list[Row]:
        """Combines tests that differ only in their parameters into one row."""
        failed = Counter(test.partition("[")[0] for test in self.failed)
        rows = [Row(named(test, count), "FAILED", f"see target/test/{part}.log") for test, count in failed.items()]
        skipped = Counter((test.partition("[")[0], why) for test, why in self.skipped)
        for (test, why), count in skipped.items():
            reason, _, command = why.partition("; hint: ")
            rows.append(Row(named(test, count), "skipped", reason, command))
        return rows


def named(test: str, count: int) -> str:
    """The name of a test, indented below its part."""
    return f"  {test}" + (f" ({count})" if count > 1 else "")


def missing(needs: str) -> list[tuple[str, str]]:
    """The requirements that are missing, and how to install them."""
    said = subprocess.run([ROOT / "scripts/need", "--why", *needs.split()], stdout=subprocess.PIPE, text=True).stdout
    return [(what, how) for what, _, how in (line.partition("; hint: ") for line in said.splitlines())]


def run(name: str, part: Part, may_skip: bool) -> list[Row]:
    """Runs a part and prints its output."""
    if lacks := missing(part.needs):
        first, *more = lacks
        return [Row(name, "skipped" if may_skip else "FAILED", *first, 0), *(Row("", "", *each) for each in more)]
    print(f"\n==== {name}: {part.command}", flush=True)
    seen = Seen()
    began = time.monotonic()
    # bash, so that a glob without matches, or a failure of the first of two commands, fails the part
    shell = ["bash", "-euo", "pipefail", "-c", part.command]
    with (LOGS / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            shell, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            assert process.stdout is not None
            for raw in process.stdout:
                text = raw.decode(errors="replace")
                sys.stdout.write(text)
                sys.stdout.flush()
                log.write(text)
                seen.line(text)
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    rows = seen.rows(name)
    row = Row(name, "passed", seconds=time.monotonic() - began)
    if status or seen.failed:
        row.result, row.why, row.command = "FAILED", f"exit status {status}, see target/test/{name}.log", f"make {name}"
    elif CI and seen.skipped:
        row.result, row.why = "FAILED", "nothing may be skipped where CI is set"
    return [row, *rows]


def show(rows: list[Row], seconds: float) -> None:
    """Prints the table."""

    def cells(row: Row) -> list[str]:
        return [row.name, row.result, "" if row.seconds is None else duration(row.seconds), row.why, row.command]

    table = [["what", "result", "time", "why", "how to get it"], *map(cells, rows)]
    table.append(["all", "FAILED" if is_failed(rows) else "passed", duration(seconds), "", ""])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print()
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    sys.stdout.flush()


def duration(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def is_failed(rows: list[Row]) -> bool:
    """Whether anything failed, or nothing could run."""
    results = {row.result for row in rows}
    return "FAILED" in results or "passed" not in results


def stop(number: int, _frame: object) -> None:
    """Interrupted: prints the table so far."""
    raise SystemExit(128 + number)


def main(names: list[str]) -> int:
    """Runs the named parts, or all."""
    known = PARTS | MORE
    if unknown := [name for name in names if name not in {*known, "test"}]:
        print(f"error: there is no part {unknown[0]}\nhint: {' '.join(known)}", file=sys.stderr)
        return 2
    # skip the 3 GB for Swift and the long gateway run unless they were requested
    whole = "test" in names or not names
    wanted = [part for name in names or ["test"] for part in (PARTS if name == "test" else [name])]
    if whole:
        os.environ["ROTATIONS"] = os.environ.get("ROTATIONS", "10")
        os.environ["FAULTS"] = os.environ.get("FAULTS", "30")
    if whole and not CI:
        known["test-swift"] = Part(f"swift {PARTS['test-swift'].needs}", PARTS["test-swift"].command)
    signal.signal(signal.SIGTERM, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows: list[Row] = []
    if whole:
        subprocess.run([ROOT / "scripts/setup"])
        rows.append(Row("setup", "done", seconds=time.monotonic() - began))
    left = list(wanted)
    try:
        while left:
            rows += run(left[0], known[left[0]], may_skip=whole and not CI)
            left.pop(0)
    except (KeyboardInterrupt, SystemExit) as ended:
        rows += [Row(name, "FAILED", "not run to its end") for name in left]
        return ended.code if isinstance(ended, SystemExit) and isinstance(ended.code, int) else 130
    finally:
        show(rows, time.monotonic() - began)
    return 1 if is_failed(rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
