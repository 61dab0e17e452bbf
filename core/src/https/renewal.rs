//! Reconfigures TLS when a credentials file changes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Result, warnings};
use crate::fork::{PerProcess, hold_off};
use crate::options::{Options, Stamp};

#[cfg(feature = "psk")]
use super::openssl;
use super::rustls;
use super::stack::TlsStack;
use super::url::Url;

/// The TLS configuration for one Key Provider.
pub(super) struct Renewal {
    /// The credentials and their files; `None` if no file can change.
    source: Option<(Options, Url)>,
    first: Setup,
    /// The latest configuration; `None` until this process has checked the files.
    latest: PerProcess<Mutex<Option<Setup>>>,
}

/// One TLS configuration.
#[derive(Clone)]
pub(super) struct Setup {
    pub tls: Arc<dyn TlsStack>,
    /// The number of previous configurations: connections of other generations are no longer used.
    pub generation: u64,
    /// Why newer files could not be used.
    pub warning: Option<String>,
    /// The state of the files just before they were read.
    stamps: Vec<Option<Stamp>>,
}

impl Renewal {
    pub fn new(options: &Options, url: &Url) -> Result<Self> {
        let stamps = options.files.stamps();
        let tls = set_up(options, url)?;
        let source = (!options.files.is_empty()).then(|| (options.clone(), url.clone()));
        Ok(Self {
            source,
            ..Self::fixed(tls, stamps)
        })
    }

    /// A configuration that never changes.
    pub fn fixed(tls: Arc<dyn TlsStack>, stamps: Vec<Option<Stamp>>) -> Self {
        Self {
            source: None,
            first: Setup {
                tls,
                generation: 0,
                warning: None,
                stamps,
            },
            latest: PerProcess::default(),
        }
    }

    /// Returns the configuration for the current files. If those cannot be used (a certificate may be written before its key), keeps the
    /// previous one.
    pub fn current(&self) -> Setup {
        let Some((options, url)) = &self.source else {
            return self.first.clone();
        };
        let mut latest = self.latest.get().lock().unwrap_or_else(PoisonError::into_inner);
        let setup = latest.get_or_insert_with(|| self.first.clone());
        let stamps = options.files.stamps();
        if setup.stamps != stamps {
            // an unusable file is not retried until it changes
            setup.stamps = stamps;
            match set_up(options, url) {
                Ok(tls) => {
                    setup.tls = tls;
                    setup.generation += 1;
                    setup.warning = None;
                }
                Err(error) => setup.warning = Some(warnings::credentials_not_renewed(&error)),
            }
        }
        setup.clone()
    }
}

fn set_up(options: &Options, url: &Url) -> Result<Arc<dyn TlsStack>> {
    let options = read_credentials(options)?;
    options.check()?;
    tls_stack(&options, url)
}

/// The options with the contents of the files, and with the password applied.
pub(crate) fn read_credentials(options: &Options) -> Result<Options> {
    #[cfg_attr(not(feature = "psk"), expect(unused_mut))]
    let mut options = options.with_files()?;
    #[cfg(feature = "psk")]
    if let Some(client) = &mut options.client_cert {
        let password = options.key_password.as_ref().map(|password| password.as_slice());
        openssl::open_with_password(client, password)?;
    }
    Ok(options)
}

fn tls_stack(options: &Options, url: &Url) -> Result<Arc<dyn TlsStack>> {
    hold_off(|| -> Result<Arc<dyn TlsStack>> {
        #[cfg(feature = "psk")]
        if let Some(psk) = &options.psk {
            return Ok(Arc::new(openssl::WithPsk::new(psk, options, url)?));
        } else if options.legacy {
            return Ok(Arc::new(openssl::Legacy::new(options, url)?));
        }
        Ok(Arc::new(rustls::Rustls::new(options, url)?))
    })
}
