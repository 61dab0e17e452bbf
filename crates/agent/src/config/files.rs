//! The files that a configuration names: whether they exist, who owns them, and what they contain.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use skip_client::error::FrontEnd;

use crate::reader::{Found, Mistakes};

/// Checks the files that a configuration names.
pub(super) struct Files<'a, 'i> {
    pub folder: &'a Path,
    /// Whether to check their contents as well.
    pub look_inside: bool,
    /// Those that were found, and must not be overwritten.
    pub found: Vec<PathBuf>,
    pub mistakes: &'a mut Mistakes<'i>,
}

/// The expected content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Certificates,
    PrivateKey,
    Psk,
    /// Protected by a password, or the password itself.
    Sealed,
}

impl Content {
    /// Of a private key.
    pub fn of_key(is_sealed: bool) -> Self {
        if is_sealed { Self::Sealed } else { Self::PrivateKey }
    }

    /// What is wrong with the file, and what to do.
    fn check(self, path: &Path) -> Result<(), (String, String)> {
        let content = crate::files::read(path).map_err(|why| (why, String::new()))?;
        let shown = path.display();
        match self {
            Self::Certificates => {
                let mut all = CertificateDer::pem_slice_iter(&content).peekable();
                if all.peek().is_none() || all.any(|one| one.is_err()) {
                    let hint = "-----BEGIN CERTIFICATE----- and what follows it";
                    return Err((format!("{shown} holds no certificate in PEM form"), hint.to_owned()));
                }
                Ok(())
            }
            Self::PrivateKey => skip_client::read_private_key(&content, None, |_| Ok(())).map_err(|error| {
                (
                    format!("{shown}: {}", error.message_in(&FrontEnd::Agent)),
                    error.hint_in(&FrontEnd::Agent),
                )
            }),
            // which of several lines is used is checked elsewhere
            Self::Psk | Self::Sealed => Ok(()),
        }
    }
}

impl Files<'_, '_> {
    pub fn file(&mut self, found: Option<Found<String>>, content: Content) -> Option<PathBuf> {
        let found = found?;
        let is_secret = content != Content::Certificates;
        let path = self.folder.join(&found.value);
        let meta = match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => {
                self.mistakes
                    .add(&found.at, format_args!("{} is not a file", path.display()), "");
                return None;
            }
            Err(error) => {
                self.mistakes.add(
                    &found.at,
                    format_args!("cannot look at {}: {error}", path.display()),
                    "",
                );
                return None;
            }
        };
        if is_secret && meta.mode() & 0o037 != 0 {
            let rule = format!(
                "{} can be read by others (mode {:o})",
                path.display(),
                meta.mode() & 0o777
            );
            self.mistakes
                .add(&found.at, rule, "chmod 600, or 640 for a group of its own");
        }
        let me = rustix::process::geteuid().as_raw();
        if is_secret && ![0, me].contains(&meta.uid()) {
            let rule = format!("{} belongs to somebody else (user {})", path.display(), meta.uid());
            self.mistakes
                .add(&found.at, rule, "chown it to the user of the agent, or to root");
        }
        if let Err(error) = fs::File::open(&path) {
            self.mistakes
                .add(&found.at, format_args!("cannot read {}: {error}", path.display()), "");
        } else if self.look_inside
            && let Err((rule, hint)) = content.check(&path)
        {
            self.mistakes.add(&found.at, rule, hint);
        }
        self.found.push(path.clone());
        Some(path)
    }

    pub fn address(&mut self, found: Option<Found<String>>, local_only: bool) -> Option<SocketAddr> {
        let found = found?;
        let Ok(address) = found.value.parse::<SocketAddr>() else {
            self.mistakes.add(
                &found.at,
                "must be an IP address and a port",
                "for example \"127.0.0.1:9464\" or \"[::]:7464\"",
            );
            return None;
        };
        if local_only && !is_local(address.ip()) {
            let hint = "a loopback address; let a proxy of yours reach further";
            self.mistakes
                .add(&found.at, "must be an address of this machine only", hint);
            return None;
        }
        Some(address)
    }
}

fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback()
}
