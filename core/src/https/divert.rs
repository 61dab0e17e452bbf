//! Keeps decrypted data out of rustls's buffers, which are freed without being wiped.
//!
//! Wraps the record protection of each suite: a record is decrypted in a buffer of ours, application data goes to a sink of ours, and
//! rustls receives ciphertext of the same length in its place. Both of our buffers are wiped.

use std::cell::RefCell;
use std::sync::LazyLock;

use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, KeyBlockShape, MessageDecrypter, MessageEncrypter,
    Tls12AeadAlgorithm, Tls13AeadAlgorithm, UnsupportedOperationError,
};
use rustls::crypto::{CipherSuiteCommon, aws_lc_rs::cipher_suite as suites};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use crate::transport::WipedBuffer;

/// `TLS_AES_256_GCM_SHA384`.
pub(super) fn aes_256_gcm_sha384() -> SupportedCipherSuite {
    static SUITE: LazyLock<Tls13CipherSuite> = LazyLock::new(|| tls13(suites::TLS13_AES_256_GCM_SHA384));
    SupportedCipherSuite::Tls13(&SUITE)
}

/// `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`.
pub(super) fn ecdhe_ecdsa() -> SupportedCipherSuite {
    static SUITE: LazyLock<Tls12CipherSuite> = LazyLock::new(|| tls12(suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384));
    SupportedCipherSuite::Tls12(&SUITE)
}

/// `TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384`.
pub(super) fn ecdhe_rsa() -> SupportedCipherSuite {
    static SUITE: LazyLock<Tls12CipherSuite> = LazyLock::new(|| tls12(suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384));
    SupportedCipherSuite::Tls12(&SUITE)
}

/// Runs `receive`, in which rustls processes records; their application data is appended to `sink`.
pub(super) fn into<T>(sink: &mut WipedBuffer, receive: impl FnOnce() -> T) -> T {
    SINK.set(Some(std::mem::take(sink)));
    let received = receive();
    *sink = SINK.take().unwrap_or_default();
    received
}

thread_local! {
    /// The destination of application data while [`into`] runs.
    static SINK: RefCell<Option<WipedBuffer>> = const { RefCell::new(None) };
}

fn tls13(suite: SupportedCipherSuite) -> Tls13CipherSuite {
    let suite = suite.tls13().expect("a suite of TLS 1.3");
    Tls13CipherSuite {
        common: common(&suite.common),
        hkdf_provider: suite.hkdf_provider,
        aead_alg: Box::leak(Box::new(Diverting(suite.aead_alg))),
        quic: None,
    }
}

fn tls12(suite: SupportedCipherSuite) -> Tls12CipherSuite {
    let SupportedCipherSuite::Tls12(suite) = suite else {
        unreachable!("a suite of TLS 1.2");
    };
    Tls12CipherSuite {
        common: common(&suite.common),
        prf_provider: suite.prf_provider,
        kx: suite.kx,
        sign: suite.sign,
        aead_alg: Box::leak(Box::new(Diverting(suite.aead_alg))),
    }
}

fn common(common: &CipherSuiteCommon) -> CipherSuiteCommon {
    CipherSuiteCommon {
        suite: common.suite,
        hash_provider: common.hash_provider,
        confidentiality_limit: common.confidentiality_limit,
    }
}

/// The record protection of a suite, with the decrypter wrapped.
struct Diverting<A: 'static>(A);

impl Tls13AeadAlgorithm for Diverting<&'static dyn Tls13AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Decrypter::wrap(self.0.decrypter(key, iv))
    }

    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn extract_keys(&self, key: AeadKey, iv: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

impl Tls12AeadAlgorithm for Diverting<&'static dyn Tls12AeadAlgorithm> {
    fn encrypter(&self, key: AeadKey, iv: &[u8], extra: &[u8]) -> Box<dyn MessageEncrypter> {
        self.0.encrypter(key, iv, extra)
    }

    fn decrypter(&self, key: AeadKey, iv: &[u8]) -> Box<dyn MessageDecrypter> {
        Decrypter::wrap(self.0.decrypter(key, iv))
    }

    fn key_block_shape(&self) -> KeyBlockShape {
        self.0.key_block_shape()
    }

    fn extract_keys(
        &self,
        key: AeadKey,
        iv: &[u8],
        explicit: &[u8],
    ) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        self.0.extract_keys(key, iv, explicit)
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

struct Decrypter(Box<dyn MessageDecrypter>);

impl Decrypter {
    fn wrap(inner: Box<dyn MessageDecrypter>) -> Box<dyn MessageDecrypter> {
        Box::new(Self(inner))
    }
}

impl MessageDecrypter for Decrypter {
    fn decrypt<'a>(
        &mut self,
        mut record: InboundOpaqueMessage<'a>,
        sequence: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let mut here = WipedBuffer::copy_of(&record.payload);
        let plain = self.0.decrypt(
            InboundOpaqueMessage::new(record.typ, record.version, here.as_mut_slice()),
            sequence,
        )?;
        record.typ = plain.typ;
        record.version = plain.version;
        let length = plain.payload.len();
        if plain.typ == ContentType::ApplicationData {
            SINK.with_borrow_mut(|sink| match sink {
                Some(sink) => {
                    sink.spare(length)[..length].copy_from_slice(plain.payload);
                    sink.advance(length);
                    Ok(())
                }
                None => Err(Error::General("application data that nobody waits for".into())),
            })?;
        } else {
            // tickets, alerts and handshake messages are for rustls and contain no secrets of ours
            record.payload[..length].copy_from_slice(plain.payload);
        }
        Ok(record.into_plain_message_range(0..length))
    }
}
