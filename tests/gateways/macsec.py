"""A `wpa_supplicant` at each site, which takes CAK and CKN over its control socket.

Without the kernel module `macsec`, which few test machines have, it uses the driver `wired`: keys are accepted, but MKA
itself does not run.
"""

import subprocess

from lab import MACSEC, SITES, Lab, file_of_the_page, wait_for

INTERFACE = "eth0"
LINK = "macsec0"


class Supplicant:
    """A `wpa_supplicant` process."""

    def __init__(self, lab: Lab, site: str, in_kernel: bool) -> None:
        self.lab, self.site, self.in_kernel = lab, site, in_kernel
        self.folder = lab.folder / f"macsec-{site}"
        self.folder.mkdir()
        self.control = self.folder / "control"
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it without a key."""
        if self.in_kernel:
            kind = ("type", "macsec", "port", "1", "encrypt", "on", "send_sci", "on")
            self.lab.ip(self.site, "link", "add", "link", INTERFACE, "name", LINK, *kind)
            self.lab.ip(self.site, "addr", "add", f"{MACSEC[self.site]}/24", "dev", LINK)
        else:
            # stands in for the link, which must already exist
            self.lab.ip(self.site, "link", "add", LINK, "type", "veth", "peer", "name", f"{LINK}-peer")
            self.lab.ip(self.site, "link", "set", f"{LINK}-peer", "up")
        self.lab.ip(self.site, "link", "set", LINK, "up")
        file = self.folder / "macsec.conf"
        text = file_of_the_page("agent-macsec.md", "/etc/wpa_supplicant/macsec.conf")
        file.write_text(text.replace("/run/wpa_supplicant GROUP=skip-client", str(self.control)))
        driver = "macsec_linux" if self.in_kernel else "wired"
        command = ("wpa_supplicant", "-d", "-i", INTERFACE, "-D", driver, "-c", file)
        self.process = self.lab.start(self.lab.inside(self.site, *command), self.log)
        wait_for("wpa_supplicant", (self.control / INTERFACE).exists)

    def taken(self) -> int:
        """How often it was given a CAK and a CKN, according to its log."""
        log = self.log.read_text(errors="replace")
        return min(log.count(f"SET_NETWORK id=0 name='{name}'") for name in ("mka_cak", "mka_ckn"))


def pair(lab: Lab, in_kernel: bool = False) -> dict[str, Supplicant]:
    """One at each site."""
    return {site: Supplicant(lab, site, in_kernel) for site in SITES}


def config(supplicant: Supplicant) -> str:
    """The agent's consumer table for it."""
    return f'type = "macsec"\ninterface = "{INTERFACE}"\nlink = "{LINK}"\ncontrol = "{supplicant.control}"\n'
