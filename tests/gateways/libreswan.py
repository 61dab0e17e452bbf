"""A libreswan gateway at each site: two plutos, which need ESP in the kernel to carry traffic.

Debian's package conflicts with strongSwan's, so it is unpacked in the cache, with the libraries that it needs.
"""

import secrets
import subprocess
from pathlib import Path

import debian
from lab import INNER, OUTER, SITES, Lab, other, run, wait_for
from rig import Rotating

CONNECTION = "site-to-site"


def installed() -> Path:
    """The root folder of libreswan: the system's, or that of the unpacked package."""
    return Path("/") if Path("/usr/libexec/ipsec/pluto").exists() else debian.unpack("libreswan")


class Pluto:
    """A pluto process. `subnet` is the network that it protects on its own side."""

    def __init__(self, lab: Lab, site: str, psk: str, root: Path, subnet: str | None = None) -> None:
        self.lab, self.site, self.root = lab, site, root
        self.subnet = subnet or f"{INNER[site]}/32"
        self.folder = lab.folder / f"pluto-{site}"
        (self.folder / "run" / "pluto").mkdir(parents=True)
        self.log = self.folder / "pluto.log"
        self.config = self.folder / "ipsec.conf"
        self.config.write_text(self._config())
        self.secrets = self.folder / "skip.secrets"
        shared = self.folder / "ipsec.secrets"
        shared.touch(0o600)
        shared.write_text(f'@alice @bob : PSK "{psk}"\ninclude {self.folder}/skip.secrets*\n')
        self.process: subprocess.Popen[bytes] | None = None

    def _config(self) -> str:
        here, there = self.site, other(self.site)
        return f"""config setup
    logfile={self.log}
    nssdir={self.folder}/nss
    secretsfile={self.folder}/ipsec.secrets
    dnssec-enable=no
conn {CONNECTION}
    left={OUTER[here]}
    leftid=@{here}
    leftsubnet={self.subnet}
    leftsourceip={INNER[here]}
    right={OUTER[there]}
    rightid=@{there}
    rightsubnet={INNER[there]}/32
    authby=secret
    ikev2=insist
    ppk=insist
    auto=add
    failureshunt=drop
    negotiationshunt=hold
    retransmit-timeout=5s
"""

    def start(self) -> None:
        """Starts pluto and loads the connection."""
        (self.folder / "nss").mkdir()
        self.ipsec("initnss", "--nssdir", str(self.folder / "nss"))
        pluto = ("/usr/libexec/ipsec/pluto", "--config", str(self.config), "--nofork")
        self.process = self.lab.start(self.lab.inside(self.site, *self._private(*pluto)), self.folder / "out.log")
        wait_for("pluto", (self.folder / "run/pluto/pluto.ctl").exists, 20)
        self.load()

    def load(self) -> None:
        """Loads the connection from the file."""
        self.config.write_text(self._config())
        self.ipsec("auto", "--config", str(self.config), "--replace", CONNECTION)

    def loads(self, text: str, connection: str) -> str:
        """Loads a connection from another file; returns its status as reported by pluto."""
        file = self.folder / f"{connection}.conf"
        file.write_text(text)
        self.ipsec("auto", "--config", str(file), "--add", connection)
        return "\n".join(line for line in self.ipsec("status").splitlines() if f'"{connection}"' in line)

    def _private(self, *command: str) -> tuple[str, ...]:
        """A command line that runs with the unpacked package and its own /run."""
        libraries = ":".join(map(str, self.root.glob("usr/lib/*-linux-gnu")))
        binds = f"mount --bind {self.root}/usr/libexec /usr/libexec && mount --bind {self.folder}/run /run"
        environment = f"IPSEC_SBINDIR={self.root}/usr/sbin PATH=$PATH:{self.root}/usr/bin LD_LIBRARY_PATH={libraries}"
        return ("unshare", "--mount", "sh", "-c", f'{binds} && {environment} exec "$@"', "sh", *command)

    def command(self) -> Path:
        """An `ipsec` that reaches this pluto."""
        path = self.folder / "ipsec"
        if not path.exists():
            first, *rest = self._private(f"{self.root}/usr/sbin/ipsec")
            quoted = " ".join("'" + part.replace("'", "'\\''") + "'" for part in (first, *rest))
            path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n')
            path.chmod(0o755)
        return path

    def ipsec(self, *arguments: str) -> str:
        """Runs `ipsec`."""
        return run(*self.lab.inside(self.site, self.command(), *arguments))

    def ppks(self) -> int:
        """How often an IKE_SA was authenticated with a PPK, from pluto's own log."""
        return self.log.read_text(errors="replace").count("PPK AUTH calculated as")


def pair(lab: Lab, bob_protects: str | None = None) -> dict[str, Pluto]:
    """Two plutos that share a PSK."""
    psk, root = secrets.token_urlsafe(24), installed()
    return {site: Pluto(lab, site, psk, root, bob_protects if site == "bob" else None) for site in SITES}


def is_refused(rotating: Rotating, initiator: Pluto) -> str:
    """Waits until the peer has refused the tunnel several times, although `ipsec auto --up` has succeeded."""
    agent = rotating.agents["alice"]

    def failures() -> list[dict[str, str]]:
        return [event for event in agent.events() if event.get("step") == "activate" and event.get("code") == "gateway"]

    wait_for("failures", lambda: len(failures()) >= 3, 180)
    found, fetched = failures(), [event for event in agent.events() if event.get("step") == "fetch"]
    assert "ipsec trafficstatus does not show it" in found[0]["error"], found[0]
    assert "TS_UNACCEPTABLE" in initiator.log.read_text(), "the peer has refused something else"
    assert initiator.ppks() >= 3
    assert rotating.rotations() == 0
    # a key for each attempt, and no others
    keys = len([event for event in fetched if event.get("state") != "begin"])
    assert keys <= len(failures()) + 1
    return f"{len(found)} attempts refused with TS_UNACCEPTABLE, each a failure"


def config(pluto: Pluto) -> str:
    """The agent's consumer table for this gateway."""
    return (
        f'type = "libreswan"\nconnection = "{CONNECTION}"\nleft-id = "@{pluto.site}"\n'
        f'right-id = "@{other(pluto.site)}"\nsecrets = "{pluto.secrets}"\nipsec = "{pluto.command()}"\n'
    )
