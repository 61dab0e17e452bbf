//! Requests that any web server may get.

use crate::catalogue::Id;

use super::key::remote;
use super::session::{At, NotAsked, Session, sentence};

/// POST /key may create one.
pub(super) fn most_keys(checks: &[Id]) -> u32 {
    u32::from(METHODS.iter().any(|id| checks.contains(id)))
}

const METHODS: [Id; 2] = [Id::HttpMethodRefused, Id::HttpMethodStatus];

const TARGET: &str = "/capabilities";

pub(super) fn run(session: &mut Session<'_>) {
    if session.begins(&[Id::HttpJson]) {
        json_type(session);
    }
    if session.begins(&[Id::HttpUnknownPath]) {
        unknown_path(session);
    }
    if session.begins(&METHODS) {
        methods(session);
    }
    if session.begins(&[Id::HttpKeepAlive]) {
        keep_alive(session);
    }
    if session.begins(&[Id::HttpPipelining]) {
        pipelining(session);
    }
    if session.begins(&[Id::HttpConnectionClose]) {
        session.skip(Id::HttpConnectionClose, "The end of a connection was not observed.");
    }
    if session.begins(&[Id::HttpPercentEncoding]) {
        percent_encoding(session);
    }
}

fn json_type(session: &mut Session<'_>) {
    let essence = session.content_type.clone().unwrap_or_default();
    session.judge(
        Id::HttpJson,
        essence == "application/json",
        "Content-Type is application/json.",
        if essence.is_empty() {
            "There is no Content-Type."
        } else {
            "Content-Type is not application/json."
        },
    );
}

fn unknown_path(session: &mut Session<'_>) {
    let target = "/no-such-path";
    match session.ask(At::Here, "GET", target, target) {
        Ok(reply) => {
            let status = reply.response.status;
            session.judge(
                Id::HttpUnknownPath,
                status == 404,
                "The status is 404.",
                format!("The status is {status}."),
            );
        }
        Err(error) => session.broken_with(Id::HttpUnknownPath, sentence(error.message()), &session.hint(&error)),
    }
}

fn methods(session: &mut Session<'_>) {
    let mut attempts = vec![];
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        attempts.push((method, TARGET.to_owned(), TARGET));
    }
    attempts.push(("POST", "/entropy".into(), "/entropy"));
    let key = remote(session).and_then(|remote| skip_client::SystemId::new(&remote).ok());
    if let Some(target) = key.and_then(|remote| Session::key_target(&remote, "").ok()) {
        attempts.push(("POST", target, "/key"));
    }
    let (mut served, mut other) = (Vec::new(), Vec::new());
    for (method, target, shown) in attempts {
        let asked = if shown == "/key" {
            session.ask_key(At::Here, method, &target, shown)
        } else {
            session.ask(At::Here, method, &target, shown).map_err(NotAsked::Failed)
        };
        match asked {
            Ok(reply) if (200..300).contains(&reply.response.status) => served.push(format!("{method} {shown}")),
            Ok(reply) if reply.response.status != 405 => {
                other.push(format!("{} for {method} {shown}", reply.response.status));
            }
            Ok(_) => {}
            Err(NotAsked::Failed(_)) => other.push(format!("no reply for {method} {shown}")),
            Err(NotAsked::NoKeys(why)) => session.note(format!("{method} {shown}: not asked. {why}")),
        }
    }
    session.judge(
        Id::HttpMethodRefused,
        served.is_empty(),
        "POST, PUT, DELETE and PATCH are refused.",
        format!("Not refused: {}.", served.join(", ")),
    );
    if !served.is_empty() {
        return session.skip(Id::HttpMethodStatus, "They are not refused (http-method-refused).");
    }
    session.judge(
        Id::HttpMethodStatus,
        other.is_empty(),
        "The status is 405.",
        format!("Instead of 405: {}.", other.join(", ")),
    );
}

fn keep_alive(session: &mut Session<'_>) {
    const REQUESTS: usize = 3;
    let result = session.connect(At::Here).and_then(|mut connection| {
        for asked in 1..=REQUESTS {
            let reply = connection.send("GET", TARGET, &session.deadlines(At::Here))?;
            if asked < REQUESTS && !reply.keeps_alive {
                return Ok(asked);
            }
        }
        Ok(REQUESTS)
    });
    match result {
        Ok(REQUESTS) => session.pass(
            Id::HttpKeepAlive,
            format!("One connection carried {REQUESTS} requests."),
        ),
        Ok(_) => session.broken(Id::HttpKeepAlive, "The connection is closed after each reply."),
        Err(error) => session.broken(Id::HttpKeepAlive, sentence(error.message())),
    }
}

fn pipelining(session: &mut Session<'_>) {
    const REQUESTS: usize = 3;
    let replies = session
        .connect(At::Here)
        .and_then(|mut connection| connection.pipeline(TARGET, REQUESTS, &session.deadlines(At::Here)));
    match replies {
        Ok(replies) => {
            let good = replies
                .iter()
                .filter(|reply| reply.as_ref().is_ok_and(|r| r.response.status == 200))
                .count();
            let announced = replies.iter().flatten().last().is_some_and(|reply| !reply.keeps_alive);
            session.note(format!("{REQUESTS} requests at once: {good} replies of status 200"));
            if good == REQUESTS {
                session.pass(
                    Id::HttpPipelining,
                    format!("{REQUESTS} requests sent at once were answered in order."),
                );
            } else if good > 0 && announced {
                session.pass(
                    Id::HttpPipelining,
                    "The connection was closed after a reply that announced it.",
                );
            } else {
                session.broken(
                    Id::HttpPipelining,
                    format!("Of {REQUESTS} requests sent at once, {good} were answered."),
                );
            }
        }
        Err(error) => session.broken(Id::HttpPipelining, sentence(error.message())),
    }
}

/// Encodes only the path: that consumes no key, and servers decode both or neither. A server that answers every path
/// proves nothing.
fn percent_encoding(session: &mut Session<'_>) {
    let mut status = |target: &str| {
        let reply = session.ask(At::Here, "GET", target, target);
        reply.map(|reply| reply.response.status)
    };
    let answers = status("/%6eo-such-path").and_then(|unknown| Ok((unknown, status("/%63apabilities")?)));
    match answers {
        Ok((200, _)) => session.skip(Id::HttpPercentEncoding, "Every path is served (http-unknown-path)."),
        Ok((_, status)) => session.judge(
            Id::HttpPercentEncoding,
            status == 200,
            "An encoded letter of a path is decoded.",
            format!("An encoded letter of a path is not decoded (status {status})."),
        ),
        Err(error) => session.skip(Id::HttpPercentEncoding, sentence(error.message())),
    }
}
