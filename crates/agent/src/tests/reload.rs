//! The whole life of two agents with files: rotation, status, metrics, reload, and no secrets outside the key files.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use super::rig::{ENDS, Rig, start_agent, wait_for};
use crate::agent::Agent;
use crate::control::{self, Operated};
use crate::journal::tests::Kept;
use crate::journal::{Journal, Level, LogFormat};

const PACE: &str = "check-every = \"50ms\"\nretry-first = \"10ms\"\nretry-longest = \"100ms\"\nmetrics = \"127.0.0.1:0\"\n\
                    log-level = \"debug\"\nlog-format = \"json\"";

fn start(rig: &Rig, end: usize, text: &str, log: &Kept) -> Agent {
    let journal = Journal::new(Level::Debug, LogFormat::Json, Box::new(log.clone()));
    let agent = start_agent(&rig.config(text), journal).unwrap_or_else(|why| panic!("{why:?}"));
    rig.agents[end].set_target(agent.address().expect("it listens"));
    agent
}

fn metrics(agent: &Agent) -> String {
    let mut socket = TcpStream::connect(agent.metrics_address().expect("a page")).expect("connected");
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("a page");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    text
}

#[test]
fn tunnels_rotate_and_reload_and_show_no_secret() {
    let rig = Rig::new();
    let logs = [Kept::default(), Kept::default()];
    let text = |end: usize, interval: &str, names: &[&str]| {
        let more = format!("role = \"auto\"\ninterval = \"{interval}\"\nsize = 256");
        let tunnels: Vec<String> = names.iter().map(|name| rig.tunnel(end, name, &more)).collect();
        rig.head(end, PACE) + &tunnels.concat()
    };
    let agents = [0, 1].map(|end| start(&rig, end, &text(end, "1h", &["a", "b"]), &logs[end]));
    let path = |end: usize, name: &str| rig.dir.path().join(format!("{name}-{}.key", ENDS[end]));
    let equal = |name: &str| {
        let [a, b] = [0, 1].map(|end| fs::read(path(end, name)).unwrap_or_default());
        !a.is_empty() && a == b
    };
    let settled = |agent: &Agent, count: usize| {
        let report = agent.inner().report();
        report.tunnels.len() == count && report.is_well() && report.tunnels.iter().all(|t| t.stage == "idle")
    };
    wait_for("the first rotation", || {
        agents.iter().all(|agent| settled(agent, 2)) && equal("a") && equal("b")
    });
    let report = control::ask(&rig.state(0)).expect("it says how it is");
    assert_eq!(report.tunnels[0].role.as_deref(), Some("initiator"));
    let report = control::ask(&rig.state(1)).expect("it says how it is");
    assert_eq!(report.tunnels[0].role.as_deref(), Some("responder"));
    let first = fs::read_to_string(path(0, "a")).expect("a key");

    // add a tunnel; the others keep running
    for (end, agent) in agents.iter().enumerate() {
        agent
            .reload(&rig.config(&text(end, "1h", &["a", "b", "c"])))
            .expect("reloaded");
    }
    wait_for("the third tunnel", || {
        agents.iter().all(|agent| settled(agent, 3)) && equal("c")
    });
    // counters are updated a moment later
    wait_for("one rotation of each", || {
        let report = agents[0].inner().report();
        report.tunnels.iter().map(|t| t.rotations).eq([1, 1, 1])
    });

    // a setting that cannot change keeps the old configuration in force
    let moved = text(0, "1h", &["a"]).replace("state-", "other-");
    assert!(agents[0].reload(&rig.config(&moved)).expect_err("refused")[0].contains("agent.state"));
    let broken = rig.config(&text(0, "1h", &["a"]));
    let key = rig.dir.path().join(format!("{}.key", ENDS[0]));
    let good = fs::read(&key).expect("a key");
    fs::write(&key, "no key").expect("written");
    assert!(agents[0].reload(&broken).expect_err("refused")[0].contains("agent-a.key"));
    fs::write(&key, good).expect("written");
    assert!(settled(&agents[0], 3));

    // a requested rotation is carried out by the initiator
    agents[0].rotate_all();
    wait_for("a fresh key", || {
        equal("a") && fs::read_to_string(path(0, "a")).is_ok_and(|now| now != first) && settled(&agents[0], 3)
    });
    wait_for("two rotations", || {
        metrics(&agents[0]).contains("skip_agent_rotations_total{tunnel=\"a\"} 2")
    });
    let page = metrics(&agents[0]);
    assert!(
        page.contains("skip_agent_keys_total{key_provider=\"kp\",kind=\"new\"}"),
        "{page}"
    );

    // only one agent per folder
    let journal = Journal::new(Level::Info, LogFormat::Json, Box::new(std::io::sink()));
    let second = start_agent(&rig.config(&text(0, "1h", &["a"])), journal);
    assert!(second.err().expect("refused")[0].contains("another agent"));

    let mut everything = logs.iter().map(Kept::text).collect::<String>() + &page + &metrics(&agents[1]);
    for (end, agent) in agents.iter().enumerate() {
        everything += &serde_json::to_string(&agent.inner().report()).expect("text");
        for file in fs::read_dir(rig.state(end).join("tunnels")).expect("a folder") {
            everything += &fs::read_to_string(file.expect("a file").path()).expect("a record");
        }
    }
    drop(agents);
    for secret in ["a", "b", "c"]
        .map(|name| fs::read_to_string(path(0, name)).expect("a key"))
        .iter()
        .chain([&first])
    {
        assert_eq!(secret.len(), 64);
        for at in 0..=48 {
            assert!(
                !everything.contains(&secret[at..at + 16]),
                "a piece of a key can be seen"
            );
        }
    }
    for line in logs[0].text().lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
        assert!(value["step"].is_string() && value["time"].is_string());
    }
}

#[test]
fn a_key_that_is_too_old_ends_the_tunnel_if_the_policy_says_so() {
    let rig = Rig::new();
    let log = Kept::default();
    let text = |end: usize| {
        let role = ["initiator", "responder"][end];
        let more = format!(
            "role = \"{role}\"\ninterval = \"100ms\"\nmax-key-age = \"300ms\"\nwhen-too-old = \"take-down\"\nsize = 256"
        );
        rig.head(end, PACE) + &rig.tunnel(end, "a", &more)
    };
    let agents = [0, 1].map(|end| start(&rig, end, &text(end), &log));
    let path = |end: usize| rig.dir.path().join(format!("a-{}.key", ENDS[end]));
    wait_for("a key", || path(0).exists() && path(1).exists());
    rig.providers[0].set_cut(true);
    wait_for("the end of the tunnel", || !path(0).exists() && !path(1).exists());
    wait_for("its state", || agents[1].inner().report().tunnels[0].taken_down);
    rig.providers[0].set_cut(false);
    wait_for("the tunnel again", || path(0).exists() && path(1).exists());
    wait_for("its state", || !agents[0].inner().report().tunnels[0].taken_down);
}
