//! The rotation agent: gives gateways fresh keys from a SKIP Key Provider, in step with the agent at the other end.
//!
//! * [`Config`]: what an agent is told, from a TOML file, with every mistake named.
//! * [`run`], [`run_once`], [`dry_run`]: the agent as a program; [`ask`]: how a running one is.
//! * [`consumer`]: the gateways, and the trait for one more.
//!
//! What it does, and in which order, is in the project's `docs/agent.md`.

mod agent;
mod backoff;
mod clock;
mod config;
pub mod consumer;
mod dry_run;
mod handoff;
mod initiator;
mod journal;
mod metrics;
mod metrics_page;
mod notify;
mod ports;
mod provider;
mod responder;
mod run;
mod state;
mod status;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
mod tunnel;

pub use config::{Config, ConfigError, Mistake};
pub use dry_run::{Finding, dry_run};
pub use journal::{Level, LogFormat};
pub use run::{Ended, Signal, run, run_once, signals, state_of};
pub use status::{Report, TunnelReport, ask};
pub use tunnel::{Role, WhenTooOld};
