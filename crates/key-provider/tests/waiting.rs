//! The cost of many queued calls of `AsyncClient`: in a separate process, because it counts threads.
#![cfg(target_os = "linux")]

use std::time::Duration;

use skip_client::{AsyncClient, Client};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions};

/// `cargo test -p skip-key-provider --test waiting -- --nocapture` shows the figures.
#[test]
fn a_thousand_waiting_calls_take_as_many_threads_as_may_run() {
    const CALLS: usize = 1000;
    let options = PairOptions {
        faults: vec![Fault::Stall],
        ..PairOptions::default()
    };
    let pair = KeyProviderPair::start(options).expect("a pair");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let long = Duration::from_mins(1);
    let builder = Client::builder(&pair.alice().url)
        .expect("a URL")
        .timeout(long)
        .connect_timeout(long);
    let ca = std::fs::read(pair.ca()).expect("ca.pem");
    let kp = AsyncClient::from(builder.ca_pem(ca).build().expect("a client"));
    let status = |name: &str| -> usize {
        let text = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = text.lines().find(|line| line.starts_with(name)).expect(name);
        line.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok())
            .expect("a number")
    };
    let (threads, memory) = (status("Threads:"), status("VmRSS:"));
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            let kp = kp.clone();
            runtime.spawn(async move { kp.new_key(&"Bob".parse()?).await.map(drop) })
        })
        .collect();
    std::thread::sleep(Duration::from_secs(3));
    let (more_threads, more_memory) = (status("Threads:") - threads, status("VmRSS:").saturating_sub(memory));
    let began = std::time::Instant::now();
    for call in &calls {
        call.abort();
    }
    runtime.block_on(async {
        for call in calls {
            assert!(call.await.expect_err("aborted").is_cancelled());
        }
        // each slot is released as soon as its call has ended
        pair.set_faults(&[]);
        kp.new_key(&"Bob".parse().expect("an id")).await.expect("a key");
    });
    println!(
        "{CALLS} waiting calls: {more_threads} threads and {more_memory} KiB more; ended in {:?}",
        began.elapsed()
    );
    // includes those of the pair's own runtime
    assert!(more_threads <= 128 + 16, "{more_threads}");
}
