//! Reconfigures TLS when a credentials file changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result, warnings};
use crate::fork::{PerProcess, hold_off};
use crate::options::{Options, Stamp};

#[cfg(feature = "psk")]
use super::openssl;
use super::rustls;
use super::stack::TlsStack;
use super::url::Url;

/// The TLS configuration for one Key Provider, until it is closed.
pub(super) struct Renewal {
    /// Locked only while forks are held off, so that no child inherits a locked mutex.
    loaded: Mutex<Option<Arc<Loaded>>>,
}

struct Loaded {
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
        Ok(Self::of(tls, stamps, source))
    }

    /// A configuration that never changes.
    #[cfg(test)]
    pub fn fixed(tls: Arc<dyn TlsStack>) -> Self {
        Self::of(tls, Vec::new(), None)
    }

    fn of(tls: Arc<dyn TlsStack>, stamps: Vec<Option<Stamp>>, source: Option<(Options, Url)>) -> Self {
        let first = Setup {
            tls,
            generation: 0,
            warning: None,
            stamps,
        };
        Self {
            loaded: Mutex::new(Some(Arc::new(Loaded {
                source,
                first,
                latest: PerProcess::default(),
            }))),
        }
    }

    /// Returns the configuration for the current files.
    ///
    /// # Errors
    /// `invalid_argument` if it was closed.
    pub fn current(&self) -> Result<Setup> {
        let loaded = hold_off(|| self.loaded().clone()).ok_or_else(Error::client_closed)?;
        Ok(loaded.current())
    }

    /// Frees the credentials, which are wiped as soon as the last call and connection end.
    pub fn close(&self) {
        hold_off(|| drop(self.loaded().take()));
    }

    fn loaded(&self) -> MutexGuard<'_, Option<Arc<Loaded>>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// If the current files cannot be used (a certificate may be written before its key), keeps the previous configuration.
    fn current(&self) -> Setup {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::route::Dialer;
    use super::super::stack::{Open, TlsStack};
    use super::Renewal;
    use crate::error::{Error, ErrorCode, Result};

    struct WithCredentials;

    impl TlsStack for WithCredentials {
        fn open(&self, _: &mut Dialer<'_>) -> Result<Open> {
            Err(Error::tls_closed())
        }
    }

    #[test]
    fn after_close_the_last_call_frees_the_credentials() {
        let stack = Arc::new(WithCredentials);
        let credentials = Arc::downgrade(&stack);
        let renewal = Renewal::fixed(stack);
        let call = renewal.current().expect("not closed");
        renewal.close();
        assert!(credentials.upgrade().is_some());
        drop(call);
        assert!(credentials.upgrade().is_none());
        assert_eq!(
            renewal.current().err().map(|error| error.code()),
            Some(ErrorCode::InvalidArgument)
        );
    }
}
