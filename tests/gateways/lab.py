"""Two sites on one machine: network namespaces joined by a cable, and the processes in them.

Every process belongs to a `Lab` and is stopped with it, even if a test fails.
"""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SITES = ("alice", "bob")
OUTER = {"alice": "10.99.0.1", "bob": "10.99.0.2"}
# the network behind each gateway, as a single address on lo
INNER = {"alice": "10.99.1.1", "bob": "10.99.2.1"}
# the addresses inside the WireGuard tunnel, and on the MACsec link
WIREGUARD = {"alice": "10.99.3.1", "bob": "10.99.3.2"}
MACSEC = {"alice": "10.99.4.1", "bob": "10.99.4.2"}


def other(site: str) -> str:
    """The other site."""
    return SITES[1 - SITES.index(site)]


def missing() -> list[str]:
    """Why the gateways cannot run here."""
    need = Path(__file__).resolve().parents[2] / "scripts/need"
    reasons = subprocess.run([need, "--why", "gateways"], stdout=subprocess.PIPE, text=True).stdout.splitlines()
    if not reasons:
        name = f"skip-probe-{os.getpid()}"
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
        if made.returncode:
            reasons.append(f"network namespaces cannot be made: {made.stderr.strip()}")
        else:
            subprocess.run(["ip", "netns", "delete", name], check=True)
    return reasons


def file_of_the_page(page: str, path: str) -> str:
    """The file that this page of docs/ writes to the path."""
    text = (Path(__file__).resolve().parents[2] / "docs" / page).read_text()
    return text.split(f">{path} <<'END'\n")[1].split("END\n")[0]


def run(*command: str | Path, stdin: str | None = None, timeout: float = 60) -> str:
    """Runs a command that must succeed; returns its output."""
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{command[:6]} ended with {done.returncode}: {done.stderr.strip()} {done.stdout.strip()}")
    return done.stdout


def wait_for(what: str, probe: Callable[[], T | None], limit: float = 30, pause: float = 0.02) -> T:
    """Polls until the result is neither None nor False."""
    end = time.monotonic() + limit
    while True:
        answer = probe()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit:.0f} s for {what}")
        time.sleep(pause)


@dataclass
class Lab:
    """The namespaces of both sites, and all processes in them."""

    folder: Path
    tag: str = field(default_factory=lambda: f"skip-{secrets.token_hex(3)}")
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> "Lab":
        """Connects the sites."""
        try:
            for site in SITES:
                run("ip", "netns", "add", self.namespace(site))
                self.ip(site, "link", "set", "lo", "up")
            ends = {site: f"{self.tag[-6:]}{site[0]}" for site in SITES}
            run("ip", "link", "add", ends["alice"], "type", "veth", "peer", "name", ends["bob"])
            for site in SITES:
                run("ip", "link", "set", ends[site], "netns", self.namespace(site))
                self.ip(site, "link", "set", ends[site], "name", "eth0")
                self.ip(site, "addr", "add", f"{OUTER[site]}/24", "dev", "eth0")
                self.ip(site, "addr", "add", f"{INNER[site]}/32", "dev", "lo")
                self.ip(site, "link", "set", "eth0", "up")
                # block the unprotected route to the other inner network: packets that the tunnel does not take are
                # dropped
                blackhole = ("blackhole", f"{INNER[other(site)]}/32", "metric", "4294967295")
                self.ip(site, "route", "add", *blackhole)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stops everything."""
        for process in reversed(self.processes):
            stop(process, signal.SIGTERM)
        for site in SITES:
            inside = subprocess.run(["ip", "netns", "pids", self.namespace(site)], capture_output=True, text=True)
            for pid in inside.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", self.namespace(site)], capture_output=True)

    def namespace(self, site: str) -> str:
        """The name of a site's namespace."""
        return f"{self.tag}-{site}"

    def inside(self, site: str, *command: str | Path) -> list[str]:
        """A command line that runs inside a site."""
        return ["ip", "netns", "exec", self.namespace(site), *map(str, command)]

    def ip(self, site: str, *arguments: str) -> str:
        """Runs `ip` inside a site."""
        return run("ip", "-n", self.namespace(site), *arguments)

    def start(
        self, command: Sequence[str | Path], log: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Starts a process that is stopped with the lab."""
        with log.open("ab") if log else contextlib.nullcontext(subprocess.DEVNULL) as out:
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
            )
        self.processes.append(process)
        return process


def stop(process: subprocess.Popen[bytes], with_signal: int = signal.SIGKILL, limit: float = 10) -> None:
    """Stops a process."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(limit)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def read_json_lines(path: Path, since: int = 0) -> list[dict[str, str]]:
    """The complete JSON lines of a log after a position; other lines are skipped."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        file.seek(since)
        lines = file.read().split(b"\n")
    found = []
    for line in lines[:-1]:
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                found.append(value)
    return found
