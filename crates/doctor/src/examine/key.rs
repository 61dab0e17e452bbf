//! Keys at the Key Provider that makes them.

use openssl::hash::{MessageDigest, hash};
use openssl::rand::rand_bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use skip_client::{BitLength, Error, Key, KeyId, ProbeReply, Request, Secret, SystemId};

use crate::catalogue::{Group, Id};

use super::message::{Read, judge_schema, read_key, told};
use super::session::{At, NotAsked, Session, sentence};

const SIZES: [u64; 5] = [128, 192, 256, 384, 512];
/// A fraction of a byte, nothing, less than nothing, far too much, and no number.
const ODD_SIZES: [&str; 5] = ["0", "7", "-1", "4294967296", "x"];
/// The default, the sizes, the odd sizes, another order, a missing and an unknown remote.
pub(super) const MOST_KEYS: u32 = 1 + 5 + 5 + 1 + 2;
pub(super) const NO_BUDGET: &str = "The budget of keys is used up.";

/// What the other groups need to know of the first key.
pub(super) struct Sample {
    pub remote: SystemId,
}

/// `None` when no key came.
pub(super) fn run(session: &mut Session<'_>) -> Option<Sample> {
    let Some(name) = remote(session) else {
        skip_all(
            session,
            "Nothing says which remote to ask a key for: the capabilities list no single id. Name one.",
        );
        return None;
    };
    session.report().remote = Some(name.clone());
    let remote = match SystemId::new(&name) {
        Ok(remote) if !remote.is_pattern() => remote,
        _ => {
            skip_all(session, "The remote cannot be asked for.");
            return None;
        }
    };
    let first = first_key(session, &remote);
    unknown(session, &remote);
    // what came, but cannot be used, may be better with a size
    if !session.is_done(Id::KeySchema) {
        session.skip_rest(Group::Key, "No key came.");
        return None;
    }
    if let Some(first) = first {
        issuer(session, first.key_id(), &remote);
    }
    sizes(session, &remote);
    odd_sizes(session, &remote);
    parameters(session, &remote);
    remote_needed(session, &remote);
    session.skip_rest(Group::Key, "No key came that could be used.");
    (session.seen.keys() > 0).then_some(Sample { remote })
}

fn skip_all(session: &mut Session<'_>, why: &str) {
    session.skip(Id::CapabilitiesKeyFlag, why);
    session.skip_rest(Group::Key, why);
}

/// Whose keys to ask for.
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

/// A fresh key, noted among those that were seen.
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

fn notice(session: &mut Session<'_>, read: &Read<Key>) {
    session.seen.weak_key |= read.is_weak();
    if let Some(key) = &read.value {
        session.seen.key(key.key_id().as_str(), key.secret());
    }
}

/// The key of a keyId, which is in no evidence.
pub(super) fn key_by_id(session: &mut Session<'_>, at: At, id: &KeyId, remote: &SystemId) -> Result<Read<Key>, Error> {
    let request = Request::key_by_id(id, remote)?;
    let started = std::time::Instant::now();
    let reply = session.ask(at, "GET", request.target(), "/key/{keyId}")?;
    session.sample("key by keyId", started.elapsed());
    Ok(read_key(&request, &reply))
}

fn first_key(session: &mut Session<'_>, remote: &SystemId) -> Option<Key> {
    let request = Request::new_key(remote, None).ok()?;
    let (reply, read) = match new_key(session, At::Here, &request) {
        Ok(came) => came,
        Err(NotAsked::Budget) => {
            skip_all(session, NO_BUDGET);
            return None;
        }
        Err(NotAsked::Failed(error)) => {
            session.broken_with(Id::KeyNew, sentence(error.message()), error.hint());
            session.skip(Id::CapabilitiesKeyFlag, "GET /key was not answered.");
            return None;
        }
    };
    flag(session, read.status);
    if !read.is_success() {
        let error = read.error.as_ref();
        session.broken_with(
            Id::KeyNew,
            error.map(|error| sentence(error.message())).unwrap_or_default(),
            error.map(Error::hint).unwrap_or_default(),
        );
        return None;
    }
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
    let Some(offers) = session
        .capabilities
        .as_ref()
        .map(skip_client::Capabilities::supports_key)
    else {
        return session.skip(Id::CapabilitiesKeyFlag, "The capabilities cannot be read.");
    };
    judge_flag(session, Id::CapabilitiesKeyFlag, "GET /key", offers, status);
}

/// A flag lies when the method is there in spite of it, or is not there at all; that it fails now is no lie.
pub(super) fn judge_flag(session: &mut Session<'_>, id: Id, method: &str, offers: bool, status: u16) {
    let absent = matches!(status, 404 | 405 | 501);
    let lies = if offers { absent } else { status == 200 };
    session.judge(
        id,
        !lies,
        format!("It is {offers}, and {method} answers with {status}."),
        format!("It is {offers}, but {method} answers with {status}."),
    );
}

fn schema(session: &mut Session<'_>, read: &Read<Key>) {
    judge_schema(
        session,
        Id::KeySchema,
        read,
        &read.errors(false),
        "keyId and key are there, as texts.",
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

/// Everybody sees the keyId, so nothing that can be computed from it may be the key.
fn independence(session: &mut Session<'_>, key: &Key) {
    let secret = key.secret();
    let text = key.key_id().as_str().as_bytes();
    let octets = key.key_id().octets().unwrap_or_default();
    // equal in constant time for as much of both as there is; a few bytes can be equal by chance
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

/// draft 4.2.2 (MUST): what was given is zeroized. The peer fetches other keys, so nothing is lost by asking.
fn issuer(session: &mut Session<'_>, id: &KeyId, remote: &SystemId) {
    match key_by_id(session, At::Here, id, remote) {
        Ok(read) => session.judge(
            Id::KeyIssuer,
            !read.is_success(),
            format!("The issuer refuses to give its key again (status {}).", read.status),
            "The issuer gives its key again.",
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
            Ok((_, read)) if read.value.is_some() => served.push(bits.to_string()),
            Ok((_, read)) if read.is_success() => unread = true,
            Ok((_, read)) => refused.push(format!("{bits} ({})", read.status)),
            Err(NotAsked::Failed(error)) => refused.push(format!("{bits} ({error})")),
            Err(NotAsked::Budget) => {
                session.skip(Id::KeySizes, NO_BUDGET);
                break;
            }
        }
    }
    if !kept {
        session.broken(Id::KeySizeKept, wrong);
    } else if served.is_empty() {
        session.skip(Id::KeySizeKept, "No key of a given size came.");
    } else {
        session.pass(
            Id::KeySizeKept,
            format!("Keys of {} bits had that size.", served.join(", ")),
        );
    }
    if refused.is_empty() && (unread || !kept) {
        return session.skip(Id::KeySizes, "Keys came, but none that could be used.");
    }
    session.judge(
        Id::KeySizes,
        refused.is_empty(),
        "All of them are served.",
        format!("Not served: {}.", refused.join(", ")),
    );
}

fn odd_sizes(session: &mut Session<'_>, remote: &SystemId) {
    let encoded = utf8_percent_encode(remote.as_str(), NON_ALPHANUMERIC).to_string();
    let mut odd = Vec::new();
    let Ok(any) = Request::new_key(remote, None) else {
        return;
    };
    for size in ODD_SIZES {
        let target = format!("/key?remoteSystemID={encoded}&size={size}");
        match session.ask_key(At::Here, "GET", &target, &format!("/key with size={size}")) {
            Ok(reply) => {
                notice(session, &read_key(&any, &reply));
                if !(400..500).contains(&reply.response.status) {
                    odd.push(format!("{size} (status {})", reply.response.status));
                }
            }
            Err(NotAsked::Failed(error)) => odd.push(format!("{size} ({error})")),
            Err(NotAsked::Budget) => return session.skip(Id::KeyOddSizes, NO_BUDGET),
        }
    }
    session.judge(
        Id::KeyOddSizes,
        odd.is_empty(),
        format!("Refused: size={}.", ODD_SIZES.join(", ")),
        format!("Not refused: {}.", odd.join(", ")),
    );
}

fn parameters(session: &mut Session<'_>, remote: &SystemId) {
    let encoded = utf8_percent_encode(remote.as_str(), NON_ALPHANUMERIC).to_string();
    let target = format!("/key?size=256&remoteSystemID={encoded}");
    let Ok(request) = Request::new_key(remote, BitLength::new(256).ok()) else {
        return;
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
        Err(NotAsked::Budget) => session.skip(Id::KeyParameters, NO_BUDGET),
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
                }
            }
            Err(NotAsked::Failed(error)) => wrong.push(format!("{how}: {error}")),
            Err(NotAsked::Budget) => return session.skip(Id::KeyRemoteNeeded, NO_BUDGET),
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

/// keyIds that were never issued, and such that cannot be.
fn unknown(session: &mut Session<'_>, remote: &SystemId) {
    let mut random = [0; 16];
    if rand_bytes(&mut random).is_err() {
        let why = "There are no random numbers for a keyId.";
        session.skip(Id::KeyUnknown, why);
        return session.skip(Id::KeyUnknownStatus, why);
    }
    let unknown = base16ct::lower::encode_string(&random);
    let remote = utf8_percent_encode(remote.as_str(), NON_ALPHANUMERIC).to_string();
    let (mut given, mut other) = (Vec::new(), Vec::new());
    for (what, id) in [
        ("unknown", unknown.as_str()),
        ("odd", &unknown[..31]),
        ("not hexadecimal", "no-such-key"),
    ] {
        let target = format!("/key/{id}?remoteSystemID={remote}");
        match session.ask(At::Here, "GET", &target, &format!("/key/{{keyId}} ({what})")) {
            Ok(reply) => match reply.response.status {
                400 => {}
                200 => given.push(what),
                status => other.push(format!("{what}: {status}")),
            },
            Err(error) => other.push(format!("{what}: {error}")),
        }
    }
    session.judge(
        Id::KeyUnknown,
        given.is_empty(),
        "Unknown and malformed keyIds are refused.",
        format!("There is a key for a keyId that is {}.", given.join(", ")),
    );
    session.judge(
        Id::KeyUnknownStatus,
        given.is_empty() && other.is_empty(),
        "The status is 400.",
        if other.is_empty() {
            "They are not refused.".into()
        } else {
            format!("Instead of 400: {}.", other.join("; "))
        },
    );
}
