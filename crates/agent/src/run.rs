//! The agent as a program: reads the configuration and runs the agent until a signal arrives.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::agent::{Agent, Environment, RealEnvironment};
use crate::config::{Config, ConfigError};
use crate::journal::{Journal, Level};
use crate::notify;

/// How a run of the agent ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Stopped by a signal, or [`run_once`] has succeeded.
    Well,
    /// [`run_once`]: some tunnels have not rotated; the log says why.
    NotAllRotated(Vec<String>),
    /// It could not start: one line per reason.
    CannotStart(Vec<String>),
}

/// What a signal asks of a running agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Reload the configuration.
    Reload,
    /// Stop.
    Stop,
}

/// Handles this process's signals from now on: SIGHUP (reload the configuration), SIGINT and SIGTERM (stop).
///
/// # Errors
/// The system refuses the handlers.
pub fn signals() -> std::io::Result<mpsc::Receiver<Signal>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (send, receive) = mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let said = if signal == SIGHUP { Signal::Reload } else { Signal::Stop };
            if send.send(said).is_err() {
                return;
            }
        }
    })?;
    Ok(receive)
}

/// How long one rotation of each tunnel may take.
const ONCE: Duration = Duration::from_mins(5);
/// The number of consecutive failures after which [`run_once`] gives up on a tunnel.
const ONCE_FAILURES: u32 = 4;

/// Runs the agent, logging to stderr, until it is told to stop.
///
/// # Errors
/// The mistakes in the configuration.
pub fn run(path: &Path, signals: &mpsc::Receiver<Signal>) -> Result<Ended, ConfigError> {
    let config = Config::load(path)?;
    let journal = journal(&config);
    let agent = match start(&config, &journal) {
        Ok(agent) => agent,
        Err(reasons) => return Ok(Ended::CannotStart(reasons)),
    };
    notify::ready();
    let every = notify::watchdog_every();
    loop {
        match signals.recv_timeout(every.unwrap_or(Duration::from_hours(1))) {
            Ok(Signal::Reload) => reload(&agent, path, &journal),
            Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                if every.is_some() && agent.is_alive() {
                    notify::alive();
                }
            }
        }
    }
    notify::stopping();
    drop(agent);
    Ok(Ended::Well)
}

/// Runs the agent until each tunnel for which this end is the initiator has rotated once or failed.
///
/// # Errors
/// The mistakes in the configuration.
pub fn run_once(path: &Path, signals: &mpsc::Receiver<Signal>) -> Result<Ended, ConfigError> {
    let config = Config::load(path)?;
    let journal = journal(&config);
    let agent = match start(&config, &journal) {
        Ok(agent) => agent,
        Err(reasons) => return Ok(Ended::CannotStart(reasons)),
    };
    agent.rotate_all();
    let until = Instant::now() + ONCE;
    loop {
        let progress = agent.progress();
        let open = |failures: u32| failures < ONCE_FAILURES && Instant::now() < until;
        let stopped = matches!(signals.recv_timeout(Duration::from_millis(50)), Ok(Signal::Stop));
        if stopped
            || progress
                .iter()
                .all(|(_, rotated, failures)| *rotated || !open(*failures))
        {
            let left: Vec<String> = progress
                .into_iter()
                .filter(|(_, rotated, _)| !rotated)
                .map(|(name, ..)| name)
                .collect();
            return Ok(if left.is_empty() {
                Ended::Well
            } else {
                Ended::NotAllRotated(left)
            });
        }
    }
}

/// The state folder named by a configuration, which contains the agent's socket. Other mistakes in the configuration
/// are ignored: an agent may still be running with the previous one.
///
/// # Errors
/// The mistakes in the configuration, if not even the folder can be read from it.
pub fn state_of(path: &Path) -> Result<PathBuf, ConfigError> {
    match Config::state_folder(path) {
        Some(state) => Ok(state),
        None => Config::load(path).map(|config| config.state().to_owned()),
    }
}

fn start(config: &Config, journal: &Arc<Journal>) -> Result<Agent, Vec<String>> {
    let environment: Arc<dyn Environment> = Arc::new(RealEnvironment);
    Agent::start(config, Arc::clone(journal), &environment)
}

fn journal(config: &Config) -> Arc<Journal> {
    let (level, format) = config.log();
    Arc::new(Journal::new(level, format, Box::new(std::io::stderr())))
}

/// If there are mistakes, the old configuration stays in force.
fn reload(agent: &Agent, path: &Path, journal: &Journal) {
    notify::reloading();
    let refused: Vec<String> = match Config::load(path) {
        Ok(config) => agent.reload(&config).err().unwrap_or_default(),
        Err(error) => {
            agent.note_reload(false);
            error.mistakes.iter().map(ToString::to_string).collect()
        }
    };
    for why in &refused {
        journal.event(Level::Error, "reload", &[("error", why)]);
    }
    if refused.is_empty() {
        journal.event(Level::Info, "reload", &[("result", &"ok")]);
    }
    notify::ready();
}
