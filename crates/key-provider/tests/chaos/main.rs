//! Pairs of encryptors that follow all advice, through proxies that break connections: after each exchange both have
//! the same key, or both know that they have none; no key is delivered twice; nothing is leaked.
//!
//! `make chaos SEED=7 N=50000`; without these, a short run.

#[cfg(unix)]
#[path = "../common/child.rs"]
mod child;
mod front;
mod proxy;

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use skip_client::{Advice, CancelToken, Client, ClientBuilder, Error, Key, KeyId, Psk, SystemId};
use skip_key_provider::{KeyProviderPair, PairOptions};

use front::{Front, TRICKS};
use proxy::{FAULTS, Proxy, Random};

const WORKERS: u64 = 8;
/// How often the Key Providers restart in a run.
const RESTARTS: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Certificates,
    /// The same with OpenSSL.
    Legacy,
    Psk,
}

#[test]
fn both_ends_have_the_same_key_or_know_that_they_have_none() {
    let number = |name: &str, default: u64| {
        std::env::var(name).map_or(default, |text| {
            text.parse().unwrap_or_else(|_| panic!("{name} is no number"))
        })
    };
    let (seed, exchanges) = (number("CHAOS_SEED", 1), number("CHAOS_N", 400));
    for mode in [Mode::Certificates, Mode::Legacy, Mode::Psk] {
        let before = Held::now();
        run(mode, seed, exchanges);
        let after = Held::now();
        println!("  held before {before:?}, after {after:?}");
        assert_eq!(
            (after.threads, after.files),
            (before.threads, before.files),
            "threads or files are left"
        );
    }
}

/// The process's resources; zeros if there is no /proc.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Held {
    threads: usize,
    files: usize,
    resident_kib: u64,
}

impl Held {
    fn now() -> Self {
        let count = |folder| std::fs::read_dir(folder).map_or(0, Iterator::count);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Self {
            threads: count("/proc/self/task"),
            files: count("/proc/self/fd"),
            resident_kib: resident
                .and_then(|text| text.split_whitespace().next()?.parse().ok())
                .unwrap_or(0),
        }
    }
}

fn run(mode: Mode, seed: u64, exchanges: u64) {
    let started = Instant::now();
    let psk = skip_key_provider::random_psk("chaos").expect("a key");
    let start = || {
        let options = PairOptions {
            psks: vec![psk.clone()],
            ..PairOptions::default()
        };
        KeyProviderPair::start(options).expect("the pair starts")
    };
    let mut pair = start();
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|number| Worker::new(mode, &pair, &psk, Random(seed).below(u64::MAX) ^ (number << 32)))
        .collect();
    let mut warm = None;
    for round in 0..=RESTARTS {
        let each = exchanges * (round + 1) / (RESTARTS + 1) / WORKERS - exchanges * round / (RESTARTS + 1) / WORKERS;
        thread::scope(|scope| {
            for worker in &mut workers {
                scope.spawn(move || worker.work(each));
            }
        });
        warm.get_or_insert_with(Held::now);
        if round < RESTARTS {
            drop(pair);
            pair = start();
            for worker in &mut workers {
                worker.after_restart(&pair, &psk);
            }
        }
    }
    let (warm, end) = (warm.expect("a round"), Held::now());
    let mut all = Tally::default();
    let mut delivered = HashSet::new();
    for mut worker in workers {
        worker.note_tricks();
        assert!(worker.delivered.is_disjoint(&delivered), "a key came twice");
        delivered.extend(worker.delivered.iter().cloned());
        all.add(std::mem::take(&mut worker.tally), &worker.proxies);
    }
    println!(
        "chaos: {mode:?}, seed {seed}, {} exchanges in {:.0?}",
        all.exchanges(),
        started.elapsed()
    );
    println!("  {all:?}");
    println!(
        "  distinct keys delivered {}; memory after the first round and at the end: {} and {} KiB",
        delivered.len(),
        warm.resident_kib,
        end.resident_kib
    );
    assert_eq!(
        delivered.len(),
        all.equal + all.in_children,
        "a key came twice, or was not counted"
    );
    assert!(all.equal > 0 && all.equal + all.told.values().sum::<usize>() == all.exchanges());
    // allowance for a run of any length: the Key Providers remember the keyIds that they delivered
    assert!(end.resident_kib < warm.resident_kib + 64 * 1024, "memory grows");
}

#[derive(Debug, Default)]
struct Tally {
    /// Both ends have the same key.
    equal: usize,
    /// An end learned from a code with the advice `no` that there is no key, and tells the other.
    told: BTreeMap<&'static str, usize>,
    /// Keys of Key Providers that restarted before the responder asked: all must be refused.
    gone: usize,
    /// How often each advice was followed.
    advice: BTreeMap<&'static str, usize>,
    connections: BTreeMap<&'static str, usize>,
    /// The manipulations of replies.
    replies: BTreeMap<&'static str, usize>,
    /// Forked processes, and how many of them have a key at both ends.
    forks: usize,
    in_children: usize,
}

impl Tally {
    fn exchanges(&self) -> usize {
        self.equal + self.told.values().sum::<usize>()
    }

    fn add(&mut self, other: Tally, proxies: &[Proxy; 2]) {
        self.equal += other.equal;
        self.gone += other.gone;
        self.forks += other.forks;
        self.in_children += other.in_children;
        for (trick, count) in other.replies {
            *self.replies.entry(trick).or_default() += count;
        }
        for (code, count) in other.told {
            *self.told.entry(code).or_default() += count;
        }
        for (advice, count) in other.advice {
            *self.advice.entry(advice).or_default() += count;
        }
        for proxy in proxies {
            for (fault, count) in FAULTS.iter().zip(proxy.planned()) {
                *self.connections.entry(fault).or_default() += count;
            }
        }
    }
}

/// A pair of encryptors with their own proxies, so that everything is determined by the seed.
struct Worker {
    mode: Mode,
    random: Random,
    clients: [Client; 2],
    proxies: [Proxy; 2],
    fronts: Option<[Front; 2]>,
    ids: [SystemId; 2],
    /// A key that the initiator has and the responder has not requested.
    pending: Option<Key>,
    delivered: HashSet<KeyId>,
    /// The keyId that was delivered last.
    last: Option<String>,
    tally: Tally,
}

/// The targets of one worker's proxies: the Key Providers, or with certificates the fronts.
fn targets(mode: Mode, fronts: Option<&[Front; 2]>, pair: &KeyProviderPair) -> [SocketAddr; 2] {
    match (mode, fronts) {
        (Mode::Psk, _) | (_, None) => [pair.alice(), pair.bob()].map(|side| side.psk_address),
        (_, Some(fronts)) => fronts.each_ref().map(|front| front.address),
    }
}

fn fronts(mode: Mode, pair: &KeyProviderPair, random: &mut Random) -> Option<[Front; 2]> {
    (mode != Mode::Psk).then(|| {
        [("alice", pair.alice()), ("bob", pair.bob())]
            .map(|(name, side)| Front::start(pair.dir(), name, side.address, random.below(u64::MAX)))
    })
}

impl Worker {
    fn new(mode: Mode, pair: &KeyProviderPair, psk: &Psk, seed: u64) -> Self {
        let mut random = Random(seed);
        let fronts = fronts(mode, pair, &mut random);
        let proxies = targets(mode, fronts.as_ref(), pair).map(|to| Proxy::start(to, random.below(u64::MAX)));
        Self {
            mode,
            clients: clients(mode, pair, psk, &proxies),
            proxies,
            fronts,
            random,
            ids: ["Alice", "Bob"].map(|id| id.parse().expect("an id")),
            pending: None,
            delivered: HashSet::new(),
            last: None,
            tally: Tally::default(),
        }
    }

    /// Makes `exchanges` exchanges, and gets one key that the responder does not request yet.
    fn work(&mut self, exchanges: u64) {
        for _ in 0..exchanges {
            #[cfg(unix)]
            if self.random.below(40) == 0 {
                self.in_child();
            }
            match self.exchange() {
                Ok(()) => self.tally.equal += 1,
                Err(error) => *self.tally.told.entry(error.code().as_str()).or_default() += 1,
            }
        }
        self.pending = self.new_key().ok();
    }

    /// After a restart, the Key Providers know only the pre-shared key.
    fn after_restart(&mut self, pair: &KeyProviderPair, psk: &Psk) {
        self.note_tricks();
        self.fronts = fronts(self.mode, pair, &mut self.random);
        for (proxy, to) in self.proxies.iter().zip(targets(self.mode, self.fronts.as_ref(), pair)) {
            proxy.set_target(to);
        }
        if self.mode != Mode::Psk {
            // the development pair creates a new CA at each start
            self.clients = clients(self.mode, pair, psk, &self.proxies);
        }
        if let Some(key) = self.pending.take() {
            assert!(self.key_by_id(&key).is_err(), "a key outlived its Key Provider");
            self.tally.gone += 1;
        }
    }

    fn note_tricks(&mut self) {
        for front in self.fronts.iter().flatten() {
            for (trick, count) in TRICKS.iter().zip(front.done()) {
                *self.tally.replies.entry(trick).or_default() += count;
            }
        }
    }

    /// An exchange in a child process, which has copies of the clients; returns its key, if there is one.
    #[cfg(unix)]
    fn in_child(&mut self) {
        let child = child::fork(|| {
            // as in the parent: equal or told
            let before = self.delivered.len();
            match self.exchange() {
                Ok(()) => {
                    assert_eq!(self.delivered.len(), before + 1);
                    self.last.clone().expect("a key")
                }
                Err(_) => String::new(),
            }
        });
        let said = child.wait();
        self.tally.forks += 1;
        if !said.is_empty() {
            let id = KeyId::new(&said).expect("a keyId");
            assert!(self.delivered.insert(id), "a key came twice");
            self.tally.in_children += 1;
        }
    }

    fn exchange(&mut self) -> Result<(), Error> {
        for _ in 0..100 {
            let key = self.new_key()?;
            match self.key_by_id(&key) {
                Ok(same) => {
                    assert!(same == key, "both ends have a key, and not the same");
                    assert!(self.delivered.insert(key.key_id().clone()), "a key came twice");
                    self.last = Some(key.key_id().as_str().to_owned());
                    return Ok(());
                }
                Err(error) if error.advice() == Advice::NewKey => {}
                Err(error) => return Err(error),
            }
        }
        panic!("advice was followed 100 times, and led nowhere");
    }

    /// Retries until there is a key, or the advice is `no`.
    fn new_key(&mut self) -> Result<Key, Error> {
        loop {
            match self.call(0, |call, ids| call.new_key(&ids[1])) {
                Err(error) if error.advice() != Advice::No => {}
                other => return other,
            }
        }
    }

    /// Retries until there is a key, or the advice is not to repeat the request.
    fn key_by_id(&mut self, key: &Key) -> Result<Key, Error> {
        loop {
            match self.call(1, |call, ids| call.key_by_id(key.key_id(), &ids[0])) {
                Err(error) if error.advice() == Advice::SameRequest => {}
                other => return other,
            }
        }
    }

    /// Makes one call; one in 200 is cancelled.
    fn call(
        &mut self,
        side: usize,
        ask: impl FnOnce(skip_client::Call<'_>, &[SystemId; 2]) -> Result<Key, Error>,
    ) -> Result<Key, Error> {
        let impatient = self.random.below(200) == 0;
        let patience = Duration::from_micros(self.random.below(2000));
        let token = CancelToken::new();
        let result = thread::scope(|scope| {
            if impatient {
                let token = token.clone();
                scope.spawn(move || {
                    thread::sleep(patience);
                    token.cancel();
                });
            }
            ask(self.clients[side].call().cancel(&token), &self.ids)
        });
        if let Err(error) = &result {
            *self.tally.advice.entry(error.advice().as_str()).or_default() += 1;
        }
        result
    }
}

fn clients(mode: Mode, pair: &KeyProviderPair, psk: &Psk, proxies: &[Proxy; 2]) -> [Client; 2] {
    // one of the two has an unreachable Key Provider first
    let urls = proxies.each_ref().map(|proxy| format!("https://{}", proxy.address));
    let builders: [ClientBuilder; 2] = [
        Client::builder(&urls[0]).expect("a URL"),
        Client::builder("https://127.0.0.1:1")
            .and_then(|b| b.or_url(&urls[1]))
            .expect("URLs"),
    ];
    builders.map(|builder| {
        let builder = match mode {
            Mode::Certificates | Mode::Legacy => builder
                .ca_pem(std::fs::read(pair.ca()).expect("ca.pem"))
                .legacy(mode == Mode::Legacy),
            Mode::Psk => builder.psk(psk.clone()),
        };
        builder
            .connect_timeout(Duration::from_millis(400))
            .timeout(Duration::from_millis(600))
            .build()
            .expect("a client")
    })
}
