//! `MACsec`.

use serde::Deserialize;

use super::{Consumer, ConsumerError};

/// The table of a `MACsec` consumer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {}

impl Settings {
    #[expect(clippy::unnecessary_wraps, reason = "as the other consumers have it")]
    pub(crate) fn check(&self, _size_bits: Option<u32>) -> Result<(), String> {
        let Self {} = self;
        Ok(())
    }
}

pub(crate) fn open(_settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    Err(ConsumerError::lasting(
        "the MACsec consumer is not built yet",
        "use the file or the command consumer",
    ))
}
