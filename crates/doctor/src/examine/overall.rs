//! What all requests together show.

use crate::catalogue::Id;
use crate::statistics::Finding;

use super::session::Session;

pub(super) fn run(session: &mut Session<'_>) {
    keys(session);
    errors(session);
}

fn keys(session: &mut Session<'_>) {
    let number = session.seen.keys();
    if session.seen.weak_key {
        session.broken(Id::KeyDistinct, "A key consists of equal bytes.");
    }
    if !session.begins(&[Id::KeyIdDistinct, Id::KeyDistinct]) {
        // nothing to compare
    } else if number < 2 {
        let why = format!("{number} keys came, which is too few to compare.");
        session.skip(Id::KeyIdDistinct, why.as_str());
        session.skip(Id::KeyDistinct, why);
    } else {
        let (ids, keys) = (session.seen.repeated_key_ids(), session.seen.repeated_keys());
        session.judge(
            Id::KeyIdDistinct,
            ids == 0,
            format!("{number} keyIds differ."),
            format!("Of {number} keyIds, {ids} were repeated."),
        );
        session.judge(
            Id::KeyDistinct,
            keys == 0,
            format!("{number} keys differ."),
            format!("Of {number} keys, {keys} were repeated."),
        );
    }
    if session.is_broken(Id::KeyDistinct) {
        session.skip(
            Id::KeyStatistics,
            "Counts of repeated keys mean nothing (key-distinct).",
        );
    }
    if !session.begins(&[Id::KeyStatistics]) {
        return;
    }
    match session.seen.key_counts.finding() {
        Finding::TooFew(bytes) => session.skip(Id::KeyStatistics, format!("{bytes} bytes are too few to count.")),
        Finding::Plain { bits, per_mille } => session.pass(
            Id::KeyStatistics,
            format!("Of {bits} bits, {per_mille} in 1000 are ones. This shows no defect, but does not prove quality."),
        ),
        Finding::Odd(why) => session.broken(Id::KeyStatistics, format!("Not by chance: {why}.")),
    }
}

fn errors(session: &mut Session<'_>) {
    if let Some(status) = session.seen.secret_in_error {
        session.broken(
            Id::ErrorSecrets,
            format!(
                "An error of status {status} has 16 or more hexadecimal digits in a row that were not in the request."
            ),
        );
    }
    if !session.begins(&[Id::ErrorBodies, Id::ErrorSecrets]) {
        return;
    }
    let number = session.seen.errors;
    if number == 0 {
        let why = "No request was refused.";
        session.skip(Id::ErrorBodies, why);
        return session.skip(Id::ErrorSecrets, why);
    }
    match (session.seen.html_error, session.seen.empty_error) {
        (Some(status), _) => session.broken(Id::ErrorBodies, format!("An error of status {status} is an HTML page.")),
        (None, Some(status)) => session.broken(Id::ErrorBodies, format!("An error of status {status} has no text.")),
        (None, None) => session.pass(Id::ErrorBodies, format!("{number} errors were looked at.")),
    }
    session.pass(Id::ErrorSecrets, format!("{number} errors were looked at."));
}
