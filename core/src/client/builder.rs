//! How a client is made: its Key Providers, then its options.

use std::path::PathBuf;

use crate::error::Error;
use crate::error::Result;
use crate::https::Https;
#[cfg(feature = "probe")]
use crate::https::Probe;
use crate::options::{ClientCert, Options};
use crate::psk::Psk;
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

    /// A further Key Provider, asked when those before it cannot be reached.
    ///
    /// # Errors
    /// `invalid_argument` when this is not an `https://` URL of a host.
    pub fn or_url(mut self, url: &str) -> Result<Self> {
        self.providers.push(Source::Url(Https::check_url(url)?));
        Ok(self)
    }

    /// A further Key Provider over a transport of the caller's own.
    pub fn or_over(mut self, transport: Box<dyn Transport>) -> Self {
        self.providers.push(Source::Own(transport));
        self
    }

    /// Sets the option `name` of the [table](crate::options::OPTIONS) to a value given as text: `true` or `false`, a number of
    /// seconds, one of the words of a choice, PEM (`ca` also takes `system`), or `identity:hex` for `psk`.
    ///
    /// For front ends that have options as names; `ca` may be set several times, the last value of any other counts.
    ///
    /// # Errors
    /// `invalid_argument`, with the option's name, when there is no such option or the value breaks its rule.
    pub fn set(mut self, name: &str, value: &str) -> Result<Self> {
        self.options.set(name, value)?;
        Ok(self)
    }

    /// Certificates of the CAs to trust, in PEM form. May be called several times.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.options.ca_pem.push(pem.into());
        self
    }

    /// The same in a file: it is read when the client is built, and again before a call when it has changed.
    ///
    /// A changed file that cannot be used (half written, or a certificate whose key is still the old one) is a warning in
    /// [`ConnectionInfo::warnings`](crate::ConnectionInfo::warnings); until it can be, the earlier credentials stay in use. PEM text in the
    /// place of a path is taken as it is; a pipe is read once.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.ca.push(path.into());
        self
    }

    /// Trusts the system's certificate store as well.
    pub fn ca_system(mut self) -> Self {
        self.options.ca_system = true;
        self
    }

    /// The client certificate (with its chain) and its private key, in PEM form, for Key Providers that want one.
    pub fn client_cert_pem(mut self, cert_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.options.client_cert = Some(ClientCert {
            cert_pem: cert_pem.into(),
            key_pem: Zeroizing::new(key_pem.into()),
        });
        self
    }

    /// The same in two files, read as in [`ClientBuilder::ca_file`].
    pub fn client_cert_files(self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.cert_file(cert).key_file(key)
    }

    /// The client certificate alone, for callers that have its key in another form.
    pub fn cert_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.cert = Some(path.into());
        self
    }

    /// The private key alone, for callers that have its certificate in another form.
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.options.files.key = Some(path.into());
        self
    }

    /// Proves both sides by a pre-shared key instead of certificates (draft 3, Table 1), with OpenSSL; needs the feature `psk`.
    ///
    /// TLS 1.3 with `TLS_AES_256_GCM_SHA384` and TLS 1.2 with DHE are offered first; a Key Provider that refuses both in one hello is
    /// asked again with TLS 1.2 alone, then with a TLS 1.3 key bound to SHA-256, and what worked is remembered. All that is before the
    /// first byte of a request. Suites that are weaker than Table 1 wants are named in [`ConnectionInfo::warnings`].
    ///
    /// [`ConnectionInfo::warnings`]: crate::ConnectionInfo::warnings
    pub fn psk(mut self, psk: Psk) -> Self {
        self.options.psk = Some(psk);
        self
    }

    /// The same in a file with the lines that [`Psk::from_file_content`] takes, read as in [`ClientBuilder::ca_file`]; `identity` chooses one.
    pub fn psk_file(mut self, path: impl Into<PathBuf>, identity: Option<&str>) -> Self {
        self.options.files.psk = Some((path.into(), identity.map(str::to_owned)));
        self
    }

    /// Instead of a client, what looks at the first Key Provider from outside, for tools that examine one. Nothing is connected yet.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`]; also `invalid_argument` when the first Key Provider has a transport of the caller's own.
    #[cfg(feature = "probe")]
    pub fn probe(mut self) -> Result<Probe> {
        let options = self.options.with_files()?;
        options.check()?;
        match self.providers.drain(..).next() {
            Some(Source::Url(url)) => Probe::new(&url, options),
            Some(Source::Own(_)) | None => Err(Error::probe_without_url()),
        }
    }

    /// The client. Nothing is connected yet.
    ///
    /// # Errors
    /// `invalid_argument` for a file that cannot be read or is not PEM, a certificate without its key, a pin that is none, a timeout of zero, when nothing
    /// says whom to trust, or when both certificates and a pre-shared key do.
    pub fn build(mut self) -> Result<Client> {
        self.options.read_pipes()?;
        self.options.with_files()?.check()?;
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
        })
    }
}
