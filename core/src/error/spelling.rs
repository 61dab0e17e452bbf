//! How names of options and arguments are spelled where an error is shown.

/// A front end's spelling of the names that errors speak of: those of the [options](crate::options::OPTIONS), and of arguments such as
/// `url`, `remoteSystemID`, `keyId` and `size`. A name that it does not know stays as it is.
pub trait Spelling {
    /// The option or argument alone, for example `--server-name`.
    fn name(&self, name: &str) -> String;

    /// The option set to a value, for example `--tls auto`.
    fn setting(&self, name: &str, value: &str) -> String;
}

/// The spelling of this crate: `server_name`, `tls=auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Canonical;

impl Spelling for Canonical {
    fn name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn setting(&self, name: &str, value: &str) -> String {
        format!("{name}={value}")
    }
}
