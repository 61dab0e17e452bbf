//! What the Key Provider says of itself. Whether its flags tell the truth is asked where the methods are tried.

use skip_client::{Capabilities, MessageKind, ProbeReply, Problem, Rules, Severity, TypedRequest, validate};

use crate::catalogue::Id;

use super::message::told;
use super::session::{At, Session, sentence};

const NONE: &str = "There are no capabilities.";
const TARGET: &str = "/capabilities";
/// What Cisco IOS XR has room for.
const IOS_XR: usize = 18;
/// What every implementation has room for (draft 4.1, MUST).
const ALGORITHM: usize = 16;

pub(super) fn run(session: &mut Session<'_>) {
    let reply = match session.ask(At::Here, "GET", TARGET, TARGET) {
        Ok(reply) => reply,
        Err(error) => {
            session.broken_with(Id::CapabilitiesSchema, sentence(error.message()), error.hint());
            session.skip(Id::HttpJson, NONE);
            return skip_rest(session, NONE);
        }
    };
    let problems = validate(MessageKind::Capabilities, reply.response.body.as_slice(), Rules::Strict);
    let found = read(&reply);
    let errors: Vec<&Problem> = problems.iter().filter(|one| one.severity == Severity::Error).collect();
    if reply.response.status != 200 {
        session.broken(
            Id::CapabilitiesSchema,
            format!("The status is {} instead of 200.", reply.response.status),
        );
    } else if errors.is_empty() && found.is_ok() {
        session.pass(Id::CapabilitiesSchema, "All members are there, with their types.");
    } else if errors.is_empty() {
        let message = found
            .as_ref()
            .err()
            .map(|error| sentence(error.message()))
            .unwrap_or_default();
        session.broken(Id::CapabilitiesSchema, message);
    } else {
        session.broken(Id::CapabilitiesSchema, sentence(&told(&errors)));
    }
    json_type(session, &reply);
    let Ok(found) = found else {
        return skip_rest(session, "The capabilities cannot be read.");
    };
    ids(session, &found, &problems);
    let stable = session.connect(At::Here).and_then(|mut other| {
        let control = session.control(At::Here);
        other.send("GET", TARGET, &control).and_then(|reply| read(&reply))
    });
    session.judge(
        Id::CapabilitiesStable,
        stable.is_ok_and(|other| other == found),
        "A second connection gets the same.",
        "A second connection gets something else.",
    );
    session.capabilities = Some(found);
}

/// The flags are asked of the methods themselves, later.
fn skip_rest(session: &mut Session<'_>, why: &str) {
    for id in [
        Id::CapabilitiesIds,
        Id::CapabilitiesIdLength,
        Id::CapabilitiesAlgorithm,
        Id::CapabilitiesStable,
    ] {
        session.skip(id, why);
    }
}

/// The other end's, when there is one.
pub(super) fn of_peer(session: &mut Session<'_>) {
    match session
        .ask(At::Peer, "GET", TARGET, TARGET)
        .and_then(|reply| read(&reply))
    {
        Ok(found) => session.peer_capabilities = Some(found),
        Err(error) => return session.skip(Id::CapabilitiesPeer, sentence(error.message())),
    }
    let (Some(here), Some(there)) = (&session.capabilities, &session.peer_capabilities) else {
        return session.skip(Id::CapabilitiesPeer, "The capabilities cannot be read.");
    };
    let (here_id, there_id) = (here.local_system_id(), there.local_system_id());
    let wrong = if here_id == there_id {
        Some("Both Key Providers have the same localSystemID.")
    } else if !here.matches_remote(there_id) {
        Some("The list of the Key Provider does not have the peer.")
    } else if there.matches_remote(here_id) {
        None
    } else {
        Some("The list of the peer does not have the Key Provider.")
    };
    match wrong {
        None => session.pass(Id::CapabilitiesPeer, "Each Key Provider lists the other."),
        Some(wrong) => session.broken(Id::CapabilitiesPeer, wrong),
    }
}

fn read(reply: &ProbeReply) -> Result<Capabilities, skip_client::Error> {
    let response = &reply.response;
    let body = response.body.as_slice();
    TypedRequest::capabilities().parse(response.status, &response.headers, body, Rules::Lenient)
}

fn json_type(session: &mut Session<'_>, reply: &ProbeReply) {
    let content_type = reply.response.headers.content_type.as_deref().unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    session.judge(
        Id::HttpJson,
        essence == "application/json",
        "Content-Type is application/json.",
        if essence.is_empty() {
            "There is no Content-Type."
        } else {
            "Content-Type is something else than application/json."
        },
    );
}

fn ids(session: &mut Session<'_>, found: &Capabilities, problems: &[Problem]) {
    let confusing = |problem: &&Problem| {
        matches!(
            problem.code,
            "repeated" | "own_id" | "pattern" | "ambiguous_pattern" | "control_character"
        )
    };
    let confusing: Vec<&Problem> = problems.iter().filter(confusing).collect();
    let number = found.remote_system_ids().len();
    if confusing.is_empty() {
        session.pass(
            Id::CapabilitiesIds,
            format!("The list of remotes has {number} clear entries."),
        );
    } else {
        session.broken(Id::CapabilitiesIds, sentence(&told(&confusing)));
    }
    let all = std::iter::once(found.local_system_id()).chain(found.remote_system_ids().iter().map(String::as_str));
    let longest = all.clone().map(str::len).max().unwrap_or(0);
    session.judge(
        Id::CapabilitiesIdLength,
        longest <= IOS_XR && all.clone().all(str::is_ascii),
        format!("The longest id has {longest} ASCII characters."),
        format!("The longest id has {longest} bytes, or an id is not ASCII."),
    );
    let algorithm = found.algorithm().len();
    session.judge(
        Id::CapabilitiesAlgorithm,
        (1..=ALGORITHM).contains(&algorithm),
        format!("It has {algorithm} bytes."),
        format!("It has {algorithm} bytes."),
    );
}
