"""A WireGuard gateway at each site: that of the kernel, or wireguard-go, built from its Go module."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from lab import OUTER, SITES, WIREGUARD, Lab, other, run, stop, wait_for

HERE = Path(__file__).resolve().parent
INTERFACE = "wg0"
PORT = 51820
# What `hurried` changes: a handshake every two seconds instead of every two minutes. The window for a new handshake
# before the session ends is shorter as well (10 s instead of 60 s), so nothing gets easier.
HURRY = {
    "RekeyAfterTime          = time.Second * 120": "RekeyAfterTime          = time.Second * 2",
    "RekeyAttemptTime        = time.Second * 90": "RekeyAttemptTime        = time.Second * 9",
    "RekeyTimeout            = time.Second * 5": "RekeyTimeout            = time.Second / 2",
    "MaxTimerHandshakes      = 90 / 5": "MaxTimerHandshakes      = 18",
    "RejectAfterTime         = time.Second * 180": "RejectAfterTime         = time.Second * 12",
}


def build(hurried: bool) -> Path:
    """The path of the program, from the cache if possible."""
    module = "golang.zx2c4.com/wireguard"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skip-client" / "wireguard-go"
    source = HERE / "wireguard-go"
    run("go", "mod", "download", "-C", source, module, timeout=300)
    version, folder = run("go", "list", "-C", source, "-m", "-f", "{{.Version}} {{.Dir}}", module, timeout=300).split()
    program = cache / f"{version}{'-hurried' if hurried else ''}"
    if program.exists():
        return program
    cache.mkdir(parents=True, exist_ok=True)
    if hurried:
        # Go refuses overlays for files in its module cache, so a copy is built
        copy = cache / f"{version}-source-{os.getpid()}"
        shutil.copytree(folder, copy, copy_function=shutil.copyfile)
        for directory, *_ in os.walk(copy):
            Path(directory).chmod(0o755)
        constants = copy / "device" / "constants.go"
        text = constants.read_text()
        for before, after in HURRY.items():
            assert text.count(before) == 1, before
            text = text.replace(before, after)
        constants.write_text(text)
        source, module = copy, "."
    made = program.with_suffix(f".{os.getpid()}")
    run("go", "build", "-C", source, "-o", made, module, timeout=600)
    if hurried:
        shutil.rmtree(source)
    made.rename(program)
    return program


class WireGuard:
    """An interface with one peer."""

    def __init__(self, lab: Lab, site: str, program: Path | None, private: str, peer: str) -> None:
        """`program`: wireguard-go; without it the kernel's."""
        self.lab, self.site, self.program = lab, site, program
        self.folder = lab.folder / f"wireguard-{site}"
        self.folder.mkdir()
        self.private = self.folder / "private"
        self.private.touch(0o600)
        self.private.write_text(private)
        self.peer = peer
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, psk: str | None = None) -> None:
        """Creates the interface as at boot: without a pre-shared key unless one is given."""
        if self.program:
            self._start_program()
        else:
            self.lab.ip(self.site, "link", "add", INTERFACE, "type", "wireguard")
        there = other(self.site)
        self.wg("set", INTERFACE, "listen-port", str(PORT), "private-key", str(self.private))
        self.wg(
            *("set", INTERFACE, "peer", self.peer, "allowed-ips", f"{WIREGUARD[there]}/32"),
            *("endpoint", f"{OUTER[there]}:{PORT}", "persistent-keepalive", "1"),
        )
        if psk:
            self.wg("set", INTERFACE, "peer", self.peer, "preshared-key", "/dev/stdin", stdin=psk)
        self.lab.ip(self.site, "addr", "add", f"{WIREGUARD[self.site]}/24", "dev", INTERFACE)
        self.lab.ip(self.site, "link", "set", INTERFACE, "up")

    def _start_program(self) -> None:
        self.process = self.lab.start(
            # its control socket is in /var/run, so each site needs its own
            self.lab.inside(
                self.site,
                "unshare",
                "--mount",
                "sh",
                "-c",
                f"mount --bind {self.folder} /run && exec {self.program} --foreground {INTERFACE}",
            ),
            self.folder / "log",
        )
        wait_for("wireguard-go", lambda: (self.folder / "wireguard" / f"{INTERFACE}.sock").exists(), 20)

    def stop(self, with_signal: int = signal.SIGKILL) -> None:
        """Stops the process, which removes its interface."""
        if self.process:
            stop(self.process, with_signal)
        (self.folder / "wireguard" / f"{INTERFACE}.sock").unlink(missing_ok=True)
        self.process = None

    def command(self) -> Path:
        """A `wg` that reaches this interface: the control socket of wireguard-go is in its own mount namespace."""
        if not self.program:
            return Path("/usr/bin/wg")
        path = self.folder / "wg"
        if not path.exists():
            inside = f"mount --bind {self.folder} /run && exec /usr/bin/wg"
            path.write_text(f'#!/bin/sh\nexec unshare --mount sh -c \'{inside} "$@"\' wg "$@"\n')
            path.chmod(0o755)
        return path

    def wg(self, *arguments: str, stdin: str | None = None) -> str:
        """Runs `wg`."""
        return run(*self.lab.inside(self.site, self.command(), *arguments), stdin=stdin)

    def handshake(self) -> int:
        """The time of the last handshake, in seconds since 1970; 0 before the first."""
        return int(self.wg("show", INTERFACE, "latest-handshakes").split()[1])


def pair(lab: Lab, hurried: bool = False, in_kernel: bool = False) -> dict[str, WireGuard]:
    """Two gateways configured as each other's peers."""
    program = None if in_kernel else build(hurried)
    private = {site: run("wg", "genkey").strip() for site in SITES}
    public = {site: run("wg", "pubkey", stdin=private[site]).strip() for site in SITES}
    return {site: WireGuard(lab, site, program, private[site], public[other(site)]) for site in SITES}


def config(gateway: WireGuard) -> str:
    """The agent's consumer table for this gateway."""
    return f'type = "wireguard"\ninterface = "{INTERFACE}"\npeer = "{gateway.peer}"\nwg = "{gateway.command()}"\n'
