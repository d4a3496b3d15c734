//! Free loopback ports, all different.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// Below the range out of which systems serve outgoing connections, so that none of those takes a port between its
/// choice and its use, or while a node is down.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Tries before giving up.
const TRIES: usize = 2_000;

/// `count` ports that are free for TCP and UDP on 127.0.0.1 at this moment.
///
/// # Errors
/// When nearly everything in the range is taken.
pub(crate) fn free(count: usize) -> Result<Vec<u16>> {
    // Held until all are chosen: two of them cannot be the same.
    let mut held = Vec::new();
    for _ in 0..TRIES {
        if held.len() == count {
            break;
        }
        let port = rand::random_range(RANGE);
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        if let (Ok(tcp), Ok(udp)) = (tcp, udp) {
            held.push((port, tcp, udp));
        }
    }
    if held.len() < count {
        bail!(
            "only {} of {count} loopback ports between {} and {} are free: stop what holds them",
            held.len(),
            RANGE.start,
            RANGE.end
        );
    }
    Ok(held.into_iter().map(|(port, ..)| port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let mut ports = free(40).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 40);
        TcpListener::bind((Ipv4Addr::LOCALHOST, ports[0])).unwrap();
    }
}
