//! A TLS 1.3 server with one group and a fixed response, after which it closes: `serve GROUP CERTIFICATE KEY`. It
//! prints its port and exits when stdin is closed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Result;

const REPLY: &str = concat!(
    r#"{"keyId": "0123456789abcdef0123456789abcdef", "#,
    r#""key": "c3a15e97c3a15e97c3a15e97c3a15e97c3a15e97c3a15e97c3a15e97c3a15e97"}"#
);

pub fn serve(group: &str, certificate: &str, key: &str) -> Result<()> {
    let group = match group {
        "X25519" => kx_group::X25519,
        "X25519MLKEM768" => kx_group::X25519MLKEM768,
        other => return Err(format!("no group is called {other}").into()),
    };
    let provider = rustls::crypto::CryptoProvider {
        kx_groups: vec![group],
        ..default_provider()
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate)?],
            PrivateKeyDer::from_pem_file(key)?,
        )?;
    // full handshakes
    config.send_tls13_tickets = 0;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            // the handshake fails for a client without this group
            std::thread::spawn(move || answer(socket, &config).ok());
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn answer(socket: TcpStream, config: &Arc<ServerConfig>) -> Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config))?, socket);
    let mut request = Vec::new();
    let mut part = [0; 2048];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&part[..n]),
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    // a single record
    let reply = format!("{head}\r\nContent-Length: {}\r\n\r\n{REPLY}", REPLY.len());
    stream.write_all(reply.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    // wait for the client to close, so that none of its data arrives at a closed socket
    stream.sock.shutdown(std::net::Shutdown::Write)?;
    let _ = stream.sock.read(&mut part);
    Ok(())
}
