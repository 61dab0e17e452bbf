//! `--dry-run`: is everything there that a rotation needs? Nothing is changed, and no key is asked for.

use std::net::TcpListener;
use std::sync::Arc;

use crate::config::Config;
use crate::consumer;
use crate::handoff::client::Peer;
use crate::handoff::tls::Tls;
use crate::metrics::Metrics;
use crate::plan::Role;
use crate::provider::Provider;
use crate::reach::Reach;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is: `key-provider.alice`, for example.
    pub what: String,
    /// What was found, or why it does not work.
    pub outcome: Result<String, String>,
}

/// Looks at the Key Providers, the hand-off, the peers and the gateways of a configuration.
#[must_use]
pub fn dry_run(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |what: String, outcome| findings.push(Finding { what, outcome });
    let metrics = Arc::new(Metrics::default());
    let mut ids = std::collections::BTreeMap::new();
    for (name, table) in &config.providers {
        let looked = Provider::new(Reach::unwatched(name), table, Arc::clone(&metrics)).and_then(|provider| {
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
        found(format!("key-provider.{name}"), outcome);
    }
    let state = match std::fs::metadata(&config.agent.state) {
        Ok(meta) if meta.is_dir() && !meta.permissions().readonly() => Ok("is there".to_owned()),
        Ok(_) => Err(format!("{} cannot be written", config.agent.state.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok("will be made".to_owned()),
        Err(error) => Err(format!("{}: {error}", config.agent.state.display())),
    };
    found("agent.state".to_owned(), state);
    let listen = config.hand_off.listen;
    let tls = Tls::load(&config.hand_off);
    let listens = tls.as_ref().map_err(Clone::clone).and_then(|tls| {
        // an agent that runs already has the address
        match TcpListener::bind(listen) {
            Ok(_) => Ok(format!("can listen on {listen}, as {}", tls.names.join(", "))),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                Ok(format!("{listen} is taken, by an agent that runs?"))
            }
            Err(error) => Err(format!("cannot listen on {listen}: {error}")),
        }
    });
    found("hand-off".to_owned(), listens);
    if let Ok(tls) = &tls {
        for (name, table) in &config.peers {
            let (client, within) = (Arc::clone(&tls.client), config.hand_off.answer_within);
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
            let outcome = outcome.map(|()| format!("{} answers as {}", table.address, table.certificate_name));
            found(format!("peer.{name}"), outcome);
        }
    }
    for table in &config.tunnels {
        let name = &table.plan.name;
        if let Some(capabilities) = ids.get(&table.provider) {
            let (local, remote) = (capabilities.local_system_id(), table.plan.remote.as_str());
            let role = table.plan.role.or_else(|| Role::agreed(local, remote));
            let outcome = match role {
                None => Err("remote is the key provider's own id".to_owned()),
                Some(_) if !table.plan.remote.is_pattern() && !capabilities.matches_remote(remote) => {
                    Err(format!("its key provider does not share keys with {remote}"))
                }
                Some(role) => Ok(format!("{} of {local} and {remote}", role.as_str())),
            };
            found(format!("tunnel.{name}"), outcome);
        }
        let observed = consumer::open(&table.consumer).and_then(|mut gateway| gateway.observe());
        let outcome = match observed {
            Err(error) => Err(format!("{error} ({})", error.hint())),
            Ok(seen) if !seen.reachable => Err("the gateway cannot be reached".to_owned()),
            Ok(seen) => Ok(match seen.tunnel_up {
                Some(true) => "the gateway answers, the tunnel is up".to_owned(),
                Some(false) => "the gateway answers, the tunnel is down".to_owned(),
                None => "the gateway answers".to_owned(),
            }),
        };
        found(format!("tunnel.{name}.consumer"), outcome);
    }
    findings
}
