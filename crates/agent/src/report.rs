//! A snapshot of an agent and its tunnels: what `agent status` shows and the metrics page reads.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Certificates with fewer days left cause a warning.
pub(crate) const WARN_DAYS: i64 = 21;

/// The status of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The version of the running program.
    pub version: String,
    /// Its process ID.
    pub pid: u32,
    /// The last attempt to reload the configuration.
    pub last_reload: Option<ReloadReport>,
    /// The hand-off to peers' agents.
    pub hand_off: HandOffReport,
    /// Each Key Provider, by name.
    pub key_providers: Vec<ReachReport>,
    /// Each peer's agent, by name.
    pub peers: Vec<ReachReport>,
    /// Each tunnel, by name.
    pub tunnels: Vec<TunnelReport>,
}

/// The outcome of the last reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReloadReport {
    /// When, in RFC 3339.
    pub at: String,
    /// Whether the configuration was applied; if not, the previous one is still in force.
    pub ok: bool,
}

/// The status of the hand-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HandOffReport {
    /// Whole days until this agent's certificate, one of its chain, or the CA expires.
    pub certificate_days: Option<i64>,
    /// Connections and lines refused since the start.
    pub refused: u64,
}

/// Whether a Key Provider or a peer answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ReachReport {
    /// Its name in the configuration.
    pub name: String,
    /// Whether the last request was answered; absent before the first request.
    pub reachable: Option<bool>,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// The status of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelReport {
    /// Its name.
    pub name: String,
    /// The peer's name.
    pub peer: String,
    /// `initiator` or `responder`; absent until the ends have agreed.
    pub role: Option<String>,
    /// `idle`, or the stage of the rotation in progress.
    pub stage: String,
    /// The number of the last rotation begun.
    pub counter: u64,
    /// The key in use.
    pub key_id: Option<String>,
    /// When it came into use, in RFC 3339.
    pub since: Option<String>,
    /// Its age in seconds; absent if the machine has rebooted since.
    pub age: Option<u64>,
    /// Whether the gateway answers.
    pub reachable: Option<bool>,
    /// Whether the gateway says that the tunnel is up.
    pub up: Option<bool>,
    /// Whether it was taken down because its key was too old.
    pub taken_down: bool,
    /// Rotations since the agent started.
    pub rotations: u64,
    /// Consecutive failures.
    pub failures: u32,
    /// Seconds until this end's next rotation or attempt; absent if the peer is the initiator.
    pub next: Option<u64>,
    /// The last failure: when, in which step, and what.
    pub last_failure: Option<[String; 3]>,
}

impl Report {
    /// Whether nothing needs attention: every tunnel has a key, is not known to be down, and succeeded in its last
    /// step.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let well = |t: &TunnelReport| t.failures == 0 && t.up != Some(false) && !t.taken_down && t.key_id.is_some();
        self.tunnels.iter().all(well)
    }

    /// As a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut rows = vec![
            [
                "TUNNEL",
                "PEER",
                "ROLE",
                "STAGE",
                "KEY",
                "AGE",
                "UP",
                "ROTATIONS",
                "FAILURES",
                "NEXT",
            ]
            .map(str::to_owned),
        ];
        for tunnel in &self.tunnels {
            let up = match (tunnel.reachable, tunnel.up) {
                _ if tunnel.taken_down => "taken down",
                (Some(false), _) => "unreachable",
                (_, Some(true)) => "yes",
                (_, Some(false)) => "no",
                _ => "?",
            };
            rows.push([
                tunnel.name.clone(),
                tunnel.peer.clone(),
                tunnel.role.clone().unwrap_or_else(|| "?".to_owned()),
                tunnel.stage.clone(),
                tunnel.key_id.as_deref().map_or_else(|| "-".to_owned(), shortened),
                tunnel.age.map_or_else(|| "-".to_owned(), span),
                up.to_owned(),
                tunnel.rotations.to_string(),
                tunnel.failures.to_string(),
                tunnel.next.map_or_else(|| "-".to_owned(), span),
            ]);
        }
        let mut widths = [0; 10];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            let cells: Vec<String> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        for tunnel in self.tunnels.iter().filter(|tunnel| tunnel.failures > 0) {
            if let Some([when, step, what]) = &tunnel.last_failure {
                let _ = writeln!(text, "{}: {when} {step}: {what}", tunnel.name);
            }
        }
        for (kind, list) in [("key provider", &self.key_providers), ("peer", &self.peers)] {
            for one in list.iter().filter(|one| one.reachable == Some(false)) {
                let why = one.last_failure.as_deref().unwrap_or("does not answer");
                let _ = writeln!(text, "{kind} {}: {why}", one.name);
            }
        }
        if self.hand_off.refused > 0 {
            let _ = writeln!(text, "hand-off: {} refused; the log says why", self.hand_off.refused);
        }
        if let Some(days) = self.hand_off.certificate_days.filter(|days| *days < WARN_DAYS) {
            let _ = writeln!(text, "hand-off: the certificate expires in {days} days");
        }
        if let Some(reload) = self.last_reload.as_ref().filter(|reload| !reload.ok) {
            let _ = writeln!(
                text,
                "the configuration was refused at {}; the one before is in force",
                reload.at
            );
        }
        text
    }
}

fn shortened(key_id: &str) -> String {
    if key_id.len() <= 16 {
        key_id.to_owned()
    } else {
        format!("{}…", key_id.chars().take(15).collect::<String>())
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{HandOffReport, ReachReport, Report, TunnelReport};

    fn tunnel(name: &str) -> TunnelReport {
        TunnelReport {
            name: name.to_owned(),
            peer: "b".to_owned(),
            role: Some("initiator".to_owned()),
            stage: "idle".to_owned(),
            counter: 12,
            key_id: Some("1726e9ae76234fb1dd1283d4dca1911e".to_owned()),
            since: Some("2026-11-24T12:00:00.000Z".to_owned()),
            age: Some(754),
            reachable: Some(true),
            up: Some(true),
            taken_down: false,
            rotations: 3,
            failures: 0,
            next: Some(3000),
            last_failure: None,
        }
    }

    #[test]
    fn the_table_shows_what_needs_attention() {
        let failing = TunnelReport {
            role: None,
            stage: "offered".to_owned(),
            key_id: None,
            age: None,
            reachable: None,
            up: None,
            failures: 4,
            last_failure: Some(["T", "offer", "connect_failed: cannot connect"].map(str::to_owned)),
            ..tunnel("a-longer-name")
        };
        let mut report = Report {
            version: "0.1.0".to_owned(),
            pid: 1,
            last_reload: None,
            hand_off: HandOffReport {
                certificate_days: Some(3),
                refused: 2,
            },
            key_providers: Vec::new(),
            peers: vec![ReachReport {
                name: "b".to_owned(),
                reachable: Some(false),
                last_failure: Some("cannot connect".to_owned()),
            }],
            tunnels: vec![tunnel("a")],
        };
        assert!(report.is_well());
        report.tunnels.push(failing);
        assert!(!report.is_well());
        insta::assert_snapshot!(report.table(), @r"
        TUNNEL         PEER  ROLE       STAGE    KEY               AGE     UP   ROTATIONS  FAILURES  NEXT
        a              b     initiator  idle     1726e9ae76234fb…  12 min  yes  3          0         50 min
        a-longer-name  b     ?          offered  -                 -       ?    3          4         50 min
        a-longer-name: T offer: connect_failed: cannot connect
        peer b: cannot connect
        hand-off: 2 refused; the log says why
        hand-off: the certificate expires in 3 days
        ");
        let text = serde_json::to_string(&report).expect("text");
        assert_eq!(serde_json::from_str::<Report>(&text).expect("read"), report);
    }
}
