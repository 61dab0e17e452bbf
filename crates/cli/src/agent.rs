//! `skip-client agent`: rotates the keys of gateways.

use skip_client::Result;

use crate::args::Agent;

#[cfg(unix)]
pub(crate) use unix::run;

/// The agent depends on Unix: signals, sockets with a path, files accessible to their owner only.
#[cfg(not(unix))]
pub(crate) fn run(_: &Agent) -> Result<i32> {
    Err(skip_client::Error::invalid_argument(
        "agent",
        "does not run on this system",
        "run it on Linux, next to the gateway",
    ))
}

#[cfg(unix)]
mod unix {
    use std::fmt::Write as _;
    use std::io::ErrorKind;
    use std::path::Path;

    use skip_client::Error;
    use skip_client::process::{harden_process, lock_memory};
    use skip_client_agent::{
        Config, ConfigError, Ended, ask, ask_rotation, check, dry_run, handoff_certificates, run as run_agent,
        run_once, self_signed_certificates, signals, state_of,
    };

    use super::{Agent, Result};
    use crate::args::{AgentCheck, AgentHandoffCerts, AgentRotate, AgentStatus, AgentTask};
    use crate::output::write_stdout;
    use crate::report::{WRONG_USE, error_line, warning};
    use crate::text::{json, shown};

    /// Something needs attention.
    const NOT_WELL: i32 = 1;
    /// No agent is running.
    const NO_AGENT: i32 = 3;

    pub(crate) fn run(args: &Agent) -> Result<i32> {
        match &args.task {
            Some(AgentTask::Status(args)) => return status(args),
            Some(AgentTask::Rotate(args)) => return rotate(args),
            Some(AgentTask::Check(args)) => return Ok(look_at_file(args)),
            Some(AgentTask::HandoffCerts(args)) => return handoff_certs(args),
            None => {}
        }
        // keys stay in this process's memory for as long as they are in use
        let _ = harden_process();
        let _ = lock_memory();
        if args.dry_run {
            return look(&args.config);
        }
        let signals = signals()
            .map_err(|error| Error::invalid_argument("agent", format_args!("cannot wait for signals: {error}"), ""))?;
        let ended = if args.once {
            run_once(&args.config, &signals)
        } else {
            run_agent(&args.config, &signals)
        };
        Ok(match ended {
            Ok(Ended::Well) => 0,
            Ok(Ended::NotAllRotated(names)) => {
                for name in names {
                    error_line(&format!("tunnel.{name} has not rotated; the log says why"));
                }
                NOT_WELL
            }
            Ok(Ended::CannotStart(reasons)) => {
                for why in &reasons {
                    error_line(why);
                }
                WRONG_USE
            }
            Err(error) => mistakes(&error),
        })
    }

    fn look(config: &Path) -> Result<i32> {
        let config = match Config::load(config) {
            Ok(config) => config,
            Err(error) => return Ok(mistakes(&error)),
        };
        let mut status = 0;
        let mut text = String::new();
        for finding in dry_run(&config) {
            let (word, said) = match &finding.outcome {
                Ok(said) => ("ok", said),
                Err(why) => {
                    status = NOT_WELL;
                    ("FAILED", why)
                }
            };
            let _ = writeln!(text, "{word:7}{}: {}", finding.what, shown(said));
            if let Some(why) = &finding.warning {
                let _ = writeln!(text, "{:7}{}: {why}", "warn", finding.what);
            }
        }
        write_stdout(text.as_bytes())?;
        Ok(status)
    }

    fn status(args: &AgentStatus) -> Result<i32> {
        let state = match state_of(&args.config) {
            Ok(state) => state,
            Err(error) => return Ok(mistakes(&error)),
        };
        let report = match ask(&state) {
            Ok(report) => report,
            Err(error) => return Ok(no_answer(&error)),
        };
        let text = if args.json {
            let value = serde_json::to_value(&report)
                .map_err(|_| Error::invalid_argument("status", "cannot be written as JSON", ""))?;
            json(&value) + "\n"
        } else {
            report.table()
        };
        write_stdout(text.as_bytes())?;
        Ok(if report.is_well() { 0 } else { NOT_WELL })
    }

    fn no_answer(error: &std::io::Error) -> i32 {
        let text = match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => "no agent is running with this configuration".into(),
            ErrorKind::PermissionDenied => {
                "the agent's socket belongs to another user; ask as that user, or as root".into()
            }
            _ => format!("cannot query the agent: {error}"),
        };
        error_line(&text);
        NO_AGENT
    }

    fn rotate(args: &AgentRotate) -> Result<i32> {
        let state = match state_of(&args.config) {
            Ok(state) => state,
            Err(error) => return Ok(mistakes(&error)),
        };
        match ask_rotation(&state, &args.tunnel) {
            Ok(()) => {
                write_stdout(b"a rotation was requested; agent status shows its progress\n")?;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Other => {
                error_line(&error.to_string());
                Ok(NOT_WELL)
            }
            Err(error) => Ok(no_answer(&error)),
        }
    }

    fn look_at_file(args: &AgentCheck) -> i32 {
        match check(&args.config) {
            Ok(()) => 0,
            Err(reasons) => {
                for why in &reasons {
                    error_line(why);
                }
                WRONG_USE
            }
        }
    }

    fn handoff_certs(args: &AgentHandoffCerts) -> Result<i32> {
        let made = if args.self_signed {
            self_signed_certificates(&args.out, &args.names)
        } else {
            handoff_certificates(&args.out, &args.names, args.days).map(|written| (written, Vec::new()))
        };
        let (written, pins) = made.map_err(|why| Error::invalid_argument("handoff-certs", why, ""))?;
        let mut lines = String::new();
        for path in written {
            let _ = writeln!(lines, "{}", path.display());
        }
        for (name, pin) in pins {
            let _ = writeln!(lines, "{name}: pin = \"{pin}\"");
        }
        write_stdout(lines.as_bytes())?;
        Ok(0)
    }

    fn mistakes(error: &ConfigError) -> i32 {
        for mistake in &error.mistakes {
            error_line(&mistake.to_string());
        }
        if error.mistakes.len() > 1 {
            warning(&format!("{} mistakes; nothing was started", error.mistakes.len()));
        }
        WRONG_USE
    }
}
