//! `skip-client doctor`: does this Key Provider work, and if not, whose fault is it?

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use skip_client::error::FrontEnd;
use skip_client::{Error, Result, SystemId};
use skip_client_doctor::{
    Baseline, Examination, Group, Id, Profile, Progress, Report, Watch, check_lines, examine, html, json_value, junit,
    summary, summary_lines,
};

use crate::args::Doctor;
use crate::connect;
use crate::files;
use crate::interrupt::{Interrupt, Listening};
use crate::output::{Destination, write_stdout};
use crate::report::INTERRUPTED;
use crate::text::{json, shown, utc};

/// Examines and reports. The exit status is the verdict's, or 130 after Ctrl-C.
pub(crate) fn run(args: &Doctor, interrupt: &Interrupt) -> Result<i32> {
    let budget = args.budget.parse().map_err(|_| {
        Error::invalid_argument(
            "--budget",
            "must be a number of keys",
            "for example 200, which is the default",
        )
    })?;
    if !args.connection.fallback.is_empty() {
        return Err(Error::invalid_argument(
            "fallback",
            "cannot be used with doctor, which examines one Key Provider and its peer",
            "examine each Key Provider separately",
        ));
    }
    let profile = args.profile.parse()?;
    let Some(url) = args.url.as_deref().filter(|_| !args.list) else {
        return list(profile, args.json);
    };
    let remote = args.remote.as_deref().map(SystemId::new).transpose()?;
    let probe = connect::probe(url, &args.connection)?;
    let listening = interrupt.listen();
    if let Some(text) = &args.watch {
        let watch = Watch::new(probe, remote, budget, listening.token().clone());
        return watch_on(watch, text, args.json, &listening);
    }
    let mut examination = Examination::new(probe);
    examination.only = args.only.iter().map(|name| check(name)).collect::<Result<_>>()?;
    let baseline = args
        .baseline
        .as_deref()
        .map(|file| Baseline::from_json(&files::read("--baseline", file)?))
        .transpose()?;
    // find out about unwritable files before a key is spent
    let junit_file = open(args.junit.as_deref(), args.force)?;
    let html_file = open(args.html.as_deref(), args.force)?;
    if let Some(peer) = &args.peer {
        let connection = args.peer_connection.over(&args.connection);
        examination.peer = Some(connect::probe(peer, &connection)?);
    }
    examination.remote = remote;
    examination.profile = profile;
    examination.budget = budget;
    examination.cancel = listening.token().clone();
    examination.spelling = &FrontEnd::CommandLine;

    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut screen = Screen {
        silent: args.json || args.summary,
        colours,
        group: None,
        failed: None,
    };
    let report = examine(&examination, &mut |progress| screen.show(&progress));
    if let Some(error) = screen.failed {
        return Err(error);
    }
    let comparison = baseline.map(|baseline| baseline.compare(&report));
    let changes = comparison
        .as_ref()
        .map(|changes| shown_lines(&changes.text()))
        .unwrap_or_default();
    if args.json {
        let mut object = json_value(&report);
        if let Some(changes) = &comparison {
            object["baseline"] = changes.json_value();
        }
        write_stdout((json(&object) + "\n").as_bytes())?;
    } else if args.summary {
        write_stdout(format!("{}\n{changes}", summary(&report)).as_bytes())?;
    } else {
        write_stdout(format!("\n{changes}{}", summary_lines(&report, colours)).as_bytes())?;
    }
    write(junit_file, &report, junit)?;
    write(html_file, &report, html)?;
    Ok(if report.stopped {
        INTERRUPTED
    } else {
        report.verdict().exit_status()
    })
}

fn check(name: &str) -> Result<Id> {
    Id::of_name(name).ok_or_else(|| {
        Error::invalid_argument(
            "--only",
            "must be the id of a check",
            "skip-client doctor --list shows them",
        )
    })
}

/// Lists the checks of a profile, one per line.
fn list(profile: Profile, as_json: bool) -> Result<i32> {
    let checks = profile.checks(true);
    let level = |id: Id| profile.level(id).map_or("", skip_client_doctor::Level::as_str);
    let text = if as_json {
        let one = |id: &Id| {
            serde_json::json!({
                "id": id.as_str(),
                "section": id.section(),
                "level": level(*id),
                "title": id.title(),
                "page": id.page(),
            })
        };
        json(&checks.iter().map(one).collect()) + "\n"
    } else {
        let one = |id: &Id| {
            format!(
                "{:<25}  {:<8}  {:<5}  {}\n",
                id.as_str(),
                level(*id),
                id.section(),
                id.title()
            )
        };
        checks.iter().map(one).collect()
    };
    write_stdout(text.as_bytes())?;
    Ok(0)
}

/// Probes until a signal arrives; prints a line for each change.
fn watch_on(mut watch: Watch, seconds: &str, as_json: bool, listening: &Listening<'_>) -> Result<i32> {
    let pause = seconds
        .parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64);
    let Some(pause) = pause else {
        return Err(Error::invalid_argument(
            "--watch",
            "must be a number of seconds from 0.1 to 86400",
            "for example 10",
        ));
    };
    while !listening.token().is_cancelled() {
        let next = Instant::now() + pause;
        for change in watch.look() {
            let time = utc(SystemTime::now());
            let line = if as_json {
                json(&serde_json::json!({
                    "time": time,
                    "what": change.what,
                    "now": change.now,
                    "good": change.is_good,
                }))
            } else {
                let mark = if change.is_good { " " } else { "!" };
                format!("{time} {mark} {:<11}  {}", change.what, shown(&change.now))
            };
            write_stdout((line + "\n").as_bytes())?;
        }
        while Instant::now() < next && !listening.token().is_cancelled() {
            let left = next.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
    Ok(INTERRUPTED)
}

/// Escapes each line for the terminal.
fn shown_lines(text: &str) -> String {
    text.lines().map(|line| shown(line) + "\n").collect()
}

fn open(file: Option<&Path>, force: bool) -> Result<Option<Destination>> {
    file.map(|file| Destination::open(Some(file), force, false)).transpose()
}

fn write(to: Option<Destination>, report: &Report, form: impl Fn(&Report) -> String) -> Result<()> {
    to.map_or(Ok(()), |destination| destination.write(form(report).as_bytes()))
}

/// Prints each check as it completes, so that progress is visible with a slow Key Provider.
struct Screen {
    silent: bool,
    colours: bool,
    group: Option<Group>,
    /// stdout is closed, so that nobody would read the rest
    failed: Option<Error>,
}

impl Screen {
    fn show(&mut self, progress: &Progress<'_>) {
        let text = match progress {
            Progress::Begins { checks, most_keys } => {
                // on stderr, to be visible with --json too
                let line = format!("{checks} checks, which use up at most {most_keys} keys; Ctrl-C stops.\n");
                let _ = std::io::stderr().lock().write_all(line.as_bytes());
                return;
            }
            Progress::Done(check) => {
                let group = check.id.group();
                let heading = if self.group.replace(group) == Some(group) {
                    String::new()
                } else {
                    format!("\n{}\n", group.title())
                };
                heading + &check_lines(check, self.colours)
            }
        };
        if !self.silent && self.failed.is_none() {
            self.failed = write_stdout(text.as_bytes()).err();
        }
    }
}
