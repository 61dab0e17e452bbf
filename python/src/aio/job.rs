//! A call in the queue.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use skip_client::{BitLength, CancelToken, Error, KeyId, SystemId};

use super::results::{Answer, Outcome, Results};

pub enum Question {
    Capabilities { refresh: bool },
    NewKey(SystemId, Option<BitLength>),
    KeyById(KeyId, SystemId),
    Entropy(Option<BitLength>),
}

/// A queued call, identified by the address of its future, which lives until the outcome is delivered.
pub struct Job {
    pub question: Question,
    pub timeout: Option<Duration>,
    pub token: CancelToken,
    pub future: usize,
    pub results: Arc<Results>,
}

impl Job {
    pub fn run(self, client: &skip_client::Client) {
        let outcome = if self.token.is_cancelled() {
            Outcome::NotAsked
        } else {
            panic::catch_unwind(AssertUnwindSafe(|| self.ask(client))).map_or(Outcome::Panicked, Outcome::Answered)
        };
        self.results.put(self.future, outcome);
    }

    fn ask(&self, client: &skip_client::Client) -> Result<Answer, Error> {
        let mut call = client.call().cancel(&self.token);
        if let Some(timeout) = self.timeout {
            call = call.timeout(timeout);
        }
        match &self.question {
            Question::Capabilities { refresh: true } => call.refresh_capabilities().map(Answer::Capabilities),
            Question::Capabilities { refresh: false } => call.capabilities().map(Answer::Capabilities),
            Question::NewKey(remote, Some(size)) => call.size(*size).new_key(remote).map(Answer::Key),
            Question::NewKey(remote, None) => call.new_key(remote).map(Answer::Key),
            Question::KeyById(id, remote) => call.key_by_id(id, remote).map(Answer::Key),
            Question::Entropy(bits) => call.entropy(*bits).map(Answer::Entropy),
        }
    }
}
