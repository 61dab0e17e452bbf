//! The same keys at the peer.

use skip_client::{BitLength, Capabilities, Error, ErrorCode, Key, KeyId, Request, SystemId};

use crate::catalogue::{Control, Group, Id};

use super::ask::{key_by_id, new_key};
use super::capabilities;
use super::pattern;
use super::session::{At, NotAsked, Session, sentence};

const SIZES: [u64; 3] = [128, 256, 512];
const OF_SAME_KEYS: [Id; 3] = [Id::PeerSameKey, Id::PeerKeyId, Id::PeerOnce];
const OF_WRONG_REMOTE: [Id; 2] = [Id::PeerBinding, Id::PeerPatience];

/// The sizes, a wrong remote, the other case, the other direction.
pub(super) fn most_keys(checks: &[Id]) -> u32 {
    let of_peer = checks.iter().any(|id| id.group() == Group::Peer);
    let of_id = [Id::KeyIssuer, Id::KeyUnknown, Id::KeyUnknownStatus]
        .iter()
        .any(|id| checks.contains(id));
    if of_peer { 3 + 1 + 1 + 1 } else { u32::from(of_id) }
}

/// Connects and requests the capabilities; the keys come later.
pub(super) fn connect(session: &mut Session<'_>) {
    let connected = session.connect(At::Peer).and_then(|mut connection| {
        let deadlines = session.deadlines(At::Peer);
        match connection.send("GET", "/capabilities", &deadlines) {
            Err(error) if matches!(error.code(), ErrorCode::TlsFailed | ErrorCode::ConnectFailed) => Err(error),
            _ => Ok(connection),
        }
    });
    match connected {
        Ok(connection) => {
            session.establish(Control::Peer);
            let info = connection.info();
            let message = format!(
                "Connected to {}: {}, {}.",
                info.address, info.tls_version, info.cipher_suite
            );
            session.pass(Id::PeerConnect, message);
            capabilities::of_peer(session);
        }
        Err(error) => {
            session.broken_with(Id::PeerConnect, sentence(error.message()), &session.hint(&error));
            let why = "There is no connection to the peer (peer-connect).";
            session.lose(Control::Peer, why);
            session.lose(Control::KeyById, why);
            session.lose(Control::PeerKey, why);
            session.skip_rest(Group::Peer, why);
        }
    }
}

pub(super) fn run(session: &mut Session<'_>) {
    if !session.wants_any_of(Group::Peer) {
        return;
    }
    let no_keys = session.why_not(Control::Key);
    let here = session
        .capabilities
        .as_ref()
        .and_then(|here| SystemId::new(here.local_system_id()).ok());
    let there = session
        .report()
        .remote
        .clone()
        .and_then(|remote| SystemId::new(&remote).ok());
    if let Some(why) = session.why_not(Control::PeerKey) {
        return session.skip_rest(Group::Peer, &why);
    }
    let (Some(here), Some(there), None) = (here, there, &no_keys) else {
        let why = no_keys.unwrap_or_else(|| "The Key Provider has no localSystemID to use at the peer.".into());
        session.lose(Control::PeerKey, why.as_str());
        return session.skip_rest(Group::Peer, &why);
    };
    // the key of the first size is the control for everything that follows
    same_keys(session, &here, &there);
    if session.begins(&OF_WRONG_REMOTE) {
        wrong_remote(session, &here, &there);
    }
    if session.begins(&[Id::PeerCase]) {
        case(session, &here, &there);
    }
    session.skip_rest(Group::Peer, "The peer returned no key.");
}

/// A fresh key from one end.
fn issue(session: &mut Session<'_>, at: At, remote: &SystemId, bits: u64) -> Result<Key, String> {
    let request = BitLength::new(bits).and_then(|size| Request::new_key(remote, Some(size)));
    let request = request.map_err(|error| sentence(error.message()))?;
    match new_key(session, at, &request) {
        Ok((_, read)) => match (read.value, read.error) {
            (Some(key), _) => Ok(key),
            (None, error) => Err(error.map(|error| sentence(error.message())).unwrap_or_default()),
        },
        Err(NotAsked::NoKeys(why)) => Err(why),
        Err(NotAsked::Failed(error)) => Err(sentence(error.message())),
    }
}

fn same_keys(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let (mut same, mut refused, mut last) = (Vec::new(), Vec::new(), None);
    for bits in SIZES {
        let key = match issue(session, At::Here, there, bits) {
            Ok(key) => key,
            Err(why) => {
                session.lose(Control::PeerKey, format!("No key to request from the peer: {why}"));
                continue;
            }
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
                    session.establish(Control::PeerKey);
                    last = Some(key);
                }
            }
            Err(error) => refused.push(format!("{bits} bits: {}", error.message())),
        }
    }
    if let Some(key) = last {
        if same.is_empty() {
            session.skip(
                Id::PeerSameKey,
                "The reply does not name the keyId, so its key was not compared.",
            );
        }
        session.pass(Id::PeerKeyId, "The replies have the requested keyId.");
        if session.wants(&[Id::PeerOnce]) {
            once(session, key.key_id(), here);
        }
    }
    if !refused.is_empty() {
        let message = format!("The peer returns no key: {}.", refused.join("; "));
        session.broken(Id::PeerSameKey, message);
    } else if !same.is_empty() {
        let message = format!("Keys of {} bits are equal at both ends.", same.join(", "));
        session.pass(Id::PeerSameKey, message);
    }
    session.lose(Control::PeerKey, "The peer returned no key (peer-same-key).");
    session.begins(&OF_SAME_KEYS[1..]);
}

fn reason(error: Option<&Error>, status: u16) -> String {
    error.map_or_else(|| format!("status {status}"), ToString::to_string)
}

/// draft 4.2.2 (MUST): a key is zeroized once given.
fn once(session: &mut Session<'_>, id: &KeyId, here: &SystemId) {
    match key_by_id(session, At::Peer, id, here) {
        Ok(read) if read.is_success() => session.broken(Id::PeerOnce, "A second request for a key is served."),
        Ok(read) if (400..500).contains(&read.status) => session.pass(
            Id::PeerOnce,
            format!("A second request for a key is refused (status {}).", read.status),
        ),
        Ok(read) => session.skip(
            Id::PeerOnce,
            format!("A second request gets status {}, which is not a refusal.", read.status),
        ),
        Err(error) => session.skip(Id::PeerOnce, sentence(error.message())),
    }
}

/// First another remote, which must not get the key; then the right one, which should.
fn wrong_remote(session: &mut Session<'_>, here: &SystemId, there: &SystemId) {
    let skip = |session: &mut Session<'_>, why: &str| OF_WRONG_REMOTE.iter().for_each(|id| session.skip(*id, why));
    let key = match issue(session, At::Here, there, 256) {
        Ok(key) => key,
        Err(why) => return skip(session, &why),
    };
    // an unlisted remote is refused for that reason, whether keys are bound or not
    let listed = another_remote(session, here);
    let is_listed = listed.is_some();
    let Some(another) = listed.or_else(|| SystemId::new("no-such-kp").ok()) else {
        return;
    };
    let wrong = match key_by_id(session, At::Peer, key.key_id(), &another) {
        Ok(read) => read,
        Err(error) => return skip(session, &sentence(error.message())),
    };
    if wrong.is_success() {
        session.broken(Id::PeerBinding, "A request that names another remote gets the key.");
        return session.skip(Id::PeerPatience, "The wrong request got the key (peer-binding).");
    }
    match key_by_id(session, At::Peer, key.key_id(), here) {
        Ok(right) => {
            if !is_listed {
                session.skip(
                    Id::PeerBinding,
                    "The peer lists only one remote, and refuses all others whether or not keys are bound.",
                );
            } else if (400..500).contains(&wrong.status) {
                let message = format!(
                    "A request that names another remote is refused (status {}).",
                    wrong.status
                );
                session.pass(Id::PeerBinding, message);
            } else {
                let message = format!("Another remote gets status {}, which is not a refusal.", wrong.status);
                session.skip(Id::PeerBinding, message);
            }
            session.judge(
                Id::PeerPatience,
                right.is_success(),
                "After a wrong request the right one gets the key.",
                format!(
                    "After a wrong request the right one is refused (status {}).",
                    right.status
                ),
            );
        }
        Err(error) => skip(session, &sentence(error.message())),
    }
}

/// A remote listed by the peer that is not this Key Provider.
fn another_remote(session: &Session<'_>, here: &SystemId) -> Option<SystemId> {
    let mut listed = session
        .peer_capabilities
        .iter()
        .flat_map(Capabilities::remote_system_ids);
    listed.find_map(|entry| {
        let id = SystemId::new(entry).ok()?;
        let plain = if id.is_pattern() {
            SystemId::new(&pattern::instance(entry)?).ok()?
        } else {
            id
        };
        (plain.as_str() != here.as_str()).then_some(plain)
    })
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
    let status = match KeyId::lenient(&swapped).and_then(|swapped| key_by_id(session, At::Peer, &swapped, here)) {
        Ok(read) if read.is_success() => return session.pass(Id::PeerCase, "A keyId in the other case finds the key."),
        Ok(read) => read.status,
        Err(error) => return session.skip(Id::PeerCase, sentence(error.message())),
    };
    match key_by_id(session, At::Peer, key.key_id(), here) {
        Ok(read) if read.is_success() => session.broken(
            Id::PeerCase,
            format!("A keyId in the other case is refused (status {status}), but not as received."),
        ),
        Ok(read) => session.skip(
            Id::PeerCase,
            format!(
                "The keyId is refused in the other case (status {status}) and as received (status {}).",
                read.status
            ),
        ),
        Err(error) => session.skip(Id::PeerCase, sentence(error.message())),
    }
}

/// One of the peer's keys, fetched here. Also shows that a good keyId is served here.
pub(super) fn other_direction(session: &mut Session<'_>, there: &SystemId) {
    let id = Id::PeerOtherDirection;
    if session.examination().peer.is_none() {
        return session.lose(
            Control::KeyById,
            "A refusal proves nothing unless a good keyId is served, which requires a key of the peer (--peer).",
        );
    }
    if !session.has(Control::Peer) {
        return session.lose(Control::KeyById, "There is no connection to the peer (peer-connect).");
    }
    let here = session
        .capabilities
        .as_ref()
        .and_then(|here| SystemId::new(here.local_system_id()).ok());
    let Some(here) = here else {
        return session.lose(
            Control::KeyById,
            "The Key Provider has no localSystemID to use at the peer.",
        );
    };
    let key = match issue(session, At::Peer, &here, 256) {
        Ok(key) => key,
        Err(why) => {
            session.lose(
                Control::KeyById,
                format!("The peer creates no key (peer-other-direction). {why}"),
            );
            if why == super::session::NO_BUDGET {
                session.skip(id, why);
            } else {
                session.broken(id, format!("The peer creates no key. {why}"));
            }
            return;
        }
    };
    match key_by_id(session, At::Here, key.key_id(), there) {
        Ok(read) => match &read.value {
            // compared in constant time
            Some(other) if *other == key => {
                session.establish(Control::KeyById);
                session.pass(id, "A key created at the peer is the same here.");
            }
            Some(_) => session.broken(id, "A key created at the peer is different here."),
            None => session.broken(
                id,
                format!(
                    "No key was returned here: {}.",
                    reason(read.error.as_ref(), read.status)
                ),
            ),
        },
        Err(error) => session.broken(id, sentence(error.message())),
    }
    session.lose(
        Control::KeyById,
        "No key of the peer was returned here (peer-other-direction).",
    );
}
