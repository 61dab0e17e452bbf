"""A `wpa_supplicant` at each site, which takes CAK and CKN over its control socket.

It uses the driver `wired`, because few test machines have the kernel module `macsec`: keys are accepted, but MKA itself
does not run.
"""

import subprocess

from lab import SITES, Lab, wait_for

INTERFACE = "eth0"
LINK = "macsec0"
CONFIGURATION = """ctrl_interface=DIR={control}
eapol_version=3
ap_scan=0
network={{
  key_mgmt=NONE
  eapol_flags=0
  macsec_policy=1
  disabled=1
}}
"""


class Supplicant:
    """A `wpa_supplicant` process."""

    def __init__(self, lab: Lab, site: str) -> None:
        self.lab, self.site = lab, site
        self.folder = lab.folder / f"macsec-{site}"
        self.folder.mkdir()
        self.control = self.folder / "control"
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it without a key."""
        # stands in for the MACsec link, which must already exist, so that the kernel module is not needed
        self.lab.ip(self.site, "link", "add", LINK, "type", "veth", "peer", "name", f"{LINK}-peer")
        for name in (LINK, f"{LINK}-peer"):
            self.lab.ip(self.site, "link", "set", name, "up")
        file = self.folder / "macsec.conf"
        file.write_text(CONFIGURATION.format(control=self.control))
        command = ("wpa_supplicant", "-d", "-i", INTERFACE, "-D", "wired", "-c", file)
        self.process = self.lab.start(self.lab.inside(self.site, *command), self.log)
        wait_for("wpa_supplicant", (self.control / INTERFACE).exists)

    def taken(self) -> int:
        """How often it was given a CAK and a CKN, by its own log."""
        log = self.log.read_text(errors="replace")
        return min(log.count(f"SET_NETWORK id=0 name='{name}'") for name in ("mka_cak", "mka_ckn"))


def pair(lab: Lab) -> dict[str, Supplicant]:
    """Both."""
    return {site: Supplicant(lab, site) for site in SITES}


def config(supplicant: Supplicant) -> str:
    """The agent's consumer table for it."""
    return f'type = "macsec"\ninterface = "{INTERFACE}"\nlink = "{LINK}"\ncontrol = "{supplicant.control}"\n'
