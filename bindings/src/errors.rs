//! Errors of the core on their way out: one record with everything, which each language maps to its own type.

use skip_client::Error;

/// A failure. Fields are as in `skip_client::Error`; `message` would clash with Kotlin's.
#[derive(Debug, uniffi::Error)]
pub enum CoreError {
    /// The only case: the code says which.
    Failed {
        /// The stable code.
        code: String,
        /// What happened.
        reason: String,
        /// What to do.
        hint: String,
        /// What to ask next.
        advice: String,
        /// The HTTP status.
        status: Option<u16>,
        /// What the Key Provider wrote.
        provider_text: Option<String>,
    },
}

pub(crate) type Result<T> = std::result::Result<T, CoreError>;

impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        Self::Failed {
            code: error.code().as_str().to_owned(),
            reason: error.message().to_owned(),
            hint: error.hint().to_owned(),
            advice: error.advice().as_str().to_owned(),
            status: error.status(),
            provider_text: error.provider_text().map(str::to_owned),
        }
    }
}

impl std::fmt::Display for CoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Failed { reason, .. } = self;
        f.write_str(reason)
    }
}

impl std::error::Error for CoreError {}

/// The codes of all errors, in the order of the four sides.
#[uniffi::export]
pub fn error_codes() -> Vec<String> {
    skip_client::ErrorCode::ALL
        .map(|code| code.as_str().to_owned())
        .to_vec()
}

/// An error for an argument that the language itself could not hand over.
#[uniffi::export]
pub fn invalid_argument(field: String, rule: String, hint: String) -> Result<()> {
    Err(Error::invalid_argument(&field, rule, hint).into())
}
