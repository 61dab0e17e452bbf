//! Operational faults: Key Providers that hang, full disks, expired certificates.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use skip_client::{BitLength, Key, KeyId, SystemId};
use time::OffsetDateTime;

use super::rig::{Authority, ENDS, Rig, start_agent, wait_for, write_secret};
use crate::agent::{Agent, Environment};
use crate::check::{check, dry_run};
use crate::config::{Config, TunnelTable};
use crate::consumer::{self, Consumer, ConsumerError, Observation};
use crate::control::{self, Operated};
use crate::handoff_certs::handoff_certificates;
use crate::journal::tests::Kept;
use crate::journal::{Journal, Level, LogFormat};
use crate::ports::{Keys, Ports};
use crate::state::{Loaded, Record, Store};

const PACE: &str =
    "check-every = \"50ms\"\nretry-first = \"10ms\"\nretry-longest = \"100ms\"\nconfirm-within = \"200ms\"";
/// Backoff that no test outlasts.
const SLOW: &str = "check-every = \"50ms\"\nretry-first = \"1h\"\nretry-longest = \"1h\"";

/// The injected faults of one end.
#[derive(Default)]
struct Faults {
    /// Requests for fresh keys do not return.
    hangs: Mutex<bool>,
    released: Condvar,
    disk_full: AtomicBool,
    not_ready: AtomicBool,
    tunnel_down: AtomicBool,
}

impl Faults {
    fn set_hanging(&self, hangs: bool) {
        *self.hangs.lock().expect("not poisoned") = hangs;
        self.released.notify_all();
    }
}

struct Faulty(Arc<Faults>);

impl Environment for Faulty {
    fn ports(&self, _tunnel: &str, ports: Ports) -> Ports {
        Ports {
            keys: Arc::new(FaultyKeys(ports.keys, Arc::clone(&self.0))),
            store: Arc::new(FaultyStore(ports.store, Arc::clone(&self.0))),
            ..ports
        }
    }

    fn consumer(&self, table: &TunnelTable) -> Result<Box<dyn Consumer>, ConsumerError> {
        let inner = consumer::open(&table.consumer)?;
        Ok(Box::new(FaultyGateway(inner, Arc::clone(&self.0))))
    }
}

struct FaultyKeys(Arc<dyn Keys>, Arc<Faults>);

impl Keys for FaultyKeys {
    fn local_system_id(&self) -> skip_client::Result<String> {
        self.0.local_system_id()
    }

    fn new_key(&self, remote: &SystemId, size: Option<BitLength>) -> skip_client::Result<Key> {
        let hangs = self.1.hangs.lock().expect("not poisoned");
        drop(self.1.released.wait_while(hangs, |hangs| *hangs));
        self.0.new_key(remote, size)
    }

    fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> skip_client::Result<Key> {
        self.0.key_by_id(key_id, remote)
    }
}

struct FaultyStore(Arc<dyn Store>, Arc<Faults>);

impl Store for FaultyStore {
    fn load(&self, tunnel: &str) -> Loaded {
        self.0.load(tunnel)
    }

    fn can_save(&self, tunnel: &str) -> io::Result<()> {
        if self.1.disk_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.can_save(tunnel)
    }

    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()> {
        self.can_save(tunnel)?;
        self.0.save(tunnel, record)
    }
}

struct FaultyGateway(Box<dyn Consumer>, Arc<Faults>);

impl Consumer for FaultyGateway {
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.0.prepare(key)
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        self.0.abandon(key_id, in_use)
    }

    fn ready(&mut self, starts: bool) -> Result<(), ConsumerError> {
        if self.1.not_ready.load(Ordering::SeqCst) {
            return Err(ConsumerError::new(
                "there is no section connections.site-b",
                "correct the file",
            ));
        }
        self.0.ready(starts)
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let tunnel_up = self.1.tunnel_down.load(Ordering::SeqCst).then_some(false);
        Ok(Observation {
            tunnel_up,
            ..self.0.observe()?
        })
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        self.0.take_down()
    }
}

/// Two agents with one tunnel and injectable faults.
struct Pair {
    rig: Rig,
    faults: [Arc<Faults>; 2],
    logs: [Kept; 2],
    agents: [Option<Agent>; 2],
}

impl Pair {
    fn new() -> Self {
        Self {
            rig: Rig::new(),
            faults: Default::default(),
            logs: Default::default(),
            agents: [None, None],
        }
    }

    fn text(&self, end: usize, pace: &str, more: &str) -> String {
        self.rig.head(end, pace) + &self.rig.tunnel(end, "a", more)
    }

    fn start(&mut self, end: usize, pace: &str, more: &str) {
        let journal = Journal::new(Level::Debug, LogFormat::Logfmt, Box::new(self.logs[end].clone()));
        let environment: Arc<dyn Environment> = Arc::new(Faulty(Arc::clone(&self.faults[end])));
        let config = self.rig.config(&self.text(end, pace, more));
        let agent = Agent::start(&config, Arc::new(journal), &environment).unwrap_or_else(|why| panic!("{why:?}"));
        self.rig.agents[end].set_target(agent.address().expect("it listens"));
        self.agents[end] = Some(agent);
    }

    fn start_both(pace: &str, more: &str) -> Self {
        let mut pair = Self::new();
        for (end, role) in ["initiator", "responder"].into_iter().enumerate() {
            pair.start(end, pace, &format!("role = \"{role}\"\n{more}"));
        }
        pair
    }

    fn agent(&self, end: usize) -> &Agent {
        self.agents[end].as_ref().expect("it runs")
    }

    fn rotations(&self, end: usize) -> u64 {
        self.agent(end).inner().report().tunnels[0].rotations
    }

    fn last_failure(&self, end: usize) -> String {
        let report = self.agent(end).inner().report();
        report.tunnels[0]
            .last_failure
            .as_ref()
            .map_or_else(String::new, |[_, _, what]| what.clone())
    }

    fn key_file(&self, end: usize) -> PathBuf {
        self.rig.dir.path().join(format!("a-{}.key", ENDS[end]))
    }
}

#[test]
fn old_keys_end_the_tunnel_and_the_agent_stops_even_while_a_key_provider_hangs() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("log");
    let policy = "interval = \"100ms\"\nmax-key-age = \"400ms\"\nwhen-too-old = \"take-down\"\nsize = 256";
    let then = format!("then = [\"/bin/sh\", \"-c\", \"echo $0 $1 >> {}\"]", log.display());
    let mut pair = Pair::start_both(PACE, &format!("{policy}\n{then}"));
    wait_for("a key", || pair.key_file(0).exists() && pair.key_file(1).exists());
    pair.faults[0].set_hanging(true);
    wait_for("the end of the tunnel", || {
        !pair.key_file(0).exists() && !pair.key_file(1).exists()
    });
    wait_for("the operator's program, at both ends", || {
        fs::read_to_string(&log).is_ok_and(|text| text.matches("take-down a\n").count() == 2)
    });
    wait_for("its state", || pair.agent(0).inner().report().tunnels[0].taken_down);
    // the call continues, and its result is used
    pair.faults[0].set_hanging(false);
    wait_for("the tunnel again", || {
        pair.key_file(0).exists() && pair.key_file(1).exists()
    });
    wait_for("its state", || !pair.agent(0).inner().report().tunnels[0].taken_down);
    // nothing waits for a call that hangs
    pair.faults[0].set_hanging(true);
    wait_for("a call that hangs", || !pair.key_file(0).exists());
    pair.agents[0] = None;
    pair.faults[0].set_hanging(false);
}

#[test]
fn no_key_is_requested_while_it_could_not_be_used() {
    fn disk_full(faults: &Faults) -> &AtomicBool {
        &faults.disk_full
    }
    fn not_ready(faults: &Faults) -> &AtomicBool {
        &faults.not_ready
    }
    for fault in [disk_full as fn(&Faults) -> &AtomicBool, not_ready] {
        for end in 0..2 {
            let mut pair = Pair::new();
            fault(&pair.faults[end]).store(true, Ordering::SeqCst);
            for (end, role) in ["initiator", "responder"].into_iter().enumerate() {
                pair.start(end, PACE, &format!("role = \"{role}\"\nsize = 256"));
            }
            wait_for("some failures", || pair.logs[end].text().matches("code=").count() > 5);
            let stats = pair.rig.pair.stats();
            assert_eq!(stats.keys_delivered, 0, "end {end}");
            // the initiator's key waits for the responder, and is eventually used
            assert_eq!(stats.keys_issued, u64::try_from(end).expect("small"), "end {end}");
            fault(&pair.faults[end]).store(false, Ordering::SeqCst);
            wait_for("a rotation", || pair.rotations(0) == 1);
            // although the responder asked for one, too
            pair.agents = [None, None];
            assert_eq!(pair.rig.pair.stats().keys_issued, 1, "end {end}");
        }
    }
}

#[test]
fn a_state_folder_that_was_removed_is_recreated() {
    let pair = Pair::start_both(PACE, "size = 256");
    wait_for("a rotation", || pair.rotations(0) == 1);
    let state = pair.rig.state(0);
    // the agent may be writing to it
    wait_for("the removal", || fs::remove_dir_all(&state).is_ok());
    wait_for("the folder", || control::ask(&state).is_ok());
    wait_for("the log", || {
        pair.logs[0].text().contains("was removed, and is recreated")
    });
    control::ask_rotation(&state, "a").expect("it answers");
    wait_for("a rotation", || pair.rotations(0) == 2);
    assert!(state.join("tunnels/a.json").exists());
    // there is still only one agent for the folder
    let journal = Journal::new(Level::Info, LogFormat::Json, Box::new(io::sink()));
    let second = start_agent(&pair.rig.config(&pair.text(0, PACE, "")), journal);
    assert!(second.err().expect("refused")[0].contains("another agent"));
}

#[test]
fn an_operator_can_request_a_rotation() {
    let pair = Pair::start_both(PACE, "size = 256");
    wait_for("a rotation", || pair.rotations(0) == 1);
    let state = pair.rig.state(0);
    control::ask_rotation(&state, "a").expect("it answers");
    wait_for("another one", || pair.rotations(0) == 2);
    let error = control::ask_rotation(&state, "b").expect_err("there is none");
    assert!(
        error
            .to_string()
            .contains("there is no tunnel of this name (there are: a)"),
        "{error}"
    );
}

#[test]
fn the_responder_notices_that_its_tunnel_is_down() {
    let pair = Pair::start_both(PACE, "interval = \"1h\"\nsize = 256");
    wait_for("a rotation", || pair.rotations(0) == 1);
    pair.faults[1].tunnel_down.store(true, Ordering::SeqCst);
    wait_for("a fresh key", || pair.rotations(0) >= 2);
    assert!(pair.logs[1].text().contains("step=tunnel-down"));
    assert!(pair.logs[1].text().contains("step=rotate-now"));
}

#[test]
fn two_responders_are_reported_at_both_ends() {
    let mut pair = Pair::new();
    for end in 0..2 {
        pair.start(end, PACE, "role = \"responder\"");
    }
    for end in 0..2 {
        wait_for("the log", || pair.logs[end].text().contains("both ends are responders"));
    }
}

#[test]
fn a_key_of_another_size_is_refused() {
    let mut pair = Pair::new();
    pair.start(1, PACE, "role = \"responder\"\nsize = 256");
    pair.start(0, PACE, "role = \"initiator\"\nsize = 128");
    wait_for("a refusal", || pair.last_failure(1).contains("size_mismatch"));
    wait_for("its answer", || pair.last_failure(0).contains("size_mismatch"));
    assert!(!pair.key_file(1).exists());
}

#[test]
fn backoff_ends_once_the_cause_is_repaired() {
    // the peer is away
    let mut pair = Pair::new();
    pair.start(0, SLOW, "role = \"initiator\"");
    wait_for("a failure", || {
        pair.last_failure(0).contains("connection_lost") || pair.last_failure(0).contains("tls_failed")
    });
    pair.start(1, SLOW, "role = \"responder\"");
    wait_for("a rotation", || pair.rotations(0) == 1);
    // its Key Provider
    pair.rig.providers[0].set_cut(true);
    pair.agent(0).rotate_all();
    wait_for("a failure", || {
        pair.agent(0).inner().report().key_providers[0].reachable == Some(false)
    });
    pair.rig.providers[0].set_cut(false);
    wait_for("a rotation", || pair.rotations(0) == 2);
    // a reload ends the backoff as well
    pair.faults[0].not_ready.store(true, Ordering::SeqCst);
    pair.agent(0).rotate_all();
    wait_for("a failure", || pair.last_failure(0).contains("no section"));
    pair.faults[0].not_ready.store(false, Ordering::SeqCst);
    let config = pair.rig.config(&pair.text(0, SLOW, "role = \"initiator\""));
    let mut config = config;
    // the address that the agent really listens on
    config.hand_off.listen = "127.0.0.1:0".parse().expect("an address");
    pair.agent(0).reload(&config).expect("reloaded");
    wait_for("a rotation", || pair.rotations(0) == 3);
}

#[test]
fn certificates_that_peers_would_refuse_are_reported() {
    let rig = Rig::new();
    let dir = rig.dir.path();
    let text = rig.head(0, PACE) + &rig.tunnel(0, "a", "");
    let start = || {
        let journal = Journal::new(Level::Error, LogFormat::Logfmt, Box::new(io::sink()));
        start_agent(&rig.config(&text), journal).map(drop)
    };
    start().expect("the positive control");
    let refused = || {
        let file = dir.join("agent.toml");
        fs::write(&file, &text).expect("written");
        let checked = check(&file).expect_err("refused").join("\n");
        let started = start().expect_err("refused").join("\n");
        assert_eq!(checked, started);
        let found = dry_run(&rig.config(&text));
        let hand_off = found
            .iter()
            .find(|one| one.what == "hand-off")
            .expect("it is looked at");
        assert!(hand_off.outcome.is_err());
        started
    };
    let authority = Authority::new();
    fs::write(dir.join("hand-off-ca.pem"), &authority.pem).expect("written");
    assert!(refused().contains("was not issued by the CA in"), "{}", refused());
    let issue = |change: fn(&mut CertificateParams)| {
        let mut params = CertificateParams::new(vec![ENDS[0].to_owned()]).expect("parameters");
        change(&mut params);
        authority.issue_as(dir, ENDS[0], &params);
    };
    issue(|params| params.not_after = OffsetDateTime::now_utc() - Duration::from_hours(24));
    assert!(
        refused().contains("a certificate of this chain expired on"),
        "{}",
        refused()
    );
    issue(|params| params.not_before = OffsetDateTime::now_utc() + Duration::from_hours(24));
    assert!(refused().contains("is not valid before"), "{}", refused());
    issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(refused().contains("needs clientAuth"), "{}", refused());
    issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    assert!(refused().contains("needs serverAuth"), "{}", refused());
    issue(|params| params.subject_alt_names.clear());
    assert!(refused().contains("has no subjectAltName"), "{}", refused());
    issue(|_| {});
    start().expect("good again");
    let named = text.replace("[hand-off]\n", "[hand-off]\ncertificate-name = \"other.example\"\n");
    let journal = Journal::new(Level::Error, LogFormat::Logfmt, Box::new(io::sink()));
    let why = start_agent(&rig.config(&named), journal)
        .err()
        .expect("refused")
        .join("\n");
    assert!(why.contains("is for agent-a, and not for other.example"), "{why}");
    // version 1, as made by `openssl x509 -req` without extensions
    version_1(dir, ENDS[0]);
    assert!(refused().contains("is of X.509 version 1"), "{}", refused());
}

/// Creates a version 1 certificate and its key.
fn version_1(dir: &Path, name: &str) {
    let openssl = |arguments: &str| {
        let ran = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(dir)
            .output();
        let ran = ran.expect("openssl runs");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    let key = KeyPair::generate().expect("a key");
    write_secret(&dir.join(format!("{name}.key")), key.serialize_pem().as_bytes());
    openssl(&format!("req -new -key {name}.key -subj /CN={name} -out request.pem"));
    openssl(&format!(
        "x509 -req -in request.pem -signkey {name}.key -days 2 -out {name}.pem"
    ));
}

#[test]
fn the_days_until_a_certificate_expires_are_counted() {
    let mut pair = Pair::new();
    let authority = Authority::new();
    let dir = pair.rig.dir.path().to_owned();
    fs::write(dir.join("hand-off-ca.pem"), &authority.pem).expect("written");
    let mut params = CertificateParams::new(vec![ENDS[0].to_owned()]).expect("parameters");
    params.not_after = OffsetDateTime::now_utc() + Duration::from_hours(73);
    authority.issue_as(&dir, ENDS[0], &params);
    pair.start(0, PACE, "");
    let report = pair.agent(0).inner().report();
    assert_eq!(report.hand_off.certificate_days, Some(3));
    assert!(report.table().contains("the certificate expires in 3 days"));
    let page = pair.agent(0).inner().counted().page(&report);
    assert!(page.contains("skip_agent_certificate_days 3\n"), "{page}");
    assert!(
        pair.logs[0].text().contains("step=certificate"),
        "{}",
        pair.logs[0].text()
    );
}

#[test]
fn certificates_for_the_hand_off_are_created_and_renewed() {
    let mut pair = Pair::new();
    let dir = pair.rig.dir.path().to_owned();
    let names = ENDS.map(str::to_owned);
    let written = handoff_certificates(&dir, &names, 30).expect("made");
    // the rig's private keys are kept
    assert_eq!(written.len(), 4, "{written:?}");
    fs::copy(dir.join("ca.pem"), dir.join("hand-off-ca.pem")).expect("copied");
    let before = fs::read(dir.join("agent-a.key")).expect("a key");
    let written = handoff_certificates(&dir, &names[..1], 30).expect("renewed");
    assert_eq!(written, [dir.join("agent-a.pem")]);
    assert!(fs::read(dir.join("agent-a.key")).expect("a key") == before);
    for end in 0..2 {
        pair.start(end, PACE, "");
    }
    wait_for("a rotation", || pair.rotations(0) == 1);
    assert!(handoff_certificates(&dir, &["a b".to_owned()], 30).is_err());
}

#[test]
fn a_dry_run_refuses_what_a_real_run_would() {
    let rig = Rig::new();
    let outcome = |text: &str, what: &str| {
        let findings = dry_run(&rig.config(text));
        let found = findings
            .into_iter()
            .find(|one| one.what == what)
            .expect("it is looked at");
        found.outcome
    };
    let good = rig.head(0, PACE) + &rig.tunnel(0, "a", "role = \"initiator\"");
    for what in ["agent.state", "hand-off", "tunnel.a", "tunnel.a.consumer"] {
        outcome(&good, what).expect(what);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().map(|address| (taken, address)).expect("an address");
    let pace = format!("metrics = \"{}\"", taken.1);
    let text = rig.head(0, &pace) + &rig.tunnel(0, "a", "");
    assert!(
        outcome(&text, "agent.metrics")
            .expect_err("taken")
            .contains("cannot listen on")
    );
    // a file where the folder should be
    fs::write(rig.state(0), "").expect("written");
    assert!(
        outcome(&good, "agent.state")
            .expect_err("no folder")
            .contains("is no folder")
    );
    fs::remove_file(rig.state(0)).expect("removed");
    let text = good.replace("a-agent-a.key", "missing/a.key");
    assert!(
        outcome(&text, "tunnel.a.consumer")
            .expect_err("no folder")
            .contains("cannot be reached: cannot write")
    );
    // strongSwan's definition
    let socket = rig.dir.path().join("vici");
    let definition = rig.dir.path().join("site-b.conf");
    let text = good
        .lines()
        .filter(|line| !line.starts_with("consumer"))
        .collect::<Vec<_>>()
        .join("\n");
    let text = format!(
        "{text}\nconsumer = {{ type = \"strongswan\", connection = \"b\", child = \"net\", socket = {socket:?}, definition = {definition:?} }}\n"
    );
    let why = outcome(&text, "tunnel.a.consumer").expect_err("no charon");
    assert!(why.contains("cannot be reached") && why.contains("vici"), "{why}");
}

#[test]
fn a_configuration_that_anybody_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new();
    let file = rig.dir.path().join("agent.toml");
    fs::write(&file, rig.head(0, PACE) + &rig.tunnel(0, "a", "")).expect("written");
    Config::load(&file).unwrap_or_else(|error| panic!("{error}"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("set");
    let error = Config::load(&file).expect_err("refused").to_string();
    assert!(error.contains("can be changed by anybody"), "{error}");
}

#[test]
fn the_state_folder_of_a_broken_configuration_is_found() {
    let rig = Rig::new();
    let file = rig.dir.path().join("agent.toml");
    for text in [rig.head(0, PACE) + "nonsense = 1\n", rig.head(0, PACE) + "[tunnel.a\n"] {
        fs::write(&file, text).expect("written");
        Config::load(&file).expect_err("broken");
        assert_eq!(crate::run::state_of(&file).ok(), Some(rig.state(0)));
    }
}

#[test]
fn a_program_is_notified_of_rotations() {
    let rig_log = tempfile::tempdir().expect("a folder");
    let log = rig_log.path().join("log");
    let then = format!("then = [\"/bin/sh\", \"-c\", \"echo $0 $1 >> {}\"]", log.display());
    let pair = Pair::start_both(PACE, &then);
    wait_for("a rotation", || pair.rotations(0) == 1 && pair.rotations(1) == 1);
    // what happened is told even if the agent is stopped at once
    drop(pair);
    wait_for("the program", || {
        fs::read_to_string(&log).is_ok_and(|text| text.matches("done a\n").count() == 2)
    });
}
