"""Real gateways take fresh keys from real Key Providers through our agents, under traffic, faults and attack.

`make test-gateways` shows two tables: the rotations, and the outcome of the faults.
"""

import base64
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import alerts
import attack
import faults
import libreswan
import pytest
import strongswan
import wireguard
from agents import HAND_OFF
from lab import INNER, OUTER, SITES, WIREGUARD, Lab, file_of_the_page, missing, other, run, wait_for
from memory import pieces, search
from rig import INTERVALS, Rig, Rotating, Traffic, Watch

ROTATIONS = int(os.environ.get("ROTATIONS", "100"))
FAULTS = int(os.environ.get("FAULTS", "1000"))
SEED = int(os.environ.get("SEED", "7"))

METRICS = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9470/metrics", timeout=5).read().decode())
"""


@pytest.fixture(scope="module", autouse=True)
def _can_run() -> None:
    reasons = missing()
    if reasons and os.environ.get("CI"):
        pytest.fail(f"the gateways cannot run: {'; '.join(reasons)}")
    if reasons:
        pytest.skip(f"NOT TESTED, the gateways cannot run: {'; '.join(reasons)}")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Lab(tmp_path_factory.mktemp("gateways")) as lab:
        yield Rig(lab)


def test_alert_rules(tmp_path: Path) -> None:
    """The rules raise alerts when they should, and only then."""
    for file in (alerts.RULES, alerts.SITUATIONS):
        shutil.copy(file, tmp_path)
    tool = alerts.promtool()
    assert "8 rules found" in run(tool, "check", "rules", tmp_path / alerts.RULES.name)
    run(tool, "test", "rules", tmp_path / alerts.SITUATIONS.name)
    # the situations raise each of them
    raised = re.findall(r"alertname: (\w+)(?:, |\n +)exp_alerts:", alerts.SITUATIONS.read_text())
    assert set(raised) == set(re.findall(r"alert: (\w+)", alerts.RULES.read_text()))
    assert alerts.check_queries(tmp_path) > 10


def test_strongswan_does_not_come_up_with_a_wrong_key(tmp_path: Path) -> None:
    with Lab(tmp_path) as lab:
        pair = strongswan.pair(lab)
        for charon in pair.values():
            charon.start()
        one, two = secrets.token_hex(32), secrets.token_hex(32)
        # not inside an assert, which would print the keys on failure
        right = strongswan.comes_up(pair, "equal", {"alice": one, "bob": one})
        wrong = strongswan.comes_up(pair, "wrong", {"alice": one, "bob": two})
        assert right, "the positive control"
        assert not wrong


def test_the_watch_sees_what_is_unprotected(tmp_path: Path) -> None:
    """Opens the unprotected route: the positive control of every test that watches the wire."""
    with Lab(tmp_path) as lab:
        watch = Watch(lab)
        for site in SITES:
            there = other(site)
            route = (f"{INNER[there]}/32", "via", OUTER[there], "src", INNER[site])
            lab.ip(site, "route", "replace", *route)
        ping = ("ping", "-c", "3", "-i", "0.2", "-I", INNER["alice"], INNER["bob"])
        run(*lab.inside("alice", *ping))
        seen, plain = watch.end()
        assert plain >= 6 and seen >= plain


def test_a_tunnel_that_is_taken_down_lets_nothing_out(tmp_path: Path) -> None:
    """The Key Provider is gone for longer than the maximum age of a key, with traffic in both tunnels."""
    policy = 'max-key-age = "6s"\nwhen-too-old = "take-down"\nclear-text-closed = true'
    with Lab(tmp_path) as lab:
        rig = Rig(lab, policy)
        traffic = Traffic(lab, "ipsec")
        traffic.flows(20)
        rig.providers.signal(signal.SIGSTOP)
        wait_for("the end of the tunnel", lambda: rig.agents["alice"].has("take-down", "ipsec"), 60)
        wait_for("no IKE_SA", lambda: not rig.charon["alice"].sas(), 30)
        # the final counts are written a moment later
        time.sleep(0.5)
        before = traffic.received()
        time.sleep(2)
        assert traffic.received() == before, "packets arrive although the tunnel is down"
        rig.providers.signal(signal.SIGCONT)
        traffic.flows(60)
        sent, lost = traffic.end()
        seen, plain = rig.watch.end()
        assert lost > 0 and seen > sent - lost
        assert plain == 0, "packets left unprotected"


def test_libreswan_that_refuses_a_tunnel_is_a_failure(tmp_path: Path) -> None:
    """Two real plutos: the IKE_SA with the new key comes up, its child does not, and `ipsec auto --up` exits with 0."""
    with Lab(tmp_path) as lab:
        pair = libreswan.pair(lab, bob_protects="10.99.9.0/24")
        for pluto in pair.values():
            pluto.start()
        page = file_of_the_page("agent-libreswan.md", "/etc/ipsec.d/site-a-site-b.conf")
        shown = pair["alice"].loads(page, "site-a-site-b")
        assert "10.1.0.0/16===192.0.2.1[@site-a.example]" in shown and "PPK_INSIST" in shown, shown
        rotating = Rotating(lab, "ipsec", {site: libreswan.config(pair[site]) for site in SITES}, "1h")
        libreswan.is_refused(rotating, pair["alice"])
        assert pair["bob"].ppks() >= 3
        status = rotating.agents["alice"].status()
        assert "trafficstatus" in str(status), status
        seen, plain = rotating.watch.end()
        assert seen > 0 and plain == 0, "packets left unprotected"


def test_wireguard_does_not_come_up_with_a_wrong_key(tmp_path: Path) -> None:
    """With WireGuard's real timers."""
    with Lab(tmp_path) as lab:
        pair = wireguard.pair(lab, hurried=False)
        one, two = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))

        def comes_up(keys: dict[str, str]) -> bool:
            for site, gateway in pair.items():
                gateway.stop()
                gateway.start(keys[site])
            # the first handshake may come too early for the peer; the next one follows after five seconds
            ping = lab.inside("alice", "ping", "-c", "9", "-i", "1", WIREGUARD["bob"])
            return "bytes from" in subprocess.run(ping, capture_output=True, text=True).stdout

        # not inside an assert, which would print the keys on failure
        right, wrong = comes_up({"alice": one, "bob": one}), comes_up({"alice": one, "bob": two})
        assert right, "the positive control"
        assert not wrong


# the WireGuard keys collected so far, oldest first, for the leak search
wireguard_keys: list[bytes] = []


def note_wireguard_key(rig: Rig) -> None:
    """Records the current key if both ends have the same one."""
    shown = {rig.wireguard[site].wg("show", wireguard.INTERFACE, "preshared-keys").split()[1] for site in SITES}
    if len(shown) == 1 and (text := shown.pop()) != "(none)":
        key = base64.b64decode(text)
        known = key in wireguard_keys
        if not known:
            wireguard_keys.append(key)


def test_rotations(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    traffic = rig.traffic()
    for stream in traffic.values():
        stream.flows(20)
    before = {tunnel: rig.rotations(tunnel) for tunnel in INTERVALS}
    ppks_before = {site: len(rig.charon[site].ppk_ids()) for site in SITES}
    handshakes: set[int] = set()
    seen = without_ppk = 0
    end = time.monotonic() + 60 + 8 * ROTATIONS
    while any(rig.rotations(tunnel) - before[tunnel] < ROTATIONS for tunnel in INTERVALS):
        assert time.monotonic() < end, "the rotations do not come"
        for site in SITES:
            sas = [sa for sa in rig.charon[site].sas() if sa.established]
            seen += len(sas)
            without_ppk += sum(not sa.ppk for sa in sas)
        note_wireguard_key(rig)
        handshakes.add(rig.wireguard["alice"].handshake())
        time.sleep(0.2)
    counts = {tunnel: rig.rotations(tunnel) - before[tunnel] for tunnel in INTERVALS}
    results = {tunnel: stream.end() for tunnel, stream in traffic.items()}
    # for the same rotations at both ends, from charon's own log
    ids = {site: rig.charon[site].ppk_ids()[ppks_before[site] :] for site in SITES}
    common = min(len(found) for found in ids.values())
    with capsys.disabled():
        print(f"\n\n{'tunnel':12}{'rotations':>10}{'sent':>9}{'lost':>6}   proof")
        proofs = {
            "ipsec": f"{seen} looks at IKE_SAs, {without_ppk} without ppk=yes; {common} PPK_IDs, equal at both ends",
            "wireguard": f"{len(wireguard_keys)} keys seen at both ends, {len(handshakes)} handshakes",
        }
        for tunnel, (sent, lost) in results.items():
            print(f"{tunnel:12}{counts[tunnel]:>10}{sent:>9}{lost:>6}   {proofs[tunnel]}")
    assert without_ppk == 0 and seen > 0
    assert ids["alice"][:common] == ids["bob"][:common] and common >= ROTATIONS
    assert len(set(ids["bob"])) == len(ids["bob"]), "a key was used for two IKE_SAs"
    assert len(wireguard_keys) > ROTATIONS // 2 and len(handshakes) > ROTATIONS // 2
    assert results["ipsec"][1] == 0, "packets were lost in the IPsec tunnel"
    assert results["wireguard"][1] == 0, "packets were lost in the WireGuard tunnel"
    seen, plain = rig.watch.end()
    assert seen > sum(sent for sent, _ in results.values()), "the watch has not seen the protected packets"
    assert plain == 0, "packets left unprotected"
    rig.watch = Watch(rig.lab)


def test_wpa_supplicant_takes_keys(rig: Rig) -> None:
    before = {site: rig.macsec[site].taken() for site in SITES}
    # the very first offer may come before the other agent is up
    started = len(rig.agents["alice"].events())
    wait_for("two more keys", lambda: all(rig.macsec[site].taken() > before[site] + 1 for site in SITES), 30)
    assert all("FAIL" not in rig.macsec[site].log.read_text(errors="replace") for site in SITES)
    events = rig.agents["alice"].events()[started:]
    failed = [event for event in events if event.get("tunnel") == "macsec" and "code" in event]
    assert failed == []


def test_attackers(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever arrives at the hand-off port, rotations continue and the agent does not grow."""
    target = rig.agents["bob"]
    before, rotations = target.resident(), rig.rotations("ipsec")
    tally = attack.run(rig)
    after = target.resident()
    wait_for("a rotation after the attack", lambda: rig.rotations("ipsec") > rotations + 1, 30)
    with capsys.disabled():
        print(f"\n\nattack on the hand-off: {tally}; resident {before >> 20} MiB before, {after >> 20} MiB after")
    assert after < before + (32 << 20)


def test_faults(rig: Rig, capsys: pytest.CaptureFixture[str]) -> None:
    run_of = faults.Run(rig, random.Random(SEED))
    try:
        for number in range(FAULTS):
            run_of.one(number)
            note_wireguard_key(rig)
        run_of.settle()
    finally:
        with capsys.disabled():
            print(f"\n\n{run_of.table(SEED)}")
    assert run_of.asked_twice() == []
    seen, plain = rig.watch.end()
    assert seen > 0 and plain == 0, "packets left unprotected"


def test_rules_and_dashboard_use_metrics_of_the_agents(rig: Rig) -> None:
    """Their names and labels, on the pages of two agents that have seen some of everything."""
    for site in SITES:
        process, port = rig.agents[site].process, HAND_OFF[site][0]
        assert process
        process.send_signal(signal.SIGHUP)
        stranger = f"import socket; socket.create_connection(('{OUTER[site]}', {port})).sendall(b'GET / HTTP/1.1')"
        run(*rig.lab.inside(site, sys.executable, "-c", stranger))
    rig.providers.signal(signal.SIGSTOP)
    try:
        pages = wait_for("pages with all of it", lambda: full_pages(rig))
    finally:
        rig.providers.signal(signal.SIGCONT)
    assert [alerts.complaints(page) for page in pages] == [[], []]
    assert alerts.complaints("\n".join(pages)) != [], "the positive control: the same metrics twice"
    assert alerts.unknown_labels("\n".join(pages)) == []
    assert alerts.unknown_labels("\n".join(pages).replace("tunnel=", "tunel=")) != [], "the positive control"


def full_pages(rig: Rig) -> list[str] | None:
    """The metrics of both agents once they include reloads, failures and refused connections."""
    pages = [run(*rig.lab.inside(site, sys.executable, "-c", METRICS)) for site in SITES]
    wanted = ("last_reload_ok 1", "failures_total{", "handoff_refused_total{")
    return pages if all(f"skip_agent_{name}" in "".join(pages) for name in wanted) else None


def test_no_key_is_shown(rig: Rig) -> None:
    note_wireguard_key(rig)
    page = run(*rig.lab.inside("bob", sys.executable, "-c", METRICS))
    assert "skip_agent" in page, "the metrics: the positive control"
    (rig.lab.folder / "metrics.txt").write_text(page)
    assert len(wireguard_keys) >= 3
    # the agents' logs, state and metrics; charon's log; core dumps
    files = [path for path in rig.lab.folder.rglob("*") if path.is_file() and path.name not in ("private",)]
    assert any(path.name == "log" for path in files)
    contents = {}
    for path in files:
        # an agent replaces its state by renaming a new file
        with contextlib.suppress(FileNotFoundError):
            contents[path] = path.read_bytes()
    for key in wireguard_keys:
        forms = (key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key)[:40])
        shown = [path.name for path, content in contents.items() if any(form in content for form in forms)]
        assert shown == [], "a key was written to a file"
    cores = [path for path in files if re.match(r"core(\.\d+)?$", path.name)]
    assert cores == []


def test_only_keys_in_use_stay_in_memory(rig: Rig) -> None:
    for site in SITES:
        process = rig.agents[site].process
        assert process

        def only_the_newest(pid: int = process.pid) -> bool:
            note_wireguard_key(rig)
            try:
                newest = search(pid, pieces(wireguard_keys[-1]))
                older: Counter[str] = Counter()
                for key in wireguard_keys[-6:-1]:
                    older.update(search(pid, pieces(key)))
            except OSError:
                # a thread has ended, and its stack with it
                return False
            return bool(newest) and not older

        # a rotation may be in progress while the memory is read
        wait_for(f"{site}'s memory without old keys", only_the_newest, 20, 0.1)
