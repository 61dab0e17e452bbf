//! What improved or regressed since an earlier report.

use std::fmt::Write as _;

use serde_json::{Value, json as object};
use skip_client::Error;

use crate::report::{Outcome, Report};

/// The results of an earlier report, by check ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline(Vec<(String, Outcome)>);

/// The checks whose result has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// From fail to warn or pass, or from warn to pass.
    pub better: Vec<Change>,
    /// The other way round.
    pub worse: Vec<Change>,
    /// Skipped or absent in one of the reports, so that they cannot be compared.
    pub unknown: Vec<Change>,
}

/// A check with its two results; `None` if a report lacks the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The check's stable name.
    pub id: String,
    /// In the earlier report.
    pub before: Option<Outcome>,
    /// In this report.
    pub now: Option<Outcome>,
}

impl Baseline {
    /// Reads the output of [`json`](crate::json).
    ///
    /// # Errors
    /// `invalid_argument` if this is not a report.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        let report: Option<Value> = serde_json::from_slice(text).ok();
        let checks = report.as_ref().and_then(|report| report["checks"].as_array());
        let read = |check: &Value| {
            let result = Outcome::ALL.into_iter().find(|one| check["result"] == one.as_str())?;
            Some((check["id"].as_str()?.to_owned(), result))
        };
        checks
            .and_then(|checks| checks.iter().map(read).collect())
            .map(Self)
            .ok_or_else(|| {
                Error::invalid_argument(
                    "baseline",
                    "must be a report of doctor in JSON",
                    "skip-client doctor URL --json > baseline.json writes one",
                )
            })
    }

    /// The changes from the earlier report to this one.
    #[must_use]
    pub fn compare(&self, report: &Report) -> Comparison {
        let mut all: Vec<Change> = Vec::new();
        for check in &report.checks {
            let id = check.id.as_str();
            let before = self
                .0
                .iter()
                .find(|(earlier, _)| earlier == id)
                .map(|(_, result)| *result);
            all.push(Change {
                id: id.to_owned(),
                before,
                now: Some(check.result),
            });
        }
        for (id, before) in &self.0 {
            if !all.iter().any(|change| change.id == *id) {
                all.push(Change {
                    id: id.clone(),
                    before: Some(*before),
                    now: None,
                });
            }
        }
        let mut comparison = Comparison::default();
        for change in all.into_iter().filter(|change| change.before != change.now) {
            let list = match (rank(change.before), rank(change.now)) {
                (Some(before), Some(now)) if now > before => &mut comparison.better,
                (Some(_), Some(_)) => &mut comparison.worse,
                _ => &mut comparison.unknown,
            };
            list.push(change);
        }
        comparison
    }
}

/// The higher the better; `None` without a result.
fn rank(result: Option<Outcome>) -> Option<u8> {
    match result {
        Some(Outcome::Fail) => Some(0),
        Some(Outcome::Warn) => Some(1),
        Some(Outcome::Pass) => Some(2),
        Some(Outcome::Skip) | None => None,
    }
}

impl Comparison {
    /// A line per change, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!(
            "Since the baseline: {} better, {} worse, {} not comparable.\n",
            self.better.len(),
            self.worse.len(),
            self.unknown.len()
        );
        let lists = [("better", &self.better), ("worse", &self.worse), ("?", &self.unknown)];
        for (word, list) in lists {
            for change in list {
                // writing to a String cannot fail
                let _ = writeln!(
                    out,
                    "{word:<6}  {}: {}, now {}",
                    change.id,
                    said(change.before),
                    said(change.now)
                );
            }
        }
        out
    }

    /// `{"better", "worse", "unknown"}`, each a list of `{"id", "before", "now"}`; a missing result is null.
    #[must_use]
    pub fn json_value(&self) -> Value {
        let list = |changes: &[Change]| -> Vec<Value> {
            let one = |change: &Change| {
                object!({
                    "id": change.id,
                    "before": change.before.map(Outcome::as_str),
                    "now": change.now.map(Outcome::as_str),
                })
            };
            changes.iter().map(one).collect()
        };
        object!({
            "better": list(&self.better),
            "worse": list(&self.worse),
            "unknown": list(&self.unknown),
        })
    }
}

fn said(result: Option<Outcome>) -> &'static str {
    result.map_or("not made", Outcome::as_str)
}

#[cfg(test)]
mod tests {
    use super::Baseline;

    #[test]
    fn what_is_no_report_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"checks": [{"id": "a", "result": "maybe"}]}"#,
            r#"{"checks": [1]}"#,
        ] {
            assert!(Baseline::from_json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Baseline::from_json(br#"{"checks": [{"id": "a", "result": "warn", "more": 1}]}"#).is_ok());
    }
}
