//! Sends a `ClientHello` of TLS 1.2 or older with chosen suites, to see what a server accepts. The handshake is not
//! completed.

use std::io::{Read, Write};
use std::sync::Arc;

use crate::error::{Advice, Error, Result};
use crate::transport::{Control, Ended, Socket};

use super::connection::{Stop, Wire, wait};
use super::dial::not_connected;
use super::url::{Host, Url};

/// A server's response to a `ClientHello`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelloAnswer {
    /// It continues, with this version and suite.
    Accepted {
        /// 0x0301 for TLS 1.0, and so on.
        version: u16,
        /// The suite's number.
        suite: u16,
    },
    /// It sends an alert, closes the connection, or does not speak TLS.
    Refused,
}

impl HelloAnswer {
    /// The IANA name of the accepted suite, if it has one.
    #[must_use]
    pub fn suite_name(&self) -> Option<&'static str> {
        match self {
            Self::Accepted { suite, .. } => rustls::CipherSuite::from(*suite).as_str(),
            Self::Refused => None,
        }
    }
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Sends the `ClientHello` on a new connection and reads the start of the response.
pub(super) fn ask(
    socket: &Arc<Socket>,
    url: &Url,
    server_name: Option<&str>,
    version: u16,
    suites: &[u16],
    control: &Control<'_>,
) -> Result<HelloAnswer> {
    let name = match (server_name, &url.host) {
        (Some(name), _) => Some(name),
        (None, Host::Name(name)) => Some(name.as_str()),
        (None, Host::Address(_) | Host::Zoned(..)) => None,
    };
    let record = client_hello(name, version, suites)?;
    let _watch = control.watch(socket);
    let mut wire = Wire::new(Arc::clone(socket));
    let mut rest = record.as_slice();
    while !rest.is_empty() {
        match wait(&mut wire, control, |wire| wire.write(rest)) {
            Ok(n) => rest = &rest[n..],
            Err(stop) => return ended(&stop),
        }
    }
    // record header, handshake header, version, random, session id and its length: the suite follows
    let mut answer = [0; 5 + 4 + 2 + 32 + 1 + 32 + 2];
    let mut filled = 0;
    loop {
        if let Some(known) = read_answer(&answer[..filled]) {
            return Ok(known);
        }
        match wait(&mut wire, control, |wire| wire.read(&mut answer[filled..])) {
            Ok(0) => return Ok(HelloAnswer::Refused),
            Ok(n) => filled += n,
            Err(stop) => return ended(&stop),
        }
    }
}

/// A reset is a refusal; a timeout is an error.
fn ended(stop: &Stop) -> Result<HelloAnswer> {
    match stop {
        Stop::Ended(ended @ Ended::Cancelled) => Err(not_connected(*ended, "the TLS handshake")),
        Stop::Ended(Ended::Deadline) => Err(Error::timed_out("the TLS handshake", Advice::SameRequest)),
        Stop::Refused(_) | Stop::Io(_) => Ok(HelloAnswer::Refused),
    }
}

/// `None` if more data is needed.
fn read_answer(bytes: &[u8]) -> Option<HelloAnswer> {
    let number = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
    match (*bytes.first()?, bytes.get(5).copied()) {
        (HANDSHAKE, None) => None,
        (HANDSHAKE, Some(SERVER_HELLO)) => {
            let session_id = usize::from(*bytes.get(43)?);
            if session_id > 32 {
                return Some(HelloAnswer::Refused);
            }
            Some(HelloAnswer::Accepted {
                version: number(9)?,
                suite: number(44 + session_id)?,
            })
        }
        // an alert, or something that is not TLS
        _ => Some(HelloAnswer::Refused),
    }
}

fn client_hello(name: Option<&str>, version: u16, suites: &[u16]) -> Result<Vec<u8>> {
    /// X25519, P-256, P-384, and ffdhe2048 for DHE suites.
    const GROUPS: [u16; 4] = [0x001d, 0x0017, 0x0018, 0x0100];
    /// ECDSA, RSA-PSS and RSA, SHA-1 last.
    const SIGNATURES: [u16; 11] = [
        0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
    ];
    let mut extensions = Vec::new();
    if let Some(name) = name {
        let host = [&[0], vector(2, name.as_bytes()).as_slice()].concat();
        extensions.extend(extension(0, &vector(2, &host)));
    }
    extensions.extend(extension(10, &vector(2, &numbers(&GROUPS))));
    extensions.extend(extension(11, &vector(1, &[0])));
    extensions.extend(extension(13, &vector(2, &numbers(&SIGNATURES))));
    // extended master secret, and secure renegotiation
    extensions.extend(extension(23, &[]));
    extensions.extend(extension(0xff01, &[0]));
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| Error::tls_setup())?;
    let body = [
        &version.to_be_bytes()[..],
        &random,
        &[0],
        &vector(2, &numbers(suites)),
        &[1, 0],
        &vector(2, &extensions),
    ]
    .concat();
    let message = [&[CLIENT_HELLO], vector(3, &body).as_slice()].concat();
    Ok([&[HANDSHAKE, 3, 1], vector(2, &message).as_slice()].concat())
}

fn extension(number: u16, content: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes(), vector(2, content).as_slice()].concat()
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// The content, preceded by its length in `length_bytes` bytes.
fn vector(length_bytes: usize, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    [&length[length.len() - length_bytes..], content].concat()
}

#[cfg(test)]
mod tests {
    use super::{HelloAnswer, client_hello, read_answer};

    #[test]
    fn lengths_in_the_hello_fit() {
        let hello = client_hello(Some("kp.example"), 0x0303, &[0xc02c, 0x00ab]).expect("random");
        let length = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        assert_eq!(length, hello.len() - 5);
        let message = usize::from(hello[6]) << 16 | usize::from(hello[7]) << 8 | usize::from(hello[8]);
        assert_eq!(message, length - 4);
    }

    #[test]
    fn an_answer_is_read_as_soon_as_it_says_enough() {
        let mut hello = vec![22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3];
        hello.extend([7; 32]);
        hello.extend([2, 9, 9, 0xc0, 0x2c]);
        for cut in 0..hello.len() {
            assert_eq!(read_answer(&hello[..cut]), None, "{cut}");
        }
        let accepted = HelloAnswer::Accepted {
            version: 0x0303,
            suite: 0xc02c,
        };
        assert_eq!(read_answer(&hello), Some(accepted));
        assert_eq!(read_answer(&[21, 3, 3, 0, 2, 2, 70]), Some(HelloAnswer::Refused));
        assert_eq!(read_answer(b"HTTP/1.1"), Some(HelloAnswer::Refused));
    }
}
