//! Messages without secrets: capabilities, problems, validation, schemas.

use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use skip_client::{Capabilities, Error, MessageKind, Problem, Result, Rules, SchemaStyle};

use crate::SkipError;
use crate::border::{Room, Text, bytes, fallible, free, infallible, lend, making, store, text};

/// The capabilities of a Key Provider.
pub struct SkipCapabilities {
    capabilities: Arc<Capabilities>,
    local_system_id: Text,
    algorithm: Text,
    remote_system_ids: Vec<Text>,
    warnings: SkipProblems,
}

/// The problems of a message.
pub struct SkipProblems(Vec<Texts>);

/// Path, code, message, severity and section of a problem.
type Texts = [Text; 5];

/// The Key Provider's own id (draft 4.1.1); empty if it is missing and the client is lenient.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_local_system_id(
    capabilities: *const SkipCapabilities,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(capabilities.as_ref().map(|it| &it.local_system_id), length) }
}

/// How the Key Provider generates and synchronises keys, as free text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_algorithm(
    capabilities: *const SkipCapabilities,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(capabilities.as_ref().map(|it| &it.algorithm), length) }
}

/// The number of remoteSystemIDs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_remote_system_id_count(capabilities: *const SkipCapabilities) -> usize {
    // SAFETY: NULL or a live handle
    unsafe { capabilities.as_ref() }.map_or(0, |it| it.remote_system_ids.len())
}

/// One of the ids, or id patterns, of the Key Providers that share keys with this one (draft 4.1.2), counted from 0; NULL
/// after the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_remote_system_id(
    capabilities: *const SkipCapabilities,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe {
        lend(
            capabilities.as_ref().and_then(|it| it.remote_system_ids.get(index)),
            length,
        )
    }
}

/// Whether one of the remoteSystemIDs is, or matches, the id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_matches_remote(
    capabilities: *const SkipCapabilities,
    id: *const c_char,
    id_length: usize,
) -> bool {
    // SAFETY: NULL or a live handle; a string
    let (it, id) = unsafe { (capabilities.as_ref(), text("id", id, id_length)) };
    infallible(
        false,
        || matches!((it, id), (Some(it), Ok(id)) if it.capabilities.matches_remote(id)),
    )
}

/// Whether the Key Provider offers keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_supports_key(capabilities: *const SkipCapabilities) -> bool {
    // SAFETY: NULL or a live handle
    unsafe { capabilities.as_ref() }.is_some_and(|it| it.capabilities.supports_key())
}

/// Whether the Key Provider offers random bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_supports_entropy(capabilities: *const SkipCapabilities) -> bool {
    // SAFETY: NULL or a live handle
    unsafe { capabilities.as_ref() }.is_some_and(|it| it.capabilities.supports_entropy())
}

/// Warnings about the message, which is valid; owned by the capabilities.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_warnings(capabilities: *const SkipCapabilities) -> *const SkipProblems {
    // SAFETY: NULL or a live handle
    unsafe { capabilities.as_ref() }.map_or(ptr::null(), |it| &raw const it.warnings)
}

/// Frees capabilities.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_capabilities_free(capabilities: *mut SkipCapabilities) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(capabilities) }
}

/// Lists the problems of a message of a kind ("capabilities", "key" or "entropy"). `lenient` accepts known deviations of
/// real Key Providers. The message is valid if no problem has the severity "error".
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_validate(
    kind: *const c_char,
    kind_length: usize,
    message: *const c_char,
    message_length: usize,
    lenient: bool,
    problems: *mut *mut SkipProblems,
) -> *mut SkipError {
    // SAFETY: strings; room for a handle
    unsafe {
        making(problems, || {
            let kind = self::kind(kind, kind_length)?;
            let message = bytes("message", message, message_length)?;
            Ok(SkipProblems::from(
                skip_client::validate(kind, message, Rules::of_lenient(lenient)).as_slice(),
            ))
        })
    }
}

/// Stores in `valid` whether a message has no problems other than warnings; see skip_validate.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_is_valid(
    kind: *const c_char,
    kind_length: usize,
    message: *const c_char,
    message_length: usize,
    lenient: bool,
    valid: *mut bool,
) -> *mut SkipError {
    // SAFETY: strings; NULL or room for a flag
    unsafe {
        store(valid, false);
        fallible(|| {
            let kind = self::kind(kind, kind_length)?;
            let message = bytes("message", message, message_length)?;
            store(valid, skip_client::is_valid(kind, message, Rules::of_lenient(lenient)));
            Ok(())
        })
    }
}

/// The number of problems.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_count(problems: *const SkipProblems) -> usize {
    // SAFETY: NULL or a live handle
    unsafe { problems.as_ref() }.map_or(0, |problems| problems.0.len())
}

/// The location: a JSON Pointer (RFC 6901), empty for the whole message. Like all texts of problems, counted from 0, and
/// NULL after the last one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_path(
    problems: *const SkipProblems,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipProblems::lend(problems, index, 0, length) }
}

/// The stable code, for example "not_hex".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_code(
    problems: *const SkipProblems,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipProblems::lend(problems, index, 1, length) }
}

/// A message for people. It never contains a value from the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_message(
    problems: *const SkipProblems,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipProblems::lend(problems, index, 2, length) }
}

/// "error" or "warning".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_severity(
    problems: *const SkipProblems,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipProblems::lend(problems, index, 3, length) }
}

/// The relevant section of the draft.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_section(
    problems: *const SkipProblems,
    index: usize,
    length: *mut usize,
) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { SkipProblems::lend(problems, index, 4, length) }
}

/// Frees the result of skip_validate; not for warnings, which are owned by another handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_problems_free(problems: *mut SkipProblems) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(problems) }
}

/// Whether an entry of a remoteSystemID list is, or matches, the id (draft 4.1.2, Table 5).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_matches_remote(
    entry: *const c_char,
    entry_length: usize,
    id: *const c_char,
    id_length: usize,
) -> bool {
    // SAFETY: strings
    let (entry, id) = unsafe { (text("entry", entry, entry_length), text("id", id, id_length)) };
    infallible(
        false,
        || matches!((entry, id), (Ok(entry), Ok(id)) if skip_client::matches_remote([entry], id)),
    )
}

/// Copies the JSON Schema of a kind of message: "strict" (2020-12) or "as-published" (draft-04, as in the draft). Buffer
/// and length are as in skip_key_copy; not NUL-terminated.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn skip_schema(
    kind: *const c_char,
    kind_length: usize,
    style: *const c_char,
    style_length: usize,
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> *mut SkipError {
    let room = Room::new(buffer, capacity, length);
    // SAFETY: strings; the caller's buffer; NULL or room for a length
    unsafe {
        fallible(|| {
            let style = match text("style", style, style_length)? {
                "strict" => SchemaStyle::Strict,
                "as-published" => SchemaStyle::AsPublished,
                _ => {
                    let rule = "must be strict or as-published";
                    return Err(Error::invalid_argument("style", rule, "strict is the usual one"));
                }
            };
            room.fill(skip_client::schema(self::kind(kind, kind_length)?, style).as_bytes())
        })
    }
}

unsafe fn kind(kind: *const c_char, length: usize) -> Result<MessageKind> {
    // SAFETY: the callers guarantee a string
    unsafe { text("kind", kind, length) }?.parse()
}

impl SkipProblems {
    unsafe fn lend(problems: *const Self, index: usize, member: usize, length: *mut usize) -> *const c_char {
        // SAFETY: guaranteed by the callers
        unsafe {
            let texts = problems.as_ref().and_then(|problems| problems.0.get(index));
            lend(texts.map(|texts| &texts[member]), length)
        }
    }
}

impl From<&[Problem]> for SkipProblems {
    fn from(list: &[Problem]) -> Self {
        let texts = |problem: &Problem| {
            let severity = problem.severity.as_str();
            [&problem.path, problem.code, &problem.message, severity, problem.section].map(Text::new)
        };
        Self(list.iter().map(texts).collect())
    }
}

impl From<Arc<Capabilities>> for SkipCapabilities {
    fn from(it: Arc<Capabilities>) -> Self {
        Self {
            local_system_id: Text::new(it.local_system_id()),
            algorithm: Text::new(it.algorithm()),
            remote_system_ids: it.remote_system_ids().iter().map(|id| Text::new(id)).collect(),
            warnings: SkipProblems::from(it.warnings()),
            capabilities: it,
        }
    }
}
