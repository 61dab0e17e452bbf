//! The documentation matches the agent: its configurations load, and its tables are complete.

use std::fs;

use super::rig::write_secret;
use crate::config::Config;
use crate::handoff::message::Request;
use crate::metrics;

const PAGE: &str = include_str!("../../../../docs/agent.md");
const EXAMPLES: [&str; 2] = [
    include_str!("../../../../examples/agent/site-a.toml"),
    include_str!("../../../../examples/agent/site-b.toml"),
];

#[test]
fn documented_configurations_are_valid() {
    let dir = tempfile::tempdir().expect("a folder");
    for name in [
        "hand-off-ca.pem",
        "ca.pem",
        "site-a.pem",
        "site-b.pem",
        "agent.site-b.example.pem",
    ] {
        fs::write(dir.path().join(name), "not looked at here").expect("written");
    }
    for name in ["site-a.key", "site-b.key", "agent.site-b.example.key", "psk.txt"] {
        write_secret(&dir.path().join(name), b"not looked at here");
    }
    let blocks = PAGE
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default());
    let mut read = 0;
    for text in blocks.chain(EXAMPLES) {
        // the tables that matter without a CA, and nothing else
        let is_part = !text.contains("[agent]");
        let text = format!("{}{text}", if is_part { "agent.state = \"state\"\n" } else { "" });
        let config = Config::of_text("document", &text, dir.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.tunnels.is_empty(), is_part);
        read += 1;
    }
    assert_eq!(read, 4);
}

#[test]
fn documented_hand_off_messages_are_valid() {
    let block = PAGE
        .split("```text\n{")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines: Vec<String> = block
        .expect("the messages")
        .lines()
        .map(|line| format!("{{{}", line.trim_start_matches('{').replace('…', "11")))
        .collect();
    for line in &lines {
        let (message, likewise) = line.split_at(line.find('}').expect("a message") + 1);
        let request = Request::of_line(message.as_bytes()).unwrap_or_else(|error| panic!("{message}: {error}"));
        if let Some(other) = likewise.split('"').nth(1) {
            let message = message.replace(request.ask.name(), other);
            assert!(Request::of_line(message.as_bytes()).is_ok_and(|request| request.ask.name() == other));
        }
    }
    assert_eq!(lines.len(), 3);
}

/// The pages that are pasted have whole files. What they name belongs together: both ends of a tunnel, and what the pages
/// put beside the file.
#[test]
fn documented_files_of_both_sites_are_valid() {
    const PAGES: [&str; 4] = [
        include_str!("../../../../docs/agent-libreswan.md"),
        include_str!("../../../../docs/agent-macsec.md"),
        include_str!("../../../../docs/agent-strongswan.md"),
        include_str!("../../../../docs/agent-wireguard.md"),
    ];
    let dir = tempfile::tempdir().expect("a folder");
    for page in PAGES {
        let mut tunnels = Vec::new();
        for (site, rest) in ["a", "b"]
            .iter()
            .zip(page.split(">/etc/skip-client/agent.toml <<").skip(1))
        {
            let text = rest.split_once('\n').and_then(|(_, rest)| rest.split_once("\nEND\n"));
            let (text, _) = text.expect("an end");
            let text = text.replace(
                "$(cat /etc/wireguard/peer)",
                "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
            );
            for name in ["ca.pem", "kp-ca.pem", &format!("agent.site-{site}.example.pem")] {
                assert!(page.contains(name));
                fs::write(dir.path().join(name), "not looked at here").expect("written");
            }
            write_secret(
                &dir.path().join(format!("agent.site-{site}.example.key")),
                b"not looked at here",
            );
            let config = Config::of_text("document", &text, dir.path()).unwrap_or_else(|error| panic!("{error}"));
            tunnels.push(
                config
                    .tunnels
                    .iter()
                    .map(|tunnel| tunnel.plan.name.clone())
                    .collect::<Vec<_>>(),
            );
        }
        assert!(tunnels.len() == 2 && tunnels[0].len() == 1 && tunnels[0] == tunnels[1]);
    }
}

#[test]
fn every_metric_is_documented() {
    let row = |name: &str, kind: &str| PAGE.contains(&format!("| `{name}` | {kind} |"));
    for metric in metrics::ALL {
        assert!(row(metric.name(), metric.kind()), "{}", metric.name());
    }
    assert_eq!(PAGE.matches("| `skip_agent_").count(), metrics::ALL.len());
}

/// Each step logged by the source code has its own row, or is named in one.
#[test]
fn every_step_is_documented() {
    let sources = [
        include_str!("../tunnel/mod.rs"),
        include_str!("../tunnel/age.rs"),
        include_str!("../tunnel/health.rs"),
        include_str!("../tunnel/initiator.rs"),
        include_str!("../tunnel/responder.rs"),
        include_str!("../agent/mod.rs"),
        include_str!("../agent/peer_requests.rs"),
        include_str!("../agent/schedule.rs"),
        include_str!("../agent/reload.rs"),
        include_str!("../agent/guard.rs"),
        include_str!("../run.rs"),
        include_str!("../provider.rs"),
    ];
    let mut found = 0;
    for source in sources {
        for begin in [
            "Level::Info, \"",
            "Level::Warn, \"",
            "Level::Error, \"",
            "Level::Debug, \"",
            "failed(\"",
        ] {
            for rest in source.split(begin).skip(1) {
                let step = rest.split('"').next().unwrap_or_default();
                // the hand-off client's answer codes have the same form
                assert!(PAGE.contains(&format!("`{step}`")), "{step}");
                found += 1;
            }
        }
    }
    assert!(found > 40, "{found}");
}

/// The alert rules and the dashboard use only existing metrics, and every gauge is used.
#[test]
fn alerts_and_dashboard_use_existing_metrics() {
    let rules = include_str!("../../packaging/prometheus/skip-client-agent.rules.yml");
    let dashboard = include_str!("../../packaging/prometheus/skip-client-agent.dashboard.json");
    serde_json::from_str::<serde_json::Value>(dashboard).expect("JSON");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for text in [rules, dashboard] {
        let mut found = 0;
        for (at, _) in text.match_indices("skip_agent_") {
            let name: String = text[at..].chars().take_while(|c| is_word(*c)).collect();
            let name = name.trim_end_matches("_bucket");
            assert!(metrics::ALL.iter().any(|metric| metric.name() == name), "{name}");
            found += 1;
        }
        assert!(found > 6, "{found}");
    }
}
