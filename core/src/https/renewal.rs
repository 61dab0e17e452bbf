//! TLS that is set up again when a file with credentials has changed.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Result, warnings};
use crate::fork::PerProcess;
use crate::options::{Options, Stamp};

use super::url::Url;
use super::{TlsStack, tls_stack};

/// The TLS of one Key Provider.
pub(super) struct Renewal {
    /// With the credentials and their files; `None` when no file can change.
    source: Option<(Options, Url)>,
    first: Setup,
    /// The latest; none as long as this process has not looked.
    latest: PerProcess<Mutex<Option<Setup>>>,
}

/// TLS as it was set up at some time.
#[derive(Clone)]
pub(super) struct Setup {
    pub tls: Arc<dyn TlsStack>,
    /// How many came before: connections of another generation are not used any more.
    pub generation: u64,
    /// Why newer files are not used.
    pub warning: Option<String>,
    /// How the files were just before they were read.
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

    /// TLS that stays as it is.
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

    /// TLS with the files as they are now. While those cannot be used (a certificate may be there before its key), with the earlier ones.
    pub fn current(&self) -> Setup {
        let Some((options, url)) = &self.source else {
            return self.first.clone();
        };
        let mut latest = self.latest.get().lock().unwrap_or_else(PoisonError::into_inner);
        let setup = latest.get_or_insert_with(|| self.first.clone());
        let stamps = options.files.stamps();
        if setup.stamps != stamps {
            // a file that cannot be used is not tried again until it changes
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
    let options = options.with_files()?;
    options.check()?;
    tls_stack(&options, url)
}
