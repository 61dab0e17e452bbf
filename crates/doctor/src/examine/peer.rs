//! The same keys at the other end.

use skip_client::{BitLength, Capabilities, Error, ErrorCode, Key, KeyId, Request, SystemId};

use crate::catalogue::{Group, Id};

use super::capabilities;
use super::key::{NO_BUDGET, Sample, key_by_id, new_key};
use super::session::{At, NotAsked, Session, sentence};

const SIZES: [u64; 3] = [128, 256, 512];
/// Three sizes, the other direction, a wrong remote, the other case.
pub(super) const MOST_KEYS: u32 = 3 + 1 + 1 + 1;

/// Connects and asks for the capabilities; the keys come later.
pub(super) fn connect(session: &mut Session<'_>) {
    let connected = session.connect(At::Peer).and_then(|mut connection| {
        let control = session.control(At::Peer);
        match connection.send("GET", "/capabilities", &control) {
            Err(error) if matches!(error.code(), ErrorCode::TlsFailed | ErrorCode::ConnectFailed) => Err(error),
            _ => Ok(connection),
        }
    });
    match connected {
        Ok(connection) => {
            let info = connection.info();
            let message = format!(
                "Connected to {}: {}, {}.",
                info.address, info.tls_version, info.cipher_suite
            );
            session.pass(Id::PeerConnect, message);
            capabilities::of_peer(session);
        }
        Err(error) => {
            session.broken_with(Id::PeerConnect, sentence(error.message()), error.hint());
            session.skip(Id::CapabilitiesPeer, "There is no connection to the peer.");
        }
    }
}

pub(super) fn run(session: &mut Session<'_>, sample: Option<&Sample>) {
    let (Some(sample), Some(here)) = (sample, &session.capabilities) else {
        return session.skip_rest(Group::Peer, "No key came from the Key Provider.");
    };
    if session.failed(Id::PeerConnect) {
        return session.skip_rest(Group::Peer, "There is no connection to the peer.");
    }
    let Ok(here) = SystemId::new(here.local_system_id()) else {
        return session.skip_rest(
            Group::Peer,
            "The Key Provider has no localSystemID to ask the peer with.",
        );
    };
    same_keys(session, &here, &sample.remote);
    binding(session, &here, &sample.remote);
    case(session, &here, &sample.remote);
    other_direction(session, &here, &sample.remote);
    session.skip_rest(Group::Peer, "No key came from the peer.");
}

/// A fresh key of one end.
fn issue(session: &mut Session<'_>, at: At, remote: &SystemId, bits: u64) -> Result<Key, String> {
    let request = BitLength::new(bits).and_then(|size| Request::new_key(remote, Some(size)));
    let request = request.map_err(|error| sentence(error.message()))?;
    match new_key(session, at, &request) {
        Ok((_, read)) => match (read.value, read.error) {
            (Some(key), _) => Ok(key),
            (None, error) => Err(error.map(|error| sentence(error.message())).unwrap_or_default()),
        },
        Err(NotAsked::Budget) => Err(NO_BUDGET.into()),
        Err(NotAsked::Failed(error)) => Err(sentence(error.message())),
    }
}

fn same_keys(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let (mut same, mut refused, mut last) = (Vec::new(), Vec::new(), None);
    for bits in SIZES {
        let Ok(key) = issue(session, At::Here, there, bits) else {
            continue;
        };
        match key_by_id(session, At::Peer, key.key_id(), here) {
            Ok(read) => {
                let wrong_id = read
                    .error
                    .as_ref()
                    .is_some_and(|error| error.code() == ErrorCode::KeyIdMismatch);
                match &read.value {
                    _ if wrong_id => session.broken(Id::PeerKeyId, "The reply names another keyId."),
                    // compared in constant time
                    Some(other) if *other == key => same.push(bits.to_string()),
                    Some(_) => session.broken(Id::PeerSameKey, format!("The keys of {bits} bits differ.")),
                    None => refused.push(format!("{bits} bits: {}", reason(read.error.as_ref(), read.status))),
                }
                if read.value.is_some() || wrong_id {
                    last = Some(key);
                }
            }
            Err(error) => refused.push(format!("{bits} bits: {error}")),
        }
    }
    if same.is_empty() && refused.is_empty() && last.is_none() {
        return;
    }
    if let Some(key) = last {
        if same.is_empty() {
            session.skip(
                Id::PeerSameKey,
                "The reply does not name the keyId, so its key was not compared.",
            );
        }
        session.pass(Id::PeerKeyId, "The replies name the keyId that was asked for.");
        once(session, key.key_id(), here);
    }
    session.judge(
        Id::PeerSameKey,
        refused.is_empty(),
        format!("Keys of {} bits are equal at both ends.", same.join(", ")),
        format!("The peer gives no key: {}.", refused.join("; ")),
    );
}

fn reason(error: Option<&Error>, status: u16) -> String {
    error.map_or_else(|| format!("status {status}"), ToString::to_string)
}

/// draft 4.2.2 (MUST): what was given is zeroized.
fn once(session: &mut Session<'_>, id: &KeyId, here: &SystemId) {
    match key_by_id(session, At::Peer, id, here) {
        Ok(read) => session.judge(
            Id::PeerOnce,
            !read.is_success(),
            format!("A second request for a key is refused (status {}).", read.status),
            "A second request for a key is served.",
        ),
        Err(error) => session.skip(Id::PeerOnce, sentence(error.message())),
    }
}

/// First somebody else, who must not get the key; then the right one, who should.
fn binding(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let key = match issue(session, At::Here, there, 256) {
        Ok(key) => key,
        Err(why) => {
            session.skip(Id::PeerBinding, why.as_str());
            return session.skip(Id::PeerPatience, why);
        }
    };
    let listed = session
        .peer_capabilities
        .iter()
        .flat_map(Capabilities::remote_system_ids);
    let another = listed
        .filter_map(|id| SystemId::new(id).ok())
        .find(|id| !id.is_pattern() && id.as_str() != here.as_str());
    let Some(another) = another.or_else(|| SystemId::new("no-such-kp").ok()) else {
        return;
    };
    let wrong = key_by_id(session, At::Peer, key.key_id(), &another);
    let given = match &wrong {
        Ok(read) => read.is_success(),
        Err(error) => {
            session.skip(Id::PeerPatience, sentence(error.message()));
            return session.skip(Id::PeerBinding, sentence(error.message()));
        }
    };
    session.judge(
        Id::PeerBinding,
        !given,
        "A request that names another remote is refused.",
        "A request that names another remote gets the key.",
    );
    if given {
        return session.skip(Id::PeerPatience, "The wrong request got the key.");
    }
    match key_by_id(session, At::Peer, key.key_id(), here) {
        Ok(read) => session.judge(
            Id::PeerPatience,
            read.is_success(),
            "After a wrong request the right one gets the key.",
            format!(
                "After a wrong request the right one is refused (status {}).",
                read.status
            ),
        ),
        Err(error) => session.skip(Id::PeerPatience, sentence(error.message())),
    }
}

fn case(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let key = match issue(session, At::Here, there, 256) {
        Ok(key) => key,
        Err(why) => return session.skip(Id::PeerCase, why),
    };
    let id = key.key_id().as_str();
    let swapped = if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        id.to_ascii_lowercase()
    } else {
        id.to_ascii_uppercase()
    };
    if swapped == id {
        return session.skip(Id::PeerCase, "The keyId has no letters.");
    }
    match KeyId::lenient(&swapped).and_then(|swapped| key_by_id(session, At::Peer, &swapped, here)) {
        Ok(read) => session.judge(
            Id::PeerCase,
            read.is_success(),
            "A keyId in the other case finds the key.",
            format!("A keyId in the other case is refused (status {}).", read.status),
        ),
        Err(error) => session.skip(Id::PeerCase, sentence(error.message())),
    }
}

fn other_direction(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let id = Id::PeerOtherDirection;
    let key = match issue(session, At::Peer, here, 256) {
        Ok(key) => key,
        Err(why) if why == NO_BUDGET => return session.skip(id, why),
        Err(why) => return session.broken(id, format!("The peer makes no key. {why}")),
    };
    match key_by_id(session, At::Here, key.key_id(), there) {
        Ok(read) => match &read.value {
            // compared in constant time
            Some(other) if *other == key => session.pass(id, "A key of the peer is the same here."),
            Some(_) => session.broken(id, "A key of the peer is another one here."),
            None => session.broken(
                id,
                format!("No key came here: {}.", reason(read.error.as_ref(), read.status)),
            ),
        },
        Err(error) => session.broken(id, sentence(error.message())),
    }
}
