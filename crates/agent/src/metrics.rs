//! Metrics in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::report::Report;

/// Upper bounds of the latency buckets, in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 10.0];

/// A metric of the agent: its name, kind and help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

macro_rules! metrics {
    ($($ident:ident = $kind:literal $name:literal, $help:literal;)*) => {
        $(pub(crate) const $ident: Metric = Metric { name: $name, kind: $kind, help: $help };)*
        /// Every metric, for the test of the documentation.
        #[cfg(test)]
        pub(crate) const ALL: &[Metric] = &[$($ident,)*];
    };
}

metrics! {
    KEYS = "counter" "skip_agent_keys_total", "Keys that a Key Provider gave, by kind (new, by_id)";
    KEY_FAILURES = "counter" "skip_agent_key_failures_total", "Requests for keys that failed, by error code";
    KP_SECONDS = "histogram" "skip_agent_key_provider_seconds", "Time of a request to a Key Provider";
    ROTATIONS = "counter" "skip_agent_rotations_total", "Rotations that were completed";
    FAILURES = "counter" "skip_agent_failures_total", "Steps that failed, by step and code";
    HANDOFF_SENT = "counter" "skip_agent_handoff_sent_total", "Requests to a peer's agent, by request and answer";
    HANDOFF_HANDLED = "counter" "skip_agent_handoff_handled_total", "Requests of a peer's agent, by request and answer";
    HANDOFF_REFUSED = "counter" "skip_agent_handoff_refused_total", "Connections and lines that were refused, by reason";
    KEY_AGE = "gauge" "skip_agent_key_age_seconds", "Age of the key in use";
    TUNNEL_UP = "gauge" "skip_agent_tunnel_up", "Whether the gateway says that the tunnel is up (1) or down (0)";
    TUNNELS = "gauge" "skip_agent_tunnels", "Tunnels that are configured";
    KP_UP = "gauge" "skip_agent_key_provider_up", "Whether the Key Provider answered the last request (1) or not (0)";
    PEER_UP = "gauge" "skip_agent_peer_up", "Whether the peer's agent answered the last request (1) or not (0)";
    CERTIFICATE_DAYS = "gauge" "skip_agent_certificate_days", "Whole days until a certificate of the hand-off expires";
    LAST_RELOAD = "gauge" "skip_agent_last_reload_ok", "Whether the last reload was taken (1) or refused (0)";
    BUILD = "gauge" "skip_agent_build_info", "Always 1; the version is a label";
    RELOADS = "counter" "skip_agent_reloads_total", "Reloads of the configuration, by result (ok, refused)";
}

#[derive(Debug, Default, Clone)]
struct Times {
    counts: [u64; BUCKETS.len() + 1],
    sum: Duration,
}

/// All counters. Labels are rendered when counting, so that a scrape only copies text.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counts: Mutex<BTreeMap<(Metric, String), u64>>,
    times: Mutex<BTreeMap<(Metric, String), Times>>,
}

/// A sample computed at scrape time.
type Sample = (Metric, String, f64);

impl Metrics {
    pub fn count(&self, metric: Metric, of: &[(&str, &str)]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((metric, labels(of))).or_default() += 1;
    }

    pub fn time(&self, metric: Metric, of: &[(&str, &str)], took: Duration) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = times.entry((metric, labels(of))).or_default();
        let bucket = BUCKETS.iter().position(|end| took.as_secs_f64() <= *end);
        entry.counts[bucket.unwrap_or(BUCKETS.len())] += 1;
        entry.sum += took;
    }

    /// The whole page: the counters, and the gauges from a report.
    pub fn page(&self, report: &Report) -> String {
        let bit = |is: bool| f64::from(u8::from(is));
        // exact up to 2^53
        #[allow(clippy::cast_precision_loss)]
        let number = |n: u64| n as f64;
        let mut now: Vec<Sample> = vec![
            (BUILD, labels(&[("version", &report.version)]), 1.0),
            (TUNNELS, String::new(), number(report.tunnels.len() as u64)),
        ];
        for tunnel in &report.tunnels {
            let of = labels(&[("tunnel", &tunnel.name)]);
            now.extend(tunnel.age.map(|age| (KEY_AGE, of.clone(), number(age))));
            now.extend(tunnel.up.map(|up| (TUNNEL_UP, of, bit(up))));
        }
        let providers = report.key_providers.iter().map(|one| (KP_UP, "key_provider", one));
        let peers = report.peers.iter().map(|one| (PEER_UP, "peer", one));
        for (metric, label, one) in providers.chain(peers) {
            now.extend(one.reachable.map(|up| (metric, labels(&[(label, &one.name)]), bit(up))));
        }
        let days = report
            .hand_off
            .certificate_days
            .and_then(|days| i32::try_from(days).ok());
        now.extend(days.map(|days| (CERTIFICATE_DAYS, String::new(), f64::from(days))));
        now.extend(
            report
                .last_reload
                .as_ref()
                .map(|last| (LAST_RELOAD, String::new(), bit(last.ok))),
        );
        self.render(&now)
    }

    /// The sum over all labels.
    pub fn sum(&self, metric: Metric) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts
            .iter()
            .filter(|((m, _), _)| *m == metric)
            .map(|(_, count)| count)
            .sum()
    }

    /// Renders the text that Prometheus reads, including the samples computed now.
    fn render(&self, now: &[Sample]) -> String {
        let mut samples: BTreeMap<Metric, Vec<String>> = BTreeMap::new();
        for ((metric, labels), count) in self.counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let line = format!("{}{} {count}", metric.name, braced(labels));
            samples.entry(*metric).or_default().push(line);
        }
        for (metric, labels, value) in now {
            let line = format!("{}{} {value}", metric.name, braced(labels));
            samples.entry(*metric).or_default().push(line);
        }
        for ((metric, labels), times) in self.times.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let lines = samples.entry(*metric).or_default();
            let mut total = 0;
            let ends = BUCKETS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
            for (count, end) in times.counts.iter().zip(ends) {
                total += count;
                let labels = join(labels, &format!("le=\"{end}\""));
                lines.push(format!("{}_bucket{{{labels}}} {total}", metric.name));
            }
            lines.push(format!(
                "{}_sum{} {}",
                metric.name,
                braced(labels),
                times.sum.as_secs_f64()
            ));
            lines.push(format!("{}_count{} {total}", metric.name, braced(labels)));
        }
        let mut text = String::new();
        for (metric, lines) in samples {
            let _ = writeln!(
                text,
                "# HELP {} {}\n# TYPE {} {}",
                metric.name, metric.help, metric.name, metric.kind
            );
            for line in lines {
                text += &line;
                text.push('\n');
            }
        }
        text
    }

    /// The sum over all samples with this label, whatever their other labels.
    #[cfg(test)]
    pub fn total(&self, metric: Metric, label: &str) -> u64 {
        let counts = self.counts.lock().expect("not poisoned");
        let fits = counts
            .iter()
            .filter(|((m, labels), _)| *m == metric && labels.contains(label));
        fits.map(|(_, count)| count).sum()
    }
}

impl Metric {
    #[cfg(test)]
    pub fn name(self) -> &'static str {
        self.name
    }

    #[cfg(test)]
    pub fn kind(self) -> &'static str {
        self.kind
    }
}

/// Labels as they are written between the braces.
fn labels(of: &[(&str, &str)]) -> String {
    of.iter().fold(String::new(), |text, (name, value)| {
        let value = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        join(&text, &format!("{name}=\"{value}\""))
    })
}

fn join(labels: &str, one: &str) -> String {
    if labels.is_empty() {
        one.to_owned()
    } else {
        format!("{labels},{one}")
    }
}

fn braced(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::{KEY_AGE, KEYS, KP_SECONDS, Metrics, labels};
    use std::time::Duration;

    #[test]
    fn the_text_has_the_format_of_prometheus() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            metrics.count(KEYS, &[("key_provider", "a"), ("kind", "new")]);
        }
        metrics.time(KP_SECONDS, &[("key_provider", "a")], Duration::from_millis(2));
        metrics.time(KP_SECONDS, &[("key_provider", "a")], Duration::from_secs(11));
        let text = metrics.render(&[(KEY_AGE, labels(&[("tunnel", "x\"y")]), 1.5)]);
        insta::assert_snapshot!(text);
    }
}
