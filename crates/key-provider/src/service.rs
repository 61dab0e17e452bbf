//! One Key Provider: requests in, answers out, with what the switches make of them.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use skip_client::{BitLength, SystemId, matches_remote};
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::body::Body;
use crate::keys::{KeyBook, KeyIdBytes, NoKey, SharedSecret, key_bytes};
use crate::message::{self, Message, Parts};
use crate::query::{self, Route};
use crate::switches::{Fault, Quirk, Snapshot, Switches};

const HTML: &[u8] =
    b"<!doctype html><html><head><title>Key Provider</title></head><body><h1>Something is odd</h1></body></html>";

/// One side of the pair.
pub(crate) struct Provider {
    pub(crate) id: String,
    pub(crate) remotes: Vec<String>,
    pub(crate) book: KeyBook,
    pub(crate) secret: Arc<SharedSecret>,
    pub(crate) switches: Arc<Switches>,
    pub(crate) counters: Arc<Counters>,
}

/// What happened so far, at both sides.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) keys_issued: AtomicU64,
    pub(crate) keys_delivered: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) requests: AtomicU64,
}

/// The connection is to be dropped without an answer.
#[derive(Debug)]
pub(crate) struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// Why a request is not answered with 200.
enum Refusal {
    UnknownPath,
    WrongMethod,
    /// draft Table 7 and the general rules of HTTP
    BadRequest(&'static str),
    /// a keyId, size or minentropy that cannot be
    BadValue(&'static str),
    UnknownKey,
    Internal,
    NoEntropy,
    /// an error text with a secret in it
    Leak(Bytes),
}

struct Answer {
    status: StatusCode,
    content_type: &'static str,
    parts: Parts,
    headers: HeaderMap,
}

impl Provider {
    /// Answers one request of any stream.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Result<Response<Body>, Dropped> {
        count(&self.counters.requests);
        let mut switches = self.switches.snapshot();
        if switches.quirk(Quirk::Slow) {
            sleep(Duration::from_secs(1)).await;
        }
        let uri = request.uri();
        // draft Table 3: 404 for a path that Table 2 does not have, 405 for a method other than GET
        let route = match query::route(uri.path(), !switches.quirk(Quirk::NoPercentDecoding)) {
            None => Err(Refusal::UnknownPath),
            Some(_) if request.method() != Method::GET => Err(Refusal::WrongMethod),
            Some(route) => Ok(route),
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
            let message = Message::Capabilities {
                id: &self.id,
                remotes: &self.remotes,
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
            Route::NewKey => self.new_key(parameter("remoteSystemID")?, parameter("size")?, switches),
            Route::KeyById(key_id) => {
                self.key_by_id(key_id, parameter("remoteSystemID")?, parameter("size")?, switches)
            }
            Route::Capabilities => Err(Refusal::Internal),
        }
    }

    fn new_key(&self, remote: Option<&str>, size: Option<&str>, switches: Snapshot) -> Result<Parts, Refusal> {
        let remote = self.remote(remote)?;
        // draft 4.2.2: 256 bits unless asked otherwise
        let size = size.map_or(Ok(BitLength::DEFAULT), |text| key_size(text, switches))?;
        let (id, key) = self.book.issue(&self.secret, &self.id, remote, size)?;
        count(&self.counters.keys_issued);
        key_message(&id, &key, switches)
    }

    fn key_by_id(
        &self,
        key_id: &str,
        remote: Option<&str>,
        size: Option<&str>,
        switches: Snapshot,
    ) -> Result<Parts, Refusal> {
        let unbound = switches.quirk(Quirk::UnboundKeys);
        let issuer = if unbound { "" } else { self.remote(remote)? };
        let octets = Zeroizing::new(base16ct::mixed::decode_vec(key_id).unwrap_or_default());
        if octets.is_empty() || (switches.quirk(Quirk::KeyId32Only) && key_id.len() != 32) {
            return Err(Refusal::BadValue("the keyId is malformed"));
        }
        let mut id: KeyIdBytes = octets.as_slice().try_into().map_err(|_| Refusal::UnknownKey)?;
        // Table 2 has no size here; one that is given anyway must be the key's
        if let Some(size) = size
            && key_size(size, switches)?.bytes() != key_bytes(&id)
        {
            return Err(Refusal::BadValue("size is not that of the key"));
        }
        let give = |issuer: &str| self.book.give(&self.secret, &id, issuer, &self.id);
        let key = if unbound {
            // whoever of the listed ones made it
            let made = self.remotes.iter().find_map(|listed| give(listed).ok());
            made.ok_or(NoKey::NotFound)?
        } else {
            give(issuer)?
        };
        count(&self.counters.keys_delivered);
        if switches.fault(Fault::WrongKeyId) {
            id[0] ^= 0xFF;
        }
        key_message(&id, &key, switches)
    }

    /// The remote of a request, when this provider shares keys with it.
    fn remote<'a>(&self, remote: Option<&'a str>) -> Result<&'a str, Refusal> {
        let remote = remote.ok_or(Refusal::BadRequest("remoteSystemID is missing"))?;
        match SystemId::new(remote) {
            Err(_) => Err(Refusal::BadRequest("remoteSystemID is no identifier")),
            Ok(id) if id.is_pattern() => Err(Refusal::BadRequest("remoteSystemID must not be a pattern")),
            // draft 4.1.2: the list may have patterns
            Ok(_) if matches_remote(&self.remotes, remote) => Ok(remote),
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
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
    // draft 4.3: 256 bits unless asked otherwise
    let bits = match minentropy {
        None => BitLength::DEFAULT.bits(),
        Some(text) => number(text)
            .filter(|&bits| (8..=BitLength::MAX.bits()).contains(&bits) && known_size(bits, switches))
            .ok_or(Refusal::BadValue("minentropy must be a number of bits from 8 to 65536"))?,
    };
    let mut random = Zeroizing::new(vec![0; bits.div_ceil(8) as usize]);
    // draft Table 9: 503 when there is no random generator
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Refusal::NoEntropy)?;
    let mut random_str = message::digits(&random, switches);
    message::spoil(&mut random_str, random.len(), false, switches);
    if switches.fault(Fault::EchoKeyInError) {
        return Err(Refusal::Leak(message::leaking_error(&random_str)));
    }
    let random_str = &random_str;
    Ok(message::write(&Message::Entropy { random_str, bits }, switches))
}

fn key_message(id: &KeyIdBytes, bytes: &[u8], switches: Snapshot) -> Result<Parts, Refusal> {
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
    number(text)
        .filter(|&bits| known_size(bits, switches))
        .and_then(|bits| BitLength::new(bits.into()).ok())
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
    let json = |status, text: &str| Answer::new(status, "application/json", vec![message::error(text)]);
    match refusal {
        Refusal::UnknownPath => json(StatusCode::NOT_FOUND, "there is no such path"),
        Refusal::WrongMethod => {
            let allow = HeaderValue::from_static("GET");
            json(StatusCode::METHOD_NOT_ALLOWED, "only GET is supported").with(header::ALLOW, allow)
        }
        Refusal::BadRequest(text) => json(StatusCode::BAD_REQUEST, text),
        Refusal::BadValue(text) => json(bad_value, text),
        Refusal::UnknownKey if switches.quirk(Quirk::NotFoundUnknownKey) => {
            json(StatusCode::NOT_FOUND, "the key was not found")
        }
        // draft Table 7: 400 for a key that is not there
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
