//! Anybody can reach the hand-off port: unauthenticated clients can change nothing, and memory stays bounded.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::rig::{Authority, ENDS, Rig, start_agent, wait_for};
use crate::agent::Agent;
use crate::config::{HandOffTable, Identity, PeerTable};
use crate::handoff::message::{Answer, MAX_LINE};
use crate::handoff::tls::Tls;
use crate::journal::tests::Kept;
use crate::journal::{Journal, Level, LogFormat};
use crate::metrics::{HANDOFF_HANDLED, HANDOFF_REFUSED};

/// A responder with one key, and everything that an attacker must not change.
struct Victim {
    rig: Rig,
    agent: Agent,
    address: SocketAddr,
    log: Kept,
}

impl Victim {
    fn new() -> Self {
        let rig = Rig::new();
        let start = |end: usize, log: &Kept| {
            let more = "role = \"ROLE\"\nsize = 256".replace("ROLE", ["initiator", "responder"][end]);
            let text = rig.head(end, "") + &rig.tunnel(end, "a", &more);
            let journal = Journal::new(Level::Debug, LogFormat::Logfmt, Box::new(log.clone()));
            let agent = start_agent(&rig.config(&text), journal).expect("started");
            rig.agents[end].set_target(agent.address().expect("it listens"));
            agent
        };
        let log = Kept::default();
        let agent = start(1, &log);
        let initiator = start(0, &Kept::default());
        wait_for("a first key", || {
            initiator.progress().iter().all(|(_, settled, _)| *settled)
        });
        drop(initiator);
        Self {
            address: agent.address().expect("it listens"),
            rig,
            agent,
            log,
        }
    }

    /// What must not change.
    fn state(&self) -> (Vec<u8>, Vec<u8>, u64) {
        let file = |path: PathBuf| fs::read(path).expect("read");
        (
            file(self.rig.state(1).join("tunnels/a.json")),
            file(self.rig.dir.path().join(format!("a-{}.key", ENDS[1]))),
            self.rig.pair.stats().requests,
        )
    }

    fn refused(&self, reason: &str) -> u64 {
        self.agent.inner().counted().total(HANDOFF_REFUSED, reason)
    }

    /// A TLS configuration with the given certificates.
    fn tls(&self, ca: &str, who: &str) -> Arc<ClientConfig> {
        let dir = self.rig.dir.path();
        let table = HandOffTable {
            listen: self.address,
            ca: Some(dir.join(ca)),
            cert: dir.join(format!("{who}.pem")),
            key: dir.join(format!("{who}.key")),
            key_password_file: None,
            certificate_name: None,
            answer_within: Duration::from_secs(5),
        };
        let peer = PeerTable {
            address: self.address.to_string(),
            identity: Identity::Name(ENDS[1].to_owned()),
        };
        let peers = BTreeMap::from([(ENDS[1].to_owned(), peer)]);
        let tls = Tls::load_unchecked(&table, &peers).expect("certificates");
        tls.client(ENDS[1]).expect("a client")
    }

    fn socket(&self, from: &str) -> TcpStream {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let from: IpAddr = from.parse().expect("an address");
        socket.bind(&SocketAddr::from((from, 0)).into()).expect("bound");
        socket.connect(&self.address.into()).expect("connected");
        let socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        socket
    }

    fn connect(&self, tls: Arc<ClientConfig>, from: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from(ENDS[1]).expect("a name");
        StreamOwned::new(ClientConnection::new(tls, name).expect("a session"), self.socket(from))
    }

    /// The real peer.
    fn peer(&self) -> StreamOwned<ClientConnection, TcpStream> {
        self.connect(self.tls("hand-off-ca.pem", ENDS[0]), "127.0.0.2")
    }
}

/// Sends a message and reads one line; `None` if there is none.
pub(super) fn say(stream: &mut (impl Read + Write), what: &[u8]) -> Option<Answer> {
    stream.write_all(what).ok()?;
    stream.flush().ok()?;
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => return Answer::of_line(&line).ok(),
            Ok(1) => line.push(byte[0]),
            _ => return None,
        }
    }
}

pub(super) fn line(text: &str) -> Vec<u8> {
    format!("{text}\n").into_bytes()
}

#[test]
fn unauthenticated_clients_change_nothing() {
    let victim = Victim::new();
    let before = victim.state();
    let dir = victim.rig.dir.path();
    let confirm = line(r#"{"v":1,"do":"confirm","tunnel":"a","counter":1}"#);

    // garbage, plain HTTP, half a handshake
    let mut random = fastrand::Rng::with_seed(7);
    for n in 0..40_usize {
        let mut socket = victim.socket("127.0.0.1");
        let mut garbage: Vec<u8> = (0..n * 37).map(|_| random.u8(..)).collect();
        if n % 4 == 0 {
            garbage = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        } else if n % 4 == 1 {
            garbage.splice(..0, [0x16, 3, 1, 1, 0]);
        }
        let _ = socket.write_all(&garbage);
        let _ = socket.shutdown(Shutdown::Write);
        let _ = socket.read_to_end(&mut Vec::new());
    }
    wait_for("refusals", || {
        victim.refused("tls_failed") + victim.refused("too_many") >= 40
    });

    // another CA, with the right name
    let other = Authority::new();
    let other_dir = dir.join("other");
    fs::create_dir(&other_dir).expect("made");
    other.issue(&other_dir, ENDS[0]);
    for file in ["pem", "key"] {
        fs::rename(
            other_dir.join(format!("{}.{file}", ENDS[0])),
            dir.join(format!("impostor.{file}")),
        )
        .expect("moved");
    }
    let mut impostor = victim.connect(victim.tls("hand-off-ca.pem", "impostor"), "127.0.0.1");
    assert_eq!(say(&mut impostor, &confirm), None);

    // no certificate at all
    let mut bare = ClientConfig::clone(&victim.tls("hand-off-ca.pem", ENDS[0]));
    bare.client_auth_cert_resolver = Arc::new(NoCertificate);
    let mut nobody = victim.connect(Arc::new(bare), "127.0.0.1");
    assert_eq!(say(&mut nobody, &confirm), None);

    // the right CA, and a name that is not a peer's: the agent's own
    let mut unknown = victim.connect(victim.tls("hand-off-ca.pem", ENDS[1]), "127.0.0.1");
    assert_eq!(say(&mut unknown, &confirm), None);
    wait_for("a refusal", || victim.refused("unknown_peer") == 1);
    let log = victim.log.text();
    assert!(
        log.contains("code=unknown_peer") && log.contains("certificate is for agent-b"),
        "{log}"
    );
    assert!(log.contains("code=tls_failed"), "{log}");
    // dozens of refusals, one line in the log
    assert_eq!(log.matches("code=tls_failed").count(), 1, "{log}");
    assert_eq!(victim.state(), before);
}

#[test]
fn a_peer_that_misbehaves_changes_nothing() {
    let victim = Victim::new();
    let before = victim.state();
    let record = String::from_utf8_lossy(&before.0).into_owned();
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let key_id = record["key-id"].as_str().expect("a keyId");

    let offer = |counter: u64, key_id: &str| {
        line(&format!(
            r#"{{"v":1,"do":"offer","tunnel":"a","counter":{counter},"keyId":"{key_id}","localSystemID":"Alice"}}"#
        ))
    };
    let mut peer = victim.peer();
    let refused = |code: &str| Some(Answer::Refused { code: code.to_owned() });
    // a repeated offer gets the same answer, and the Key Provider is not asked again
    for _ in 0..50 {
        assert_eq!(say(&mut peer, &offer(1, key_id)), Some(Answer::Prepared));
    }
    assert_eq!(say(&mut peer, &offer(1, "00ff")), Some(Answer::Stale { last: 1 }));
    assert_eq!(
        say(&mut peer, &line(r#"{"v":1,"do":"confirm","tunnel":"a","counter":1}"#)),
        Some(Answer::Confirmed)
    );
    assert_eq!(
        say(&mut peer, &line(r#"{"v":1,"do":"abandon","tunnel":"a","counter":1}"#)),
        Some(Answer::Confirmed)
    );
    assert_eq!(
        say(&mut peer, &line(r#"{"v":1,"do":"confirm","tunnel":"b","counter":1}"#)),
        refused("unknown_tunnel")
    );
    let eve = line(r#"{"v":1,"do":"offer","tunnel":"a","counter":9,"keyId":"00ff","localSystemID":"Eve"}"#);
    assert_eq!(say(&mut peer, &eve), refused("wrong_system_id"));
    assert_eq!(victim.state(), before);

    // numbers beyond the maximum, a jump that the initiator does not confirm, an ID that looks like an option
    let far = (1_u64 << 52) - 1;
    let mut peer_2 = victim.peer();
    assert_eq!(
        say(&mut peer_2, &offer(far, "00ff")),
        Some(Answer::Later {
            code: "state".to_owned()
        })
    );
    for (counter, id) in [(1 << 53, "00ff"), (9, "-rf")] {
        assert_eq!(say(&mut victim.peer(), &offer(counter, id)), Some(Answer::Version));
    }
    assert_eq!(victim.state(), before);

    // anything outside the protocol ends the conversation
    for bad in [
        line("{}"),
        line("GET / HTTP/1.1"),
        line(r#"{"v":2,"do":"status","tunnel":"a"}"#),
        vec![b'\n'],
    ] {
        let mut peer = victim.peer();
        assert_eq!(say(&mut peer, &bad), Some(Answer::Version), "{bad:?}");
        assert_eq!(say(&mut peer, &offer(1, key_id)), None);
    }
    let mut peer = victim.peer();
    assert_eq!(say(&mut peer, &vec![b' '; MAX_LINE * 4]), None);
    wait_for("a refusal", || victim.refused("line_too_long") == 1);
    assert_eq!(victim.state(), before);
    assert!(victim.log.text().contains("unknown_tunnel"));
}

#[test]
fn a_reload_closes_the_connections_of_peers_that_are_no_longer_trusted() {
    let victim = Victim::new();
    let status = line(r#"{"v":1,"do":"status","tunnel":"a"}"#);
    let text = victim.rig.head(1, "") + &victim.rig.tunnel(1, "a", "role = \"responder\"\nsize = 256");
    let mut peer = victim.peer();
    assert!(matches!(say(&mut peer, &status), Some(Answer::Status(_))));
    // nothing has changed
    victim.agent.reload(&victim.rig.config(&text)).expect("reloaded");
    assert!(matches!(say(&mut peer, &status), Some(Answer::Status(_))));
    // the peer has another name
    let renamed = text.replace("[peer.agent-a]\n", "[peer.agent-a]\ncertificate-name = \"other\"\n");
    victim.agent.reload(&victim.rig.config(&renamed)).expect("reloaded");
    assert_eq!(say(&mut peer, &status), None);
    victim.agent.reload(&victim.rig.config(&text)).expect("reloaded");
    let mut peer = victim.peer();
    assert!(matches!(say(&mut peer, &status), Some(Answer::Status(_))));
    // another CA is trusted
    let old = victim.tls("hand-off-ca.pem", ENDS[0]);
    let authority = Authority::new();
    let dir = victim.rig.dir.path();
    fs::write(dir.join("hand-off-ca.pem"), &authority.pem).expect("written");
    authority.issue(dir, ENDS[1]);
    victim.agent.reload(&victim.rig.config(&text)).expect("reloaded");
    assert_eq!(say(&mut peer, &status), None);
    assert_eq!(say(&mut victim.connect(old, "127.0.0.1"), &status), None);
}

#[test]
fn silent_clients_do_not_lock_the_peer_out() {
    let victim = Victim::new();
    let silent: Vec<TcpStream> = (0..16)
        .map(|n| victim.socket(&format!("127.0.0.{}", 10 + n / 4)))
        .collect();
    let status = line(r#"{"v":1,"do":"status","tunnel":"a"}"#);
    // from the peer's configured address
    let mut peer = victim.connect(victim.tls("hand-off-ca.pem", ENDS[0]), "127.0.0.1");
    assert!(matches!(say(&mut peer, &status), Some(Answer::Status(_))));
    drop(silent);
}

#[test]
fn a_flood_of_connections_does_not_lock_the_peer_out() {
    let victim = Victim::new();
    let before = victim.state();
    let memory = resident();
    // clients that send nothing, or one byte: a few per address are accepted, the others closed at once
    let silent: Vec<TcpStream> = (0..600)
        .map(|n| {
            let mut socket = victim.socket("127.0.0.1");
            if n % 2 == 0 {
                let _ = socket.write_all(&[0x16]);
            }
            socket
        })
        .collect();
    let status = line(r#"{"v":1,"do":"status","tunnel":"a"}"#);
    let mut peer = victim.peer();
    for _ in 0..2000 {
        assert!(matches!(say(&mut peer, &status), Some(Answer::Status(_))));
    }
    // an authenticated peer has a limit too
    let mut others: Vec<_> = (0..12).map(|_| victim.peer()).collect();
    let heard = others.iter_mut().filter_map(|peer| say(peer, &status)).count();
    assert!(heard <= 7, "{heard} more connections of one peer");
    // closed at once, to make way for the next one, or for sending nothing
    wait_for("refusals", || {
        victim.refused("too_many") + victim.refused("handshake_timed_out") + victim.refused("tls_failed") >= 500
    });
    drop(silent);
    assert!(victim.agent.inner().counted().total(HANDOFF_HANDLED, "status") >= 2000);
    assert_eq!(victim.state(), before);
    let grown = resident().saturating_sub(memory);
    println!("memory grew by {} KiB", grown / 1024);
    assert!(grown < 64 << 20, "{grown} bytes");
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
