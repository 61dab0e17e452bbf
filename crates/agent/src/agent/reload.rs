//! Applies a configuration: everything is created and checked before anything is replaced.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use super::{Inner, RunningTunnel, guard};
use crate::config::{Config, PeerTable, TunnelTable};
use crate::handoff::client::Peer;
use crate::handoff::tls::Tls;
use crate::journal::Level;
use crate::ports::Ports;
use crate::provider::{Change, Provider};
use crate::reach::Reach;
use crate::report::WARN_DAYS;
use crate::tunnel::Tunnel;

pub(super) type Providers = BTreeMap<String, Arc<Provider>>;
pub(super) type Peers = BTreeMap<String, Arc<Peer>>;
type Changes = Vec<(Arc<Provider>, Change)>;

impl Inner {
    /// Creates what the configuration asks for, then replaces what is running.
    pub(super) fn take_over(self: &Arc<Self>, config: &Config, tls: &Tls) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let (new_providers, changes) = self.make_providers(config, &providers, &mut wrong);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let new_peers = self.make_peers(config, tls, &peers);
        // a tunnel keeps running if neither it nor its peer has changed
        let mut consumers = Vec::new();
        let before = self.tunnels();
        let before: HashMap<&str, &Arc<RunningTunnel>> =
            before.iter().map(|one| (one.table.plan.name.as_str(), one)).collect();
        let goes_on = |table: &TunnelTable| {
            let same_peer = peers.get(&table.peer).zip(new_peers.get(&table.peer));
            before
                .get(table.plan.name.as_str())
                .is_some_and(|running| running.table == *table)
                && same_peer.is_some_and(|(old, new)| Arc::ptr_eq(old, new))
        };
        for table in config.tunnels.iter().filter(|table| !goes_on(table)) {
            match self.environment.consumer(table) {
                Ok(consumer) => consumers.push((table, consumer)),
                Err(error) => wrong.push(format!(
                    "tunnel.{}.consumer: {error} ({})",
                    table.plan.name,
                    error.hint()
                )),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // from here on nothing can fail
        let keep: BTreeSet<String> = config
            .tunnels
            .iter()
            .filter(|t| goes_on(t))
            .map(|t| t.plan.name.clone())
            .collect();
        for (provider, change) in changes {
            provider.change(change);
        }
        for (name, peer) in &new_peers {
            if let Some(client) = tls.client(name) {
                peer.set_tls(client);
            }
        }
        let ended: Vec<Arc<RunningTunnel>> = {
            let mut tunnels = self.tunnels.write().unwrap_or_else(PoisonError::into_inner);
            let (kept, ended) = std::mem::take(&mut *tunnels)
                .into_iter()
                .partition(|(name, _)| keep.contains(name));
            *tunnels = kept;
            let ended: BTreeMap<String, Arc<RunningTunnel>> = ended;
            ended.into_values().collect()
        };
        for running in &ended {
            running.tunnel.close();
            self.forget(&running.tunnel.plan.name);
        }
        guard::tell_events(ended);
        for (table, consumer) in consumers {
            let (Some(provider), Some(peer)) = (new_providers.get(&table.provider), new_peers.get(&table.peer)) else {
                continue; // the configuration was already checked for that
            };
            let ports = Ports {
                keys: Arc::clone(provider) as _,
                link: Arc::clone(peer) as _,
                store: Arc::clone(&self.store) as _,
                clock: Arc::clone(&self.clock),
                journal: Arc::clone(&self.journal),
                metrics: Arc::clone(&self.metrics),
            };
            let ports = self.environment.ports(&table.plan.name, ports);
            let running = Arc::new(RunningTunnel {
                tunnel: Tunnel::open(table.plan.clone(), ports, consumer),
                table: table.clone(),
            });
            let name = table.plan.name.clone();
            self.tunnels
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone(), running);
            self.wake(&name);
        }
        *self.certificate_expires.lock().unwrap_or_else(PoisonError::into_inner) = tls.expires;
        *providers = new_providers;
        *peers = new_peers;
        drop((providers, peers));
        if let Some(days) = self.certificate_days().filter(|days| *days < WARN_DAYS) {
            self.journal.event(Level::Warn, "certificate", &[("days", &days)]);
        }
        self.end_waits(|_| true);
        Ok(())
    }

    /// The Key Providers of a configuration: existing ones with their pending changes, and new ones.
    fn make_providers(
        self: &Arc<Self>,
        config: &Config,
        old: &Providers,
        wrong: &mut Vec<String>,
    ) -> (Providers, Changes) {
        let mut changes = Vec::new();
        let mut all = BTreeMap::new();
        for (name, table) in &config.providers {
            let made = if let Some(provider) = old.get(name) {
                provider.prepare_change(table).map(|change| {
                    changes.extend(change.map(|change| (Arc::clone(provider), change)));
                    Arc::clone(provider)
                })
            } else {
                let reach = self.reach(name, |running| &running.table.provider);
                Provider::new(reach, table, Arc::clone(&self.metrics), Arc::clone(&self.journal)).map(Arc::new)
            };
            match made {
                Ok(provider) => drop(all.insert(name.clone(), provider)),
                Err(why) => wrong.push(why),
            }
        }
        (all, changes)
    }

    /// The peers of a configuration. Unchanged peers keep their connections.
    fn make_peers(self: &Arc<Self>, config: &Config, tls: &Tls, peers: &Peers) -> Peers {
        let old = self.config();
        let within = config.hand_off.answer_within;
        let make = |(name, table): (&String, &PeerTable)| {
            let client = tls.client(name)?;
            let same = old.peers.get(name) == Some(table) && old.hand_off.answer_within == within;
            let peer = peers.get(name).filter(|_| same).cloned().unwrap_or_else(|| {
                let reach = self.reach(name, |running| &running.table.peer);
                Arc::new(Peer::new(
                    reach,
                    table.clone(),
                    client,
                    within,
                    Arc::clone(&self.metrics),
                ))
            });
            Some((name.clone(), peer))
        };
        config.peers.iter().filter_map(make).collect()
    }

    /// Watches a Key Provider or a peer: when it answers again, the tunnels that use it stop waiting.
    fn reach(self: &Arc<Self>, name: &str, of: fn(&RunningTunnel) -> &str) -> Reach {
        let inner = Arc::downgrade(self);
        Reach::new(
            name,
            Box::new(move |name| {
                if let Some(inner) = inner.upgrade() {
                    inner.end_waits(|running| of(running) == name);
                }
            }),
        )
    }

    /// Ends the waits after failures, because the cause may have been repaired.
    pub(super) fn end_waits(&self, which: impl Fn(&RunningTunnel) -> bool) {
        for running in self.tunnels().iter().filter(|running| which(running)) {
            if running.tunnel.end_wait() {
                self.wake(&running.tunnel.plan.name);
            }
        }
    }
}
