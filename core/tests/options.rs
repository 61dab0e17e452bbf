//! What options change on the wire.

#![cfg(feature = "https")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;

use skip_client::{Client, ClientBuilder, Error, ErrorCode};

/// A client's first bytes: what a hello offers, and where it came from.
struct Hello {
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// Answers each hello with a fatal `handshake_failure`, until the client gives up; returns all of them and the error.
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
