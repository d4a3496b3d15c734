//! Where the blob endpoints of other nodes listen, as their records say, and where our own does.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use iroh::address_lookup::MemoryLookup;
use iroh::{Endpoint, EndpointAddr, EndpointId};

use crate::NodeKey;
use crate::announce::{Host, announced_sockets};

/// Nodes whose addresses are remembered; the oldest are forgotten first.
const MAX_NODES: usize = 4096;

/// The addresses that `fetch` dials by node key. Also those of nodes that are not connected at the moment.
#[derive(Debug)]
pub(crate) struct AddressBook {
    lookup: MemoryLookup,
    order: Mutex<VecDeque<EndpointId>>,
}

impl AddressBook {
    pub(crate) fn new() -> Self {
        Self { lookup: MemoryLookup::new(), order: Mutex::default() }
    }

    /// The lookup that iroh asks.
    pub(crate) fn lookup(&self) -> MemoryLookup {
        self.lookup.clone()
    }

    /// Replaces the addresses of a node. A false address does no harm: the handshake proves the key.
    pub(crate) fn set(&self, node: &NodeKey, addrs: &[SocketAddr]) {
        let Ok(id) = EndpointId::from_bytes(node) else { return };
        let addr = addrs.iter().fold(EndpointAddr::new(id), |addr, socket| addr.with_ip_addr(*socket));
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lookup.set_endpoint_info(addr).is_none() {
            order.push_back(id);
        }
        while order.len() > MAX_NODES
            && let Some(oldest) = order.pop_front()
        {
            self.lookup.remove_endpoint_info(oldest);
        }
    }

    /// Whether addresses of a node are known.
    pub(crate) fn knows(&self, id: EndpointId) -> bool {
        self.lookup.get_endpoint_info(id).is_some()
    }
}

/// The addresses of our own blob endpoint, as they are now: interfaces come and go.
#[derive(Clone, Debug)]
pub(crate) struct OwnAddrs {
    pub(super) endpoint: Endpoint,
}

impl OwnAddrs {
    /// Announced ones first, then bound sockets (perhaps with an unspecified IP, which the neighbour replaces), then
    /// discovered addresses.
    pub(crate) fn now(&self, announce: &[Host]) -> Vec<SocketAddr> {
        let bound = self.endpoint.bound_sockets();
        let mut addrs = announced_sockets(announce, &bound);
        for addr in bound.iter().chain(self.endpoint.addr().ip_addrs()) {
            if !addrs.contains(addr) {
                addrs.push(*addr);
            }
        }
        addrs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_nodes_are_forgotten_first() {
        let book = AddressBook::new();
        let key = |n: usize| {
            let mut secret = [1u8; 32];
            secret[..8].copy_from_slice(&n.to_le_bytes());
            crate::node_key_of_secret(&secret)
        };
        let addr = "127.0.0.1:1".parse().unwrap();
        for n in 0..=MAX_NODES {
            book.set(&key(n), &[addr]);
        }
        assert!(!book.knows(EndpointId::from_bytes(&key(0)).unwrap()));
        assert!(book.knows(EndpointId::from_bytes(&key(1)).unwrap()));
    }
}
