//! JSON Schemas of the three messages.

use crate::validate::MessageKind;

/// The variants of a message's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaStyle {
    /// JSON Schema 2020-12 with this project's rules for valid messages.
    Strict,
    /// draft-04 with the same constraints as the figures of the draft. Its `remoteSystemID` describes a pair, so an empty list, and
    /// a list with arbitrary items from the third on, are valid; and any string is a valid key.
    AsPublished,
}

/// The schema of a message, as JSON text.
#[must_use]
pub fn schema(kind: MessageKind, style: SchemaStyle) -> &'static str {
    match (kind, style) {
        (MessageKind::Capabilities, SchemaStyle::Strict) => include_str!("schema/capabilities.strict.json"),
        (MessageKind::Capabilities, SchemaStyle::AsPublished) => include_str!("schema/capabilities.as-published.json"),
        (MessageKind::Key, SchemaStyle::Strict) => include_str!("schema/key.strict.json"),
        (MessageKind::Key, SchemaStyle::AsPublished) => include_str!("schema/key.as-published.json"),
        (MessageKind::Entropy, SchemaStyle::Strict) => include_str!("schema/entropy.strict.json"),
        (MessageKind::Entropy, SchemaStyle::AsPublished) => include_str!("schema/entropy.as-published.json"),
    }
}
