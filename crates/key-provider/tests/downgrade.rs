//! Someone on the path without the key cuts connections, forges alerts and modifies hellos: no connection is weakened now without a
//! warning, or later at all.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use skip_client::{Client, ClientBuilder, ConnectionInfo, ErrorCode, Psk, TlsVersion};
use skip_key_provider::{KeyProviderPair, PairOptions, Quirk};

const SHA384: &str = "TLS_AES_256_GCM_SHA384";
const SHA256: &str = "TLS_CHACHA20_POLY1305_SHA256";
const DHE: &str = "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384";
const PLAIN: &str = "TLS_PSK_WITH_AES_256_GCM_SHA384";
const PLAIN_FIRST: &str = "PSK-AES256-GCM-SHA384:DHE-PSK-AES256-GCM-SHA384";

/// A kind of Key Provider, and what a client negotiates with it without interference.
struct Kind {
    quirks: &'static str,
    suites: Option<&'static str>,
    best: &'static str,
}

const KINDS: [Kind; 8] = [
    Kind {
        quirks: "",
        suites: None,
        best: SHA384,
    },
    Kind {
        quirks: "tls-1.3-only",
        suites: None,
        best: SHA384,
    },
    Kind {
        quirks: "classic-psk",
        suites: None,
        best: SHA256,
    },
    Kind {
        quirks: "classic-psk tls-1.3-only",
        suites: None,
        best: SHA256,
    },
    // waustin14/SKIP-Server
    Kind {
        quirks: "psk-no-dh",
        suites: None,
        best: SHA256,
    },
    Kind {
        quirks: "tls-1.2-only",
        suites: None,
        best: DHE,
    },
    Kind {
        quirks: "tls-1.2-only",
        suites: Some(PLAIN_FIRST),
        best: DHE,
    },
    Kind {
        quirks: "tls-1.2-only psk-no-dh",
        suites: None,
        best: PLAIN,
    },
];

/// What is done to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pass,
    /// Resets it when the hello has arrived.
    Reset,
    /// Closes it when the hello has arrived.
    Close,
    /// Forwards the hello and resets the connection at the first bytes of the response.
    ResetAnswer,
    /// Changes a byte of the hello's random number.
    Tamper,
    /// Answers with this alert.
    Alert(u8),
}

const ACTS: [Act; 10] = [
    Act::Pass,
    Act::Reset,
    Act::Close,
    Act::ResetAnswer,
    Act::Tamper,
    Act::Alert(40),
    Act::Alert(47),
    Act::Alert(50),
    Act::Alert(70),
    Act::Alert(86),
];

/// Someone between the client and a Key Provider.
struct Adversary {
    address: SocketAddr,
    acts: Arc<Mutex<Vec<Act>>>,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Adversary {
    fn before(provider: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let this = Self {
            address,
            acts: Arc::default(),
            connections: Arc::default(),
            ended: Arc::default(),
        };
        let (queue, count, ended) = (
            Arc::clone(&this.acts),
            Arc::clone(&this.connections),
            Arc::clone(&this.ended),
        );
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                let mut queue = queue.lock().expect("lock");
                let act = if queue.is_empty() { Act::Pass } else { queue.remove(0) };
                thread::spawn(move || {
                    // a connection that ends before the act is over counts as well
                    let _ = play(act, client, provider);
                });
            }
        });
        this
    }

    /// Sets the acts for the next connections; later ones are forwarded.
    fn will(&self, acts: &[Act]) {
        *self.acts.lock().expect("lock") = acts.to_vec();
    }

    /// The number of connections since the last call.
    fn connections(&self) -> usize {
        self.connections.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Adversary {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // wakes the thread
        let _ = TcpStream::connect(self.address);
    }
}

fn play(act: Act, mut client: TcpStream, provider: SocketAddr) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut hello = vec![0; 5];
    client.read_exact(&mut hello)?;
    let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
    hello.resize(5 + length, 0);
    client.read_exact(&mut hello[5..])?;
    match act {
        Act::Close => return Ok(()),
        Act::Reset => return reset(&client),
        Act::Alert(alert) => {
            client.write_all(&[21, 3, 3, 0, 2, 2, alert])?;
            client.shutdown(Shutdown::Write)?;
            // closing with unread bytes would reset the connection
            return client.read_to_end(&mut Vec::new()).map(drop);
        }
        // record header, handshake header, version
        Act::Tamper => hello[5 + 4 + 2] ^= 1,
        Act::Pass | Act::ResetAnswer => {}
    }
    let mut behind = TcpStream::connect(provider)?;
    behind.write_all(&hello)?;
    if act == Act::ResetAnswer {
        behind.read_exact(&mut [0])?;
        return reset(&client);
    }
    let (mut from_client, mut to_provider) = (client.try_clone()?, behind.try_clone()?);
    let forward = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_provider);
        let _ = to_provider.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut behind, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    let _ = forward.join();
    Ok(())
}

/// Closing with unread bytes, or with no time to linger, sends RST.
fn reset(client: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(client).set_linger(Some(Duration::ZERO))
}

fn pair(kind: &Kind) -> KeyProviderPair {
    let mut quirks: Vec<Quirk> = vec![Quirk::ConnectionClose];
    quirks.extend(
        kind.quirks
            .split_whitespace()
            .map(|name| name.parse::<Quirk>().expect("a quirk")),
    );
    KeyProviderPair::start(PairOptions {
        quirks,
        psk_ciphers: kind.suites.map(str::to_owned),
        ..PairOptions::default()
    })
    .expect("the pair starts")
}

fn psk(pair: &KeyProviderPair) -> Psk {
    Psk::from_file_content(&std::fs::read(pair.psk()).expect("psk.txt"), None).expect("one key")
}

/// Each act on the first hello, the first two, ... and some combinations.
fn attacks() -> Vec<Vec<Act>> {
    let mut random = fastrand::Rng::with_seed(7);
    let repeated = (1..=4).flat_map(|hellos| ACTS.map(|act| vec![act; hellos]));
    let mixed = (0..30).map(|_| (0..5).map(|_| ACTS[random.usize(..ACTS.len())]).collect());
    repeated.chain(mixed).collect()
}

/// Opens a new connection and returns the result.
fn connect(client: &Client) -> Result<ConnectionInfo, ErrorCode> {
    client.refresh_capabilities().map_err(|error| error.code())?;
    Ok(client.connection().expect("connected"))
}

fn client(to: SocketAddr, trust: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    let builder = Client::builder(&format!("https://{to}")).expect("a URL");
    trust(builder)
        .connect_timeout(Duration::from_secs(20))
        .timeout(Duration::from_secs(20))
        .build()
        .expect("a client")
}

#[test]
fn a_pre_shared_key_is_never_used_in_a_weaker_way_unseen_or_for_longer_than_the_attack() {
    for kind in &KINDS {
        let pair = pair(kind);
        let adversary = Adversary::before(pair.alice().psk_address);
        for acts in attacks() {
            let case = format!("{:?} {:?} {acts:?}", kind.quirks, kind.suites);
            let client = client(adversary.address, |builder| builder.psk(psk(&pair)));
            adversary.will(&acts);
            match connect(&client) {
                Ok(info) => {
                    let has_tls13 = [SHA384, SHA256].contains(&kind.best);
                    assert!(info.tls_version == "TLS 1.3" || !has_tls13, "{case}: {info:?}");
                    assert!(info.cipher_suite == kind.best || !info.warnings.is_empty(), "{case}");
                    let is_plain = info.cipher_suite == PLAIN;
                    assert!(!is_plain || kind.suites.is_some() || kind.best == PLAIN, "{case}");
                }
                Err(code) => assert_eq!(code, ErrorCode::TlsFailed, "{case}"),
            }
            // the attack is over
            adversary.will(&[]);
            let info = connect(&client).unwrap_or_else(|code| panic!("{case}: {code} afterwards"));
            assert_eq!(info.cipher_suite, kind.best, "{case}: afterwards");
        }
    }
}

#[test]
fn certificates_are_never_used_in_a_weaker_way() {
    let pair = pair(&KINDS[0]);
    let ca = std::fs::read(pair.ca()).expect("ca.pem");
    let adversary = Adversary::before(pair.alice().address);
    for acts in attacks() {
        let client = client(adversary.address, |builder| builder.ca_pem(ca.clone()));
        for acts in [&acts[..], &[]] {
            adversary.will(acts);
            match connect(&client) {
                Ok(info) => {
                    let negotiated = (info.tls_version.as_str(), info.group.as_deref());
                    assert_eq!(negotiated, ("TLS 1.3", Some("X25519MLKEM768")), "{acts:?}");
                }
                Err(code) => assert!(code == ErrorCode::TlsFailed && !acts.is_empty(), "{acts:?}: {code}"),
            }
        }
    }
}

#[test]
fn an_honest_key_provider_gets_the_strongest_mode_that_it_has() {
    use TlsVersion::{Auto, Tls12, Tls13};
    for (quirks, suites, versions, expected) in [
        ("", None, Auto, Ok((SHA384, &[][..]))),
        ("classic-psk", None, Auto, Ok((SHA256, &["SHA-256"]))),
        ("psk-no-dh", None, Auto, Ok((SHA256, &["SHA-256"]))),
        ("psk-no-dh", None, Tls13, Ok((SHA256, &["SHA-256"]))),
        // requested, so not a fallback
        ("psk-no-dh", None, Tls12, Ok((PLAIN, &["forward secrecy"]))),
        ("classic-psk", None, Tls12, Ok((DHE, &[]))),
        ("", None, Tls12, Ok((DHE, &[]))),
        ("tls-1.2-only", None, Auto, Ok((DHE, &[]))),
        ("tls-1.2-only", Some(PLAIN_FIRST), Auto, Ok((DHE, &[]))),
        ("tls-1.2-only", Some(PLAIN_FIRST), Tls12, Ok((DHE, &[]))),
        (
            "tls-1.2-only psk-no-dh",
            None,
            Auto,
            Ok((PLAIN, &["fallback", "forward secrecy"])),
        ),
        ("tls-1.2-only", None, Tls13, Err(ErrorCode::TlsFailed)),
        ("tls-1.3-only", None, Tls12, Err(ErrorCode::TlsFailed)),
    ] {
        let case = format!("{quirks:?} {suites:?} {versions:?}");
        let best = "";
        let pair = pair(&Kind { quirks, suites, best });
        let client = client(pair.alice().psk_address, |builder| {
            builder.psk(psk(&pair)).tls(versions)
        });
        // the second one uses what the first one learned
        for _ in 0..2 {
            match (connect(&client), expected) {
                (Ok(info), Ok((suite, warnings))) => {
                    assert_eq!(info.cipher_suite, suite, "{case}");
                    assert_eq!(info.warnings.len(), warnings.len(), "{case}: {:?}", info.warnings);
                    for (said, expected) in info.warnings.iter().zip(warnings) {
                        assert!(said.contains(expected), "{case}: {said}");
                    }
                }
                (got, expected) => assert_eq!(got.err(), expected.err(), "{case}"),
            }
        }
    }
}

#[test]
fn what_a_key_provider_refused_is_remembered_unless_the_connection_was_cut() {
    let pair = pair(&KINDS[2]);
    let adversary = Adversary::before(pair.alice().psk_address);
    let client = client(adversary.address, |builder| builder.psk(psk(&pair)));
    adversary.will(&[Act::Reset]);
    for hellos in [2, 2, 1, 1] {
        assert_eq!(connect(&client).expect("connects").cipher_suite, SHA256);
        assert_eq!(adversary.connections(), hellos);
    }
    // after an update, a Key Provider gets the stronger hello as soon as it refuses the weaker one
    pair.set_quirks(&[Quirk::ConnectionClose]);
    for hellos in [2, 1] {
        assert_eq!(connect(&client).expect("connects").cipher_suite, SHA384);
        assert_eq!(adversary.connections(), hellos);
    }
}
