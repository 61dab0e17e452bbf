//! The certificates of a pair: a private CA, two servers, one client. ECDSA only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::error::StartError;

/// The CA, with its private key.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    validity: Duration,
    der: CertificateDer<'static>,
}

/// A server's certificate and key.
pub(crate) struct ServerIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Creates the CA and writes `ca.pem`.
    pub(crate) fn create(dir: &Path, validity: std::time::Duration) -> Result<Self, StartError> {
        let validity = Duration::try_from(validity).map_err(failed)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(failed)?;
        let mut params = params("skip-key-provider test authority", validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(failed)?;
        write(&dir.join("ca.pem"), certificate.pem().as_bytes(), false)?;
        Ok(Self {
            der: certificate.der().clone(),
            validity,
            issuer: Issuer::new(params, key),
        })
    }

    /// Creates `NAME.pem` and `NAME.key` for a server with the names kp-NAME and localhost, the loopback addresses and
    /// `address`.
    pub(crate) fn server(&self, dir: &Path, name: &str, address: IpAddr) -> Result<ServerIdentity, StartError> {
        let mut params = params(&format!("kp-{name}"), self.validity)?;
        for host in ["localhost", &format!("kp-{name}")] {
            params
                .subject_alt_names
                .push(SanType::DnsName(host.try_into().map_err(failed)?));
        }
        let mut addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        if !address.is_unspecified() && !addresses.contains(&address) {
            addresses.push(address);
        }
        params
            .subject_alt_names
            .extend(addresses.into_iter().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let (der, key) = self.leaf(dir, name, params)?;
        Ok(ServerIdentity {
            chain: vec![der],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        })
    }

    /// Creates `client.pem` and `client.key`.
    pub(crate) fn client(&self, dir: &Path) -> Result<(), StartError> {
        let mut params = params("skip encryptor", self.validity)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.leaf(dir, "client", params).map(|_| ())
    }

    /// The TLS configuration of a server; with `require_client_cert`, only clients with a certificate of this CA are
    /// served.
    pub(crate) fn tls(
        &self,
        identity: &ServerIdentity,
        require_client_cert: bool,
        versions: &[&'static SupportedProtocolVersion],
        ml_kem: bool,
    ) -> Result<ServerConfig, StartError> {
        let provider = Arc::new(provider(ml_kem));
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(failed)?;
        let builder = if require_client_cert {
            let mut roots = RootCertStore::empty();
            roots.add(self.der.clone()).map_err(failed)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().map_err(failed)?)
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(identity.chain.clone(), identity.key.clone_key())
            .map_err(failed)?;
        // draft Table 1 (REQUIRED): TLS_AES_256_GCM_SHA384 if the client supports it, whatever it prefers
        config.ignore_client_order = true;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn leaf(
        &self,
        dir: &Path,
        name: &str,
        mut params: CertificateParams,
    ) -> Result<(CertificateDer<'static>, KeyPair), StartError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        write(&dir.join(format!("{name}.pem")), certificate.pem().as_bytes(), false)?;
        let pem = Zeroizing::new(key.serialize_pem());
        write(&dir.join(format!("{name}.key")), pem.as_bytes(), true)?;
        Ok((certificate.der().clone(), key))
    }
}

/// Replaces a file; a private one is readable only by its owner, from the first byte.
pub(crate) fn write(path: &Path, content: &[u8], private: bool) -> Result<(), StartError> {
    let replace = || -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
        #[cfg(not(unix))]
        let _ = private;
        options.open(path)?.write_all(content)
    };
    replace().map_err(|error| StartError::file(path, error))
}

/// aws-lc-rs with its suites, optionally with the post-quantum group first.
fn provider(ml_kem: bool) -> CryptoProvider {
    use aws_lc_rs::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    let mut kx_groups = vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1];
    if !ml_kem {
        kx_groups.remove(0);
    }
    CryptoProvider {
        kx_groups,
        ..aws_lc_rs::default_provider()
    }
}

fn params(name: &str, validity: Duration) -> Result<CertificateParams, StartError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    // an hour back, for clocks that are slightly behind
    params.not_before = now - Duration::HOUR;
    params.not_after = now + validity;
    Ok(params)
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StartError {
    StartError::because("cannot make certificates", source)
}
