//! Requests from peers: a peer may ask only about the tunnels that name it.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};

use super::Inner;
use crate::handoff::message::{Answer, Request};
use crate::handoff::server::Handler;
use crate::journal::Level;

pub(super) struct PeerRequests(pub Arc<Inner>);

impl Handler for PeerRequests {
    fn is_peer_address(&self, ip: IpAddr) -> bool {
        let peers = self.0.peers.lock().unwrap_or_else(PoisonError::into_inner);
        peers.values().any(|peer| peer.is_at(ip))
    }

    fn handle(&self, peer: &str, request: &Request) -> Option<Answer> {
        if self.0.is_stopping() {
            return None;
        }
        let tunnels = self.0.tunnels.read().unwrap_or_else(PoisonError::into_inner);
        let running = tunnels
            .get(&request.tunnel)
            .filter(|running| running.table.peer == peer)
            .cloned();
        drop(tunnels);
        // from outside, another peer's tunnel and a missing one look the same
        let Some(running) = running else {
            let code = "unknown_tunnel".to_owned();
            self.0.journal.event(
                Level::Warn,
                "hand-off",
                &[("peer", &peer), ("tunnel", &request.tunnel), ("code", &code)],
            );
            return Some(Answer::Refused { code });
        };
        let answer = running.tunnel.handle(&request.ask);
        if running.tunnel.is_urgent() {
            self.0.wake(&request.tunnel);
        }
        Some(answer)
    }
}
