"""Measurements without nginx: validation, imports, memory, sizes, and our own Key Provider under heavy load."""

import gzip
import json
import statistics
import subprocess
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import records
import servers

Figures = dict[str, records.Figure]
MESSAGE = json.dumps(servers.KEY)
# each kind of package, and what builds it
PACKAGES = {
    "*.whl": "make wheel",
    "*.tgz": "make npm",
    "*.jar": "make jar",
    "*.aar": "make jar",
    "*.deb": "make release",
}


def validation() -> Figures:
    """Validation of one key message, from str to verdict; nanoseconds."""
    import fastjsonschema
    import jsonschema_rs
    import msgspec
    import orjson
    import pydantic
    import skip_client

    schema = skip_client.schema("key")
    rust = jsonschema_rs.validator_for(schema)
    python = fastjsonschema.compile(schema)

    class Model(pydantic.BaseModel):
        keyId: str = pydantic.Field(pattern=r"^([0-9a-fA-F]{2}){1,256}$")
        key: str = pydantic.Field(pattern=r"^([0-9a-fA-F]{2}){1,8192}$")

    struct = msgspec.defstruct("Key", [("keyId", str), ("key", str)])
    decoder = msgspec.json.Decoder(struct)
    contestants: dict[str, Callable[[], object]] = {
        "skip-client": lambda: skip_client.is_valid("key", MESSAGE),
        "orjson + jsonschema-rs": lambda: rust.is_valid(orjson.loads(MESSAGE)),
        "json + fastjsonschema": lambda: python(json.loads(MESSAGE)),
        "pydantic, patterns": lambda: Model.model_validate_json(MESSAGE),
        "msgspec, types only": lambda: decoder.decode(MESSAGE),
    }
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(7):
        for name, judge in contestants.items():
            found[name].append(timeit.timeit(judge, number=3000) / 3000 * 1e9)
    return {name: records.figure(times) for name, times in found.items()}


def whole_processes(python: str, skip_client: str, command: str | None, kp: servers.Neutral) -> Figures:
    """A process that fetches one key and exits; milliseconds."""
    path = "/key?remoteSystemID=Bob"
    fetch = f"""
import http.client, json, ssl
context = ssl.create_default_context(cafile={kp.ca!r})
connection = http.client.HTTPSConnection({kp.tls13.removeprefix("https://")!r}, context=context)
connection.request("GET", {path!r}); json.loads(connection.getresponse().read())
"""
    options = ["--remote", "Bob", "--ca", kp.ca, "--no-check-remote", "--json"]
    commands = {
        **({"skip-client": [command, "new-key", kp.tls13, *options]} if command else {}),
        "skip-client of the wheel": [skip_client, "new-key", kp.tls13, *options],
        "curl": ["curl", "--silent", "--fail", "--cacert", kp.ca, kp.tls13 + path],
        "python http.client": [python, "-c", fetch],
        "python, nothing": [python, "-c", ""],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(7):
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(5):
            for name, words in commands.items():
                started = time.perf_counter()
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
                times[name].append((time.perf_counter() - started) * 1000)
        for name, five in times.items():
            found[name].append(statistics.median(five))
    return {name: records.figure(medians) for name, medians in found.items()}


def imports(python: str) -> Figures:
    """The time of a process that imports the package, minus that of one that does not; milliseconds."""
    modules = ("sys", "skip_client", "http.client", "requests", "httpx")
    found: dict[str, list[float]] = {module: [] for module in modules}
    for _ in range(11):
        for module in modules:
            command = [python, "-c", f"import {module}"]
            found[module].append(timeit.timeit(lambda c=command: subprocess.run(c, check=True), number=1) * 1000)
    bare = statistics.median(found["sys"])
    return {module: records.figure([time - bare for time in found[module]]) for module in modules[1:]}


def memory(python: str) -> Figures:
    """The memory of one more client with one pooled connection; KiB, averaged over 100."""
    program = """
import gc, sys
from skip_client import Client, Psk
def resident():
    gc.collect()
    with open('/proc/self/statm') as f: return int(f.read().split()[1]) * 4
url, ca, psk = sys.argv[1:]
options = {'psk': Psk.from_file(psk)} if psk else {'ca': ca}
def client():
    kp = Client(url, **options); kp.capabilities(); return kp
kept = [client() for _ in range(10)]
before = resident(); kept += [client() for _ in range(100)]; print((resident() - before) / 100)
"""
    skip_client = str(Path(python).parent / "skip-client")
    with servers.pair(skip_client) as kp:
        modes = {"certificates": (kp.alice, kp.ca, ""), "PSK": (kp.alice_psk, kp.ca, kp.psk)}
        return {
            mode: {"each": float(subprocess.check_output([python, "-c", program, *arguments], text=True))}
            for mode, arguments in modes.items()
        }


def sizes(root: Path, absent: dict[str, str]) -> Figures:
    """The sizes of the packages in dist/, and of what `import "skip-client"` loads in a browser, compressed."""
    found: Figures = {}
    for pattern, how in PACKAGES.items():
        packages = sorted((root / "dist").glob(pattern))
        if not packages:
            absent[f"the size of {pattern}"] = f"not in dist/ ({how} builds it)"
        found |= {path.name: {"KiB": path.stat().st_size / 1024} for path in packages}
    loaded = [root / "node" / "dist" / name for name in ("index.js", "main.js", "schemas.js", "core-bytes.js")]
    if all(path.exists() for path in loaded):
        size = sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in loaded)
        found["the import of npm, gzip"] = {"KiB": size / 1024}
    return found


def storm(python: str, kp: servers.Pair) -> Figures:
    """10,000 fresh keys, each also fetched at the peer, with 100 concurrent callers."""
    program = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from skip_client import Client, Psk
alice, bob, ca, psk = sys.argv[1:]
options = {'psk': Psk.from_file(psk)} if psk else {'ca': ca}
with Client(alice, timeout=60, **options) as a, Client(bob, timeout=60, **options) as b:
    def tunnel(_):
        key = a.new_key('Bob'); assert b.key_by_id(key.key_id, 'Alice') == key
    with ThreadPoolExecutor(100) as pool:
        list(pool.map(tunnel, range(200)))
        rates = []
        for _ in range(5):
            started = time.perf_counter(); list(pool.map(tunnel, range(2_000)))
            rates.append(2_000 / (time.perf_counter() - started))
        print(json.dumps(rates))
"""
    modes = {"certificates": (kp.alice, kp.bob, kp.ca, ""), "PSK": (kp.alice_psk, kp.bob_psk, kp.ca, kp.psk)}
    return {
        mode: records.figure(
            json.loads(subprocess.check_output([python, "-c", program, *arguments], text=True)), "tunnels per second"
        )
        for mode, arguments in modes.items()
    }


def growth(python: str, kp: servers.Pair) -> Figures:
    """Time per key as the load grows: keys fetched before, keys alive, entries of remoteSystemID, Key Providers per
    client. The longest list just fits into a reply of 64 KiB, the most that a client reads."""
    program = """
import json, sys, time
from skip_client import Client
from skip_client.testing import KeyProviderPair
url, ca = sys.argv[1:]
found = {}
def clock(kp, remote='Bob'):
    medians = []
    for _ in range(5):
        times = []
        for _ in range(100):
            started = time.perf_counter(); kp.new_key(remote); times.append(time.perf_counter() - started)
        medians.append(sorted(times)[50] * 1e6)
    return medians
with Client(url, ca=ca) as kp:
    done = 0
    for at in (1, 1_000, 10_000, 100_000):
        while done + 500 < at: kp.new_key('Bob'); done += 1
        found[f'after {at} keys'] = clock(kp); done += 500
    alive = []
    for at in (1_000, 10_000, 100_000):
        while len(alive) < at: alive.append(kp.new_key('Bob'))
        found[f'{at} keys alive'] = clock(kp)
    del alive
lists = {'entries': 'KP_%d_LOC', 'patterns': 'KP_%d_*'}
for kind, form in lists.items():
    for entries in (1, 100, 1_000, 3_000):
        with KeyProviderPair(alice_remotes=[*(form % i for i in range(entries - 1)), 'Bob']) as pair:
            with Client(pair.alice.url, ca=pair.ca) as kp: kp.new_key('Bob'); found[f'{entries} {kind}'] = clock(kp)
for providers in (1, 8, 64):
    with Client([url] * providers, ca=ca) as kp: kp.new_key('Bob'); found[f'{providers} Key Providers'] = clock(kp)
print(json.dumps(found))
"""
    found = json.loads(subprocess.check_output([python, "-c", program, kp.alice, kp.ca], text=True))
    return {name: records.figure(medians) for name, medians in found.items()}
