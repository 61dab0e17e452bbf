//! The rotation agent: supplies gateways with fresh keys from a SKIP Key Provider, in step with the agent at the other
//! end.
//!
//! * [`Config`]: the configuration, a TOML file; all mistakes are reported at once.
//! * [`run`], [`run_once`], [`dry_run`]: the agent as a program.
//! * [`ask`], [`ask_rotation`]: requests to a running agent.
//! * [`consumer`]: the supported gateways, and the trait for adding others.
//!
//! The project's `docs/agent.md` describes what the agent does, and in which order.

mod agent;
mod backoff;
mod check;
mod clock;
mod codes;
mod config;
pub mod consumer;
mod control;
mod files;
mod handoff;
mod handoff_certs;
mod journal;
mod metrics;
mod metrics_page;
mod names;
mod notify;
mod plan;
mod ports;
mod provider;
mod reach;
mod reader;
mod report;
mod run;
mod state;
#[cfg(test)]
mod test_keys;
#[cfg(test)]
mod tests;
mod threads;
mod tunnel;

pub use check::{Finding, check, dry_run};
pub use codes::{agent_codes, explain_code};
pub use config::{Config, ConfigError, Mistake};
pub use control::{ask, ask_rotation};
pub use handoff_certs::{Pins, handoff_certificates, self_signed_certificates};
pub use journal::{Level, LogFormat};
pub use plan::{Role, WhenTooOld};
pub use report::{HandOffReport, ReachReport, ReloadReport, Report, TunnelReport};
pub use run::{Ended, Signal, run, run_once, signals, state_of};
