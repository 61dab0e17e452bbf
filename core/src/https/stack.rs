//! What the two TLS libraries have in common: how a connection is opened, and what they take from the options.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::credentials::wrong_form;
use crate::error::{Error, Result};
use crate::options::Options;
use crate::transport::ConnectionInfo;

use super::connection::TlsStream;
use super::route::Dialer;
use super::url::{Host, Url};

/// A TLS library, configured for one Key Provider.
pub(super) trait TlsStack: Send + Sync {
    /// Opens a connection that is ready for a request. A handshake with fallbacks dials for each attempt.
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open>;
}

/// A stream that is ready for a request, and information about it (without URL and address).
pub(super) type Open = (Box<dyn TlsStream>, ConnectionInfo);

/// The configured CA certificates.
pub(super) fn ca_certificates(options: &Options) -> Result<Vec<CertificateDer<'static>>> {
    let mut all = Vec::new();
    for pem in &options.ca_pem {
        all.extend(certificates(pem, "ca")?);
    }
    Ok(all)
}

/// The certificates of the system's store; none if it has no store.
pub(super) fn system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The name that the certificate must have.
pub(super) fn server_name(options: &Options, url: &Url) -> Result<ServerName<'static>> {
    let name = match (&options.server_name, &url.host) {
        (Some(name), _) => name.clone(),
        (None, Host::Address(address)) => return Ok(ServerName::IpAddress((*address).into())),
        (None, Host::Zoned(address, _)) => return Ok(ServerName::IpAddress(std::net::IpAddr::V6(*address).into())),
        (None, Host::Name(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
    };
    ServerName::try_from(name).map_err(|_| Error::server_name())
}

pub(super) fn certificates(pem: &[u8], field: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(wrong_form(field, pem, "must hold at least one certificate in PEM form")),
    }
}
