//! The messages between two agents: one line of JSON each way. They carry IDs and numbers, never keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use skip_client::{ErrorCode, KeyId, SystemId};

use crate::codes;
use crate::names::is_name;
use crate::state::{MAX_COUNTER, Stage};

/// The version of this format. An agent answers any other version with [`Answer::Version`].
pub(crate) const VERSION: u32 = 1;
/// The longest line, with its line feed: a keyId of 512 bytes, an ID of 255 bytes with every byte escaped, a name of
/// 64.
pub(crate) const MAX_LINE: usize = 4096;

/// A request about a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// To the responder: fetch the key with this keyId and prepare the gateway.
    Offer {
        counter: u64,
        key_id: KeyId,
        local_system_id: SystemId,
    },
    /// To the responder: the key with this number is in use.
    Confirm { counter: u64 },
    /// To the responder: the key with this number will not be used.
    Abandon { counter: u64 },
    /// To either end: report your status.
    Status,
    /// To the initiator: rotate now, my gateway has lost its key.
    Rotate,
}

/// A request: the tunnel, and what is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub tunnel: String,
    pub ask: Ask,
}

/// The peer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// To an offer: the gateway accepts the key.
    Prepared,
    /// To a confirmation, and to an abandonment that came too late: the key is in use here as well.
    Confirmed,
    /// To an abandonment: the key has been removed from the gateway.
    Abandoned,
    /// To a request for a rotation: a rotation will follow.
    Coming,
    /// To an offer: this number is not above `last`. Offer the same key again with a higher one.
    Stale { last: u64 },
    /// The key with this number can never be used here; offer a fresh one.
    Lost { code: String },
    /// Not now, and no key was consumed; repeat the same request later.
    Later { code: String },
    /// Refused by the configuration.
    Refused { code: String },
    /// To a status request.
    Status(Status),
    /// The request has another version, or was not understood.
    Version,
}

/// An agent's progress with a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub counter: u64,
    pub stage: Stage,
    /// The number of the key in use.
    pub current: Option<u64>,
}

/// Why a line is not a message: the broken rule, without any of the line's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A request as encoded on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine {
    v: u32,
    #[serde(rename = "do")]
    ask: String,
    tunnel: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u64>,
    #[serde(default, rename = "keyId", skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(default, rename = "localSystemID", skip_serializing_if = "Option::is_none")]
    local_system_id: Option<String>,
}

/// An answer as encoded on the wire.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerLine {
    v: u32,
    answer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<Stage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl Request {
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = RequestLine {
            v: VERSION,
            ask: self.ask.name().to_owned(),
            tunnel: self.tunnel.clone(),
            counter: None,
            key_id: None,
            local_system_id: None,
        };
        match &self.ask {
            Ask::Offer {
                counter,
                key_id,
                local_system_id,
            } => {
                line.counter = Some(*counter);
                line.key_id = Some(key_id.as_str().to_owned());
                line.local_system_id = Some(local_system_id.as_str().to_owned());
            }
            Ask::Confirm { counter } | Ask::Abandon { counter } => line.counter = Some(*counter),
            Ask::Status | Ask::Rotate => {}
        }
        to_line(&line)
    }

    /// Parses a line without its line feed.
    pub fn of_line(line: &[u8]) -> Result<Self, Malformed> {
        let line: RequestLine = of_line(line)?;
        let ask = match (line.ask.as_str(), line.counter, line.key_id, line.local_system_id) {
            ("offer", Some(counter), Some(key_id), Some(id)) => Ask::Offer {
                counter: number(counter)?,
                key_id: KeyId::lenient(&key_id)
                    .ok()
                    .filter(|key_id| !key_id.as_str().starts_with('-'))
                    .ok_or(Malformed("keyId breaks the rules for one"))?,
                local_system_id: SystemId::new(&id).map_err(|_| Malformed("localSystemID breaks the rules for one"))?,
            },
            ("confirm", Some(counter), None, None) => Ask::Confirm {
                counter: number(counter)?,
            },
            ("abandon", Some(counter), None, None) => Ask::Abandon {
                counter: number(counter)?,
            },
            ("status", None, None, None) => Ask::Status,
            ("rotate", None, None, None) => Ask::Rotate,
            _ => return Err(Malformed("no such request, or not with these members")),
        };
        if !is_name(&line.tunnel) {
            return Err(Malformed("tunnel breaks the rules for a name"));
        }
        Ok(Self {
            tunnel: line.tunnel,
            ask,
        })
    }
}

impl Ask {
    /// The number of the rotation that the request is about.
    pub fn counter(&self) -> Option<u64> {
        match self {
            Self::Offer { counter, .. } | Self::Confirm { counter } | Self::Abandon { counter } => Some(*counter),
            Self::Status | Self::Rotate => None,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Offer { .. } => "offer",
            Self::Confirm { .. } => "confirm",
            Self::Abandon { .. } => "abandon",
            Self::Status => "status",
            Self::Rotate => "rotate",
        }
    }
}

impl Answer {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Confirmed => "confirmed",
            Self::Abandoned => "abandoned",
            Self::Coming => "coming",
            Self::Stale { .. } => "stale",
            Self::Lost { .. } => "lost",
            Self::Later { .. } => "later",
            Self::Refused { .. } => "refused",
            Self::Status(_) => "status",
            Self::Version => "version",
        }
    }

    /// The code of the failure, if there is one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Lost { code } | Self::Later { code } | Self::Refused { code } => Some(code),
            _ => None,
        }
    }

    pub fn to_line(&self) -> Vec<u8> {
        let mut line = AnswerLine {
            v: VERSION,
            answer: self.name().to_owned(),
            counter: None,
            stage: None,
            current: None,
            code: self.code().map(str::to_owned),
        };
        match self {
            Self::Stale { last } => line.counter = Some(*last),
            Self::Status(status) => {
                line.counter = Some(status.counter);
                line.stage = Some(status.stage);
                line.current = status.current;
            }
            _ => {}
        }
        to_line(&line)
    }

    /// Parses a line without its line feed.
    pub fn of_line(line: &[u8]) -> Result<Self, Malformed> {
        let line: AnswerLine = of_line(line)?;
        // codes become metric labels, so a peer must not invent its own
        let code = line.code.map(|code| {
            let known = ErrorCode::ALL.iter().any(|one| one.as_str() == code)
                || codes::ANSWERS.iter().any(|(name, ..)| *name == code);
            if known { code } else { "other".to_owned() }
        });
        Ok(match (line.answer.as_str(), line.counter, line.stage, code) {
            ("prepared", None, None, None) => Self::Prepared,
            ("confirmed", None, None, None) => Self::Confirmed,
            ("abandoned", None, None, None) => Self::Abandoned,
            ("coming", None, None, None) => Self::Coming,
            ("stale", Some(last), None, None) => Self::Stale { last: number(last)? },
            ("lost", None, None, Some(code)) => Self::Lost { code },
            ("later", None, None, Some(code)) => Self::Later { code },
            ("refused", None, None, Some(code)) => Self::Refused { code },
            ("status", Some(counter), Some(stage), None) if counter <= MAX_COUNTER => Self::Status(Status {
                counter,
                stage,
                current: line.current,
            }),
            ("version", None, None, None) => Self::Version,
            _ => return Err(Malformed("no such answer, or not with these members")),
        })
    }
}

fn number(counter: u64) -> Result<u64, Malformed> {
    if (1..=MAX_COUNTER).contains(&counter) {
        Ok(counter)
    } else {
        Err(Malformed("counter is out of its range"))
    }
}

fn to_line(message: &impl Serialize) -> Vec<u8> {
    // serializing strings and numbers cannot fail
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

fn of_line<'a, T: Versioned + Deserialize<'a>>(line: &'a [u8]) -> Result<T, Malformed> {
    if line.len() >= MAX_LINE {
        return Err(Malformed("the line is too long"));
    }
    let message: T = serde_json::from_slice(line).map_err(|_| Malformed("the line is no message"))?;
    if message.version() != VERSION {
        return Err(Malformed("the message is of another version"));
    }
    Ok(message)
}

trait Versioned {
    fn version(&self) -> u32;
}

impl Versioned for RequestLine {
    fn version(&self) -> u32 {
        self.v
    }
}

impl Versioned for AnswerLine {
    fn version(&self) -> u32 {
        self.v
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Ask, MAX_LINE, Request, Status};
    use crate::state::{ResponderStage, Stage};

    fn requests() -> Vec<Request> {
        let of = |ask| Request {
            tunnel: "site-b".to_owned(),
            ask,
        };
        vec![
            of(Ask::Offer {
                counter: 3,
                key_id: "00ff".parse().expect("a keyId"),
                local_system_id: "Alice".parse().expect("an id"),
            }),
            of(Ask::Confirm { counter: 3 }),
            of(Ask::Abandon { counter: 3 }),
            of(Ask::Status),
            of(Ask::Rotate),
        ]
    }

    fn answers() -> Vec<Answer> {
        let code = || "not_found".to_owned();
        vec![
            Answer::Prepared,
            Answer::Confirmed,
            Answer::Abandoned,
            Answer::Coming,
            Answer::Stale { last: 9 },
            Answer::Lost { code: code() },
            Answer::Later { code: code() },
            Answer::Refused { code: code() },
            Answer::Status(Status {
                counter: 3,
                stage: Stage::Responder(ResponderStage::Prepared),
                current: Some(2),
            }),
            Answer::Status(Status {
                counter: 0,
                stage: Stage::Idle,
                current: None,
            }),
            Answer::Version,
        ]
    }

    #[test]
    fn messages_survive_encoding_and_parsing() {
        for request in requests() {
            let line = request.to_line();
            assert_eq!(Request::of_line(line.trim_ascii_end()), Ok(request));
        }
        for answer in answers() {
            let line = answer.to_line();
            assert_eq!(Answer::of_line(line.trim_ascii_end()), Ok(answer));
        }
    }

    #[test]
    fn the_format_is_as_documented() {
        let lines: Vec<String> = requests()
            .iter()
            .map(|r| String::from_utf8(r.to_line()).expect("text"))
            .collect();
        insta::assert_snapshot!(lines.concat(), @r#"
        {"v":1,"do":"offer","tunnel":"site-b","counter":3,"keyId":"00ff","localSystemID":"Alice"}
        {"v":1,"do":"confirm","tunnel":"site-b","counter":3}
        {"v":1,"do":"abandon","tunnel":"site-b","counter":3}
        {"v":1,"do":"status","tunnel":"site-b"}
        {"v":1,"do":"rotate","tunnel":"site-b"}
        "#);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            r#"{"v":2,"do":"status","tunnel":"a"}"#,
            r#"{"v":1,"do":"status","tunnel":"a","more":1}"#,
            r#"{"v":1,"do":"status","tunnel":"a","tunnel":"b"}"#,
            r#"{"v":1,"do":"status","tunnel":"a","counter":1}"#,
            r#"{"v":1,"do":"status","tunnel":"../a"}"#,
            r#"{"v":1,"do":"status","tunnel":""}"#,
            r#"{"v":1,"do":"confirm","tunnel":"a"}"#,
            r#"{"v":1,"do":"confirm","tunnel":"a","counter":0}"#,
            r#"{"v":1,"do":"confirm","tunnel":"a","counter":-1}"#,
            r#"{"v":1,"do":"confirm","tunnel":"a","counter":1.0}"#,
            r#"{"v":1,"do":"confirm","tunnel":"a","counter":18446744073709551615}"#,
            r#"{"v":1,"do":"offer","tunnel":"a","counter":1,"keyId":"..","localSystemID":"A"}"#,
            r#"{"v":1,"do":"offer","tunnel":"a","counter":1,"keyId":"00","localSystemID":""}"#,
            r#"{"v":1,"do":"status","tunnel":"a"} {}"#,
            "[]",
            "",
            "null",
        ] {
            assert!(Request::of_line(bad.as_bytes()).is_err(), "{bad}");
            assert!(Answer::of_line(bad.as_bytes()).is_err(), "{bad}");
        }
        let long = format!(r#"{{"v":1,"do":"status","tunnel":"a"{}}}"#, " ".repeat(MAX_LINE));
        assert!(Request::of_line(long.as_bytes()).is_err());
    }

    #[test]
    fn corrupted_messages_never_panic_and_never_name_a_tunnel_with_a_path() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut taken = 0;
        for _ in 0..20_000 {
            let all = requests();
            let mut line = all[random.usize(..all.len())].to_line();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..line.len());
                match random.u8(..3) {
                    0 => line[at] = random.u8(..),
                    1 => drop(line.remove(at)),
                    _ => line.insert(at, random.u8(..)),
                }
            }
            if let Ok(request) = Request::of_line(&line) {
                taken += 1;
                assert!(!request.tunnel.contains('/') && !request.tunnel.starts_with('.'));
            }
            let _ = Answer::of_line(&line);
        }
        assert!(taken > 0);
    }
}
