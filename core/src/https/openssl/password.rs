//! Private keys that are encrypted with a password: PKCS#8, and PKCS#12 with their certificates.

use std::ffi::CStr;
use std::path::Path;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use rustls::pki_types::PrivateKeyDer;
use skip_tls_psk::{open_pkcs12, prepare};
use zeroize::Zeroizing;

use crate::credentials::{self, is_pkcs12};
use crate::error::{Error, Result};
use crate::fork::hold_off;
use crate::https::private_key::{self, encrypted};
use crate::options::ClientCert;

/// OpenSSL's buffer for a password has 1024 bytes.
const LONGEST: usize = 1023;

/// Replaces an encrypted key with the plain one, and PKCS#12 with the certificates and the key in it, all in PEM form.
pub(crate) fn open(client: &mut ClientCert, password: Option<&[u8]>) -> Result<()> {
    if password.is_some_and(|password| password.is_empty() || password.len() > LONGEST || password.contains(&0)) {
        return Err(Error::key_password_form());
    }
    // best effort, as for a context
    let _ = prepare();
    if is_pkcs12(&client.cert_pem) {
        hold_off(|| pkcs12(client, password))
    } else if let Some(der) = encrypted(&client.key_pem) {
        client.key_pem = hold_off(|| pkcs8(&der, password))?;
        Ok(())
    } else {
        Ok(())
    }
}

/// Parses a private key in PEM form and lends it to `take`; its bytes are wiped afterwards. An encrypted one is opened with the password in
/// the first line of a file.
///
/// # Errors
/// `invalid_argument` if there is no key, or the password is missing or wrong, and any error of `take`.
pub fn read_private_key<T>(
    pem: &[u8],
    password_file: Option<&Path>,
    take: impl FnOnce(&PrivateKeyDer<'static>) -> Result<T>,
) -> Result<T> {
    let password = password_file
        .map(|path| credentials::password("key_password", path))
        .transpose()?;
    let mut client = ClientCert::default();
    client.key_pem.reserve_exact(pem.len());
    client.key_pem.extend_from_slice(pem);
    open(&mut client, password.as_ref().map(|password| password.as_slice()))?;
    private_key::read(&client.key_pem, take)
}

fn pkcs8(der: &[u8], password: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
    let password = password.ok_or_else(|| Error::key_password_missing("private key"))?;
    let give = |buffer: &mut [u8]| {
        buffer[..password.len()].copy_from_slice(password);
        Ok(password.len())
    };
    let key = PKey::private_key_from_pkcs8_callback(der, give).map_err(|errors| {
        if is_unknown(&errors) {
            Error::unknown_encryption()
        } else {
            Error::key_password_wrong("private key")
        }
    })?;
    pem(&key)
}

fn pkcs12(client: &mut ClientCert, password: Option<&[u8]>) -> Result<()> {
    let text = password.map(|password| {
        // allocated in full: growing would leave a copy behind
        let mut text = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        text.extend_from_slice(password);
        text.push(0);
        text
    });
    let text = text.as_ref().and_then(|text| CStr::from_bytes_with_nul(text).ok());
    let opened = open_pkcs12(&client.cert_pem, text).map_err(|errors| {
        if reasons(&errors).any(|reason| reason.contains("mac verify failure")) {
            match password {
                Some(_) => Error::key_password_wrong("PKCS#12 file"),
                None => Error::key_password_missing("PKCS#12 file"),
            }
        } else if is_unknown(&errors) {
            Error::unknown_pkcs12_encryption()
        } else {
            Error::pkcs12_unreadable()
        }
    })?;
    if opened.certificates.is_empty() {
        return Err(Error::pkcs12_without("certificate"));
    }
    match opened.key {
        Some(key) => client.key_pem = pem(&key)?,
        // it may be in a separate file
        None if client.key_pem.is_empty() => return Err(Error::pkcs12_without("private key")),
        None => {}
    }
    client.cert_pem.clear();
    for certificate in opened.certificates {
        let pem = certificate.to_pem().map_err(|_| Error::pkcs12_unreadable())?;
        client.cert_pem.extend_from_slice(&pem);
    }
    Ok(())
}

fn pem(key: &PKey<Private>) -> Result<Zeroizing<Vec<u8>>> {
    let pem = key.private_key_to_pem_pkcs8();
    pem.map(Zeroizing::new).map_err(|_| Error::private_key())
}

/// Whether OpenSSL lacks the encryption; any other failure means that the password is wrong.
fn is_unknown(errors: &ErrorStack) -> bool {
    reasons(errors).any(|reason| reason.contains("unsupported") || reason.contains("unknown"))
}

fn reasons(errors: &ErrorStack) -> impl Iterator<Item = &'static str> {
    errors.errors().iter().filter_map(openssl::error::Error::reason)
}
