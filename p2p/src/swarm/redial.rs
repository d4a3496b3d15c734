//! Keeps the bootstrap peers connected: who is due to be dialled, and when again. Knows no swarm and no clock.

use std::time::Duration;

use libp2p::PeerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::DialOpts;
use tokio::time::Instant;

/// The bootstrap peers and the state of each.
#[derive(Debug)]
pub(super) struct Redial {
    targets: Vec<Target>,
    min: Duration,
    max: Duration,
}

#[derive(Debug)]
struct Target {
    addr: Multiaddr,
    /// Given by the address, if at all.
    expected: Option<PeerId>,
    state: State,
    failures: u32,
}

#[derive(Debug, PartialEq)]
enum State {
    Waiting(Instant),
    Dialling(ConnectionId),
    Connected(PeerId),
    /// The address is this node's own: never dial it again.
    Own,
}

impl Redial {
    /// Everything is due at `now`; waits grow from `min` to `max`.
    pub(super) fn new(addrs: Vec<Multiaddr>, own: PeerId, min: Duration, max: Duration, now: Instant) -> Self {
        let target = |mut addr: Multiaddr| {
            let expected = match addr.iter().last() {
                Some(Protocol::P2p(peer)) => {
                    addr.pop();
                    Some(peer)
                }
                _ => None,
            };
            let state = if expected == Some(own) { State::Own } else { State::Waiting(now) };
            Target { addr, expected, state, failures: 0 }
        };
        Self { targets: addrs.into_iter().map(target).collect(), min, max }
    }

    /// When the next target is due; `None` when all are connected or being dialled.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.targets
            .iter()
            .filter_map(|target| if let State::Waiting(at) = target.state { Some(at) } else { None })
            .min()
    }

    /// The dials that are due; each is from now on in progress.
    pub(super) fn take_due(&mut self, now: Instant, connected: impl Fn(&PeerId) -> bool) -> Vec<DialOpts> {
        let mut dials = Vec::new();
        for target in &mut self.targets {
            if !matches!(target.state, State::Waiting(at) if at <= now) {
                continue;
            }
            if let Some(peer) = target.expected.filter(|peer| connected(peer)) {
                target.state = State::Connected(peer);
                continue;
            }
            let opts = match target.expected {
                Some(peer) => DialOpts::peer_id(peer).addresses(vec![target.addr.clone()]).build(),
                None => DialOpts::unknown_peer_id().address(target.addr.clone()).build(),
            };
            target.state = State::Dialling(opts.connection_id());
            dials.push(opts);
        }
        dials
    }

    /// A connection was made, by whoever dialled.
    pub(super) fn on_connected(&mut self, peer: PeerId, connection: ConnectionId) {
        for target in &mut self.targets {
            if target.expected == Some(peer) || target.state == State::Dialling(connection) {
                target.state = State::Connected(peer);
            }
        }
    }

    /// A connected peer proved to be a node of this network: if it goes, it is worth looking for at once. Without this
    /// proof the waits keep growing, so a stranger at a bootstrap address is not dialled twice a second for ever.
    pub(super) fn on_confirmed(&mut self, peer: PeerId) {
        for target in self.targets.iter_mut().filter(|target| target.state == State::Connected(peer)) {
            target.failures = 0;
        }
    }

    /// A dial failed; `own` when it reached this node itself.
    pub(super) fn on_dial_failed(&mut self, connection: ConnectionId, own: bool, now: Instant) {
        for target in self.targets.iter_mut().filter(|target| target.state == State::Dialling(connection)) {
            if own {
                target.state = State::Own;
                continue;
            }
            target.wait(self.min, self.max, now);
        }
    }

    /// The last connection with a peer closed.
    pub(super) fn on_disconnected(&mut self, peer: PeerId, now: Instant) {
        for target in self.targets.iter_mut().filter(|target| target.state == State::Connected(peer)) {
            target.wait(self.min, self.max, now);
        }
    }
}

impl Target {
    /// Twice the wait after each failure; 16 doublings are beyond any maximum.
    fn wait(&mut self, min: Duration, max: Duration, now: Instant) {
        self.state = State::Waiting(now + min.saturating_mul(1 << self.failures.min(16)).min(max));
        self.failures += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(5);

    fn redial(addr: &str, now: Instant) -> (Redial, PeerId) {
        let own = PeerId::random();
        (Redial::new(vec![addr.parse().unwrap()], own, MIN, MAX, now), own)
    }

    #[test]
    fn waits_double_up_to_the_maximum() {
        let start = Instant::now();
        let (mut redial, _) = redial("/ip4/127.0.0.1/tcp/1", start);
        let mut now = start;
        for wait in [1, 2, 4, 5, 5] {
            let dials = redial.take_due(now, |_| false);
            assert_eq!(redial.next_due(), None, "a dial in progress is not due");
            redial.on_dial_failed(dials[0].connection_id(), false, now);
            now += Duration::from_secs(wait);
            assert_eq!(redial.next_due(), Some(now));
        }
    }

    #[test]
    fn a_peer_that_comes_back_is_dialled_after_the_shortest_wait() {
        let now = Instant::now();
        let (mut redial, _) = redial("/ip4/127.0.0.1/tcp/1", now);
        let dials = redial.take_due(now, |_| false);
        let peer = PeerId::random();
        redial.on_connected(peer, dials[0].connection_id());
        redial.on_confirmed(peer);
        assert_eq!(redial.next_due(), None);
        redial.on_disconnected(peer, now);
        assert_eq!(redial.next_due(), Some(now + MIN));
    }

    #[test]
    fn a_stranger_at_a_bootstrap_address_is_dialled_less_and_less() {
        let start = Instant::now();
        let (mut redial, _) = redial("/ip4/127.0.0.1/tcp/1", start);
        let mut now = start;
        for wait in [1, 2, 4] {
            let dials = redial.take_due(now, |_| false);
            let stranger = PeerId::random();
            redial.on_connected(stranger, dials[0].connection_id());
            redial.on_disconnected(stranger, now);
            now += Duration::from_secs(wait);
            assert_eq!(redial.next_due(), Some(now));
        }
    }

    #[test]
    fn the_own_address_is_dialled_once_at_most() {
        let now = Instant::now();
        let (mut first, own) = redial("/ip4/127.0.0.1/tcp/1", now);
        let dials = first.take_due(now, |_| false);
        first.on_dial_failed(dials[0].connection_id(), true, now);
        assert_eq!(first.next_due(), None);
        let addr = format!("/ip4/127.0.0.1/tcp/1/p2p/{own}").parse().unwrap();
        assert_eq!(Redial::new(vec![addr], own, MIN, MAX, now).next_due(), None);
    }

    #[test]
    fn a_peer_that_dialled_us_is_not_dialled() {
        let now = Instant::now();
        let peer = PeerId::random();
        let (mut redial, _) = redial(&format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}"), now);
        assert!(redial.take_due(now, |other| *other == peer).is_empty());
        assert_eq!(redial.next_due(), None);
    }
}
