//! Client and server of this crate against each other, over a socket pair.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslCipherRef, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode, SslVersion};
use skip_tls_psk::{CLEANSE_PLAINTEXT, Hash, Psk, accept, negotiated_group, offer, set_dh_auto, set_identity_hint};

const KEY: &[u8] = b"a key of thirty-two bytes, here!";

fn client(key: &[u8], tls13: Option<Hash>, version: SslVersion) -> Result<SslContextBuilder, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    context.set_options(CLEANSE_PLAINTEXT);
    context.set_min_proto_version(Some(version))?;
    context.set_max_proto_version(Some(version))?;
    context.set_cipher_list("DHE-PSK-AES256-GCM-SHA384:PSK-AES256-GCM-SHA384")?;
    context.set_verify(SslVerifyMode::PEER);
    offer(&mut context, Psk::new(b"encryptor", key), tls13)?;
    Ok(context)
}

fn server(classic: bool) -> Result<SslContextBuilder, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_server())?;
    context.set_cipher_list("DHE-PSK-AES256-GCM-SHA384:PSK-AES256-GCM-SHA384")?;
    set_dh_auto(&mut context)?;
    set_identity_hint(&mut context, c"a hint")?;
    let find = |identity: &[u8]| (identity == b"encryptor").then(|| Psk::new(identity, KEY));
    accept(&mut context, Arc::new(find), classic)?;
    Ok(context)
}

/// Performs a handshake and one exchange of bytes; returns the client's version, suite and group, or `None` if it
/// failed.
fn meet(client: SslContextBuilder, server: SslContextBuilder) -> Option<(String, String, Option<String>)> {
    let (here, there) = UnixStream::pair().expect("a pair of sockets");
    let serving = thread::spawn(move || {
        let mut stream = SslStream::new(Ssl::new(&server.build()).expect("memory"), there).expect("memory");
        if stream.accept().is_ok() {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).expect("four bytes");
            stream.write_all(&bytes).expect("written");
        }
    });
    let mut stream = SslStream::new(Ssl::new(&client.build()).expect("memory"), here).expect("memory");
    let outcome = stream.connect().ok().map(|()| {
        stream.write_all(b"ping").expect("written");
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).expect("four bytes");
        assert_eq!(&bytes, b"ping");
        let suite = stream
            .ssl()
            .current_cipher()
            .and_then(SslCipherRef::standard_name)
            .unwrap_or("");
        (
            stream.ssl().version_str().to_owned(),
            suite.to_owned(),
            negotiated_group(stream.ssl()),
        )
    });
    drop(stream);
    serving.join().expect("the server's thread");
    outcome
}

#[test]
fn tls_1_3_uses_a_key_bound_to_sha_384() {
    let client = client(KEY, Some(Hash::Sha384), SslVersion::TLS1_3).expect("a context");
    let (version, suite, group) = meet(client, server(false).expect("a context")).expect("a handshake");
    assert_eq!(
        (version.as_str(), suite.as_str()),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    );
    // psk_dhe_ke: there is a group, and so forward secrecy
    assert!(group.is_some());
}

#[test]
fn a_classic_server_takes_sha_256_only() {
    let with = |hash| client(KEY, Some(hash), SslVersion::TLS1_3).expect("a context");
    assert!(meet(with(Hash::Sha384), server(true).expect("a context")).is_none());
    let (_, suite, _) = meet(with(Hash::Sha256), server(true).expect("a context")).expect("a handshake");
    assert!(suite.ends_with("_SHA256"), "{suite}");
}

#[test]
fn tls_1_2_works_with_both_kinds_of_server() {
    for classic in [false, true] {
        let client = client(KEY, None, SslVersion::TLS1_2).expect("a context");
        let (version, suite, _) = meet(client, server(classic).expect("a context")).expect("a handshake");
        assert_eq!(
            (version.as_str(), suite.as_str()),
            ("TLSv1.2", "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384")
        );
    }
}

#[test]
fn another_key_is_refused() {
    for (hash, version) in [(Some(Hash::Sha384), SslVersion::TLS1_3), (None, SslVersion::TLS1_2)] {
        let client = client(b"another key", hash, version).expect("a context");
        assert!(meet(client, server(false).expect("a context")).is_none());
    }
}

#[test]
fn debug_shows_nothing_of_a_key() {
    assert!(!format!("{:?}", Psk::new(b"identity", b"marker")).contains("marker"));
}
