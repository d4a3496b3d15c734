//! Registers this node on the ledger as soon as its account can pay the stake: a new node needs no command for it.

use datanet_config::Role;
use datanet_ledger::component::{accounts, nodes};
use datanet_types::action::{RegisterNode, role};
use datanet_types::{Action, Address};

use super::Core;
use crate::error::ServiceResult;

/// Runs until the node is registered as configured, or stops.
pub async fn run(core: Core) -> anyhow::Result<()> {
    let mut commits = core.chain.commits();
    let mut told = false;
    loop {
        commits.mark_unchanged();
        match register(&core).await {
            Ok(Outcome::Registered) => break,
            Ok(Outcome::NotStarted) => {}
            Ok(Outcome::TooPoor { needed }) if !told => {
                let account = core.account()?;
                tracing::info!(%account, needed, "this node registers itself once its account holds this much");
                told = true;
            }
            Ok(Outcome::TooPoor { .. }) => {}
            Err(error) => tracing::warn!(%error, "could not register this node; it tries again after the next block"),
        }
        tokio::select! {
            () = core.shutdown.cancelled() => return Ok(()),
            changed = commits.changed() => if changed.is_err() { return Ok(()) },
        }
    }
    core.shutdown.cancelled().await;
    Ok(())
}

enum Outcome {
    NotStarted,
    TooPoor { needed: u64 },
    Registered,
}

/// What registering takes.
enum Need {
    /// Nothing.
    Nothing,
    /// More than the account has.
    Money(u64),
    /// A transaction with this stake.
    Stake(u64),
}

async fn register(core: &Core) -> ServiceResult<Outcome> {
    if core.chain.height() == 0 {
        return Ok(Outcome::NotStarted);
    }
    let key = core.account_key()?;
    let roles = core.config.node.roles.iter().fold(0, |bits, wanted| bits | bit(*wanted));
    let stake = match need(core, &key.address(), roles)? {
        Need::Nothing => return Ok(Outcome::Registered),
        Need::Money(needed) => return Ok(Outcome::TooPoor { needed }),
        Need::Stake(stake) => stake,
    };
    let node = core.node_key();
    let proof = core.node_secret.sign(&RegisterNode::sign_bytes(core.chain.id(), &key.address(), &node));
    let action = RegisterNode { node, proof, roles, stake, name: core.config.node.name.clone() };
    core.chain.execute(&key, Action::RegisterNode(action)).await?;
    tracing::info!(account = %key.address(), stake, "this node is registered");
    Ok(Outcome::Registered)
}

fn need(core: &Core, account: &Address, roles: u32) -> ServiceResult<Need> {
    let reader = core.chain.reader()?;
    let registered = nodes::of_account(&reader, account)?;
    if registered.as_ref().is_some_and(|node| node.node == core.node_key() && node.roles == roles) {
        return Ok(Need::Nothing);
    }
    let params = core.chain.params()?;
    let stake = if roles & role::VALIDATOR == 0 { 0 } else { params.min_stake };
    let stake = registered.as_ref().map_or(stake, |node| node.stake.max(stake));
    let missing = stake.saturating_sub(registered.as_ref().map_or(0, |node| node.stake));
    let needed = missing.saturating_add(params.min_fee);
    if accounts::balance(&reader, account)? < needed {
        return Ok(Need::Money(needed));
    }
    Ok(Need::Stake(stake))
}

fn bit(wanted: Role) -> u32 {
    match wanted {
        Role::Validator => role::VALIDATOR,
        Role::Storage => role::STORAGE,
        Role::Serving => role::SERVING,
    }
}
