//! The tunnel tables, with their gateways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use skip_client::error::FrontEnd;
use skip_client::{BitLength, SystemId};

use super::files::Files;
use super::{Names, TunnelTable, positive};
use crate::consumer::ConsumerConfig;
use crate::consumer::command::check_program;
use crate::files::resolved;
use crate::plan::{Pace, Plan, Role, WhenTooOld};
use crate::reader::{At, Found, Mistakes, Table, similar};

pub(super) fn tunnel_table<'i>(
    name: &str,
    mut table: Table<'i>,
    pace: Pace,
    names: &Names,
    files: &mut Files<'_, 'i>,
) -> Option<(TunnelTable, At)> {
    let mistakes = &mut *files.mistakes;
    let provider = reference("key-provider", &names.providers, &mut table, mistakes);
    let peer = reference("peer", &names.peers, &mut table, mistakes);
    let remote = table.required_text("remote", mistakes);
    let roles = [
        ("initiator", Some(Role::Initiator)),
        ("responder", Some(Role::Responder)),
        ("auto", None),
    ];
    let role = table.choice("role", &roles, mistakes).flatten();
    let remote = remote.and_then(|found| system_id(&found, role, mistakes));
    let interval = positive(&mut table, "interval", Duration::from_hours(1), mistakes);
    let jitter = table.duration("jitter", mistakes);
    if let Some(found) = jitter.as_ref().filter(|found| found.value >= interval) {
        mistakes.add(
            &found.at,
            "must be less than the interval",
            "it is how much earlier a rotation may come",
        );
    }
    let size = table.number("size", 8..65_537, mistakes);
    let size = size.and_then(|found| {
        let bits = BitLength::new(found.value).ok();
        if bits.is_none() {
            mistakes.add(&found.at, "must be a multiple of 8, in bits", "32 bytes are 256");
        }
        bits
    });
    let max_key_age = table.duration("max-key-age", mistakes);
    if let Some(found) = max_key_age.as_ref().filter(|found| found.value <= interval) {
        mistakes.add(
            &found.at,
            "must be more than the interval",
            "three times the interval is a good start",
        );
    }
    let policies = [("keep", WhenTooOld::Keep), ("take-down", WhenTooOld::TakeDown)];
    let when_too_old = table.choice("when-too-old", &policies, mistakes);
    if when_too_old == Some(WhenTooOld::TakeDown) && max_key_age.is_none() {
        mistakes.add(
            &table.at("max-key-age"),
            "is missing",
            "when-too-old = \"take-down\" needs it",
        );
    }
    let then = table.texts("then", mistakes);
    if let Some(found) = &then
        && let Err(rule) = check_program("then", &found.value)
    {
        table.broken(&rule, mistakes);
    }
    let plain_closed = table
        .flag("clear-text-closed", mistakes)
        .is_some_and(|found| found.value);
    let consumer = consumer(&mut table, role, size, mistakes);
    let at = table.at("consumer");
    table.finish(mistakes);
    let tunnel = TunnelTable {
        plan: Plan {
            name: name.to_owned(),
            remote: remote?,
            role,
            interval,
            jitter: jitter.map_or(Duration::ZERO, |found| found.value),
            size,
            max_key_age: max_key_age.map(|found| found.value),
            when_too_old: when_too_old.unwrap_or(WhenTooOld::Keep),
            then: then.map(|found| found.value),
            clear_text_closed: plain_closed,
            pace,
        },
        provider: provider?,
        peer: peer?,
        consumer: consumer?,
    };
    Some((tunnel, at))
}

fn system_id(found: &Found<String>, role: Option<Role>, mistakes: &mut Mistakes<'_>) -> Option<SystemId> {
    match SystemId::new(&found.value) {
        Ok(id) if id.is_pattern() && role != Some(Role::Responder) => {
            let hint = "give the id of one key provider; a responder may have a pattern";
            mistakes.add(&found.at, "is a pattern, and a pattern names no key provider", hint);
            None
        }
        Ok(id) => Some(id),
        Err(error) => {
            let message = error.what().to_owned();
            mistakes.add(&found.at, message, error.hint_in(&FrontEnd::Agent));
            None
        }
    }
}

/// A reference to another table.
fn reference(
    name: &'static str,
    known: &BTreeSet<String>,
    table: &mut Table<'_>,
    mistakes: &mut Mistakes<'_>,
) -> Option<String> {
    let found = table.required_text(name, mistakes)?;
    if known.contains(&found.value) {
        return Some(found.value);
    }
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut hint = similar(&found.value, &names);
    if hint.is_empty() {
        hint = format!("a table [{name}.NAME] makes one");
    }
    mistakes.add(&found.at, format_args!("there is no {name} of this name"), hint);
    None
}

fn consumer(
    table: &mut Table<'_>,
    role: Option<Role>,
    size: Option<BitLength>,
    mistakes: &mut Mistakes<'_>,
) -> Option<ConsumerConfig> {
    let Some(mut consumer) = table.table("consumer", mistakes) else {
        if !table.had("consumer") {
            let hint = "which gateway takes the keys: consumer = { type = \"file\", … }";
            mistakes.add(&table.at("consumer"), "is missing", hint);
        }
        return None;
    };
    let kind = consumer.required_text("type", mistakes)?;
    if !ConsumerConfig::TYPES.contains(&kind.value.as_str()) {
        let types = ConsumerConfig::TYPES.join(", ");
        mistakes.add(
            &kind.at,
            format_args!("must be one of {types}"),
            similar(&kind.value, &ConsumerConfig::TYPES),
        );
        return None;
    }
    let config = ConsumerConfig::read(&kind.value, &mut consumer, mistakes);
    if let Some(config) = &config {
        let mut rules = config.check(size.map(BitLength::bits)).err().unwrap_or_default();
        if role == Some(Role::Initiator)
            && let Err(rule) = config.check_initiator()
        {
            rules = format!("{rules}\n{rule}");
        }
        let (of_size, rules): (Vec<&str>, Vec<&str>) = rules
            .lines()
            .filter(|rule| !rule.is_empty())
            .partition(|rule| rule.starts_with("size:"));
        consumer.broken(&rules.join("\n"), mistakes);
        // an invalid size was already reported
        if size.is_some() || !table.had("size") {
            table.broken(&of_size.join("\n"), mistakes);
        }
    }
    consumer.finish(mistakes);
    config
}

/// Two tunnels that write to the same place would overwrite each other's keys.
pub(super) fn shared_targets(tunnels: &[(String, Option<(TunnelTable, At)>)], mistakes: &mut Mistakes<'_>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (name, tunnel) in tunnels {
        let Some((tunnel, at)) = tunnel else { continue };
        let Some(target) = tunnel.consumer.target() else {
            continue;
        };
        if let Some(other) = seen.get(&target) {
            let rule = format!("{target} is that of tunnel.{other} already");
            mistakes.add(at, rule, "each tunnel needs its own");
        } else {
            seen.insert(target, name);
        }
    }
    // sorted, a prefix comes right before the names that begin with it
    let mut prefixes: Vec<_> = tunnels
        .iter()
        .filter_map(|(name, tunnel)| tunnel.as_ref().map(|(tunnel, at)| (name, tunnel, at)))
        .filter_map(|(name, tunnel, at)| Some((tunnel.consumer.prefix()?, name, tunnel.consumer.target(), at)))
        .collect();
    prefixes.sort_by(|a, b| a.0.cmp(&b.0));
    for pair in prefixes.windows(2) {
        let [
            ((socket, prefix), name, target, _),
            ((other_socket, longer), _, other_target, at),
        ] = pair
        else {
            continue;
        };
        if socket == other_socket && longer.starts_with(prefix) && target != other_target {
            let rule = format!("secret-prefix {longer} begins with that of tunnel.{name}, {prefix}");
            mistakes.add(
                at,
                rule,
                "each tunnel removes all other keys that begin with its prefix",
            );
        }
    }
}

/// A key written over a file that the agent itself needs.
pub(super) fn overwritten(
    tunnels: &[(String, Option<(TunnelTable, At)>)],
    state: Option<&Path>,
    needed: &[PathBuf],
    mistakes: &mut Mistakes<'_>,
) {
    let definitions = tunnels
        .iter()
        .filter_map(|(_, tunnel)| match &tunnel.as_ref()?.0.consumer {
            ConsumerConfig::Strongswan(it) => it.definition.clone(),
            _ => None,
        });
    let needed: BTreeSet<PathBuf> = needed
        .iter()
        .cloned()
        .chain(definitions)
        .map(|path| resolved(&path))
        .collect();
    let state = state.map(|state| state.canonicalize().unwrap_or_else(|_| resolved(state)));
    for (tunnel, at) in tunnels.iter().filter_map(|(_, tunnel)| tunnel.as_ref()) {
        let Some(path) = tunnel.consumer.writes().map(resolved) else {
            continue;
        };
        if needed.contains(&path) || state.as_ref().is_some_and(|state| path.starts_with(state)) {
            let rule = format!("the file {} is one that the agent needs itself", path.display());
            mistakes.add(
                at,
                rule,
                "keys for a gateway go to a file of their own, in /run/skip-client for example",
            );
        }
    }
}
