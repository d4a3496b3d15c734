//! What to type on another machine so that a node there joins the network of this one.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use datanet_api::Join;

/// How to join by way of this node: `p2p` is what it can be dialled by, the likeliest first, and `comet` its CometBFT's
/// peer address. `None` if only this machine can dial it.
pub(super) fn join_by(genesis: &Path, p2p: &[String], comet: &str) -> Option<Join> {
    let bootstrap = p2p.iter().find(|addr| !is_loopback(host_of(addr)))?.clone();
    let (_, address) = comet.split_once('@')?;
    let host = address.rsplit_once(':').map(|(host, _)| host)?;
    (!is_loopback(host)).then(|| Join { genesis: genesis.to_owned(), bootstrap, persistent_peer: comet.to_owned() })
}

/// Where CometBFT's peers dial it: what is told to them, else where it listens; if that is everywhere, then on the host
/// that the data network is dialled by.
pub(super) fn comet_address(external: &str, listened: SocketAddr, p2p: &[String]) -> String {
    if !external.is_empty() {
        return external.to_owned();
    }
    let host = p2p.first().map(|addr| host_of(addr)).filter(|host| !host.is_empty());
    match (listened.ip().is_unspecified(), host) {
        (true, Some(host)) if host.contains(':') => format!("[{host}]:{}", listened.port()),
        (true, Some(host)) => format!("{host}:{}", listened.port()),
        _ => listened.to_string(),
    }
}

/// The host of a multiaddress: what stands after `/ip4/` or `/dns4/`.
fn host_of(multiaddress: &str) -> &str {
    multiaddress.split('/').nth(2).unwrap_or_default()
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_to_type_names_what_can_be_dialled() {
        let p2p = strings(&["/ip4/203.0.113.7/udp/26681/quic-v1/p2p/P", "/ip4/127.0.0.1/udp/26681/quic-v1/p2p/P"]);
        let comet = |external, listened: &str| comet_address(external, listened.parse().unwrap(), &p2p);
        assert_eq!(comet("node.example:1", "0.0.0.0:26656"), "node.example:1");
        assert_eq!(comet("", "0.0.0.0:26656"), "203.0.113.7:26656");
        assert_eq!(comet("", "10.0.0.1:26656"), "10.0.0.1:26656");
        let v6 = strings(&["/ip6/2001:db8::7/udp/1/quic-v1/p2p/P"]);
        assert_eq!(comet_address("", "[::]:26656".parse().unwrap(), &v6), "[2001:db8::7]:26656");

        let join = join_by(Path::new("genesis.json"), &p2p, "ID@203.0.113.7:26656").unwrap();
        let typed = join.commands()[0].clone();
        assert!(typed.contains("p2p.bootstrap=/ip4/203.0.113.7/"), "{typed}");
        assert!(typed.contains("consensus.persistent_peers=ID@203.0.113.7:26656"), "{typed}");
    }

    #[test]
    fn a_node_on_loopback_cannot_be_joined_from_elsewhere() {
        let (open, closed) = (strings(&["/ip4/203.0.113.7/tcp/1/p2p/P"]), strings(&["/ip4/127.0.0.1/tcp/1/p2p/P"]));
        assert_eq!(join_by(Path::new("g"), &closed, "ID@203.0.113.7:1"), None);
        assert_eq!(join_by(Path::new("g"), &open, "ID@127.0.0.1:1"), None);
        assert_eq!(join_by(Path::new("g"), &open, "ID@[::1]:1"), None);
    }
}
