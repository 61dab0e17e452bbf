//! A client of VICI, `strongSwan`'s control protocol: commands with a tree of values, over a Unix socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

/// Charon never sends longer segments.
const LONGEST_SEGMENT: usize = 512 * 1024;
/// Charon's answers are at most four levels deep.
const DEEPEST: usize = 16;
/// More than charon sends for one connection, even with many SAs.
const MOST_EVENTS: usize = 10_000;

const REQUEST: u8 = 0;
const RESPONSE: u8 = 1;
const UNKNOWN_COMMAND: u8 = 2;
const REGISTER: u8 = 3;
const UNREGISTER: u8 = 4;
const CONFIRMED: u8 = 5;
const EVENT: u8 = 7;

const SECTION_START: u8 = 1;
const SECTION_END: u8 = 2;
const KEY_VALUE: u8 = 3;
const LIST_START: u8 = 4;
const LIST_ITEM: u8 = 5;
const LIST_END: u8 = 6;

/// Values may be secrets, so they are wiped on drop.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// Named values, lists and sections, in order.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Section(Vec<(String, Item)>);

#[derive(Clone, PartialEq, Eq)]
enum Item {
    Value(Value),
    List(Vec<Value>),
    Section(Section),
}

impl Section {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Adds a value.
    pub(super) fn value(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = Zeroizing::new(value.as_ref().to_vec());
        self.0.push((name.to_owned(), Item::Value(value)));
        self
    }

    /// Adds a list.
    pub(super) fn list<T: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let values = values
            .into_iter()
            .map(|value| Zeroizing::new(value.as_ref().to_vec()))
            .collect();
        self.0.push((name.to_owned(), Item::List(values)));
        self
    }

    /// Adds a section.
    pub(super) fn section(mut self, name: &str, section: Section) -> Self {
        self.0.push((name.to_owned(), Item::Section(section)));
        self
    }

    /// A value, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.find(name)? {
            Item::Value(value) => std::str::from_utf8(value).ok(),
            _ => None,
        }
    }

    /// The values of a list that are text; empty if there is no such list.
    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = match self.find(name) {
            Some(Item::List(values)) => values.as_slice(),
            _ => &[],
        };
        values.iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// A subsection.
    pub(super) fn child(&self, name: &str) -> Option<&Section> {
        self.children()
            .find(|(found, _)| *found == name)
            .map(|(_, section)| section)
    }

    /// All subsections.
    pub(super) fn children(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.0.iter().filter_map(|(name, item)| match item {
            Item::Section(section) => Some((name.as_str(), section)),
            _ => None,
        })
    }

    pub(super) fn is_not_empty(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether it contains an element of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Item> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, item)| item)
    }

    fn length(&self) -> usize {
        let items = self.0.iter().map(|(name, item)| {
            2 + name.len()
                + match item {
                    Item::Value(value) => 2 + value.len(),
                    Item::List(values) => values.iter().map(|value| 3 + value.len()).sum::<usize>() + 1,
                    Item::Section(section) => section.length() + 1,
                }
        });
        items.sum()
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), ViciError> {
        for (name, item) in &self.0 {
            match item {
                Item::Value(value) => {
                    named(KEY_VALUE, name, out)?;
                    blob(value, out)?;
                }
                Item::List(values) => {
                    named(LIST_START, name, out)?;
                    for value in values {
                        out.push(LIST_ITEM);
                        blob(value, out)?;
                    }
                    out.push(LIST_END);
                }
                Item::Section(section) => {
                    named(SECTION_START, name, out)?;
                    section.encode(out)?;
                    out.push(SECTION_END);
                }
            }
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, ViciError> {
        let mut input = Input(bytes);
        Self::decode_level(&mut input, 0)
    }

    fn decode_level(input: &mut Input<'_>, depth: usize) -> Result<Self, ViciError> {
        if depth > DEEPEST {
            return Err(ViciError::Protocol("its answer has too many levels"));
        }
        let mut section = Self::new();
        while let Some(kind) = input.next() {
            match kind {
                SECTION_END if depth > 0 => return Ok(section),
                KEY_VALUE => {
                    let name = input.name()?;
                    section = section.value(name, input.blob()?);
                }
                LIST_START => {
                    let name = input.name()?;
                    let mut values = Vec::new();
                    loop {
                        match input.next() {
                            Some(LIST_ITEM) => values.push(input.blob()?),
                            Some(LIST_END) => break,
                            _ => return Err(BROKEN),
                        }
                    }
                    section = section.list(name, values);
                }
                SECTION_START => {
                    let name = input.name()?;
                    section = section.section(name, Self::decode_level(input, depth + 1)?);
                }
                _ => return Err(BROKEN),
            }
        }
        if depth == 0 { Ok(section) } else { Err(BROKEN) }
    }
}

const BROKEN: ViciError = ViciError::Protocol("its answer is not a VICI message");

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ViciError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BROKEN)?;
        self.0 = rest;
        Ok(taken)
    }

    fn name(&mut self) -> Result<&'a str, ViciError> {
        let length = self.next().ok_or(BROKEN)?;
        std::str::from_utf8(self.take(length.into())?).map_err(|_| BROKEN)
    }

    fn blob(&mut self) -> Result<&'a [u8], ViciError> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }
}

fn named(kind: u8, name: &str, out: &mut Vec<u8>) -> Result<(), ViciError> {
    let length = u8::try_from(name.len()).map_err(|_| ViciError::Protocol("a name is longer than 255 bytes"))?;
    out.extend_from_slice(&[kind, length]);
    out.extend_from_slice(name.as_bytes());
    Ok(())
}

fn blob(value: &[u8], out: &mut Vec<u8>) -> Result<(), ViciError> {
    let length = u16::try_from(value.len()).map_err(|_| ViciError::Protocol("a value is longer than 65535 bytes"))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    Ok(())
}

/// Why a command failed.
#[derive(Debug)]
pub(super) enum ViciError {
    /// The socket cannot be connected to.
    Connect(io::Error),
    /// The connection broke, or the deadline has passed.
    Io(io::Error),
    /// Charon and this client disagree about the protocol.
    Protocol(&'static str),
    /// Charon does not know the command.
    Unknown(String),
    /// Charon refused the command, with a reason.
    Refused { command: String, reason: String },
}

impl fmt::Display for ViciError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect to charon: {error}"),
            Self::Io(error) if is_late(error) => f.write_str("charon did not answer in time"),
            Self::Io(error) => write!(f, "the connection to charon broke: {error}"),
            Self::Protocol(what) => write!(f, "charon was not understood: {what}"),
            Self::Unknown(command) => write!(f, "charon does not know the command {command}"),
            Self::Refused { command, reason } => write!(f, "charon refused {command}: {reason}"),
        }
    }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A connection to charon, for one call of the consumer.
pub(super) struct Session {
    stream: UnixStream,
    deadline: Instant,
}

impl Session {
    /// Connects. Everything on this connection must be finished within `limit`.
    pub(super) fn connect(socket: &Path, limit: Duration) -> Result<Self, ViciError> {
        let stream = UnixStream::connect(socket).map_err(ViciError::Connect)?;
        Ok(Self {
            stream,
            deadline: Instant::now() + limit,
        })
    }

    /// The process that listens on the socket.
    pub(super) fn peer_pid(&self) -> Option<i32> {
        let credentials = rustix::net::sockopt::socket_peercred(&self.stream).ok()?;
        Some(credentials.pid.as_raw_nonzero().get())
    }

    /// The time left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Runs a command with one answer. Charon's `success = no` is an error.
    pub(super) fn call(&mut self, command: &str, arguments: &Section) -> Result<Section, ViciError> {
        self.send(REQUEST, command, arguments)?;
        loop {
            let packet = self.receive()?;
            // skip events that were registered for earlier
            if packet.first() != Some(&EVENT) {
                return answer(command, &packet);
            }
        }
    }

    /// Runs a command that answers with any number of events.
    pub(super) fn stream(
        &mut self,
        command: &str,
        event: &str,
        arguments: &Section,
    ) -> Result<Vec<Section>, ViciError> {
        self.registration(REGISTER, event)?;
        self.send(REQUEST, command, arguments)?;
        let mut events = Vec::new();
        loop {
            let packet = self.receive()?;
            match packet.split_first() {
                Some((&EVENT, rest)) if events.len() < MOST_EVENTS => {
                    let mut input = Input(rest);
                    if input.name()? == event {
                        events.push(Section::decode(input.0)?);
                    }
                }
                Some((&EVENT, _)) => return Err(ViciError::Protocol("it sends events without end")),
                _ => {
                    answer(command, &packet)?;
                    break;
                }
            }
        }
        self.registration(UNREGISTER, event)?;
        Ok(events)
    }

    fn registration(&mut self, kind: u8, event: &str) -> Result<(), ViciError> {
        self.send(kind, event, &Section::new())?;
        loop {
            match self.receive()?.first() {
                Some(&CONFIRMED) => return Ok(()),
                Some(&EVENT) => {}
                _ => return Err(ViciError::Unknown(event.to_owned())),
            }
        }
    }

    fn send(&mut self, kind: u8, name: &str, arguments: &Section) -> Result<(), ViciError> {
        let length = 2 + name.len() + arguments.length();
        if length > LONGEST_SEGMENT {
            return Err(ViciError::Protocol("the request is longer than 512 KiB"));
        }
        // allocated at its final size, because growing would leave copies of a key behind
        let mut packet = Zeroizing::new(Vec::with_capacity(4 + length));
        packet.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        named(kind, name, &mut packet)?;
        arguments.encode(&mut packet)?;
        debug_assert_eq!(packet.len(), 4 + length);
        self.stream
            .set_write_timeout(Some(self.left().max(Duration::from_millis(1))))
            .and_then(|()| self.stream.write_all(&packet))
            .map_err(ViciError::Io)
    }

    fn receive(&mut self) -> Result<Vec<u8>, ViciError> {
        let mut length = [0; 4];
        self.read(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > LONGEST_SEGMENT {
            return Err(ViciError::Protocol("its segment is empty or longer than 512 KiB"));
        }
        let mut packet = vec![0; length];
        self.read(&mut packet)?;
        Ok(packet)
    }

    fn read(&mut self, mut buffer: &mut [u8]) -> Result<(), ViciError> {
        while !buffer.is_empty() {
            let left = self.left();
            if left.is_zero() {
                return Err(ViciError::Io(io::ErrorKind::TimedOut.into()));
            }
            self.stream.set_read_timeout(Some(left)).map_err(ViciError::Io)?;
            match self.stream.read(buffer) {
                Ok(0) => return Err(ViciError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ViciError::Io(error)),
            }
        }
        Ok(())
    }
}

fn answer(command: &str, packet: &[u8]) -> Result<Section, ViciError> {
    match packet.split_first() {
        Some((&RESPONSE, message)) => {
            let message = Section::decode(message)?;
            if message.text("success") == Some("no") {
                let reason = message.text("errmsg").unwrap_or("no reason given");
                return Err(ViciError::Refused {
                    command: command.to_owned(),
                    reason: printable(reason),
                });
            }
            Ok(message)
        }
        Some((&UNKNOWN_COMMAND, _)) => Err(ViciError::Unknown(command.to_owned())),
        _ => Err(ViciError::Protocol("it answers with a packet of another kind")),
    }
}

/// One line of at most 200 characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn tree() -> Section {
        let inner = Section::new()
            .section("sub-section", Section::new().value("key2", "value2"))
            .list("list1", ["item1", "item2"]);
        Section::new().value("key1", "value1").section("section1", inner)
    }

    #[test]
    fn a_tree_is_encoded_as_the_protocol_requires() {
        let mut out = Vec::new();
        tree().encode(&mut out).unwrap();
        let expected = [
            &b"\x03\x04key1\x00\x06value1\x01\x08section1\x01\x0bsub-section\x03\x04key2\x00\x06value2\x02"[..],
            b"\x04\x05list1\x05\x00\x05item1\x05\x00\x05item2\x06\x02",
        ]
        .concat();
        assert_eq!(out, expected);
        assert_eq!(tree().length(), out.len());
        assert!(Section::decode(&out).unwrap() == tree());
    }

    #[test]
    fn no_answer_causes_a_panic() {
        let mut whole = Vec::new();
        tree().encode(&mut whole).unwrap();
        for cut in 1..whole.len() {
            // the rest is either a whole message or is refused
            let _ = Section::decode(&whole[..cut]);
        }
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
            let _ = Section::decode(&bytes);
        }
        assert!(Section::decode(b"\x01\x01a").is_err());
        assert!(Section::decode(b"\x02").is_err());
        assert!(Section::decode(&b"\x01\x01a".repeat(100)).is_err());
        assert!(Section::decode(b"\x04\x01a\x03\x01b").is_err());
    }

    #[test]
    fn values_that_are_too_long_are_refused_and_not_truncated() {
        assert!(
            Section::new()
                .value(&"n".repeat(256), "")
                .encode(&mut Vec::new())
                .is_err()
        );
        let long = vec![0; 65_536];
        assert!(Section::new().value("n", long).encode(&mut Vec::new()).is_err());
    }

    /// A fake charon that sends these segments, whatever the request.
    fn charon(segments: Vec<Vec<u8>>) -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vici");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for segment in segments {
                let length = u32::try_from(segment.len()).unwrap().to_be_bytes();
                stream.write_all(&[&length[..], &segment].concat()).unwrap();
            }
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let session = Session::connect(&path, Duration::from_millis(300)).unwrap();
        (folder, session)
    }

    fn packet(kind: u8, name: &str, message: &Section) -> Vec<u8> {
        let mut out = vec![kind];
        if kind == EVENT {
            named(kind, name, &mut out).unwrap();
            out.remove(0);
        }
        message.encode(&mut out).unwrap();
        out
    }

    #[test]
    fn events_are_collected_until_the_answer() {
        let sa = |name: &str| Section::new().section(name, Section::new().value("state", "ESTABLISHED"));
        let (_folder, mut session) = charon(vec![
            vec![CONFIRMED],
            packet(EVENT, "list-sa", &sa("a")),
            packet(EVENT, "log", &sa("not this one")),
            packet(EVENT, "list-sa", &sa("b")),
            vec![RESPONSE],
            packet(EVENT, "list-sa", &sa("late")),
            vec![CONFIRMED],
        ]);
        let events = session.stream("list-sas", "list-sa", &Section::new()).unwrap();
        assert!(events == [sa("a"), sa("b")]);
    }

    #[test]
    fn refusals_are_reported_with_their_reason() {
        let refusal = Section::new().value("success", "no").value("errmsg", "no\nsuch child");
        let (_folder, mut session) = charon(vec![packet(RESPONSE, "", &refusal)]);
        let error = session.call("initiate", &Section::new()).err().unwrap();
        assert_eq!(error.to_string(), "charon refused initiate: nosuch child");

        let (_folder, mut session) = charon(vec![vec![UNKNOWN_COMMAND]]);
        let error = session.call("initiate", &Section::new()).err().unwrap();
        assert_eq!(error.to_string(), "charon does not know the command initiate");

        let (_folder, mut session) = charon(vec![]);
        let error = session.call("version", &Section::new()).err().unwrap();
        assert_eq!(error.to_string(), "charon did not answer in time");
    }
}
