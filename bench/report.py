"""Renders the results as a page of the documentation, with a plot."""

from html import escape
from pathlib import Path
from typing import Any

# languages not listed are compared with the floor of Rust
FLOORS = {"python": "python floor"}

# case, ours, the other, goal, at most or at least
GOALS = [
    ("warm, TLS 1.3, two CPUs", "rust skip-client", "rust floor", 1.25, "Rust warm against the Rust floor"),
    ("warm, TLS 1.3, one CPU", "rust skip-client", "rust floor", 1.25, "the same on one CPU"),
    ("warm, TLS 1.3, two CPUs", "rust skip-client", "rust ureq", 1.0, "Rust warm against ureq as it comes"),
    ("warm, TLS 1.3, two CPUs", "rust skip-client", "rust reqwest", 1.0, "Rust warm against reqwest"),
    ("warm, TLS 1.3, two CPUs", "python skip-client", "python floor", 1.0, "Python warm against the ssl socket"),
    ("warm, TLS 1.3, one CPU", "python skip-client", "python floor", 1.0, "the same on one CPU"),
    (
        "cold, TLS 1.3, X25519, client reused",
        "python skip-client",
        "python http.client",
        0.9,
        "Python cold against http.client",
    ),
    (
        "cold, our Key Provider, client reused",
        "rust PSK",
        "rust certificates, OpenSSL",
        0.7,
        "cold PSK against cold certificates, both by OpenSSL",
    ),
    (
        "cold, our Key Provider, client reused",
        "rust PSK",
        "rust certificates",
        0.7,
        "cold PSK against cold certificates by rustls",
    ),
    (
        "validate(key): nanoseconds",
        "skip-client",
        "orjson + jsonschema-rs",
        0.5,
        "Python validation against orjson + jsonschema-rs",
    ),
]
RATES = [
    ("100 callers at once", "python skip-client", "python floor", 1.0, "100 threads against raw ssl sockets"),
    ("100 callers at once", "python skip-client async", "python httpx async", 10.0, "100 coroutines against httpx"),
    ("100 callers at once", "python skip-client async", "python aiohttp", 3.0, "100 coroutines against aiohttp"),
]
LIMITS = [
    ("import: milliseconds over a bare interpreter", "skip_client", 10.0, "import skip_client, ms"),
    ("memory of idle clients: KiB", "certificates", 200.0, "an idle client with certificates, KiB"),
    ("memory of idle clients: KiB", "PSK", 200.0, "an idle client with a PSK, KiB"),
]


# instructions are counted by callgrind and are therefore reproducible; they change with the code and the libraries
NOTES = """
## What the rest is made of

* **Warm requests.** The Rust floor takes 11,000 instructions of its own a request, the client 21,000 (clearing memory
  not counted by the byte). The difference is one look at the idle connection before a key is asked for on it (a
  system call), the deadline (the kernel sets a timer for each read), headers and JSON, and buffers that are cleared.
  A deadline and a key that is asked for once are what the client is for, so neither goes. Between runs on this machine
  the same program was at 1.03 to 1.34 of the floor.
* **Cold, with a pre-shared key.** OpenSSL makes this handshake, and it is the slower of the two libraries: 3.8
  million instructions on the client's side, against 1.5 million of rustls with AWS-LC, which also verifies a
  certificate. ML-KEM-768 is 31 % of them and X25519 28 % (both in C here, in assembly there), the key schedule with
  SHA-384 12 %, clearing memory 9 %. Beside certificates by the same OpenSSL the pre-shared key saves what it should,
  and an OpenSSL stream with fixed bytes, the floor, takes nearly as long.
* **ML-KEM.** With X25519MLKEM768 instead of X25519 a cold request takes 40 to 200 microseconds more, of both ends
  together, in our client and in others.
* **Kotlin and Swift.** The calls of Kotlin go through JNA; those of Swift wait in a thread of their own, which is two
  changes of threads. Both are more than the request itself takes in Rust.
* **skip-qkd** is good for one request, so it connects for each, in the tables of warm requests too.
* **Coroutines.** The calls run in threads that never take the interpreter's lock, and the event loop is woken once for
  as many answers as there are. With 8 calls at once instead of 128 a key costs 1.4 instead of 2.4 changes of threads,
  and two thirds of the processor's time; calls that take longer than a millisecond do not count. For one caller the
  changes of threads, there and back, are most of it.
* **Import.** `_core` is mapped and linked, then errors and names are made; nothing else of Python is imported.
* **Long lists of remoteSystemID.** Each entry is compared, in the client and in the Key Provider, for some
  nanoseconds.
* **Wheel.** 12 MB of machine code: a third OpenSSL, a sixth AWS-LC, and the command line with its doctor, its agent and
  the development Key Providers. That of a release is packed tighter: [packages](packages.md).
"""


def write(document: dict[str, Any], docs: Path) -> None:
    """Writes performance.md and performance.svg."""
    results = document["results"]
    machine = document["machine"]
    lines = [
        "# Performance, measured",
        "",
        "Written by `make bench`: all contestants in one run, taking turns, on one machine. Ratios count: the",
        "machine was shared and noisy. The floor is a TLS stream with fixed bytes and no HTTP library, in the same",
        "language.",
        "",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}.",
        "",
        *missing(document["missing"]),
        "## Goals",
        "",
        "| what | measured | goal | |",
        "|---|---|---|---|",
    ]
    for case, ours, other, goal, name in GOALS:
        ratio = value(results, case, ours) / value(results, case, other)
        lines.append(f"| {name} | {ratio:.2f} | at most {goal} | {'yes' if ratio <= goal else 'no'} |")
    for case, ours, other, goal, name in RATES:
        ratio = value(results, case, ours) / value(results, case, other)
        lines.append(f"| {name} | {ratio:.2f} | at least {goal} | {'yes' if ratio >= goal else 'no'} |")
    for case, ours, goal, name in LIMITS:
        found = value(results, case, ours)
        lines.append(f"| {name} | {found:.1f} | at most {goal} | {'yes' if found <= goal else 'no'} |")
    lines += ["", "![Warm requests, TLS 1.3](performance.svg)", ""]
    for case, found in results.items():
        lines += table(case, found)
    lines += NOTES.splitlines()
    (docs / "performance.md").write_text("\n".join(lines) + "\n")
    (docs / "performance.svg").write_text(plot(results["warm, TLS 1.3, two CPUs"]))


def missing(reasons: dict[str, str]) -> list[str]:
    """Contestants that are missing."""
    if not reasons:
        return []
    return ["**Missing in this run:**", "", *(f"* {name}: {why}" for name, why in reasons.items()), ""]


def value(results: dict[str, Any], case: str, who: str) -> float:
    """The first figure of a contestant."""
    return float(next(iter(results[case][who].values())))


def table(case: str, found: dict[str, dict[str, float]]) -> list[str]:
    """One case."""
    columns = list(next(iter(found.values())))
    has_floor = any("floor" in name for name in found)
    head = ["", *columns, *(["x floor"] if has_floor else [])]
    lines = [f"## {case[0].upper()}{case[1:]}", "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, figures in found.items():
        cells = [name, *(f"{figure:.1f}" for figure in figures.values())]
        if has_floor:
            floor = floor_of(name, found)
            cells.append(f"{figures[columns[0]] / floor[columns[0]]:.2f}" if floor else "")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def floor_of(name: str, found: dict[str, dict[str, float]]) -> dict[str, float] | None:
    """The floor in the same table: for the language, and with the same group or in the same mode."""
    who, _, how = name.partition(", ")
    floor = FLOORS.get(name.split(" ")[0], "rust floor")
    candidates = (floor, f"{floor}, {how}", f"{who}, floor")
    return next((found[candidate] for candidate in candidates if candidate in found), None)


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
