"""The complete set-up: both types of gateways at both sites, Key Providers, agents, traffic through both tunnels."""

import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import agents
import macsec
import strongswan
import wireguard
from lab import INNER, MACSEC, SITES, WIREGUARD, Lab, stop, wait_for

HERE = Path(__file__).resolve().parent
INTERVALS = {"ipsec": "1s", "wireguard": "2500ms"}
# without traffic
SILENT = {"macsec": "5s"}
ADDRESSES = {"ipsec": INNER, "wireguard": WIREGUARD, "macsec": MACSEC}
PORTS = {"ipsec": 4001, "wireguard": 4002, "macsec": 4003}


class Traffic:
    """A packet every two milliseconds through one tunnel, from Alice to Bob."""

    def __init__(self, lab: Lab, tunnel: str) -> None:
        self.tunnel = tunnel
        there, port = ADDRESSES[tunnel]["bob"], str(PORTS[tunnel])
        tag = time.monotonic_ns()
        self.files = {name: lab.folder / f"traffic-{tunnel}-{name}-{tag}" for name in ("receive", "send")}
        script = HERE / "traffic.py"
        receive = lab.inside("bob", sys.executable, script, "receive", there, port, self.files["receive"])
        send = lab.inside(
            "alice", sys.executable, script, "send", ADDRESSES[tunnel]["alice"], there, port, self.files["send"]
        )
        self.receiver = lab.start(receive)
        self.now = Path(f"{self.files['receive']}.now")
        wait_for("the receiver", self.now.exists)
        self.sender = lab.start(send)

    def received(self) -> int:
        """The number of packets received so far."""
        return int(self.now.read_text() or 0)

    def flows(self, limit: float) -> float:
        """Waits until packets arrive; returns how long that took."""
        began, before = time.monotonic(), self.received()
        wait_for(f"traffic through {self.tunnel}", lambda: self.received() > before + 10, limit)
        return time.monotonic() - began

    def end(self) -> tuple[int, int]:
        """Stops it; returns the packets sent and lost."""
        stop(self.sender, signal.SIGTERM)
        time.sleep(0.5)
        stop(self.receiver, signal.SIGTERM)
        sent, received = (json.loads(self.files[name].read_text())["count"] for name in ("send", "receive"))
        return sent, sent - received


class Watch:
    """Captures everything on Alice's cable: no packet from inside a tunnel may pass unprotected."""

    def __init__(self, lab: Lab, site: str = "alice") -> None:
        self.file = lab.folder / f"watch-{time.monotonic_ns()}"
        networks = [f"{address}/32" for address in (*INNER.values(), *WIREGUARD.values(), *MACSEC.values())]
        self.process = lab.start(
            lab.inside(site, sys.executable, HERE / "traffic.py", "watch", "eth0", self.file, *networks)
        )
        wait_for("the watch", Path(f"{self.file}.now").exists)

    def end(self) -> tuple[int, int]:
        """Stops it; returns the packets seen, and the unprotected ones."""
        stop(self.process, signal.SIGTERM)
        found = json.loads(self.file.read_text())
        return found["count"], found["plain"]


class Rig:
    """The set-up."""

    def __init__(self, lab: Lab, more: str = "") -> None:
        """`more`: additional lines for each tunnel's configuration."""
        self.lab, self.more = lab, more
        self.watch = Watch(lab)
        (lab.folder / "hand-off").mkdir()
        agents.make_certificates(lab.folder / "hand-off")
        agents.make_certificates(lab.folder / "hand-off", "stranger")
        self.charon = strongswan.pair(lab)
        self.wireguard = wireguard.pair(lab, hurried=True)
        self.macsec = macsec.pair(lab)
        for site in SITES:
            self.charon[site].start()
            self.macsec[site].start()
            self.wireguard[site].start()
        self.providers = agents.Providers(lab, wrong=True)
        self.wires = agents.wires(lab)
        self.agents = {site: self._agent(site) for site in SITES}
        for agent in self.agents.values():
            agent.start()
        for tunnel in INTERVALS:
            self.agents["alice"].wait_for_event("done", 0, tunnel, limit=60)
        # the first handshake with the same key at both ends
        wait_for("the first handshake", lambda: self.wireguard["alice"].handshake(), 30)

    def _agent(self, site: str) -> agents.Agent:
        consumers = {
            "ipsec": strongswan.config(self.charon[site]),
            "wireguard": wireguard.config(self.wireguard[site]),
            "macsec": macsec.config(self.macsec[site]),
        }
        return agents.Agent(self.lab, site, consumers, INTERVALS | SILENT, self.providers.ca, more=self.more)

    def rotations(self, tunnel: str) -> int:
        """The number of rotations completed by Alice's agent."""
        found = self.agents["alice"].events()
        return sum(event.get("step") == "done" and event.get("tunnel") == tunnel for event in found)

    def traffic(self) -> dict[str, Traffic]:
        """Starts traffic through both tunnels."""
        return {tunnel: Traffic(self.lab, tunnel) for tunnel in INTERVALS}


class Rotating:
    """Two agents that rotate the keys of one tunnel, and the watch."""

    def __init__(
        self, lab: Lab, tunnel: str, consumers: Mapping[str, str], interval: str, hurried: bool = True
    ) -> None:
        self.lab, self.tunnel = lab, tunnel
        self.watch = Watch(lab)
        (lab.folder / "hand-off").mkdir()
        agents.make_certificates(lab.folder / "hand-off")
        providers = agents.Providers(lab, wrong=False)
        self.wires = agents.wires(lab)
        self.agents = {
            site: agents.Agent(lab, site, {tunnel: consumers[site]}, {tunnel: interval}, providers.ca, hurried=hurried)
            for site in SITES
        }
        for agent in self.agents.values():
            agent.start()

    def rotations(self) -> int:
        """The number of rotations completed by Alice's agent."""
        events = self.agents["alice"].events()
        return sum(event.get("step") == "done" and event.get("tunnel") == self.tunnel for event in events)

    def under_traffic(self, count: int, each: float, until: Callable[[], bool] = lambda: True) -> str:
        """Lets this many rotations happen while packets flow; returns what was counted."""
        self.agents["alice"].wait_for_event("done", 0, self.tunnel, limit=180)
        # what is lost before the first packet arrives does not count
        first = Traffic(self.lab, self.tunnel)
        first.flows(60)
        first.end()
        traffic, began = Traffic(self.lab, self.tunnel), time.monotonic()
        traffic.flows(60)
        before = self.rotations()
        wait_for(
            f"{count} rotations of {self.tunnel}",
            lambda: self.rotations() >= before + count and until(),
            60 + each * count,
            0.2,
        )
        rotations = self.rotations() - before
        traffic.flows(60)
        sent, self.lost = traffic.end()
        self.down = (time.monotonic() - began) * self.lost / sent / rotations
        seen, plain = self.watch.end()
        assert plain == 0, "packets left unprotected"
        assert seen > 0
        return f"{rotations} rotations, {sent} packets, {self.lost} lost, {plain} of {seen} on the wire unprotected"
