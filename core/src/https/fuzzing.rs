//! Parses arbitrary bytes as a reply, for `tests/fuzz/fuzz_targets/http.rs` and a test: the result must not depend on how the bytes
//! were segmented, must respect the limits, and must not contain any of them.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::connection::{Connection, OnWire, TlsStream, Wire};
use super::http1::{BODY_LIMIT, read_reply};
use crate::error::{Error, ErrorCode};
use crate::request::Request;
use crate::transport::{ConnectionInfo, Control, Socket, WipedBuffer};

/// The input: one byte for the length of the pieces, then the reply.
pub fn reply(data: &[u8]) {
    let [piece, bytes @ ..] = data else { return };
    let whole = read(bytes, bytes.len());
    let cut = read(bytes, usize::from(*piece).max(1));
    assert_eq!(whole, cut, "the cuts make a difference");
}

/// The outcome, without what depends on segmentation by design: the rest of a malformed body with an error status, and whether more
/// data had already arrived.
type Outcome = Result<(u16, Option<Vec<u8>>), ErrorCode>;

fn read(bytes: &[u8], piece: usize) -> Outcome {
    // never read from; a connection sets its timeouts
    static SOCKET: OnceLock<(Arc<Socket>, TcpListener)> = OnceLock::new();
    let (socket, _) = SOCKET.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let tcp = TcpStream::connect(address).expect("connects");
        (Arc::new(Socket::new(tcp)), listener)
    });
    let deadline = Instant::now() + Duration::from_mins(1);
    let control = Control {
        deadline,
        connect_timeout: Duration::from_mins(1),
        cancel: None,
        closed: None,
        interrupted: None,
    };
    let mut connection = in_pieces(bytes, piece, socket);
    let request = Request::new_key(&"Bob".parse().expect("an id"), None).expect("a request");
    match read_reply(&mut connection, &request, WipedBuffer::default(), &control) {
        Ok(done) => {
            let (status, body) = (done.response.status, done.response.body.as_slice());
            assert!(body.len() <= BODY_LIMIT, "the limit of a body");
            assert!(!done.reusable || done.keeps_alive);
            Ok((status, (status == 200).then(|| body.to_vec())))
        }
        Err(error) => {
            let shown = format!("{error} {error:?} {}", error.hint());
            let runs = shown.as_bytes().split(|b| !b.is_ascii_hexdigit());
            for run in runs.filter(|run| run.len() >= 16) {
                assert!(
                    !bytes.windows(16).any(|w| w == &run[..16]),
                    "digits of the reply are shown"
                );
            }
            Err(error.code())
        }
    }
}

/// A connection that delivers a reply from memory; the socket is only there for its timeouts.
pub(super) fn in_pieces(reply: &[u8], piece: usize, socket: &Arc<Socket>) -> Connection {
    let tls = Box::new(Pieces {
        wire: Wire::new(Arc::clone(socket)),
        left: reply.to_vec(),
        piece,
    });
    Connection::new(tls, ConnectionInfo::default(), 0)
}

/// Delivers bytes in pieces, then ends.
struct Pieces {
    wire: Wire,
    left: Vec<u8>,
    piece: usize,
}

impl OnWire for Pieces {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl TlsStream for Pieces {
    fn write_all(&mut self, _: &[u8]) -> io::Result<()> {
        self.wire.has_written = true;
        Ok(())
    }
    fn resume_write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.piece.min(buffer.len()).min(self.left.len());
        buffer[..n].copy_from_slice(&self.left[..n]);
        self.left.drain(..n);
        Ok(n)
    }
    fn is_drained(&mut self) -> bool {
        true
    }
    fn close(&mut self) {}
    fn refusal(&self, _: &io::Error) -> Option<Error> {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::reply;

    #[test]
    fn what_fuzzing_kept() {
        let kept = include_str!("../../../tests/fuzz/kept/http.hex");
        assert!(kept.lines().count() > 10);
        for line in kept.lines() {
            reply(&base16ct::lower::decode_vec(line).expect("hexadecimal"));
        }
    }

    proptest! {
        #[test]
        fn parts_of_replies_in_any_order(
            piece in any::<u8>(),
            parts in prop::collection::vec(prop::sample::select(vec![
                "HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 503 x\r\n",
                "Content-Length: 2\r\n", "Content-Length: 3\r\n", "Content-Length: 99999\r\n", "Content-Length: -1\r\n",
                "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip\r\n", "Connection: close\r\n", "A: b\r\n",
                " folded\r\n", "\r\n", "\n", "2\r\n{}\r\n", "0\r\n\r\n", "0\r\nA: b\r\n\r\n", "ffffffffffffffff\r\n", "{}", "{",
                "ad229dfb8a276e74c1f3b6c09349a69f", "\0", "\u{e4}",
            ]), 0..12),
        ) {
            reply(&[&[piece], parts.concat().as_bytes()].concat());
        }
    }
}
