//! Errors of the core: one record with all fields, which each language maps to its own type.

use skip_client::Error;
use skip_client::error::FrontEnd;

/// An error. The fields are as in `skip_client::Error`; `message` would clash with Kotlin's.
#[derive(Debug, uniffi::Error)]
pub enum CoreError {
    /// The only variant; see the code.
    Failed {
        /// The stable code.
        code: String,
        /// What happened.
        reason: String,
        /// What to do.
        hint: String,
        /// What to request next.
        advice: String,
        /// The HTTP status.
        status: Option<u16>,
        /// The body of the Key Provider's error reply.
        provider_text: Option<String>,
    },
}

pub(crate) type Result<T> = std::result::Result<T, CoreError>;

/// The language whose names are used in errors.
#[derive(Clone, Copy, uniffi::Enum)]
pub enum CoreLanguage {
    /// `caPem`, `serverName`.
    Kotlin,
    /// `caPEM`, `serverName`.
    Swift,
}

impl CoreLanguage {
    /// The error in this language's names.
    pub(crate) fn error(self, error: &Error) -> CoreError {
        let names = match self {
            Self::Kotlin => FrontEnd::Kotlin,
            Self::Swift => FrontEnd::Swift,
        };
        CoreError::Failed {
            code: error.code().as_str().to_owned(),
            reason: error.message_in(&names),
            hint: error.hint_in(&names),
            advice: error.advice().as_str().to_owned(),
            status: error.status(),
            provider_text: error.provider_text().map(str::to_owned),
        }
    }
}

/// Errors outside a client contain no option names.
impl From<Error> for CoreError {
    fn from(error: Error) -> Self {
        CoreLanguage::Kotlin.error(&error)
    }
}

impl std::fmt::Display for CoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Failed { reason, .. } = self;
        f.write_str(reason)
    }
}

impl std::error::Error for CoreError {}

/// All error codes, ordered by side.
#[uniffi::export]
pub fn error_codes() -> Vec<String> {
    skip_client::ErrorCode::ALL
        .map(|code| code.as_str().to_owned())
        .to_vec()
}

/// An error for an argument that the language itself could not pass.
#[uniffi::export]
pub fn invalid_argument(field: String, rule: String, hint: String) -> Result<()> {
    Err(Error::invalid_argument(&field, rule, hint).into())
}
