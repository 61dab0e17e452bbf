//! One object, for programs. Members are never renamed; new ones may be added.

use serde_json::{Value, json as object};

use crate::report::{Check, Report};

use super::summary;

/// The report as one object on one line.
#[must_use]
pub fn json(report: &Report) -> String {
    json_value(report).to_string()
}

/// The report as a value.
#[must_use]
pub fn json_value(report: &Report) -> Value {
    let mut kinds: Vec<&str> = report.latency.iter().map(|sample| sample.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let latency: serde_json::Map<String, Value> = kinds
        .into_iter()
        .map(|kind| {
            let of_kind = report.latency.iter().filter(|sample| sample.kind == kind);
            let times: Vec<f64> = of_kind.map(|sample| (sample.ms * 1000.0).round() / 1000.0).collect();
            (kind.to_owned(), times.into())
        })
        .collect();
    object!({
        "verdict": report.verdict().as_str(),
        "summary": summary(report),
        "profile": report.profile.as_str(),
        "url": report.url,
        "peer": report.peer,
        "remote": report.remote,
        "connection": report.connection.as_ref().map(|info| object!({
            "address": info.address,
            "tls_version": info.tls_version,
            "cipher_suite": info.cipher_suite,
            "group": info.group,
        })),
        "keys": {
            "budget": report.keys.budget,
            "at_most": report.keys.at_most,
            "used": report.keys.used,
        },
        "stopped": report.stopped,
        "seconds": (report.seconds * 1000.0).round() / 1000.0,
        "latency_ms": latency,
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    object!({
        "id": check.id.as_str(),
        "section": check.id.section(),
        "level": check.level.as_str(),
        "result": check.result.as_str(),
        "message": check.message,
        "remedy": check.remedy,
        "title": check.id.title(),
        "about": check.id.about(),
        "page": check.id.page(),
        "provider_text": check.provider_text,
        "evidence": check.evidence,
    })
}
