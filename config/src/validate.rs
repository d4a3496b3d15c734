//! What a key may be, in words; and the checks that its type alone does not make.

mod reach;

use crate::{
    ApiConfig, ConsensusConfig, Host, InferenceConfig, LedgerConfig, ModelsConfig, NodeConfig, Origin, P2pConfig,
    PublicConfig, ServingConfig, TrainingConfig,
};

/// What would be a valid value of `key`, for an error to say.
pub(crate) fn allowed(key: &str) -> &'static str {
    match key {
        "version" => "the version of this format",
        "node.name" => "write 1 to 64 letters, digits, hyphens, underscores or dots",
        "node.roles" => {
            "write a list of \"validator\", \"storage\" and \"serving\": at least one, and each at most once"
        }
        "api.listen" | "p2p.blob_bind" | "consensus.p2p_listen" => {
            "write an IP address and a port, such as \"127.0.0.1:26680\"; port 0 picks a free one"
        }
        "api.allowed_hosts" | "public.allowed_hosts" => {
            "write a list of host names or addresses without a port, such as [\"node.example\", \"2001:db8::7\"]"
        }
        "api.allowed_origins" | "public.allowed_origins" => {
            "write a list of origins, scheme://host or scheme://host:port without a path, such as [\"https://app.example\", \"app://obsidian.md\"]"
        }
        "api.payer" => "write the name of an account on this node (`datanet keys list`), or \"\" for none",
        "api.max_upload_bytes" | "api.max_body_bytes" => "write a number of bytes from 1024 to 1099511627776",
        "api.max_requests" | "p2p.max_connections" => "write a number from 1 to 65536",
        "p2p.listen" => {
            "write a list of at least one multiaddress with QUIC or TCP, such as [\"/ip4/127.0.0.1/udp/0/quic-v1\"]"
        }
        "p2p.announce" => {
            "write a list of hosts without a port that other machines can dial, such as [\"203.0.113.7\"] or [\"node.example\"]"
        }
        "p2p.bootstrap" => "write a list of multiaddresses that end in /p2p/PEER_ID",
        "consensus.engine" => "write \"cometbft\" or \"solo\"",
        "consensus.profile" => "write \"production\" or \"local\"",
        "consensus.external_address" => "write \"host:port\", or \"\" for the address listened on",
        "consensus.persistent_peers" => "write a list of \"id@host:port\", where id has 40 hex digits",
        "consensus.block_interval_ms" | "consensus.empty_block_interval_ms" => {
            "write milliseconds from 0 to 3600000; 0 takes the profile's own"
        }
        "ledger.keep_blocks" => "write 0 for all, or a number of blocks from 600000 on",
        "ledger.rehearse" => "write 0 for what this program knows, or the version of the rules that is rehearsed",
        "inference.device" => "write \"cpu\", or \"cuda:0\" for the first NVIDIA device",
        "inference.threads" => "write a number from 0 to 1024; 0 takes one per core, at most 2",
        "inference.max_batch_tokens" => "write 0 for what suits the device, or a number from 512 to 1048576",
        "inference.queue_depth" => "write a number from 1 to 65536",
        "inference.model_dir" => "write the path of a folder, or \"\" for the model that setup brings",
        "datanets.subscribe" => "write \"all\" or a list of datanet ids",
        "judging.automatic" | "judging.watch_epochs" => "write true or false",
        "serving.settle_every_seconds" => {
            "write a number of seconds; 0 settles only on request, and what is about to be lost"
        }
        "serving.text_price" | "serving.token_price" => {
            "write a number of base units; 0 takes no more than the ledger asks"
        }
        "serving.training_orders" => "write a number from 0 to 1024; 0 trains for nobody else",
        "serving.training_price" => "write a number of base units; 0 takes no more than the ledger asks",
        "serving.training_steps" => "write a number of steps from 1 to 1000000",
        "serving.training_hours" => "write a number of hours, from 1 to 168",
        "training.enabled" => "write true or false",
        "training.threads" => "write a number from 0 to 1024; 0 takes one per core, at most 2",
        "training.max_memory_mb" => "write a number of MiB from 256 to 16777216, or 0 for no bound",
        "training.max_queued" => "write a number from 1 to 4096",
        "training.keep_runs" => "write a number from 0 to 4096",
        "public.listen" => "write an address and a port, such as \"0.0.0.0:26690\", or \"\" for nowhere",
        "public.url" => {
            "write where others reach this face, such as \"https://node.example\", or \"\" for what they call it by"
        }
        "public.till" => "write the name of an account of this node, or \"\" for none",
        "public.trusted_proxies" => "write addresses, such as [\"127.0.0.1\"]",
        "public.max_body_bytes" => "write a number of bytes from 1024 to 67108864",
        "public.header_seconds" | "public.body_seconds" | "public.request_seconds" | "public.answer_seconds" => {
            "write a number of seconds from 1 to 3600"
        }
        "public.max_connections"
        | "public.max_connections_per_address"
        | "public.max_requests"
        | "public.max_streams"
        | "public.requests_per_minute"
        | "public.answers_per_minute" => "write a number from 1 to 65536",
        "public.deny_file" => "write the path of a file, or \"\" for the one in the node's home",
        "models.folder" => "write the path of a folder, or \"\" for the one in the node's home",
        "models.bank_slots" => "write a number from 2 to 1024",
        "models.max_batch_tokens" => "write 0 for what suits the device, or a number from 512 to 1048576",
        "models.queue_depth" => "write a number from 1 to 65536",
        "models.max_streams" => "write a number from 1 to 256",
        "judging.concurrency" => "write a number from 1 to 64",
        "health.min_free_mb" => "write a number of MiB from 0 to 16777216; 0 is no bound",
        "log.filter" => "write a level (error, warn, info, debug, trace) or a filter such as \"warn,datanet=debug\"",
        "log.format" => "write \"text\" or \"json\"",
        _ => "see the sample configuration for what it means",
    }
}

/// A key with a value that it cannot have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) key: String,
    pub(crate) value: String,
    /// Why, where [`allowed`] does not say it: what is wrong is how it goes with other keys.
    pub(crate) reason: Option<&'static str>,
}

/// The first key, in the file's order, whose value cannot be.
pub(crate) fn check(config: &NodeConfig) -> Result<(), Wrong> {
    let node = &config.node;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    require("node.name", &node.name, (1..=64).contains(&node.name.len()) && node.name.chars().all(plain))?;
    let mut roles = node.roles.clone();
    roles.sort();
    roles.dedup();
    require("node.roles", &format!("{:?}", node.roles), !roles.is_empty() && roles.len() == node.roles.len())?;
    check_api(&config.api)?;
    check_public(&config.public)?;
    check_p2p(&config.p2p)?;
    check_consensus(&config.consensus)?;
    reach::check(&config.p2p, &config.consensus)?;
    let keep = config.ledger.keep_blocks;
    require("ledger.keep_blocks", &keep, keep == 0 || keep >= LedgerConfig::LEAST_BLOCKS)?;
    check_inference(&config.inference)?;
    check_serving(&config.serving)?;
    check_training(&config.training)?;
    check_models(&config.models)?;
    let concurrency = config.judging.concurrency;
    require("judging.concurrency", &concurrency, (1..=64).contains(&concurrency))?;
    let free = config.health.min_free_mb;
    require("health.min_free_mb", &free, free <= 16_777_216)?;
    require("log.filter", &config.log.filter, !config.log.filter.trim().is_empty())
}

fn check_api(api: &ApiConfig) -> Result<(), Wrong> {
    let bytes = 1024..=1_099_511_627_776;
    each("api.allowed_hosts", &api.allowed_hosts, |host| host.parse::<Host>().is_ok())?;
    each("api.allowed_origins", &api.allowed_origins, |origin| origin.parse::<Origin>().is_ok())?;
    require("api.max_upload_bytes", &api.max_upload_bytes, bytes.contains(&api.max_upload_bytes))?;
    require("api.max_body_bytes", &api.max_body_bytes, bytes.contains(&api.max_body_bytes))?;
    require("api.max_requests", &api.max_requests, (1..=65_536).contains(&api.max_requests))
}

fn check_serving(serving: &ServingConfig) -> Result<(), Wrong> {
    let (orders, steps, hours) = (serving.training_orders, serving.training_steps, serving.training_hours);
    require("serving.training_orders", &orders, orders <= 1_024)?;
    require("serving.training_steps", &steps, (1..=1_000_000).contains(&steps))?;
    require("serving.training_hours", &hours, (1..=168).contains(&hours))
}

fn check_public(public: &PublicConfig) -> Result<(), Wrong> {
    let listen = &public.listen;
    require("public.listen", listen, listen.is_empty() || listen.parse::<std::net::SocketAddr>().is_ok())?;
    each("public.allowed_hosts", &public.allowed_hosts, |host| host.parse::<Host>().is_ok())?;
    each("public.allowed_origins", &public.allowed_origins, |origin| origin.parse::<Origin>().is_ok())?;
    require("public.url", &public.url, public.url.is_empty() || public.url.parse::<Origin>().is_ok())?;
    require("public.till", &public.till, public.till.is_empty() || is_account(&public.till))?;
    let counts = [
        ("public.max_connections", public.max_connections),
        ("public.max_connections_per_address", public.max_connections_per_address),
        ("public.max_requests", public.max_requests),
        ("public.max_streams", public.max_streams),
        ("public.requests_per_minute", public.requests_per_minute),
        ("public.answers_per_minute", public.answers_per_minute),
    ];
    for (key, count) in counts {
        require(key, &count, (1..=65_536).contains(&count))?;
    }
    let bytes = public.max_body_bytes;
    require("public.max_body_bytes", &bytes, (1024..=67_108_864).contains(&bytes))?;
    let times = [
        ("public.header_seconds", public.header_seconds),
        ("public.body_seconds", public.body_seconds),
        ("public.request_seconds", public.request_seconds),
        ("public.answer_seconds", public.answer_seconds),
    ];
    times.into_iter().try_for_each(|(key, seconds)| require(key, &seconds, (1..=3_600).contains(&seconds)))
}

/// Whether an account of a node can be called so: as the keyring names its files.
fn is_account(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.')
}

fn check_p2p(p2p: &P2pConfig) -> Result<(), Wrong> {
    let address = |text: &str| text.starts_with('/') && (text.contains("/quic-v1") || text.contains("/tcp/"));
    require("p2p.listen", &"[]", !p2p.listen.is_empty())?;
    each("p2p.listen", &p2p.listen, address)?;
    let host = |text: &str| is_host(text) || text.parse::<std::net::IpAddr>().is_ok();
    each("p2p.announce", &p2p.announce, host)?;
    each("p2p.bootstrap", &p2p.bootstrap, |text| address(text) && text.contains("/p2p/"))?;
    require("p2p.max_connections", &p2p.max_connections, (1..=65_536).contains(&p2p.max_connections))
}

fn check_consensus(consensus: &ConsensusConfig) -> Result<(), Wrong> {
    let external = &consensus.external_address;
    require("consensus.external_address", external, external.is_empty() || is_host_port(external))?;
    each("consensus.persistent_peers", &consensus.persistent_peers, |peer| {
        let hex = |id: &str| id.len() == 40 && id.chars().all(|c| c.is_ascii_hexdigit());
        peer.split_once('@').is_some_and(|(id, address)| hex(id) && is_host_port(address))
    })?;
    for (key, millis) in [
        ("consensus.block_interval_ms", consensus.block_interval_ms),
        ("consensus.empty_block_interval_ms", consensus.empty_block_interval_ms),
    ] {
        require(key, &millis, millis <= 3_600_000)?;
    }
    Ok(())
}

fn check_inference(inference: &InferenceConfig) -> Result<(), Wrong> {
    let known = inference.device == "cpu" || inference.cuda_device().is_some();
    require("inference.device", &inference.device, known)?;
    require("inference.threads", &inference.threads, inference.threads <= 1024)?;
    let tokens = inference.max_batch_tokens;
    // The longest text that the default model reads has 512 tokens, and it must fit into one batch.
    require("inference.max_batch_tokens", &tokens, tokens == 0 || (512..=1_048_576).contains(&tokens))?;
    require("inference.queue_depth", &inference.queue_depth, (1..=65_536).contains(&inference.queue_depth))
}

fn check_training(training: &TrainingConfig) -> Result<(), Wrong> {
    require("training.threads", &training.threads, training.threads <= 1024)?;
    let memory = training.max_memory_mb;
    require("training.max_memory_mb", &memory, memory == 0 || (256..=16_777_216).contains(&memory))?;
    require("training.max_queued", &training.max_queued, (1..=4096).contains(&training.max_queued))?;
    require("training.keep_runs", &training.keep_runs, training.keep_runs <= 4096)
}

fn check_models(models: &ModelsConfig) -> Result<(), Wrong> {
    // One slot is the base's own.
    require("models.bank_slots", &models.bank_slots, (2..=1024).contains(&models.bank_slots))?;
    let tokens = models.max_batch_tokens;
    require("models.max_batch_tokens", &tokens, tokens == 0 || (512..=1_048_576).contains(&tokens))?;
    require("models.queue_depth", &models.queue_depth, (1..=65_536).contains(&models.queue_depth))?;
    require("models.max_streams", &models.max_streams, (1..=256).contains(&models.max_streams))
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

/// A name or an address, an IPv6 one in brackets, and a port.
fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_fits = v6.map_or_else(|| is_host(host), |v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
    host_fits && port.parse::<u16>().is_ok()
}

fn require(key: &str, value: &impl ToString, fits: bool) -> Result<(), Wrong> {
    if fits { Ok(()) } else { Err(Wrong { key: key.to_owned(), value: value.to_string(), reason: None }) }
}

fn each(key: &str, values: &[String], fits: impl Fn(&str) -> bool) -> Result<(), Wrong> {
    values.iter().try_for_each(|value| require(key, value, fits(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_may_be() {
        for (key, _) in NodeConfig::keys() {
            assert!(allowed(&key).starts_with("write "), "{key}");
        }
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(check(&NodeConfig::default()), Ok(()));
    }

    #[test]
    fn who_may_call_is_a_host_or_an_origin() {
        let api = |hosts: &[&str], origins: &[&str]| {
            let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
            check_api(&ApiConfig {
                allowed_hosts: strings(hosts),
                allowed_origins: strings(origins),
                ..ApiConfig::default()
            })
        };
        let origins = ["https://app.example", "app://obsidian.md", "chrome-extension://abcdef", "http://[::1]:5173"];
        assert_eq!(api(&["node.example", "192.0.2.7", "2001:db8::7", "[2001:db8::7]"], &origins), Ok(()));
        for host in ["", "node.example:80", "[2001:db8::7]:80", "[node]", "http://node", "a b", "*"] {
            assert_eq!(api(&[host], &[]).unwrap_err().key, "api.allowed_hosts", "{host}");
        }
        for origin in ["", "app", "null", "*", "https://", "https://app.example/", "https://*.example", "file:///x"] {
            assert_eq!(api(&[], &[origin]).unwrap_err().key, "api.allowed_origins", "{origin}");
        }
    }

    #[test]
    fn hosts_and_ports_are_told_from_nonsense() {
        for right in ["node.example:1", "127.0.0.1:65535", "[::1]:26656"] {
            assert!(is_host_port(right), "{right}");
        }
        for wrong in ["", ":1", "node", "node:", "node:65536", "::1:5", "no de:1", "a,b:1"] {
            assert!(!is_host_port(wrong), "{wrong}");
        }
    }
}
