"""Seeded faults in running gateways and agents. After each one the tunnels must recover without help."""

import contextlib
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable

from agents import WRONG
from lab import SITES, wait_for
from rig import INTERVALS, Rig

# A tunnel whose gateway has restarted must first be detected as down before it gets a new key. WireGuard also needs a
# handshake.
LIMIT = 60.0
# the steps of each agent, at their start and at their completion
STEPS = {
    "alice": [
        *(("fetch", "begin"), ("fetch", None), ("offer", "begin"), ("offer", None), ("install", "begin")),
        *(("install", None), ("activate", "begin"), ("activate", None), ("confirm", "begin"), ("confirm", None)),
        ("done", None),
    ],
    "bob": [
        *(("take", "begin"), ("take", None), ("prepare", "begin"), ("prepare", None), ("confirm", None)),
        ("done", None),
    ],
}
WIRE = ("cut", "delay", "double", "reorder", "swallow", "lose-answer")
# the Key Provider never received the request
UNSEEN = ("connect_failed", "tls_failed")


class Run:
    """A sequence of faults in one set-up."""

    def __init__(self, rig: Rig, random_: random.Random) -> None:
        self.rig, self.random = rig, random_
        self.traffic = rig.traffic()
        for stream in self.traffic.values():
            stream.flows(LIMIT)
        self.times: dict[str, list[float]] = defaultdict(list)
        # with how often each is chosen
        self.kinds: list[tuple[int, str, Callable[[], str]]] = [
            (8, "agent killed", self._kill),
            (6, "hand-off spoiled", self._hand_off),
            (3, "Key Provider away", self._provider_away),
            (3, "Key Provider answers wrongly", self._provider_wrong),
            (1, "strongSwan restarted", self._restart_charon),
            (1, "WireGuard restarted", self._restart_wireguard),
            (1, "clock jumps", self._clock),
        ]

    def one(self, number: int) -> None:
        """Injects one fault and verifies that the tunnels recover from it."""
        _, kind, fault = self.random.choices(self.kinds, [often for often, *_ in self.kinds])[0]
        what = "?"
        try:
            what = fault()
            began, position = time.monotonic(), self.rig.agents["alice"].position()
            for stream in self.traffic.values():
                stream.flows(LIMIT)
            # the next rotation succeeds as well, whatever remains of the fault
            self.rig.agents["alice"].wait_for_event("done", position, "ipsec", limit=LIMIT)
            for stream in self.traffic.values():
                stream.flows(LIMIT)
            self.times[kind].append(time.monotonic() - began)
        except (TimeoutError, RuntimeError) as error:
            raise AssertionError(f"fault {number}, {kind}: {what}: {error}") from error

    def settle(self) -> None:
        """After the last fault: a full rotation of each tunnel, a handshake, and traffic."""
        position = self.rig.agents["alice"].position()
        for tunnel in INTERVALS:
            self.rig.agents["alice"].wait_for_event("fetch", position, tunnel, limit=LIMIT)
        position = self.rig.agents["alice"].position()
        for tunnel in INTERVALS:
            self.rig.agents["alice"].wait_for_event("done", position, tunnel, limit=LIMIT)
        since = time.time()
        wait_for("a handshake", lambda: self.rig.wireguard["alice"].handshake() > since, LIMIT)
        for stream in self.traffic.values():
            stream.flows(LIMIT)
            stream.end()

    def table(self, seed: int) -> str:
        """The tally as a table."""
        done = sum(map(len, self.times.values()))
        lines = [f"{done} faults, SEED={seed}; seconds until traffic and the next rotation"]
        lines.append(f"{'fault':32}{'times':>6}{'median':>8}{'worst':>8}")
        for kind, times in sorted(self.times.items()):
            times = sorted(times)
            lines.append(f"{kind:32}{len(times):>6}{times[len(times) // 2]:>8.1f}{times[-1]:>8.1f}")
        lines.append(f"keys asked for twice: {len(self.asked_twice())}")
        return "\n".join(lines)

    def asked_twice(self) -> list[str]:
        """The keyIds that Bob's agent requested again after its Key Provider may have received the first request."""
        again, asked = [], set()
        for event in self.rig.agents["bob"].events():
            if event.get("step") != "take":
                continue
            name = (event["tunnel"], event["key_id"])
            if event.get("state") == "begin":
                if name in asked:
                    again.append(event["key_id"])
                asked.add(name)
            elif event.get("code") in UNSEEN or "handshake did not come" in event.get("error", ""):
                asked.discard(name)
        return again

    def _kill(self) -> str:
        site = self.random.choice(SITES)
        step, state = self.random.choice(STEPS[site])
        tunnel = self.random.choice(list(INTERVALS))
        agent = self.rig.agents[site]
        agent.wait_for_event(step, agent.position(), tunnel, state, limit=LIMIT)
        agent.stop(signal.SIGKILL)
        time.sleep(self.random.choice((0, 0.2)))
        agent.start()
        return f"{site}'s agent at {step} {state or 'done'} of {tunnel}"

    def _hand_off(self) -> str:
        mode = self.random.choice(WIRE)
        delay = self.random.choice((0.05, 0.5)) if mode == "delay" else 0
        self.rig.wires.set("to-bob", mode, delay=delay)
        time.sleep(self.random.uniform(0.2, 1.2))
        self.rig.wires.set("to-bob")
        return mode

    def _provider_away(self) -> str:
        site = self.random.choice(SITES)
        mode = self.random.choice(("cut", "swallow", "stopped"))
        if mode == "stopped":
            self.rig.providers.signal(signal.SIGSTOP)
        else:
            self.rig.wires.set(f"kp-{site}", mode)
        time.sleep(self.random.uniform(0.5, 1.5))
        if mode == "stopped":
            self.rig.providers.signal(signal.SIGCONT)
        else:
            self.rig.wires.set(f"kp-{site}")
        return f"{mode} at {site}"

    def _provider_wrong(self) -> str:
        site, fault = self.random.choice(SITES), self.random.choice(WRONG)
        self.rig.wires.set(f"kp-{site}", target=self.rig.providers.addresses[fault][site])
        time.sleep(self.random.uniform(0.5, 1.5))
        self.rig.wires.set(f"kp-{site}")
        return f"{fault} at {site}"

    def _restart_charon(self) -> str:
        site = self.random.choice(SITES)
        self.rig.charon[site].stop(self.random.choice((signal.SIGKILL, signal.SIGTERM)))
        self.rig.charon[site].start()
        return site

    def _restart_wireguard(self) -> str:
        site = self.random.choice(SITES)
        self.rig.wireguard[site].stop()
        self.rig.wireguard[site].start()
        return site

    def _clock(self) -> str:
        site, jump = self.random.choice(SITES), self.random.choice(("+6h", "-6h", "+20h"))
        clock = self.rig.agents[site].clock
        clock.write_text(jump)
        time.sleep(self.random.uniform(0.5, 1.5))
        with contextlib.suppress(OSError):
            clock.write_text("+0")
        return f"{jump} at {site}"
