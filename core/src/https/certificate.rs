//! Explains why a certificate was refused, as a single cause. The TLS libraries decide; this explains, in the same words for both.

use std::net::IpAddr;
use std::time::Duration;

use ::rustls::pki_types::{CertificateDer, ServerName};
use x509_cert::Version;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use crate::error::Error;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const ANY_PURPOSE: ObjectIdentifier = oid("2.5.29.37.0");
const SERVER_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.2");
const RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// MD5 and SHA-1 with RSA, SHA-1 with ECDSA, with their names.
const BROKEN_SIGNATURES: [(ObjectIdentifier, &str); 3] = [
    (oid("1.2.840.113549.1.1.4"), "MD5"),
    (oid("1.2.840.113549.1.1.5"), "SHA-1"),
    (oid("1.2.840.10045.4.1"), "SHA-1"),
];
/// The minimum size of RSA keys in both TLS libraries.
const RSA_BITS: usize = 2048;
/// Extensions that both libraries process: key usage, alternative name, basic constraints, name constraints, CRL distribution points,
/// extended key usage.
const KNOWN_EXTENSIONS: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];
/// Extensions that OpenSSL alone processes: policies, policy mappings and constraints, inhibit any policy.
const POLICY_EXTENSIONS: [&str; 4] = ["2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54"];

/// A TLS library's verdict on a chain; it does not always say which certificate is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Expired,
    NotYetValid,
    Name,
    Purpose,
    CriticalExtension,
    NameConstraint,
    PathLength,
    CaUsage,
    CaAsServer,
    /// No trusted issuer, an invalid signature, or a cause that the library does not name.
    Untrusted,
}

/// A certificate, parsed to explain why it was refused.
pub(super) struct Certificate(x509_cert::Certificate);

impl Certificate {
    /// `None` if it cannot be parsed.
    pub fn read(der: &[u8]) -> Option<Self> {
        x509_cert::Certificate::from_der(der).ok().map(Self)
    }

    pub fn has_expired(&self, now: Duration) -> bool {
        self.0.tbs_certificate.validity.not_after.to_unix_duration() < now
    }

    pub fn is_not_yet_valid(&self, now: Duration) -> bool {
        self.0.tbs_certificate.validity.not_before.to_unix_duration() > now
    }

    pub fn not_after(&self) -> String {
        self.0.tbs_certificate.validity.not_after.to_string()
    }

    pub fn not_before(&self) -> String {
        self.0.tbs_certificate.validity.not_before.to_string()
    }

    pub fn subject(&self) -> String {
        shown(&self.0.tbs_certificate.subject)
    }

    pub fn issuer(&self) -> String {
        shown(&self.0.tbs_certificate.issuer)
    }

    /// The issuer in DER, as in a Key Provider's list of accepted CAs.
    pub fn issuer_der(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.issuer.to_der().ok()
    }

    pub fn is_self_issued(&self) -> bool {
        self.0.tbs_certificate.subject == self.0.tbs_certificate.issuer
    }

    /// X.509 version 1 or 2, which has no extensions and so no names.
    pub fn is_old(&self) -> bool {
        self.0.tbs_certificate.version != Version::V3
    }

    pub fn version(&self) -> u8 {
        match self.0.tbs_certificate.version {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }

    fn extension<'a, T: Decode<'a> + x509_cert::der::oid::AssociatedOid>(&'a self) -> Option<T> {
        self.0.tbs_certificate.get::<T>().ok().flatten().map(|(_, value)| value)
    }

    pub fn is_ca(&self) -> bool {
        self.extension::<BasicConstraints>().is_some_and(|it| it.ca)
    }

    /// Whether its extended key usage allows servers.
    pub fn is_for_servers(&self) -> bool {
        self.is_for(SERVER_AUTH)
    }

    pub fn is_for_clients(&self) -> bool {
        self.is_for(CLIENT_AUTH)
    }

    fn is_for(&self, purpose: ObjectIdentifier) -> bool {
        self.extension::<ExtendedKeyUsage>()
            .is_none_or(|it| it.0.contains(&purpose) || it.0.contains(&ANY_PURPOSE))
    }

    fn may_sign_certificates(&self) -> bool {
        self.extension::<KeyUsage>().is_none_or(|it| it.key_cert_sign())
    }

    /// The first critical extension that is not among these.
    fn critical_extension_besides(&self, known: &[&str]) -> Option<String> {
        let extensions = self.0.tbs_certificate.extensions.iter().flatten();
        extensions
            .filter(|extension| extension.critical)
            .map(|extension| extension.extn_id.to_string())
            .find(|id| !known.contains(&id.as_str()))
    }

    /// The hash of its signature, if it is broken.
    fn broken_hash(&self) -> Option<&'static str> {
        let algorithm = self.0.signature_algorithm.oid;
        let broken = BROKEN_SIGNATURES.iter().find(|(id, _)| *id == algorithm)?;
        Some(broken.1)
    }

    /// The size of its RSA key in bits, if it is too small.
    fn small_rsa(&self) -> Option<usize> {
        let key = &self.0.tbs_certificate.subject_public_key_info;
        if key.algorithm.oid != RSA {
            return None;
        }
        let mut reader = SliceReader::new(key.subject_public_key.as_bytes()?).ok()?;
        let bits = reader
            .sequence(|reader| {
                let modulus = UintRef::decode(reader)?;
                UintRef::decode(reader)?;
                let leading = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros());
                Ok(modulus.as_bytes().len() * 8 - leading as usize)
            })
            .ok()?;
        (bits < RSA_BITS).then_some(bits)
    }

    /// Its DNS names and IP addresses, in their usual notation.
    pub fn names(&self) -> Vec<String> {
        let names = self.extension::<SubjectAltName>().map(|it| it.0).unwrap_or_default();
        names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.to_string()),
                GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|address| address.to_string()),
                _ => None,
            })
            .collect()
    }

    /// Whether the address is present as text in a DNS name, where it does not count.
    fn has_as_dns_name(&self, wanted: IpAddr) -> bool {
        let names = self.extension::<SubjectAltName>().map(|it| it.0).unwrap_or_default();
        names
            .iter()
            .any(|name| matches!(name, GeneralName::DnsName(name) if name.as_str().parse() == Ok(wanted)))
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// A name for messages: short and printable, because a peer chose it.
fn shown(name: &x509_cert::name::Name) -> String {
    let text: String = name.to_string().chars().filter(|c| !c.is_control()).take(100).collect();
    if text.is_empty() { "(no name)".into() } else { text }
}

/// The single cause for which a Key Provider's chain, its own certificate first, was refused.
pub(super) fn explain(verdict: Verdict, chain: &[CertificateDer<'_>], name: &ServerName<'_>, now: Duration) -> Error {
    let Some(chain) = chain
        .iter()
        .map(|der| Certificate::read(der))
        .collect::<Option<Vec<_>>>()
    else {
        return Error::tls_bad_certificate();
    };
    let Some((own, issuers)) = chain.split_first() else {
        return Error::tls_bad_certificate();
    };
    // libraries check these in a different order from people: start with what cannot be valid in any chain
    // a root of version 1, which a Key Provider may send along, is accepted
    let is_too_old = |depth: usize, it: &Certificate| it.is_old() && (depth == 0 || !it.is_self_issued());
    if let Some((_, old)) = chain.iter().enumerate().find(|(depth, it)| is_too_old(*depth, it)) {
        return Error::tls_old_certificate(old.version(), &old.subject());
    }
    match verdict {
        Verdict::Expired => match issuers.iter().find(|it| it.has_expired(now)) {
            Some(issuer) if !own.has_expired(now) => Error::tls_issuer_expired(&issuer.subject(), &issuer.not_after()),
            _ => Error::tls_expired(&own.not_after()),
        },
        Verdict::NotYetValid => match issuers.iter().find(|it| it.is_not_yet_valid(now)) {
            Some(issuer) if !own.is_not_yet_valid(now) => {
                Error::tls_issuer_not_yet_valid(&issuer.subject(), &issuer.not_before())
            }
            _ => Error::tls_not_yet_valid(&own.not_before()),
        },
        Verdict::Name => wrong_name(own, name),
        Verdict::Purpose => wrong_purpose(own, issuers),
        Verdict::CriticalExtension => {
            let besides = |known: &[&str]| chain.iter().find_map(|it| it.critical_extension_besides(known));
            let unknown = besides(&[&KNOWN_EXTENSIONS[..], &POLICY_EXTENSIONS].concat());
            let unknown = unknown.or_else(|| besides(&KNOWN_EXTENSIONS));
            Error::tls_critical_extension(&unknown.unwrap_or_default())
        }
        Verdict::NameConstraint => Error::tls_name_constraint(),
        Verdict::PathLength => Error::tls_path_length(),
        Verdict::CaUsage => ca_usage(issuers),
        Verdict::CaAsServer => Error::tls_ca_as_server(),
        Verdict::Untrusted => untrusted(&chain),
    }
}

/// For a certificate whose RSA key is too short to verify signatures with.
pub(super) fn small_rsa(der: &CertificateDer<'_>) -> Option<Error> {
    let certificate = Certificate::read(der)?;
    let bits = certificate.small_rsa()?;
    Some(Error::tls_small_rsa(bits, &certificate.subject()))
}

fn wrong_name(own: &Certificate, name: &ServerName<'_>) -> Error {
    match name {
        ServerName::IpAddress(address) if own.has_as_dns_name(IpAddr::from(*address)) => {
            Error::tls_address_as_dns_name(&IpAddr::from(*address).to_string())
        }
        _ => Error::tls_wrong_name(&own.names()),
    }
}

fn wrong_purpose(own: &Certificate, issuers: &[Certificate]) -> Error {
    match issuers.iter().find(|it| !it.is_for_servers()) {
        _ if !own.is_for_servers() => Error::tls_wrong_purpose(None),
        Some(issuer) => Error::tls_wrong_purpose(Some(&issuer.subject())),
        // OpenSSL reports this for key usages as well
        None if own.is_ca() => Error::tls_ca_as_server(),
        None => Error::tls_wrong_key_usage(),
    }
}

fn ca_usage(issuers: &[Certificate]) -> Error {
    let wrong = issuers.iter().find(|it| !it.is_ca() || !it.may_sign_certificates());
    Error::tls_issuer_is_no_ca(&wrong.map(Certificate::subject).unwrap_or_default())
}

fn untrusted(chain: &[Certificate]) -> Error {
    let own = &chain[0];
    if let Some((weak, bits)) = chain.iter().find_map(|it| it.small_rsa().map(|bits| (it, bits))) {
        return Error::tls_small_rsa(bits, &weak.subject());
    }
    // the self-signature of a root is not verified
    let mut signed = chain.iter().filter(|it| !it.is_self_issued());
    if let Some((weak, hash)) = signed.find_map(|it| Some((it, it.broken_hash()?))) {
        return Error::tls_broken_hash(hash, &weak.subject());
    }
    if own.is_self_issued() {
        return Error::tls_self_signed();
    }
    Error::tls_unknown_issuer(&chain.last().unwrap_or(own).issuer())
}
