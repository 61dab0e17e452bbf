//! `JUnit` XML, for continuous integration: a test case per check, a suite per group. A warning is a passed case with
//! output.

use std::fmt::Write as _;

use crate::catalogue::Group;
use crate::report::{Check, Outcome, Report};

use super::escaped;

/// The report as an XML document.
#[must_use]
pub fn junit(report: &Report) -> String {
    let failures = report.count(Outcome::Fail);
    let skipped = report.count(Outcome::Skip);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"skip-client doctor\" tests=\"{}\" \
         failures=\"{failures}\" \
         errors=\"0\" skipped=\"{skipped}\" time=\"{:.3}\">\n",
        report.checks.len(),
        report.seconds,
    );
    for group in Group::ALL {
        let checks: Vec<&Check> = report.checks.iter().filter(|check| check.id.group() == group).collect();
        if checks.is_empty() {
            continue;
        }
        let count = |result| checks.iter().filter(|check| check.result == result).count();
        // writing to a String cannot fail
        let _ = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" hostname=\"{}\">",
            group.title(),
            checks.len(),
            count(Outcome::Fail),
            count(Outcome::Skip),
            escaped(&report.url),
        );
        for check in checks {
            case(&mut out, check);
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, check: &Check) {
    let (id, message) = (check.id.as_str(), escaped(&check.message));
    let _ = write!(out, "    <testcase classname=\"skip-client.doctor\" name=\"{id}\"");
    let detail = format!(
        "{} (draft {}, {}). {} {}",
        escaped(check.id.title()),
        check.id.section(),
        check.level.as_str(),
        message,
        escaped(&format!("{} {} {}", check.provider_text, check.remedy, check.id.page())),
    );
    let _ = match check.result {
        Outcome::Pass if check.remark => writeln!(out, ">\n      <system-out>{detail}</system-out>\n    </testcase>"),
        Outcome::Pass => writeln!(out, "/>"),
        Outcome::Fail => writeln!(
            out,
            ">\n      <failure type=\"{}\" message=\"{message}\">{detail}</failure>\n    </testcase>",
            check.level.as_str()
        ),
        Outcome::Skip => writeln!(
            out,
            ">\n      <skipped message=\"{message}\">{}</skipped>\n    </testcase>",
            check.id.page()
        ),
        Outcome::Warn => writeln!(
            out,
            ">\n      <system-out>warning: {detail}</system-out>\n    </testcase>"
        ),
    };
}
