//! How many files a node may have open. With too few, stores and sockets fail one by one, far from the cause.

use anyhow::{Context, Result};
use datanet_config::NodeConfig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What the stores, indexes, sockets and libraries of a node at rest take, with room for as much again.
const BASE: u64 = 256;
/// Room that is taken where the system gives it: indexes and models open more as there are more of them.
const ROOMY: u64 = 8_192;

/// Makes sure of room for what this configuration needs: raises the soft limit as far as the hard one allows.
///
/// # Errors
/// When the hard limit is too low: its name, its value, what is needed and how to raise it.
pub fn ensure(config: &NodeConfig) -> Result<()> {
    let needed = needed(config);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    anyhow::ensure!(hard >= needed, "{}", too_low(hard, needed));
    let wanted = needed.max(ROOMY).min(hard);
    if soft < wanted {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).context("cannot raise the limit of open files")?;
    }
    Ok(())
}

fn needed(config: &NodeConfig) -> u64 {
    let strangers = if config.public.address().is_some() { config.public.max_connections } else { 0 };
    BASE + u64::from(config.api.max_requests) + u64::from(config.p2p.max_connections) + u64::from(strangers)
}

fn too_low(hard: u64, needed: u64) -> String {
    format!(
        "the system lets this process open {hard} files (the hard limit RLIMIT_NOFILE), and this node needs {needed}: \
         raise it with `ulimit -Hn {needed}` as root, LimitNOFILE={needed} in a systemd unit or --ulimit nofile={needed} \
         for a container, or lower api.max_requests, p2p.max_connections and public.max_connections"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_follows_from_the_configuration() {
        let mut config = NodeConfig::default();
        let usual = needed(&config);
        assert!((400..1_024).contains(&usual), "the usual soft limit of 1024 is enough: {usual}");
        config.api.max_requests += 1_000;
        assert_eq!(needed(&config), usual + 1_000);
        config.public.listen = "127.0.0.1:0".to_owned();
        assert_eq!(needed(&config), usual + 1_000 + u64::from(config.public.max_connections));
    }

    #[test]
    fn a_limit_that_is_too_low_is_told_with_its_name_both_numbers_and_the_way_out() {
        let told = too_low(64, 640);
        for part in ["RLIMIT_NOFILE", "open 64 files", "needs 640", "ulimit -Hn 640", "LimitNOFILE=640"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn where_there_is_room_the_soft_limit_is_raised() {
        ensure(&NodeConfig::default()).unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft.min(ROOMY), hard.min(ROOMY));
    }
}
