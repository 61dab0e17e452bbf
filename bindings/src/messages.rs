//! Messages without secrets: capabilities, problems, connections, and validation.

use skip_client::{Error, MessageKind, Rules, SchemaStyle};

use crate::errors::Result;

/// The capabilities of a Key Provider.
#[derive(uniffi::Record)]
pub struct CoreCapabilities {
    local_system_id: String,
    remote_system_ids: Vec<String>,
    algorithm: String,
    supports_key: bool,
    supports_entropy: bool,
    warnings: Vec<CoreProblem>,
}

impl From<&skip_client::Capabilities> for CoreCapabilities {
    fn from(capabilities: &skip_client::Capabilities) -> Self {
        Self {
            local_system_id: capabilities.local_system_id().to_owned(),
            remote_system_ids: capabilities.remote_system_ids().to_vec(),
            algorithm: capabilities.algorithm().to_owned(),
            supports_key: capabilities.supports_key(),
            supports_entropy: capabilities.supports_entropy(),
            warnings: problems(capabilities.warnings()),
        }
    }
}

/// A problem with a message; `text` is its message.
#[derive(uniffi::Record)]
pub struct CoreProblem {
    path: String,
    code: String,
    text: String,
    severity: String,
    section: String,
}

pub(crate) fn problems(list: &[skip_client::Problem]) -> Vec<CoreProblem> {
    list.iter()
        .map(|problem| CoreProblem {
            path: problem.path.clone(),
            code: problem.code.to_owned(),
            text: problem.message.clone(),
            severity: problem.severity.as_str().to_owned(),
            section: problem.section.to_owned(),
        })
        .collect()
}

/// Information about a connection.
#[derive(uniffi::Record)]
pub struct CoreConnection {
    url: String,
    address: String,
    tls_version: String,
    cipher_suite: String,
    group: Option<String>,
    warnings: Vec<String>,
}

impl From<skip_client::ConnectionInfo> for CoreConnection {
    fn from(info: skip_client::ConnectionInfo) -> Self {
        Self {
            url: info.url,
            address: info.address,
            tls_version: info.tls_version,
            cipher_suite: info.cipher_suite,
            group: info.group,
            warnings: info.warnings,
        }
    }
}

/// The rules for valid messages.
#[derive(uniffi::Enum)]
pub enum CoreRules {
    Strict,
    Lenient,
    AsPublished,
}

impl From<CoreRules> for Rules {
    fn from(rules: CoreRules) -> Self {
        match rules {
            CoreRules::Strict => Self::Strict,
            CoreRules::Lenient => Self::Lenient,
            CoreRules::AsPublished => Self::AsPublished,
        }
    }
}

/// All problems of a message.
#[uniffi::export]
pub fn validate_message(kind: String, message: Vec<u8>, rules: CoreRules) -> Result<Vec<CoreProblem>> {
    let kind: MessageKind = kind.parse()?;
    Ok(problems(&skip_client::validate(kind, &message, rules.into())))
}

/// Whether a message has no problems other than warnings.
#[uniffi::export]
pub fn is_valid_message(kind: String, message: Vec<u8>, rules: CoreRules) -> Result<bool> {
    let kind: MessageKind = kind.parse()?;
    Ok(skip_client::is_valid(kind, &message, rules.into()))
}

/// Whether a list of remoteSystemIDs has an entry for an id.
#[uniffi::export]
pub fn list_matches_remote(remote_system_ids: Vec<String>, id: String) -> bool {
    skip_client::matches_remote(&remote_system_ids, &id)
}

/// The JSON Schema of a message.
#[uniffi::export]
pub fn message_schema(kind: String, style: String) -> Result<String> {
    let kind: MessageKind = kind.parse()?;
    let style = match style.as_str() {
        "strict" => SchemaStyle::Strict,
        "as-published" => SchemaStyle::AsPublished,
        _ => {
            let rule = "must be strict or as-published";
            return Err(Error::invalid_argument("style", rule, "strict is the default").into());
        }
    };
    Ok(skip_client::schema(kind, style).to_owned())
}
