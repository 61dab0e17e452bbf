//! Why a pair did not start.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::{fmt, io};

/// Why a pair did not start.
#[derive(Debug)]
pub struct StartError {
    what: String,
    problem: StartProblem,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The remedy that allows a pair to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartProblem {
    /// Listening on an address failed.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Whether it is already in use.
        in_use: bool,
    },
    /// The pre-shared keys cannot be used together, or an identity is invalid.
    PreSharedKeys,
    /// The folder, or a file in it.
    Folder,
    /// Another option, or this machine.
    Other,
}

impl StartError {
    /// What has to change.
    #[must_use]
    pub fn problem(&self) -> StartProblem {
        self.problem
    }

    pub(crate) fn options(what: String) -> Self {
        Self {
            what,
            problem: StartProblem::Other,
            source: None,
        }
    }

    pub(crate) fn pre_shared_keys(what: &str) -> Self {
        Self {
            what: format!("pre-shared keys: {what}"),
            problem: StartProblem::PreSharedKeys,
            source: None,
        }
    }

    pub(crate) fn because(what: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            what: what.to_owned(),
            problem: StartProblem::Other,
            source: Some(source.into()),
        }
    }

    pub(crate) fn file(path: &Path, source: io::Error) -> Self {
        Self {
            problem: StartProblem::Folder,
            ..Self::because(&format!("cannot write {}", path.display()), source)
        }
    }

    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        let in_use = source.kind() == io::ErrorKind::AddrInUse;
        Self {
            problem: StartProblem::Listen { address, in_use },
            ..Self::because(&format!("cannot listen on {address}"), source)
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Some(source) => write!(f, "{}: {source}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
