//! By which rules a message is checked, and what a check finds.

/// The rules for valid messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rules {
    /// The draft, with limits where it sets none.
    #[default]
    Strict,
    /// Like strict, but accepts known deviations of real Key Providers: keyIds that are not hexadecimal, `minentropy` as a string of
    /// digits, capabilities without `algorithm` or `localSystemID`.
    Lenient,
    /// Only what the JSON Schemas published in the draft require (Figures 3, 5 and 7).
    AsPublished,
}

impl Rules {
    /// Converts the option `lenient` to [`Rules::Lenient`] or [`Rules::Strict`].
    #[must_use]
    pub const fn of_lenient(lenient: bool) -> Self {
        if lenient { Self::Lenient } else { Self::Strict }
    }
}

/// Whether a problem makes a message invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The message is invalid.
    Error,
    /// The message is valid, but something in it is likely to cause trouble.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A problem with a message. It never contains a value from the message.
///
/// Codes: `syntax` (not JSON, or not UTF-8), `duplicate_member`, `missing_member`, `wrong_type`, `empty`, `escaped`, `not_hex`,
/// `odd_length`, `too_short`, `too_long`, `out_of_range`, `not_integer`, `form` (not an identifier), `weak_key`; as warnings also
/// `short`, `long`, `length`, `repeated`, `own_id`, `pattern`, `ambiguous_pattern`, `control_character`, `media_type`. After 100 problems
/// there is a single `too_many`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The location, as a JSON Pointer (RFC 6901); empty for the whole document. A missing member has the path that it would have.
    pub path: String,
    /// The stable code.
    pub code: &'static str,
    /// A message for people.
    pub message: String,
    /// Whether this makes the message invalid.
    pub severity: Severity,
    /// The relevant section of the draft.
    pub section: &'static str,
}
