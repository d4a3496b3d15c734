//! `config.toml`, from a template of our own. Keys that are not in it keep the defaults of the pinned release.

use std::net::SocketAddr;
use std::time::Duration;

use super::CometSettings;

/// The file's text: `rpc` is the name of the RPC's socket in the folder in which CometBFT runs, `p2p` where peers connect at this
/// start.
pub(super) fn render(settings: &CometSettings, rpc: &str, p2p: SocketAddr) -> String {
    let CometSettings { timing, local_network, .. } = settings;
    let listed = |peers: Vec<String>| quoted(&peers.join(","));
    let peers = listed(settings.persistent_peers.iter().map(ToString::to_string).collect());
    let peer_ids = listed(settings.persistent_peers.iter().map(|peer| peer.id.to_string()).collect());
    format!(
        r#"# Written by datanet at every start. Edit datanet's own configuration instead.
proxy_app = {proxy_app}
moniker = {moniker}
abci = "socket"
db_backend = "goleveldb"
log_level = {log_level}
log_format = "plain"

[rpc]
# Only this node's daemon talks to it; its HTTP API is the one for everybody else. A socket, so that no page in a browser
# gets there; by its name alone, because CometBFT tells this address to all its peers.
laddr = {rpc}
cors_allowed_origins = []
grpc_laddr = ""
unsafe = false
pprof_laddr = ""
max_open_connections = 64
# Room for the largest transaction in base64.
max_body_bytes = {max_body_bytes}

[p2p]
laddr = "tcp://{p2p}"
external_address = {external_address}
persistent_peers = {peers}
# A peer that comes back is dialled within seconds, however long it was away.
persistent_peers_max_dial_period = "5s"
# They get in even where strangers take up all other places.
unconditional_peer_ids = {peer_ids}
# The book of addresses takes private ones where all nodes are on one network.
addr_book_strict = {addr_book_strict}
# Nodes behind one router share an address. Refusing that would keep out no stranger who has many addresses.
allow_duplicate_ip = true
max_num_inbound_peers = 100
max_num_outbound_peers = 20
# Small packets are grouped for at most this long: with the default of 100 ms a vote waits for it.
flush_throttle_timeout = "10ms"
send_rate = 20480000
recv_rate = 20480000
pex = true

[mempool]
type = "flood"
# The state a transaction was checked against has moved on after each block.
recheck = true
broadcast = true
size = {mempool_size}
max_txs_bytes = {mempool_bytes}
max_tx_bytes = {max_tx_bytes}
cache_size = {cache_size}

[statesync]
enable = false

[blocksync]
version = "v0"

[consensus]
timeout_propose = "{propose}"
timeout_propose_delta = "{propose_delta}"
timeout_prevote = "{vote}"
timeout_prevote_delta = "{vote_delta}"
timeout_precommit = "{vote}"
timeout_precommit_delta = "{vote_delta}"
timeout_commit = "{commit}"
skip_timeout_commit = false
create_empty_blocks = {create_empty_blocks}
# Deadlines are heights: an idle chain must still move.
create_empty_blocks_interval = "{empty_blocks_interval}"
peer_gossip_sleep_duration = "{gossip_sleep}"

[storage]
discard_abci_responses = false

[tx_index]
# The ledger keeps its own index; a second one costs a write a transaction.
indexer = "null"

[instrumentation]
prometheus = false
"#,
        rpc = quoted(&format!("unix://{rpc}")),
        proxy_app = quoted(&settings.proxy_app.to_string()),
        moniker = quoted(&settings.moniker),
        log_level = quoted(&settings.log_level),
        max_body_bytes = settings.max_tx_bytes.saturating_mul(4) / 3 + 64 * 1024,
        external_address = quoted(settings.external_address.as_deref().unwrap_or_default()),
        addr_book_strict = !local_network,
        mempool_size = settings.mempool_size,
        mempool_bytes = settings.mempool_bytes,
        max_tx_bytes = settings.max_tx_bytes,
        cache_size = settings.mempool_size.saturating_mul(2),
        propose = millis(timing.propose.0),
        propose_delta = millis(timing.propose.1),
        vote = millis(timing.vote.0),
        vote_delta = millis(timing.vote.1),
        commit = millis(timing.commit),
        create_empty_blocks = timing.create_empty_blocks,
        empty_blocks_interval = millis(timing.empty_blocks_interval),
        gossip_sleep = millis(timing.gossip_sleep),
    )
}

/// A string as TOML writes it, with whatever needs escaping escaped.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
mod tests {
    use super::super::ProxyApp;
    use super::*;

    fn parsed(settings: &CometSettings) -> toml::Table {
        render(settings, "rpc.sock", settings.p2p_listen).parse().unwrap()
    }

    #[test]
    fn the_file_is_toml_whatever_the_names_hold() {
        let mut settings =
            CometSettings::local("a \"name\"\nunsafe = true", ProxyApp::Unix("/run/a b/abci.sock".into()));
        settings.external_address = Some("host:1".into());
        let table = parsed(&settings);
        assert_eq!(table["moniker"].as_str(), Some("a \"name\"\nunsafe = true"));
        assert_eq!(table["proxy_app"].as_str(), Some("unix:///run/a b/abci.sock"));
        assert_eq!(table["rpc"]["laddr"].as_str(), Some("unix://rpc.sock"));
        assert_eq!(table["rpc"]["unsafe"].as_bool(), Some(false));
    }

    #[test]
    fn nothing_but_the_peers_is_listened_for_over_tcp() {
        for settings in
            [CometSettings::local("n", ProxyApp::Kvstore), CometSettings::production("n", ProxyApp::Kvstore)]
        {
            let table = parsed(&settings);
            assert!(table["p2p"]["laddr"].as_str().unwrap().starts_with("tcp://"));
            assert!(table["rpc"]["laddr"].as_str().unwrap().starts_with("unix://"));
            assert_eq!(table["rpc"]["grpc_laddr"].as_str(), Some(""));
            assert_eq!(table["rpc"]["pprof_laddr"].as_str(), Some(""));
            assert_eq!(table["instrumentation"]["prometheus"].as_bool(), Some(false));
        }
    }

    #[test]
    fn the_profiles_differ_in_pace_and_in_trust_of_addresses() {
        let local = parsed(&CometSettings::local("n", ProxyApp::Kvstore));
        let production = parsed(&CometSettings::production("n", ProxyApp::Kvstore));
        assert_eq!(local["consensus"]["timeout_commit"].as_str(), Some("200ms"));
        assert_eq!(production["consensus"]["timeout_commit"].as_str(), Some("1000ms"));
        assert_eq!(local["p2p"]["addr_book_strict"].as_bool(), Some(false));
        assert_eq!(production["p2p"]["addr_book_strict"].as_bool(), Some(true));
    }

    #[test]
    fn nodes_may_share_an_address_and_named_peers_have_places_of_their_own() {
        let mut settings = CometSettings::production("n", ProxyApp::Kvstore);
        let id = "0102030405060708090a0b0c0d0e0f1011121314";
        settings.persistent_peers = vec![format!("{id}@10.0.0.1:26656").parse().unwrap()];
        let table = parsed(&settings);
        assert_eq!(table["p2p"]["allow_duplicate_ip"].as_bool(), Some(true));
        assert_eq!(table["p2p"]["unconditional_peer_ids"].as_str(), Some(id));
        assert_eq!(
            table["p2p"]["persistent_peers"].as_str(),
            Some("0102030405060708090a0b0c0d0e0f1011121314@10.0.0.1:26656")
        );
    }
}
