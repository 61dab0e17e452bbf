//! Which hellos a Key Provider gets, from the strongest to the weakest, and what is remembered of its answers.
//!
//! No single hello suits every Key Provider, and everybody on the path can make one fail: with a reset, or with an alert, which nothing
//! authenticates before the handshake is over. So a weaker hello never rests on the failure alone. In TLS 1.2 it says that it is a fallback
//! (RFC 7507), which a Key Provider with TLS 1.3 refuses, and the key proves that nobody changed it.
//!
//! Nothing here knows sockets or OpenSSL; the tests go through everything that somebody on the path can do.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::fork::PerProcess;
use crate::https::TlsVersion;
use crate::https::alert;

/// How long a Key Provider's refusal of the first hello is remembered. Alerts can be forged, so this is also how long that lasts.
pub(super) const MEMORY: Duration = Duration::from_mins(5);

/// One hello of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attempt {
    /// TLS 1.3 with the key bound to SHA-384, and the suites of TLS 1.2 with forward secrecy in the same hello.
    Sha384,
    /// TLS 1.3 with the key bound to SHA-256.
    Sha256,
    /// TLS 1.2 with forward secrecy.
    Dhe,
    /// TLS 1.2, plain PSK as the last resort.
    Plain,
    /// TLS 1.2 without the mark of a fallback, to learn why the fallback was refused. Its connection is never used.
    Diagnosis,
}

impl Attempt {
    pub const COUNT: usize = 5;
}

/// A handshake that failed.
#[derive(Debug)]
pub(super) struct Refused {
    pub error: Error,
    /// The alert that the Key Provider, or somebody in its name, sent.
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

/// How much one refusal explains when every attempt fails: a Key Provider with other versions and one that does not know the key look alike
/// in one attempt. Of equals the first one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Explains {
    Little,
    Version,
    /// Identity or key, or no pre-shared keys at all.
    Key,
    Suite,
    /// The port wants something else.
    Port,
    /// The key, unless another hello is taken.
    Likely,
    /// Everything: no other hello can fare better.
    All,
}

/// The attempts for one Key Provider, and where to begin.
#[derive(Debug)]
pub(super) struct Fallback {
    attempts: Vec<Attempt>,
    /// Whether plain PSK is refused.
    pub forward_secrecy: bool,
    /// Whether TLS 1.2 comes after TLS 1.3, and not because the user asked for it.
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

    /// Whether the hello says that it is a fallback from TLS 1.3, and its connection must bear no sign that the Key Provider has TLS 1.3.
    pub fn is_guarded(&self, attempt: Attempt) -> bool {
        self.guarded && matches!(attempt, Attempt::Dhe | Attempt::Plain)
    }

    /// The attempts of a new connection.
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
    /// Whether the attempt that was remembered is the first one, and nothing else was tried.
    from_memory: bool,
    /// Whether every refusal was an alert.
    answered: bool,
    best: Option<Refused>,
}

impl Run<'_> {
    /// The next attempt; `None` when there is none left.
    pub fn next(&mut self) -> Option<Attempt> {
        self.left.pop_front()
    }

    /// The connection came up.
    pub fn accepted(self, attempt: Attempt, now: Instant) {
        if self.from_memory {
            // remembered for as long as it was: who uses a connection each minute still tries the strongest hello again
            return;
        }
        // who resets connections teaches nothing
        let learned = (self.answered && attempt != self.fallback.strongest()).then(|| Learned {
            // a Key Provider is asked for forward secrecy each time: its alert may have been forged
            begin_with: attempt.min(Attempt::Dhe),
            until: now + MEMORY,
        });
        *self.fallback.learned() = learned;
    }

    /// The attempt failed, and what it means for those to come.
    pub fn refused(&mut self, attempt: Attempt, refused: Refused) {
        self.from_memory = false;
        self.answered &= refused.alert.is_some();
        if refused.explains == Explains::All {
            self.left.clear();
        } else if self.fallback.is_guarded(attempt) {
            match refused.alert {
                // the other fallback would hear the same; ask what TLS 1.2 says of the key, unless TLS 1.3 said enough
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

    /// What the attempts so far say together, if there were any.
    pub fn error(self) -> Option<Error> {
        self.best.map(|best| best.error)
    }
}

/// Whether the random bytes of a Key Provider's hello say that it has TLS 1.3 and was asked for less (RFC 8446, 4.1.3).
pub(super) fn is_downgraded(server_random: &[u8; 32]) -> bool {
    // the last byte counts versions: 1 for TLS 1.2, 0 for what came before
    matches!(server_random[24..], [b'D', b'O', b'W', b'N', b'G', b'R', b'D', 0 | 1])
}
