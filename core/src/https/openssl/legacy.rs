//! TLS with certificates and the suite of Table 1 that rustls lacks: `TLS_RSA_WITH_AES_256_CBC_SHA256`.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslVerifyMode};
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::X509CheckFlags;
use openssl::x509::{X509, X509StoreContextRef, X509VerifyResult};
use rustls::pki_types::{CertificateDer, ServerName};

use crate::error::{Error, Result};
use crate::fork::hold_off;
use crate::https::alert;
use crate::https::certificate::{self, Verdict};
use crate::https::client_certificate::{self, Shown};
use crate::https::dial::not_connected;
use crate::https::pin::Pin;
use crate::https::private_key;
use crate::https::route::Dialer;
use crate::https::stack::{Open, TlsStack, ca_certificates, server_name, system_certificates};
use crate::https::url::Url;
use crate::options::{ClientCert, Options, TlsVersion};

use super::stream::{self, Stream, Why};
use super::{context, setup_failed};

/// The suites that rustls offers, and the legacy suite last.
const SUITES: &str = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:AES256-SHA256";

/// The state shared by all connections to one Key Provider.
pub(in crate::https) struct Legacy {
    context: SslContext,
    server_name: ServerName<'static>,
    versions: TlsVersion,
    shown: Arc<Shown>,
    trust: Trust,
}

#[derive(Clone, Copy)]
struct Trust {
    has_chain: bool,
    pin: Option<Pin>,
}

/// The chain of a refused Key Provider, its own certificate first.
type Presented = Arc<Mutex<Vec<CertificateDer<'static>>>>;

impl Legacy {
    pub fn new(options: &Options, url: &Url) -> Result<Self> {
        let mut context = context(options, options.tls).map_err(setup_failed)?;
        context.set_cipher_list(SUITES).map_err(setup_failed)?;
        context
            .set_ciphersuites("TLS_AES_256_GCM_SHA384")
            .map_err(setup_failed)?;
        let roots = roots(options)?;
        let trust = Trust {
            has_chain: roots.is_some(),
            pin: options.pin.as_deref().map(Pin::parse).transpose()?,
        };
        if !trust.has_chain && trust.pin.is_none() {
            return Err(Error::no_trust());
        }
        if let Some(roots) = roots {
            context.set_cert_store(roots);
        }
        let mut shown = Shown::nothing();
        if let Some(client) = &options.client_cert {
            let presented = client_certificate::chain(client)?;
            shown = Shown::checked(&presented)?;
            let (first, chain, key) = identity(&presented, client)?;
            context
                .set_certificate(&first)
                .and_then(|()| chain.into_iter().try_for_each(|one| context.add_extra_chain_cert(one)))
                .map_err(setup_failed)?;
            context
                .set_private_key(&key)
                .and_then(|()| context.check_private_key())
                .map_err(|_| Error::client_cert_does_not_fit())?;
        }
        Ok(Self {
            context: context.build(),
            server_name: server_name(options, url)?,
            versions: options.tls,
            shown: Arc::new(shown),
            trust,
        })
    }

    fn ssl(&self, presented: &Presented) -> std::result::Result<Ssl, openssl::error::ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        if let ServerName::DnsName(name) = &self.server_name {
            ssl.set_hostname(name.as_ref())?;
        }
        if self.trust.has_chain {
            let wanted = ssl.param_mut();
            // the common name is ignored, as in rustls
            wanted.set_hostflags(X509CheckFlags::NEVER_CHECK_SUBJECT | X509CheckFlags::NO_PARTIAL_WILDCARDS);
            match &self.server_name {
                ServerName::IpAddress(address) => wanted.set_ip(IpAddr::from(*address))?,
                name => wanted.set_host(&name.to_str())?,
            }
        }
        let (trust, presented) = (self.trust, Arc::clone(presented));
        ssl.set_verify_callback(SslVerifyMode::PEER, move |verified, store| {
            verify(trust, verified, store, &presented)
        });
        Ok(ssl)
    }

    /// The error for a failed handshake, as the rustls transport would report it.
    fn explain(&self, why: &Why, ssl: Option<&openssl::ssl::SslRef>, presented: &Presented) -> Error {
        match *why {
            Why::Alert(alert) => {
                // the KP had already chosen a suite, so it lacks a certificate
                if alert == alert::HANDSHAKE_FAILURE && ssl.is_some_and(|ssl| ssl.current_cipher().is_some()) {
                    self.shown.note_request(&[]);
                }
                let about_client = self.shown.explain(alert);
                about_client.unwrap_or_else(|| alert::explain(alert, self.versions))
            }
            Why::Reason(stream::CERTIFICATE_VERIFY_FAILED) => {
                let result = ssl.map_or(X509VerifyResult::OK, openssl::ssl::SslRef::verify_result);
                let chain = presented.lock().unwrap_or_else(PoisonError::into_inner);
                match result {
                    X509VerifyResult::APPLICATION_VERIFICATION => Error::tls_other_key(),
                    _ => certificate::explain(verdict(result), &chain, &self.server_name, client_certificate::now()),
                }
            }
            Why::Reason(stream::UNSUPPORTED_PROTOCOL) => Error::tls_version(self.versions),
            Why::Reason(reason) if stream::NOT_TLS.contains(&reason) => Error::tls_not_tls(),
            Why::Reason(_) => Error::tls_broken(),
            Why::Closed | Why::Ended(_) => Error::tls_closed(),
        }
    }
}

impl TlsStack for Legacy {
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open> {
        self.shown.check_dates()?;
        let (wire, _watch) = dialer.dial()?;
        let presented = Presented::default();
        let ssl = hold_off(|| self.ssl(&presented)).map_err(setup_failed)?;
        let mut stream = Stream::connect(ssl, wire, dialer.control).map_err(|(why, stream)| match why {
            Why::Ended(ended) => not_connected(ended, "the TLS handshake"),
            why => self.explain(&why, stream.as_ref().map(openssl::ssl::SslStream::ssl), &presented),
        })?;
        let mut warnings = Vec::new();
        match stream::suite(stream.ssl()) {
            suite @ "TLS_RSA_WITH_AES_256_CBC_SHA256" => warnings.push(format!(
                "{suite} has no forward secrecy and is not safe today: update the key provider"
            )),
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => warnings.push(crate::error::warnings::RSA_CERTIFICATE.into()),
            _ => {}
        }
        stream.shows(Arc::clone(&self.shown));
        let info = stream.info(warnings);
        Ok((Box::new(stream), info))
    }
}

/// The certificates to trust, if any are configured.
fn roots(options: &Options) -> Result<Option<X509Store>> {
    let mut roots = X509StoreBuilder::new().map_err(setup_failed)?;
    let given = ca_certificates(options)?;
    for certificate in &given {
        let parsed = X509::from_der(certificate).map_err(|_| Error::ca_not_x509())?;
        roots.add_cert(parsed).map_err(setup_failed)?;
    }
    if options.ca_system {
        let mut added = 0;
        for certificate in system_certificates() {
            // a store may contain certificates that OpenSSL cannot parse; the others are used
            let parsed = X509::from_der(&certificate).and_then(|parsed| roots.add_cert(parsed));
            added += usize::from(parsed.is_ok());
        }
        if added == 0 {
            return Err(Error::no_system_store());
        }
    }
    let any = options.ca_system || !given.is_empty();
    Ok(any.then(|| roots.build()))
}

/// The client's certificate, the rest of its chain, and its key.
fn identity(
    chain: &[CertificateDer<'_>],
    client: &ClientCert,
) -> Result<(X509, Vec<X509>, PKey<openssl::pkey::Private>)> {
    let mut chain = chain
        .iter()
        .map(|one| X509::from_der(one).map_err(|_| Error::bad_pem("cert", "must hold X.509 certificates")))
        .collect::<Result<Vec<_>>>()?;
    let first = chain.remove(0);
    let key = private_key::read(&client.key_pem, |key| {
        PKey::private_key_from_der(key.secret_der()).map_err(|_| Error::private_key())
    })?;
    Ok((first, chain, key))
}

/// Verifies one certificate of the chain; `verified` is OpenSSL's own result.
fn verify(trust: Trust, verified: bool, store: &mut X509StoreContextRef, presented: &Presented) -> bool {
    let is_first = store.error_depth() == 0;
    if let (true, Some(pin), Some(certificate)) = (is_first, trust.pin, store.current_cert()) {
        let fits = certificate
            .to_der()
            .is_ok_and(|der| pin.fits(&CertificateDer::from(der)) == Some(true));
        if !fits {
            store.set_error(X509VerifyResult::APPLICATION_VERIFICATION);
            return false;
        }
    }
    if !trust.has_chain {
        // only the pinned key is trusted: chain, name and dates are not checked
        return true;
    }
    if !verified {
        let chain = store.chain().into_iter().flatten().filter_map(|it| it.to_der().ok());
        *presented.lock().unwrap_or_else(PoisonError::into_inner) = chain.map(CertificateDer::from).collect();
    }
    verified
}

/// Translates the numbers of `X509_V_ERR_`.
fn verdict(result: X509VerifyResult) -> Verdict {
    match result.as_raw() {
        9 => Verdict::NotYetValid,
        10 => Verdict::Expired,
        24 | 32 | 79 => Verdict::CaUsage,
        25 => Verdict::PathLength,
        26 => Verdict::Purpose,
        34 => Verdict::CriticalExtension,
        47 | 48 => Verdict::NameConstraint,
        62 | 64 => Verdict::Name,
        _ => Verdict::Untrusted,
    }
}
