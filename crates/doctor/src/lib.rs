//! Examines a SKIP Key Provider from outside, better with its peer: does it follow draft-cisco-skip-02, and if not,
//! where?
//!
//! ```no_run
//! use skip_client::Client;
//! use skip_client_doctor::{Examination, examine};
//!
//! let kp = Client::builder("https://kp-alice:8443")?.ca_pem(std::fs::read("ca.pem")?).probe()?;
//! let report = examine(&Examination::new(kp), &mut |_| ());
//! println!("{}", skip_client_doctor::json(&report));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! * [`Id`] is the list of checks, [`Profile`] what matters to a device, [`Report`] what was found.
//! * [`text`], [`json`], [`junit`] and [`html`] are the forms of a report, [`summary`] its shortest.
//! * No check passes without its [`Control`]: a refusal shows something only where a good request is served.
//!
//! It takes no more keys than [`Examination::budget`] says. A key is compared in constant time, wiped at once, and is
//! in no report: what is remembered of it is a salted hash, and counts of its bits and bytes, both for as long as the
//! examination runs.

mod baseline;
mod catalogue;
mod examine;
mod profile;
mod recipes;
mod render;
mod report;
mod statistics;
mod watch;

pub use baseline::{Baseline, Comparison};
pub use catalogue::{Control, Group, Id, Level};
pub use examine::{Examination, Progress, examine};
pub use profile::Profile;
pub use recipes::Recipe;
pub use render::{check_lines, html, json, json_value, junit, shown, summary, summary_lines, text};
pub use report::{Check, Keys, Outcome, Report, Sample, Verdict};
pub use watch::{Change, Watch};
