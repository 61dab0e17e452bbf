//! Credentials that are renewed on disk under a running client.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use openssl::ssl::{Ssl, SslContext, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use skip_client::{Client, ClientBuilder};
use skip_key_provider::{DEFAULT_IDENTITY, KeyProviderPair, PairOptions};

const CAPABILITIES: &str = r#"{"entropy":true,"key":true,"algorithm":"","localSystemID":"kp","remoteSystemID":["x"]}"#;

/// A server that demands a client certificate of the CA in its folder. The folder can be another one for the next connections.
struct Server {
    url: String,
    folder: Arc<Mutex<PathBuf>>,
    /// How many connections came up.
    connections: Arc<Mutex<usize>>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self {
            url: format!("https://{}", listener.local_addr().expect("an address")),
            folder: Arc::new(Mutex::new(folder.to_owned())),
            connections: Arc::default(),
        };
        let (folder, connections) = (Arc::clone(&server.folder), Arc::clone(&server.connections));
        thread::spawn(move || {
            for tcp in listener.incoming() {
                let context = context(&folder.lock().expect("a folder"));
                let connections = Arc::clone(&connections);
                thread::spawn(move || {
                    let tcp = tcp.expect("a client");
                    let Ok(mut stream) = Ssl::new(&context).expect("memory").accept(tcp) else {
                        return;
                    };
                    *connections.lock().expect("a number") += 1;
                    // requests of a client fit into one record
                    while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {
                        let length = CAPABILITIES.len();
                        let head =
                            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}");
                        let reply = format!("{head}\r\n\r\n{CAPABILITIES}");
                        if stream.write_all(reply.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        server
    }

    fn uses(&self, folder: &Path) {
        folder.clone_into(&mut self.folder.lock().expect("a folder"));
    }

    fn connections(&self) -> usize {
        *self.connections.lock().expect("a number")
    }
}

fn context(folder: &Path) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
    // the refusal of a client certificate then comes in the handshake
    context
        .set_max_proto_version(Some(SslVersion::TLS1_2))
        .expect("a version");
    let file = |name: &str| folder.join(name);
    context
        .set_certificate_file(file("alice.pem"), SslFiletype::PEM)
        .expect("a certificate");
    context
        .set_private_key_file(file("alice.key"), SslFiletype::PEM)
        .expect("its key");
    context.set_ca_file(file("ca.pem")).expect("a CA");
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    context.set_session_id_context(b"renewal").expect("a context");
    context.build()
}

/// A folder with a CA of its own, and certificates of a server and a client.
fn authority() -> (KeyProviderPair, PathBuf) {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("starts");
    let folder = pair.dir().to_owned();
    (pair, folder)
}

/// Puts a file in place of another as tools for certificates do.
fn renew(from: &Path, to: &Path, name: &str) {
    let new = to.join(format!("{name}.new"));
    fs::copy(from.join(name), &new).expect("copied");
    fs::rename(new, to.join(name)).expect("renamed");
}

fn with_files(url: &str, folder: &Path) -> ClientBuilder {
    Client::builder(url)
        .expect("a URL")
        .ca_file(folder.join("ca.pem"))
        .client_cert_files(folder.join("client.pem"), folder.join("client.key"))
}

fn renewed_certificates_are_used(change: fn(ClientBuilder) -> ClientBuilder) {
    let (_old_pair, old) = authority();
    let (_new_pair, new) = authority();
    let own = tempfile::tempdir().expect("a folder");
    let own = own.path();
    for name in ["ca.pem", "client.pem", "client.key"] {
        renew(&old, own, name);
    }
    let server = Server::start(&old);
    let client = change(with_files(&server.url, own)).build().expect("valid");
    let ask = || client.refresh_capabilities().map(drop);
    let warnings = || {
        let connection = client.connection().expect("a connection");
        let of_files = |text: &&String| text.contains("changed credentials");
        connection.warnings.iter().filter(of_files).count()
    };
    ask().expect("the old credentials");
    ask().expect("the same connection");
    assert_eq!(server.connections(), 1);

    // the certificate is there before its key: the old pair serves on, over the same connection
    renew(&new, own, "client.pem");
    ask().expect("the old credentials");
    assert_eq!((server.connections(), warnings()), (1, 0));
    fs::write(own.join("ca.pem"), "-----BEGIN CERTIFICATE-----\nhalf").expect("written");
    ask().expect("the old credentials");

    // all are there, and so is the server with the new CA; old connections are not used although they are open
    renew(&new, own, "client.key");
    renew(&new, own, "ca.pem");
    server.uses(&new);
    ask().expect("the new credentials");
    assert_eq!((server.connections(), warnings()), (2, 0));
    ask().expect("the same connection");
    assert_eq!(server.connections(), 2);

    // who trusts the old CA does not connect any more, and what cannot be used is named
    renew(&old, own, "ca.pem");
    let error = ask().expect_err("another CA");
    assert_eq!(error.code(), skip_client::ErrorCode::TlsFailed, "{error}");
    renew(&new, own, "ca.pem");
    ask().expect("the new CA again");
    fs::remove_file(own.join("client.key")).expect("removed");
    ask().expect("the earlier key");
    drop(client);

    let error = change(with_files(&server.url, own)).build().expect_err("no key");
    assert!(error.message().contains("client.key"), "{error}");
}

#[test]
fn renewed_certificates_are_used_with_rustls() {
    renewed_certificates_are_used(|builder| builder);
}

#[test]
fn renewed_certificates_are_used_with_openssl() {
    renewed_certificates_are_used(|builder| builder.legacy(true));
}

#[test]
fn a_new_connection_says_that_changed_credentials_cannot_be_used() {
    let (_pair, folder) = authority();
    let own = tempfile::tempdir().expect("a folder");
    let own = own.path();
    for name in ["ca.pem", "client.pem", "client.key"] {
        renew(&folder, own, name);
    }
    let server = Server::start(&folder);
    let client = with_files(&server.url, own).build().expect("valid");
    fs::write(own.join("ca.pem"), "").expect("written");
    client.capabilities().expect("the earlier CA");
    let warnings = client.connection().expect("a connection").warnings;
    assert!(
        warnings.iter().any(|text| text.contains("the earlier ones still are")),
        "{warnings:?}"
    );
}

#[test]
fn a_renewed_pre_shared_key_is_used() {
    let (pair, folder) = authority();
    let own = tempfile::tempdir().expect("a folder");
    let own = own.path();
    renew(&folder, own, "psk.txt");
    let path = own.join("psk.txt");
    let client = Client::builder(&pair.alice().psk_url).expect("a URL");
    let client = client.psk_file(&path, None).build().expect("valid");
    let ask = || client.refresh_capabilities().map(drop);
    ask().expect("the key");

    // the connection that the earlier key made is still open
    fs::write(&path, format!("{DEFAULT_IDENTITY}:{}\n", "00".repeat(32))).expect("written");
    let error = ask().expect_err("another key");
    assert_eq!(error.code(), skip_client::ErrorCode::TlsFailed, "{error}");

    fs::write(&path, "no key at all").expect("written");
    ask().expect_err("the key before");
    renew(&folder, own, "psk.txt");
    ask().expect("the right key again");
}
