//! The spelling of option and argument names in errors.

/// A front end's spelling of the names in errors: those of the [options](crate::options::OPTIONS), and of arguments such as `url`,
/// `remoteSystemID`, `keyId` and `size`. Unknown names are left unchanged.
pub trait Spelling {
    /// The name of an option or argument, for example `--server-name`.
    fn name(&self, name: &str) -> String;

    /// An option set to a value, for example `--tls auto`.
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
