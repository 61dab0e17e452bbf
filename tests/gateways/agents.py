"""The Key Providers and the two agents, with wires between them that can inject faults."""

import json
import os
import subprocess
import sys
from pathlib import Path

from lab import OUTER, SITES, Lab, other, read_json_lines, run, stop, wait_for

HERE = Path(__file__).resolve().parent
# the wrong responses of a Key Provider
WRONG = ("all-zero-key", "wrong-key-id", "key-500", "drop-mid-body", "stall")
# the real port, and the port of the wire in front of it
KP = {"alice": (8443, 9443), "bob": (8444, 9444)}
HAND_OFF = {"alice": (7464, 9464), "bob": (7465, 9465)}
# so that faults are noticed and repaired within a second; not for gateways that take longer to come up
HURRY = {
    "agent": """check-every = "250ms"
retry-first = "100ms"
retry-longest = "1s"
confirm-within = "2s\"""",
    "hand-off": 'answer-within = "2s"',
    "key-provider": 'timeout = "2s"\nconnect-timeout = "1s"',
}


def skip_client() -> str:
    """The command under test: that of the wheel installed in this Python, unless SKIP_CLIENT names another."""
    return os.environ.get("SKIP_CLIENT") or str(Path(sys.executable).with_name("skip-client"))


def make_certificates(folder: Path, authority: str = "ca") -> None:
    """Creates a CA and a certificate for each site's agent with the command that operators use."""
    made = folder if authority == "ca" else folder / authority
    run(skip_client(), "agent", "handoff-certs", "--out", made, *SITES)
    if authority != "ca":
        for site in SITES:
            for kind in ("pem", "key"):
                (made / f"{site}.{kind}").rename(folder / f"{authority}-{site}.{kind}")


class Wires:
    """The proxy, in Alice's site."""

    def __init__(self, lab: Lab, ports: dict[str, tuple[str, str]]) -> None:
        arguments = [f"{name},{listen},{target}" for name, (listen, target) in ports.items()]
        self.targets = {name: target for name, (_, target) in ports.items()}
        self.process = subprocess.Popen(
            lab.inside("alice", sys.executable, HERE / "proxy.py", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        lab.processes.append(self.process)  # type: ignore[arg-type]
        assert self._line() == "ready"

    def set(self, wire: str, mode: str = "pass", **more: object) -> int:
        """Changes a wire; without a mode, it is restored. Returns the number of connections replayed so far."""
        assert self.process.stdin
        order = {"wire": wire, "mode": mode, "target": self.targets[wire]} | more
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


class Providers:
    """The correct pair, and a pair for each wrong response, all in Alice's site; Bob reaches his over the cable."""

    def __init__(self, lab: Lab, wrong: bool) -> None:
        self.lab, self.folder = lab, lab.folder / "kp"
        self.folder.mkdir()
        self.addresses: dict[str, dict[str, str]] = {}
        host = OUTER["alice"]
        authorities = ""
        for at, name in enumerate(("right", *(WRONG if wrong else ()))):
            folder = self.folder / name
            ports = {site: KP[site][0] + 100 * at for site in SITES}
            self.process = lab.start(
                lab.inside(
                    "alice",
                    *(skip_client(), "serve", "--dir", folder),
                    *("--alice", f"{host}:{ports['alice']}", "--bob", f"{host}:{ports['bob']}"),
                    *("--psk-alice", "127.0.0.1:0", "--psk-bob", "127.0.0.1:0"),
                    *(() if name == "right" else ("--fault", name)),
                ),
                lab.folder / f"kp-{name}.log",
            )
            wait_for(f"the Key Providers ({name})", (folder / "endpoints.json").exists)
            if name == "right":
                self.right = self.process
            self.addresses[name] = {site: f"{host}:{ports[site]}" for site in SITES}
            authorities += (folder / "ca.pem").read_text()
        self.ca = self.folder / "authorities.pem"
        self.ca.write_text(authorities)

    def signal(self, number: int) -> None:
        """Sends a signal to the correct pair."""
        self.right.send_signal(number)


class Agent:
    """An agent that feeds the gateways of its site."""

    def __init__(
        self,
        lab: Lab,
        site: str,
        consumers: dict[str, str],
        intervals: dict[str, str],
        ca: Path,
        *,
        more: str = "",
        hurried: bool = True,
    ) -> None:
        """`more`: additional lines for each tunnel; `hurried`: with `HURRY` instead of the agent's defaults."""
        self.lab, self.site, self.more = lab, site, more
        self.pace = HURRY if hurried else dict.fromkeys(HURRY, "")
        self.folder = lab.folder / f"agent-{site}"
        self.folder.mkdir()
        self.log = self.folder / "log"
        self.state = self.folder / "state"
        self.config = self.folder / "agent.toml"
        self.config.write_text(self._config(consumers, intervals, ca))
        self.process: subprocess.Popen[bytes] | None = None
        self.clock = self.folder / "clock"
        self.clock.write_text("+0")

    def _config(self, consumers: dict[str, str], intervals: dict[str, str], ca: Path) -> str:
        here, there = self.site, other(self.site)
        certificates = self.lab.folder / "hand-off"
        text = f"""[agent]
state = "{self.state}"
log-format = "json"
log-level = "debug"
{self.pace["agent"]}
metrics = "127.0.0.1:9470"
[hand-off]
listen = "{OUTER[here]}:{HAND_OFF[here][0]}"
ca = "{certificates}/ca.pem"
cert = "{certificates}/{here}.pem"
key = "{certificates}/{here}.key"
{self.pace["hand-off"]}
[key-provider.kp]
url = "https://{OUTER["alice"]}:{KP[here][1]}"
ca = "{ca}"
server-name = "127.0.0.1"
{self.pace["key-provider"]}
[peer.{there}]
address = "{OUTER["alice"]}:{HAND_OFF[there][1]}"
certificate-name = "{there}"
"""
        for name, consumer in consumers.items():
            text += f"""[tunnel.{name}]
key-provider = "kp"
peer = "{there}"
remote = "{there.capitalize()}"
role = "{"initiator" if here == "alice" else "responder"}"
interval = "{intervals[name]}"
size = 256
{self.more}
[tunnel.{name}.consumer]
{consumer}
"""
        return text

    def start(self) -> None:
        """Starts it."""
        command = self.lab.inside(self.site, skip_client(), "agent", "--config", self.config)
        (faketime,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        clock = {
            "LD_PRELOAD": str(faketime),
            "FAKETIME_TIMESTAMP_FILE": str(self.clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.process = self.lab.start(command, self.log, clock)

    def stop(self, with_signal: int) -> None:
        """Stops it with a signal."""
        assert self.process
        stop(self.process, with_signal)
        self.lab.processes.remove(self.process)

    def position(self) -> int:
        """The current end of its log."""
        return self.log.stat().st_size if self.log.exists() else 0

    def events(self, since: int = 0) -> list[dict[str, str]]:
        """The events logged after a position."""
        return read_json_lines(self.log, since)

    def has(self, step: str, tunnel: str) -> bool:
        """Whether it has logged the completion of a step."""
        return any(e.get("step") == step and e.get("tunnel") == tunnel and "code" not in e for e in self.events())

    def status(self) -> dict[str, object]:
        """`agent status`."""
        command = (skip_client(), "agent", "status", "--config", self.config, "--json")
        done = subprocess.run(command, capture_output=True, text=True)
        return dict(json.loads(done.stdout))

    def resident(self) -> int:
        """Its resident memory in bytes."""
        assert self.process
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGESIZE")

    def wait_for_event(self, step: str, since: int, tunnel: str, state: str | None = None, limit: float = 30) -> None:
        """Waits until a step has been logged after a position: its start (`state` is `begin`) or its completion."""

        def seen() -> bool:
            wanted = {"step": step, "tunnel": tunnel, "state": state, "code": None}
            return any(all(e.get(name) == value for name, value in wanted.items()) for e in self.events(since))

        wait_for(f"{self.site}'s {step} of {tunnel}", seen, limit, 0.005)


def wires(lab: Lab) -> Wires:
    """The wires to both Key Providers and both agents."""
    ports = {}
    for site in SITES:
        ports[f"kp-{site}"] = (f"{OUTER['alice']}:{KP[site][1]}", f"{OUTER['alice']}:{KP[site][0]}")
        ports[f"to-{site}"] = (f"{OUTER['alice']}:{HAND_OFF[site][1]}", f"{OUTER[site]}:{HAND_OFF[site][0]}")
    return Wires(lab, ports)
