//! Keys at the Key Provider that creates them.

use openssl::hash::{MessageDigest, hash};
use openssl::rand::rand_bytes;
use skip_client::{BitLength, Key, KeyId, Request, Secret, SystemId};

use crate::catalogue::{Control, Group, Id};

use super::ask::{key_by_id, new_key, notice};
use super::message::{Read, judge_schema, read_key, told};
use super::pattern;
use super::peer;
use super::session::{At, NotAsked, Session, sentence};

const SIZES: [u64; 5] = [128, 192, 256, 384, 512];
/// Not a number, a fraction of a byte, negative, zero. None is large, since a Key Provider may comply.
const ODD_SIZES: [&str; 4] = ["x", "7", "-1", "0"];
const OF_SIZES: [Id; 2] = [Id::KeySizeKept, Id::KeySizes];
const OF_UNKNOWN: [Id; 2] = [Id::KeyUnknown, Id::KeyUnknownStatus];

/// The first key, plus those that each probe may create.
pub(super) fn most_keys(checks: &[Id]) -> u32 {
    let wanted = |ids: &[Id]| ids.iter().any(|id| checks.contains(id));
    let sizes = wanted(&OF_SIZES) || wanted(&[Id::KeyOddSizes, Id::KeyParameters]);
    let parts = [
        (wants_keys(checks), 1),
        (sizes, 5),
        (wanted(&[Id::KeyOddSizes]), 4),
        (wanted(&[Id::KeyParameters]), 1),
        (wanted(&[Id::KeyRemoteNeeded]), 2),
        (wanted(&[Id::KeyRemotePattern]), pattern::MOST_KEYS),
    ];
    parts.iter().filter(|(wanted, _)| *wanted).map(|(_, keys)| keys).sum()
}

/// Whether any key is needed.
fn wants_keys(checks: &[Id]) -> bool {
    let needs = |id: &Id| {
        matches!(id.group(), Group::Key | Group::Peer)
            || matches!(
                id,
                Id::KeyIdDistinct | Id::KeyDistinct | Id::KeyStatistics | Id::Parallel10 | Id::Parallel100
            )
    };
    checks.iter().any(needs)
}

/// Returns whether keys are served.
pub(super) fn run(session: &mut Session<'_>) -> bool {
    if !wants_keys(&session.examination().checks()) {
        return false;
    }
    let Some(name) = remote(session) else {
        without_keys(
            session,
            "The remote to request keys for is unknown: the capabilities list no plain id. Name one.",
        );
        return false;
    };
    session.report().remote = Some(name.clone());
    let remote = match SystemId::new(&name) {
        Ok(remote) if !remote.is_pattern() => remote,
        _ => {
            without_keys(session, "Keys for this remote cannot be requested.");
            return false;
        }
    };
    let first = first_key(session, &remote);
    if !session.has(Control::Key) {
        session.lose(Control::Key, "No key was returned (key-new).");
        let why = session.why_not(Control::Key).unwrap_or_default();
        without_keys(session, &why);
        return false;
    }
    let needs_sizes = session.wants(&OF_SIZES) || session.wants(&[Id::KeyOddSizes, Id::KeyParameters]);
    if needs_sizes {
        sizes(session, &remote);
    }
    if session.begins(&[Id::KeyOddSizes]) {
        odd_sizes(session, &remote);
    }
    if session.begins(&[Id::KeyParameters]) {
        parameters(session, &remote);
    }
    if session.begins(&[Id::KeyRemoteNeeded]) {
        remote_needed(session, &remote);
    }
    if session.is_broken(Id::KeyRemoteNeeded) {
        session.skip(
            Id::KeyRemotePattern,
            "Remotes that are not in the list are served (key-remote-needed).",
        );
    }
    if session.begins(&[Id::KeyRemotePattern]) {
        pattern::run(session, &remote);
    }
    // a refusal by keyId proves something only if a good keyId is served
    if session.seen.keys() == 0 {
        // the reason is reported already
        let why = "No usable key was returned.";
        session.lose(Control::KeyById, why);
        session.lose(Control::PeerKey, why);
    } else if session.wants(&[
        Id::KeyIssuer,
        Id::KeyUnknown,
        Id::KeyUnknownStatus,
        Id::PeerOtherDirection,
    ]) {
        peer::other_direction(session, &remote);
    }
    if session.wants(&[Id::KeyIssuer]) {
        match &first {
            Some(first) => issuer(session, first.key_id(), &remote),
            None => session.skip(Id::KeyIssuer, "No usable key was returned."),
        }
    }
    if session.wants(&OF_UNKNOWN) {
        unknown(session, &remote);
    }
    session.skip_rest(Group::Key, "No usable key was returned.");
    session.seen.keys() > 0
}

/// Skips everything else about keys.
fn without_keys(session: &mut Session<'_>, why: &str) {
    for control in [Control::Key, Control::SizedKey, Control::KeyById, Control::PeerKey] {
        session.lose(control, why);
    }
    session.skip_rest(Group::Key, why);
}

/// The remote to request keys for.
pub(super) fn remote(session: &Session<'_>) -> Option<String> {
    if let Some(given) = &session.examination().remote {
        return Some(given.as_str().to_owned());
    }
    if let Some(peer) = &session.peer_capabilities {
        return Some(peer.local_system_id().to_owned());
    }
    let listed = session.capabilities.as_ref()?.remote_system_ids();
    listed
        .iter()
        .find(|id| SystemId::new(id).is_ok_and(|id| !id.is_pattern()))
        .cloned()
}

fn first_key(session: &mut Session<'_>, remote: &SystemId) -> Option<Key> {
    let request = Request::new_key(remote, None).ok()?;
    let (reply, read) = match new_key(session, At::Here, &request) {
        Ok(came) => came,
        Err(NotAsked::NoKeys(why)) => {
            session.lose(Control::Key, why);
            return None;
        }
        Err(NotAsked::Failed(error)) => {
            session.broken_with(Id::KeyNew, sentence(error.message()), &session.hint(&error));
            session.lose(Control::Key, format!("No key came: {}.", error.message()));
            session.skip(Id::CapabilitiesKeyFlag, "GET /key was not answered.");
            return None;
        }
    };
    flag(session, read.status);
    if !read.is_success() {
        let error = read.error.as_ref();
        session.lose(
            Control::Key,
            format!("No key was returned: GET /key is answered with status {}.", read.status),
        );
        let offers = session
            .capabilities
            .as_ref()
            .map(skip_client::Capabilities::supports_key);
        if offers == Some(false) {
            session.skip(Id::KeyNew, "The Key Provider does not offer keys, and says so.");
        } else if session.is_broken(Id::CapabilitiesKeyFlag) {
            session.skip(Id::KeyNew, "GET /key is not supported (capabilities-key-flag).");
        } else {
            session.broken_with(
                Id::KeyNew,
                error.map(|error| sentence(error.message())).unwrap_or_default(),
                &error.map(|error| session.hint(error)).unwrap_or_default(),
            );
        }
        return None;
    }
    session.establish(Control::Key);
    session.pass(Id::KeyNew, "GET /key was answered with status 200.");
    schema(session, &read);
    let no_store = reply
        .cache_control
        .as_deref()
        .is_some_and(|value| value.to_ascii_lowercase().contains("no-store"));
    session.judge(
        Id::KeyCache,
        no_store,
        "The reply says Cache-Control: no-store.",
        "The reply does not say Cache-Control: no-store.",
    );
    if read.has_wrong_size() {
        let message = read
            .error
            .as_ref()
            .map(|error| sentence(error.message()))
            .unwrap_or_default();
        session.broken(Id::KeyDefaultSize, message);
    }
    let key = read.value?;
    let bits = key.bits();
    session.judge(
        Id::KeyDefaultSize,
        bits == BitLength::DEFAULT.bits(),
        "The key has 256 bits.",
        format!("The key has {bits} bits."),
    );
    let digits = key.key_id().as_str().len();
    session.judge(
        Id::KeyIdLength,
        digits == 32,
        "The keyId has 32 digits.",
        format!(
            "The keyId has {digits} characters{}.",
            if digits > 64 { ", more than libreswan takes" } else { "" }
        ),
    );
    independence(session, &key);
    Some(key)
}

fn flag(session: &mut Session<'_>, status: u16) {
    let offers = session
        .capabilities
        .as_ref()
        .map(skip_client::Capabilities::supports_key);
    judge_flag(session, Id::CapabilitiesKeyFlag, "GET /key", offers, status);
}

/// A flag is wrong if an unadvertised method exists, or an advertised one does not. A temporary failure proves neither.
pub(super) fn judge_flag(session: &mut Session<'_>, id: Id, method: &str, offers: Option<bool>, status: u16) {
    let Some(offers) = offers else {
        return session.skip(id, "The capabilities cannot be read.");
    };
    let absent = matches!(status, 404 | 405 | 501);
    let message = format!("It is {offers}, and {method} is answered with status {status}.");
    match (offers, status) {
        (true, 200) => session.pass(id, message),
        (false, 200) => session.broken(id, message),
        (true, _) if absent => session.broken(id, message),
        (false, _) if absent => session.pass(id, message),
        _ => session.skip(id, format!("{message} This shows neither.")),
    }
}

fn schema(session: &mut Session<'_>, read: &Read<Key>) {
    judge_schema(
        session,
        Id::KeySchema,
        read,
        &read.errors(false),
        "keyId and key are present, as strings.",
    );
    let errors = read.errors(true);
    if read.value.is_none() && errors.is_empty() && !read.is_weak() && !read.has_wrong_size() {
        return session.skip(Id::KeyHex, "The reply cannot be read.");
    }
    let message = sentence(&told(&errors));
    session.judge(
        Id::KeyHex,
        errors.is_empty(),
        "keyId and key are hexadecimal, of even length.",
        message,
    );
}

/// The keyId is public, so the key must not be computable from it.
fn independence(session: &mut Session<'_>, key: &Key) {
    let secret = key.secret();
    let text = key.key_id().as_str().as_bytes();
    let octets = key.key_id().octets().unwrap_or_default();
    // compares the common length in constant time; a few bytes can be equal by chance
    let same = |one: &[u8], other: &[u8]| {
        let length = one.len().min(other.len());
        length >= 8 && Secret::copy_of(&one[..length]) == Secret::copy_of(&other[..length])
    };
    let hashes = [
        MessageDigest::md5(),
        MessageDigest::sha1(),
        MessageDigest::sha224(),
        MessageDigest::sha256(),
        MessageDigest::sha384(),
        MessageDigest::sha512(),
        MessageDigest::sha3_256(),
        MessageDigest::sha3_512(),
    ];
    let mut reversed = octets.clone();
    reversed.reverse();
    let complement: Vec<u8> = octets.iter().map(|byte| !byte).collect();
    let mut from_id: Vec<Vec<u8>> = vec![octets.clone(), text.to_vec(), reversed, complement];
    let mut to_id: Vec<Vec<u8>> = Vec::new();
    for digest in hashes {
        for source in [
            &octets[..],
            text,
            &text.to_ascii_lowercase(),
            &text.to_ascii_uppercase(),
        ] {
            from_id.extend(hash(digest, source).map(|sum| sum.to_vec()));
        }
        to_id.extend(hash(digest, secret.expose()).map(|sum| sum.to_vec()));
    }
    session.judge(
        Id::KeyIdIndependent,
        !from_id.iter().any(|made| same(made, secret.expose())),
        format!(
            "The key is not the keyId, its reverse or complement, nor one of {} of its hashes.",
            hashes.len()
        ),
        "The key is the keyId, or a simple function of it.",
    );
    session.judge(
        Id::KeyIdHash,
        !to_id.iter().any(|made| same(made, &octets)),
        format!("The keyId is none of {} hashes of the key.", hashes.len()),
        "The keyId is a hash of the key.",
    );
}

/// draft 4.2.2 (MUST): a key is zeroized once given. The peer fetches other keys, so asking costs nothing.
fn issuer(session: &mut Session<'_>, id: &KeyId, remote: &SystemId) {
    let peer = session.examination().peer.as_ref();
    if peer.is_some_and(|peer| peer.url() == session.probe().url()) {
        let why = "The peer is the same Key Provider, which may hand out the key to the other encryptor.";
        return session.skip(Id::KeyIssuer, why);
    }
    match key_by_id(session, At::Here, id, remote) {
        Ok(read) if read.is_success() => session.broken(Id::KeyIssuer, "The issuer hands out its key again."),
        Ok(read) if (400..500).contains(&read.status) => session.pass(
            Id::KeyIssuer,
            format!("The issuer refuses to hand out its key again (status {}).", read.status),
        ),
        // draft Table 7: an internal error is not a refusal
        Ok(read) => session.skip(
            Id::KeyIssuer,
            format!(
                "The issuer answers with status {}, which is not a refusal.",
                read.status
            ),
        ),
        Err(error) => session.skip(Id::KeyIssuer, sentence(error.message())),
    }
}

fn sizes(session: &mut Session<'_>, remote: &SystemId) {
    let (mut kept, mut served, mut refused, mut unread) = (true, Vec::new(), Vec::new(), false);
    let mut wrong = String::new();
    for bits in SIZES {
        let Ok(request) = BitLength::new(bits).and_then(|size| Request::new_key(remote, Some(size))) else {
            continue;
        };
        match new_key(session, At::Here, &request) {
            Ok((_, read)) if read.has_wrong_size() => {
                kept = false;
                wrong = read
                    .error
                    .as_ref()
                    .map(|error| sentence(error.message()))
                    .unwrap_or_default();
            }
            Ok((_, read)) if read.value.is_some() => {
                session.establish(Control::SizedKey);
                if session.served_size != Some(BitLength::DEFAULT.bits().into()) {
                    session.served_size = Some(bits);
                }
                served.push(bits.to_string());
            }
            Ok((_, read)) if read.is_success() => unread = true,
            Ok((_, read)) => refused.push(format!("{bits} ({})", read.status)),
            Err(NotAsked::Failed(error)) => refused.push(format!("{bits} ({error})")),
            Err(NotAsked::NoKeys(why)) => {
                session.skip(Id::KeySizes, why);
                break;
            }
        }
    }
    session.lose(
        Control::SizedKey,
        "No key of a requested size was returned (key-sizes, key-size-kept).",
    );
    if !kept {
        session.broken(Id::KeySizeKept, wrong);
    } else if served.is_empty() {
        session.skip(Id::KeySizeKept, "No key of a requested size was returned.");
    } else {
        session.pass(
            Id::KeySizeKept,
            format!("Keys of {} bits had that size.", served.join(", ")),
        );
    }
    if refused.is_empty() && (unread || !kept) {
        return session.skip(Id::KeySizes, "Keys were returned, but none of them was usable.");
    }
    session.judge(
        Id::KeySizes,
        refused.is_empty(),
        "All of them are served.",
        format!("Not served: {}.", refused.join(", ")),
    );
}

fn odd_sizes(session: &mut Session<'_>, remote: &SystemId) {
    let Ok(any) = Request::new_key(remote, None) else {
        return;
    };
    for size in ODD_SIZES {
        let target = format!("{}&size={size}", any.target());
        let answer = match session.ask_key(At::Here, "GET", &target, &format!("/key with size={size}")) {
            Ok(reply) => {
                notice(session, &read_key(&any, &reply));
                let status = reply.response.status;
                if (400..500).contains(&status) {
                    continue;
                }
                format!("status {status}")
            }
            Err(NotAsked::Failed(error)) => error.message().to_owned(),
            Err(NotAsked::NoKeys(why)) => return session.skip(Id::KeyOddSizes, why),
        };
        // the first one is proof enough
        return session.broken(Id::KeyOddSizes, format!("size={size} is not refused ({answer})."));
    }
    session.pass(Id::KeyOddSizes, format!("Refused: size={}.", ODD_SIZES.join(", ")));
}

fn parameters(session: &mut Session<'_>, remote: &SystemId) {
    let size = session.served_size.and_then(|bits| BitLength::new(bits).ok());
    let Ok(request) = Request::new_key(remote, size) else {
        return;
    };
    // the same parameters in reverse order
    let swapped = request.target().split_once('?').and_then(|(path, query)| {
        let (first, second) = query.split_once('&')?;
        Some(format!("{path}?{second}&{first}"))
    });
    let Some(target) = swapped else {
        return session.skip(Id::KeyParameters, "No key of a requested size was returned.");
    };
    match session.ask_key(At::Here, "GET", &target, "/key with the size first") {
        Ok(reply) => {
            let read = read_key(&request, &reply);
            notice(session, &read);
            session.judge(
                Id::KeyParameters,
                read.is_success(),
                "The size may come before the remote.",
                format!("With the size before the remote the status is {}.", read.status),
            );
        }
        Err(NotAsked::Failed(error)) => session.broken(Id::KeyParameters, sentence(error.message())),
        Err(NotAsked::NoKeys(why)) => session.skip(Id::KeyParameters, why),
    }
}

fn remote_needed(session: &mut Session<'_>, remote: &SystemId) {
    const UNKNOWN: &str = "no-such-kp";
    let mut targets = vec![("without a remote", "/key".to_owned())];
    if session
        .capabilities
        .as_ref()
        .is_some_and(|found| !found.matches_remote(UNKNOWN))
    {
        targets.push(("with an unknown remote", format!("/key?remoteSystemID={UNKNOWN}")));
    }
    let Ok(any) = Request::new_key(remote, None) else {
        return;
    };
    let mut wrong = Vec::new();
    for (how, target) in &targets {
        match session.ask_key(At::Here, "GET", target, &format!("/key {how}")) {
            Ok(reply) => {
                notice(session, &read_key(&any, &reply));
                if !(400..500).contains(&reply.response.status) {
                    wrong.push(format!("{how} the status is {}", reply.response.status));
                    break;
                }
            }
            Err(NotAsked::Failed(error)) => wrong.push(format!("{how}: {error}")),
            Err(NotAsked::NoKeys(why)) => return session.skip(Id::KeyRemoteNeeded, why),
        }
    }
    let tried: Vec<&str> = targets.iter().map(|(how, _)| *how).collect();
    session.judge(
        Id::KeyRemoteNeeded,
        wrong.is_empty(),
        format!("A request is refused {}.", tried.join(", and ")),
        sentence(&wrong.join("; ")),
    );
}

/// Requests keyIds that were never issued, and some that are invalid.
fn unknown(session: &mut Session<'_>, remote: &SystemId) {
    let mut random = [0; 16];
    if rand_bytes(&mut random).is_err() {
        let why = "No random number for a keyId is available.";
        for id in OF_UNKNOWN {
            session.skip(id, why);
        }
        return;
    }
    let unknown = base16ct::lower::encode_string(&random);
    let Ok(any) = Request::new_key(remote, None) else {
        return;
    };
    let query = any.target().split_once('?').map_or("", |(_, query)| query);
    let (mut given, mut other, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (what, id) in [
        ("unknown", unknown.as_str()),
        ("odd", &unknown[..31]),
        ("not hexadecimal", "no-such-key"),
    ] {
        let target = format!("/key/{id}?{query}");
        match session.ask(At::Here, "GET", &target, &format!("/key/{{keyId}} ({what})")) {
            Ok(reply) => match reply.response.status {
                400 => {}
                200 => given.push(what),
                status => other.push(format!("{what}: {status}")),
            },
            Err(error) => lost.push(format!("{what}: {}", error.message())),
        }
    }
    if !given.is_empty() {
        let message = format!("A key is returned for a keyId that is {}.", given.join(", "));
        session.broken(Id::KeyUnknown, message);
        return session.skip(Id::KeyUnknownStatus, "They are not refused (key-unknown).");
    }
    if !lost.is_empty() {
        let why = sentence(&lost.join("; "));
        for id in OF_UNKNOWN {
            session.skip(id, why.as_str());
        }
        return;
    }
    session.pass(Id::KeyUnknown, "Unknown and malformed keyIds are refused.");
    // if a good keyId gets the same response, it is reported there
    let tried = session.examination().peer.is_some() && session.why_not(Control::KeyById).is_some();
    if other.is_empty() || tried {
        session.pass(Id::KeyUnknownStatus, "The status is 400.");
    } else {
        session.broken(Id::KeyUnknownStatus, format!("Instead of 400: {}.", other.join("; ")));
    }
}
