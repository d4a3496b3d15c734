//! Tying a node to an account.

use datanet_types::action::{RegisterNode, role};
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Address, Amount};

use crate::code;
use crate::component::error::ensure;
use crate::component::nodes::{self, MAX_VALIDATORS, Node, Reputation, keepers, stake_account, state_key, unbonding};
use crate::component::settlement::bond;
use crate::component::{ActionError, ActionHandler, Event, Params, TxContext, accounts, params};
use crate::gas::{self, Gas};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for RegisterNode {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure((1..=64).contains(&self.name.len()), code::NODE_INVALID, || {
            format!("a node's name is 1 to 64 bytes long, not {}", self.name.len())
        })?;
        ensure(self.roles != 0 && self.roles & !role::ALL == 0, code::NODE_INVALID, || {
            format!("roles is {}; it is a sum of 1 (validator), 2 (storage) and 4 (serving)", self.roles)
        })?;
        let signed = Self::sign_bytes(&tx.body.chain_id, &tx.signer, &self.node);
        let proven = self.node.verify(&signed, &self.proof).is_ok();
        ensure(proven, code::NODE_PROOF, || {
            format!(
                "the proof is not node {}'s signature for account {}; make it with the node's key",
                self.node, tx.signer
            )
        })
    }

    fn work(&self) -> Gas {
        gas::SIGNATURE
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, account) = (params::get(state)?, ctx.tx.signer);
        let former = check_owner(state, self, &account)?;
        check_validator(state, self, former.as_ref(), &params)?;
        check_bond(state, self)?;
        let mut node = record(self, account, former.as_ref().map_or(ctx.block.height, |node| node.registered_height));
        keepers::check(&node, &params)?;
        begin_anew(state, self, former.as_ref(), &account, &params)?;
        move_stake(state, ctx, &params, former.as_ref().map_or(0, |node| node.stake), self.stake)?;
        node.remember(former.as_ref(), ctx.block, &params);
        keepers::recount(state, former.as_ref(), &mut node, &params)?;
        nodes::put(state, &node);
        let event = Event::new("node.registered").with("node", node.node).with("account", account);
        Ok(vec![event.with("roles", node.roles).with("stake", node.stake).with("name", &node.name)])
    }
}

fn record(action: &RegisterNode, account: Address, registered_height: u64) -> Node {
    Node {
        node: action.node,
        account,
        roles: action.roles,
        stake: action.stake,
        name: action.name.clone(),
        registered_height,
        ..Node::default()
    }
}

/// One account has one node, and one node one account. Returns the record that is replaced.
fn check_owner<S: StateRead>(state: &S, action: &RegisterNode, account: &Address) -> Result<Option<Node>, ActionError> {
    let former = nodes::get(state, &action.node)?;
    if let Some(former) = &former {
        ensure(former.account == *account, code::NODE_TAKEN, || {
            format!("node {} belongs to account {}; use a node key of your own", former.node, former.account)
        })?;
    } else if let Some(other) = nodes::of_account(state, account)? {
        ensure(false, code::NODE_TAKEN, || {
            format!("account {account} has node {} already; register this one from another account", other.node)
        })?;
    }
    Ok(former)
}

fn check_validator<S: StateRead>(
    state: &S,
    action: &RegisterNode,
    former: Option<&Node>,
    params: &Params,
) -> Result<(), ActionError> {
    if action.roles & role::VALIDATOR == 0 {
        return Ok(());
    }
    ensure(action.stake >= params.min_stake, code::NODE_STAKE, || {
        format!("stake is {}, a validator needs at least {}", display(action.stake), display(params.min_stake))
    })?;
    if former.is_some_and(|node| node.has(role::VALIDATOR)) {
        return Ok(());
    }
    let there = state.scan(&state_key::validators(), None, MAX_VALIDATORS)?.len();
    ensure(there < MAX_VALIDATORS, code::NODE_LIMIT, || {
        format!("there are {MAX_VALIDATORS} validators, the most there can be; register without that role")
    })
}

/// What answers for epochs that are not final stays.
fn check_bond<S: StateRead>(state: &S, action: &RegisterNode) -> Result<(), ActionError> {
    let locked = bond::locked(state, &action.node)?;
    ensure(action.stake >= locked, code::NODE_STAKE, || {
        format!(
            "stake is {}, and {} of it answers for epochs of this node that are not final; leave that, and take it back later",
            display(action.stake),
            display(locked)
        )
    })
}

/// A validator's first reputation; and that of one who has been away with nothing at stake, if it had become worse: what a
/// fresh account would have, for what a fresh account costs.
fn begin_anew<S: StateWrite>(
    state: &mut S,
    action: &RegisterNode,
    former: Option<&Node>,
    account: &Address,
    params: &Params,
) -> Result<(), ActionError> {
    let before = nodes::reputation(state, account)?;
    let away = former.is_none_or(|node| node.stake == 0) && nodes::unbonding(state, account)? == 0;
    let anew = action.roles & role::VALIDATOR != 0 && away;
    let start = Reputation { bps: params.initial_reputation_bps, ..before.unwrap_or_default() };
    if before.is_none_or(|before| anew && before.bps < start.bps) {
        nodes::put_reputation(state, account, &start);
    }
    Ok(())
}

/// More stake is locked at once; what is taken back is on its way for the unbonding time.
fn move_stake<S: StateWrite>(
    state: &mut S,
    ctx: &TxContext<'_>,
    params: &Params,
    from: Amount,
    to: Amount,
) -> Result<(), ActionError> {
    let account = &ctx.tx.signer;
    match from.checked_sub(to) {
        Some(back) if back > 0 => Ok(unbonding::begin(state, ctx.block, params, account, back)?),
        _ => accounts::transfer(state, account, stake_account(account), to.saturating_sub(from)),
    }
}
