//! The agent's own codes, used beside those of the client library in its log, its metrics, and hand-off answers.

/// A code, what it means, and what to do.
type Code = (&'static str, &'static str, &'static str);

/// Codes that a hand-off answer can carry.
pub(crate) const ANSWERS: [Code; 12] = [
    (
        "busy",
        "the other agent works on this tunnel already",
        "nothing; it is asked again",
    ),
    (
        "counter_jump",
        "the number of a rotation is far from the last one that both ends know",
        "nothing, if it happens once: the ends agree on a number; else look for a state folder that was restored at one end",
    ),
    (
        "gateway",
        "the gateway cannot be reached, could not take a key, or did not do what it was asked",
        "the text beside the code says which, and how to repair it; waits end when it works again, or with a reload",
    ),
    (
        "gateway_restarted",
        "the gateway was restarted and has lost its keys",
        "nothing; a fresh rotation follows",
    ),
    (
        "new_key",
        "the other end does not have this key, and will not have it",
        "nothing; a fresh rotation follows",
    ),
    (
        "not_initiator",
        "both ends are configured as responders, so that nobody begins a rotation",
        "set role = \"initiator\" at one of them, or role = \"auto\" at both",
    ),
    (
        "not_responder",
        "both ends are configured as initiators",
        "set role = \"responder\" at one of them, or role = \"auto\" at both",
    ),
    (
        "role",
        "the other end does not know its role yet: with role = \"auto\" it has to ask its Key Provider first",
        "see to it that its Key Provider answers",
    ),
    (
        "state",
        "the state cannot be saved, or is lost and cannot be agreed with the peer",
        "look at the space on the disk and the permissions of the state folder",
    ),
    (
        "too_often",
        "a fresh key was asked for just before",
        "nothing; it is asked again",
    ),
    (
        "unknown_tunnel",
        "the other end has no tunnel of this name with this peer",
        "give the tunnel the same name at both ends, and the right peer",
    ),
    (
        "wrong_system_id",
        "the key comes from another Key Provider than `remote` says",
        "set remote to the localSystemID of the other end's Key Provider",
    ),
];

/// Why the hand-off refuses connections and lines.
const REFUSALS: [Code; 7] = [
    (
        "unknown_peer",
        "a certificate of the right CA, whose names are no peer's certificate-name",
        "set certificate-name in the table of the peer to a name of its certificate, which the log shows",
    ),
    (
        "too_many",
        "too many connections that have not shown a certificate",
        "let only the peers' addresses in, with a packet filter",
    ),
    (
        "too_many_of_peer",
        "one peer has too many connections",
        "look whether several agents share its certificate",
    ),
    (
        "handshake_timed_out",
        "a connection that did not finish its handshake in 5 seconds",
        "as for too_many",
    ),
    (
        "line_timed_out",
        "a request that did not come to its end in 10 seconds",
        "look at the network to the peer",
    ),
    (
        "line_too_long",
        "a request of more than 4095 bytes",
        "look at what connects with the peer's certificate",
    ),
    (
        "malformed",
        "a request or an answer that is not of this protocol",
        "run the same version at both ends",
    ),
];

/// Cause and remedy of one of the agent's codes; `None` for other codes.
#[must_use]
pub fn explain_code(code: &str) -> Option<(&'static str, &'static str)> {
    let mut all = ANSWERS.iter().chain(&REFUSALS);
    all.find(|(name, ..)| *name == code)
        .map(|(_, cause, remedy)| (*cause, *remedy))
}

/// All codes of the agent.
#[must_use]
pub fn agent_codes() -> Vec<&'static str> {
    ANSWERS.iter().chain(&REFUSALS).map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::{agent_codes, explain_code};

    #[test]
    fn every_code_of_the_hand_off_is_explained() {
        let sources = [
            include_str!("tunnel/responder.rs"),
            include_str!("tunnel/mod.rs"),
            include_str!("agent/peer_requests.rs"),
            include_str!("handoff/server.rs"),
        ];
        let mut found = 0;
        for begin in ["lost(\"", "later(\"", "refused(\"", "code: \"", "refused(\n"] {
            for rest in sources.iter().flat_map(|source| source.split(begin).skip(1)) {
                let code = rest.split('"').next().unwrap_or_default();
                // the client library explains its own codes
                let known = skip_client::ErrorCode::ALL.iter().any(|one| one.as_str() == code);
                let is_code = !code.is_empty() && code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                if is_code && !known {
                    assert!(explain_code(code).is_some(), "{code}");
                    found += 1;
                }
            }
        }
        assert!(found > 15, "{found}");
        assert!(agent_codes().contains(&"not_initiator"));
    }
}
