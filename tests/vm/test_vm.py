"""Debian's own kernel and systemd: ESP, WireGuard and MACsec in the kernel, and the Debian package with its unit.

`scripts/test-vm` runs it in a virtual machine, which it changes as it likes. The gateways are those of tests/gateways,
with the unprotected route closed and the wire watched.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "gateways"))

import libreswan
import macsec
import strongswan
import wireguard
from lab import INNER, SITES, Lab, run, wait_for
from rig import Rotating

ROTATIONS = int(os.environ.get("ROTATIONS", "10"))
ETC = Path("/etc/skip-client")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Lab(tmp_path) as made:
        yield made


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Prints a line of the transcript."""
    with capsys.disabled():
        print(f"\n  {text}", flush=True)


def test_strongswan_with_esp_of_the_kernel(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    pair = strongswan.pair(lab, in_kernel=True)
    for charon in pair.values():
        charon.start()
    rotating = Rotating(lab, "ipsec", {site: strongswan.config(pair[site]) for site in SITES}, "3s", hurried=False)
    said = rotating.under_traffic(ROTATIONS, 15)
    states = lab.ip("alice", "xfrm", "state")
    assert "proto esp" in states and "rfc4106(gcm(aes))" in states, "ESP is not the kernel's"
    sas = [sa for sa in pair["alice"].sas() if sa.established]
    assert sas and all(sa.ppk for sa in sas)
    say(capsys, f"strongSwan, ESP of the kernel: {said}")
    assert rotating.lost == 0


def test_wireguard_of_the_kernel(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """With the kernel's own timers: a handshake every two minutes."""
    pair = wireguard.pair(lab, in_kernel=True)
    for gateway in pair.values():
        gateway.start()
    rotating = Rotating(lab, "wireguard", {site: wireguard.config(pair[site]) for site in SITES}, "50s", hurried=False)
    handshakes: set[int] = set()

    def several_handshakes() -> bool:
        handshakes.add(pair["alice"].handshake())
        return len(handshakes - {0}) >= 3

    said = rotating.under_traffic(3, 120, several_handshakes)
    assert run(*lab.inside("alice", "ip", "-d", "link", "show", "wg0")).count("wireguard") > 0
    say(capsys, f"WireGuard of the kernel: {said}, {len(handshakes - {0})} handshakes")
    assert rotating.lost == 0


def test_macsec(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Each rotation interrupts the link; addresses, routes and the link itself stay, and nothing is unprotected."""
    pair = macsec.pair(lab, in_kernel=True)
    for supplicant in pair.values():
        supplicant.start()
    before = lab.ip("alice", "-br", "addr", "show", macsec.LINK)
    # the first key, and MKA, which takes some seconds
    rotating = Rotating(lab, "macsec", {site: macsec.config(pair[site]) for site in SITES}, "30s", hurried=False)
    said = rotating.under_traffic(3, 120)
    assert lab.ip("alice", "-br", "addr", "show", macsec.LINK).split()[2:] == before.split()[2:]
    shown = lab.ip("alice", "macsec", "show")
    assert "GCM-AES-128" in shown and "encrypt on" in shown, shown
    say(capsys, f"MACsec by wpa_supplicant: {said}, {rotating.down:.1f} s in each rotation")
    assert rotating.lost > 0, "the documents say that a rotation interrupts the link"


def test_libreswan(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """A tunnel that is refused counts as a failure, and comes up once it is repaired; each rotation interrupts it."""
    pair = libreswan.pair(lab, bob_protects="10.99.9.0/24")
    for pluto in pair.values():
        pluto.start()
    rotating = Rotating(lab, "ipsec", {site: libreswan.config(pair[site]) for site in SITES}, "30s", hurried=False)
    refused = libreswan.is_refused(rotating, pair["alice"])
    pair["bob"].subnet = f"{INNER['bob']}/32"
    pair["bob"].load()
    said = rotating.under_traffic(2, 300)
    assert "proto esp" in lab.ip("alice", "xfrm", "state")
    assert all(pluto.ppks() >= 3 for pluto in pair.values())
    say(capsys, f"libreswan, two plutos: {refused}; then {said}, {rotating.down:.1f} s in each rotation")


def systemctl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs `systemctl`, whose exit status is left to the caller."""
    return subprocess.run(["systemctl", *arguments], capture_output=True, text=True, timeout=120)


def prop(name: str) -> str:
    """A property of the unit."""
    return run("systemctl", "show", "--property", name, "--value", "skip-client-agent").strip()


def test_the_debian_package_under_systemd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (package,) = Path(__file__).resolve().parents[2].glob("dist/skip-client_*.deb")
    run("dpkg", "--install", package)
    assert run("id", "--name", "--user", "skip-client").strip() == "skip-client", "the package makes no user"
    verified = subprocess.run(
        ["systemd-analyze", "verify", "skip-client-agent.service"], capture_output=True, text=True
    )
    assert verified.returncode == 0 and not verified.stderr, verified.stderr

    with subprocess.Popen(
        ["/usr/bin/skip-client", "serve", "--dir", tmp_path / "kp", *("--alice", "127.0.0.1:8443")],
        stdout=subprocess.PIPE,
    ) as providers:
        try:
            wait_for("the Key Providers", (tmp_path / "kp/endpoints.json").exists)
            good = configure(tmp_path / "kp/ca.pem")
            # the installed configuration has no reachable peer: the agent runs, and its status says so
            assert systemctl("start", "skip-client-agent").returncode == 0, run("journalctl", "-u", "skip-client-agent")
            assert prop("ActiveState") == "active" and prop("User") == "skip-client"
            status = subprocess.run(["/usr/bin/skip-client", "agent", "status"], capture_output=True, text=True)
            assert status.returncode == 1 and "site-b" in status.stdout, status
            assert Path("/run/skip-client").stat().st_mode & 0o777 == 0o750
            assert Path("/var/lib/skip-client/agent").stat().st_mode & 0o777 == 0o700
            say(capsys, "systemd: started, as the user skip-client, from the Debian package; status ends with 1")

            file = ETC / "agent.toml"
            pid = prop("MainPID")
            file.write_text(good.replace("size = 256", "sise = 256"))
            refused = systemctl("reload", "skip-client-agent")
            assert refused.returncode != 0, "a reload of a broken file succeeds"
            assert prop("ActiveState") == "active" and prop("MainPID") == pid
            assert "sise: is not known" in run("journalctl", "-u", "skip-client-agent", "-o", "cat")
            file.write_text(good)
            assert systemctl("reload", "skip-client-agent").returncode == 0
            assert prop("MainPID") == pid
            say(capsys, "systemd: reload of a broken file fails, and the agent goes on; of the repaired file succeeds")

            os.kill(int(pid), signal.SIGKILL)
            wait_for("a restart", lambda: prop("ActiveState") == "active" and prop("MainPID") not in ("0", pid), 60)
            say(capsys, f"systemd: restarted after SIGKILL ({prop('NRestarts')} time)")

            file.write_text("[agent]\n")
            assert systemctl("restart", "skip-client-agent").returncode != 0
            wait_for("its end", lambda: prop("ActiveState") == "failed", 60)
            before = prop("NRestarts")
            # longer than RestartSec
            time.sleep(5)
            assert prop("ActiveState") == "failed" and prop("NRestarts") == before
            assert prop("ExecMainStatus") == "2"
            say(capsys, "systemd: a broken file at the start: exit status 2, no restart")

            file.write_text(good)
            systemctl("reset-failed", "skip-client-agent")
            assert systemctl("start", "skip-client-agent").returncode == 0
            assert systemctl("stop", "skip-client-agent").returncode == 0
            assert prop("Result") == "success"
        finally:
            providers.terminate()


def configure(ca: Path) -> str:
    """Writes the files that docs/agent.md describes, with their owners and modes; returns the configuration."""
    ETC.mkdir(exist_ok=True)
    run("skip-client", "agent", "handoff-certs", "--out", ETC, "agent.site-a.example", "agent.site-b.example")
    (ETC / "kp-ca.pem").write_bytes(ca.read_bytes())
    key = ETC / "agent.site-a.example.key"
    run("chown", "root:skip-client", key)
    key.chmod(0o640)
    text = """[agent]
state = "/var/lib/skip-client/agent"
[hand-off]
listen = "127.0.0.1:7464"
ca = "ca.pem"
cert = "agent.site-a.example.pem"
key = "agent.site-a.example.key"
[key-provider.alice]
url = "https://127.0.0.1:8443"
ca = "kp-ca.pem"
[peer."agent.site-b.example"]
address = "127.0.0.1:7465"
[tunnel.site-b]
key-provider = "alice"
peer = "agent.site-b.example"
remote = "Bob"
role = "initiator"
size = 256
consumer = { type = "file", path = "/run/skip-client/site-b.key", format = "hex" }
"""
    (ETC / "agent.toml").write_text(text)
    return text
