//! Whether this node can reach others, and they it: what cannot work is refused before anybody waits for it.

use std::net::IpAddr;

use super::Wrong;
use crate::{ConsensusConfig, P2pConfig};

const NOT_DIALABLE: &str =
    "it is where to listen, not what others dial: write an address or a name of this node, such as \"203.0.113.7\"";
const LOOPBACK_PEER: &str =
    "it is where a node listens, not where it is dialled: write the address that its `datanet status` shows";
const CLOSED_ANNOUNCE: &str = "nobody can dial it while p2p.listen or p2p.blob_bind is on loopback: write 0.0.0.0 there, or let `datanet init --public` write the file";
const CLOSED_BOOTSTRAP: &str = "a node whose p2p.listen or p2p.blob_bind is on loopback can't reach another machine, and fetches no byte from it: write 0.0.0.0 there, or let `datanet init --public` write the file";
const FREE_PORT: &str = "a node that is announced needs ports that stay: write one in p2p.listen and p2p.blob_bind, such as 26681 and 26682, instead of 0";
const CLOSED_EXTERNAL: &str = "nobody can dial it while consensus.p2p_listen is on loopback: write 0.0.0.0 there";
const EXTERNAL_PORT: &str = "write the port on which others dial, not 0";

/// The first key that cannot work with the others.
pub(super) fn check(p2p: &P2pConfig, consensus: &ConsensusConfig) -> Result<(), Wrong> {
    let closed = p2p.listen.iter().all(|addr| is_loopback(host_of(addr))) || p2p.blob_bind.ip().is_loopback();
    for host in &p2p.announce {
        refuse("p2p.announce", host, is_unspecified(host), NOT_DIALABLE)?;
        refuse("p2p.announce", host, closed && !is_loopback(host), CLOSED_ANNOUNCE)?;
        let free = p2p.blob_bind.port() == 0 || p2p.listen.iter().any(|addr| addr.split('/').nth(4) == Some("0"));
        refuse("p2p.announce", host, free, FREE_PORT)?;
    }
    for peer in &p2p.bootstrap {
        let host = host_of(peer);
        refuse("p2p.bootstrap", peer, is_unspecified(host), LOOPBACK_PEER)?;
        refuse("p2p.bootstrap", peer, closed && !is_loopback(host), CLOSED_BOOTSTRAP)?;
    }
    for peer in &consensus.persistent_peers {
        let address = peer.split_once('@').map_or("", |(_, address)| address);
        refuse("consensus.persistent_peers", peer, is_unspecified(name_of(address)), LOOPBACK_PEER)?;
    }
    let external = consensus.external_address.as_str();
    let key = "consensus.external_address";
    refuse(key, external, is_unspecified(name_of(external)), NOT_DIALABLE)?;
    refuse(key, external, external.ends_with(":0"), EXTERNAL_PORT)?;
    let closed = consensus.p2p_listen.ip().is_loopback() && !is_loopback(name_of(external));
    refuse(key, external, !external.is_empty() && closed, CLOSED_EXTERNAL)
}

fn refuse(key: &str, value: &str, wrong: bool, reason: &'static str) -> Result<(), Wrong> {
    if !wrong {
        return Ok(());
    }
    Err(Wrong { key: key.to_owned(), value: value.to_owned(), reason: Some(reason) })
}

/// The host of a multiaddress: what stands after `/ip4/` or `/dns4/`.
fn host_of(multiaddress: &str) -> &str {
    multiaddress.split('/').nth(2).unwrap_or_default()
}

/// The host of `host:port`.
fn name_of(address: &str) -> &str {
    address.rsplit_once(':').map_or("", |(host, _)| host)
}

fn is_unspecified(host: &str) -> bool {
    ip(host).is_some_and(|ip| ip.is_unspecified())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || ip(host).is_some_and(|ip| ip.is_loopback())
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use crate::NodeConfig;

    fn error(text: &str) -> String {
        NodeConfig::from_str(&format!("version = 1\n{text}\n")).unwrap_err().to_string()
    }

    const OPEN: &str = "[p2p]\nlisten = [\"/ip4/0.0.0.0/udp/26681/quic-v1\"]\nblob_bind = \"0.0.0.0:26682\"\n";
    const PEER: &str = "/udp/26681/quic-v1/p2p/12D3KooWPeer";

    #[test]
    fn what_nobody_could_reach_is_refused_with_what_to_write() {
        for (text, wanted) in [
            (format!("{OPEN}announce = [\"0.0.0.0\"]"), ["p2p.announce", "others dial"]),
            (format!("{OPEN}announce = [\"::\"]"), ["p2p.announce", "others dial"]),
            ("[p2p]\nannounce = [\"203.0.113.7\"]".to_owned(), ["p2p.announce", "init --public"]),
            (format!("{OPEN}announce = [\"a b\"]"), ["p2p.announce", "node.example"]),
            (format!("{OPEN}announce = [\"203.0.113.7\"]").replace(":26682", ":0"), ["p2p.announce", "26682"]),
            (format!("{OPEN}announce = [\"203.0.113.7\"]").replace("26681", "0"), ["p2p.announce", "26681"]),
            (format!("[p2p]\nbootstrap = [\"/ip4/203.0.113.7{PEER}\"]"), ["p2p.bootstrap", "init --public"]),
            (format!("[p2p]\nbootstrap = [\"/dns4/node.example{PEER}\"]"), ["p2p.bootstrap", "init --public"]),
            (format!("{OPEN}bootstrap = [\"/ip4/0.0.0.0{PEER}\"]"), ["p2p.bootstrap", "datanet status"]),
            (
                format!("[consensus]\npersistent_peers = [\"{}@0.0.0.0:26656\"]", "ab".repeat(20)),
                ["consensus.persistent_peers", "datanet status"],
            ),
            ("[consensus]\nexternal_address = \"203.0.113.7:26656\"".to_owned(), ["external_address", "p2p_listen"]),
            ("[consensus]\nexternal_address = \"0.0.0.0:26656\"".to_owned(), ["external_address", "others dial"]),
            (
                "[consensus]\np2p_listen = \"0.0.0.0:26656\"\nexternal_address = \"node.example:0\"".to_owned(),
                ["external_address", "not 0"],
            ),
        ] {
            let error = error(&text);
            for part in wanted {
                assert!(error.contains(part), "{part:?} is not in: {error}");
            }
        }
    }

    #[test]
    fn what_can_work_is_taken() {
        let open =
            format!("{OPEN}announce = [\"203.0.113.7\", \"node.example\"]\nbootstrap = [\"/ip4/203.0.113.9{PEER}\"]");
        let consensus = "[consensus]\np2p_listen = \"0.0.0.0:26656\"\nexternal_address = \"[2001:db8::7]:26656\"";
        let here = format!("[p2p]\nbootstrap = [\"/ip4/127.0.0.1{PEER}\"]");
        for text in [format!("{open}\n{consensus}"), here] {
            NodeConfig::from_str(&format!("version = 1\n{text}\n")).unwrap();
        }
    }
}
