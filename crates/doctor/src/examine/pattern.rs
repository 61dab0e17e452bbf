//! IDs that a pattern matches, and IDs that almost match (draft 4.1.2).

use skip_client::{Request, SystemId, matches_remote};

use crate::catalogue::Id;

use super::ask::new_key;
use super::session::{At, NotAsked, Session, sentence};

/// For two patterns each: a suffix after a match, a prefix before it, and a match.
pub(super) const MOST_KEYS: u32 = 3 * PATTERNS;
const PATTERNS: u32 = 2;

pub(super) fn run(session: &mut Session<'_>, remote: &SystemId) {
    let list: Vec<String> = session
        .capabilities
        .as_ref()
        .map(|found| found.remote_system_ids().to_vec())
        .unwrap_or_default();
    let patterns = list
        .iter()
        .filter(|entry| SystemId::new(entry).is_ok_and(|entry| entry.is_pattern()));
    let mut served = Vec::new();
    let mut why = "The list has no patterns.".to_owned();
    for pattern in patterns.take(PATTERNS as usize) {
        // the remote that keys were issued for is a match that is served
        let known = matches_remote(&[pattern], remote.as_str());
        let Some(inside) = (if known {
            Some(remote.as_str().to_owned())
        } else {
            instance(pattern)
        }) else {
            why = "No plain id is known to match the patterns.".into();
            continue;
        };
        let outside: Vec<String> = [format!("{inside}-x"), format!("x-{inside}")]
            .into_iter()
            .filter(|id| !matches_remote(&list, id))
            .collect();
        if outside.is_empty() {
            why = "No id is outside the patterns.".into();
            continue;
        }
        for id in outside {
            match status(session, &id) {
                Ok(200) => {
                    let message = format!("A key is returned for {id:?}, which the entry {pattern:?} does not match.");
                    return session.broken(Id::KeyRemotePattern, message);
                }
                Ok(_) => {}
                Err(reason) => return session.skip(Id::KeyRemotePattern, reason),
            }
        }
        let control = if known { Ok(200) } else { status(session, &inside) };
        match control {
            Ok(200) => served.push(format!("{pattern:?}")),
            Ok(other) => {
                why = format!("An id that the entry {pattern:?} matches is not served either (status {other}).");
            }
            Err(reason) => why = reason,
        }
    }
    if served.is_empty() {
        session.skip(Id::KeyRemotePattern, why);
    } else {
        let message = format!("Ids outside the patterns are refused: {}.", served.join(", "));
        session.pass(Id::KeyRemotePattern, message);
    }
}

/// The status of a request for a key shared with this remote.
fn status(session: &mut Session<'_>, remote: &str) -> Result<u16, String> {
    let request = SystemId::new(remote).and_then(|remote| Request::new_key(&remote, None));
    let request = request.map_err(|error| sentence(error.message()))?;
    match new_key(session, At::Here, &request) {
        Ok((_, read)) => Ok(read.status),
        Err(NotAsked::NoKeys(why)) => Err(why),
        Err(NotAsked::Failed(error)) => Err(sentence(error.message())),
    }
}

/// A plain ID that the pattern matches.
pub(super) fn instance(pattern: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' | '?' => out.push('x'),
            '[' => {
                let list: String = rest.by_ref().take_while(|c| *c != ']').collect();
                let part = format!("[{list}]");
                let found = ('0'..='z').find(|c| c.is_ascii_alphanumeric() && matches_remote(&[&part], &c.to_string()));
                out.push(found?);
            }
            c => out.push(c),
        }
    }
    matches_remote(&[pattern], &out).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::instance;

    #[test]
    fn an_instance_is_matched() {
        for (pattern, expected) in [
            ("KP_*_LOC1", Some("KP_x_LOC1")),
            ("KP?", Some("KPx")),
            ("KP[b-d]", Some("KPb")),
            ("KP[!0-9]", Some("KPA")),
            ("KP[", None),
            ("KP\\*", None),
        ] {
            assert_eq!(instance(pattern).as_deref(), expected, "{pattern}");
        }
    }
}
