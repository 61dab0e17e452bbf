//! The certificates of the hand-off: a CA for agents alone and a certificate for each agent, or self-signed certificates.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, date_time_ymd,
};
use skip_client::Pin;
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use crate::files::{read, replace_for_good};

/// The lifetime of the CA.
const AUTHORITY_DAYS: i64 = 3650;
/// Tolerance for clocks that are a little slow.
const LEEWAY: Duration = Duration::hours(1);

/// Names with the pins of their certificates.
pub type Pins = Vec<(String, Pin)>;

/// Creates `NAME.pem` and `NAME.key` for each name, and `ca.pem` and `ca.key` unless they exist. Existing private keys
/// are kept, so that a certificate can be renewed. Returns the files written.
///
/// `names` are DNS names or IP addresses, as in the peers' `certificate-name`; `days` is the lifetime of their
/// certificates.
///
/// # Errors
/// What cannot be created, in one line.
pub fn handoff_certificates(folder: &Path, names: &[String], days: u32) -> Result<Vec<PathBuf>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut written = Vec::new();
    let issuer = authority(folder, &mut written)?;
    for name in names {
        let not_after = OffsetDateTime::now_utc() + Duration::days(i64::from(days));
        certificate(folder, name, not_after, &mut written, |mut params, key| {
            params.use_authority_key_identifier_extension = true;
            params.signed_by(key, &issuer)
        })?;
    }
    Ok(written)
}

/// Creates a self-signed `NAME.pem` and `NAME.key` for each name, without an expiry date, for peers that pin its key.
/// Existing private keys are kept, and the pins with them. Returns the files written, and the pin of each name.
///
/// # Errors
/// What cannot be created, in one line.
pub fn self_signed_certificates(folder: &Path, names: &[String]) -> Result<(Vec<PathBuf>, Pins), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let (mut written, mut pins) = (Vec::new(), Vec::new());
    // RFC 5280, 4.1.2.5: the date of a certificate that does not expire
    let never = date_time_ymd(9999, 12, 31) + Duration::seconds(86_399);
    for name in names {
        let made = certificate(folder, name, never, &mut written, |params, key| params.self_signed(key))?;
        let pin = Pin::of(made.der()).ok_or_else(|| format!("{name}: has no public key"))?;
        pins.push((name.clone(), pin));
    }
    Ok((written, pins))
}

/// Creates `NAME.pem`, and `NAME.key` unless it exists.
fn certificate(
    folder: &Path,
    name: &str,
    not_after: OffsetDateTime,
    written: &mut Vec<PathBuf>,
    sign: impl FnOnce(CertificateParams, &KeyPair) -> Result<Certificate, rcgen::Error>,
) -> Result<Certificate, String> {
    if rustls::pki_types::ServerName::try_from(name).is_err() {
        return Err(format!("{name}: must be a DNS name or an IP address"));
    }
    let key = key(&folder.join(format!("{name}.key")), written)?;
    let mut params = params(name, not_after)?;
    let alternative = CertificateParams::new(vec![name.to_owned()]).map_err(|error| format!("{name}: {error}"))?;
    params.subject_alt_names = alternative.subject_alt_names;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // an agent is both client and server
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = sign(params, &key).map_err(|error| format!("{name}: {error}"))?;
    let path = folder.join(format!("{name}.pem"));
    write(&path, certificate.pem().as_bytes(), 0o644, written)?;
    Ok(certificate)
}

/// The CA in the folder.
fn authority(folder: &Path, written: &mut Vec<PathBuf>) -> Result<Issuer<'static, KeyPair>, String> {
    let (pem, key_path) = (folder.join("ca.pem"), folder.join("ca.key"));
    if pem.exists() != key_path.exists() {
        return Err(format!(
            "{} has one of ca.pem and ca.key: both are needed, or none",
            folder.display()
        ));
    }
    let is_new = !pem.exists();
    let key = key(&key_path, written)?;
    if !is_new {
        let text = fs::read_to_string(&pem).map_err(|error| format!("{}: {error}", pem.display()))?;
        return Issuer::from_ca_cert_pem(&text, key).map_err(|error| format!("{}: {error}", pem.display()));
    }
    let not_after = OffsetDateTime::now_utc() + Duration::days(AUTHORITY_DAYS);
    let mut params = params("hand-off of skip-client agents", not_after)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    write(&pem, certificate.pem().as_bytes(), 0o644, written)?;
    Ok(Issuer::new(params, key))
}

/// Reads a private key from a file, which is created if it does not exist.
fn key(path: &Path, written: &mut Vec<PathBuf>) -> Result<KeyPair, String> {
    if path.exists() {
        let pem = read(path)?;
        let text = std::str::from_utf8(&pem).map_err(|_| format!("{}: is no PEM", path.display()))?;
        return KeyPair::from_pem(text).map_err(|_| format!("{}: is no private key in PKCS#8 PEM", path.display()));
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).map_err(|error| error.to_string())?;
    let pem = Zeroizing::new(key.serialize_pem());
    write(path, pem.as_bytes(), 0o600, written)?;
    Ok(key)
}

fn params(name: &str, not_after: OffsetDateTime) -> Result<CertificateParams, String> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| error.to_string())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - LEEWAY;
    params.not_after = not_after;
    Ok(params)
}

fn write(path: &Path, content: &[u8], mode: u32, written: &mut Vec<PathBuf>) -> Result<(), String> {
    let named = |error: io::Error| format!("cannot write {}: {error}", path.display());
    replace_for_good(path, content, mode).map_err(named)?;
    written.push(path.to_owned());
    Ok(())
}
