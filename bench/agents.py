"""What a tunnel costs: two agents with many tunnels between them and the development Key Providers, on loopback.

Run as a program (`scripts/bench agents`), it replaces only these figures in the record of this kind of processor.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import records
import report
import servers

CASE = report.AGENTS
SITES = ("initiator", "responder")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True)
class Load:
    """The number of tunnels, the seconds between rotations of a tunnel, and how the agents run."""

    name: str
    tunnels: int
    interval: int
    workers: int = 16
    pin: tuple[str, ...] = ()
    disk: str | None = None


# tunnels that share a Key Provider and a peer, as here, get half of the workers
LOADS = (
    Load("1 tunnel, 10 s", 1, 10),
    Load("100 tunnels, 10 s", 100, 10),
    Load(report.TUNNELS, 2_000, 10),
    Load(f"{report.TUNNELS}, everything on one CPU", 2_000, 10, pin=("taskset", "-c", "0")),
    Load(f"{report.TUNNELS}, files in memory", 2_000, 10, disk="/dev/shm"),
    Load("10,000 tunnels, 60 s", 10_000, 60),
    Load("as fast as they go, one at a time", 300, 1, workers=1),
    Load("as fast as they go, 2 at a time", 300, 1, workers=4),
    Load("as fast as they go, 8 at a time", 1_000, 1),
)


def measure(skip_client: str, loads: tuple[Load, ...] = LOADS) -> dict[str, records.Figure]:
    """For each load: CPU time of both agents per rotation, their share of a CPU, time between rotations of a tunnel,
    and resident memory of an agent."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [skip_client, "agent", "handoff-certs", "--out", folder, *SITES], check=True, stdout=subprocess.DEVNULL
        )
        for load in loads:
            found[load.name] = one(skip_client, Path(folder), load)
            print(" ", load.name, {name: round(value, 2) for name, value in found[load.name].items()}, flush=True)
    return found


def one(skip_client: str, folder: Path, load: Load) -> records.Figure:
    """Measures one load, starting with the second rotation of every tunnel."""
    with ExitStack() as stack:
        kp = stack.enter_context(servers.pair(skip_client, pin=list(load.pin)))
        ports = {site: servers.free_port() for site in SITES}
        # the responder first: an initiator without its peer would wait before it tries again
        agents = {
            site: stack.enter_context(agent(skip_client, folder, load, site, ports, kp)) for site in reversed(SITES)
        }
        log = agents["initiator"].log
        rotated = Rotations(log)
        patience = time.monotonic() + 60 + 3 * max(load.interval, load.tunnels // 100)
        while min(rotated.read().values(), default=0) < 2 or len(rotated.counts) < load.tunnels:
            if time.monotonic() > patience:
                raise TimeoutError(f"{load.name}: {len(rotated.counts)} tunnels have rotated")
            time.sleep(0.1)
        began, before = time.monotonic(), {site: one.cpu() for site, one in agents.items()}
        done = rotated.total
        rotated.gaps.clear()
        time.sleep(max(30, load.interval + 15))
        rotated.read()
        took, done = time.monotonic() - began, rotated.total - done
        used = {site: one.cpu() - before[site] for site, one in agents.items()}
        gaps = quantiles(rotated.gaps, n=100)
        return {
            "CPU ms a rotation": sum(used.values()) * 1000 / done,
            "rotations a second": done / took,
            **{f"{site}, % of a CPU": used[site] / took * 100 for site in SITES},
            "gap, s": gaps[49],
            "gap p99, s": gaps[98],
            **{f"{site}, MB": agents[site].resident() / 1e6 for site in SITES},
        }


class Rotations:
    """The completed rotations in an agent's log, and the seconds between those of the same tunnel."""

    def __init__(self, log: Path) -> None:
        """Starts at the beginning of the log."""
        self.file = log.open()
        self.rest = ""
        self.last: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.gaps: list[float] = []
        self.total = 0

    def read(self) -> dict[str, int]:
        """Reads new lines; returns how often each tunnel has rotated."""
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            if '"done"' not in line:
                continue
            event = json.loads(line)
            tunnel, at = event["tunnel"], datetime.fromisoformat(event["time"]).timestamp()
            if tunnel in self.last:
                self.gaps.append(at - self.last[tunnel])
            self.last[tunnel] = at
            self.counts[tunnel] = self.counts.get(tunnel, 0) + 1
            self.total += 1
        return self.counts


@dataclass(frozen=True)
class Agent:
    """An agent process and its log."""

    pid: int
    log: Path

    def cpu(self) -> float:
        """The CPU time so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self) -> int:
        """The resident memory, in bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE


@contextmanager
def agent(
    skip_client: str, folder: Path, load: Load, site: str, ports: dict[str, int], kp: servers.Pair
) -> Iterator[Agent]:
    """Runs an agent that writes its keys to files."""
    peer = SITES[1 - SITES.index(site)]
    with tempfile.TemporaryDirectory(dir=load.disk) as own:
        Path(own, "keys").mkdir()
        head = f"""[agent]
state = "{own}/state"
log-format = "json"
workers = {load.workers}
[hand-off]
listen = "127.0.0.1:{ports[site]}"
ca = "{folder}/ca.pem"
cert = "{folder}/{site}.pem"
key = "{folder}/{site}.key"
[key-provider.kp]
url = "{kp.alice if site == "initiator" else kp.bob}"
ca = "{kp.ca}"
[peer.{peer}]
address = "127.0.0.1:{ports[peer]}"
"""
        tunnels = "".join(
            f"""[tunnel.t{n}]
key-provider = "kp"
peer = "{peer}"
remote = "{"Bob" if site == "initiator" else "Alice"}"
role = "{site}"
interval = "{load.interval}s"
size = 256
consumer = {{ type = "file", path = "{own}/keys/{n}" }}
"""
            for n in range(load.tunnels)
        )
        config, log = Path(own, "agent.toml"), Path(own, "log")
        config.write_text(head + tunnels)
        config.chmod(0o600)
        with log.open("w") as out:
            process = subprocess.Popen([*load.pin, skip_client, "agent", "--config", config], stderr=out)
        try:
            while '"started"' not in log.read_text():
                if process.poll() is not None:
                    raise RuntimeError(f"the {site} ended: {log.read_text()[-1000:]}")
                time.sleep(0.05)
            yield Agent(process.pid, log)
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    """Measures, and puts the figures into the record of this kind of processor."""
    document = records.like(records.processor())
    if document is None:
        raise SystemExit("make bench has not been recorded on this kind of processor")
    document["results"][CASE] = measure(sys.argv[1])
    report.write(records.save(document), Path(__file__).resolve().parent.parent / "docs")


if __name__ == "__main__":
    main()
