//! Where this node is, as others see it: the hosts that it announces, and which of its addresses are worth telling.

use std::net::{IpAddr, SocketAddr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// A host that others dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Ip(IpAddr),
    /// A DNS name.
    Name(String),
}

impl Host {
    /// Reads a host without a port; the reason if others could not dial it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refuse = |what: &str| Err(format!("`{text}` {what}; announce an address or a name that others can dial"));
        let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        match text.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => refuse("is where to listen, and nobody can dial it"),
            Ok(ip) if ip.is_multicast() => refuse("is the address of a group"),
            Ok(ip) => Ok(Self::Ip(ip)),
            Err(_) if text.is_empty() || text.len() > 253 || !text.chars().all(name) => refuse("is no host"),
            Err(_) => Ok(Self::Name(text.to_owned())),
        }
    }

    /// An address that is listened on, with this host in place of the interface's; `None` if they are of two families.
    fn in_place_of(&self, listened: &Multiaddr) -> Option<Multiaddr> {
        let mut parts = listened.iter();
        let interface = parts.next()?;
        let host = match (self, &interface) {
            (Self::Ip(IpAddr::V4(ip)), Protocol::Ip4(_)) => Protocol::Ip4(*ip),
            (Self::Ip(IpAddr::V6(ip)), Protocol::Ip6(_)) => Protocol::Ip6(*ip),
            (Self::Name(name), Protocol::Ip4(_)) => Protocol::Dns4(name.into()),
            (Self::Name(name), Protocol::Ip6(_)) => Protocol::Dns6(name.into()),
            _ => return None,
        };
        Some(std::iter::once(host).chain(parts).collect())
    }
}

/// The addresses that the hosts have on the ports that are listened on.
pub(crate) fn announced(hosts: &[Host], listened: &[Multiaddr]) -> Vec<Multiaddr> {
    let mut addrs = Vec::new();
    for addr in hosts.iter().flat_map(|host| listened.iter().filter_map(|addr| host.in_place_of(addr))) {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    sort(&mut addrs);
    addrs
}

/// All that others may try, the likeliest first: what is announced, then what is listened on.
pub(crate) fn dialable(hosts: &[Host], listened: &[Multiaddr]) -> Vec<Multiaddr> {
    let mut addrs = announced(hosts, listened);
    let mut rest: Vec<_> = listened.iter().filter(|addr| !addrs.contains(addr)).cloned().collect();
    sort(&mut rest);
    addrs.append(&mut rest);
    addrs
}

/// Who takes only one takes a better one: not loopback, and QUIC.
fn sort(addrs: &mut [Multiaddr]) {
    let quic = |addr: &Multiaddr| addr.iter().any(|part| part == Protocol::QuicV1);
    addrs.sort_by_cached_key(|addr| (is_loopback(addr), !quic(addr), addr.to_string()));
}

/// The addresses that the hosts have on the ports of sockets.
pub(crate) fn announced_sockets(hosts: &[Host], bound: &[SocketAddr]) -> Vec<SocketAddr> {
    let ips = hosts.iter().filter_map(|host| match host {
        Host::Ip(ip) => Some(*ip),
        // A record holds addresses; a neighbour takes the one that it is connected to instead.
        Host::Name(_) => None,
    });
    let of =
        |ip: IpAddr| bound.iter().filter(move |socket| socket.is_ipv4() == ip.is_ipv4()).map(move |s| (ip, s.port()));
    ips.flat_map(of).map(SocketAddr::from).collect()
}

/// The IP address that a multiaddress begins with.
pub(crate) fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    addr.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::from(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::from(ip)),
        _ => None,
    })
}

pub(crate) fn is_loopback(addr: &Multiaddr) -> bool {
    ip_of(addr).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addrs(list: &[&str]) -> Vec<Multiaddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_nobody_can_dial_is_no_host() {
        for wrong in ["", "0.0.0.0", "::", "224.0.0.1", "a b", "host:1", "/ip4/1.2.3.4", "[::1]"] {
            assert!(Host::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["203.0.113.7", "2001:db8::7", "node.example"] {
            assert!(Host::parse(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn announced_hosts_stand_before_the_interfaces_and_loopback_last() {
        let listened = addrs(&[
            "/ip4/127.0.0.1/udp/7/quic-v1",
            "/ip4/10.0.0.2/udp/7/quic-v1",
            "/ip4/10.0.0.2/tcp/7",
            "/ip6/::1/udp/7/quic-v1",
        ]);
        let hosts = ["203.0.113.7", "node.example"].map(|host| Host::parse(host).unwrap());
        let expected = addrs(&[
            "/dns4/node.example/udp/7/quic-v1",
            "/dns6/node.example/udp/7/quic-v1",
            "/ip4/203.0.113.7/udp/7/quic-v1",
            "/dns4/node.example/tcp/7",
            "/ip4/203.0.113.7/tcp/7",
        ]);
        let told = dialable(&hosts, &listened);
        assert_eq!(told[..5], expected);
        assert_eq!(
            told[5..],
            addrs(&[
                "/ip4/10.0.0.2/udp/7/quic-v1",
                "/ip4/10.0.0.2/tcp/7",
                "/ip4/127.0.0.1/udp/7/quic-v1",
                "/ip6/::1/udp/7/quic-v1",
            ])
        );
        let sockets = announced_sockets(&hosts, &["0.0.0.0:8".parse().unwrap(), "[::]:9".parse().unwrap()]);
        assert_eq!(sockets, ["203.0.113.7:8".parse().unwrap()]);
    }
}
