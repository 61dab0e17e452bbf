//! The agent as a whole: its tunnels, its worker threads, and its endpoints.

mod guard;
mod peer_requests;
mod reload;
mod schedule;
pub(crate) mod state_folder;

use std::collections::BTreeMap;
#[cfg(test)]
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use self::peer_requests::PeerRequests;
use self::reload::{Peers, Providers};
use self::schedule::Queue;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, TunnelTable};
use crate::consumer::{self, Consumer, ConsumerError};
use crate::control::Operated;
use crate::handoff::server::{Handler, Server};
use crate::handoff::tls::Tls;
use crate::journal::{Journal, Level};
use crate::metrics::{HANDOFF_REFUSED, Metrics, RELOADS};
use crate::metrics_page::MetricsPage;
use crate::plan::Role;
use crate::ports::Ports;
use crate::report::{HandOffReport, ReloadReport, Report};
use crate::state::Folder;
use crate::threads::{STOP_WITHIN, Ticker, join_until, wait_until};
use crate::tunnel::Tunnel;

/// The outside world that an agent is built on. Tests substitute their own.
pub(crate) trait Environment: Send + Sync {
    fn ports(&self, _tunnel: &str, ports: Ports) -> Ports {
        ports
    }

    fn consumer(&self, table: &TunnelTable) -> Result<Box<dyn Consumer>, ConsumerError> {
        consumer::open(&table.consumer)
    }

    fn handler(&self, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        handler
    }
}

/// The real outside world.
pub(crate) struct RealEnvironment;

impl Environment for RealEnvironment {}

/// A running agent. Dropping it stops it: steps in progress are finished unless they hang, and no new ones begin.
pub(crate) struct Agent {
    inner: Arc<Inner>,
    workers: Vec<JoinHandle<()>>,
    server: Option<Server>,
    metrics_page: Option<MetricsPage>,
    guard: Option<Ticker>,
    probe: Option<Ticker>,
}

/// The state shared by the agent's threads.
pub(crate) struct Inner {
    journal: Arc<Journal>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    store: Arc<Folder>,
    environment: Arc<dyn Environment>,
    config: RwLock<Arc<Config>>,
    certificate_expires: Mutex<Option<i64>>,
    last_reload: Mutex<Option<ReloadReport>>,
    tunnels: RwLock<BTreeMap<String, Arc<RunningTunnel>>>,
    providers: Mutex<Providers>,
    peers: Mutex<Peers>,
    queue: Mutex<Queue>,
    changed: Condvar,
    stopping: AtomicBool,
}

/// A tunnel, and the configuration it was created from.
pub(crate) struct RunningTunnel {
    pub tunnel: Tunnel,
    table: TunnelTable,
}

impl Agent {
    /// Starts everything that the configuration names.
    ///
    /// # Errors
    /// Every reason why it cannot start, one per line.
    pub fn start(
        config: &Config,
        journal: Arc<Journal>,
        environment: &Arc<dyn Environment>,
    ) -> Result<Self, Vec<String>> {
        let one = |why: String| vec![why];
        let state = config.agent.state.clone();
        let store = Folder::open(&state).map_err(|error| one(format!("{}: {error}", state.display())))?;
        let lock = state_folder::lock(&state).map_err(one)?;
        let tls = Tls::load(&config.hand_off, &config.peers).map_err(|why| one(format!("hand-off: {why}")))?;
        let metrics = Arc::new(Metrics::default());
        let inner = Arc::new(Inner {
            journal,
            metrics: Arc::clone(&metrics),
            clock: Arc::new(SystemClock::new()),
            store: Arc::new(store),
            environment: Arc::clone(environment),
            config: RwLock::new(Arc::new(config.clone())),
            certificate_expires: Mutex::default(),
            last_reload: Mutex::default(),
            tunnels: RwLock::default(),
            providers: Mutex::default(),
            peers: Mutex::default(),
            queue: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        inner.take_over(config, &tls)?;
        let handler = environment.handler(Arc::new(PeerRequests(Arc::clone(&inner))));
        let listen = config.hand_off.listen;
        let server = Server::start(listen, Arc::new(tls), handler, metrics, Arc::clone(&inner.journal))
            .map_err(|error| one(format!("hand-off.listen: cannot listen on {listen}: {error}")))?;
        let metrics_page = match config.agent.metrics {
            Some(address) => {
                let inner = Arc::clone(&inner);
                let page = Arc::new(move || inner.metrics.page(&inner.report()));
                let started = MetricsPage::start(address, page);
                Some(started.map_err(|error| one(format!("agent.metrics: cannot listen on {address}: {error}")))?)
            }
            None => None,
        };
        let guard = guard::start(&inner, &state, lock).map_err(one)?;
        let probe = guard::start_probe(&inner).map_err(one)?;
        let mut agent = Self {
            inner,
            workers: Vec::new(),
            server: Some(server),
            metrics_page,
            guard: Some(guard),
            probe: Some(probe),
        };
        for n in 0..config.agent.workers {
            let inner = Arc::clone(&agent.inner);
            let thread = thread::Builder::new()
                .name(format!("worker-{n}"))
                .stack_size(1 << 20)
                .spawn(move || inner.work())
                .map_err(|error| one(format!("cannot start a thread: {error}")))?;
            agent.workers.push(thread);
        }
        let count = config.tunnels.len();
        agent
            .inner
            .journal
            .event(Level::Info, "started", &[("tunnels", &count)]);
        Ok(agent)
    }

    /// The address on which peers reach this agent.
    #[cfg(test)]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.address)
    }

    /// The address of the metrics page.
    #[cfg(test)]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_page.as_ref().map(|page| page.address)
    }

    /// Switches to another configuration. Tunnels that are unchanged keep running.
    ///
    /// # Errors
    /// Every reason against it, one per line; the old configuration then stays in force.
    pub fn reload(&self, config: &Config) -> Result<(), Vec<String>> {
        let outcome = self.try_reload(config);
        self.note_reload(outcome.is_ok());
        outcome
    }

    /// Counts a reload, including one whose file could not be read.
    pub fn note_reload(&self, ok: bool) {
        let result = if ok { "ok" } else { "refused" };
        self.inner.metrics.count(RELOADS, &[("result", result)]);
        let mut last = self.inner.last_reload.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(ReloadReport {
            at: self.inner.clock.wall(),
            ok,
        });
    }

    fn try_reload(&self, config: &Config) -> Result<(), Vec<String>> {
        let now = self.inner.config();
        let fixed = [
            ("agent.state", now.agent.state == config.agent.state),
            ("agent.metrics", now.agent.metrics == config.agent.metrics),
            ("agent.workers", now.agent.workers == config.agent.workers),
            ("agent.log-level and log-format", now.log() == config.log()),
            ("hand-off.listen", now.hand_off.listen == config.hand_off.listen),
        ];
        let changed: Vec<String> = fixed
            .iter()
            .filter(|(_, same)| !same)
            .map(|(name, _)| format!("{name}: cannot be changed while the agent runs; restart it"))
            .collect();
        if !changed.is_empty() {
            return Err(changed);
        }
        let tls = Tls::load(&config.hand_off, &config.peers).map_err(|why| vec![format!("hand-off: {why}")])?;
        self.inner.take_over(config, &tls)?;
        *self.inner.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
        if let Some(server) = &self.server {
            server.take_over(Arc::new(tls));
        }
        Ok(())
    }

    #[cfg(test)]
    pub fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// Whether its threads are alive; for a watchdog.
    pub fn is_alive(&self) -> bool {
        self.workers.iter().all(|worker| !worker.is_finished())
    }

    /// Rotates all tunnels as soon as possible.
    pub fn rotate_all(&self) {
        for running in self.inner.tunnels() {
            running.tunnel.want_rotation_now();
            self.inner.wake(&running.tunnel.plan.name);
        }
    }

    /// The tunnels for which this end is the initiator: name, whether it has rotated since the start, and consecutive
    /// failures.
    pub fn progress(&self) -> Vec<(String, bool, u32)> {
        let tunnels = self.inner.tunnels();
        let begun = tunnels
            .iter()
            .filter(|running| running.tunnel.snapshot().role != Some(Role::Responder));
        begun
            .map(|running| {
                let failures = running.tunnel.snapshot().failures;
                (running.tunnel.plan.name.clone(), running.tunnel.is_settled(), failures)
            })
            .collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.changed.notify_all();
        // calls that wait for a Key Provider return at once, and no new requests arrive
        for provider in self
            .inner
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            provider.close();
        }
        let until = Instant::now() + STOP_WITHIN;
        if let Some(server) = self.server.take() {
            server.stop(until);
        }
        self.metrics_page = None;
        self.guard = None;
        self.probe = None;
        let mut hanging = 0_u64;
        for worker in self.workers.drain(..) {
            hanging += u64::from(!join_until(worker, until));
        }
        let tunnels = self.inner.tunnels();
        guard::tell_events(tunnels.clone());
        wait_until(|| tunnels.iter().all(|one| one.tunnel.has_told_everything()), until);
        // the record on disk says how far each rotation got, as after a power failure
        let fields = [("hanging", &hanging as _)];
        let fields = if hanging > 0 { &fields[..] } else { &[] };
        self.inner.journal.event(Level::Info, "stopped", fields);
    }
}

impl Inner {
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn tunnels(&self) -> Vec<Arc<RunningTunnel>> {
        let tunnels = self.tunnels.read().unwrap_or_else(PoisonError::into_inner);
        tunnels.values().cloned().collect()
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    #[cfg(test)]
    pub fn counted(&self) -> &Metrics {
        &self.metrics
    }

    /// How many whole days the certificates of the hand-off are still valid.
    fn certificate_days(&self) -> Option<i64> {
        let expires = *self.certificate_expires.lock().unwrap_or_else(PoisonError::into_inner);
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        expires.map(|at| (at - now).div_euclid(86_400))
    }
}

impl Operated for Inner {
    fn report(&self) -> Report {
        let providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let key_providers = providers.values().map(|one| one.reach()).collect();
        drop(providers);
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let of_peers = peers.values().map(|one| one.reach()).collect();
        drop(peers);
        let tunnels = self.tunnels();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            last_reload: self.last_reload.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            hand_off: HandOffReport {
                certificate_days: self.certificate_days(),
                refused: self.metrics.sum(HANDOFF_REFUSED),
            },
            key_providers,
            peers: of_peers,
            tunnels: tunnels.iter().map(|one| one.tunnel.report(&one.table.peer)).collect(),
        }
    }

    fn rotate(&self, tunnel: &str) -> Result<(), String> {
        let tunnels = self.tunnels.read().unwrap_or_else(PoisonError::into_inner);
        let running = tunnels.get(tunnel).cloned();
        let names: Vec<&str> = tunnels.keys().map(String::as_str).collect();
        let Some(running) = running else {
            return Err(format!(
                "there is no tunnel of this name (there are: {})",
                names.join(", ")
            ));
        };
        drop(tunnels);
        running.tunnel.want_rotation_now();
        self.wake(tunnel);
        Ok(())
    }
}
