//! TLS with a pre-shared key (draft 3, Table 1; RFC 4279, RFC 8446 4.2.11).

use std::sync::OnceLock;
use std::time::Instant;

use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMode, SslRef, SslVerifyMode};
use rustls::pki_types::ServerName;
use skip_tls_psk::{Hash, offer};

use crate::error::{Error, ErrorCode, Result, warnings};
use crate::fork::hold_off;
use crate::https::alert;
use crate::https::connection::Wire;
use crate::https::dial::not_connected;
use crate::https::route::Dialer;
use crate::https::stack::{Open, TlsStack, server_name};
use crate::https::url::Url;
use crate::logging;
use crate::options::{Options, TlsVersion};
use crate::psk::Psk;
use crate::transport::{ConnectionInfo, Control};

use super::fallback::{Attempt, Explains, Fallback, Refused, is_downgraded};
use super::groups::LastGroup;
use super::stream::{self, Stream, Why};
use super::{context, setup_failed};

/// The suites with forward secrecy. Table 1 recommends the one with CBC and SHA-384; GCM is preferred where a Key Provider
/// supports it.
const DHE: &str = "DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384:DHE-PSK-AES256-CBC-SHA";
/// The same, with plain PSK last, so that only a Key Provider that supports nothing else, or prefers it, chooses it.
const ALL: &str = "DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA384:DHE-PSK-AES256-CBC-SHA:PSK-AES256-GCM-SHA384";

/// The state shared by all connections to one Key Provider.
pub(in crate::https) struct WithPsk {
    psk: Psk,
    shared: skip_tls_psk::Psk,
    /// The server name indication; addresses are never sent in it.
    name: Option<String>,
    /// Without the credentials.
    options: Options,
    fallback: Fallback,
    contexts: [OnceLock<SslContext>; Attempt::COUNT],
    last_group: LastGroup,
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
        let name = match server_name(options, url)? {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            _ => None,
        };
        let this = Self {
            psk: psk.clone(),
            shared: skip_tls_psk::Psk::new(psk.identity().as_bytes(), psk.key().expose()),
            name,
            options: options.without_credentials(),
            fallback: Fallback::new(options.tls, options.forward_secrecy),
            contexts: Default::default(),
            last_group: LastGroup::new(),
        };
        // detects settings that OpenSSL rejects early
        this.context(this.fallback.strongest()).map_err(setup_failed)?;
        Ok(this)
    }

    fn context(&self, attempt: Attempt) -> std::result::Result<&SslContext, ErrorStack> {
        let slot = &self.contexts[attempt as usize];
        if let Some(context) = slot.get() {
            return Ok(context);
        }
        let (versions, hash, suites) = match attempt {
            Attempt::Sha384 => (self.options.tls, Some(Hash::Sha384), DHE),
            Attempt::Sha256 => (TlsVersion::Tls13, Some(Hash::Sha256), DHE),
            Attempt::Dhe => (TlsVersion::Tls12, None, DHE),
            Attempt::Diagnosis if self.fallback.forward_secrecy => (TlsVersion::Tls12, None, DHE),
            Attempt::Plain | Attempt::Diagnosis => (TlsVersion::Tls12, None, ALL),
        };
        let mut context = context(&self.options, versions)?;
        context.set_cipher_list(suites)?;
        if self.fallback.is_guarded(attempt) {
            context.set_mode(SslMode::SEND_FALLBACK_SCSV);
        }
        // with no trusted CA, certificates are always rejected; without verification TLS 1.3 would accept any
        context.set_verify(SslVerifyMode::PEER);
        offer(&mut context, self.shared.clone(), hash)?;
        Ok(slot.get_or_init(|| context.build()))
    }

    fn ssl(&self, attempt: Attempt) -> std::result::Result<Ssl, ErrorStack> {
        let mut ssl = Ssl::new(self.context(attempt)?)?;
        if let Some(name) = &self.name {
            ssl.set_hostname(name)?;
        }
        self.last_group.share(&mut ssl, &self.options);
        Ok(ssl)
    }

    fn warnings(&self, attempt: Attempt, ssl: &SslRef) -> Vec<String> {
        let suite = stream::suite(ssl);
        let is_tls13 = ssl.version_str() == "TLSv1.3";
        [
            self.fallback.is_guarded(attempt).then(|| warnings::FALLBACK.to_owned()),
            suite
                .starts_with("TLS_PSK_")
                .then(|| warnings::no_forward_secrecy(suite)),
            (is_tls13 && !suite.ends_with("_SHA384")).then(|| warnings::bound_to_sha256(suite)),
            self.psk.is_short().then(|| warnings::SHORT_PSK.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn handshake(
        &self,
        attempt: Attempt,
        wire: Wire,
        control: &Control<'_>,
    ) -> std::result::Result<(Stream, ConnectionInfo), Refused> {
        let ssl = hold_off(|| self.ssl(attempt)).map_err(setup_failed)?;
        let stream = match Stream::connect(ssl, wire, control) {
            Ok(stream) => stream,
            Err((Why::Ended(ended), _)) => return Err(not_connected(ended, "the TLS handshake").into()),
            Err((why, _)) => return Err(explain(&why, attempt, self.fallback.forward_secrecy, self.options.tls)),
        };
        let ssl = stream.ssl();
        // a certificate cannot have been verified, so this only repeats the verification
        if ssl.peer_certificate().is_some() || (ssl.version_str() == "TLSv1.3" && !ssl.session_reused()) {
            return Err(Error::psk_certificate_instead().into());
        }
        if attempt == Attempt::Diagnosis || (self.fallback.is_guarded(attempt) && is_downgraded(&server_random(ssl))) {
            return Err(Error::psk_fallback_refused().into());
        }
        let info = stream.info(self.warnings(attempt, ssl));
        self.last_group.remember(info.group.as_deref());
        Ok((stream, info))
    }
}

impl TlsStack for WithPsk {
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open> {
        let mut run = self.fallback.begin(Instant::now());
        while let Some(attempt) = run.next() {
            let (wire, _watch) = match dialer.dial() {
                Ok(dialled) => dialled,
                // an earlier response of the Key Provider explains more than a port that is closed now
                Err(error) if error.code() == ErrorCode::ConnectFailed => return Err(run.error().unwrap_or(error)),
                Err(error) => return Err(error),
            };
            match self.handshake(attempt, wire, dialer.control) {
                Ok((stream, info)) => {
                    run.accepted(attempt, Instant::now());
                    return Ok((Box::new(stream), info));
                }
                Err(refused) => {
                    logging::handshake_failed(dialer.url(), attempt, &refused.error);
                    run.refused(attempt, refused);
                }
            }
        }
        Err(run.error().unwrap_or_else(Error::psk_closed))
    }
}

/// The error for a failed handshake.
pub(super) fn explain(why: &Why, attempt: Attempt, forward_secrecy: bool, asked: TlsVersion) -> Refused {
    let (error, explains) = match *why {
        Why::Alert(UNKNOWN_PSK_IDENTITY) => (Error::psk_unknown_identity(), Explains::All),
        Why::Alert(BAD_RECORD_MAC | DECRYPT_ERROR) => (Error::psk_wrong_key(), Explains::All),
        // OpenSSL's alert for a wrong key in TLS 1.3; GnuTLS sends it for a key bound to SHA-384 as well
        Why::Alert(ILLEGAL_PARAMETER) => (Error::psk_wrong_key(), Explains::Likely),
        Why::Alert(alert) if alert::is_about_certificates(alert) => (Error::psk_client_cert_wanted(), Explains::Port),
        Why::Alert(alert::UNRECOGNISED_NAME) => (Error::tls_unrecognised_name(), Explains::Port),
        Why::Alert(alert::HANDSHAKE_FAILURE | alert::INSUFFICIENT_SECURITY) => match attempt {
            Attempt::Sha384 | Attempt::Sha256 => (Error::psk_refused(), Explains::Key),
            Attempt::Dhe | Attempt::Plain | Attempt::Diagnosis => {
                (Error::psk_no_shared_suite(forward_secrecy), Explains::Suite)
            }
        },
        Why::Alert(alert::INAPPROPRIATE_FALLBACK) | Why::Reason(stream::INAPPROPRIATE_FALLBACK) => {
            (Error::psk_fallback_refused(), Explains::Version)
        }
        Why::Alert(alert::PROTOCOL_VERSION) | Why::Reason(stream::UNSUPPORTED_PROTOCOL) => {
            (Error::tls_version(asked), Explains::Version)
        }
        Why::Alert(other) => (Error::tls_alert(alert::name(other)), Explains::Little),
        Why::Reason(stream::CERTIFICATE_VERIFY_FAILED) => (Error::psk_certificate_instead(), Explains::Port),
        Why::Reason(stream::DH_KEY_TOO_SMALL) => (Error::tls_weak_dh(), Explains::Likely),
        Why::Reason(reason) if stream::NOT_TLS.contains(&reason) => (Error::tls_not_tls(), Explains::All),
        Why::Reason(_) => (Error::tls_broken(), Explains::Little),
        Why::Closed | Why::Ended(_) => (Error::psk_closed(), Explains::Little),
    };
    let alert = match *why {
        Why::Alert(alert) => Some(alert),
        Why::Ended(_) | Why::Closed | Why::Reason(_) => None,
    };
    Refused { error, alert, explains }
}

fn server_random(ssl: &SslRef) -> [u8; 32] {
    let mut random = [0; 32];
    ssl.server_random(&mut random);
    random
}

const BAD_RECORD_MAC: u8 = 20;
const ILLEGAL_PARAMETER: u8 = 47;
const DECRYPT_ERROR: u8 = 51;
const UNKNOWN_PSK_IDENTITY: u8 = 115;
