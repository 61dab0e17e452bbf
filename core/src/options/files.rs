//! Credentials files, which are reread when they change.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::credentials;
use crate::error::Result;
use crate::psk::{Psk, PskForm};

use super::Options;

/// The paths of credentials.
#[derive(Clone, Default)]
pub(crate) struct Files {
    pub ca: Vec<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub key_password: Option<PathBuf>,
    pub psk: Option<PskFile>,
}

#[derive(Clone)]
pub(crate) struct PskFile {
    pub path: PathBuf,
    /// Selects a line, or names the only key.
    pub identity: Option<String>,
    pub form: PskForm,
}

/// Identifies a version of a file, to detect changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    /// Device, inode and change time, which also covers permission changes.
    #[cfg(unix)]
    inode: (u64, u64, i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Files {
    pub fn is_empty(&self) -> bool {
        self.paths().next().is_none()
    }

    /// The current state of the files; `None` for a missing one.
    pub fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamp = |path: &PathBuf| Some(Stamp::from(&std::fs::metadata(path).ok()?));
        self.paths().map(stamp).collect()
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let psk = self.psk.iter().map(|file| &file.path);
        let cert = self.cert.iter().chain(&self.key).chain(&self.key_password);
        self.ca.iter().chain(cert).chain(psk)
    }
}

impl Options {
    /// Reads values that can be read only once, such as a pipe or PEM text instead of a path. Only regular files
    /// remain.
    pub fn read_pipes(&mut self) -> Result<()> {
        self.read_files(|path| !path.is_file())
    }

    /// The same options with the contents of the files.
    pub fn with_files(&self) -> Result<Self> {
        let mut options = self.clone();
        options.read_files(|_| true)?;
        Ok(options)
    }

    fn read_files(&mut self, is_wanted: impl Fn(&Path) -> bool) -> Result<()> {
        let pem = |field, path: &Path| credentials::pem(field, path.as_os_str());
        for path in self.files.ca.extract_if(.., |path| is_wanted(path)) {
            self.ca_pem.push(std::mem::take(&mut *pem("ca", &path)?));
        }
        if let Some(path) = self.files.cert.take_if(|path| is_wanted(path)) {
            self.client_cert.get_or_insert_default().cert_pem = std::mem::take(&mut *pem("cert", &path)?);
        }
        if let Some(path) = self.files.key.take_if(|path| is_wanted(path)) {
            self.client_cert.get_or_insert_default().key_pem = pem("key", &path)?;
        }
        if let Some(path) = self.files.key_password.take_if(|path| is_wanted(path)) {
            self.key_password = Some(credentials::password("key_password", &path)?);
        }
        if let Some(file) = self.files.psk.take_if(|file| is_wanted(&file.path)) {
            let content: Zeroizing<Vec<u8>> = credentials::file("psk", &file.path)?;
            let psk = Psk::from_file_content_as(file.form, &content, file.identity.as_deref());
            self.psk = Some(psk?);
        }
        Ok(())
    }
}
