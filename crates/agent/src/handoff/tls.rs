//! Mutual TLS 1.3 between agents, by rustls and aws-lc-rs: both show a certificate of the CA that is trusted for this,
//! and a peer is who its certificate's name says.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use webpki::EndEntityCert;
use zeroize::Zeroizing;

use crate::config::HandOffTable;

/// How long a handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);

/// Both sides of an agent's TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    pub server: Arc<ServerConfig>,
    pub client: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the files of the configuration.
    ///
    /// # Errors
    /// Which file cannot be used, and why, in one line.
    pub fn load(table: &HandOffTable) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&table.ca)? {
            let named = |error| format!("{}: {error}", table.ca.display());
            roots.add(certificate).map_err(named)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(provider());
        let identity = Arc::new(identity(table, &provider)?);
        let setup = |error: &dyn std::fmt::Display| format!("TLS cannot be set up: {error}");

        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| setup(&error))?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| setup(&error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity))));
        // each connection proves both sides anew, and nothing is remembered for strangers
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| setup(&error))?
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

/// Whether a certificate that was verified is for this name.
pub(crate) fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (EndEntityCert::try_from(certificate), ServerName::try_from(name)) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

/// The suites of TLS 1.3 with a 256-bit key, and post-quantum key exchange first.
fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

fn identity(table: &HandOffTable, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain = certificates(&table.cert)?;
    let pem = read(&table.key)?;
    let mut signer = None;
    skip_client::read_private_key(&pem, |key| {
        signer = provider.key_provider.load_private_key(key.clone_key()).ok();
        Ok(())
    })
    .map_err(|error| format!("{}: {}", table.key.display(), error.message()))?;
    let signer = signer.ok_or_else(|| format!("{}: this kind of private key is not known", table.key.display()))?;
    let identity = CertifiedKey::new(chain, signer);
    match identity.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(identity),
        Err(_) => Err(format!(
            "{} is not the private key of {}",
            table.key.display(),
            table.cert.display()
        )),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = read(path)?;
    match CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>() {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(format!(
            "{}: must hold at least one certificate in PEM form",
            path.display()
        )),
    }
}

/// A file that may be a secret: one buffer of its size, wiped.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
