"""From nothing to a rotating tunnel: the blocks of the pages of the agent's gateways (docs/agent-*.md), as they are.

Two containers with a systemd each stand for the sites: a copy of this machine without the Debian package, on a network
of its own, and joined by one more cable. The test does only what the pages leave to the operator: it carries files,
plugs cables, and knows addresses. apt-get finds the gateways installed, or in its cache.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gateways"))

from lab import run, wait_for

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```bash\n# (site A|site B|both sites)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# the addresses on the pages, and those of this machine on the same cables
ADDRESS = {"A": "192.0.2.1", "B": "198.51.100.1"}
MIDDLE = {"A": "192.0.2.254", "B": "198.51.100.254"}
NAMES = f"""127.0.0.1 localhost
{ADDRESS["A"]} agent.site-a.example
{ADDRESS["B"]} agent.site-b.example
{MIDDLE["A"]} kp-alice
{MIDDLE["B"]} kp-bob
"""
# strongSwan's other charon is for the other tests
NEW = """
export DEBIAN_FRONTEND=noninteractive
dpkg --purge skip-client strongswan-charon strongswan-starter
userdel skip-client
systemctl disable skip-client-test.service
"""


@dataclass
class Page:
    """How a page differs from the others."""

    # the addresses of both ends inside the tunnel
    inside: dict[str, str]
    # whether these are the operator's, in the networks behind the gateways
    has_networks: bool = False
    # files that are brought to the other site after the first block
    carried: dict[str, str] = field(default_factory=dict)
    # whom the agent runs as
    user: str = "skip-client"
    # seconds until packets flow again after a rotation
    patience: float = 0


NETWORKS = {"A": "10.1.0.1", "B": "10.2.0.1"}
LINK = {"A": "10.0.0.1", "B": "10.0.0.2"}
PAGES = {
    "agent-strongswan.md": Page(NETWORKS, has_networks=True),
    "agent-wireguard.md": Page(LINK, carried={"/etc/wireguard/public": "/etc/wireguard/peer"}),
    "agent-macsec.md": Page(LINK, patience=120),
    "agent-libreswan.md": Page(NETWORKS, has_networks=True, user="root", patience=120),
}


class Site:
    """A container."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.root, self.cable, self.unit = folder / "root", f"cable-{name.lower()}", f"site-{name.lower()}"

    def start(self) -> None:
        """Boots it."""
        layers = {name: self.folder / name for name in ("upper", "work")}
        for layer in (*layers.values(), self.root):
            layer.mkdir(parents=True)
        options = f"lowerdir=/,upperdir={layers['upper']},workdir={layers['work']}"
        run("mount", "-t", "overlay", "overlay", "-o", options, self.root)
        self._make_new()
        run("ip", "link", "add", self.cable, "type", "veth", "peer", "name", f"{self.cable}x")
        run("ip", "addr", "add", f"{MIDDLE[self.name]}/24", "dev", self.cable)
        run("ip", "link", "set", self.cable, "up")
        nspawn = (
            *("systemd-nspawn", "--boot", "--quiet", "--keep-unit", "--register=no", "--console=pipe"),
            *(f"--directory={self.root}", "--resolv-conf=off", f"--network-interface={self.cable}x"),
        )
        # as in systemd-nspawn@.service, so that the container's own systemd shuts it down
        how = ("--property=Delegate=yes", "--property=KillMode=mixed")
        run("systemd-run", "--quiet", "--collect", f"--unit={self.unit}", *how, *nspawn)
        self.leader = wait_for(f"site {self.name}", self._leader, 60, 0.2)
        wait_for(f"systemd of site {self.name}", self._is_up, 180, 1)
        inside = f"ip link set lo up; ip addr add {ADDRESS[self.name]}/24 dev {self.cable}x; "
        self.paste(f"{inside} ip link set {self.cable}x up; ip route add default via {MIDDLE[self.name]}")

    def _make_new(self) -> None:
        """Takes away what is not on a new Debian, and gives it the package and the names."""
        run("chroot", self.root, "sh", "-euc", NEW)
        for left in ("etc/skip-client", "var/lib/skip-client", "srv/test", "tmp"):
            shutil.rmtree(self.root / left, ignore_errors=True)
        (self.root / "tmp").mkdir()
        (self.root / "etc/hosts").write_text(NAMES)
        for package in ROOT.glob("dist/skip-client_*.deb"):
            shutil.copy(package, self.root / "root")

    def _leader(self) -> int | None:
        main = run("systemctl", "show", "--property", "MainPID", "--value", self.unit).strip()
        assert main != "0", run("journalctl", "-u", self.unit, "--no-pager", "-o", "cat")[-2000:]
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        inits = (int(pid) for pid in children if re.search(r"NSpid:\t\d+\t1$", status_of(pid), re.MULTILINE))
        return next(inits, None)

    def _is_up(self) -> bool:
        state = subprocess.run(self._inside("systemctl", "is-system-running"), capture_output=True, text=True)
        return state.stdout.strip() in ("running", "degraded")

    def _inside(self, *command: str) -> list[str]:
        # of the namespaces, all but that of users, which is this machine's
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return ["nsenter", f"--target={self.leader}", *spaces, *command]

    def paste(self, text: str, seconds: float = 600) -> str:
        """What root's shell says to the text; it fails if any command does."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
        done = subprocess.run(
            self._inside("bash", "-euo", "pipefail", "-s"),
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            timeout=seconds,
        )
        assert done.returncode == 0, f"site {self.name}:\n{text}\n{done.stdout}\n{self.journal('--lines=40')}"
        return done.stdout

    def journal(self, *which: str) -> str:
        """The log of its services."""
        command = self._inside("journalctl", "--no-pager", "--output=cat", *which)
        return subprocess.run(command, capture_output=True, text=True).stdout

    def answers(self, here: str, there: str) -> bool:
        """Whether there is an answer to each of some packets."""
        ping = self._inside("ping", "-q", "-c", "5", "-i", "0.3", "-W", "5", "-I", here, there)
        return ", 0% packet loss" in subprocess.run(ping, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """Switches it off."""
        run("systemctl", "stop", self.unit, timeout=120)
        subprocess.run(["ip", "link", "delete", self.cable])
        run("umount", self.root)


def status_of(pid: str) -> str:
    """What the kernel says of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/status").read_text()
    return ""


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[dict[str, Site]]:
    """Both sites, with a router and both Key Providers between them."""
    for module in ("overlay", "esp4", "xfrm_user", "wireguard", "macsec"):
        run("modprobe", module)
    run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    # an overlay's upper layer must not be on an overlay, nor on the disk that is its lower one
    layers = tmp_path / "sites"
    layers.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", layers)
    made = {name: Site(name, layers / name) for name in ADDRESS}
    with contextlib.ExitStack() as stack:
        stack.callback(run, "umount", layers)
        for site in made.values():
            stack.callback(site.stop)
            site.start()
        a, b = (("eth1", "netns", str(made[name].leader)) for name in ADDRESS)
        run("ip", "link", "add", *a, "type", "veth", "peer", *b)
        ends = ("--alice", f"{MIDDLE['A']}:8443", "--bob", f"{MIDDLE['B']}:8443")
        folder = tmp_path / "kp"
        providers = subprocess.Popen(["skip-client", "serve", "--dir", folder, *ends], stdout=subprocess.DEVNULL)
        stack.callback(providers.wait)
        stack.callback(providers.terminate)
        wait_for("the Key Providers", (folder / "endpoints.json").exists)
        for site in made.values():
            shutil.copy(folder / "ca.pem", site.root / "root/kp-ca.pem")
        yield made


@pytest.mark.parametrize("page", PAGES)
def test_from_nothing_to_a_rotating_tunnel(
    page: str, sites: dict[str, Site], capsys: pytest.CaptureFixture[str]
) -> None:
    its, text = PAGES[page], (ROOT / "docs" / page).read_text()
    found = BLOCK.findall(text)
    assert len(found) == text.count("```bash") > 6
    for name, address in its.inside.items():
        if its.has_networks:
            sites[name].paste(f"ip addr add {address}/16 dev lo")
    said, began = "", time.monotonic()
    for at, (where, block) in enumerate(found):
        for name, site in sites.items():
            if where in (f"site {name}", "both sites"):
                said = site.paste(block)
        if at == 0:
            carry(sites, its.carried)
        if Path(sites["A"].root / "root/for-site-b.tar").exists():
            shutil.move(sites["A"].root / "root/for-site-b.tar", sites["B"].root / "root/for-site-b.tar")
    # the last block has shown the tunnel, and asked for one more rotation
    assert "step=done" in said, said
    wait_for("one more rotation", lambda: sites["A"].journal("--unit=skip-client-agent").count("step=done") > 1, 60, 1)
    wait_for("packets through the tunnel", lambda: sites["A"].answers(*its.inside.values()), its.patience, 1)
    agent = "systemctl show --property User --property NRestarts skip-client-agent"
    assert set(sites["B"].paste(agent).split()) == {f"User={its.user}", "NRestarts=0"}
    with capsys.disabled():
        took = time.monotonic() - began
        print(f"\n  docs/{page}: {len(found)} blocks pasted, tunnel up, rotated again, after {took:.0f} s", flush=True)


def carry(sites: dict[str, Site], files: dict[str, str]) -> None:
    """Brings each of these files of a site to the other one."""
    for here, there in (("A", "B"), ("B", "A")):
        for file, as_file in files.items():
            shutil.copy(sites[here].root / file[1:], sites[there].root / as_file[1:])
