//! The client's builder: its Key Providers, then its options.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

#[cfg(feature = "probe")]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "probe")]
use crate::https::Probe;
use crate::https::{Https, read_credentials};
use crate::options::{ClientCert, Options, PskFile, Setting, TlsVersion, setters};
use crate::psk::{Psk, PskForm};
use crate::transport::{CancelToken, Transport};

use super::Client;
use super::provider::Provider;

use zeroize::Zeroizing;

/// The options of a client; see [`Client::builder`] and the [table](crate::options::OPTIONS).
#[must_use]
pub struct ClientBuilder {
    providers: Vec<Source>,
    pub(crate) options: Options,
}

enum Source {
    Url(String),
    Own(Box<dyn Transport>),
}

impl ClientBuilder {
    pub(super) fn new() -> Self {
        Self {
            providers: Vec::new(),
            options: Options::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.providers.is_empty()
    }

    /// Adds a Key Provider that is used if those before it cannot be reached.
    ///
    /// # Errors
    /// `invalid_argument` if this is not an `https://` URL of a host.
    pub fn or_url(mut self, url: &str) -> Result<Self> {
        self.providers.push(Source::Url(Https::check_url(url)?));
        Ok(self)
    }

    /// Adds a Key Provider with a custom transport.
    pub fn or_over(mut self, transport: Box<dyn Transport>) -> Self {
        self.providers.push(Source::Own(transport));
        self
    }

    /// Sets the option `name` of the [table](crate::options::OPTIONS) from text: `true` or `false`, a number of seconds, one of the words
    /// of a choice, PEM (`ca` also accepts `system`), or `identity:hex` for `psk`.
    ///
    /// For front ends that take options by name. `ca` can be set several times; for all others the last value counts.
    ///
    /// # Errors
    /// `invalid_argument`, with the option's name, if there is no such option or the value is invalid.
    pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self> {
        self.options.set(name, value.as_ref())?;
        Ok(self)
    }

    /// Sets `ca`, `cert`, `key`, `key_password` or `psk` to a file, read as in [`ClientBuilder::ca_file`].
    ///
    /// # Errors
    /// `invalid_argument` for any other name.
    pub fn set_file(mut self, name: &str, path: impl Into<PathBuf>) -> Result<Self> {
        self.options.set_file(name, path.into())?;
        Ok(self)
    }

    setters!();

    /// Adds certificates of trusted CAs, in PEM form. Can be called several times.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options.ca_pem.push(pem.into());
        self
    }

    /// The same from a file, which is read when the client is built, and again before a call if it has changed.
    ///
    /// A changed file that cannot be used (half written, or a certificate with the old key) causes a warning in
    /// [`ConnectionInfo::warnings`](crate::ConnectionInfo::warnings); until it can be used, the previous credentials remain in effect. PEM
    /// text instead of a path is accepted; a pipe is read once.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.ca.push(path.into());
        self
    }

    /// Also trusts the system's certificate store.
    pub fn ca_system(mut self) -> Self {
        self.options.ca_system = true;
        self
    }

    /// Sets the client certificate (with its chain) and its private key, in PEM form, for Key Providers that require one.
    pub fn client_cert_pem(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.options.client_cert = Some(ClientCert {
            cert_pem: cert_pem.into(),
            key_pem: Zeroizing::new(key_pem.into()),
        });
        self
    }

    /// The same from two files, read as in [`ClientBuilder::ca_file`].
    pub fn client_cert_files(self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.cert_file(cert).key_file(key)
    }

    /// Sets only the client certificate, for callers that have its key in another form, or PKCS#12, which includes the key.
    pub fn cert_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.cert = Some(path.into());
        self
    }

    /// Sets only the private key, for callers that have its certificate in another form.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.key = Some(path.into());
        self
    }

    /// Sets the password of a private key in encrypted PKCS#8 (PBES2: PBKDF2 or scrypt with AES, and older schemes that OpenSSL knows), or
    /// of a PKCS#12 file, which is then the client certificate without a separate key. Requires the feature `psk`.
    ///
    /// The password is 1 to 1023 bytes long, in UTF-8; it is ignored if nothing is encrypted. A wrong password is reported when the client
    /// is built.
    pub fn key_password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.options.key_password = Some(Zeroizing::new(password.into()));
        self
    }

    /// The same from the first line of a file, read as in [`ClientBuilder::ca_file`].
    pub fn key_password_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.key_password = Some(path.into());
        self
    }

    /// Authenticates both sides with a pre-shared key instead of certificates (draft 3, Table 1), using OpenSSL; requires the feature
    /// `psk`.
    ///
    /// TLS 1.3 with `TLS_AES_256_GCM_SHA384` and TLS 1.2 with DHE are offered first. If a Key Provider rejects that handshake, the client
    /// tries a TLS 1.3 key bound to SHA-256, then TLS 1.2 with DHE, then without, and remembers for minutes what worked. All of this
    /// happens before the first byte of a request. [`ConnectionInfo::warnings`] names suites that are weaker than Table 1 recommends.
    ///
    /// [`ConnectionInfo::warnings`]: crate::ConnectionInfo::warnings
    pub fn psk(mut self, psk: Psk) -> Self {
        self.options.psk = Some(psk);
        self
    }

    /// The same in a file with the lines that [`Psk::from_file_content`] takes, read as in [`ClientBuilder::ca_file`]; `identity` chooses one.
    pub fn psk_file(self, path: impl Into<PathBuf>, identity: Option<&str>) -> Self {
        self.psk_file_as(PskForm::Lines, path, identity)
    }

    /// The same with a file of another form, which [`Psk::from_file_content_as`] takes.
    pub fn psk_file_as(mut self, form: PskForm, path: impl Into<PathBuf>, identity: Option<&str>) -> Self {
        self.options.files.psk = Some(PskFile {
            path: path.into(),
            identity: identity.map(str::to_owned),
            form,
        });
        self
    }

    /// Builds a [`Probe`](crate::probe::Probe) for the first Key Provider instead of a client. Does not connect yet.
    ///
    /// # Errors
    /// The same as [`ClientBuilder::build`]; also `invalid_argument` if the first Key Provider has a custom transport.
    #[cfg(feature = "probe")]
    pub fn probe(mut self) -> Result<Probe> {
        let options = read_credentials(&self.options)?;
        options.check()?;
        match self.providers.drain(..).next() {
            Some(Source::Url(url)) => Probe::new(&url, options),
            Some(Source::Own(_)) | None => Err(Error::probe_without_url()),
        }
    }

    /// Builds the client. Does not connect yet.
    ///
    /// # Errors
    /// `invalid_argument` for a file that cannot be read or is not PEM, a certificate without its key, an invalid pin or a timeout of zero,
    /// if no trust is configured, or if both certificates and a pre-shared key are.
    pub fn build(mut self) -> Result<Client> {
        self.options.read_pipes()?;
        read_credentials(&self.options)?.check()?;
        let mut providers = Vec::with_capacity(self.providers.len());
        for source in self.providers {
            providers.push(Provider::new(match source {
                Source::Url(url) => Box::new(Https::new(&url, &self.options)?),
                Source::Own(transport) => transport,
            }));
        }
        Ok(Client {
            providers,
            options: self.options.without_credentials(),
            closed: CancelToken::new(),
            last: AtomicUsize::new(0),
        })
    }
}
