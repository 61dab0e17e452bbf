//! `agent check` and `--dry-run`: would an agent start with this configuration, and could it rotate? Nothing is
//! changed, and no key is requested.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, ProviderTable, TunnelTable};
use crate::consumer;
use crate::control;
use crate::files::can_replace;
use crate::handoff::client::Peer;
use crate::handoff::tls::Tls;
use crate::journal::{Journal, Level, LogFormat};
use crate::metrics::Metrics;
use crate::plan::{Role, WhenTooOld};
use crate::provider::Provider;
use crate::reach::Reach;

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: `key-provider.alice`, for example.
    pub what: String,
    /// What was found, or why it does not work.
    pub outcome: Result<String, String>,
    /// A warning about something that works.
    pub warning: Option<String>,
}

/// Does everything that an agent does with a configuration at startup, without connecting anywhere.
///
/// # Errors
/// Every mistake in the configuration, and every other reason why the agent would not start, one per line.
pub fn check(path: &Path) -> Result<(), Vec<String>> {
    let config =
        Config::load(path).map_err(|error| error.mistakes.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut wrong = Vec::new();
    wrong.extend(
        Tls::load(&config.hand_off, &config.peers)
            .err()
            .map(|why| format!("hand-off: {why}")),
    );
    for (name, table) in &config.providers {
        wrong.extend(provider(name, table).err());
    }
    for table in &config.tunnels {
        let opened = consumer::open(&table.consumer);
        wrong.extend(
            opened
                .err()
                .map(|error| format!("tunnel.{}.consumer: {}", table.plan.name, error.with_hint())),
        );
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Checks the Key Providers, the hand-off, the peers and the gateways of a configuration.
#[must_use]
pub fn dry_run(config: &Config) -> Vec<Finding> {
    let mut findings = Findings::default();
    let metrics = Arc::new(Metrics::default());
    let mut ids = std::collections::BTreeMap::new();
    for (name, table) in &config.providers {
        let looked = provider(name, table).and_then(|provider| {
            let said = |error: skip_client::Error| format!("{}: {error} ({})", error.code(), error.hint());
            provider.look().map_err(said)
        });
        let outcome = looked.and_then(|capabilities| {
            if !capabilities.supports_key() {
                return Err("it says that it gives no keys".to_owned());
            }
            let id = capabilities.local_system_id().to_owned();
            let text = format!("{id}, shares keys with {}", capabilities.remote_system_ids().join(", "));
            ids.insert(name.clone(), capabilities);
            Ok(text)
        });
        findings.add(format!("key-provider.{name}"), outcome);
    }
    findings.add("agent.state".to_owned(), state_folder(&config.agent.state));
    // a running agent with this configuration already has the addresses bound
    let runs = control::ask(&config.agent.state).is_ok();
    if let Some(address) = config.agent.metrics {
        findings.add("agent.metrics".to_owned(), can_listen(address, runs));
    }
    let tls = Tls::load(&config.hand_off, &config.peers);
    let listens = tls.as_ref().map_err(Clone::clone).and_then(|tls| {
        let listens = can_listen(config.hand_off.listen, runs)?;
        let pin = tls.pin.map_or_else(String::new, |pin| pin.to_string());
        Ok(format!("{listens}, as {}, pin {pin}", tls.names.join(", ")))
    });
    findings.add("hand-off".to_owned(), listens);
    if let Ok(tls) = &tls {
        for (name, table) in &config.peers {
            let Some(client) = tls.client(name) else { continue };
            let within = config.hand_off.answer_within;
            let peer = Peer::new(
                Reach::unwatched(name),
                table.clone(),
                client,
                within,
                Arc::clone(&metrics),
            );
            let outcome = peer
                .try_connection()
                .map_err(|error| format!("{}: {error}", error.code));
            let outcome = outcome.map(|()| format!("{} answers as {}", table.address, table.identity));
            findings.add(format!("peer.{name}"), outcome);
        }
    }
    for table in &config.tunnels {
        let name = &table.plan.name;
        let mut starts = table.plan.role == Some(Role::Initiator);
        if let Some(capabilities) = ids.get(&table.provider) {
            let (local, remote) = (capabilities.local_system_id(), table.plan.remote.as_str());
            let role = table.plan.role.or_else(|| Role::agreed(local, remote));
            starts = role == Some(Role::Initiator);
            let outcome = match role {
                None => Err("remote is the key provider's own id".to_owned()),
                Some(_) if !table.plan.remote.is_pattern() && !capabilities.matches_remote(remote) => {
                    Err(format!("its key provider does not share keys with {remote}"))
                }
                Some(role) => Ok(format!("{} of {local} and {remote}", role.as_str())),
            };
            findings.add(format!("tunnel.{name}"), outcome);
        }
        findings.0.push(gateway(table, starts));
    }
    findings.0
}

/// A Key Provider that is queried once, without a log.
fn provider(name: &str, table: &ProviderTable) -> Result<Provider, String> {
    let journal = Journal::new(Level::Error, LogFormat::Logfmt, Box::new(std::io::sink()));
    Provider::new(Reach::unwatched(name), table, Arc::default(), Arc::new(journal))
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, what: String, outcome: Result<String, String>) {
        self.0.push(Finding {
            what,
            outcome,
            warning: None,
        });
    }
}

/// Checks the gateway of a tunnel. `starts`: this end starts the tunnel.
fn gateway(table: &TunnelTable, starts: bool) -> Finding {
    let what = format!("tunnel.{}.consumer", table.plan.name);
    let mut warning = None;
    let outcome = consumer::open(&table.consumer).and_then(|mut gateway| {
        let seen = gateway.observe()?;
        if !seen.reachable {
            return Ok(Err(seen.why_unreachable.unwrap_or_default()));
        }
        gateway.ready(starts)?;
        if table.plan.when_too_old == WhenTooOld::TakeDown && !table.plan.clear_text_closed {
            warning = gateway.clear_text().warning().map(str::to_owned);
        }
        Ok(Ok(match seen.tunnel_up {
            Some(true) => "the gateway answers, the tunnel is up".to_owned(),
            Some(false) => "the gateway answers, the tunnel is down".to_owned(),
            None => "the gateway answers".to_owned(),
        }))
    });
    let outcome = match outcome {
        Ok(Ok(said)) => Ok(said),
        Ok(Err(why)) => Err(format!("the gateway cannot be reached: {why}")),
        Err(error) => Err(error.with_hint()),
    };
    Finding { what, outcome, warning }
}

fn can_listen(address: SocketAddr, an_agent_runs: bool) -> Result<String, String> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(format!("can listen on {address}")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && an_agent_runs => {
            Ok(format!("{address} is taken by the agent that runs"))
        }
        Err(error) => Err(format!("cannot listen on {address}: {error}")),
    }
}

fn state_folder(state: &Path) -> Result<String, String> {
    let named = |error: std::io::Error| format!("{} cannot be written: {error}", state.display());
    if state.is_dir() {
        for folder in [state.to_owned(), state.join("tunnels")] {
            if folder.exists() {
                can_replace(&folder.join("probe")).map_err(named)?;
            }
        }
        return Ok("is there, and can be written".to_owned());
    }
    if state.exists() {
        return Err(format!("{} is no folder", state.display()));
    }
    let above = state.ancestors().skip(1).find(|above| above.exists());
    let above = above.unwrap_or_else(|| Path::new("."));
    can_replace(&above.join(".skip-client-probe")).map_err(named)?;
    Ok("will be made".to_owned())
}
