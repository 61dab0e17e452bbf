//! TLS termination in front of the Key Provider, as with stunnel and nginx.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use openssl::ssl::{
    SslAcceptor, SslAcceptorBuilder, SslConnector, SslFiletype, SslMethod, SslStream, SslVerifyMode, SslVersion,
};
use skip_key_provider::KeyProviderPair;

/// The backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// The first of the pair, with certificates.
    Alice(SocketAddr),
    /// None: the connection is closed, as stunnel does.
    Nothing,
    /// None: the status is 502, as with nginx.
    BadGateway,
}

/// Listens until it is dropped.
pub struct Terminator {
    pub url: String,
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Terminator {
    /// With Alice's certificate, for clients that trust the pair's CA.
    pub fn start(pair: &KeyProviderPair, behind: Behind) -> Self {
        let file = |name: &str| pair.dir().join(name);
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("OpenSSL");
        acceptor
            .set_certificate_file(file("alice.pem"), SslFiletype::PEM)
            .expect("a certificate");
        acceptor
            .set_private_key_file(file("alice.key"), SslFiletype::PEM)
            .expect("a key");
        acceptor.set_ca_file(file("ca.pem")).expect("an authority");
        acceptor.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        acceptor
            .set_session_id_context(b"terminator")
            .expect("a context for sessions");
        Self::listen(acceptor, Arc::new(upstream(pair)), behind)
    }

    /// With its own certificate, which need not be valid.
    pub fn with(pair: &KeyProviderPair, acceptor: SslAcceptorBuilder, behind: Behind) -> Self {
        Self::listen(acceptor, Arc::new(upstream(pair)), behind)
    }

    fn listen(mut acceptor: SslAcceptorBuilder, connector: Arc<SslConnector>, behind: Behind) -> Self {
        acceptor
            .set_min_proto_version(Some(SslVersion::TLS1_2))
            .expect("a version");
        acceptor
            .set_groups_list("X25519MLKEM768:X25519:P-256")
            .or_else(|_| acceptor.set_groups_list("X25519:P-256"))
            .expect("groups");
        acceptor
            .set_cipher_list("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0")
            .expect("suites");
        acceptor
            .set_ciphersuites("TLS_AES_256_GCM_SHA384")
            .expect("suites of TLS 1.3");
        let acceptor = Arc::new(acceptor.build());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for tcp in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (acceptor, connector) = (Arc::clone(&acceptor), Arc::clone(&connector));
                let stopped = Arc::clone(&stopped);
                if let Ok(tcp) = tcp {
                    thread::spawn(move || connection(tcp, &acceptor, &connector, behind, &stopped));
                }
            }
        });
        Self {
            url: format!("https://{address}"),
            address,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // wakes the listener
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn upstream(pair: &KeyProviderPair) -> SslConnector {
    let mut connector = SslConnector::builder(SslMethod::tls()).expect("OpenSSL");
    connector.set_ca_file(pair.ca()).expect("an authority");
    connector
        .set_certificate_file(pair.client_cert(), SslFiletype::PEM)
        .expect("a certificate");
    connector
        .set_private_key_file(pair.client_key(), SslFiletype::PEM)
        .expect("a key");
    connector.build()
}

fn connection(tcp: TcpStream, acceptor: &SslAcceptor, connector: &SslConnector, behind: Behind, stop: &AtomicBool) {
    let _ = tcp.set_nodelay(true);
    let _ = tcp.set_read_timeout(Some(Duration::from_mins(1)));
    let Ok(mut client) = acceptor.accept(tcp) else { return };
    let address = match behind {
        Behind::Alice(address) => address,
        Behind::Nothing => return drop(client.shutdown()),
        Behind::BadGateway => {
            let _ = client.read(&mut [0; 4096]);
            let page = "<html>502 Bad Gateway</html>";
            let reply = format!(
                "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            let _ = client.write_all(reply.as_bytes());
            return drop(client.shutdown());
        }
    };
    let Ok(tcp) = TcpStream::connect(address) else { return };
    let _ = tcp.set_nodelay(true);
    let Ok(mut server) = connector.connect("127.0.0.1", tcp) else {
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.get_ref().set_nonblocking(true);
    }
    while !stop.load(Ordering::SeqCst) {
        match (pass(&mut client, &mut server), pass(&mut server, &mut client)) {
            (Passed::End, _) | (_, Passed::End) => break,
            (Passed::Nothing, Passed::Nothing) => thread::sleep(Duration::from_micros(300)),
            _ => {}
        }
    }
    for stream in [&mut client, &mut server] {
        let _ = stream.get_ref().set_nonblocking(false);
        let _ = stream.shutdown();
    }
}

enum Passed {
    Data,
    Nothing,
    End,
}

fn pass(from: &mut SslStream<TcpStream>, to: &mut SslStream<TcpStream>) -> Passed {
    let mut buffer = [0; 16 * 1024];
    match from.read(&mut buffer) {
        Ok(0) => Passed::End,
        Ok(read) => {
            let _ = to.get_ref().set_nonblocking(false);
            let written = to.write_all(&buffer[..read]);
            let _ = to.get_ref().set_nonblocking(true);
            if written.is_ok() { Passed::Data } else { Passed::End }
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Passed::Nothing,
        Err(_) => Passed::End,
    }
}
