//! Processes that fork while they have a client: parent and child share no connection, key or random number.
#![cfg(unix)]

#[path = "../common/child.rs"]
mod child;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use skip_client::{Client, Psk, SystemId};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions};

use child::fork;

#[derive(Clone, Copy, Debug)]
enum Stack {
    Rustls,
    OpenSsl,
    Psk,
}

const STACKS: [Stack; 3] = [Stack::Rustls, Stack::OpenSsl, Stack::Psk];

fn start() -> KeyProviderPair {
    KeyProviderPair::start(PairOptions::default()).expect("the pair starts")
}

fn client(stack: Stack, pair: &KeyProviderPair, address: SocketAddr) -> Client {
    let builder = Client::builder(&format!("https://{address}")).expect("a URL");
    let builder = match stack {
        Stack::Psk => {
            let psk = std::fs::read(pair.psk()).expect("psk.txt");
            builder.psk(Psk::from_file_content(&psk, None).expect("one key"))
        }
        _ => builder
            .ca_pem(std::fs::read(pair.ca()).expect("ca.pem"))
            .legacy(matches!(stack, Stack::OpenSsl)),
    };
    builder.build().expect("a client")
}

fn address(stack: Stack, side: &Endpoint) -> SocketAddr {
    match stack {
        Stack::Psk => side.psk_address,
        _ => side.address,
    }
}

fn id(name: &str) -> SystemId {
    name.parse().expect("an id")
}

/// Gets a key at both ends; returns its keyId.
fn exchange(alice: &Client, bob: &Client) -> String {
    let key = alice.new_key(&id("Bob")).expect("a key");
    let same = bob.key_by_id(key.key_id(), &id("Alice")).expect("the same key");
    assert!(same == key);
    key.key_id().as_str().to_owned()
}

/// Forwards connections, and records what the client sent on each.
struct Recorder {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Recorded>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Clone, Default)]
struct Recorded {
    up: Vec<u8>,
    ended: bool,
}

impl Recorder {
    fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (connections, stopped) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (all, ends): (Arc<Mutex<Vec<Recorded>>>, _) = (Arc::clone(&connections), Arc::clone(&stopped));
        let accept = move || {
            while let Ok((client, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    return;
                }
                let number = {
                    let mut all = all.lock().expect("lock");
                    all.push(Recorded::default());
                    all.len() - 1
                };
                let provider = TcpStream::connect(to).expect("connects");
                let (mut down_from, mut down_to) = (
                    provider.try_clone().expect("a descriptor"),
                    client.try_clone().expect("a descriptor"),
                );
                thread::spawn(move || {
                    let _ = std::io::copy(&mut down_from, &mut down_to);
                    let _ = down_to.shutdown(Shutdown::Both);
                });
                let all = Arc::clone(&all);
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(n @ 1..) = (&client).read(&mut buffer) {
                        all.lock().expect("lock")[number].up.extend(&buffer[..n]);
                        let _ = (&provider).write_all(&buffer[..n]);
                    }
                    all.lock().expect("lock")[number].ended = true;
                    let _ = provider.shutdown(Shutdown::Both);
                });
            }
        };
        Self {
            address,
            connections,
            stopped,
            thread: Some(thread::spawn(accept)),
        }
    }

    fn connections(&self) -> Vec<Recorded> {
        self.connections.lock().expect("lock").clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Descriptors of this process that are sockets to this address.
fn sockets_to(address: SocketAddr) -> usize {
    (3..1024).filter(|fd| child::peer_of(*fd) == Some(address)).count()
}

#[test]
fn a_child_leaves_the_connections_of_its_parent_alone() {
    for stack in STACKS {
        let pair = start();
        let recorder = Recorder::start(address(stack, pair.alice()));
        let mut alice = Some(client(stack, &pair, recorder.address));
        let bob = client(stack, &pair, address(stack, pair.bob()));
        let kept = alice.as_ref().expect("a client");
        let mut ids = HashSet::from([exchange(kept, &bob)]);
        let before = recorder.connections();
        assert_eq!(before.len(), 1);

        // one that makes calls, in itself and in a child of its own; one that just exits
        let calls = fork(|| {
            let alice = alice.take().expect("a client");
            let first = exchange(&alice, &bob);
            assert_eq!(
                sockets_to(recorder.address),
                1,
                "the inherited descriptor is still open"
            );
            let second = fork(|| exchange(&alice, &bob)).wait();
            let third = exchange(&alice, &bob);
            drop(alice);
            [first, second, third].join(" ")
        });
        ids.extend(calls.wait().split(' ').map(str::to_owned));
        fork(|| {
            drop(alice.take());
            String::new()
        })
        .wait();

        let after = recorder.connections();
        assert_eq!(
            after.len(),
            3,
            "{stack:?}: one connection for each process that makes calls"
        );
        assert_eq!(
            after[0].up, before[0].up,
            "{stack:?}: a child wrote to its parent's connection"
        );
        assert!(!after[0].ended, "{stack:?}: a child ended its parent's connection");
        ids.insert(exchange(alice.as_ref().expect("a client"), &bob));
        let last = recorder.connections();
        assert_eq!(last.len(), 3, "{stack:?}: the parent connected again");
        assert!(last[0].up.len() > before[0].up.len());
        assert_eq!(ids.len(), 5, "{stack:?}: a key came twice");
    }
}

#[test]
fn no_random_number_comes_twice() {
    for stack in STACKS {
        let pair = start();
        let recorder = Recorder::start(address(stack, pair.alice()));
        let bob = id("Bob");
        // the random generators have been used
        client(stack, &pair, recorder.address).new_key(&bob).expect("a key");
        let fresh = client(stack, &pair, recorder.address);
        for _ in 0..4 {
            let ask = || {
                fresh.new_key(&bob).expect("a key");
                String::new()
            };
            fork(ask).wait();
        }
        fresh.new_key(&bob).expect("a key");
        let hellos: HashSet<Vec<u8>> = recorder
            .connections()
            .iter()
            // after the record header, handshake header and version: 32 random bytes (RFC 8446, 4.1.2)
            .map(|connection| connection.up[11..43].to_vec())
            .collect();
        assert_eq!(hellos.len(), 6, "{stack:?}");
    }
}

#[test]
fn children_of_a_busy_process_work() {
    for stack in STACKS {
        let pair = start();
        let alice = client(stack, &pair, address(stack, pair.alice()));
        let bob = client(stack, &pair, address(stack, pair.bob()));
        let enough = AtomicBool::new(false);
        let ids = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !enough.load(Ordering::SeqCst) {
                        let id = exchange(&alice, &bob);
                        ids.lock().expect("lock").push(id);
                    }
                });
            }
            for _ in 0..10 {
                // a child that forks again finds nothing of its parent's threads to wait for
                let both = || [exchange(&alice, &bob), fork(|| exchange(&alice, &bob)).wait()].join(" ");
                let children: Vec<_> = (0..3).map(|_| fork(both)).collect();
                for child in children {
                    let said = child.wait();
                    ids.lock().expect("lock").extend(said.split(' ').map(str::to_owned));
                }
            }
            enough.store(true, Ordering::SeqCst);
        });
        let ids = ids.into_inner().expect("lock");
        let distinct: HashSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "{stack:?}: a key came twice");
        assert!(ids.len() >= 60);
    }
}

#[test]
fn a_pair_belongs_to_the_process_that_started_it() {
    let mut pair = Some(start());
    let child = fork(|| {
        drop(pair.take());
        String::new()
    });
    child.wait();
    let pair = pair.expect("a pair");
    assert!(pair.ca().exists(), "a child removed the folder");
    let [alice, bob] = [pair.alice(), pair.bob()].map(|side| client(Stack::Rustls, &pair, side.address));
    exchange(&alice, &bob);
}
