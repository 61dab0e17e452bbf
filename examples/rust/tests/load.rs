//! 100 initiators and 100 responders at once, 20,000 exchanges through one pair of Key Providers.

use std::collections::HashSet;
use std::sync::{Barrier, Mutex, mpsc};
use std::time::Duration;
use std::{fs, thread};

use skip_client::{Advice, Client, ClientBuilder, Key, Psk, SystemId};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions};

const AT_ONCE: usize = 100;
const EACH: usize = 200;

#[test]
fn with_certificates() {
    every_key_arrives_once_and_equal_at_both_ends(|pair, side| {
        let ca = fs::read(pair.ca()).expect("the CA");
        Client::builder(&side.url).expect("a URL").ca_pem(ca)
    });
}

#[test]
fn with_a_pre_shared_key() {
    every_key_arrives_once_and_equal_at_both_ends(|pair, side| {
        let file = fs::read(pair.psk()).expect("the file");
        let psk = Psk::from_file_content(&file, None).expect("one key");
        Client::builder(&side.psk_url).expect("a URL").psk(psk)
    });
}

/// Every key is equal at both ends, every keyId distinct, none is delivered twice, none is lost.
fn every_key_arrives_once_and_equal_at_both_ends(connect: fn(&KeyProviderPair, &Endpoint) -> ClientBuilder) {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("a pair");
    let client = |side: &Endpoint| {
        let patience = Duration::from_mins(1);
        let builder = connect(&pair, side).timeout(patience).connect_timeout(patience);
        builder.build().expect("a client")
    };
    let [alice, bob]: [SystemId; 2] = ["Alice", "Bob"].map(|id| id.parse().expect("an id"));
    let start = Barrier::new(2 * AT_ONCE);
    let (send, receive) = mpsc::channel::<Key>();
    let receive = Mutex::new(receive);

    let initiator = || {
        let kp = client(pair.alice());
        let send = send.clone();
        start.wait();
        for _ in 0..EACH {
            send.send(kp.new_key(&bob).expect("a new key"))
                .expect("the responders listen");
        }
    };
    let responder = || {
        let kp = client(pair.bob());
        let mut delivered = Vec::with_capacity(EACH);
        start.wait();
        for _ in 0..EACH {
            let theirs = receive.lock().expect("no panic").recv().expect("a keyId");
            let mine = kp.key_by_id(theirs.key_id(), &alice).expect("the key of that keyId");
            assert!(mine == theirs, "both ends must have the same key");
            delivered.push(mine.key_id().clone());
        }
        delivered
    };
    let delivered: Vec<_> = thread::scope(|scope| {
        let initiators: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(initiator)).collect();
        let responders: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(responder)).collect();
        for initiator in initiators {
            initiator.join().expect("an initiator that ends well");
        }
        let ends = responders.into_iter();
        ends.flat_map(|responder| responder.join().expect("a responder that ends well"))
            .collect()
    });

    assert_eq!(delivered.len(), AT_ONCE * EACH);
    assert_eq!(
        delivered.iter().collect::<HashSet<_>>().len(),
        AT_ONCE * EACH,
        "a keyId came twice"
    );
    assert!(receive.lock().expect("no panic").try_recv().is_err(), "a key was lost");

    let kp = client(pair.bob());
    for key_id in delivered.iter().step_by(100) {
        let refused = kp.key_by_id(key_id, &alice).expect_err("a key is given once");
        assert_eq!(refused.advice(), Advice::NewKey);
    }
}
