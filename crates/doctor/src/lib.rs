//! Examines a SKIP Key Provider from outside, and preferably its peer too: does it follow draft-cisco-skip-02, and if
//! not, where?
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
//! * [`Id`] is the list of checks, [`Profile`] the requirements of a device, [`Report`] the result.
//! * [`text`], [`json`], [`junit`] and [`html`] are the forms of a report; [`summary`] is the shortest.
//! * No check passes without its [`Control`]: a refusal proves something only if a good request is served.
//!
//! It consumes at most [`Examination::budget`] keys. Keys are compared in constant time, wiped at once, and never
//! reported: only a salted hash and counts of bits and bytes are kept, for the duration of the examination.

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
