"""Checks the alert rules and the dashboard with Prometheus's own tool."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import debian
from lab import run

FOLDER = Path(__file__).resolve().parents[2] / "crates/agent/packaging/prometheus"
RULES = FOLDER / "skip-client-agent.rules.yml"
DASHBOARD = FOLDER / "skip-client-agent.dashboard.json"
SITUATIONS = Path(__file__).resolve().parent / "rules-test.yml"
# the labels that Prometheus adds, and that of the buckets of histograms
ALWAYS = {"job", "instance", "le"}


def promtool() -> Path:
    """The path of promtool: the installed one, or one from Debian's package."""
    found = shutil.which("promtool")
    # only one program of the package is needed
    return Path(found) if found else debian.unpack("prometheus", with_libraries=False) / "usr/bin/promtool"


def queries_of_the_dashboard() -> list[tuple[str, str]]:
    """Each query with the legend of its lines."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [(target["expr"], target["legendFormat"]) for panel in panels for target in panel["targets"]]


def check_queries(folder: Path) -> int:
    """Checks that Prometheus can parse all queries of the dashboard; returns their number."""
    queries = queries_of_the_dashboard()
    rules = [{"record": f"query:{n}", "expr": query} for n, (query, _) in enumerate(queries)]
    # JSON is also YAML
    file = folder / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    run(promtool(), "check", "rules", file)
    return len(queries)


def complaints(page: str) -> list[str]:
    """What promtool criticizes about a metrics page, except that the lifetime of certificates is in days."""
    done = subprocess.run([promtool(), "check", "metrics"], input=page, capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if 'skip_agent_certificate_days use base unit "seconds"' not in line]


def unknown_labels(pages: str) -> list[str]:
    """The labels that the rules and the dashboard use but the metrics on these pages lack, each with its metric."""
    labels: dict[str, set[str]] = {}
    for name, braced in re.findall(r"^(\w+)(?:\{(.*)\})? \S+$", pages, re.MULTILINE):
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', braced))
    rules = re.findall(r"expr: (.*?)\n +for|expr: (.*?)\n +labels", RULES.read_text(), re.DOTALL)
    found = [("".join(both), "") for both in rules] + queries_of_the_dashboard()
    annotations = set(re.findall(r"\$labels\.(\w+)", RULES.read_text()))
    wrong = []
    for query, legend in found:
        used = {name for group in re.findall(r"(?:by|on) \(([^)]*)\)", query) for name in re.split(r",\s*", group)}
        used |= set(re.findall(r"\{\{(\w+)\}\}", legend))
        for metric in re.findall(r"skip_agent_\w+", query):
            wrong += [f"{metric}: {name}" for name in used - ALWAYS - labels.get(metric, set())]
            wrong += [] if metric in labels else [f"{metric} is not on the page"]
    every = set().union(*labels.values(), ALWAYS)
    return [*wrong, *(f"annotation: {name}" for name in annotations - every)]
