//! Output destinations: stdout, or a file that only its owner can read.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use skip_client::{Error, Result};
use tempfile::NamedTempFile;

use crate::text::shown_path;

/// A destination that is known to be writable before the Key Provider is asked, so that no key is wasted.
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// A file, which appears under its name once it is complete.
    File {
        /// The final path.
        path: PathBuf,
        /// The content, written to a temporary file beside it.
        draft: NamedTempFile,
        /// Whether to replace an existing file.
        force: bool,
    },
}

impl Destination {
    /// `path` is the argument of `-o`; `-` or `None` is stdout. A terminal is refused for a `secret`.
    pub fn open(path: Option<&Path>, force: bool, secret: bool) -> Result<Self> {
        match path {
            Some(path) if path != Path::new("-") => Self::file(path, force),
            _ if secret && std::io::stdout().is_terminal() => Err(Error::invalid_argument(
                "--format",
                "this form carries the secret, and stdout is a terminal",
                "use -o FILE or a pipe, leave --format out, or add --show",
            )),
            _ => Ok(Self::Stdout),
        }
    }

    fn file(path: &Path, force: bool) -> Result<Self> {
        match std::fs::symlink_metadata(path) {
            // replacing a device or a link would be more surprising than helpful
            Ok(found) if force && !found.is_file() => {
                return Err(refusal(path, "is not a regular file", "give another name"));
            }
            Ok(_) if !force => return Err(exists(path)),
            _ => {}
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // tempfile creates files with mode 0600 and O_EXCL
        let draft = tempfile::Builder::new()
            .prefix(".skip-client-")
            .tempfile_in(folder)
            .map_err(|error| {
                cannot_write(
                    path,
                    &error,
                    "check the folder and its permissions; nothing was requested",
                )
            })?;
        Ok(Self::File {
            path: path.to_owned(),
            draft,
            force,
        })
    }

    /// Writes and completes the output.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Stdout => write_stdout(bytes),
            Self::File { path, mut draft, force } => {
                draft
                    .write_all(bytes)
                    .and_then(|()| draft.as_file().sync_all())
                    .map_err(|error| cannot_write(&path, &error, LOST))?;
                let kept = if force {
                    draft.persist(&path)
                } else {
                    draft.persist_noclobber(&path)
                };
                match kept {
                    Ok(_) => Ok(()),
                    Err(failed) if failed.error.kind() == std::io::ErrorKind::AlreadyExists => Err(exists(&path)),
                    Err(failed) => Err(cannot_write(&path, &failed.error, LOST)),
                }
            }
        }
    }
}

/// Writes to stdout, bypassing the standard library's buffer, which would keep a copy.
pub(crate) fn write_stdout(bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.flush()?;
        unbuffered(&stdout)?.write_all(bytes)
    };
    write().map_err(|error| cannot_print(&error))
}

/// stdout is full or closed.
pub(crate) fn cannot_print(error: &std::io::Error) -> Error {
    Error::invalid_argument(
        "stdout",
        format_args!("cannot write: {error}"),
        "the output is not complete",
    )
}

#[cfg(unix)]
fn unbuffered(stdout: &std::io::StdoutLock<'_>) -> std::io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(stdout.as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn unbuffered(stdout: &std::io::StdoutLock<'_>) -> std::io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(stdout.as_handle().try_clone_to_owned()?))
}

fn exists(path: &Path) -> Error {
    refusal(path, "exists already", "give another name, or --force to replace it")
}

fn refusal(path: &Path, rule: &str, hint: &'static str) -> Error {
    Error::invalid_argument("--output", format_args!("{} {rule}", shown_path(path)), hint)
}

const LOST: &str = "check the folder and the space left; what was fetched is lost: ask for a new key";

fn cannot_write(path: &Path, error: &std::io::Error, hint: &'static str) -> Error {
    Error::invalid_argument(
        "--output",
        format_args!("cannot write {}: {error}", shown_path(path)),
        hint,
    )
}
