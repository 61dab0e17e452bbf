//! Requests for keys.

use skip_client::probe::ProbeReply;
use skip_client::{Error, Key, KeyId, Request, SystemId};

use super::message::{Read, read_key};
use super::session::{At, NotAsked, Session};

/// Requests a fresh key and records it among those seen.
pub(super) fn new_key(
    session: &mut Session<'_>,
    at: At,
    request: &Request,
) -> Result<(ProbeReply, Read<Key>), NotAsked> {
    let shown = request
        .target()
        .split("remoteSystemID=")
        .last()
        .and_then(|rest| rest.split_once('&'));
    let shown = shown.map_or_else(|| "/key".to_owned(), |(_, rest)| format!("/key with {rest}"));
    let started = std::time::Instant::now();
    let reply = session.ask_key(at, "GET", request.target(), &shown)?;
    session.sample("key", started.elapsed());
    let read = read_key(request, &reply);
    notice(session, &read);
    Ok((reply, read))
}

/// Records the key among those seen.
pub(super) fn notice(session: &mut Session<'_>, read: &Read<Key>) {
    session.seen.weak_key |= read.is_weak();
    if let Some(key) = &read.value {
        session.seen.key(key.key_id().as_str(), key.secret());
    }
}

/// Requests a key by its keyId, without leaving either in the evidence.
pub(super) fn key_by_id(session: &mut Session<'_>, at: At, id: &KeyId, remote: &SystemId) -> Result<Read<Key>, Error> {
    let request = Request::key_by_id(id, remote)?;
    let started = std::time::Instant::now();
    let reply = session.ask(at, "GET", request.target(), "/key/{keyId}")?;
    session.sample("key by keyId", started.elapsed());
    Ok(read_key(&request, &reply))
}
