//! Two agents, a network, Key Providers and gateways that fail: afterwards traffic flows, and no key was requested
//! twice.
//!
//! `AGENT_SEED` and `AGENT_N` select another run or a longer one.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use skip_client::{Advice, BitLength, Error, Key, KeyId, Secret, SystemId};
use skip_key_provider::Fault;

use super::rig::{ENDS, Rig, number};
use crate::agent::{Agent, Environment};
use crate::clock::Clock;
use crate::config::TunnelTable;
use crate::consumer::{Consumer, ConsumerError, Observation};
use crate::handoff::message::{Answer, Request};
use crate::handoff::server::Handler;
use crate::handoff::{Link, LinkError};
use crate::journal::tests::Kept;
use crate::journal::{Journal, Level, LogFormat};
use crate::ports::{Keys, Ports};
use crate::state::{Loaded, Record, Stage, Store};

/// How two gateways hold keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Like `IKEv2` with PPKs: several keys side by side, and sessions started by the initiator with one of them.
    Several,
    /// Like `WireGuard`: one key at each end, and traffic flows while both have the same.
    One,
}

/// Two gateways and the network between them.
struct Gateways {
    kind: Kind,
    ends: [End; 2],
    /// Which end is the initiator.
    initiator: usize,
    /// Several: the key of the session that carries the traffic.
    session: Option<KeyId>,
    /// How often an agent ended the session that carried the traffic.
    cut_by_agent: u32,
}

#[derive(Default)]
struct End {
    keys: Vec<(KeyId, Secret)>,
    instance: u64,
    /// The next call fails: before it does anything, or after all of it.
    fails: Option<When>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

impl Gateways {
    fn carry_traffic(&self) -> bool {
        match self.kind {
            Kind::Several => self.session.is_some(),
            Kind::One => match (self.ends[0].keys.first(), self.ends[1].keys.first()) {
                (Some((_, a)), Some((_, b))) => a == b,
                _ => false,
            },
        }
    }

    fn restart(&mut self, end: usize) {
        let instance = self.ends[end].instance + 1;
        self.ends[end] = End {
            instance,
            ..End::default()
        };
        self.session = None;
    }
}

/// The world outside both agents.
struct World {
    gateways: BTreeMap<String, Mutex<Gateways>>,
    /// Keys requested by keyId, and whether they may be requested again.
    asked: Mutex<HashMap<String, bool>>,
    asked_twice: AtomicU64,
    double_asks: AtomicBool,
    replay_asks: AtomicBool,
    old_asks: Mutex<Vec<(String, Request)>>,
    boot: AtomicU64,
    wall: AtomicU64,
}

impl World {
    fn gateways(&self, tunnel: &str) -> MutexGuard<'_, Gateways> {
        self.gateways[tunnel].lock().expect("not poisoned")
    }
}

/// One run of an agent, which may die without warning: from then on, none of its actions has an effect.
struct Life {
    dead: AtomicBool,
    /// The number of calls left.
    left: AtomicI64,
    /// Whether the last one takes effect.
    last_acts: bool,
}

impl Life {
    fn immortal() -> Arc<Self> {
        Arc::new(Self {
            dead: AtomicBool::new(false),
            left: AtomicI64::new(i64::MAX),
            last_acts: false,
        })
    }

    /// Acts on the world, unless this agent is dead. `None` if it does not learn the outcome.
    fn act<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        if self.dead.load(Ordering::SeqCst) {
            return None;
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 1 {
            self.dead.store(true, Ordering::SeqCst);
            if self.last_acts {
                act();
            }
            return None;
        }
        let outcome = act();
        (!self.dead.load(Ordering::SeqCst)).then_some(outcome)
    }
}

/// Stands between an agent and the world.
struct Between {
    end: usize,
    world: Arc<World>,
    life: Arc<Life>,
}

impl Environment for Between {
    fn ports(&self, _tunnel: &str, ports: Ports) -> Ports {
        let seam = || Seam {
            end: self.end,
            world: Arc::clone(&self.world),
            life: Arc::clone(&self.life),
            ports: ports.clone(),
        };
        Ports {
            keys: Arc::new(seam()),
            link: Arc::new(seam()),
            store: Arc::new(seam()),
            clock: Arc::new(Clocks {
                boot: format!("boot-{}", self.world.boot.load(Ordering::SeqCst)),
                seam: seam(),
            }),
            ..ports
        }
    }

    fn consumer(&self, table: &TunnelTable) -> Result<Box<dyn Consumer>, ConsumerError> {
        Ok(Box::new(Gateway {
            end: self.end,
            world: Arc::clone(&self.world),
            life: Arc::clone(&self.life),
            tunnel: table.plan.name.clone(),
            set: None,
        }))
    }

    fn handler(&self, handler: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(MortalHandler(handler, Arc::clone(&self.life)))
    }
}

/// An agent that died while handling a request does not answer.
struct MortalHandler(Arc<dyn Handler>, Arc<Life>);

impl Handler for MortalHandler {
    fn is_peer_address(&self, ip: IpAddr) -> bool {
        self.0.is_peer_address(ip)
    }

    fn handle(&self, peer: &str, request: &Request) -> Option<Answer> {
        if self.1.dead.load(Ordering::SeqCst) {
            return None;
        }
        let answer = self.0.handle(peer, request);
        if self.1.dead.load(Ordering::SeqCst) {
            None
        } else {
            answer
        }
    }
}

struct Seam {
    end: usize,
    world: Arc<World>,
    life: Arc<Life>,
    ports: Ports,
}

fn died() -> Error {
    Error::invalid_argument("test", "this agent is dead", "")
}

impl Keys for Seam {
    fn local_system_id(&self) -> skip_client::Result<String> {
        self.ports.keys.local_system_id()
    }

    fn new_key(&self, remote: &SystemId, size: Option<BitLength>) -> skip_client::Result<Key> {
        self.life
            .act(|| self.ports.keys.new_key(remote, size))
            .unwrap_or_else(|| Err(died()))
    }

    fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> skip_client::Result<Key> {
        let ask = || {
            let mut asked = self.world.asked.lock().expect("not poisoned");
            if asked.insert(key_id.as_str().to_owned(), false) == Some(false) {
                self.world.asked_twice.fetch_add(1, Ordering::SeqCst);
            }
            drop(asked);
            let outcome = self.ports.keys.key_by_id(key_id, remote);
            if outcome
                .as_ref()
                .is_err_and(|error| error.advice() == Advice::SameRequest)
            {
                self.world
                    .asked
                    .lock()
                    .expect("not poisoned")
                    .insert(key_id.as_str().to_owned(), true);
            }
            outcome
        };
        self.life.act(ask).unwrap_or_else(|| Err(died()))
    }
}

impl Link for Seam {
    fn ask(&self, request: &Request) -> Result<Answer, LinkError> {
        let ask = || {
            let mut old = self.world.old_asks.lock().expect("not poisoned");
            if old.len() >= 64 {
                old.remove(0);
            }
            old.push((ENDS[self.end].to_owned(), request.clone()));
            let replayed = old
                .iter()
                .filter(|(end, _)| end == ENDS[self.end])
                .nth(fastrand::usize(..8));
            let replayed = replayed.map(|(_, request)| request.clone());
            drop(old);
            if self.world.replay_asks.load(Ordering::SeqCst)
                && let Some(replayed) = replayed
            {
                let _ = self.ports.link.ask(&replayed);
            }
            if self.world.double_asks.load(Ordering::SeqCst) {
                let _ = self.ports.link.ask(request);
            }
            self.ports.link.ask(request)
        };
        self.life.act(ask).unwrap_or_else(|| {
            Err(LinkError {
                code: "dead",
                what: "this agent is dead".to_owned(),
            })
        })
    }
}

impl Store for Seam {
    fn load(&self, tunnel: &str) -> Loaded {
        self.ports.store.load(tunnel)
    }

    fn can_save(&self, tunnel: &str) -> io::Result<()> {
        self.ports.store.can_save(tunnel)
    }

    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()> {
        self.life
            .act(|| self.ports.store.save(tunnel, record))
            .unwrap_or_else(|| Err(io::Error::other("this agent is dead")))
    }
}

struct Clocks {
    boot: String,
    seam: Seam,
}

impl Clock for Clocks {
    fn since_boot(&self) -> Duration {
        self.seam.ports.clock.since_boot()
    }

    fn boot(&self) -> &str {
        &self.boot
    }

    /// The time of day jumps arbitrarily.
    fn wall(&self) -> String {
        format!("{:04}-01-01T00:00:00.000Z", self.seam.world.wall.load(Ordering::SeqCst))
    }
}

struct Gateway {
    end: usize,
    world: Arc<World>,
    life: Arc<Life>,
    tunnel: String,
    /// One: the key that this consumer has set.
    set: Option<KeyId>,
}

impl Gateway {
    fn act(
        &mut self,
        act: impl FnOnce(&mut Gateways, usize) -> Result<(), ConsumerError>,
    ) -> Result<(), ConsumerError> {
        let acted = self.life.act(|| {
            let mut gateways = self.world.gateways(&self.tunnel);
            let failed = || Err(ConsumerError::new("the gateway failed", ""));
            match gateways.ends[self.end].fails.take() {
                Some(When::Before) => failed(),
                Some(When::After) => act(&mut gateways, self.end).and_then(|()| failed()),
                None => act(&mut gateways, self.end),
            }
        });
        acted.unwrap_or_else(|| Err(ConsumerError::new("this agent is dead", "")))
    }
}

fn copy(key: &Key) -> (KeyId, Secret) {
    (key.key_id().clone(), key.secret().clone())
}

impl Consumer for Gateway {
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let done = self.act(|gateways, end| {
            let is_initiator = gateways.initiator == end;
            let keys = &mut gateways.ends[end].keys;
            match gateways.kind {
                Kind::Several => {
                    keys.retain(|(id, _)| id != key.key_id());
                    keys.push(copy(key));
                }
                Kind::One if is_initiator => {}
                Kind::One => *keys = vec![copy(key)],
            }
            Ok(())
        });
        if done.is_ok() {
            self.set = Some(key.key_id().clone());
        }
        done
    }

    fn activate(&mut self, key: &Key) -> Result<(), ConsumerError> {
        let done = self.act(|gateways, end| {
            assert_eq!(gateways.initiator, end, "only an initiator activates");
            if gateways.kind == Kind::One {
                gateways.ends[end].keys = vec![copy(key)];
            }
            let fits = |keys: &[(KeyId, Secret)]| keys.contains(&copy(key));
            if !fits(&gateways.ends[0].keys) || !fits(&gateways.ends[1].keys) {
                return Err(ConsumerError::new("no handshake with this key", ""));
            }
            gateways.session = Some(key.key_id().clone());
            Ok(())
        });
        if done.is_ok() {
            self.set = Some(key.key_id().clone());
        }
        done
    }

    fn retire_others(&mut self, keep: &KeyId) -> Result<(), ConsumerError> {
        self.act(|gateways, end| {
            gateways.ends[end].keys.retain(|(id, _)| id == keep);
            if gateways.initiator == end && gateways.session.as_ref().is_some_and(|id| id != keep) {
                gateways.session = None;
                gateways.cut_by_agent += 1;
            }
            Ok(())
        })
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        self.act(|gateways, end| {
            let is_session = gateways.session.as_ref() == Some(key_id);
            let keys = &mut gateways.ends[end].keys;
            match gateways.kind {
                Kind::Several => {
                    keys.retain(|(id, _)| id != key_id);
                    if is_session {
                        gateways.session = None;
                        gateways.cut_by_agent += 1;
                    }
                }
                Kind::One if keys.iter().all(|(id, _)| id != key_id) => {}
                Kind::One => match in_use {
                    Some(key) => *keys = vec![copy(key)],
                    None => return Err(ConsumerError::new("the key before is not known any more", "")),
                },
            }
            Ok(())
        })
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let gateways = self.world.gateways(&self.tunnel);
        Ok(Observation {
            reachable: true,
            tunnel_up: Some(gateways.carry_traffic()),
            key_id: match gateways.kind {
                Kind::Several => gateways.session.clone(),
                Kind::One => self.set.clone(),
            },
            instance: Some(gateways.ends[self.end].instance.to_string()),
            ..Observation::default()
        })
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        panic!("no key is ever too old here")
    }
}

const PACE: &str = "check-every = \"20ms\"\nretry-first = \"4ms\"\nretry-longest = \"80ms\"\nconfirm-within = \"60ms\"\n\
                    workers = 4\nlog-level = \"debug\"";
/// Names of tunnels, their initiators, and the type of their gateways.
const TUNNELS: [(&str, usize, Kind); 4] = [
    ("several-ab", 0, Kind::Several),
    ("several-ba", 1, Kind::Several),
    ("one-ab", 0, Kind::One),
    ("one-ba", 1, Kind::One),
];

/// Faults that do not cause statuses 400 to 499, so that such a refusal means that a key was requested twice.
const KP_FAULTS: [Fault; 11] = [
    Fault::DropBeforeResponse,
    Fault::DropMidBody,
    Fault::WrongKeyId,
    Fault::WrongSize,
    Fault::NotHex,
    Fault::AllZeroKey,
    Fault::TruncatedJson,
    Fault::MissingMember,
    Fault::DuplicateMember,
    Fault::Key500,
    Fault::Html200,
];

struct Scene {
    rig: Rig,
    world: Arc<World>,
    agents: [Option<Agent>; 2],
    lives: [Arc<Life>; 2],
    logs: [Kept; 2],
}

impl Scene {
    fn new() -> Self {
        let gateways = TUNNELS.map(|(name, initiator, kind)| {
            let gateways = Gateways {
                kind,
                ends: Default::default(),
                initiator,
                session: None,
                cut_by_agent: 0,
            };
            (name.to_owned(), Mutex::new(gateways))
        });
        let world = World {
            gateways: gateways.into_iter().collect(),
            asked: Mutex::default(),
            asked_twice: AtomicU64::new(0),
            double_asks: AtomicBool::new(false),
            replay_asks: AtomicBool::new(false),
            old_asks: Mutex::default(),
            boot: AtomicU64::new(0),
            wall: AtomicU64::new(2026),
        };
        Self {
            rig: Rig::new(),
            world: Arc::new(world),
            agents: [None, None],
            lives: [Life::immortal(), Life::immortal()],
            logs: [Kept::default(), Kept::default()],
        }
    }

    fn start(&mut self, end: usize, life: Arc<Life>) {
        let mut text = self.rig.head(end, PACE);
        for (name, initiator, _) in TUNNELS {
            let role = if initiator == end { "initiator" } else { "responder" };
            let more = format!("role = \"{role}\"\ninterval = \"60ms\"\njitter = \"30ms\"");
            text += &self.rig.tunnel(end, name, &more);
        }
        let config = self.rig.config(&text);
        self.logs[end].0.lock().expect("not poisoned").clear();
        let journal = Journal::new(Level::Debug, LogFormat::Logfmt, Box::new(self.logs[end].clone()));
        let between = Between {
            end,
            world: Arc::clone(&self.world),
            life: Arc::clone(&life),
        };
        let agent = Agent::start(&config, Arc::new(journal), &(Arc::new(between) as Arc<dyn Environment>))
            .unwrap_or_else(|why| panic!("{why:?}"));
        self.rig.agents[end].set_target(agent.address().expect("it listens"));
        self.lives[end] = life;
        self.agents[end] = Some(agent);
    }

    /// Kills an agent without warning, at once or after some calls.
    fn kill(&mut self, end: usize, random: &mut Rng, after: i64) {
        if after == 0 {
            self.lives[end].dead.store(true, Ordering::SeqCst);
        }
        self.agents[end] = None;
        thread::sleep(Duration::from_millis(random.u64(..20)));
    }

    fn face(&self, end: usize, tunnel: &str) -> Option<crate::tunnel::TunnelSnapshot> {
        let agent = self.agents[end].as_ref()?;
        let tunnels = agent.inner().tunnels();
        tunnels
            .iter()
            .find(|running| running.tunnel.plan.name == tunnel)
            .map(|running| running.tunnel.snapshot())
    }

    /// Whether a tunnel carries traffic with the key that both agents consider current, with a number above `counter`.
    fn is_well(&self, tunnel: &str, counter: u64) -> bool {
        let (Some(a), Some(b)) = (self.face(0, tunnel), self.face(1, tunnel)) else {
            return false;
        };
        let (Some(a), Some(b)) = (a.record.current, b.record.current) else {
            return false;
        };
        a.counter == b.counter
            && a.counter > counter
            && a.key_id == b.key_id
            && self.world.gateways(tunnel).carry_traffic()
    }

    fn counters(&self) -> Vec<u64> {
        let counter = |(name, ..): (&str, usize, Kind)| {
            let of = |end| self.face(end, name).map_or(0, |face| face.record.counter);
            of(0).max(of(1))
        };
        TUNNELS.into_iter().map(counter).collect()
    }

    fn wait_until_well(&self, what: &str) {
        let counters = self.counters();
        let until = Instant::now() + Duration::from_mins(3);
        let mut open: Vec<usize> = (0..TUNNELS.len()).collect();
        while !open.is_empty() {
            open.retain(|n| !self.is_well(TUNNELS[*n].0, counters[*n]));
            if Instant::now() > until {
                let names: Vec<&str> = open.iter().map(|n| TUNNELS[*n].0).collect();
                for (end, log) in self.logs.iter().enumerate() {
                    let text = log.text();
                    let lines: Vec<&str> = text
                        .lines()
                        .filter(|line| names.iter().any(|name| line.contains(name)))
                        .collect();
                    println!("--- {}", ENDS[end]);
                    for line in &lines[lines.len().saturating_sub(60)..] {
                        println!("{line}");
                    }
                    for name in &names {
                        println!("{name}: {:?}", self.face(end, name));
                    }
                }
                panic!("after {what}: {names:?} did not come back");
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn traffic_flows_after_every_fault_and_no_key_is_requested_twice() {
    let (seed, n) = (number("AGENT_SEED", 7), number("AGENT_N", 80));
    let mut random = Rng::with_seed(seed);
    fastrand::seed(seed);
    let mut stage = Scene::new();
    for end in 0..2 {
        stage.start(end, Life::immortal());
    }
    stage.wait_until_well("the start");
    let mut tally: BTreeMap<&str, (u32, Duration)> = BTreeMap::new();
    for _ in 0..n {
        let started = Instant::now();
        let what = break_something(&mut stage, &mut random);
        for log in &stage.logs {
            let mut log = log.0.lock().expect("not poisoned");
            let surplus = log.len().saturating_sub(400_000);
            log.drain(..surplus);
        }
        stage.wait_until_well(what);
        let entry = tally.entry(what).or_default();
        entry.0 += 1;
        entry.1 = entry.1.max(started.elapsed());
    }
    let stats = stage.rig.pair.stats();
    println!("seed {seed}: {n} faults");
    for (what, (times, longest)) in &tally {
        println!("{times:6} x {what}, well again within {} ms", longest.as_millis());
    }
    println!(
        "keys: {} made, {} given by keyId, {} refused; {} rotations begun",
        stats.keys_issued,
        stats.keys_delivered,
        stats.refused,
        stage.counters().iter().sum::<u64>()
    );
    assert_eq!(
        stage.world.asked_twice.load(Ordering::SeqCst),
        0,
        "a key was asked for twice"
    );
    assert_eq!(stats.refused, 0, "a Key Provider refused a request");
    for (name, _, kind) in TUNNELS {
        if kind == Kind::Several {
            assert_eq!(stage.world.gateways(name).cut_by_agent, 0, "an agent cut {name} off");
        }
    }
    stage.agents = [None, None];
}

/// Injects one fault, which has ended by the time this returns; returns its name.
fn break_something(stage: &mut Scene, random: &mut Rng) -> &'static str {
    let end = random.usize(..2);
    let (tunnel, ..) = TUNNELS[random.usize(..TUNNELS.len())];
    let pause = |random: &mut Rng| thread::sleep(Duration::from_millis(random.u64(5..120)));
    match random.u8(..16) {
        0..=3 => {
            // an agent that dies at its next call, or the one after, or …
            let life = Arc::new(Life {
                dead: AtomicBool::new(false),
                left: AtomicI64::new(random.i64(1..60)),
                last_acts: random.bool(),
            });
            stage.kill(end, random, 0);
            stage.start(end, Arc::clone(&life));
            let until = Instant::now() + Duration::from_secs(5);
            while !life.dead.load(Ordering::SeqCst) && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            stage.kill(end, random, 1);
            stage.start(end, Life::immortal());
            "an agent killed at a step"
        }
        4 => {
            stage.kill(end, random, 0);
            stage.kill(1 - end, random, 0);
            stage.start(1 - end, Life::immortal());
            stage.start(end, Life::immortal());
            "both agents killed"
        }
        5 => {
            stage.rig.providers[end].set_cut(true);
            pause(random);
            stage.rig.providers[end].set_cut(false);
            "a Key Provider down"
        }
        6 | 7 => {
            stage.rig.pair.set_faults(&[KP_FAULTS[random.usize(..KP_FAULTS.len())]]);
            pause(random);
            stage.rig.pair.set_faults(&[]);
            "Key Providers answer wrongly"
        }
        8 => {
            stage.rig.agents[end].set_cut(true);
            pause(random);
            stage.rig.agents[end].set_cut(false);
            "the hand-off cut"
        }
        9 => {
            stage.rig.agents[end].set_delay(random.u64(1..40));
            pause(random);
            stage.rig.agents[end].set_delay(0);
            "the hand-off delayed"
        }
        10 => {
            stage.world.double_asks.store(true, Ordering::SeqCst);
            pause(random);
            stage.world.double_asks.store(false, Ordering::SeqCst);
            "messages doubled"
        }
        11 => {
            stage.world.replay_asks.store(true, Ordering::SeqCst);
            pause(random);
            stage.world.replay_asks.store(false, Ordering::SeqCst);
            "old messages in between"
        }
        12 => {
            stage.world.gateways(tunnel).restart(end);
            "a gateway restarted"
        }
        13 => {
            let when = if random.bool() { When::Before } else { When::After };
            stage.world.gateways(tunnel).ends[end].fails = Some(when);
            pause(random);
            "a gateway fails once"
        }
        14 => {
            stage.kill(end, random, 0);
            let path = stage.rig.state(end).join("tunnels").join(format!("{tunnel}.json"));
            match random.u8(..3) {
                0 => fs::write(&path, "{").expect("written"),
                1 => fs::write(&path, "").expect("written"),
                _ => fs::remove_file(&path).expect("removed"),
            }
            stage.start(end, Life::immortal());
            "a state file lost or broken"
        }
        _ => {
            stage.world.wall.store(random.u64(1970..2100), Ordering::SeqCst);
            stage.kill(0, random, 0);
            stage.kill(1, random, 0);
            for (name, ..) in TUNNELS {
                stage.world.gateways(name).restart(end);
            }
            stage.world.boot.fetch_add(1, Ordering::SeqCst);
            for end in 0..2 {
                stage.start(end, Life::immortal());
            }
            "power lost and the clock elsewhere"
        }
    }
}

/// Final stages: a record never stays in any other for long.
#[test]
fn an_undisturbed_pair_of_agents_becomes_idle() {
    let mut stage = Scene::new();
    for end in 0..2 {
        stage.start(end, Life::immortal());
    }
    stage.wait_until_well("the start");
    let rests = |stage: &Scene| {
        TUNNELS.iter().all(|(name, ..)| {
            (0..2).all(|end| {
                stage
                    .face(end, name)
                    .is_some_and(|face| face.record.stage == Stage::Idle)
            })
        })
    };
    super::rig::wait_for("rest", || rests(&stage));
}
