//! Many tunnels on one agent: one full rotation of all of them, with figures.
//!
//! `AGENT_TUNNELS` sets the number; both agents and the Key Providers are in this process, so all of them count.

use std::fs;
use std::time::Instant;

use super::rig::{ENDS, Rig, number, start_agent, wait_for};
use crate::agent::Agent;
use crate::journal::{Journal, Level, LogFormat};

/// Starts the responder, then the initiator, with `n` tunnels. `agent` is for the table of that name, `more` for the tunnels of each end.
fn start_both(rig: &Rig, agent: &str, n: u64, more: [&str; 2]) -> [Agent; 2] {
    [1, 0].map(|end| {
        let lines = format!("role = \"{}\"\n{}", ["initiator", "responder"][end], more[end]);
        let tunnels = (0..n).map(|k| rig.tunnel(end, &format!("t{k}"), &lines));
        let text = rig.head(end, agent) + &tunnels.collect::<String>();
        let journal = Journal::new(Level::Error, LogFormat::Logfmt, Box::new(std::io::sink()));
        let agent = start_agent(&rig.config(&text), journal).expect("started");
        rig.agents[end].set_target(agent.address().expect("it listens"));
        agent
    })
}

#[test]
fn all_tunnels_rotate() {
    let most = number("AGENT_TUNNELS", 50);
    for n in [1, 10, 100, 1000].into_iter().filter(|n| *n < most).chain([most]) {
        let rig = Rig::new();
        let agents = start_both(&rig, "", n, ["", ""]);
        let all = |times: u64| {
            let mut done = || {
                agents[1]
                    .inner()
                    .tunnels()
                    .iter()
                    .all(|running| running.tunnel.snapshot().rotations >= times)
            };
            wait_for("a rotation of all", &mut done);
        };
        all(1);
        let (memory, cpu, started) = (resident_kib(), cpu_ms(), Instant::now());
        agents[1].rotate_all();
        all(2);
        let (took, cpu) = (started.elapsed(), cpu_ms() - cpu);
        println!(
            "{n:5} tunnels: all rotated in {:6} ms, {cpu:6} ms of CPU, {memory:7} KiB resident",
            took.as_millis()
        );
        assert_eq!(rig.pair.stats().refused, 0);
        assert_eq!(rig.pair.stats().keys_delivered, 2 * n);
    }
}

#[test]
fn a_slow_program_of_the_operator_delays_no_take_down() {
    const TUNNELS: usize = 4;
    let rig = Rig::new();
    let log = rig.dir.path().join("told");
    let go_on = rig.dir.path().join("go-on");
    let then = format!(
        "then = [\"/bin/sh\", \"-c\", '[ $0 = done ] || {{ until [ -e {} ]; do sleep 0.1; done; echo $0 $1 >> {}; }}']",
        go_on.display(),
        log.display()
    );
    let policy = "interval = \"100ms\"\nmax-key-age = \"400ms\"\nwhen-too-old = \"take-down\"";
    let agents = start_both(
        &rig,
        "check-every = \"100ms\"",
        TUNNELS as u64,
        [&format!("{policy}\n{then}"), ""],
    );
    let keys = || {
        (0..TUNNELS)
            .filter(|k| rig.dir.path().join(format!("t{k}-{}.key", ENDS[0])).exists())
            .count()
    };
    let told = || fs::read_to_string(&log).map_or(0, |text| text.matches("take-down t").count());
    wait_for("a key of each tunnel", || keys() == TUNNELS);
    // no worker is free, because its call to the Key Provider takes 2 s
    rig.providers[0].set_delay(5000);
    wait_for("the end of all tunnels", || keys() == 0);
    // a program that another tunnel had to wait for was stopped after 10 s, and tells nothing
    fs::write(&go_on, "").expect("written");
    wait_for("the programs", || told() == TUNNELS);
    drop(agents);
}

fn resident_kib() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0)
        * 4
}

/// CPU time of all threads of this process.
fn cpu_ms() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}
