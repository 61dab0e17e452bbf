//! The agent as a whole: its tunnels, the few threads that work on them, and the doors to the outside.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fs::File;
#[cfg(test)]
use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, PeerTable, TunnelTable};
use crate::consumer::{self, Consumer, ConsumerError};
use crate::handoff::client::Peer;
use crate::handoff::message::{Answer, Request};
use crate::handoff::server::{Handler, Server};
use crate::handoff::tls::Tls;
use crate::journal::{Journal, Level};
use crate::metrics::{KEY_AGE, Metrics, RELOADS, Sample, TUNNEL_UP, TUNNELS, labels};
use crate::metrics_page::MetricsPage;
use crate::ports::Ports;
use crate::provider::{Change, Provider};
use crate::state::Folder;
use crate::status::{self, StatusDoor};
use crate::tunnel::{Role, Tunnel};

/// The longest wait: after the machine slept, waits are late by as much as was left of them.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What the agent is built on, so that tests can put something between it and the world.
pub(crate) trait Seams: Send + Sync {
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

/// Nothing in between.
pub(crate) struct Outside;

impl Seams for Outside {}

/// A running agent. Dropping it stops it: what is being done is finished, and nothing is begun.
pub(crate) struct Agent {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    server: Option<Server>,
    metrics_page: Option<MetricsPage>,
    status_door: Option<StatusDoor>,
    /// Held as long as the agent runs, so that there is one for a folder.
    _lock: File,
}

/// What threads share.
pub(crate) struct Shared {
    journal: Arc<Journal>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    store: Arc<Folder>,
    seams: Arc<dyn Seams>,
    config: RwLock<Arc<Config>>,
    tunnels: RwLock<BTreeMap<String, Arc<Live>>>,
    providers: Mutex<BTreeMap<String, Arc<Provider>>>,
    peers: Mutex<BTreeMap<String, Arc<Peer>>>,
    queue: Mutex<Queue>,
    changed: Condvar,
    stopping: AtomicBool,
}

/// A tunnel, and what it was made of.
pub(crate) struct Live {
    pub tunnel: Tunnel,
    table: TunnelTable,
}

type Providers = BTreeMap<String, Arc<Provider>>;
type Changes = Vec<(Arc<Provider>, Change)>;

/// Whom a tunnel waits for: those that share both wait for the same things.
type Lane = (String, String);

/// When each tunnel's turn is.
#[derive(Default)]
struct Queue {
    by_time: BTreeSet<(Instant, String)>,
    times: HashMap<String, Instant>,
    /// Turns under way, for each lane, so that one that hangs does not take all workers.
    busy: HashMap<Lane, usize>,
    /// Turns that are due and wait for their lane.
    held: HashMap<Lane, VecDeque<String>>,
    running: BTreeSet<String>,
    /// Tunnels that are wanted while their turn is under way.
    again: BTreeSet<String>,
}

impl Agent {
    /// Starts all that the configuration says.
    ///
    /// # Errors
    /// What cannot be, a line each.
    pub fn start(config: &Config, journal: Arc<Journal>, seams: &Arc<dyn Seams>) -> Result<Self, Vec<String>> {
        let one = |why: String| vec![why];
        let state = config.agent.state.clone();
        let store = Folder::open(&state).map_err(|error| one(format!("{}: {error}", state.display())))?;
        let lock = lock(&state).map_err(one)?;
        let tls = Tls::load(&config.hand_off).map_err(|why| one(format!("hand-off: {why}")))?;
        let metrics = Arc::new(Metrics::default());
        let shared = Arc::new(Shared {
            journal,
            metrics: Arc::clone(&metrics),
            clock: Arc::new(SystemClock::new()),
            store: Arc::new(store),
            seams: Arc::clone(seams),
            config: RwLock::new(Arc::new(config.clone())),
            tunnels: RwLock::default(),
            providers: Mutex::default(),
            peers: Mutex::default(),
            queue: Mutex::default(),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
        });
        shared.take_over(config, &tls)?;
        let handler = seams.handler(Arc::new(Door(Arc::clone(&shared))));
        let listen = config.hand_off.listen;
        let server = Server::start(listen, tls.server, handler, metrics)
            .map_err(|error| one(format!("hand-off.listen: cannot listen on {listen}: {error}")))?;
        let metrics_page = match config.agent.metrics {
            Some(address) => Some(
                MetricsPage::start(address, Arc::clone(&shared))
                    .map_err(|error| one(format!("agent.metrics: cannot listen on {address}: {error}")))?,
            ),
            None => None,
        };
        let status_door = StatusDoor::open(&state, Arc::clone(&shared))
            .map_err(|error| one(format!("{}: {error}", status::socket(&state).display())))?;
        let mut agent = Self {
            shared,
            workers: Vec::new(),
            server: Some(server),
            metrics_page,
            status_door: Some(status_door),
            _lock: lock,
        };
        for n in 0..config.agent.workers {
            let shared = Arc::clone(&agent.shared);
            let thread = thread::Builder::new()
                .name(format!("worker-{n}"))
                .stack_size(1 << 20)
                .spawn(move || shared.work())
                .map_err(|error| one(format!("cannot start a thread: {error}")))?;
            agent.workers.push(thread);
        }
        let count = config.tunnels.len();
        agent
            .shared
            .journal
            .event(Level::Info, "started", &[("tunnels", &count)]);
        Ok(agent)
    }

    /// Where peers' agents reach this one.
    #[cfg(test)]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.as_ref().map(|server| server.address)
    }

    /// Where its metrics are.
    #[cfg(test)]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_page.as_ref().map(|page| page.address)
    }

    /// Takes another configuration over; tunnels that are the same in it go on.
    ///
    /// # Errors
    /// What cannot be, a line each; the old configuration stays as it is.
    pub fn reload(&self, config: &Config) -> Result<(), Vec<String>> {
        let outcome = self.try_reload(config);
        let result = if outcome.is_ok() { "ok" } else { "refused" };
        self.shared.metrics.count(RELOADS, &[("result", result)]);
        outcome
    }

    fn try_reload(&self, config: &Config) -> Result<(), Vec<String>> {
        let now = self.shared.config();
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
            .map(|(name, _)| format!("{name}: cannot be changed while the agent runs; start it anew"))
            .collect();
        if !changed.is_empty() {
            return Err(changed);
        }
        let tls = Tls::load(&config.hand_off).map_err(|why| vec![format!("hand-off: {why}")])?;
        self.shared.take_over(config, &tls)?;
        if let Some(server) = &self.server {
            server.set_tls(tls.server);
        }
        *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config.clone());
        Ok(())
    }

    /// What `agent status` shows.
    #[cfg(test)]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether its threads go on; for a watchdog.
    pub fn is_alive(&self) -> bool {
        self.workers.iter().all(|worker| !worker.is_finished())
    }

    /// Has all tunnels rotate as soon as possible.
    pub fn rotate_all(&self) {
        for live in self.shared.tunnels() {
            live.tunnel.want_rotation_now();
            self.shared.wake(&live.tunnel.plan.name);
        }
    }

    /// How the tunnels that this end begins with are doing: name, whether it has rotated since the start, and failures in a row.
    pub fn progress(&self) -> Vec<(String, bool, u32)> {
        let tunnels = self.shared.tunnels();
        let begun = tunnels
            .iter()
            .filter(|live| live.tunnel.face().role != Some(Role::Responder));
        begun
            .map(|live| {
                let face = live.tunnel.face();
                (live.tunnel.plan.name.clone(), live.tunnel.is_settled(), face.failures)
            })
            .collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        // first the doors, so that nothing new comes in
        self.server = None;
        self.metrics_page = None;
        self.status_door = None;
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        for provider in self
            .shared
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            provider.close();
        }
        self.shared.journal.event(Level::Info, "stopped", &[]);
    }
}

impl Shared {
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn tunnels(&self) -> Vec<Arc<Live>> {
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

    /// The metrics' text.
    pub fn metrics_text(&self) -> String {
        let tunnels = self.tunnels();
        let mut now: Vec<Sample> = vec![(
            TUNNELS,
            String::new(),
            f64::from(u32::try_from(tunnels.len()).unwrap_or(u32::MAX)),
        )];
        for live in &tunnels {
            let face = live.tunnel.face();
            let of = labels(&[("tunnel", &live.tunnel.plan.name)]);
            if let Some(age) = live.tunnel.key_age(&face.record) {
                now.push((KEY_AGE, of.clone(), age.as_secs_f64()));
            }
            if let Some(up) = face.observation.and_then(|seen| seen.tunnel_up) {
                now.push((TUNNEL_UP, of, f64::from(u8::from(up))));
            }
        }
        self.metrics.render(&now)
    }

    /// Makes what the configuration says, and then puts it in the place of what there was.
    fn take_over(&self, config: &Config, tls: &Tls) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        let mut providers = self.providers.lock().unwrap_or_else(PoisonError::into_inner);
        let (new_providers, changes) = self.make_providers(config, &providers, &mut wrong);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let new_peers = self.make_peers(config, tls, &peers);
        // a tunnel goes on if nothing of it has changed, and neither has its peer
        let mut consumers = Vec::new();
        let running = self.tunnels();
        let running: HashMap<&str, &Arc<Live>> = running.iter().map(|l| (l.table.plan.name.as_str(), l)).collect();
        let goes_on = |table: &TunnelTable| {
            let same_peer = peers.get(&table.peer).zip(new_peers.get(&table.peer));
            running
                .get(table.plan.name.as_str())
                .is_some_and(|live| live.table == *table)
                && same_peer.is_some_and(|(old, new)| Arc::ptr_eq(old, new))
        };
        for table in config.tunnels.iter().filter(|table| !goes_on(table)) {
            match self.seams.consumer(table) {
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
        for peer in new_peers.values() {
            peer.set_tls(Arc::clone(&tls.client));
        }
        let ended: Vec<Arc<Live>> = {
            let mut tunnels = self.tunnels.write().unwrap_or_else(PoisonError::into_inner);
            let (kept, ended) = std::mem::take(&mut *tunnels)
                .into_iter()
                .partition(|(name, _)| keep.contains(name));
            *tunnels = kept;
            let ended: BTreeMap<String, Arc<Live>> = ended;
            ended.into_values().collect()
        };
        for live in ended {
            live.tunnel.close();
            self.forget(&live.tunnel.plan.name);
        }
        for (table, consumer) in consumers {
            let (Some(provider), Some(peer)) = (new_providers.get(&table.provider), new_peers.get(&table.peer)) else {
                continue; // the configuration was checked for that
            };
            let ports = Ports {
                keys: Arc::clone(provider) as _,
                link: Arc::clone(peer) as _,
                store: Arc::clone(&self.store) as _,
                clock: Arc::clone(&self.clock),
                journal: Arc::clone(&self.journal),
                metrics: Arc::clone(&self.metrics),
            };
            let ports = self.seams.ports(&table.plan.name, ports);
            let live = Arc::new(Live {
                tunnel: Tunnel::open(table.plan.clone(), ports, consumer),
                table: table.clone(),
            });
            let name = table.plan.name.clone();
            self.tunnels
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(name.clone(), live);
            self.wake(&name);
        }
        *providers = new_providers;
        *peers = new_peers;
        Ok(())
    }

    /// The Key Providers of a configuration: those that there are, with what changes in them, and new ones.
    fn make_providers(&self, config: &Config, old: &Providers, wrong: &mut Vec<String>) -> (Providers, Changes) {
        let mut changes = Vec::new();
        let mut all = BTreeMap::new();
        for (name, table) in &config.providers {
            let made = match old.get(name) {
                Some(provider) => provider.prepare_change(table).map(|change| {
                    changes.extend(change.map(|change| (Arc::clone(provider), change)));
                    Arc::clone(provider)
                }),
                None => Provider::new(name, table, Arc::clone(&self.metrics)).map(Arc::new),
            };
            match made {
                Ok(provider) => drop(all.insert(name.clone(), provider)),
                Err(why) => wrong.push(why),
            }
        }
        (all, changes)
    }

    /// The peers of a configuration; those that did not change keep their connections.
    fn make_peers(
        &self,
        config: &Config,
        tls: &Tls,
        peers: &BTreeMap<String, Arc<Peer>>,
    ) -> BTreeMap<String, Arc<Peer>> {
        let old = self.config();
        let within = config.hand_off.answer_within;
        let make = |(name, table): (&String, &PeerTable)| {
            let same = old.peers.get(name) == Some(table) && old.hand_off.answer_within == within;
            let peer = peers.get(name).filter(|_| same).cloned().unwrap_or_else(|| {
                let (tls, metrics) = (Arc::clone(&tls.client), Arc::clone(&self.metrics));
                Arc::new(Peer::new(name, table.clone(), tls, within, metrics))
            });
            (name.clone(), peer)
        };
        config.peers.iter().map(make).collect()
    }

    /// Gives a tunnel its turn as soon as possible.
    pub fn wake(&self, name: &str) {
        let mut queue = self.queue();
        if queue.running.contains(name) {
            queue.again.insert(name.to_owned());
        } else {
            queue.set(name, Instant::now());
        }
        drop(queue);
        self.changed.notify_one();
    }

    fn forget(&self, name: &str) {
        let mut queue = self.queue();
        queue.unset(name);
        for held in queue.held.values_mut() {
            held.retain(|one| one != name);
        }
    }

    /// What a worker does.
    fn work(&self) {
        while let Some((name, lane)) = self.next() {
            let live = self
                .tunnels
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&name)
                .cloned();
            let wait = live.as_ref().map(|live| {
                // a mistake in one gateway's code must not end the rotations of the others
                panic::catch_unwind(AssertUnwindSafe(|| live.tunnel.turn())).unwrap_or_else(|_| {
                    self.journal.event(Level::Error, "panicked", &[("tunnel", &name)]);
                    live.tunnel.plan.pace.retry_longest
                })
            });
            let mut queue = self.queue();
            queue.running.remove(&name);
            let again = queue.again.remove(&name);
            if let Some(wait) = wait {
                let wait = if again { Duration::ZERO } else { wait };
                queue.set(&name, Instant::now() + wait);
            }
            if let Some(busy) = queue.busy.get_mut(&lane) {
                *busy -= 1;
            }
            // who waited for this lane is due
            if let Some(next) = queue.held.get_mut(&lane).and_then(VecDeque::pop_front) {
                queue.set(&next, Instant::now());
            }
            drop(queue);
            self.changed.notify_one();
        }
    }

    /// The next turn that is due; `None` at the end.
    fn next(&self) -> Option<(String, Lane)> {
        let mut queue = self.queue();
        loop {
            if self.is_stopping() {
                return None;
            }
            let now = Instant::now();
            let first = queue.by_time.first().cloned();
            let Some((at, name)) = first.filter(|(at, _)| *at <= now) else {
                let wait = queue
                    .by_time
                    .first()
                    .map_or(LONGEST_WAIT, |(at, _)| *at - now)
                    .min(LONGEST_WAIT);
                queue = self
                    .changed
                    .wait_timeout(queue, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            };
            queue.by_time.remove(&(at, name.clone()));
            queue.times.remove(&name);
            let tunnels = self.tunnels.read().unwrap_or_else(PoisonError::into_inner);
            let Some(live) = tunnels.get(&name) else {
                continue;
            };
            let lane = (live.table.provider.clone(), live.table.peer.clone());
            drop(tunnels);
            let most = self.config().agent.workers.div_ceil(2);
            let busy = queue.busy.entry(lane.clone()).or_default();
            if *busy >= most {
                queue.held.entry(lane).or_default().push_back(name);
                continue;
            }
            *busy += 1;
            queue.running.insert(name.clone());
            if !queue.by_time.is_empty() {
                self.changed.notify_one();
            }
            return Some((name, lane));
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn set(&mut self, name: &str, at: Instant) {
        if self.held.values().any(|held| held.iter().any(|one| one == name)) {
            return; // its turn comes as soon as its lane is free
        }
        self.unset(name);
        self.by_time.insert((at, name.to_owned()));
        self.times.insert(name.to_owned(), at);
    }

    fn unset(&mut self, name: &str) {
        if let Some(at) = self.times.remove(name) {
            self.by_time.remove(&(at, name.to_owned()));
        }
    }
}

/// What peers' agents find.
struct Door(Arc<Shared>);

impl Handler for Door {
    fn peer_of(&self, is_named: &dyn Fn(&str) -> bool) -> Option<String> {
        let config = self.0.config();
        let found = config.peers.iter().find(|(_, table)| is_named(&table.certificate_name));
        found.map(|(name, _)| name.clone())
    }

    fn handle(&self, peer: &str, request: &Request) -> Option<Answer> {
        if self.0.is_stopping() {
            return None;
        }
        let tunnels = self.0.tunnels.read().unwrap_or_else(PoisonError::into_inner);
        let live = tunnels
            .get(&request.tunnel)
            .filter(|live| live.table.peer == peer)
            .cloned();
        drop(tunnels);
        // a stranger's tunnel and none look the same from outside
        let Some(live) = live else {
            let code = "unknown_tunnel".to_owned();
            self.0.journal.event(
                Level::Warn,
                "hand-off",
                &[("peer", &peer), ("tunnel", &request.tunnel), ("code", &code)],
            );
            return Some(Answer::Refused { code });
        };
        let answer = live.tunnel.handle(&request.ask);
        if live.tunnel.is_urgent() {
            self.0.wake(&request.tunnel);
        }
        Some(answer)
    }
}

fn lock(state: &std::path::Path) -> Result<File, String> {
    let path = state.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| format!("{}: another agent runs with this folder", state.display()))?;
    Ok(file)
}
