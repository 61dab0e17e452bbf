//! What the Key Provider says about itself. Its flags are verified where the methods are tried.

use skip_client::probe::ProbeReply;
use skip_client::{Capabilities, MessageKind, Problem, Rules, Severity, TypedRequest, validate};

use crate::catalogue::{Control, Id};

use super::message::told;
use super::session::{At, Session, sentence};

const TARGET: &str = "/capabilities";
/// The longest ID that Cisco IOS XR supports, in bytes.
const IOS_XR: usize = 18;
/// The length of the algorithm that every implementation must support, in bytes (draft 4.1, MUST).
const ALGORITHM: usize = 16;

pub(super) fn run(session: &mut Session<'_>) {
    if session.is_down {
        let why = session.why_not(Control::Service).unwrap_or_default();
        return session.lose(Control::Capabilities, why);
    }
    let reply = match session.ask(At::Here, "GET", TARGET, TARGET) {
        Ok(reply) => reply,
        Err(error) => {
            session.broken_with(Id::CapabilitiesSchema, sentence(error.message()), &session.hint(&error));
            session.lose(Control::Capabilities, "There are no capabilities.");
            session.begins(&OF_MEMBERS);
            return;
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
        session.pass(Id::CapabilitiesSchema, "All members are present, with the right types.");
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
    let Ok(found) = found else {
        session.lose(Control::Capabilities, "The capabilities cannot be read.");
        session.begins(&OF_MEMBERS);
        return;
    };
    session.establish(Control::Capabilities);
    session.content_type = Some(essence(&reply));
    ids(session, &found, &problems);
    if session.begins(&[Id::CapabilitiesStable]) {
        stable(session, &found);
    }
    session.capabilities = Some(found);
}

/// Checks of the members' content. The flags are verified against the methods later.
const OF_MEMBERS: [Id; 4] = [
    Id::CapabilitiesIds,
    Id::CapabilitiesIdLength,
    Id::CapabilitiesAlgorithm,
    Id::CapabilitiesStable,
];

fn stable(session: &mut Session<'_>, found: &Capabilities) {
    let other = session.connect(At::Here).and_then(|mut other| {
        let deadlines = session.deadlines(At::Here);
        other.send("GET", TARGET, &deadlines).and_then(|reply| read(&reply))
    });
    match other {
        Ok(other) => session.judge(
            Id::CapabilitiesStable,
            other == *found,
            "A second connection gets the same reply.",
            "A second connection gets a different reply.",
        ),
        Err(error) => session.skip(Id::CapabilitiesStable, sentence(error.message())),
    }
}

/// The peer's capabilities, if there is a peer.
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
        Some("The Key Provider does not list the peer.")
    } else if there.matches_remote(here_id) {
        None
    } else {
        Some("The peer does not list the Key Provider.")
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

/// The Content-Type without its parameters.
fn essence(reply: &ProbeReply) -> String {
    let content_type = reply.response.headers.content_type.as_deref().unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().to_ascii_lowercase()
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
            format!("The list of remotes has {number} unambiguous entries."),
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
