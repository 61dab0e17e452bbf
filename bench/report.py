"""Renders the results as a page of the documentation, with a plot; run as a program, what was recorded last."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import records

WARM, ONE_CPU = "warm, TLS 1.3, two CPUs", "warm, TLS 1.3, one CPU"
COLD, CALLERS = "cold, TLS 1.3, X25519, client reused", "100 callers at once"
OUR_COLD, OUR_WARM = "cold, our Key Provider, client reused", "warm, our Key Provider"
PROCESS = "one command, a whole process: milliseconds"
JVM = ("kotlin OkHttp", "kotlin java.net.http")

# case, ours, the others (the best one counts), goal, what; a case may be followed by the column
GOALS = [
    (WARM, "rust skip-client", "rust floor", 1.25, "Rust warm against the Rust floor"),
    (ONE_CPU, "rust skip-client", "rust floor", 1.2, "Rust warm on one CPU against the floor"),
    (WARM, "rust skip-client", "rust ureq", 1.0, "Rust warm against ureq as it comes"),
    (WARM, "rust skip-client", "rust reqwest", 1.0, "Rust warm against reqwest"),
    (WARM, "python skip-client", "python floor", 1.0, "Python warm against the ssl socket"),
    (ONE_CPU, "python skip-client", "python floor", 1.0, "Python warm on one CPU against the ssl socket"),
    (COLD, "python skip-client", "python http.client", 0.9, "Python cold against http.client"),
    (WARM, "c skip-client", "c libcurl", 0.8, "C warm against libcurl"),
    (COLD, "c skip-client", "c libcurl", 0.8, "C cold against libcurl"),
    (OUR_WARM, "c PSK", "rust PSK, floor", 1.25, "C warm with a PSK against an OpenSSL stream"),
    (OUR_COLD, "c PSK", "rust PSK, floor", 1.25, "C cold with a PSK against an OpenSSL stream"),
    (WARM, "go skip-client", "go net/http", 0.8, "Go warm against net/http"),
    (COLD, "go skip-client", "go net/http", 0.8, "Go cold against net/http"),
    (WARM, "kotlin skip-client", JVM, 0.8, "Kotlin warm against the better of OkHttp and java.net.http"),
    ((WARM, "p99"), "kotlin skip-client", JVM, 1.0, "Kotlin warm, 99th percentile, against the better of these"),
    (COLD, "kotlin skip-client", JVM, 0.8, "Kotlin cold against the better of OkHttp and java.net.http"),
    (WARM, "swift skip-client", "swift URLSession", 0.8, "Swift warm against URLSession"),
    ((WARM, "p99"), "swift skip-client", "swift URLSession", 1.0, "Swift warm, 99th percentile, against URLSession"),
    (COLD, "swift skip-client", "swift URLSession", 0.8, "Swift cold against URLSession"),
    (PROCESS, "skip-client", "curl", 1.0, "the command, a whole process, against curl"),
    (OUR_COLD, "rust PSK", "rust certificates, OpenSSL", 0.7, "cold PSK against cold certificates, both by OpenSSL"),
    (OUR_COLD, "rust PSK", "rust certificates", 0.7, "cold PSK against cold certificates by rustls"),
    (
        "validate(key): nanoseconds",
        "skip-client",
        "orjson + jsonschema-rs",
        0.5,
        "Python validation against orjson + jsonschema-rs",
    ),
]
RATES = [
    (CALLERS, "python skip-client", "python floor", 1.0, "100 threads against raw ssl sockets"),
    (CALLERS, "python skip-client async", "python httpx async", 10.0, "100 coroutines against httpx"),
    (CALLERS, "python skip-client async", "python aiohttp", 3.0, "100 coroutines against aiohttp"),
    (CALLERS, "kotlin skip-client", JVM, 1.25, "Kotlin, 100 callers, against the better of OkHttp and java.net.http"),
    (CALLERS, "go skip-client", "go net/http", 1.25, "Go, 100 callers, against net/http"),
]
# case, ours, what is subtracted, goal, what
LIMITS = [
    (PROCESS, "skip-client of the wheel", "python, nothing", 10.0, "the wheel's command over bare Python, ms"),
    ("import: milliseconds over a bare interpreter", "skip_client", None, 10.0, "import skip_client, ms"),
    ("memory of idle clients: KiB", "certificates", None, 200.0, "an idle client with certificates, KiB"),
    ("memory of idle clients: KiB", "PSK", None, 200.0, "an idle client with a PSK, KiB"),
    ("packages: KiB", "the import of npm, gzip", None, 45.0, "what npm's import loads, KiB of gzip"),
]
# the languages over the C library and the library itself
LAYERS = {"c": "C", "go": "Go"}
# how much larger a package may be than the last one recorded
GROWTH = 0.05


# instructions are counted by callgrind and are therefore reproducible; they change with the code and the libraries
NOTES = """
## What the rest is made of

* **Warm requests.** The Rust floor takes 11,000 instructions of its own a request, the client 21,000 (clearing memory
  not counted by the byte). The difference is one look at the idle connection before a key is asked for on it (a
  system call), the deadline (the kernel sets a timer for each read), headers and JSON, and buffers that are cleared.
  A deadline and a key that is asked for once are what the client is for, so neither goes. Switched off one at a time
  on one CPU, where the floor takes 42 microseconds, the timer is worth 0.5 of them, the look at the connection 0.2, and
  clearing the stack and holding forks off nothing that can be measured; all together 1.7. The rest of the difference is
  code that the processor has to load again after each change to the server: headers, JSON, keys in locked memory.
  Between runs on this machine the same program was at 1.03 to 1.34 of the floor; with two CPUs once at 1.84, where
  TLS 1.2 in the same run was at 0.89: it is the CPU that the system gives to each end.
* **Cold, with a pre-shared key.** OpenSSL makes this handshake, and it is the slower of the two libraries: 3.8
  million instructions on the client's side, against 1.5 million of rustls with AWS-LC, which also verifies a
  certificate. ML-KEM-768 is 31 % of them and X25519 28 % (both in C here, in assembly there), the key schedule with
  SHA-384 12 %, clearing memory 9 %. Beside certificates by the same OpenSSL the pre-shared key saves what it should,
  and an OpenSSL stream with fixed bytes, the floor, takes nearly as long.
* **ML-KEM.** With X25519MLKEM768 instead of X25519 a cold request takes 40 to 200 microseconds more, of both ends
  together, in our client and in others.
* **Kotlin.** A blocking call is made in the thread of the caller. UniFFI's texts and records would take about 100
  microseconds on their way through JNA, so that question and answer of `newKey` and `keyById` are in one buffer
  instead, and three calls of JNA remain: 117 microseconds where it was 330, side by side on a busy machine, and after
  the run above, which has the 330. Suspending calls and futures need a second thread, which takes 15 to 45
  microseconds more. The 99th percentile of a JVM that has just started is its compiler: in the first 300 requests 970
  methods were compiled, in the next 2,100 another 750, while garbage was collected once in 1,000 requests; OkHttp and
  java.net.http show the same. What is compiled while it runs therefore warms up ten times as long here.
* **Swift.** Its calls wait in a thread of their own: two changes of threads, which take longer than the request itself
  in Rust.
* **skip-qkd** is good for one request, so it connects for each, in the tables of warm requests too.
* **Coroutines.** The calls run in threads that never take the interpreter's lock, and the event loop is woken once for
  as many answers as there are. With 8 calls at once instead of 128 a key costs 1.4 instead of 2.4 changes of threads,
  and two thirds of the processor's time; calls that take longer than a millisecond do not count. For one caller the
  changes of threads, there and back, are most of it.
* **Import.** `_core` is mapped and linked, then errors and names are made; nothing else of Python is imported.
* **Long lists of remoteSystemID.** An index of a list is built once; then a call costs the same with any list. A client
  reads replies of up to 64 KiB, which is a list of 3,000 to 16,000 entries; larger ones are refused. Patterns with a
  wildcard at both ends have nothing to be found by, and are compared one by one.
* **Keys alive.** 100,000 keys of 256 bits take 21 MB in Python, of which 3.1 MB are the keys, in locked memory. Beyond
  the limit on locked memory (`RLIMIT_MEMLOCK`, often 8 MB) nothing fails, and calls take a few percent longer: with
  limits of 0, 64 KiB and 2 MiB exactly so much was locked, and the rest is only excluded from core dumps. Memory for
  keys is used again for later ones; it is not unlocked or given back.
* **The command.** 200 system calls and no configuration to read, where curl makes 560 and loads 30 libraries; most of
  its time is the dynamic loader, the parser of arguments and one handshake.
* **Wheel.** 12 MB of machine code: a third OpenSSL, a sixth AWS-LC, and the command line with its doctor, its agent and
  the development Key Providers. That of a release is packed tighter: [packages](packages.md).
"""


def write(recorded: dict[str, dict[str, Any]], docs: Path) -> None:
    """Writes performance.md and performance.svg; the last record is the one that was just measured."""
    document = list(recorded.values())[-1]
    results, machine = document["results"], document["machine"]
    lines = [
        "# Performance, measured",
        "",
        "Written by `make bench`: all contestants in one run, taking turns, on one machine. Ratios count: the",
        "machine was shared and noisy. The floor is a TLS stream with fixed bytes and no HTTP library, in the same",
        "language. Times are microseconds unless a table says otherwise.",
        "",
        f"Machine: {records.kind(machine)}, {machine['system']}, Python {machine['python']}.",
        "",
        *missing(document["missing"]),
        *goals(recorded),
        "",
        "![Warm requests, TLS 1.3](performance.svg)",
        "",
        *over_rust(results),
        *side_by_side(recorded),
    ]
    for case, found in results.items():
        lines += table(case, found)
    lines += NOTES.splitlines()
    (docs / "performance.md").write_text("\n".join(lines) + "\n")
    if WARM in results:
        (docs / "performance.svg").write_text(plot(results[WARM]))


def missing(reasons: dict[str, str]) -> list[str]:
    """Contestants that are missing."""
    if not reasons:
        return []
    return ["**Missing in this run:**", "", *(f"* {name}: {why}" for name, why in reasons.items()), ""]


def goals(recorded: dict[str, dict[str, Any]]) -> list[str]:
    """What was aimed at, and what each kind of processor showed."""
    rows: dict[tuple[str, str], list[str]] = {}
    for document in recorded.values():
        for name, aim, measured, met in judged(document["results"]):
            cell = "not measured" if measured is None else f"{measured:.2f}, {'yes' if met else '**no**'}"
            rows.setdefault((name, aim), []).append(cell)
    lines = ["## Goals", "", f"| what | goal | {' | '.join(recorded)} |", "|---|---" + "|---" * len(recorded) + "|"]
    return [*lines, *(f"| {name} | {aim} | {' | '.join(cells)} |" for (name, aim), cells in rows.items())]


def judged(results: records.Results) -> Iterator[tuple[str, str, float | None, bool]]:
    """Each goal: what it is about, the goal, what was measured if it was, and whether it was met."""
    for case, ours, others, goal, name in GOALS:
        ratio = against(results, case, ours, others, min)
        yield name, f"at most {goal}", ratio, ratio is not None and ratio <= goal
    for case, ours, others, goal, name in RATES:
        ratio = against(results, case, ours, others, max)
        yield name, f"at least {goal}", ratio, ratio is not None and ratio >= goal
    for case, ours, base, limit, name in LIMITS:
        found, less = value(results, case, ours), value(results, case, base) if base else 0.0
        measured = None if found is None or less is None else found - less
        yield name, f"at most {limit}", measured, measured is not None and measured <= limit


def against(results: records.Results, case: Any, ours: str, others: Any, best: Any) -> float | None:
    """Our figure divided by the best of the others, if all were measured."""
    case, column = case if isinstance(case, tuple) else (case, None)
    found = value(results, case, ours, column)
    peers = [value(results, case, other, column) for other in ([others] if isinstance(others, str) else others)]
    measured = [peer for peer in peers if peer is not None]
    return found / best(measured) if found is not None and measured else None


def value(results: records.Results, case: str, who: str, column: str | None = None) -> float | None:
    """A figure of a contestant, the first one if no column is named."""
    found = results.get(case, {}).get(who)
    if found is None:
        return None
    return records.first(found) if column is None else found.get(column)


def over_rust(results: records.Results) -> list[str]:
    """What a call costs in C and Go over the same call in Rust, from the runs on one CPU."""
    rust = value(results, ONE_CPU, "rust skip-client")
    costs = [(name, value(results, ONE_CPU, f"{language} skip-client")) for language, name in LAYERS.items()]
    found = [f"{name} {cost - rust:+.1f}" for name, cost in costs if cost is not None and rust is not None]
    text = "A warm call beside the same call in Rust, on one CPU, in microseconds"
    return [f"{text}: {', '.join(found)}.", ""] if found else []


def side_by_side(recorded: dict[str, dict[str, Any]]) -> list[str]:
    """The ratios to the floor on each kind of processor, if there are several."""
    if len(recorded) < 2:
        return []
    lines = [f"## Times the floor, on {len(recorded)} kinds of processor", ""]
    for case in (WARM, ONE_CPU, "cold, one group at both ends", CALLERS):
        tables = [document["results"].get(case, {}) for document in recorded.values()]
        rows = []
        for name in dict.fromkeys(name for found in tables for name in found):
            cells = [times_floor(name, found) for found in tables]
            if any(cells) and "floor" not in name:
                rows.append(f"| {name} | {' | '.join(cells)} |")
        head = f"| {case} | {' | '.join(recorded)} |"
        lines += [head, "|---" * (1 + len(recorded)) + "|", *rows, ""]
    return lines


def times_floor(name: str, found: dict[str, records.Figure]) -> str:
    """A figure divided by its floor's, or nothing."""
    floor = records.floor_of(name, found)
    return f"{records.first(found[name]) / records.first(floor):.2f}" if floor and name in found else ""


def table(case: str, found: dict[str, records.Figure]) -> list[str]:
    """One case."""
    columns = list(dict.fromkeys(column for figures in found.values() for column in records.columns(figures)))
    has_floor = any("floor" in name for name in found)
    head = ["", *columns, *(["x floor"] if has_floor else [])]
    lines = [f"## {case[0].upper()}{case[1:]}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, figures in found.items():
        cells = [name, *(f"{figures[column]:.1f}" if column in figures else "" for column in columns)]
        lines.append(f"| {' | '.join([*cells, *([times_floor(name, found)] if has_floor else [])])} |")
    return [*lines, ""]


def since(before: dict[str, Any] | None, results: records.Results) -> Iterator[str]:
    """What to print: the changes since the last record, and packages that grew too much."""
    if before is None:
        yield "no run on this kind of processor was recorded before: nothing to compare with"
        return
    changed = list(records.changes(before["results"], results))
    yield f"{len(changed)} figures changed by more than their noise since the last run on this kind of processor"
    yield from changed
    for name, figures in results.get("packages: KiB", {}).items():
        was = value(before["results"], "packages: KiB", name)
        if was and records.first(figures) > was * (1 + GROWTH):
            yield f"GREW: {name}: by more than {GROWTH:.0%}"


def plot(found: dict[str, dict[str, float]]) -> str:
    """Bars at the median, with a whisker to the 99th percentile (cut off at the edge)."""
    left, width, row = 170, 520, 24
    most = max(figures["median"] for figures in found.values()) * 1.05
    parts = []
    for at, (name, figures) in enumerate(found.items()):
        y = 30 + at * row
        length = figures["median"] / most * width
        tail = min(figures["p99"], most) / most * width
        kind = "ours" if "skip-client" in name else "floor" if "floor" in name else "other"
        parts.append(
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{left}" y="{y}" width="{length:.1f}" height="16" rx="2"/>'
            f'<line x1="{left + length:.1f}" x2="{left + tail:.1f}" y1="{y + 8}" y2="{y + 8}"/>'
            f'<text x="{left + 6}" y="{y + 12}" class="in">{figures["median"]:.0f}</text>'
        )
    height = 40 + len(found) * row
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 10} {height}" role="img">'
        "<title>Microseconds of a warm request, median and 99th percentile</title>"
        "<style>text{font:12px sans-serif;fill:#444}.in{fill:#fff;font-size:11px}.ours{fill:#0b6e4f}.floor{fill:#888}"
        ".other{fill:#3b6fb6}line{stroke:#999}@media(prefers-color-scheme:dark){text{fill:#ccc}}</style>"
        f'<text x="{left}" y="18">microseconds of a warm request over TLS 1.3: median, and a line to the 99th '
        f"percentile</text>{''.join(parts)}</svg>\n"
    )


if __name__ == "__main__":
    write(records.load(), Path(__file__).resolve().parent.parent / "docs")
