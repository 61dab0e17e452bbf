//! One Key Provider: handles requests, as modified by the switches.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use skip_client::{BitLength, RemoteSystemIds, SystemId, matches_remote};
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::body::Body;
use crate::keys::{KeyBook, KeyIdBytes, NoKey, SharedSecret, key_bytes};
use crate::message::{self, Message, Parts};
use crate::query::{self, Route};
use crate::switches::{Fault, Quirk, Snapshot, Switches};

/// The number of keys with few-keys.
const FEW_KEYS: u64 = 10;

const HTML: &[u8] =
    b"<!doctype html><html><head><title>Key Provider</title></head><body><h1>Something is odd</h1></body></html>";

/// One side of the pair.
pub(crate) struct Provider {
    pub(crate) id: String,
    pub(crate) remotes: RemoteSystemIds,
    pub(crate) is_second: bool,
    pub(crate) delay: Duration,
    pub(crate) book: KeyBook,
    pub(crate) secret: Arc<SharedSecret>,
    pub(crate) switches: Arc<Switches>,
    pub(crate) counters: Arc<Counters>,
}

/// Counters for both sides.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) keys_issued: AtomicU64,
    pub(crate) keys_delivered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// new keys being waited for, with few-at-once
    pub(crate) waiting: AtomicU64,
    /// open connections
    pub(crate) connections: AtomicU64,
}

/// Drop the connection without a response.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// Why the response is not a 200.
enum Refusal {
    UnknownPath,
    WrongMethod,
    /// draft Table 7 and the general rules of HTTP
    BadRequest(&'static str),
    /// an invalid keyId, size or minentropy
    BadValue(&'static str),
    UnknownKey,
    /// this Key Provider issues no keys
    NoIssuer,
    Internal,
    NoEntropy,
    NoKeys,
    /// an error text that contains a secret
    Leak(Bytes),
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    parts: Parts,
    headers: HeaderMap,
}

impl Provider {
    /// Handles one request, from any stream.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Dropped> {
        count(&self.counters.requests);
        let mut switches = self.switches.snapshot();
        if switches.quirk(Quirk::Slow) {
            sleep(self.delay).await;
        }
        let uri = request.uri();
        // draft Table 3: 404 for a path that is not in Table 2, 405 for a method other than GET
        let route = match query::route(uri.path(), !switches.quirk(Quirk::NoPercentDecoding)) {
            None => Err(Refusal::UnknownPath),
            Some(_) if request.method() != Method::GET && !switches.fault(Fault::AnyMethod) => {
                Err(Refusal::WrongMethod)
            }
            Some(route) => Ok(route),
        };
        let route = match route {
            Err(Refusal::UnknownPath) if switches.fault(Fault::AnyPath) => Ok(Route::Capabilities),
            route => route,
        };
        match route {
            Err(_) | Ok(Route::Capabilities) if !switches.fault(Fault::OnCapabilities) => {
                switches = switches.without_faults();
            }
            _ => {}
        }
        if switches.fault(Fault::Stall) {
            pending::<()>().await;
        }
        let answer = if switches.fault(Fault::Redirect) {
            redirect(uri)
        } else if matches!(route, Ok(Route::NewKey)) && !self.has_room(switches).await {
            refuse(Refusal::NoKeys, switches)
        } else {
            self.handle(route, uri.query().unwrap_or(""), switches)
        };
        if switches.fault(Fault::DropBeforeResponse) {
            return Err(Dropped);
        }
        if answer.status.is_client_error() {
            count(&self.counters.refused);
        }
        Ok(answer.into_response(switches))
    }

    /// Waits with the others, then returns whether few enough are waiting for a key.
    async fn has_room(&self, switches: Snapshot) -> bool {
        const TOGETHER: Duration = Duration::from_millis(1500);
        let room = match () {
            () if switches.fault(Fault::FewAtOnce) => 8,
            () if switches.fault(Fault::SomeAtOnce) => 40,
            () => return true,
        };
        let before = self.counters.waiting.fetch_add(1, Ordering::SeqCst);
        if before < room {
            sleep(TOGETHER).await;
        }
        self.counters.waiting.fetch_sub(1, Ordering::SeqCst);
        before < room
    }

    fn handle(&self, route: Result<Route, Refusal>, query: &str, switches: Snapshot) -> Answer {
        let all = switches.fault(Fault::OnCapabilities);
        let kind = match &route {
            Ok(Route::NewKey | Route::KeyById(_)) => Fault::Key500,
            Ok(Route::Entropy) => Fault::Entropy503,
            _ => Fault::OnCapabilities,
        };
        let mut result = route.and_then(|route| self.perform(&route, query, switches));
        if switches.fault(Fault::Key500) && (kind == Fault::Key500 || all) {
            result = Err(Refusal::Internal);
        } else if switches.fault(Fault::Entropy503) && (kind == Fault::Entropy503 || all) {
            result = Err(Refusal::NoEntropy);
        }
        match result {
            Ok(parts) => success(parts, switches),
            Err(refusal) => refuse(refusal, switches),
        }
    }

    fn perform(&self, route: &Route, query: &str, switches: Snapshot) -> Result<Parts, Refusal> {
        if *route == Route::Capabilities {
            let elsewhere = ["Elsewhere".to_owned()];
            let message = Message::Capabilities {
                id: &self.id,
                remotes: if switches.fault(Fault::WrongList) {
                    &elsewhere
                } else {
                    self.remotes.as_slice()
                },
                number: self.counters.requests.load(Ordering::Relaxed),
            };
            return Ok(message::write(&message, switches));
        }
        let parameters = query::parameters(query, !switches.quirk(Quirk::NoPercentDecoding))
            .ok_or(Refusal::BadRequest("the query is not percent-encoded UTF-8"))?;
        let parameter = |name: &str| {
            let mut found = parameters
                .iter()
                .filter(|(n, _)| n == name)
                .map(|(_, value)| value.as_str());
            match (found.next(), found.next()) {
                (value, None) => Ok(value),
                _ => Err(Refusal::BadRequest("a parameter is given more than once")),
            }
        };
        match route {
            Route::Entropy => entropy(parameter("minentropy")?, switches),
            Route::NewKey => {
                let first = parameters.first().map(|(name, _)| name.as_str());
                if switches.fault(Fault::FixedOrder) && first.is_some_and(|name| name != "remoteSystemID") {
                    return Err(Refusal::BadRequest("remoteSystemID must come first"));
                }
                self.new_key(parameter("remoteSystemID")?, parameter("size")?, switches)
            }
            Route::KeyById(key_id) => {
                self.key_by_id(key_id, parameter("remoteSystemID")?, parameter("size")?, switches)
            }
            Route::Capabilities => Err(Refusal::Internal),
        }
    }

    fn new_key(&self, remote: Option<&str>, size: Option<&str>, switches: Snapshot) -> Result<Parts, Refusal> {
        if switches.fault(Fault::OneDirection) && self.is_second {
            return Err(Refusal::NoIssuer);
        }
        let remote = match self.remote(remote, switches) {
            Err(_) if switches.fault(Fault::AnyRemote) => self.remotes.as_slice().first().map_or("", String::as_str),
            remote => remote?,
        };
        // draft 4.2.2: 256 bits by default
        let size = size.map_or_else(|| Ok(default_size(switches)), |text| key_size(text, switches))?;
        if switches.fault(Fault::FewKeys) && self.counters.keys_issued.load(Ordering::SeqCst) >= FEW_KEYS {
            return Err(Refusal::NoKeys);
        }
        let (id, key) = self.book.issue(&self.secret, &self.id, remote, size)?;
        let key = self.shaped(&id, key, switches)?;
        count(&self.counters.keys_issued);
        let form = match () {
            () if switches.quirk(Quirk::LongKeyIds) => Some([&id[..], &[0xA5; 17]].concat()),
            () if switches.fault(Fault::KeyIdFromKey) => Some(digest(&digest::SHA256, &key)[..16].to_vec()),
            () if switches.fault(Fault::RepeatedKeyIds) => Some(vec![0x5A; 16]),
            () => None,
        };
        match form {
            None => key_message(&id, &key, switches),
            Some(form) => {
                self.secret.alias(&id, form.clone());
                key_message(&form, &key, switches)
            }
        }
    }

    fn key_by_id(
        &self,
        key_id: &str,
        remote: Option<&str>,
        size: Option<&str>,
        switches: Snapshot,
    ) -> Result<Parts, Refusal> {
        let octets = Zeroizing::new(base16ct::mixed::decode_vec(key_id).unwrap_or_default());
        if switches.fault(Fault::InventsKeys) && octets.len() != 16 {
            return key_message(&[0; 16], &random(32)?, switches);
        }
        let issuer = match self.remote(remote, switches) {
            Ok(issuer) => issuer,
            Err(refusal) => {
                if switches.fault(Fault::Impatient) {
                    self.wipe(&octets);
                }
                return Err(refusal);
            }
        };
        self.bound_key(key_id, &octets, issuer, size, switches)
    }

    fn bound_key(
        &self,
        key_id: &str,
        octets: &[u8],
        issuer: &str,
        size: Option<&str>,
        switches: Snapshot,
    ) -> Result<Parts, Refusal> {
        if octets.is_empty() || (switches.quirk(Quirk::KeyId32Only) && key_id.len() != 32) {
            return Err(Refusal::BadValue("the keyId is malformed"));
        }
        let given = message::digits(octets, switches);
        if switches.quirk(Quirk::CaseSensitiveKeyIds) && key_id.as_bytes() != given.as_slice() {
            return Err(Refusal::UnknownKey);
        }
        let id: KeyIdBytes = self.secret.resolve(octets).ok_or(Refusal::UnknownKey)?;
        // Table 2 has no size here; if one is given, it must match the key's
        if let Some(size) = size
            && key_size(size, switches)?.bytes() != key_bytes(&id)
        {
            return Err(Refusal::BadValue("size is not that of the key"));
        }
        let again = switches.fault(Fault::GivesTwice);
        let give = |issuer: &str| self.book.give(&self.secret, &id, issuer, &self.id, again);
        let mut key = if switches.quirk(Quirk::UnboundKeys) {
            // whichever of the listed ones issued it
            self.remotes
                .as_slice()
                .iter()
                .find_map(|listed| give(listed).ok())
                .ok_or(NoKey::NotFound)
        } else {
            give(issuer)
        };
        if key.is_err() && switches.quirk(Quirk::IssuerGivesAgain) {
            let made_here = |peer: &String| self.book.give(&self.secret, &id, &self.id, peer, false).ok();
            key = self
                .remotes
                .as_slice()
                .iter()
                .find_map(made_here)
                .ok_or(NoKey::NotFound);
        }
        if key.is_err() && switches.fault(Fault::Impatient) {
            self.wipe(octets);
        }
        let mut key = self.shaped(&id, key?, switches)?;
        if switches.fault(Fault::OtherKeys) {
            key.iter_mut().for_each(|byte| *byte ^= 0xFF);
        }
        count(&self.counters.keys_delivered);
        let mut shown = octets.to_vec();
        if switches.fault(Fault::WrongKeyId) {
            shown[0] ^= 0xFF;
        }
        key_message(&shown, &key, switches)
    }

    /// Makes this key unavailable.
    fn wipe(&self, octets: &[u8]) {
        if let Some(id) = self.secret.resolve(octets) {
            for issuer in self.remotes.as_slice() {
                // it may belong to another peer, or be delivered already
                drop(self.book.give(&self.secret, &id, issuer, &self.id, false));
            }
        }
    }

    /// A key as modified by the faults, the same at both ends.
    fn shaped(
        &self,
        id: &KeyIdBytes,
        mut key: Zeroizing<Vec<u8>>,
        switches: Snapshot,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        if switches.fault(Fault::RepeatedKeys) {
            key = self.secret.of_size(key.len()).map_err(|_| Refusal::Internal)?;
        }
        if switches.fault(Fault::KeyFromKeyId) {
            let hash = digest(&digest::SHA256, id);
            let length = key.len();
            key = Zeroizing::new(hash.iter().copied().cycle().take(length).collect());
        }
        if switches.fault(Fault::Biased) {
            key.iter_mut().for_each(|byte| *byte &= 0x7F);
        }
        Ok(key)
    }

    /// The remote of a request, if this Key Provider shares keys with it.
    fn remote<'a>(&self, remote: Option<&'a str>, switches: Snapshot) -> Result<&'a str, Refusal> {
        let remote = remote.ok_or(Refusal::BadRequest("remoteSystemID is missing"))?;
        match SystemId::new(remote) {
            Err(_) => Err(Refusal::BadRequest("remoteSystemID is no identifier")),
            Ok(id) if id.is_pattern() => Err(Refusal::BadRequest("remoteSystemID must not be a pattern")),
            // draft 4.1.2: the list can contain patterns
            Ok(_) if self.remotes.matches(remote) => Ok(remote),
            Ok(_)
                if switches.quirk(Quirk::PrefixPatterns)
                    && self.remotes.as_slice().iter().any(|entry| begins(entry, remote)) =>
            {
                Ok(remote)
            }
            Ok(_) => Err(Refusal::BadRequest("remoteSystemID is not one of this Key Provider's")),
        }
    }
}

impl From<NoKey> for Refusal {
    fn from(reason: NoKey) -> Self {
        match reason {
            NoKey::NotFound => Refusal::UnknownKey,
            NoKey::Internal => Refusal::Internal,
        }
    }
}

impl Answer {
    fn new(status: StatusCode, content_type: &'static str, parts: Parts) -> Self {
        Self {
            status,
            content_type,
            parts,
            headers: HeaderMap::new(),
        }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    fn into_response(mut self, switches: Snapshot) -> Response<Body> {
        let headers = &mut self.headers;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if !switches.quirk(Quirk::NoCacheControl) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if switches.quirk(Quirk::ConnectionClose) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if switches.fault(Fault::ContentEncoding) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let padding = HeaderName::from_static("x-padding");
        if switches.fault(Fault::HugeHeader) {
            let value = Bytes::from(vec![b'x'; 100_000]);
            headers.extend(HeaderValue::from_maybe_shared(value).map(|value| (padding.clone(), value)));
        }
        if switches.fault(Fault::ManyHeaders) {
            for _ in 0..10_000 {
                headers.append(padding.clone(), HeaderValue::from_static("x"));
            }
        }
        if switches.quirk(Quirk::EmptyErrors) && self.status.is_client_error() {
            self.parts.clear();
        }
        let mut body = Body::new(self.parts);
        if switches.quirk(Quirk::Chunked) {
            body = body.in_chunks();
        }
        if switches.fault(Fault::Drip) {
            body = body.dripping(Duration::from_secs(1));
        }
        if switches.fault(Fault::DropMidBody) {
            body = body.cut();
        }
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

fn entropy(minentropy: Option<&str>, switches: Snapshot) -> Result<Parts, Refusal> {
    // draft 4.3: 256 bits by default
    let bits = match minentropy {
        None => default_size(switches).bits(),
        Some(text) if switches.fault(Fault::AnySize) && number(text).is_none_or(|bits| bits < 8) => {
            default_size(switches).bits()
        }
        Some(text) => number(text)
            .filter(|&bits| (8..=BitLength::MAX.bits()).contains(&bits) && known_size(bits, switches))
            .ok_or(Refusal::BadValue("minentropy must be a number of bits from 8 to 65536"))?,
    };
    // draft Table 9: 503 if there is no random generator
    let mut random = random(bits.div_ceil(8) as usize).map_err(|_| Refusal::NoEntropy)?;
    if switches.fault(Fault::RepeatedEntropy) {
        let constant = digest(&digest::SHA256, b"no entropy");
        random
            .iter_mut()
            .zip(constant.iter().cycle())
            .for_each(|(byte, same)| *byte = *same);
    }
    if switches.fault(Fault::Biased) {
        random.iter_mut().for_each(|byte| *byte &= 0x7F);
    }
    let mut random_str = message::digits(&random, switches);
    message::spoil(&mut random_str, random.len(), false, switches);
    if switches.fault(Fault::EchoKeyInError) {
        return Err(Refusal::Leak(message::leaking_error(&random_str)));
    }
    let random_str = &random_str;
    Ok(message::write(&Message::Entropy { random_str, bits }, switches))
}

fn random(bytes: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut random = Zeroizing::new(vec![0; bytes]);
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Refusal::Internal)?;
    Ok(random)
}

fn digest(algorithm: &'static digest::Algorithm, data: &[u8]) -> Vec<u8> {
    digest::digest(algorithm, data).as_ref().to_vec()
}

/// Whether a prefix of an id matches an entry, like an unanchored regular expression.
fn begins(entry: &str, id: &str) -> bool {
    SystemId::new(entry).is_ok_and(|entry| entry.is_pattern()) && matches_remote([format!("{entry}*")], id)
}

fn default_size(switches: Snapshot) -> BitLength {
    let small = BitLength::new(128).ok().filter(|_| switches.quirk(Quirk::Default128));
    small.unwrap_or(BitLength::DEFAULT)
}

fn key_message(id: &[u8], bytes: &[u8], switches: Snapshot) -> Result<Parts, Refusal> {
    let key_id = message::digits(id, switches);
    let mut key = message::digits(bytes, switches);
    message::spoil(&mut key, bytes.len(), true, switches);
    if switches.fault(Fault::EchoKeyInError) {
        return Err(Refusal::Leak(message::leaking_error(&key)));
    }
    let message = Message::Key {
        key_id: &key_id,
        key: &key,
    };
    Ok(message::write(&message, switches))
}

fn key_size(text: &str, switches: Snapshot) -> Result<BitLength, Refusal> {
    let size = number(text)
        .filter(|&bits| known_size(bits, switches))
        .and_then(|bits| BitLength::new(bits.into()).ok());
    size.or_else(|| switches.fault(Fault::AnySize).then(|| default_size(switches)))
        .ok_or(Refusal::BadValue("size must be a multiple of 8 from 8 to 65536 bits"))
}

fn known_size(bits: u32, switches: Snapshot) -> bool {
    !switches.quirk(Quirk::Sizes128192256) || matches!(bits, 128 | 192 | 256)
}

/// Plain decimal digits.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

fn success(parts: Parts, switches: Snapshot) -> Answer {
    let html = switches.fault(Fault::Html200);
    let content_type = if html || switches.quirk(Quirk::TextHtmlType) {
        "text/html"
    } else {
        "application/json"
    };
    let parts = if html { vec![Bytes::from_static(HTML)] } else { parts };
    Answer::new(StatusCode::OK, content_type, parts)
}

fn refuse(refusal: Refusal, switches: Snapshot) -> Answer {
    let bad_value = if switches.quirk(Quirk::Unprocessable) {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::BAD_REQUEST
    };
    let json = |status, text: &str| {
        let talk = if switches.fault(Fault::TalkativeErrors) {
            " (00112233445566778899aabbccddeeff)"
        } else {
            ""
        };
        Answer::new(
            status,
            "application/json",
            vec![message::error(&format!("{text}{talk}"))],
        )
    };
    match refusal {
        Refusal::UnknownPath if switches.quirk(Quirk::UnknownPath405) => {
            json(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported")
        }
        Refusal::UnknownPath => json(StatusCode::NOT_FOUND, "there is no such path"),
        Refusal::WrongMethod if switches.quirk(Quirk::Method400) => {
            json(StatusCode::BAD_REQUEST, "only GET is supported")
        }
        Refusal::WrongMethod => {
            let allow = HeaderValue::from_static("GET");
            json(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported").with(header::ALLOW, allow)
        }
        Refusal::NoIssuer => json(StatusCode::FORBIDDEN, "this Key Provider makes no keys"),
        Refusal::NoKeys => json(StatusCode::SERVICE_UNAVAILABLE, "no more keys"),
        Refusal::BadRequest(text) => json(StatusCode::BAD_REQUEST, text),
        Refusal::BadValue(text) => json(bad_value, text),
        Refusal::UnknownKey if switches.quirk(Quirk::NotFoundUnknownKey) => {
            json(StatusCode::NOT_FOUND, "the key was not found")
        }
        // draft Table 7: 400 for a key that does not exist
        Refusal::UnknownKey => json(bad_value, "the key was not found"),
        Refusal::Internal if switches.quirk(Quirk::Html500) => Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "text/html",
            vec![Bytes::from_static(HTML)],
        ),
        Refusal::Internal => json(StatusCode::INTERNAL_SERVER_ERROR, "the key could not be read or wiped"),
        Refusal::NoEntropy => {
            let seconds = HeaderValue::from_static("1");
            json(StatusCode::SERVICE_UNAVAILABLE, "not enough entropy").with(header::RETRY_AFTER, seconds)
        }
        Refusal::Leak(body) => Answer::new(StatusCode::BAD_REQUEST, "application/json", vec![body]),
    }
}

fn redirect(uri: &Uri) -> Answer {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let location = HeaderValue::from_str(target).unwrap_or(HeaderValue::from_static("/"));
    let body = vec![message::error("moved to where it is")];
    Answer::new(StatusCode::FOUND, "application/json", body).with(header::LOCATION, location)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
