//! TLS with a pre-shared key (draft 3, Table 1; RFC 4279, RFC 8446 4.2.11).

use std::ffi::CStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslRef, SslVerifyMode};
use rustls::pki_types::ServerName;
use skip_tls_psk::{Hash, offer, set_groups};

use crate::error::{Error, Result};
use crate::https::connection::Wire;
use crate::https::dial::not_connected;
use crate::https::url::Url;
use crate::https::{Open, Options, Refused, TlsStack, TlsVersion, alert, server_name};
use crate::psk::Psk;
use crate::transport::Control;

use super::stream::{self, Stream, Why};
use super::{context, setup_failed};

/// Table 1 recommends the two with CBC; GCM comes before them where a Key Provider has it. Plain PSK has no forward secrecy.
const SUITES: &str = "DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384:PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA";

/// The hellos that there are. None fits every Key Provider: those on OpenSSL's callback of TLS 1.2 refuse a hello with a key bound to
/// SHA-384, even if they have TLS 1.2.
const HELLOS: [Hello; 4] = [
    Hello {
        versions: TlsVersion::Auto,
        hash: Some(Hash::Sha384),
    },
    Hello {
        versions: TlsVersion::Tls13,
        hash: Some(Hash::Sha384),
    },
    Hello {
        versions: TlsVersion::Tls12,
        hash: None,
    },
    Hello {
        versions: TlsVersion::Tls13,
        hash: Some(Hash::Sha256),
    },
];

/// The group that a Key Provider took last time, and the list that sends the share of no other: each share costs as much as the rest of
/// the hello. The others stay on offer, for one more round trip.
const SHARES: [(&str, &CStr); 2] = [
    ("X25519MLKEM768", c"?*X25519MLKEM768:?X25519:?P-256:?P-384"),
    ("x25519", c"?X25519MLKEM768:?*X25519:?P-256:?P-384"),
];

struct Hello {
    versions: TlsVersion,
    hash: Option<Hash>,
}

/// What is the same for all connections to one Key Provider.
pub(in crate::https) struct WithPsk {
    psk: Psk,
    shared: skip_tls_psk::Psk,
    /// What the name indication says; addresses are never sent there.
    name: Option<String>,
    /// Into `HELLOS`, in the order to try them.
    hellos: &'static [usize],
    contexts: [OnceLock<SslContext>; HELLOS.len()],
    /// The hello that was taken last.
    worked: AtomicUsize,
    /// Into `SHARES`, or behind them as long as no group is known.
    share: AtomicUsize,
}

impl WithPsk {
    pub fn new(psk: &Psk, options: &Options, url: &Url) -> Result<Self> {
        let others = [
            ("ca", options.ca_system || !options.ca_pem.is_empty()),
            ("cert", options.client_cert.is_some()),
            ("pin", options.pin.is_some()),
            ("legacy", options.legacy),
        ];
        if let Some((other, _)) = others.iter().find(|(_, given)| *given) {
            return Err(Error::psk_with(other));
        }
        let hellos: &[usize] = match options.tls {
            TlsVersion::Auto => &[0, 2, 3],
            TlsVersion::Tls12 => &[2],
            TlsVersion::Tls13 => &[1, 3],
        };
        let name = match server_name(options, url)? {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            _ => None,
        };
        let this = Self {
            psk: psk.clone(),
            shared: skip_tls_psk::Psk::new(psk.identity().as_bytes(), psk.key().expose()),
            name,
            hellos,
            contexts: Default::default(),
            worked: AtomicUsize::new(hellos[0]),
            share: AtomicUsize::new(SHARES.len()),
        };
        // what OpenSSL does not take should be known now
        this.context(hellos[0]).map_err(setup_failed)?;
        Ok(this)
    }

    fn context(&self, hello: usize) -> std::result::Result<&SslContext, ErrorStack> {
        if let Some(context) = self.contexts[hello].get() {
            return Ok(context);
        }
        let Hello { versions, hash } = HELLOS[hello];
        let mut context = context(versions)?;
        context.set_cipher_list(SUITES)?;
        // with nobody to trust, a certificate is never accepted; without verification TLS 1.3 would take any
        context.set_verify(SslVerifyMode::PEER);
        offer(&mut context, self.shared.clone(), hash)?;
        Ok(self.contexts[hello].get_or_init(|| context.build()))
    }

    fn ssl(&self, hello: usize) -> std::result::Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(self.context(hello)?)?;
        if let Some(name) = &self.name {
            ssl.set_hostname(name)?;
        }
        if let Some((_, groups)) = SHARES.get(self.share.load(Ordering::Relaxed)) {
            // OpenSSL before 3.5 does not read such lists, and has one share only
            let _ = set_groups(&mut ssl, groups);
        }
        Ok(ssl)
    }

    fn warnings(&self, ssl: &SslRef) -> Vec<String> {
        let suite = stream::suite(ssl);
        let mut warnings = Vec::new();
        if suite.starts_with("TLS_PSK_") {
            warnings.push(format!(
                "{suite} has no forward secrecy: who learns the pre-shared key can read recorded traffic, keys included"
            ));
        }
        if ssl.version_str() == "TLSv1.3" && !suite.ends_with("_SHA384") {
            warnings.push(format!(
                "{suite} is not in Table 1 of the draft: the key provider binds pre-shared keys to SHA-256"
            ));
        }
        if self.psk.is_short() {
            warnings
                .push("the pre-shared key has fewer than 128 bits, which can be guessed: use 256 random bits".into());
        }
        warnings
    }
}

impl TlsStack for WithPsk {
    fn hellos(&self) -> Vec<usize> {
        let first = self.worked.load(Ordering::Relaxed);
        let others = self.hellos.iter().copied().filter(|hello| *hello != first);
        std::iter::once(first).chain(others).collect()
    }

    fn connect(&self, hello: usize, wire: Wire, control: &Control<'_>) -> std::result::Result<Open, Refused> {
        let ssl = self.ssl(hello).map_err(setup_failed)?;
        let stream = match Stream::connect(ssl, wire, control) {
            Ok(stream) => stream,
            Err((Why::Ended(ended), _)) => return Err(not_connected(ended, "the TLS handshake").into()),
            Err((why, _)) => return Err(explain(&why, HELLOS[hello].versions)),
        };
        let ssl = stream.ssl();
        // a certificate cannot have been verified, so this only says again what the verification says
        if ssl.peer_certificate().is_some() || (HELLOS[hello].hash.is_some() && is_unproven_tls13(ssl)) {
            return Err(Error::psk_certificate_instead().into());
        }
        self.worked.store(hello, Ordering::Relaxed);
        let info = stream.info(self.warnings(ssl));
        let taken = SHARES
            .iter()
            .position(|(group, _)| info.group.as_deref() == Some(*group));
        self.share.store(taken.unwrap_or(SHARES.len()), Ordering::Relaxed);
        Ok((Box::new(stream), info))
    }
}

fn is_unproven_tls13(ssl: &SslRef) -> bool {
    ssl.version_str() == "TLSv1.3" && !ssl.session_reused()
}

/// What a failed handshake means. A Key Provider that speaks another dialect and one that does not know the key look alike in one
/// attempt; what explains most of all attempts is shown.
fn explain(why: &Why, versions: TlsVersion) -> Refused {
    let (error, next) = match *why {
        Why::Alert(UNKNOWN_PSK_IDENTITY) => (Error::psk_unknown_identity(), None),
        Why::Alert(BAD_RECORD_MAC | DECRYPT_ERROR) => (Error::psk_wrong_key(), None),
        // OpenSSL's word for a wrong key in TLS 1.3; GnuTLS says it of a key bound to SHA-384 as well
        Why::Alert(ILLEGAL_PARAMETER) => (Error::psk_wrong_key(), Some(5)),
        Why::Alert(41..=46 | 48 | 49 | alert::CERTIFICATE_REQUIRED) => (Error::psk_client_cert_wanted(), Some(4)),
        Why::Alert(alert::UNRECOGNISED_NAME) => (Error::tls_unrecognised_name(), Some(4)),
        Why::Alert(alert::HANDSHAKE_FAILURE | alert::INSUFFICIENT_SECURITY) => match versions {
            TlsVersion::Tls12 => (Error::psk_no_shared_suite(), Some(3)),
            TlsVersion::Auto | TlsVersion::Tls13 => (Error::psk_refused(), Some(2)),
        },
        Why::Alert(alert::PROTOCOL_VERSION) | Why::Reason(stream::UNSUPPORTED_PROTOCOL) => {
            (Error::tls_version(), Some(1))
        }
        Why::Alert(other) => (Error::tls_alert(alert::name(other)), Some(0)),
        Why::Reason(stream::CERTIFICATE_VERIFY_FAILED) => (Error::psk_certificate_instead(), Some(4)),
        Why::Reason(stream::DH_KEY_TOO_SMALL) => (Error::tls_weak_dh(), Some(5)),
        Why::Reason(reason) if stream::NOT_TLS.contains(&reason) => (Error::tls_not_tls(), None),
        Why::Reason(_) => (Error::tls_broken(), Some(0)),
        Why::Closed | Why::Ended(_) => (Error::psk_closed(), Some(0)),
    };
    Refused { error, next }
}

const BAD_RECORD_MAC: u8 = 20;
const ILLEGAL_PARAMETER: u8 = 47;
const DECRYPT_ERROR: u8 = 51;
const UNKNOWN_PSK_IDENTITY: u8 = 115;
