//! Output destinations: stdout, or a file that only its owner can read.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use skip_client::{Error, Result};
use tempfile::NamedTempFile;

use crate::text::shown_path;

/// A destination that is known to be writable before the Key Provider is asked, so that no key is wasted.
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// A pipe, a device or a socket, open for writing.
    Stream(PathBuf, File),
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
            Some(path) if ![Path::new("-"), Path::new("/dev/stdout")].contains(&path) => {
                Self::file(path, force, secret)
            }
            _ if secret && std::io::stdout().is_terminal() => Err(terminal("stdout")),
            _ => Ok(Self::Stdout),
        }
    }

    fn file(path: &Path, force: bool, secret: bool) -> Result<Self> {
        // what is not a file cannot be replaced, and need not be: /dev/stdout, a FIFO
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let opened = std::fs::OpenOptions::new().write(true).open(path);
            return match opened {
                Ok(stream) if secret && stream.is_terminal() => Err(terminal("the output")),
                Ok(stream) => Ok(Self::Stream(path.to_owned(), stream)),
                Err(error) => Err(cannot_write(
                    path,
                    &error,
                    "check its permissions; nothing was requested",
                )),
            };
        }
        match std::fs::symlink_metadata(path) {
            // replacing a device or a link would be more surprising than helpful
            Ok(found) if force && !found.is_file() => {
                return Err(refusal(path, "is not a regular file", "give another name"));
            }
            Ok(_) if !force => return Err(exists(path)),
            // a name that no file can have
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(cannot_write(path, &error, "check the path; nothing was requested"));
            }
            Err(_) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(refusal(path, "is not the name of a file", "name a file in it"));
            }
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

    /// Writes a secret that the Key Provider does not give again.
    pub fn write_key(self, bytes: &[u8]) -> Result<()> {
        self.write(bytes).map_err(|error| match error.field() {
            Some(field) => Error::invalid_argument(field, format_args!("{}; the key is spent", error.what()), SPENT),
            None => error,
        })
    }

    /// Writes and completes the output.
    pub fn write(self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::Stdout => write_stdout(bytes),
            Self::Stream(path, mut stream) => stream
                .write_all(bytes)
                .map_err(|error| cannot_write(&path, &error, LOST)),
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
                    Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => Err(exists(&path)),
                    Err(failed) => Err(cannot_write(&path, &failed.error, LOST)),
                }
            }
        }
    }
}

fn terminal(what: &str) -> Error {
    Error::invalid_argument(
        "--format",
        format_args!("this format contains the secret, and {what} is a terminal"),
        "use -o FILE or a pipe, omit --format, or add --show",
    )
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
    refusal(path, "already exists", "give another name, or --force to replace it")
}

fn refusal(path: &Path, rule: &str, hint: &'static str) -> Error {
    Error::invalid_argument("--output", format_args!("{} {rule}", shown_path(path)), hint)
}

const LOST: &str = "check the output and the space left; it is not complete";
const SPENT: &str =
    "check the output and the space left, then request a new key: the Key Provider does not hand this one out again";

fn cannot_write(path: &Path, error: &std::io::Error, hint: &'static str) -> Error {
    Error::invalid_argument(
        "--output",
        format_args!("cannot write {}: {error}", shown_path(path)),
        hint,
    )
}
