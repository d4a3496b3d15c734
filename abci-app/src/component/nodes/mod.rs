//! Nodes: whose they are, what they do, what they have at stake, and how well they judge.

pub mod action;
mod fines;
mod keepers;
pub mod state_key;
mod unbonding;

use datanet_types::action::role;
use datanet_types::amount::BPS;
use datanet_types::{Address, Amount, ModuleAddress, NodeKey};

use super::error::{ensure, refuse};
use super::{ActionError, BlockContext, Params, params};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

pub(super) use fines::fine;
pub use fines::fined;
pub use keepers::count as keepers;
pub(super) use keepers::require as require_keeper;
pub(super) use unbonding::release;
pub use unbonding::{Unbonding, unbonding, unbonding_account};

/// Most validators at a time: every contribution's draw reads them all.
pub const MAX_VALIDATORS: usize = 1_024;

/// A registered node.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Node {
    /// Its key.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// The account that speaks for it, stakes and is paid.
    #[prost(message, required, tag = "2")]
    pub account: Address,
    /// Sum of [`role`] bits.
    #[prost(uint32, tag = "3")]
    pub roles: u32,
    /// Base units locked.
    #[prost(uint64, tag = "4")]
    pub stake: Amount,
    /// A name for people.
    #[prost(string, tag = "5")]
    pub name: String,
    /// Height of the first registration.
    #[prost(uint64, tag = "6")]
    pub registered_height: u64,
    /// What it judged with before its last changes, oldest first, as far as committees are still drawn from that.
    #[prost(message, repeated, tag = "7")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Earlier>,
    /// Whether it counts among those that keep data: it had the role and the stake for it when it registered, or lost stake, last.
    #[prost(bool, tag = "8")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    keeps: bool,
}

/// A stake that a node judged with before a change.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
struct Earlier {
    /// Height of the change.
    #[prost(uint64, tag = "1")]
    until: u64,
    /// Base units; 0 if it did not judge.
    #[prost(uint64, tag = "2")]
    stake: Amount,
}

impl Node {
    /// What it judges with: its stake, where judging is among its roles.
    fn judging(&self) -> Amount {
        if self.has(role::VALIDATOR) { self.stake } else { 0 }
    }

    /// What it judged with at the end of the block at `height`, as far back as committees are drawn from.
    fn judging_at(&self, height: u64) -> Amount {
        self.earlier.iter().find(|earlier| earlier.until > height).map_or(self.judging(), |earlier| earlier.stake)
    }

    /// Remembers what it judged with before this block, and forgets what no committee is drawn from any more.
    fn remember(&mut self, former: Option<&Self>, block: &BlockContext, params: &Params) {
        let oldest = drawn_from(block, params);
        self.earlier = former.map(|former| former.earlier.clone()).unwrap_or_default();
        self.earlier.retain(|earlier| earlier.until > oldest);
        if self.earlier.last().is_none_or(|last| last.until < block.height) {
            let stake = former.map_or(0, Self::judging);
            self.earlier.push(Earlier { until: block.height, stake });
        }
    }

    /// Whether it counts among those that keep data.
    pub(super) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Whether the node has all roles in `roles`.
    pub fn has(&self, roles: u32) -> bool {
        self.roles & roles == roles
    }
}

/// How well an account judges. It belongs to the account, so that a new node key does not wash it off.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Reputation {
    /// Moving average of accuracy, in basis points.
    #[prost(uint32, tag = "1")]
    pub bps: u32,
    /// Verdicts it took part in.
    #[prost(uint64, tag = "2")]
    pub judged: u64,
    /// Times it was drawn and did not reveal.
    #[prost(uint64, tag = "3")]
    pub missed: u64,
}

impl Reputation {
    /// After one more draw: `r <- (1 - a) r + a x accuracy`, rounded down, within the floor and 10,000 (MECHANISMS,
    /// section 1). `accuracy` is in basis points, `None` if nothing was revealed.
    #[must_use]
    pub fn after(&self, accuracy: Option<u32>, params: &Params) -> Self {
        let alpha = u64::from(params.reputation_alpha_bps);
        let kept = BPS.saturating_sub(alpha).saturating_mul(u64::from(self.bps));
        let gained = alpha.saturating_mul(u64::from(accuracy.unwrap_or(0)));
        let mixed = kept.saturating_add(gained).checked_div(BPS).unwrap_or(0);
        let bps = u32::try_from(mixed.min(BPS)).unwrap_or(0).max(params.min_reputation_bps);
        let missed = u64::from(accuracy.is_none());
        let judged = u64::from(accuracy.is_some());
        Self { bps, judged: self.judged.saturating_add(judged), missed: self.missed.saturating_add(missed) }
    }
}

/// A node that may be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator {
    /// Its record.
    pub node: Node,
    /// Its account's reputation.
    pub reputation: Reputation,
}

/// A node by key.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, node: &NodeKey) -> Result<Option<Node>, StateError> {
    state.get(&state_key::node(node))
}

/// An account's node.
///
/// # Errors
/// When the store cannot be read.
pub fn of_account<S: StateRead>(state: &S, account: &Address) -> Result<Option<Node>, StateError> {
    match state.get::<NodeKey>(&state_key::by_account(account))? {
        Some(node) => get(state, &node),
        None => Ok(None),
    }
}

/// Up to `limit` nodes by key, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn list<S: StateRead>(state: &S, after: Option<&NodeKey>, limit: usize) -> Result<Vec<Node>, StateError> {
    let after = after.map(state_key::node);
    let entries = state.list(&state_key::nodes(), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, node)| node).collect())
}

/// An account's reputation; `None` before its first registration.
///
/// # Errors
/// When the store cannot be read.
pub fn reputation<S: StateRead>(state: &S, account: &Address) -> Result<Option<Reputation>, StateError> {
    state.get(&state_key::reputation(account))
}

/// The height whose stakes the committees of a block are drawn from: before what they judge was given. Whoever proposes the last
/// blocks before a draw knows what the beacon will be, and changes nothing about it with his stakes.
fn drawn_from(block: &BlockContext, params: &Params) -> u64 {
    block.height.saturating_sub(params.draw_delay).saturating_sub(1)
}

/// All nodes that judged at the end of the block at `height`, by key, with what they had at stake then; at most [`MAX_VALIDATORS`].
///
/// # Errors
/// When the store cannot be read.
pub fn validators<S: StateRead>(state: &S, height: u64) -> Result<Vec<Validator>, StateError> {
    let mut validators = Vec::new();
    for (_, key) in state.list::<NodeKey>(&state_key::validators(), None, MAX_VALIDATORS)? {
        let Some(mut node) = get(state, &key)? else { continue };
        node.stake = node.judging_at(height);
        if node.stake > 0 {
            let reputation = reputation(state, &node.account)?.unwrap_or_default();
            validators.push(Validator { node, reputation });
        }
    }
    Ok(validators)
}

/// Those who may be drawn for a committee in this block: who judged before what is judged was given. Where nobody did, the chain is
/// young, and whoever judges now may be drawn.
pub(super) fn drawable<S: StateRead>(
    state: &S,
    block: &BlockContext,
    params: &Params,
) -> Result<Vec<Validator>, StateError> {
    let found = validators(state, drawn_from(block, params))?;
    if found.is_empty() { validators(state, block.height) } else { Ok(found) }
}

/// Whether anybody judges.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn any_validator<S: StateRead>(state: &S) -> Result<bool, StateError> {
    Ok(!state.scan(&state_key::validators(), None, 1)?.is_empty())
}

/// The account that holds the stake of `account`'s node.
pub fn stake_account(account: &Address) -> ModuleAddress {
    ModuleAddress::of("stake", &[&account.0])
}

/// The node, which must be registered with `role` and speak through `signer`.
pub(super) fn require<S: StateRead>(
    state: &S,
    key: &NodeKey,
    signer: &Address,
    role: u32,
) -> Result<Node, ActionError> {
    let node = require_role(state, key, role)?;
    ensure(node.account == *signer, code::NODE_ACCOUNT, || {
        format!("node {key} belongs to account {}; sign with that account's key", node.account)
    })?;
    Ok(node)
}

/// The node, which must be registered with `role`.
pub(super) fn require_role<S: StateRead>(state: &S, key: &NodeKey, role: u32) -> Result<Node, ActionError> {
    let Some(node) = get(state, key)? else {
        return refuse(code::NODE_UNKNOWN, format!("node {key} is not registered; register it first"));
    };
    ensure(node.has(role), code::NODE_ROLE, || {
        format!("node {key} is not registered as {}; register it again with that role", role_name(role))
    })?;
    Ok(node)
}

/// The name of a role, for people.
pub fn role_name(role: u32) -> &'static str {
    match role {
        role::VALIDATOR => "a validator",
        role::STORAGE => "a storage node",
        role::SERVING => "a serving node",
        _ => "a node",
    }
}

/// A node that must be there.
pub(super) fn expect<S: StateRead>(state: &S, node: &NodeKey) -> Result<Node, StateError> {
    state.expect(state_key::node(node), "a node that is named and not there")
}

/// Stores a node with its indices.
pub(super) fn put<S: StateWrite>(state: &mut S, node: &Node) {
    state.put(state_key::node(&node.node), node);
    state.put(state_key::by_account(&node.account), &node.node);
    let validator = state_key::validator(&node.node);
    // Who judged until just now can still be drawn.
    if node.has(role::VALIDATOR) || node.earlier.iter().any(|earlier| earlier.stake > 0) {
        state.put(validator, &node.node);
    } else {
        state.delete(validator);
    }
}

/// Takes up to `amount` of a node's stake. What waits for its committee is drawn by what it was before, as with any other change of
/// a stake: else somebody who knows the beacon could choose by when a node is fined. Returns the node's account, and how much there was.
pub(super) fn slash<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    node: &NodeKey,
    amount: Amount,
) -> Result<(Address, Amount), StateError> {
    let (former, params) = (expect(state, node)?, params::get(state)?);
    let taken = amount.min(former.stake);
    let mut node = Node { stake: former.stake.saturating_sub(taken), ..former.clone() };
    node.remember(Some(&former), block, &params);
    keepers::recount(state, Some(&former), &mut node, &params)?;
    put(state, &node);
    Ok((former.account, taken))
}

/// One more draw of `account`, as [`Reputation::after`] has it; who has no reputation yet begins with the first one.
pub(super) fn judged<S: StateWrite>(
    state: &mut S,
    account: &Address,
    accuracy: Option<u32>,
    params: &Params,
) -> Result<(), StateError> {
    let start = Reputation { bps: params.initial_reputation_bps, judged: 0, missed: 0 };
    let before = reputation(state, account)?.unwrap_or(start);
    put_reputation(state, account, &before.after(accuracy, params));
    Ok(())
}

/// Stores an account's reputation.
pub(super) fn put_reputation<S: StateWrite>(state: &mut S, account: &Address, reputation: &Reputation) {
    state.put(state_key::reputation(account), reputation);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reputation_stays_within_its_bounds(
            start in 1u32..=10_000,
            alpha in 0u32..=10_000,
            steps in prop::collection::vec(prop::option::of(0u32..=10_000), 0..60),
        ) {
            let params = Params { reputation_alpha_bps: alpha, ..Params::default() };
            let mut reputation = Reputation { bps: start.max(params.min_reputation_bps), judged: 0, missed: 0 };
            for step in &steps {
                let before = reputation.bps;
                reputation = reputation.after(*step, &params);
                prop_assert!((params.min_reputation_bps..=10_000).contains(&reputation.bps));
                if step.is_none() {
                    prop_assert!(reputation.bps <= before.max(params.min_reputation_bps));
                }
            }
            prop_assert_eq!(reputation.judged + reputation.missed, steps.len() as u64);
        }
    }

    #[test]
    fn reputation_follows_accuracy_in_both_directions() {
        let params = Params::default();
        let start = Reputation { bps: 5_000, judged: 0, missed: 0 };
        assert_eq!(start.after(Some(10_000), &params).bps, 5_500);
        assert_eq!(start.after(Some(0), &params).bps, 4_500);
        assert_eq!(start.after(None, &params), Reputation { bps: 4_500, judged: 0, missed: 1 });
    }
}
