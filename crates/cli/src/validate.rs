//! `skip-client validate`: checks a message offline.

use std::path::Path;

use skip_client::{MessageKind, Problem, Result, Rules, Severity};

use crate::args::{Kind, Schema, Validate};
use crate::files;
use crate::output::write_stdout;
use crate::report::WRONG_ANSWER;
use crate::text::{json, shown};

/// Prints the problems; the exit status tells whether any of them is an error.
pub(crate) fn run(args: &Validate) -> Result<i32> {
    let kind = match args.kind {
        Kind::Capabilities => MessageKind::Capabilities,
        Kind::Key => MessageKind::Key,
        Kind::Entropy => MessageKind::Entropy,
    };
    let rules = match args.schema {
        _ if args.lenient => Rules::Lenient,
        Schema::Strict => Rules::Strict,
        Schema::AsPublished => Rules::AsPublished,
    };
    let text = if args.file == Path::new("-") {
        files::read_stdin("FILE")?
    } else {
        files::read("FILE", &args.file)?
    };
    let problems = skip_client::validate(kind, &text, rules);
    let valid = !problems.iter().any(|problem| problem.severity == Severity::Error);
    let report = if args.json {
        let problems: Vec<_> = problems.iter().map(problem_json).collect();
        json(&serde_json::json!({ "valid": valid, "problems": problems })) + "\n"
    } else {
        let verdict = if valid { "valid\n" } else { "invalid\n" };
        problems.iter().map(problem_line).chain([verdict.to_owned()]).collect()
    };
    write_stdout(report.as_bytes())?;
    Ok(if valid { 0 } else { WRONG_ANSWER })
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "path": problem.path,
        "code": problem.code,
        "message": problem.message,
        "severity": problem.severity.as_str(),
        "section": problem.section,
    })
}

fn problem_line(problem: &Problem) -> String {
    let at = if problem.path.is_empty() {
        String::new()
    } else {
        format!("{}: ", shown(&problem.path))
    };
    let (severity, code, section) = (problem.severity.as_str(), problem.code, problem.section);
    format!(
        "{severity}: {at}{} [{code}, draft {section}]\n",
        shown(&problem.message)
    )
}
