//! What of CometBFT's configuration is ours to choose.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::NodeId;

/// The application that executes the blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyApp {
    /// The Unix socket on which our ledger listens. TCP would cost 44 ms a call: see `docs/`.
    Unix(PathBuf),
    /// CometBFT's own key-value store, in its process: for tests of the supervision alone.
    Kvstore,
}

impl fmt::Display for ProxyApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Kvstore => f.write_str("kvstore"),
        }
    }
}

/// A peer to stay connected to: `id@host:port`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CometPeer {
    /// Its node id; a peer that answers with another is refused.
    pub id: NodeId,
    /// `host:port`.
    pub address: String,
}

impl fmt::Display for CometPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

impl FromStr for CometPeer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a peer: write id@host:port");
        let (id, address) = text.split_once('@').ok_or_else(wrong)?;
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        // A comma separates peers in CometBFT's file; quotes and spaces have no business in a host.
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
        if host.is_empty() || !host.chars().all(plain) || port.parse::<u16>().is_err() {
            return Err(wrong());
        }
        Ok(Self { id: id.parse()?, address: address.to_owned() })
    }
}

/// How long the steps of a height take at most, and how long a node rests after a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CometTiming {
    /// How long to wait for a proposal in the first round, and how much longer in each further one.
    pub propose: (Duration, Duration),
    /// The same for prevotes and for precommits.
    pub vote: (Duration, Duration),
    /// The rest after a block is committed: the pace of the chain.
    pub commit: Duration,
    /// Make blocks without transactions.
    pub create_empty_blocks: bool,
    /// If not always, then after this long without one: deadlines on the ledger are times of blocks, so that a block must come for one to pass.
    pub empty_blocks_interval: Duration,
    /// How often the gossip of votes and block parts looks for work.
    pub gossip_sleep: Duration,
}

impl CometTiming {
    /// Several nodes on one machine: about four blocks a second while there is work.
    pub const fn local() -> Self {
        Self {
            // A busy laptop stalls longer than a network of servers: a round lost to impatience costs more.
            propose: (Duration::from_millis(3000), Duration::from_millis(500)),
            vote: (Duration::from_millis(1000), Duration::from_millis(500)),
            commit: Duration::from_millis(200),
            create_empty_blocks: false,
            empty_blocks_interval: Duration::from_secs(1),
            gossip_sleep: Duration::from_millis(5),
        }
    }

    /// Machines apart: about one block a second.
    pub const fn production() -> Self {
        Self {
            propose: (Duration::from_millis(3000), Duration::from_millis(500)),
            vote: (Duration::from_millis(1000), Duration::from_millis(500)),
            commit: Duration::from_millis(1000),
            create_empty_blocks: false,
            empty_blocks_interval: Duration::from_secs(5),
            gossip_sleep: Duration::from_millis(100),
        }
    }
}

/// Everything of `config.toml` that differs between nodes and networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CometSettings {
    /// A name for people.
    pub moniker: String,
    /// The application.
    pub proxy_app: ProxyApp,
    /// Where peers connect; port 0 picks a free one at every start.
    pub p2p_listen: SocketAddr,
    /// The address that peers are told, where it is not the one listened on: `host:port`.
    pub external_address: Option<String>,
    /// Peers to stay connected to.
    pub persistent_peers: Vec<CometPeer>,
    /// Addresses need not be public: true where all nodes are on one machine or network.
    pub local_network: bool,
    /// The pace.
    pub timing: CometTiming,
    /// How many transactions may wait.
    pub mempool_size: u32,
    /// How many bytes of them in all.
    pub mempool_bytes: u64,
    /// The largest transaction, in bytes.
    pub max_tx_bytes: u64,
    /// CometBFT's log level: one of `debug`, `info`, `error`, `none`, or `module:level` pairs.
    pub log_level: String,
}

impl CometSettings {
    /// A node among others on this machine, with a picked port.
    pub fn local(moniker: impl Into<String>, proxy_app: ProxyApp) -> Self {
        Self {
            moniker: moniker.into(),
            proxy_app,
            p2p_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            external_address: None,
            persistent_peers: Vec::new(),
            local_network: true,
            timing: CometTiming::local(),
            mempool_size: 10_000,
            // Less than a block holds beside evidence: whoever proposes sees all that waits, and orders it.
            mempool_bytes: 3 * 1024 * 1024,
            max_tx_bytes: 1024 * 1024,
            // Enough to see what a node did when; the rest of `info` is several lines a vote.
            log_level: "main:info,state:info,*:error".to_owned(),
        }
    }

    /// A node on a network of machines, with CometBFT's usual port.
    pub fn production(moniker: impl Into<String>, proxy_app: ProxyApp) -> Self {
        Self {
            p2p_listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 26656)),
            local_network: false,
            timing: CometTiming::production(),
            ..Self::local(moniker, proxy_app)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_an_id_a_host_and_a_port() {
        let text = "0102030405060708090a0b0c0d0e0f1011121314@node-1.example:26656";
        assert_eq!(text.parse::<CometPeer>().unwrap().to_string(), text);
        for wrong in [
            "",
            "abc@h:1",
            "0102030405060708090a0b0c0d0e0f1011121314@h",
            &format!("{text},x"),
            &text.replace('-', "\""),
        ] {
            assert!(wrong.parse::<CometPeer>().is_err(), "{wrong}");
        }
    }
}
