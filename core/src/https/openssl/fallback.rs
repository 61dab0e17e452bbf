//! The fallback from strong to weak hellos, and what is remembered of a Key Provider's responses.
//!
//! No single hello works with every Key Provider, and anyone on the path can make one fail: with a reset, or with an alert, which is not
//! authenticated before the handshake is complete. So a failure alone must never cause a weaker connection. In TLS 1.2 the hello is marked
//! as a fallback (RFC 7507), which a Key Provider with TLS 1.3 refuses, and the key authenticates the mark.
//!
//! This module is independent of sockets and OpenSSL; its tests cover everything that someone on the path can do.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::fork::PerProcess;
use crate::https::alert;
use crate::options::TlsVersion;

/// How long a Key Provider's refusal of the first hello is remembered. Alerts can be forged, so this also limits how long a forged one has
/// an effect.
pub(super) const MEMORY: Duration = Duration::from_mins(5);

/// One hello of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attempt {
    /// TLS 1.3 with the key bound to SHA-384, and the TLS 1.2 suites with forward secrecy in the same hello.
    Sha384,
    /// TLS 1.3 with the key bound to SHA-256.
    Sha256,
    /// TLS 1.2 with forward secrecy.
    Dhe,
    /// TLS 1.2, with plain PSK as the last resort.
    Plain,
    /// TLS 1.2 without the fallback mark, to learn why the fallback was refused. Its connection is never used.
    Diagnosis,
}

impl Attempt {
    pub const COUNT: usize = 5;
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha384 => "TLS 1.3 with SHA-384",
            Self::Sha256 => "TLS 1.3 with SHA-256",
            Self::Dhe => "TLS 1.2 with forward secrecy",
            Self::Plain => "TLS 1.2 with plain PSK",
            Self::Diagnosis => "TLS 1.2, to learn why it is refused,",
        })
    }
}

/// A failed handshake.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: Error,
    /// The alert from the Key Provider, or from someone impersonating it.
    pub alert: Option<u8>,
    pub explains: Explains,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self {
            error,
            alert: None,
            explains: Explains::All,
        }
    }
}

/// How much a refusal explains if every attempt fails: in a single attempt, a Key Provider with other versions and one that does not know
/// the key look alike. Among equals, the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Explains {
    Little,
    Version,
    /// Identity or key, or no support for pre-shared keys.
    Key,
    Suite,
    /// The port expects something else.
    Port,
    /// The key, unless another hello is accepted.
    Likely,
    /// Everything: no other hello can succeed.
    All,
}

/// The attempts for one Key Provider, and which one to start with.
#[derive(Debug)]
pub(super) struct Fallback {
    attempts: Vec<Attempt>,
    /// Whether plain PSK is refused.
    pub forward_secrecy: bool,
    /// Whether TLS 1.2 is a fallback from TLS 1.3, rather than the user's choice.
    guarded: bool,
    learned: PerProcess<Mutex<Option<Learned>>>,
}

#[derive(Debug, Clone, Copy)]
struct Learned {
    begin_with: Attempt,
    until: Instant,
}

impl Fallback {
    pub fn new(versions: TlsVersion, forward_secrecy: bool) -> Self {
        let mut attempts = match versions {
            TlsVersion::Auto => vec![Attempt::Sha384, Attempt::Sha256, Attempt::Dhe, Attempt::Plain],
            TlsVersion::Tls13 => vec![Attempt::Sha384, Attempt::Sha256],
            TlsVersion::Tls12 => vec![Attempt::Dhe, Attempt::Plain],
        };
        attempts.retain(|attempt| !(forward_secrecy && *attempt == Attempt::Plain));
        Self {
            attempts,
            forward_secrecy,
            guarded: versions == TlsVersion::Auto,
            learned: PerProcess::default(),
        }
    }

    pub fn strongest(&self) -> Attempt {
        self.attempts[0]
    }

    /// Whether the hello is marked as a fallback from TLS 1.3, and the connection is rejected if the Key Provider turns out to support TLS
    /// 1.3.
    pub fn is_guarded(&self, attempt: Attempt) -> bool {
        self.guarded && matches!(attempt, Attempt::Dhe | Attempt::Plain)
    }

    /// Starts the attempts for a new connection.
    pub fn begin(&self, now: Instant) -> Run<'_> {
        let learned = *self.learned();
        let first = learned.filter(|learned| now < learned.until).map(|it| it.begin_with);
        let others = self.attempts.iter().copied().filter(|attempt| Some(*attempt) != first);
        Run {
            fallback: self,
            left: first.into_iter().chain(others).collect(),
            from_memory: first.is_some(),
            answered: true,
            best: None,
        }
    }

    fn learned(&self) -> MutexGuard<'_, Option<Learned>> {
        self.learned.get().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attempts of one connection.
pub(super) struct Run<'a> {
    fallback: &'a Fallback,
    left: VecDeque<Attempt>,
    /// Whether the remembered attempt comes first, and no other has been made.
    from_memory: bool,
    /// Whether every refusal was an alert.
    answered: bool,
    best: Option<Refused>,
}

impl Run<'_> {
    /// The next attempt; `None` if there is none left.
    pub fn next(&mut self) -> Option<Attempt> {
        self.left.pop_front()
    }

    /// Records that the handshake succeeded.
    pub fn accepted(self, attempt: Attempt, now: Instant) {
        if self.from_memory {
            // not extended: a client that connects every minute still tries the strongest hello again
            return;
        }
        // nothing is learned from resets
        let learned = (self.answered && attempt != self.fallback.strongest()).then(|| Learned {
            // forward secrecy is offered each time: the alert may have been forged
            begin_with: attempt.min(Attempt::Dhe),
            until: now + MEMORY,
        });
        *self.fallback.learned() = learned;
    }

    /// Records that the attempt failed, and drops later attempts that cannot succeed.
    pub fn refused(&mut self, attempt: Attempt, refused: Refused) {
        self.from_memory = false;
        self.answered &= refused.alert.is_some();
        if refused.explains == Explains::All {
            self.left.clear();
        } else if self.fallback.is_guarded(attempt) {
            match refused.alert {
                // the other fallback would get the same response; ask what TLS 1.2 says about the key, unless TLS 1.3 said enough
                Some(alert::INAPPROPRIATE_FALLBACK) => {
                    self.left.retain(|left| !self.fallback.is_guarded(*left));
                    if self.best.as_ref().is_none_or(|best| best.explains < Explains::Port) {
                        self.left.push_back(Attempt::Diagnosis);
                    }
                }
                // no TLS 1.2 at all
                Some(alert::PROTOCOL_VERSION) => self.left.retain(|left| !self.fallback.is_guarded(*left)),
                _ => {}
            }
        }
        if self.best.as_ref().is_none_or(|best| best.explains < refused.explains) {
            self.best = Some(refused);
        }
    }

    /// The combined error of the attempts so far, if there were any.
    pub fn error(self) -> Option<Error> {
        self.best.map(|best| best.error)
    }
}

/// Whether the random bytes of a Key Provider's hello contain the downgrade marker of TLS 1.3 (RFC 8446, 4.1.3).
pub(super) fn is_downgraded(server_random: &[u8; 32]) -> bool {
    // the last byte is the version: 1 for TLS 1.2, 0 for earlier ones
    matches!(server_random[24..], [b'D', b'O', b'W', b'N', b'G', b'R', b'D', 0 | 1])
}
