//! Mutual TLS 1.3 between agents, by rustls and aws-lc-rs. A peer is identified by its name in a certificate issued by the
//! CA configured for the hand-off, or by its pinned public key.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use skip_client::Pin;
use skip_client::error::FrontEnd;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pinned::{OtherKey, Pinned};
use crate::config::{HandOffTable, Identity, PeerTable};
use crate::files::read;

/// How long a handshake may take.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(5);

/// Both sides of an agent's TLS.
pub(crate) struct Tls {
    pub server: Arc<ServerConfig>,
    /// For each peer.
    clients: BTreeMap<String, Arc<ClientConfig>>,
    identities: BTreeMap<String, Identity>,
    /// When the first of the certificates expires, in seconds since 1970. Nobody looks at the dates without a CA.
    pub expires: Option<i64>,
    /// The names of this agent's certificate (subjectAltName).
    pub names: Vec<String>,
    /// The pin of this agent's certificate.
    pub pin: Option<Pin>,
    /// The CA certificates and this agent's chain.
    certificates: Vec<CertificateDer<'static>>,
}

type Peers = BTreeMap<String, PeerTable>;

impl Tls {
    /// Reads the configured files, and checks this agent's certificate as a peer would, because a peer's alert does not
    /// say why it refused a certificate.
    ///
    /// # Errors
    /// Which file cannot be used, and why, in one line.
    pub fn load(table: &HandOffTable, peers: &Peers) -> Result<Self, String> {
        let (tls, roots) = Self::read(table, peers)?;
        let chain = &tls.certificates[roots.len()..];
        check_own(chain, &roots, table).map_err(|why| format!("{}: {why}", table.cert.display()))?;
        let is_own = |identity: &Identity| matches!(identity, Identity::Pin(pin) if Some(*pin) == tls.pin);
        if let Some((name, _)) = tls.identities.iter().find(|(_, identity)| is_own(identity)) {
            return Err(format!(
                "the pin of peer.{name} is that of this agent's own certificate"
            ));
        }
        Ok(tls)
    }

    /// Like [`Tls::load`], but accepts certificates that peers will refuse.
    #[cfg(test)]
    pub fn load_unchecked(table: &HandOffTable, peers: &Peers) -> Result<Self, String> {
        Self::read(table, peers).map(|(tls, _)| tls)
    }

    /// Whether peers accepted under the other configuration would be accepted under this one, and see the same
    /// certificate.
    pub fn is_same(&self, other: &Self) -> bool {
        self.certificates == other.certificates && self.identities == other.identities
    }

    /// The client's side of a connection to a peer, which admits this peer only.
    pub fn client(&self, peer: &str) -> Option<Arc<ClientConfig>> {
        self.clients.get(peer).cloned()
    }

    /// The peer with a verified certificate. A pinned key is its peer's and nobody else's, whatever names are in the
    /// certificate.
    pub fn peer_of(&self, certificate: &CertificateDer<'_>) -> Option<String> {
        let pin = Pin::of(certificate);
        let is_pinned = |identity: &Identity| matches!(identity, Identity::Pin(one) if Some(*one) == pin);
        let has_name = |identity: &Identity| matches!(identity, Identity::Name(name) if is_named(certificate, name));
        let find = |fits: &dyn Fn(&Identity) -> bool| self.identities.iter().find(|(_, identity)| fits(identity));
        find(&is_pinned)
            .or_else(|| find(&has_name))
            .map(|(name, _)| name.clone())
    }

    fn read(table: &HandOffTable, peers: &Peers) -> Result<(Self, Arc<RootCertStore>), String> {
        let mut roots = RootCertStore::empty();
        let mut all = Vec::new();
        if let Some(ca) = &table.ca {
            all = certificates(ca)?;
            for certificate in &all {
                let named = |error| format!("{}: {error}", ca.display());
                roots.add(certificate.clone()).map_err(named)?;
            }
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(provider());
        let chain = certificates(&table.cert)?;
        let (names, pin) = (names(&chain[0]), Pin::of(&chain[0]));
        let identity = Arc::new(identity(table, chain.clone(), &provider)?);
        let setup = |error: &dyn std::fmt::Display| format!("TLS cannot be set up: {error}");

        let pins = peers.values().filter_map(|peer| match peer.identity {
            Identity::Pin(pin) => Some(pin),
            Identity::Name(_) => None,
        });
        let of_ca = if roots.is_empty() {
            None
        } else {
            let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
            Some(builder.build().map_err(|error| setup(&error))?)
        };
        let verifier: Arc<dyn ClientCertVerifier> = Arc::new(Pinned::new(pins.collect(), of_ca, &provider));
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| setup(&error))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&identity))));
        // every connection authenticates both sides again; no sessions are stored for unauthenticated clients
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.max_early_data_size = 0;

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| setup(&error))?
            .with_root_certificates(Arc::clone(&roots))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        client.resumption = Resumption::disabled();
        client.enable_early_data = false;
        let client = Arc::new(client);
        let client_of = |peer: &PeerTable| match peer.identity {
            Identity::Name(_) => Arc::clone(&client),
            Identity::Pin(pin) => {
                let mut client = ClientConfig::clone(&client);
                let verifier = Pinned::new(vec![pin], None, &provider);
                client.dangerous().set_certificate_verifier(Arc::new(verifier));
                Arc::new(client)
            }
        };
        all.extend(chain);
        let tls = Self {
            server: Arc::new(server),
            clients: peers
                .iter()
                .map(|(name, peer)| (name.clone(), client_of(peer)))
                .collect(),
            identities: peers
                .iter()
                .map(|(name, peer)| (name.clone(), peer.identity.clone()))
                .collect(),
            expires: table.ca.as_ref().and_then(|_| all.iter().filter_map(expires).min()),
            names,
            pin,
            certificates: all,
        };
        Ok((tls, roots))
    }
}

/// Why a handshake failed, in plain words.
pub(crate) fn why_failed(error: &io::Error) -> String {
    use rustls::{CertificateError::Other, Error::InvalidCertificate};
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(InvalidCertificate(Other(other))) if other.0.is::<OtherKey>() => other.0.to_string(),
        _ => error.to_string(),
    }
}

/// Whether a verified certificate is for this name.
fn is_named(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(certificate), Ok(name)) = (EndEntityCert::try_from(certificate), ServerName::try_from(name)) else {
        return false;
    };
    certificate.verify_is_valid_for_subject_name(&name).is_ok()
}

/// The subjectAltNames of a certificate, for messages.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    use x509_parser::extensions::GeneralName;
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(extension)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).collect()
}

/// When the certificate expires, in seconds since 1970.
fn expires(certificate: &CertificateDer<'static>) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

/// Checks this agent's certificate as a peer would.
fn check_own(chain: &[CertificateDer<'_>], roots: &RootCertStore, table: &HandOffTable) -> Result<(), String> {
    let Some((first, intermediates)) = chain.split_first() else {
        return Err("holds no certificate".to_owned());
    };
    let names = names(first);
    if let Some(ca) = &table.ca {
        check_chain(first, intermediates, roots, ca)?;
        if names.is_empty() {
            return Err("has no subjectAltName, so that no peer can tell whose it is".to_owned());
        }
    }
    match &table.certificate_name {
        Some(name) if !is_named(first, name) => Err(format!(
            "is for {}, and not for {name} (certificate-name)",
            names.join(", ")
        )),
        _ => Ok(()),
    }
}

fn check_chain(
    first: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    roots: &RootCertStore,
    ca: &Path,
) -> Result<(), String> {
    let certificate = EndEntityCert::try_from(first).map_err(|error| said(&error))?;
    let algorithms = provider().signature_verification_algorithms.all;
    for (usage, purpose, eku) in [
        (KeyUsage::client_auth(), "clients", "clientAuth"),
        (KeyUsage::server_auth(), "servers", "serverAuth"),
    ] {
        certificate
            .verify_for_usage(
                algorithms,
                &roots.roots,
                intermediates,
                UnixTime::now(),
                usage,
                None,
                None,
            )
            .map_err(|error| match error {
                webpki::Error::RequiredEkuNotFoundContext(_) => {
                    format!("is not good for {purpose}: its extended key usage needs {eku}, since an agent is both")
                }
                webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey => {
                    format!("was not issued by the CA in {}", ca.display())
                }
                error => said(&error),
            })?;
    }
    Ok(())
}

/// What is wrong with a certificate, in plain words.
fn said(error: &webpki::Error) -> String {
    use webpki::Error;
    let date = |time: &UnixTime| {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        time::OffsetDateTime::from_unix_timestamp(seconds)
            .map_or_else(|_| "?".to_owned(), |time| time.date().to_string())
    };
    match error {
        Error::CertExpired { not_after, .. } => format!("a certificate of this chain expired on {}", date(not_after)),
        Error::CertNotValidYet { not_before, .. } => {
            format!(
                "a certificate of this chain is not valid before {}; is the clock right?",
                date(not_before)
            )
        }
        Error::UnsupportedCertVersion => {
            "is of X.509 version 1; a certificate with a subjectAltName, of version 3, is needed".to_owned()
        }
        Error::CaUsedAsEndEntity => "is a CA's; the agent needs a certificate that the CA has issued for it".to_owned(),
        error => format!("cannot be used: {error}"),
    }
}

/// The TLS 1.3 suites with a 256-bit key, and post-quantum key exchange first.
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

fn identity(
    table: &HandOffTable,
    chain: Vec<CertificateDer<'static>>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, String> {
    if let Err(error) = EndEntityCert::try_from(&chain[0]) {
        return Err(format!("{}: {}", table.cert.display(), said(&error)));
    }
    let pem = read(&table.key)?;
    let mut signer = None;
    skip_client::read_private_key(&pem, table.key_password_file.as_deref(), |key| {
        signer = provider.key_provider.load_private_key(key.clone_key()).ok();
        Ok(())
    })
    .map_err(|error| format!("{}: {}", table.key.display(), error.message_in(&FrontEnd::Agent)))?;
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

/// Reads at least one certificate.
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
