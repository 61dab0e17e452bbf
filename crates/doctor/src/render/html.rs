//! A self-contained page: verdict, plot, and each check with its evidence.

use std::fmt::Write as _;

use crate::catalogue::Group;
use crate::report::{Check, Outcome, Report, Verdict};

use super::{escaped, plot, summary};

const STYLE: &str = include_str!("report.css");

/// The report as an HTML document, without external resources or scripts.
#[must_use]
pub fn html(report: &Report) -> String {
    let verdict = report.verdict();
    let (class, words) = match verdict {
        Verdict::Pass => ("pass", "No requirement failed"),
        Verdict::Fail => ("fail", "A requirement failed"),
        Verdict::NoConnection => ("fail", "No connection"),
    };
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Key Provider {}: {}</title><style>{STYLE}</style></head><body><main>\n\
         <h1>Key Provider report</h1>\n<p class=\"verdict {class}\">{words}{}</p>\n",
        escaped(&report.url),
        verdict.as_str(),
        if report.stopped {
            ", as far as the examination got before it was stopped"
        } else {
            ""
        },
    );
    facts(&mut out, report);
    counts(&mut out, report);
    for group in Group::ALL {
        let checks: Vec<&Check> = report.checks.iter().filter(|check| check.id.group() == group).collect();
        if checks.is_empty() {
            continue;
        }
        // writing to a String cannot fail
        let _ = writeln!(out, "<h2>{}</h2>", group.title());
        if group == Group::Load {
            let drawing = plot::latency(&report.latency);
            let _ = writeln!(
                out,
                "<figure>{drawing}<figcaption>Each dot is a reply; the line is the median.</figcaption></figure>"
            );
        }
        for check in checks {
            entry(&mut out, check);
        }
    }
    let _ = writeln!(
        out,
        "<footer>skip-client {} doctor, by draft-cisco-skip-02. No key is in this report.</footer>\
         </main></body></html>",
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn facts(out: &mut String, report: &Report) {
    let mut rows = vec![("Key Provider", report.url.clone())];
    rows.extend(report.peer.clone().map(|peer| ("Peer", peer)));
    rows.extend(report.remote.clone().map(|remote| ("Remote", remote)));
    rows.push(("Profile", report.profile.as_str().into()));
    if let Some(info) = &report.connection {
        let group = info
            .group
            .as_deref()
            .map(|group| format!(", {group}"))
            .unwrap_or_default();
        rows.push((
            "Connection",
            format!("{}, {}{group}", info.tls_version, info.cipher_suite),
        ));
    }
    rows.push((
        "Keys",
        format!("{} used, of a budget of {}", report.keys.used, report.keys.budget),
    ));
    rows.push(("Summary", summary(report)));
    rows.push(("Time", format!("{:.1} s", report.seconds)));
    out.push_str("<dl>");
    for (name, value) in rows {
        let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(&value));
    }
    out.push_str("</dl>\n");
}

fn counts(out: &mut String, report: &Report) {
    out.push_str("<ul class=\"counts\">");
    for outcome in [Outcome::Pass, Outcome::Fail, Outcome::Warn, Outcome::Skip] {
        let name = outcome.as_str();
        let _ = write!(out, "<li class=\"{name}\"><b>{}</b> {name}</li>", report.count(outcome));
    }
    out.push_str("</ul>\n");
}

fn entry(out: &mut String, check: &Check) {
    let name = check.result.as_str();
    let open = if check.remark || matches!(check.result, Outcome::Fail | Outcome::Warn) {
        " open"
    } else {
        ""
    };
    let _ = write!(
        out,
        "<details class=\"{name}\"{open}><summary><span class=\"result\">{name}</span> <span class=\"title\">{}</span> \
         <span class=\"weight\">{} &#183; draft {}</span></summary><p>{}</p>",
        escaped(check.id.title()),
        check.level.as_str(),
        check.id.section(),
        escaped(&check.message),
    );
    if !check.provider_text.is_empty() {
        let _ = write!(
            out,
            "<p><b>The Key Provider said:</b> {}</p>",
            escaped(&check.provider_text)
        );
    }
    if !check.remedy.is_empty() {
        let _ = write!(
            out,
            "<p class=\"remedy\"><b>What to do:</b> {}</p>",
            escaped(&check.remedy)
        );
    }
    let _ = write!(
        out,
        "<p class=\"about\">{} <a href=\"{}\"><code>{}</code></a></p>",
        escaped(check.id.about()),
        check.id.page(),
        check.id.as_str()
    );
    if !check.evidence.is_empty() {
        out.push_str("<ul class=\"evidence\">");
        for line in &check.evidence {
            let _ = write!(out, "<li>{}</li>", escaped(line));
        }
        out.push_str("</ul>");
    }
    out.push_str("</details>\n");
}
