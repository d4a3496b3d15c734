//! Registers this node on the ledger as soon as its account can pay the stake: a new node needs no command for it.

use datanet_config::{NodeSection, Role};
use datanet_ledger::component::{accounts, nodes};
use datanet_types::action::{RegisterNode, role};
use datanet_types::{Action, Address};
use tokio_util::sync::CancellationToken;

use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::keyring::Identity;

/// Gas and bytes that registering may take, with room for a long name.
const REGISTERING_GAS: u64 = 1_000_000;
const REGISTERING_BYTES: u64 = 600;

/// Registers a node; see the module.
pub struct Registrar {
    /// The ledger.
    pub chain: Chain,
    /// Who registers.
    pub identity: Identity,
    /// As what.
    pub node: NodeSection,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

impl Registrar {
    /// Runs until the node is registered as configured, or stops.
    ///
    /// # Errors
    /// When the node's account has no key here. What the ledger refuses is told, and tried again after the next block.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut commits = self.chain.commits();
        let mut told = false;
        loop {
            commits.mark_unchanged();
            match self.register().await {
                Ok(Registration::Registered) => break,
                Ok(Registration::NotStarted) => {}
                Ok(Registration::TooPoor { needed }) if !told => {
                    let account = self.identity.account()?;
                    tracing::info!(%account, needed, "this node registers itself once its account holds this much");
                    told = true;
                }
                Ok(Registration::TooPoor { .. }) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not register this node; it tries again after the next block")
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Ok(()),
                changed = commits.changed() => if changed.is_err() { return Ok(()) },
            }
        }
        self.shutdown.cancelled().await;
        Ok(())
    }

    async fn register(&self) -> ServiceResult<Registration> {
        if self.chain.height() == 0 {
            return Ok(Registration::NotStarted);
        }
        let key = self.identity.account_key()?;
        let roles = self.node.roles.iter().fold(0, |bits, wanted| bits | bit(*wanted));
        let stake = match self.need(&key.address(), roles)? {
            Need::Nothing => return Ok(Registration::Registered),
            Need::Money(needed) => return Ok(Registration::TooPoor { needed }),
            Need::Stake(stake) => stake,
        };
        let node = self.identity.node_key();
        let proof = self.identity.secret().sign(&RegisterNode::sign_bytes(self.chain.id(), &key.address(), &node));
        let action = RegisterNode { node, proof, roles, stake, name: self.node.name.clone() };
        self.chain.execute(&key, Action::RegisterNode(action)).await?;
        tracing::info!(account = %key.address(), stake, "this node is registered");
        Ok(Registration::Registered)
    }

    fn need(&self, account: &Address, roles: u32) -> ServiceResult<Need> {
        let reader = self.chain.reader()?;
        let registered = nodes::of_account(&reader, account)?;
        if registered.as_ref().is_some_and(|node| node.node == self.identity.node_key() && node.roles == roles) {
            return Ok(Need::Nothing);
        }
        let params = self.chain.params()?;
        let least = |of, least| if roles & of == 0 { 0 } else { least };
        // One stake is for both.
        let stake = least(role::VALIDATOR, params.min_stake).max(least(role::STORAGE, params.min_storage_stake));
        let stake = registered.as_ref().map_or(stake, |node| node.stake.max(stake));
        let missing = stake.saturating_sub(registered.as_ref().map_or(0, |node| node.stake));
        let needed = missing.saturating_add(params.fee_of(REGISTERING_GAS, REGISTERING_BYTES));
        if accounts::balance(&reader, account)? < needed {
            return Ok(Need::Money(needed));
        }
        Ok(Need::Stake(stake))
    }
}

enum Registration {
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

fn bit(wanted: Role) -> u32 {
    match wanted {
        Role::Validator => role::VALIDATOR,
        Role::Storage => role::STORAGE,
        Role::Serving => role::SERVING,
    }
}
