"""Renders the results as a page of the documentation, with a plot. Run as a program, it renders the last record."""

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import records

WARM, ONE_CPU = "warm, TLS 1.3, two CPUs", "warm, TLS 1.3, one CPU"
COLD, CALLERS = "cold, TLS 1.3, X25519, client reused", "100 callers at once"
OUR_COLD, OUR_WARM = "cold, our Key Provider, client reused", "warm, our Key Provider"
PROCESS = "one command, a whole process: milliseconds"
AGENTS, TUNNELS = "many tunnels on an agent", "2,000 tunnels, 10 s"
JVM = ("kotlin OkHttp", "kotlin java.net.http")

# case, ours, the others (the best one counts), goal, subject; a case may be followed by the column
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
# case, ours, what is subtracted, goal, subject; a case may be followed by the column
LIMITS = [
    ((AGENTS, "gap p99, s"), TUNNELS, None, 11.5, "2,000 tunnels at 10 s: 99th percentile between rotations, s"),
    ((AGENTS, "initiator, % of a CPU"), TUNNELS, None, 25.0, "2,000 tunnels at 10 s: an agent, % of a CPU"),
    ((AGENTS, "initiator, MB"), TUNNELS, None, 26.5, "2,000 tunnels at 10 s: an agent, MB"),
    (PROCESS, "skip-client of the wheel", "python, nothing", 10.0, "the wheel's command over bare Python, ms"),
    ("import: milliseconds over a bare interpreter", "skip_client", None, 10.0, "import skip_client, ms"),
    ("memory of idle clients: KiB", "certificates", None, 200.0, "an idle client with certificates, KiB"),
    ("memory of idle clients: KiB", "PSK", None, 200.0, "an idle client with a PSK, KiB"),
    ("packages: KiB", "the import of npm, gzip", None, 45.0, "what npm's import loads, KiB of gzip"),
]
# the languages that use the C library, and the library itself
LAYERS = {"c": "C", "go": "Go"}
# how much larger a package may be than the last one recorded
GROWTH = 0.05


# instructions are counted by callgrind and are therefore reproducible; they change with the code and the libraries
NOTES = """
## Where the time goes

* **Warm requests.** The Rust floor takes 11,000 instructions per request, the client 21,000 (not counting the bytes
  of memory that is cleared). The difference: a check of the idle connection before a key is requested on it (a system
  call), the deadline (the kernel sets a timer for each read), headers and JSON, and clearing buffers. Deadlines and
  requests that are sent exactly once are the purpose of the client, so neither is optional. Disabled one at a time on
  one CPU of the older processor, where the floor takes 42 microseconds, the timer accounts for 0.5 of them and the
  check of the connection for 0.2; clearing the stack and delaying forks have no measurable effect; together they
  account for 1.7. The rest is code that the processor has to load again after each switch to the server: headers,
  JSON, keys in locked memory. Between runs on the older processor the same program took 1.03 to 1.34 times the floor;
  once, with two CPUs, 1.84, although TLS 1.2 took 0.89 in the same run: the result depends on which CPU the system
  gives to each end. So do Python's results with two CPUs.
* **Cold, with a pre-shared key.** This handshake uses OpenSSL, the slower of the two libraries: 3.8 million
  instructions on the client's side, against 1.5 million with rustls and AWS-LC, which also verify a certificate.
  ML-KEM-768 takes 31 % of them and X25519 28 % (both in C here, in assembly there), the key schedule with SHA-384
  12 %, and clearing memory 9 %. Compared with certificates on the same OpenSSL, the pre-shared key saves what it
  should, and the floor, an OpenSSL stream with fixed bytes, takes nearly as long.
* **ML-KEM.** With X25519MLKEM768 instead of X25519, a cold request takes 40 to 200 microseconds longer, at both ends
  together, in our client and in others.
* **Kotlin.** A blocking call runs on the caller's thread. Passing UniFFI's strings and records through JNA takes
  about 100 microseconds, so `newKey` and `keyById` pass arguments and results in one buffer, and three JNA calls
  remain. Suspending calls and futures need a second thread, which takes 15 to 45 microseconds more. The 99th
  percentile of a newly started JVM comes from its compiler: during the first 300 requests it compiled 970 methods,
  during the next 2,100 another 750, while garbage was collected once in 1,000 requests. OkHttp and java.net.http show
  the same, so contestants with a JIT compiler get ten times the warm-up here.
* **Swift.** Calls wait on a separate thread: two thread switches, which take longer than the request itself in Rust.
  With a new thread for each call, the 99th percentile was 1.7 times URLSession's; the threads are reused now.
* **skip-qkd.** An object of it supports only one request, so it connects for each, in the tables of warm requests
  too.
* **Coroutines.** The calls run on threads that never take the interpreter's lock, and the event loop is woken once
  for all replies that are ready. With 8 concurrent calls instead of 128, a key costs 1.4 instead of 2.4 thread
  switches and two thirds of the CPU time; calls that take longer than a millisecond do not count towards the 8. For a
  single caller, the thread switches take most of the time.
* **Credentials as paths.** Each call checks whether the files have changed: 4 microseconds of a warm call in Python,
  which takes 60. Credentials as PEM cost nothing.
* **Import.** `_core` is mapped and linked, then errors and names are created; no other Python module is imported.
* **Long lists of remoteSystemID.** The index of a list is built once; after that, a call takes the same time for any
  list. A client accepts replies of up to 64 KiB, which is a list of 3,000 to 16,000 entries; larger ones are refused.
  Patterns with a wildcard at both ends cannot be indexed, and are compared one by one.
* **Keys alive.** 100,000 keys of 256 bits take 21 MB in Python, of which 3.1 MB are the keys, in locked memory.
  Beyond the limit on locked memory (`RLIMIT_MEMLOCK`, often 8 MB) nothing fails, and calls take a few percent longer:
  with limits of 0, 64 KiB and 2 MiB, exactly that much was locked, and the rest is only excluded from core dumps.
  Memory for keys is reused for later ones; it is not unlocked or returned to the system.
* **Agents with many tunnels.** Key Providers, both agents and their disk are one machine. Of the 2.4 ms of CPU that a
  rotation takes at both ends together, more than half is spent in the kernel, on 14 syncs of the disk: a step is on
  disk before the next one begins. With the files in memory a rotation takes 1.0 ms. The disk's latency decides how
  many rotations have to go on at once, and a second CPU changes little. On a busy disk 2,000 tunnels took 36 % of a
  CPU and 11.2 s at the 99th percentile. One at a time, a rotation took 13 ms here, and 8 at a time 34 ms each. Two
  agents exchange at most 500 requests a second, which is 250 rotations. A tunnel takes 5 KB of an agent's memory,
  beside 11 MB. On paper, a million tunnels that rotate once an hour are 278 rotations a second, 0.5 of a CPU and
  2,000 syncs a second at each end, 5 GB, and 100,000 looks at gateways a second unless `check-every` is longer: more
  than one pair of agents may exchange, and more than one configuration file (16 MB, 50,000 tunnels) holds. It takes
  about 100 agents of 10,000.
* **The command.** 200 system calls and no configuration to read, where curl makes 560 and loads 30 libraries; most of
  its time goes to the dynamic loader, argument parsing and one handshake.
* **Wheel.** 12 MB of machine code: one third is OpenSSL, one sixth AWS-LC, and the rest the command line with its
  doctor, its agent and the development Key Providers. Release wheels are compressed better: [packages](packages.md).
"""


def write(recorded: dict[str, dict[str, Any]], docs: Path) -> None:
    """Writes performance.md and performance.svg; the last record is the one that was just measured."""
    document = list(recorded.values())[-1]
    results, machine = document["results"], document["machine"]
    lines = [
        "# Performance, measured",
        "",
        "Written by `make bench`: all contestants in one run, taking turns, on one machine. The ratios are what",
        "counts, because the machine was shared and noisy. The floor is a TLS stream with fixed bytes and no HTTP",
        "library, in the same language. Times are in microseconds unless a table says otherwise.",
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
    """The goals, and the results on each kind of processor."""
    rows: dict[tuple[str, str], list[str]] = {}
    for document in recorded.values():
        for name, aim, measured, met in judged(document["results"]):
            cell = "not measured" if measured is None else f"{measured:.2f}, {'yes' if met else '**no**'}"
            rows.setdefault((name, aim), []).append(cell)
    lines = ["## Goals", "", f"| what | goal | {' | '.join(recorded)} |", "|---|---" + "|---" * len(recorded) + "|"]
    return [*lines, *(f"| {name} | {aim} | {' | '.join(cells)} |" for (name, aim), cells in rows.items())]


def judged(results: records.Results) -> Iterator[tuple[str, str, float | None, bool]]:
    """Each goal: its subject, its limit, the measured value if there is one, and whether it was met."""
    for case, ours, others, goal, name in GOALS:
        ratio = against(results, case, ours, others, min)
        yield name, f"at most {goal}", ratio, ratio is not None and ratio <= goal
    for case, ours, others, goal, name in RATES:
        ratio = against(results, case, ours, others, max)
        yield name, f"at least {goal}", ratio, ratio is not None and ratio >= goal
    for case, ours, base, limit, name in LIMITS:
        case, column = case if isinstance(case, tuple) else (case, None)
        found, less = value(results, case, ours, column), value(results, case, base) if base else 0.0
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
    text = "A warm call compared with the same call in Rust, on one CPU, in microseconds"
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
