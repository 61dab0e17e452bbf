"""A strongSwan gateway at each site, with ESP in the kernel or in user space."""

import re
import secrets
import signal
import subprocess
from dataclasses import dataclass

from lab import INNER, OUTER, SITES, Lab, other, run, stop, wait_for

CONNECTION = "site-to-site"
CHILD = "net"
# in order of precedence
PLUGINS = (
    "random nonce openssl aes sha1 sha2 hmac kdf gcm pem pkcs1 pkcs8 x509 pubkey "
    "{esp}kernel-netlink socket-default vici"
)


@dataclass
class Sa:
    """An IKE_SA as reported by `swanctl`."""

    unique: str
    established: bool
    ppk: bool
    children: int


class Charon:
    """A charon process. `connection` is the file read by the initiator's agent."""

    def __init__(self, lab: Lab, site: str, psk: str, initiator: bool, in_kernel: bool) -> None:
        self.lab, self.site, self.in_kernel = lab, site, in_kernel
        self.folder = lab.folder / f"charon-{site}"
        (self.folder / "run").mkdir(parents=True)
        self.socket = self.folder / "run" / "charon.vici"
        self.log = self.folder / "charon.log"
        self.connection = self.folder / "connection.conf"
        self.secrets = self.folder / "secrets.conf"
        self.settings = self.folder / "strongswan.conf"
        self.settings.write_text(self._settings())
        self.connection.write_text(self._connection())
        self.connection.chmod(0o600)
        self.secrets.write_text(f'secrets {{ ike-site {{ secret = "{psk}" }} }}\n')
        self.secrets.chmod(0o600)
        self.initiator = initiator
        self.process: subprocess.Popen[bytes] | None = None

    def _settings(self) -> str:
        plugins = PLUGINS.format(esp="" if self.in_kernel else "kernel-libipsec ")
        return f"""charon {{
  load = {plugins}
  # a dead peer is noticed within seconds, as a test wants it
  retransmit_timeout = 0.5
  retransmit_base = 1
  retransmit_tries = 4
  half_open_timeout = 5
  # a flood of rotations is no attack here
  cookie_threshold = 0
  block_threshold = 0
  filelog {{ log {{
    path = {self.log}
    default = 1
    ike = 2
    time_format = %T
    flush_line = yes
  }} }}
  plugins {{
    vici {{ socket = unix://{self.socket} }}
    kernel-libipsec {{ allow_peer_ts = yes }}
  }}
}}
"""

    def _connection(self) -> str:
        here, there = self.site, other(self.site)
        return f"""# a connection whose PPK the agent chooses
connections {{
  {CONNECTION} {{
    version = 2
    local_addrs = {OUTER[here]}
    remote_addrs = {OUTER[there]}
    proposals = aes256gcm16-prfsha384-ecp384
    encap = {"no" if self.in_kernel else "yes"}
    unique = never
    ppk_required = yes
    dpd_delay = 1s
    local {{
      auth = psk
      id = {here}
    }}
    remote {{
      auth = psk
      id = {there}
    }}
    children {{
      {CHILD} {{
        local_ts = {INNER[here]}/32
        remote_ts = {INNER[there]}/32
        esp_proposals = aes256gcm16
        dpd_action = clear
      }}
    }}
  }}
}}
"""

    def start(self) -> None:
        """Starts charon and loads what `swanctl` loads at boot."""
        inside = f"mount --bind {self.folder}/run /run && exec /usr/lib/ipsec/charon"
        self.process = self.lab.start(
            self.lab.inside(self.site, "unshare", "--mount", "sh", "-c", inside),
            self.folder / "out.log",
            {"STRONGSWAN_CONF": str(self.settings)},
        )
        wait_for("charon", lambda: self.socket.exists() and self._answers(), 20)
        self.swanctl("--load-creds", "--noprompt", "--file", str(self.secrets))
        # the initiator's connection is loaded by its agent
        if not self.initiator:
            self.swanctl("--load-conns", "--file", str(self.connection))

    def _answers(self) -> bool:
        try:
            return "strongSwan" in self.swanctl("--version", "--daemon") or True
        except RuntimeError:
            return False

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """Stops charon."""
        if self.process:
            stop(self.process, with_signal)
        self.socket.unlink(missing_ok=True)
        for pid in (self.folder / "run").glob("*.pid"):
            pid.unlink()

    def swanctl(self, *arguments: str) -> str:
        """Runs `swanctl` against this charon, as a check that is independent of our own client."""
        return run("swanctl", *arguments, "--uri", f"unix://{self.socket}")

    def sas(self) -> list[Sa]:
        """All IKE_SAs."""
        found = []
        for line in self.swanctl("--list-sas", "--raw").splitlines():
            if "list-sa event" not in line:
                continue
            head = line.split("child-sas")[0]
            value = dict(re.findall(r"([a-z-]+)=(\S+?)(?=[ }])", head))
            children = re.findall(r"state=INSTALLED", line)
            found.append(
                Sa(value["uniqueid"], value["state"] == "ESTABLISHED", value.get("ppk") == "yes", len(children))
            )
        return found

    def ppk_ids(self) -> list[str]:
        """The IDs of the PPKs used in IKE_AUTH, oldest first, from charon's own log."""
        return re.findall(r"using PPK for PPK_ID '([^']+)'", self.log.read_text(errors="replace"))


def pair(lab: Lab, in_kernel: bool = False) -> dict[str, Charon]:
    """Two charons that share a PSK; Alice's is the initiator."""
    psk = secrets.token_urlsafe(24)
    return {site: Charon(lab, site, psk, site == "alice", in_kernel) for site in SITES}


def config(charon: Charon) -> str:
    """The agent's consumer table for this gateway."""
    definition = f'definition = "{charon.connection}"\n' if charon.initiator else ""
    return (
        f'type = "strongswan"\nconnection = "{CONNECTION}"\nchild = "{CHILD}"\n'
        f'socket = "{charon.socket}"\n{definition}timeout = 10\n'
    )


def comes_up(pair: dict[str, Charon], name: str, ppks: dict[str, str]) -> bool:
    """Whether a tunnel with these PPKs, which share an ID, comes up; uses only `swanctl`."""
    for site, charon in pair.items():
        file = charon.folder / f"{name}.conf"
        file.touch(0o600)
        # together with this charon's other secrets, because `swanctl` unloads those that the file lacks
        others = charon.secrets.read_text().rstrip().removesuffix("}")
        file.write_text(f"{others}\nppk-{name} {{\n id = {name}\n secret = 0x{ppks[site]}\n}}\n}}\n")
        charon.swanctl("--load-creds", "--noprompt", "--file", str(file))
    initiator = pair["alice"]
    text = initiator.connection.read_text().replace("version = 2", f"version = 2\n ppk_id = {name}")
    file = initiator.folder / f"{name}-connection.conf"
    file.write_text(text)
    initiator.swanctl("--load-conns", "--file", str(file))
    try:
        initiator.swanctl("--initiate", "--child", CHILD, "--timeout", "5")
    except RuntimeError:
        return False
    initiator.swanctl("--terminate", "--ike", CONNECTION)
    return True
