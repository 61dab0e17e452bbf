//! HTTP/1.1 for GETs that must not be repeated: one request, one reply, with limits on everything.
//!
//! Why not an HTTP library: we need to know whether any byte of a request was written, nothing may be retried implicitly, and the reply
//! must stay in a single buffer that is wiped. The grammar itself is parsed by httparse.

use std::mem::MaybeUninit;

use crate::error::{Advice, Error};
use crate::request::{Request, RequestKind};
use crate::response::Headers;
use crate::transport::{Control, Ended, Response, TransportError, WipedBuffer};
use crate::validate::is_cut_off;

use super::connection::{Connection, Stop};

const HEADER_LIMIT: usize = 16 * 1024;
const HEADER_COUNT: usize = 128;
pub(super) const BODY_LIMIT: usize = 64 * 1024;
const INTERIM_LIMIT: usize = 8;
const CHUNK_LINE_LIMIT: usize = 256;
/// How much of a reply is read at once; most are shorter.
pub(super) const ROOM: usize = 1024;

/// The parts of a request that are constant for one Key Provider.
pub(super) struct Target {
    /// The path of the base URL, without a trailing slash.
    pub base_path: String,
    /// The value of the Host header.
    pub authority: String,
}

/// A reply, and whether the connection can be reused.
#[cfg_attr(not(feature = "probe"), allow(dead_code))]
pub(super) struct Exchanged {
    pub response: Response,
    pub reusable: bool,
    /// Whether its headers keep the connection open.
    pub keeps_alive: bool,
    pub noted: Noted,
    /// The data that followed the reply, if requests were pipelined.
    pub rest: WipedBuffer,
}

/// Headers that are only relevant to tools that examine a Key Provider.
#[derive(Default)]
pub(super) struct Noted {
    pub cache_control: Option<String>,
    pub allow: Option<String>,
}

/// Sends the request and reads the reply.
pub(super) fn exchange(
    connection: &mut Connection,
    target: &Target,
    request: &Request,
    control: &Control<'_>,
) -> Result<Exchanged, TransportError> {
    let head = head("GET", &target.base_path, request.target(), &target.authority, "");
    let mut sent = false;
    if let Err(stop) = connection.write_all(head.as_bytes(), control, &mut sent) {
        return Err(TransportError {
            error: stopped(request, stop, sent),
            sent,
        });
    }
    read_reply(connection, request, WipedBuffer::default(), control)
        .map_err(|error| TransportError { error, sent: true })
}

/// The head of a request; `more` contains further header lines, each with its line ending.
pub(super) fn head(method: &str, base_path: &str, target: &str, authority: &str, more: &str) -> String {
    // a quarter of the time of format!
    [
        method,
        " ",
        base_path,
        target,
        " HTTP/1.1\r\nHost: ",
        authority,
        concat!(
            "\r\nAccept: application/json\r\nCache-Control: no-store\r\nUser-Agent: skip-client/",
            env!("CARGO_PKG_VERSION"),
            "\r\n",
        ),
        more,
        "\r\n",
    ]
    .concat()
}

/// Reads one reply; `buffer` is the data that followed the previous one.
pub(super) fn read_reply(
    connection: &mut Connection,
    request: &Request,
    buffer: WipedBuffer,
    control: &Control<'_>,
) -> Result<Exchanged, Error> {
    Reader {
        connection,
        control,
        request,
        buffer,
        rest: WipedBuffer::default(),
    }
    .read()
}

/// The advice when the reply to a request is lost.
pub(super) fn advice_when_lost(request: &Request) -> Advice {
    match request.kind() {
        // draft 4.2.2: the KP may have given the key out and wiped it
        RequestKind::NewKey | RequestKind::KeyById => Advice::NewKey,
        RequestKind::Capabilities | RequestKind::Entropy => Advice::SameRequest,
    }
}

fn stopped(request: &Request, stop: Stop, sent: bool) -> Error {
    let advice = if sent {
        advice_when_lost(request)
    } else {
        Advice::SameRequest
    };
    match stop {
        Stop::Ended(Ended::Deadline) => Error::timed_out("the reply", advice),
        Stop::Ended(Ended::Cancelled) => Error::cancelled(advice),
        // not the advice for a lost reply: there was none, and the same client would be rejected again
        Stop::Refused(error) => error,
        Stop::Io(_) if !sent => Error::connection_lost_unsent(),
        Stop::Io(_) => Error::connection_lost(advice),
    }
}

struct Reader<'a> {
    connection: &'a mut Connection,
    control: &'a Control<'a>,
    request: &'a Request,
    buffer: WipedBuffer,
    rest: WipedBuffer,
}

/// The framing of a body (RFC 9112, 6.3).
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

struct Head {
    len: usize,
    status: u16,
    headers: Headers,
    framing: Result<Framing, Error>,
    keep_alive: bool,
    noted: Noted,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Exchanged, Error> {
        let mut interim = 0;
        let head = loop {
            let head = self.read_head()?;
            self.buffer.remove(0, head.len);
            if !is_interim(head.status) {
                break head;
            }
            interim += 1;
            if interim > INTERIM_LIMIT {
                return Err(Error::status_unexpected(head.status));
            }
        };
        let body = head.framing.and_then(|framing| self.read_body(&framing));
        let complete = match body {
            Ok(complete) => complete,
            // the status says more than the malformed body
            Err(_) if head.status != 200 => {
                self.buffer.truncate(self.buffer.len().min(BODY_LIMIT));
                false
            }
            Err(error) => return Err(error),
        };
        let response = Response {
            status: head.status,
            headers: head.headers,
            body: self.buffer,
        };
        Ok(Exchanged {
            response,
            // leftover data would be taken for the next reply
            reusable: complete && head.keep_alive && head.status >= 200 && self.connection.is_drained(),
            keeps_alive: head.keep_alive,
            noted: head.noted,
            rest: self.rest,
        })
    }

    /// Reads until the buffer contains a complete head.
    fn read_head(&mut self) -> Result<Head, Error> {
        loop {
            if self.buffer.len() > 0 {
                if let Some(head) = parse_head(self.buffer.as_slice())? {
                    return Ok(head);
                }
                if self.buffer.len() > HEADER_LIMIT {
                    return Err(Error::headers_too_large());
                }
            }
            if self.fill()? == 0 {
                let advice = advice_when_lost(self.request);
                return Err(if self.buffer.len() == 0 {
                    Error::connection_ended_unanswered(advice)
                } else {
                    Error::connection_lost(advice)
                });
            }
        }
    }

    /// Reads the body into the buffer, which then contains nothing else. Returns `true` if no other data arrived and the connection can
    /// be reused.
    fn read_body(&mut self, framing: &Framing) -> Result<bool, Error> {
        match *framing {
            Framing::None => Ok(self.buffer.len() == 0),
            Framing::Length(length) if length > BODY_LIMIT => Err(Error::body_too_large()),
            Framing::Length(length) => {
                while self.buffer.len() < length {
                    self.fill_or_lost()?;
                }
                let nothing_else = self.buffer.len() == length;
                self.rest = WipedBuffer::copy_of(&self.buffer.as_slice()[length..]);
                self.buffer.truncate(length);
                Ok(nothing_else)
            }
            Framing::Chunked => self.read_chunks(),
            Framing::UntilClose => {
                loop {
                    match self.receive() {
                        // a reset, or the end of TLS without close_notify, also ends the body; whether it is complete is checked next
                        Ok(0) | Err(Stop::Io(_)) => break,
                        Ok(_) if self.buffer.len() > BODY_LIMIT => return Err(Error::body_too_large()),
                        Ok(_) => {}
                        Err(stop) => return Err(stopped(self.request, stop, true)),
                    }
                }
                if is_cut_off(self.buffer.as_slice()) {
                    return Err(Error::connection_lost(advice_when_lost(self.request)));
                }
                Ok(false)
            }
        }
    }

    /// Decodes chunked transfer coding in place: `done` bytes of body at the front, the undecoded rest after them.
    fn read_chunks(&mut self) -> Result<bool, Error> {
        let mut done = 0;
        loop {
            let size = loop {
                let rest = &self.buffer.as_slice()[done..];
                match httparse::parse_chunk_size(rest) {
                    // independent of segmentation
                    Ok(httparse::Status::Complete((line, size))) if line <= CHUNK_LINE_LIMIT => {
                        self.buffer.remove(done, done + line);
                        break usize::try_from(size).unwrap_or(usize::MAX);
                    }
                    Ok(httparse::Status::Partial) if rest.len() <= CHUNK_LINE_LIMIT => self.fill_or_lost()?,
                    _ => return Err(Error::not_http("its chunks are broken")),
                }
            };
            if size == 0 {
                return self.read_trailers(done);
            }
            if size > BODY_LIMIT - done {
                return Err(Error::body_too_large());
            }
            while self.buffer.len() < done + size + 2 {
                self.fill_or_lost()?;
            }
            if &self.buffer.as_slice()[done + size..done + size + 2] != b"\r\n" {
                return Err(Error::not_http("its chunks are broken"));
            }
            done += size;
            self.buffer.remove(done, done + 2);
        }
    }

    /// Completes the body after the last chunk; trailers are read and discarded.
    fn read_trailers(&mut self, done: usize) -> Result<bool, Error> {
        loop {
            let rest = &self.buffer.as_slice()[done..];
            let end = if rest.starts_with(b"\r\n") {
                Some(2)
            } else {
                rest.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
            };
            if let Some(end) = end {
                let nothing_else = rest.len() == end;
                self.rest = WipedBuffer::copy_of(&rest[end..]);
                self.buffer.truncate(done);
                return Ok(nothing_else);
            }
            if rest.len() > HEADER_LIMIT {
                return Err(Error::headers_too_large());
            }
            self.fill_or_lost()?;
        }
    }

    /// Reads more data; 0 at the end of the connection.
    fn receive(&mut self) -> Result<usize, Stop> {
        let n = self.connection.read(self.buffer.spare(ROOM), self.control)?;
        self.buffer.advance(n);
        Ok(n)
    }

    fn fill(&mut self) -> Result<usize, Error> {
        self.receive().map_err(|stop| stopped(self.request, stop, true))
    }

    fn fill_or_lost(&mut self) -> Result<(), Error> {
        match self.fill()? {
            0 => Err(Error::connection_lost(advice_when_lost(self.request))),
            _ => Ok(()),
        }
    }
}

/// Whether another reply to the same request follows (RFC 9110, 15.2). 101 ends HTTP on this connection.
fn is_interim(status: u16) -> bool {
    matches!(status, 100..=199) && status != 101
}

/// Parses a head; `None` if it is incomplete.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Error> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADER_COUNT];
    let mut parsed = httparse::Response::new(&mut []);
    let status = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, bytes, &mut headers);
    let len = match status {
        Ok(httparse::Status::Complete(len)) if len <= HEADER_LIMIT => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Error::headers_too_large());
        }
        Err(_) => return Err(Error::not_http("it has no HTTP/1 head")),
    };
    let status = parsed.code.unwrap_or(0);
    let mut head = Head {
        len,
        status,
        headers: Headers::default(),
        framing: Ok(Framing::UntilClose),
        keep_alive: parsed.version == Some(1),
        noted: Noted::default(),
    };
    let (mut length, mut chunked, mut coded, mut ambiguous) = (None, false, false, false);
    for header in parsed.headers.iter() {
        let value = || String::from_utf8_lossy(header.value).into_owned();
        let named = |name: &str| header.name.eq_ignore_ascii_case(name);
        if named("content-length") {
            let new = decimal(header.value);
            ambiguous |= new.is_none() || (length.is_some() && length != new);
            length = new;
        } else if named("transfer-encoding") {
            ambiguous |= coded;
            coded = true;
            chunked = header.value.eq_ignore_ascii_case(b"chunked");
        } else if named("connection") {
            for token in header.value.split(|b| *b == b',') {
                let token = token.trim_ascii();
                if token.eq_ignore_ascii_case(b"close") {
                    head.keep_alive = false;
                } else if token.eq_ignore_ascii_case(b"keep-alive") && parsed.version == Some(0) {
                    head.keep_alive = true;
                }
            }
        } else if named("content-type") {
            head.headers.content_type = Some(value());
        } else if named("content-encoding") {
            head.headers.content_encoding = Some(value());
        } else if named("retry-after") {
            head.headers.retry_after = Some(value());
        } else if named("cache-control") {
            head.noted.cache_control = Some(value());
        } else if named("allow") {
            head.noted.allow = Some(value());
        }
    }
    head.framing = if ambiguous || (coded && (length.is_some() || !chunked)) {
        Err(Error::not_http("the length of its body is ambiguous"))
    } else if status < 200 || status == 204 || status == 304 {
        Ok(Framing::None)
    } else if chunked {
        Ok(Framing::Chunked)
    } else {
        Ok(length.map_or(Framing::UntilClose, Framing::Length))
    };
    Ok(Some(head))
}

/// Parses decimal digits; saturates on overflow.
fn decimal(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0usize, |n, digit| {
        n.saturating_mul(10).saturating_add(usize::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::{Exchanged, Target, exchange};
    use crate::error::{Advice, Error, ErrorCode};
    use crate::https::connection::{Connection, OnWire, TlsStream, Wire};
    use crate::https::fuzzing::in_pieces;
    use crate::request::Request;
    use crate::transport::{ConnectionInfo, Control, Socket, TransportError};

    /// No TLS: these tests are about HTTP.
    struct Plain(Wire);

    impl OnWire for Plain {
        fn wire(&mut self) -> &mut Wire {
            &mut self.0
        }
    }

    impl TlsStream for Plain {
        fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
            self.0.write_all(data)
        }
        fn resume_write(&mut self, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
        fn is_drained(&mut self) -> bool {
            true
        }
        fn close(&mut self) {}
        fn refusal(&self, _: &io::Error) -> Option<Error> {
            None
        }
    }

    /// Requests a fresh key over a connection, with a timeout.
    fn new_key(connection: &mut Connection, target: &Target, time: Duration) -> Result<Exchanged, TransportError> {
        let deadline = Instant::now() + time;
        let control = Control {
            deadline,
            connect_timeout: time,
            cancel: None,
            closed: None,
            interrupted: None,
        };
        let request = Request::new_key(&"Bob".parse().expect("an id"), None).expect("a request");
        exchange(connection, target, &request, &control)
    }

    /// Sends one request to a server that reads its head and then writes `parts`, each in a separate segment.
    fn ask(parts: Vec<Vec<u8>>, then_close: bool) -> Result<Exchanged, TransportError> {
        ask_for(parts, then_close, Duration::from_mins(1))
    }

    fn ask_for(parts: Vec<Vec<u8>>, then_close: bool, time: Duration) -> Result<Exchanged, TransportError> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                peer.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            for part in parts {
                // the client may have closed already
                if peer.write_all(&part).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(2));
            }
            if then_close {
                let _ = peer.shutdown(Shutdown::Write);
            }
            // until the client hangs up
            let _ = peer.read(&mut [0]);
            head
        });
        let socket = Socket::new(TcpStream::connect(address).expect("connects"));
        let plain = Plain(Wire::new(Arc::new(socket)));
        let mut connection = Connection::new(Box::new(plain), ConnectionInfo::default(), 0);
        let target = Target {
            base_path: "/base".into(),
            authority: "kp:8443".into(),
        };
        let result = new_key(&mut connection, &target, time);
        drop(connection);
        let head = String::from_utf8(server.join().expect("server")).expect("text");
        assert!(
            head.starts_with("GET /base/key?remoteSystemID=Bob HTTP/1.1\r\nHost: kp:8443\r\n"),
            "{head}"
        );
        result
    }

    fn one(text: &str) -> Vec<Vec<u8>> {
        vec![text.as_bytes().to_vec()]
    }

    fn drip(text: &str) -> Vec<Vec<u8>> {
        text.bytes().map(|byte| vec![byte]).collect()
    }

    #[test]
    fn replies_are_read_however_they_are_framed() {
        let cases = [
            ("length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, true),
            (
                "length, twice the same",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ncontent-length: 2\r\n\r\n{}",
                false,
                true,
            ),
            (
                "length and Connection: close",
                "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n{}",
                false,
                false,
            ),
            (
                "HTTP/1.0",
                "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                false,
                false,
            ),
            (
                "HTTP/1.0 with keep-alive",
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}",
                false,
                true,
            ),
            (
                "chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
                false,
                true,
            ),
            (
                "chunks and trailers",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n",
                false,
                true,
            ),
            ("until the end", "HTTP/1.1 200 OK\r\n\r\n{}", true, false),
            (
                "after interim replies",
                "HTTP/1.1 103 x\r\nA: b\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
                false,
                true,
            ),
            (
                "more than the length",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK",
                false,
                false,
            ),
        ];
        for (name, text, then_close, reusable) in cases {
            for parts in [one(text), drip(text)] {
                let done = ask(parts, then_close).unwrap_or_else(|e| panic!("{name}: {e:?}"));
                assert_eq!(
                    (done.response.status, done.response.body.as_slice()),
                    (200, &b"{}"[..]),
                    "{name}"
                );
                // when dripping, data after the body has not arrived yet; the pool checks before the next request
                assert!(done.reusable == reusable || name == "more than the length", "{name}");
            }
        }
    }

    #[test]
    fn broken_replies_are_told_apart() {
        let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(10_000));
        let long_header = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "b".repeat(100_000));
        let long_body = format!("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n{}", "b".repeat(65_537));
        let endless_body = format!("HTTP/1.1 200 OK\r\n\r\n{}", "b".repeat(200_000));
        let long_chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n";
        let interim = "HTTP/1.1 103 x\r\n\r\n".repeat(9);
        let cases = [
            ("nothing", "", ErrorCode::ConnectionLost),
            ("half a head", "HTTP/1.1 200 OK\r\nContent-", ErrorCode::ConnectionLost),
            (
                "half a body",
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
                ErrorCode::ConnectionLost,
            ),
            (
                "half a chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{}",
                ErrorCode::ConnectionLost,
            ),
            (
                "no last chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
                ErrorCode::ConnectionLost,
            ),
            (
                "half a document until the end",
                "HTTP/1.1 200 OK\r\n\r\n{\"key\":",
                ErrorCode::ConnectionLost,
            ),
            (
                "not HTTP",
                "220 mail.example ESMTP\r\n\r\n",
                ErrorCode::MalformedResponse,
            ),
            (
                "broken chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                ErrorCode::MalformedResponse,
            ),
            (
                "length and chunks",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
                ErrorCode::MalformedResponse,
            ),
            (
                "two lengths",
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                ErrorCode::MalformedResponse,
            ),
            (
                "negative length",
                "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
                ErrorCode::MalformedResponse,
            ),
            (
                "other coding",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
                ErrorCode::MalformedResponse,
            ),
            ("many headers", &many_headers, ErrorCode::ResponseTooLarge),
            ("long header", &long_header, ErrorCode::ResponseTooLarge),
            ("long body", &long_body, ErrorCode::ResponseTooLarge),
            ("endless body", &endless_body, ErrorCode::ResponseTooLarge),
            ("long chunk", long_chunk, ErrorCode::ResponseTooLarge),
            ("too many interim replies", &interim, ErrorCode::UnexpectedStatus),
        ];
        for (name, text, code) in cases {
            let failed = ask(one(text), true).err().unwrap_or_else(|| panic!("{name} was taken"));
            assert_eq!((failed.error.code(), failed.sent), (code, true), "{name}");
            let advice = if code == ErrorCode::ConnectionLost {
                Advice::NewKey
            } else {
                Advice::No
            };
            assert_eq!(failed.error.advice(), advice, "{name}");
        }
    }

    #[test]
    fn an_error_status_outlives_its_broken_body() {
        for text in [
            "HTTP/1.1 500 x\r\nContent-Length: 9\r\n\r\n{}",
            "HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "HTTP/1.1 500 x\r\nContent-Length: 99999999\r\n\r\n<html>",
        ] {
            let done = ask(one(text), true).expect("a reply");
            assert_eq!((done.response.status, done.reusable), (500, false));
        }
    }

    #[test]
    fn silence_ends_at_the_deadline() {
        let silence = ask_for(one("HTTP/1.1 200 OK\r\n"), false, Duration::from_millis(700));
        let failed = silence.err().expect("no reply");
        assert_eq!(
            (failed.error.code(), failed.error.advice()),
            (ErrorCode::TimedOut, Advice::NewKey)
        );
    }

    fn read_from_memory(reply: &[u8], piece: usize, socket: &Arc<Socket>) -> Result<Exchanged, TransportError> {
        let mut connection = in_pieces(reply, piece, socket);
        let target = Target {
            base_path: String::new(),
            authority: "kp".into(),
        };
        new_key(&mut connection, &target, Duration::from_mins(1))
    }

    /// Parts that are tried in any order as a reply.
    fn parts() -> impl Strategy<Value = Vec<u8>> {
        let text = prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 200 OK\r\n",
            "HTTP/1.1 100 x\r\n\r\n",
            "HTTP/1.1 503 x\r\nRetry-After: 1\r\n",
            "Content-Length: 2\r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Content-Length: 65536\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "\r\n",
            "2\r\n{}\r\n",
            "fffffffffffffffff\r\n",
            "FFFFFFFFFFFFFFFF\r\n",
            "10000\r\n",
            "0\r\n\r\n",
            "0\r\nA: b\r\n\r\n",
            "{}",
            "{\"a\":",
        ]);
        prop_oneof![
            8 => text.prop_map(|text| text.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..20),
            1 => Just(vec![b'x'; 70_000]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_reply_is_read_within_limits_and_the_same_in_any_pieces(
            parts in prop::collection::vec(parts(), 0..9),
            piece in 1..400_usize,
        ) {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            let tcp = TcpStream::connect(listener.local_addr().expect("an address")).expect("connects");
            let socket = Arc::new(Socket::new(tcp));
            let reply = parts.concat();
            let whole = read_from_memory(&reply, usize::MAX, &socket);
            let pieces = read_from_memory(&reply, piece, &socket);
            match (whole, pieces) {
                (Ok(whole), Ok(pieces)) => {
                    prop_assert!(whole.response.body.len() <= super::BODY_LIMIT);
                    prop_assert_eq!(whole.response.status, pieces.response.status);
                    if whole.response.status == 200 {
                        prop_assert_eq!(whole.response.body.as_slice(), pieces.response.body.as_slice());
                    }
                }
                (Err(whole), Err(pieces)) => {
                    prop_assert!(whole.sent && pieces.sent);
                    prop_assert!(whole.error.advice() != Advice::SameRequest);
                    prop_assert_eq!(whole.error.advice(), pieces.error.advice());
                }
                (whole, pieces) => prop_assert!(false, "{:?} is not {:?}", whole.err(), pieces.err()),
            }
        }
    }
}
