//! The effect of options on the wire.

#![cfg(feature = "https")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use skip_client::{Client, ClientBuilder, Error, ErrorCode};

/// A client's first bytes: the hello, and the address that it came from.
struct Hello {
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// Answers each hello with a fatal `handshake_failure` until the client gives up; returns all hellos and the error.
fn hellos(options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> (Vec<Hello>, Error) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut socket, from)) = listener.accept() {
            let mut head = [0; 5];
            if socket.read_exact(&mut head).is_err() {
                return;
            }
            let mut bytes = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            if socket.read_exact(&mut bytes).is_err() || sender.send(Hello { from, bytes }).is_err() {
                return;
            }
            let _ = socket.write_all(&[21, 3, 3, 0, 2, 2, 40]);
        }
    });
    let builder = Client::builder(&format!("https://{address}")).expect("a URL");
    let client = options(builder).build().expect("a client");
    let error = client.capabilities().expect_err("no Key Provider");
    (receiver.try_iter().collect(), error)
}

fn pinned(builder: ClientBuilder) -> ClientBuilder {
    builder.pin("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
}

#[cfg(target_os = "linux")] // where all of 127.0.0.0/8 is local
#[test]
fn a_source_address_is_where_connections_come_from() {
    let source = Ipv4Addr::new(127, 0, 0, 2);
    let (seen, _) = hellos(|builder| pinned(builder).source_address(source.into()));
    assert_eq!(seen[0].from.ip(), source);
    let (seen, _) = hellos(pinned);
    assert_eq!(seen[0].from.ip(), Ipv4Addr::LOCALHOST);
    for foreign in ["192.0.2.1", "::1"] {
        let (seen, error) = hellos(|builder| pinned(builder).set("source_address", foreign).expect("an address"));
        assert!(seen.is_empty());
        assert_eq!(
            (error.code(), error.field()),
            (ErrorCode::InvalidArgument, Some("source_address"))
        );
    }
}

/// The number of the group X25519MLKEM768.
const ML_KEM: [u8; 2] = [0x11, 0xec];

#[test]
fn without_post_quantum_a_hello_is_small() {
    let size = |seen: &[Hello]| {
        let largest = seen.iter().map(|hello| hello.bytes.len()).max().expect("a hello");
        let offered = seen
            .iter()
            .any(|hello| hello.bytes.windows(2).any(|pair| pair == ML_KEM));
        (largest, offered)
    };
    let (seen, _) = hellos(pinned);
    assert!(matches!(size(&seen), (1200.., true)), "{:?}", size(&seen));
    let (seen, _) = hellos(|builder| pinned(builder).post_quantum(false));
    assert!(matches!(size(&seen), (..512, false)), "{:?}", size(&seen));
    #[cfg(feature = "psk")]
    {
        let (seen, _) = hellos(|builder| with_psk(builder).post_quantum(false));
        assert!(matches!(size(&seen), (..512, false)), "{:?}", size(&seen));
    }
}

#[cfg(feature = "psk")]
fn with_psk(builder: ClientBuilder) -> ClientBuilder {
    let psk = skip_client::Psk::from_hex("router", &[b'a'; 64]);
    builder.psk(psk.expect("a key"))
}

#[test]
fn a_handshake_that_times_out_names_the_option() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let builder = pinned(Client::builder(&url).expect("a URL"));
    let client = builder
        .connect_timeout(Duration::from_millis(200))
        .build()
        .expect("a client");
    let error = client.capabilities().expect_err("nobody answers");
    assert_eq!(error.code(), ErrorCode::TimedOut);
    assert!(error.hint().ends_with("post_quantum=false"), "{}", error.hint());
}

#[cfg(feature = "psk")]
#[test]
fn with_forward_secrecy_no_hello_offers_plain_psk() {
    /// `TLS_PSK_WITH_AES_256_GCM_SHA384`
    const PLAIN_PSK: [u8; 2] = [0x00, 0xa9];
    let offers_it = |seen: &[Hello]| {
        assert!(!seen.is_empty());
        seen.iter()
            .any(|hello| suites(&hello.bytes).any(|suite| suite == PLAIN_PSK))
    };
    let (seen, _) = hellos(with_psk);
    assert!(offers_it(&seen));
    let (seen, _) = hellos(|builder| with_psk(builder).forward_secrecy(true));
    assert!(!offers_it(&seen));
    let contradiction = pinned(Client::builder("https://localhost").expect("a URL"))
        .legacy(true)
        .forward_secrecy(true)
        .build();
    assert_eq!(contradiction.expect_err("both").field(), Some("legacy"));
}

/// The cipher suites of a `ClientHello`: they follow the handshake header, version, random and session id.
#[cfg(feature = "psk")]
fn suites(hello: &[u8]) -> impl Iterator<Item = &[u8]> {
    let at = 4 + 2 + 32;
    let at = at + 1 + usize::from(hello[at]);
    let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
    hello[at + 2..at + 2 + length].chunks(2)
}
