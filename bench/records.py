"""The recorded runs, the last one for each kind of processor, in results.json; and the changes from run to run.

A figure is `{"median": 77.9, "p99": 141.4, "rounds": [...]}`: what the tables show, and its value in each round, which
show its noise.
"""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Figure = dict[str, Any]
Results = dict[str, dict[str, Figure]]
RESULTS = Path(__file__).resolve().parent / "results.json"

# languages not listed are compared with the floor of Rust
FLOORS = {"python": "python floor"}
# where there is no floor: what a figure is divided by before two runs are compared, so that a machine that was slower
# for a moment does not look like a change
BASES = {
    "one command, a whole process: milliseconds": "python, nothing",
    "validate(key): nanoseconds": "json + fastjsonschema",
}
# a change below this is not printed, even if the rounds do not overlap
LEAST = 0.02
# the noise assumed for figures that are measured once; sizes are exact
ONCE = 0.1


def figure(rounds: list[float], name: str = "median", **more: float) -> Figure:
    """The median of the rounds, other columns, and the rounds."""
    return {name: statistics.median(rounds), **more, "rounds": [round(value, 3) for value in rounds]}


def columns(found: Figure) -> dict[str, float]:
    """What a table shows."""
    return {name: value for name, value in found.items() if name != "rounds"}


def first(found: Figure) -> float:
    """The main value of a figure."""
    return float(next(iter(found.values())))


def floor_of(name: str, found: dict[str, Figure]) -> Figure | None:
    """The floor in the same table: for the language, and with the same group or in the same mode."""
    who, _, how = name.partition(", ")
    floor = FLOORS.get(name.split(" ")[0], "rust floor")
    candidates = (floor, f"{floor}, {how}", f"{who}, floor")
    return next((found[candidate] for candidate in candidates if candidate in found), None)


def processor() -> dict[str, Any]:
    """This machine: the kind of its processor, and anything else that may matter."""
    try:
        text = subprocess.check_output(["lscpu"], text=True, env={**os.environ, "LC_ALL": "C"})
    except (OSError, subprocess.CalledProcessError):
        text = ""
    told = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    told = {name.strip(): value.strip() for name, value in told.items()}
    model = " ".join(f"{name} {told[name]}" for name in ("CPU family", "Model") if name in told)
    return {
        "cpu": told.get("Model name", platform.machine()),
        "model": ", ".join(part for part in (told.get("Vendor ID"), model) if part),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def kind(machine: dict[str, Any]) -> str:
    """The name of a record: a hypervisor may use one name for several generations, so the model is part of it."""
    return f"{machine['cpu']} ({machine['model']}), {machine['cores']} CPUs"


def load() -> dict[str, dict[str, Any]]:
    """The records by kind of processor, oldest first."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def like(machine: dict[str, Any]) -> dict[str, Any] | None:
    """The record of the same kind of processor."""
    return load().get(kind(machine))


def save(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Replaces the record of this kind of processor; returns all of them, this one last."""
    records = load()
    records.pop(kind(document["machine"]), None)
    records[kind(document["machine"])] = document
    # only programs read the rounds
    lines = json.dumps(records, indent=1)
    RESULTS.write_text(_rounds_in_a_line(lines) + "\n")
    return records


def changes(before: Results, after: Results) -> Iterator[str]:
    """What changed by more than the noise of both runs, in words."""
    for case, found in after.items():
        for who, now in found.items():
            old, new = _relative(case, who, before), _relative(case, who, after)
            comparable = (_base(case, who, before) is None) == (_base(case, who, after) is None)
            if not old or not new or not comparable:
                continue
            if len(old) == 1 and len(new) > 1:
                # recorded without rounds: assumed to be as noisy as this run
                old = [old[0] * value / statistics.median(new) for value in new]
            once = 0.0 if case.startswith("packages") else ONCE
            (low, high), (least, most) = _range(old, once), _range(new, once)
            middle, change = statistics.median(old), statistics.median(new) / statistics.median(old) - 1
            if (least <= high and low <= most) or abs(change) < LEAST:
                continue
            noise = max((high - low) / middle, (most - least) / statistics.median(new)) / 2
            more_is_better = "per second" in next(iter(now))
            verdict = "better" if (change > 0) == more_is_better else "worse"
            figures = f"{first(before[case][who]):.5g} -> {first(now):.5g}"
            how = f"{change:+.0%}{_against(case, who, found)} (noise {noise:.0%})"
            yield f"{verdict}: {case}: {who}: {figures}, {how}"


def _relative(case: str, who: str, results: Results) -> list[float]:
    """The rounds of a figure, each divided by that of its floor or base."""
    found = results.get(case, {})
    if who not in found:
        return []
    rounds = found[who].get("rounds") or [first(found[who])]
    base = _base(case, who, results)
    if base is None:
        return rounds
    bases = base.get("rounds") or [first(base)]
    if len(bases) != len(rounds):
        return [first(found[who]) / first(base)]
    return [value / divisor for value, divisor in zip(rounds, bases, strict=True)]


def _range(values: list[float], once: float) -> tuple[float, float]:
    """The lowest and the highest value; if there are many, without one at each end."""
    if len(values) == 1:
        return values[0] * (1 - once), values[0] * (1 + once)
    values = sorted(values)
    values = values[1:-1] if len(values) >= 5 else values
    return values[0], values[-1]


def _base(case: str, who: str, results: Results) -> Figure | None:
    """The floor or base of a figure, if the results have it and it is not the figure itself."""
    found = results.get(case, {})
    base = found.get(BASES.get(case, "")) or floor_of(who, found)
    return None if base is found.get(who) else base


def _against(case: str, who: str, found: dict[str, Figure]) -> str:
    """What the change is relative to."""
    base = _base(case, who, {case: found})
    name = next((name for name, other in found.items() if other is base), None)
    return f" against {name}" if name else ""


def _rounds_in_a_line(text: str) -> str:
    """Puts each list of rounds on one line."""
    out: list[str] = []
    inside = False
    for line in text.splitlines():
        word = line.strip()
        if inside:
            out[-1] += word if word.startswith("]") else f"{word} " if word.endswith(",") else word
            inside = not word.startswith("]")
        else:
            out.append(line)
            inside = word.endswith("[") and '"rounds"' in word
    return "\n".join(out)
