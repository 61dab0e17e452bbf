//! Requests that every web server gets.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::catalogue::Id;

use super::key::remote;
use super::session::{At, NotAsked, Session, sentence};

/// POST /key may make one.
pub(super) const MOST_KEYS: u32 = 1;

const TARGET: &str = "/capabilities";

pub(super) fn run(session: &mut Session<'_>) {
    unknown_path(session);
    methods(session);
    keep_alive(session);
    pipelining(session);
    percent_encoding(session);
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
        Err(error) => session.broken(Id::HttpUnknownPath, sentence(error.message())),
    }
}

fn methods(session: &mut Session<'_>) {
    let mut attempts = vec![];
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        attempts.push((method, TARGET.to_owned(), TARGET));
    }
    attempts.push(("POST", "/entropy".into(), "/entropy"));
    if let Some(remote) = remote(session) {
        let remote = utf8_percent_encode(&remote, NON_ALPHANUMERIC);
        attempts.push(("POST", format!("/key?remoteSystemID={remote}"), "/key"));
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
            Err(NotAsked::Budget) => session.note(format!("{method} {shown}: not asked, the budget is used up")),
        }
    }
    session.judge(
        Id::HttpMethodRefused,
        served.is_empty(),
        "POST, PUT, DELETE and PATCH are refused.",
        format!("Served with a success: {}.", served.join(", ")),
    );
    session.judge(
        Id::HttpMethodStatus,
        served.is_empty() && other.is_empty(),
        "The status is 405.",
        format!("Instead of 405: {}.", [served, other].concat().join(", ")),
    );
}

fn keep_alive(session: &mut Session<'_>) {
    const REQUESTS: usize = 3;
    let result = session.connect(At::Here).and_then(|mut connection| {
        for asked in 1..=REQUESTS {
            let reply = connection.send("GET", TARGET, &session.control(At::Here))?;
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
        .and_then(|mut connection| connection.pipeline(TARGET, REQUESTS, &session.control(At::Here)));
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

/// The path alone: it costs no key, and servers decode both or neither.
fn percent_encoding(session: &mut Session<'_>) {
    let target = "/%63apabilities";
    match session.ask(At::Here, "GET", target, target) {
        Ok(reply) => session.judge(
            Id::HttpPercentEncoding,
            reply.response.status == 200,
            "An encoded letter of a path is decoded.",
            format!(
                "An encoded letter of a path is not decoded (status {}).",
                reply.response.status
            ),
        ),
        Err(error) => session.broken(Id::HttpPercentEncoding, sentence(error.message())),
    }
}
