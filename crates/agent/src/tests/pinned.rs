//! Two sites without a CA: each agent knows the other by its public key alone, and nobody can impersonate it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::symm::Cipher;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use skip_client::Pin;

use super::attackers::{line, say};
use super::rig::{ENDS, Rig, start_agent, wait_for, write_secret};
use crate::agent::Agent;
use crate::check::{check, dry_run};
use crate::config::{Config, HandOffTable, Identity, PeerTable};
use crate::control::Operated;
use crate::handoff::message::Answer;
use crate::handoff::tls::Tls;
use crate::handoff_certs::self_signed_certificates;
use crate::journal::tests::Kept;
use crate::journal::{Journal, Level, LogFormat};
use crate::metrics::HANDOFF_REFUSED;

const PACE: &str = "check-every = \"50ms\"\nretry-first = \"10ms\"\nretry-longest = \"100ms\"";
/// The names in the certificates, which are not those of the peers.
const ELSEWHERE: [&str; 2] = ["a.elsewhere.example", "b.elsewhere.example"];

struct Sites {
    rig: Rig,
    pins: [Pin; 2],
    logs: [Kept; 2],
}

impl Sites {
    fn new() -> Self {
        let rig = Rig::new();
        fs::remove_file(rig.dir.path().join("hand-off-ca.pem")).expect("removed");
        let names = ELSEWHERE.map(str::to_owned);
        let (written, pins) = self_signed_certificates(rig.dir.path(), &names).expect("made");
        assert_eq!(written.len(), 4, "{written:?}");
        Self {
            rig,
            pins: [pins[0].1, pins[1].1],
            logs: Default::default(),
        }
    }

    fn dir(&self) -> &Path {
        self.rig.dir.path()
    }

    /// The configuration of an end that expects this pin of the other.
    fn text(&self, end: usize, pin: Pin) -> String {
        let role = ["initiator", "responder"][end];
        let peer = format!("[peer.{}]\n", ENDS[1 - end]);
        let head = self
            .rig
            .head(end, PACE)
            .replace("ca = \"hand-off-ca.pem\"\n", "")
            .replace(&format!("{}.", ENDS[end]), &format!("{}.", ELSEWHERE[end]))
            .replace(&peer, &format!("{peer}pin = \"{pin}\"\n"));
        head + &self
            .rig
            .tunnel(end, "a", &format!("role = \"{role}\"\ninterval = \"1h\"\nsize = 256"))
    }

    fn start(&self, end: usize, text: &str) -> Agent {
        let journal = Journal::new(Level::Debug, LogFormat::Logfmt, Box::new(self.logs[end].clone()));
        let agent = start_agent(&self.rig.config(text), journal).unwrap_or_else(|why| panic!("{why:?}"));
        self.rig.agents[end].set_target(agent.address().expect("it listens"));
        agent
    }

    fn right(&self, end: usize) -> Agent {
        self.start(end, &self.text(end, self.pins[1 - end]))
    }
}

fn rotations(agent: &Agent) -> u64 {
    agent.inner().report().tunnels[0].rotations
}

fn refused(agent: &Agent, reason: &str) -> u64 {
    agent.inner().counted().total(HANDOFF_REFUSED, reason)
}

/// A client that shows these files to an agent with this pin.
fn client(dir: &Path, cert: &str, key: &str, pin: Pin) -> Arc<ClientConfig> {
    let table = HandOffTable {
        listen: "127.0.0.1:0".parse().expect("an address"),
        ca: None,
        cert: dir.join(cert),
        key: dir.join(key),
        key_password_file: None,
        certificate_name: None,
        answer_within: Duration::from_secs(5),
    };
    let peer = PeerTable {
        address: String::new(),
        identity: Identity::Pin(pin),
    };
    let peers = BTreeMap::from([("victim".to_owned(), peer)]);
    let tls = Tls::load_unchecked(&table, &peers).unwrap_or_else(|why| panic!("{why}"));
    tls.client("victim").expect("a client")
}

/// The answer of an agent to this client; `None` if there is none.
fn asked(agent: &Agent, client: &Arc<ClientConfig>, tunnel: &str) -> Option<Answer> {
    let socket = TcpStream::connect(agent.address().expect("it listens")).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let name = ServerName::try_from("whatever").expect("a name");
    let session = ClientConnection::new(Arc::clone(client), name).expect("a session");
    let status = format!(r#"{{"v":1,"do":"status","tunnel":"{tunnel}"}}"#);
    say(&mut StreamOwned::new(session, socket), &line(&status))
}

fn der(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

/// Shows any chain, and signs with any key.
fn showing(client: &ClientConfig, chain: Vec<CertificateDer<'static>>, key: &Path) -> Arc<ClientConfig> {
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let signer = aws_lc_rs::default_provider().key_provider.load_private_key(key);
    let shown = CertifiedKey::new(chain, signer.expect("a signer"));
    let mut client = client.clone();
    client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(Arc::new(shown)));
    Arc::new(client)
}

#[test]
fn two_sites_without_a_ca_rotate() {
    let sites = Sites::new();
    let agents = [sites.right(0), sites.right(1)];
    wait_for("a rotation", || agents.iter().all(|agent| rotations(agent) == 1));
    // dates do not matter, so that nothing is counted down
    assert_eq!(agents[0].inner().report().hand_off.certificate_days, None);
    let found = dry_run(&sites.rig.config(&sites.text(0, sites.pins[1])));
    let said = |what: &str| {
        let found = found.iter().find(|one| one.what == what).expect("it is looked at");
        found.outcome.clone().unwrap_or_else(|why| panic!("{why}"))
    };
    assert!(said("hand-off").ends_with(&format!("as {}, pin {}", ELSEWHERE[0], sites.pins[0])));
    assert!(said("peer.agent-b").ends_with(&format!("answers as the key {}", sites.pins[1])));
}

#[test]
fn a_wrong_pin_is_refused_by_the_side_that_configured_it() {
    let sites = Sites::new();
    let other = Pin::of(&der(&sites.dir().join("agent-a.pem"))).expect("a pin");
    // the client's
    let responder = sites.right(1);
    let initiator = sites.start(0, &sites.text(0, other));
    let why = format!("its public key, {}, is not pinned", sites.pins[1]);
    wait_for("a failure", || sites.logs[0].text().contains(&why));
    drop(initiator);
    drop(responder);
    // the server's
    let initiator = sites.right(0);
    let responder = sites.start(1, &sites.text(1, other));
    let why = format!("its public key, {}, is not pinned", sites.pins[0]);
    wait_for("a refusal", || {
        let log = sites.logs[1].text();
        log.contains("code=tls_failed") && log.contains(&why)
    });
    assert!(refused(&responder, "tls_failed") > 0);
    assert_eq!(rotations(&initiator), 0);
    // the right one, by a reload
    let right = sites.rig.config(&sites.text(1, sites.pins[0]));
    responder.reload(&right).expect("reloaded");
    initiator.rotate_all();
    wait_for("a rotation", || rotations(&initiator) == 1);
}

#[test]
fn only_the_holder_of_the_pinned_key_is_accepted() {
    let sites = Sites::new();
    let (dir, victim) = (sites.dir(), sites.right(1));
    let [real, real_key] = ["pem", "key"].map(|kind| format!("{}.{kind}", ELSEWHERE[0]));
    let good = client(dir, &real, &real_key, sites.pins[1]);
    assert!(matches!(asked(&victim, &good, "a"), Some(Answer::Status(_))));
    let before = refused(&victim, "tls_failed");

    // the peer's certificate, which is public, without its key
    let own_key = dir.join("agent-a.key");
    let pinned = der(&dir.join(&real));
    let stolen = showing(&good, vec![pinned.clone()], &own_key);
    assert_eq!(asked(&victim, &stolen, "a"), None);

    // the peer's names, with another key
    let thief = dir.join("thief");
    self_signed_certificates(&thief, &[ELSEWHERE[0].to_owned(), ENDS[0].to_owned()]).expect("made");
    for name in [ELSEWHERE[0], ENDS[0]] {
        let named = client(&thief, &format!("{name}.pem"), &format!("{name}.key"), sites.pins[1]);
        assert_eq!(asked(&victim, &named, "a"), None);
    }

    // a certificate that the pinned key has signed, alone and with its issuer
    let signer = KeyPair::from_pem(&fs::read_to_string(dir.join(&real_key)).expect("a key")).expect("a key");
    let mut signs = CertificateParams::new(vec![ELSEWHERE[0].to_owned()]).expect("parameters");
    signs.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let subject = KeyPair::from_pem(&fs::read_to_string(&own_key).expect("a key")).expect("a key");
    let issued = CertificateParams::new(vec![ENDS[0].to_owned()]).expect("parameters");
    let issued = issued.signed_by(&subject, &Issuer::new(signs, signer)).expect("issued");
    for chain in [vec![issued.der().clone()], vec![issued.der().clone(), pinned.clone()]] {
        assert_eq!(asked(&victim, &showing(&good, chain, &own_key), "a"), None);
    }
    // the pinned certificate first, and signed with the key of the second
    let chain = vec![pinned, issued.der().clone()];
    assert_eq!(asked(&victim, &showing(&good, chain, &own_key), "a"), None);

    wait_for("refusals", || refused(&victim, "tls_failed") == before + 6);
    assert!(matches!(asked(&victim, &good, "a"), Some(Answer::Status(_))));
}

#[test]
fn pinned_peers_and_peers_of_a_ca_cannot_impersonate_each_other() {
    let rig = Rig::new();
    let dir = rig.dir.path();
    // the certificate of the pinned peer has the name of another peer
    let partner = dir.join("partner");
    let (_, pins) = self_signed_certificates(&partner, &[ENDS[0].to_owned()]).expect("made");
    let more = format!("[peer.partner]\naddress = \"127.0.0.1:1\"\npin = \"{}\"\n", pins[0].1);
    let tunnels = rig.tunnel(1, "a", "role = \"responder\"")
        + &rig
            .tunnel(1, "b", "role = \"responder\"")
            .replace("peer = \"agent-a\"", "peer = \"partner\"");
    let log = Kept::default();
    let journal = Journal::new(Level::Debug, LogFormat::Logfmt, Box::new(log.clone()));
    let text = rig.head(1, PACE) + &more + &tunnels;
    let victim = start_agent(&rig.config(&text), journal).unwrap_or_else(|why| panic!("{why:?}"));
    let own = Pin::of(&der(&dir.join("agent-b.pem"))).expect("a pin");
    let unknown = Some(Answer::Refused {
        code: "unknown_tunnel".to_owned(),
    });

    let pinned = client(&partner, "agent-a.pem", "agent-a.key", own);
    assert!(matches!(asked(&victim, &pinned, "b"), Some(Answer::Status(_))));
    assert_eq!(asked(&victim, &pinned, "a"), unknown);
    let of_ca = client(dir, "agent-a.pem", "agent-a.key", own);
    assert!(matches!(asked(&victim, &of_ca, "a"), Some(Answer::Status(_))));
    assert_eq!(asked(&victim, &of_ca, "b"), unknown);
    assert!(
        log.text().contains("peer=partner tunnel=a code=unknown_tunnel"),
        "{}",
        log.text()
    );

    // without its pin the peer is unknown, whatever name it has
    let without = rig.head(1, PACE) + &rig.tunnel(1, "a", "role = \"responder\"");
    victim.reload(&rig.config(&without)).expect("reloaded");
    assert_eq!(asked(&victim, &pinned, "a"), None);
    assert!(matches!(asked(&victim, &of_ca, "a"), Some(Answer::Status(_))));
}

#[test]
fn a_reload_with_another_pin_closes_open_connections() {
    let sites = Sites::new();
    let victim = sites.right(1);
    let [cert, key] = ["pem", "key"].map(|kind| format!("{}.{kind}", ELSEWHERE[0]));
    let good = client(sites.dir(), &cert, &key, sites.pins[1]);
    let status = line(r#"{"v":1,"do":"status","tunnel":"a"}"#);
    let socket = TcpStream::connect(victim.address().expect("it listens")).expect("connected");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let name = ServerName::try_from("whatever").expect("a name");
    let mut stream = StreamOwned::new(ClientConnection::new(good, name).expect("a session"), socket);
    let right = sites.rig.config(&sites.text(1, sites.pins[0]));
    assert!(matches!(say(&mut stream, &status), Some(Answer::Status(_))));
    victim.reload(&right).expect("nothing has changed");
    assert!(matches!(say(&mut stream, &status), Some(Answer::Status(_))));
    let other = Pin::of(&der(&sites.dir().join("agent-a.pem"))).expect("a pin");
    victim
        .reload(&sites.rig.config(&sites.text(1, other)))
        .expect("reloaded");
    assert_eq!(say(&mut stream, &status), None);
}

#[test]
fn a_peer_cannot_have_the_pin_of_this_agent() {
    let sites = Sites::new();
    let file = sites.dir().join("agent.toml");
    let text = sites.text(0, sites.pins[0]);
    fs::write(&file, &text).expect("written");
    let why = "hand-off: the pin of peer.agent-b is that of this agent's own certificate";
    assert_eq!(check(&file).expect_err("refused"), [why]);
    let config = sites.rig.config(&text);
    let journal = Journal::new(Level::Error, LogFormat::Logfmt, Box::new(io::sink()));
    assert_eq!(start_agent(&config, journal).err().expect("refused"), [why]);
    let found = dry_run(&config);
    assert!(found.iter().any(|one| one.what == "hand-off" && one.outcome.is_err()));
}

#[test]
fn an_encrypted_key_of_the_hand_off_is_opened_with_its_password() {
    let sites = Sites::new();
    let dir = sites.dir();
    let key = format!("{}.key", ELSEWHERE[0]);
    let plain = PKey::private_key_from_pem(&fs::read(dir.join(&key)).expect("a key")).expect("a key");
    let sealed = plain.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"marker");
    write_secret(&dir.join(&key), &sealed.expect("encrypted"));
    let text = sites.text(0, sites.pins[1]);
    let with = text.replace("answer-within", "key-password-file = \"password\"\nanswer-within");
    let file = dir.join("agent.toml");
    let mistake = |text: &str| {
        fs::write(&file, text).expect("written");
        let loaded = Config::load(&file).expect_err("refused").to_string();
        assert_eq!(check(&file).expect_err("refused").join("\n"), loaded);
        loaded.replace(&dir.display().to_string(), "DIR")
    };
    let missing = mistake(&text);
    assert!(
        missing.contains(
            "hand-off.key: DIR/a.elsewhere.example.key: key-password-file: is missing: the private key is encrypted"
        ),
        "{missing}"
    );
    write_secret(&dir.join("password"), b"other\n");
    let wrong = mistake(&with);
    assert!(
        wrong.contains("hand-off.key-password-file: does not open the private key"),
        "{wrong}"
    );
    assert!(!wrong.contains("other"), "{wrong}");
    write_secret(&dir.join("password"), b"marker\n");
    fs::write(&file, &with).expect("written");
    check(&file).unwrap_or_else(|why| panic!("{why:?}"));
    let agents = [sites.start(0, &with), sites.right(1)];
    wait_for("a rotation", || rotations(&agents[0]) == 1);
    assert!(!sites.logs[0].text().contains("marker"));
    // a reload with another password is refused
    write_secret(&dir.join("password"), b"other\n");
    let why = agents[0].reload(&sites.rig.config(&with)).expect_err("refused");
    assert!(
        why[0].contains("key-password-file: does not open the private key"),
        "{why:?}"
    );
}
