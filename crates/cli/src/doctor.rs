//! `skip-client doctor`: does this Key Provider work, and if not, whose fault is it?

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use skip_client::{Error, Result, SystemId};
use skip_client_doctor::{
    Examination, Group, Progress, Report, check_lines, examine, html, json_value, junit, summary_lines,
};

use crate::args::Doctor;
use crate::connect;
use crate::interrupt::Interrupt;
use crate::output::{Destination, write_stdout};
use crate::report::INTERRUPTED;
use crate::text::json;

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
            "does not go with doctor, which examines one Key Provider and its peer",
            "examine each Key Provider of its own",
        ));
    }
    let profile = args.profile.parse()?;
    let remote = args.remote.as_deref().map(SystemId::new).transpose()?;
    // files that cannot be written should be known before a key is spent
    let junit_file = open(args.junit.as_deref(), args.force)?;
    let html_file = open(args.html.as_deref(), args.force)?;
    let mut examination = Examination::new(connect::builder(&args.url, &args.connection)?.probe()?);
    if let Some(peer) = &args.peer {
        examination.peer = Some(connect::builder(peer, &args.connection)?.probe()?);
    }
    examination.remote = remote;
    examination.profile = profile;
    examination.budget = budget;
    let listening = interrupt.listen();
    examination.cancel = listening.token().clone();

    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut screen = Screen {
        silent: args.json,
        colours,
        group: None,
        failed: None,
    };
    let report = examine(&examination, &mut |progress| screen.show(&progress));
    if let Some(error) = screen.failed {
        return Err(error);
    }
    if args.json {
        write_stdout((json(&json_value(&report)) + "\n").as_bytes())?;
    } else {
        write_stdout(format!("\n{}", summary_lines(&report, colours)).as_bytes())?;
    }
    write(junit_file, &report, junit)?;
    write(html_file, &report, html)?;
    Ok(if report.stopped {
        INTERRUPTED
    } else {
        report.verdict().exit_status()
    })
}

fn open(file: Option<&Path>, force: bool) -> Result<Option<Destination>> {
    file.map(|file| Destination::open(Some(file), force, false)).transpose()
}

fn write(to: Option<Destination>, report: &Report, form: impl Fn(&Report) -> String) -> Result<()> {
    to.map_or(Ok(()), |destination| destination.write(form(report).as_bytes()))
}

/// Shows each check when it is done, so that a slow Key Provider is seen to be examined.
struct Screen {
    silent: bool,
    colours: bool,
    group: Option<Group>,
    /// stdout is closed: nobody reads the rest
    failed: Option<Error>,
}

impl Screen {
    fn show(&mut self, progress: &Progress<'_>) {
        let text = match progress {
            Progress::Begins { checks, most_keys } => {
                // on stderr, so that it is seen with --json too
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
