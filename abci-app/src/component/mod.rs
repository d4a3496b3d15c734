//! The ledger's rules, one folder a subject: records and keys, and one file for each action.
//!
//! Everything here is a deterministic function of state, block and transaction: integers only, checked arithmetic,
//! ordered maps, no clock. An action first checks what needs no state ([`check_stateless`]), then checks the rest and
//! executes ([`execute`]); the caller runs it on an overlay and drops that when the action is refused. Reading functions take any
//! [`StateRead`](crate::state::StateRead): the daemon and the HTTP interface read through them too.
//!
//! - [`params`], [`genesis`], [`migrations`]: the chain's numbers, first state, and versions of its rules.
//! - [`treasury`]: the chain's authority, and what it spends. [`governance`]: votes.
//! - [`accounts`], [`admission`]: money; expiry, replay and fee. [`deposit`]: what state costs that is kept for ever.
//! - [`agenda`]: what is due, and when: committees, deadlines, stake on its way home, and what is forgotten.
//! - [`authority`]: whose signatures speak for an account.
//! - [`staking`], [`beacon`]: who orders blocks, what stands behind them, and the value that they move on together.
//! - [`nodes`]: who runs what, with what at stake, and how well they judge.
//! - [`datanets`], [`contributions`], [`validation`]: pools, what is given to them, and how it is judged.
//! - [`breaker`]: what stops one of them in which the ledger contradicts itself.
//! - [`models`], [`channels`], [`settlement`], [`audits`]: who owns a model; how answers are paid and earnings claimed, and what becomes of
//!   epochs that are false.
//! - [`shares`], [`pools`]: who owns what a datanet, a model or an agent earns, and where shares in it are traded.
//! - [`agents`], [`ratings`]: accounts in others' hands that buy and sell; what those who paid say of sellers.
#![deny(clippy::float_arithmetic)]
// Money and heights never overflow silently; tests may add up what they expect.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod accounts;
pub mod admission;
pub mod agenda;
pub mod agents;
pub mod audits;
pub mod authority;
pub mod beacon;
pub mod breaker;
pub mod channels;
mod consensus;
pub mod contributions;
pub mod datanets;
pub mod deposit;
pub mod derived;
mod error;
mod event;
pub mod genesis;
pub mod governance;
pub mod migrations;
pub mod models;
mod name;
pub mod nodes;
pub mod params;
pub mod pools;
pub mod ratings;
pub mod settlement;
pub mod shares;
pub mod staking;
#[cfg(test)]
mod tests;
pub mod treasury;
pub mod validation;

use datanet_types::tx::VerifiedTx;
use datanet_types::{Action, Digest};

pub use consensus::{ConsensusInfo, Misbehaviour, ValidatorUpdate, Vote};
pub use error::ActionError;
pub use event::Event;
pub use genesis::{Genesis, GenesisAccount};
pub use name::Component;
pub use params::Params;
pub use params::engine::EngineParams;

use crate::gas::{self, Gas};
use crate::state::{StateAttempt, StateError, StateWrite};
use breaker::try_always;

/// The block in which something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockContext {
    /// The chain.
    pub chain_id: String,
    /// The block's height.
    pub height: u64,
    /// Consensus time in seconds since 1970; it never goes back. Stake that was taken back is released by it.
    pub time_seconds: i64,
    /// App hash after the previous block: with its hash what moves the beacon on where nobody proves anything.
    pub app_hash: [u8; 32],
    /// Hash of the previous block: it covers the validators' votes for the block before, and their clocks.
    pub last_block_hash: [u8; 32],
    /// The beacon before this block: what committees are drawn from, before its transactions. Zeros for what is in no block yet.
    pub beacon: Digest,
    /// Where the block moves it ([`beacon::step`]).
    pub moved: beacon::Moved,
    /// What the engine says of its validators.
    pub consensus: ConsensusInfo,
    /// The rules that this program knows: up to [`migrations::LATEST`], unless it rehearses another, or is built around this code.
    pub knows: migrations::Rules,
}

impl BlockContext {
    /// Its time as it stands in keys: no chain is older than 1970.
    fn seconds(&self) -> u64 {
        u64::try_from(self.time_seconds).unwrap_or(0)
    }
}

/// The transaction in which something happens.
#[derive(Debug, Clone, Copy)]
pub struct TxContext<'a> {
    /// Its block.
    pub block: &'a BlockContext,
    /// The transaction.
    pub tx: &'a VerifiedTx,
}

/// How one kind of action is checked and done.
trait ActionHandler {
    /// Checks what needs no state.
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError>;

    /// What checking it takes beside the state: signatures, proofs and hashes in it, wherever they are verified. All of it follows
    /// from the action alone.
    fn work(&self) -> Gas {
        0
    }

    /// What is checked and spent before the transaction may wait for a block: all of it, where that takes a few look-ups; else
    /// what the signer spends and the first thing that must be there. It costs nothing that is refused here, so whoever
    /// asks must not be able to make it long.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        self.check_and_execute(state, ctx).map(drop)
    }

    /// Checks against state, then executes. After a refusal `state` may hold part of the changes: drop it.
    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError>;
}

/// Calls the same method on whichever action it is.
macro_rules! dispatch {
    ($action:expr, $inner:ident => $call:expr) => {
        match $action {
            Action::Transfer($inner) => $call,
            Action::RegisterNode($inner) => $call,
            Action::CreateDatanet($inner) => $call,
            Action::CloseDatanet($inner) => $call,
            Action::AttestStatement($inner) => $call,
            Action::RotateHoldout($inner) => $call,
            Action::Contribute($inner) => $call,
            Action::AttestStorage($inner) => $call,
            Action::CommitScores($inner) => $call,
            Action::RevealScores($inner) => $call,
            Action::RegisterModel($inner) => $call,
            Action::OpenChannel($inner) => $call,
            Action::CloseChannel($inner) => $call,
            Action::SettleEpoch($inner) => $call,
            Action::Claim($inner) => $call,
            Action::Revoke($inner) => $call,
            Action::ChallengeEpoch($inner) => $call,
            Action::ChallengeVerdict($inner) => $call,
            Action::CommitFinding($inner) => $call,
            Action::RevealFinding($inner) => $call,
            Action::ProveForgery($inner) => $call,
            Action::CreateValidator($inner) => $call,
            Action::Delegate($inner) => $call,
            Action::Undelegate($inner) => $call,
            Action::Redelegate($inner) => $call,
            Action::WithdrawRewards($inner) => $call,
            Action::Unjail($inner) => $call,
            Action::TopUpChannel($inner) => $call,
            Action::SetKeys($inner) => $call,
            Action::RecoverKeys($inner) => $call,
            Action::CancelRecovery($inner) => $call,
            Action::GrantKey($inner) => $call,
            Action::RevokeKey($inner) => $call,
            Action::SpendTreasury($inner) => $call,
            Action::CancelSpend($inner) => $call,
            Action::SetParams($inner) => $call,
            Action::CancelParams($inner) => $call,
            Action::ResetComponent($inner) => $call,
            Action::SubmitProposal($inner) => $call,
            Action::VoteProposal($inner) => $call,
            Action::RetireAuthority($inner) => $call,
            Action::IssueShares($inner) => $call,
            Action::TransferShares($inner) => $call,
            Action::WithdrawIncome($inner) => $call,
            Action::ClaimIncome($inner) => $call,
            Action::PayIncome($inner) => $call,
            Action::CreatePool($inner) => $call,
            Action::AddLiquidity($inner) => $call,
            Action::RemoveLiquidity($inner) => $call,
            Action::BuyShares($inner) => $call,
            Action::SellShares($inner) => $call,
            Action::RegisterAgent($inner) => $call,
            Action::UpdateAgent($inner) => $call,
            Action::RetireAgent($inner) => $call,
            Action::RateSeller($inner) => $call,
        }
    };
}

/// Writes the first state of a chain; returns the validators that it names.
///
/// # Errors
/// Refused with [`code::GENESIS`](crate::code::GENESIS) when the genesis contradicts itself ([`Genesis::validate`]), or
/// when the store cannot be read.
pub fn init_genesis<S: StateWrite>(
    state: &mut S,
    genesis: &Genesis,
    chain_id: &str,
) -> Result<Vec<ValidatorUpdate>, ActionError> {
    genesis::init(state, genesis, chain_id)
}

/// Checks everything about a transaction that needs no state.
///
/// # Errors
/// Refused with the action's own code when one of its fields is out of bounds or a signature in it does not match.
pub fn check_stateless(tx: &VerifiedTx) -> Result<(), ActionError> {
    dispatch!(&tx.action, action => action.check_stateless(tx))
}

/// The gas that a transaction takes before its action reads any state: for its bytes, for its signatures, and for what its action carries
/// to be verified.
pub fn intrinsic_gas(tx: &VerifiedTx) -> Gas {
    let signatures = gas::SIGNATURE.saturating_mul(tx.keys.len() as u64);
    let bytes = gas::TRANSACTION_BYTE.saturating_mul(tx.size);
    let work = dispatch!(&tx.action, action => action.work());
    gas::TRANSACTION.saturating_add(signatures).saturating_add(bytes).saturating_add(work)
}

/// What happens before the transactions of a block: committees are drawn, so that nothing in the block, whose proposer knows the
/// beacon, changes who may be; and what the engine says of its validators has its consequences.
///
/// # Errors
/// When the store cannot be read.
pub fn begin_block<S: StateAttempt>(state: &mut S, block: &BlockContext) -> Result<Vec<Event>, StateError> {
    let mut events = Vec::new();
    // First: a height has one version of the parameters, and of the rules.
    events.extend(governance::upgrade::begin_block(state, block)?);
    if let Some(params::versions::Change { before, after, event }) = params::versions::begin_block(state, block)? {
        migrations::run(state, block.knows, before.app_version, after.app_version)?;
        staking::params_changed(state, &before, &after)?;
        events.push(event);
    }
    let misnamed = beacon::misnamed(state, &block.consensus)?;
    staking::count_turn(state, block)?;
    beacon::keep(state, block);
    events.extend(agenda::before_transactions(state, block)?);
    admission::forget_expired(state, block.height)?;
    let params = params::get(state)?;
    let staking = |state: &mut S| staking::begin_block(state, block, &params, misnamed.as_ref());
    let of_validators = try_always(state, block, Component::Staking, &mut events, staking)?;
    events.extend(of_validators);
    Ok(events)
}

/// Checks expiry, replay, who signed, gas limit and fee; takes the price of all the gas that it may take and remembers the transaction. Keep
/// these changes even when the
/// action is refused afterwards: otherwise a failing transaction costs nothing and can be sent again and again.
///
/// # Errors
/// Refused with `EXPIRED`, `REPLAYED`, `UNAUTHORISED`, `GRANT_LIMITS`, `GAS_LIMIT`, `FEE` or `FUNDS` of [`crate::code`]: the first that applies. Or when the store
/// cannot be read, or holds no parameters.
pub fn charge_fee_and_record<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    admission::charge(state, ctx)
}

/// Gives back what a charged transaction has paid for gas that it did not take; `used` counts from [`intrinsic_gas`].
///
/// # Errors
/// When the store cannot be read or contradicts itself.
pub fn give_gas_back<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>, used: Gas) -> Result<(), StateError> {
    admission::give_back(state, ctx, used)
}

/// Checks the transaction's action against state and executes it. Drop the changes when it is refused.
///
/// # Errors
/// Refused with the action's own code when the state does not allow it, or [`code::FUNDS`](crate::code::FUNDS) when the
/// account has too little, or [`code::GRANT_LIMITS`](crate::code::GRANT_LIMITS) when the sub-key that signed has; [`code::TRIPPED`](crate::code::TRIPPED)
/// when its component stands still; [`ActionError::State`] when the store cannot be read, or the ledger contradicts itself: see [`breaker`].
pub fn execute<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
    breaker::check(state, ctx)?;
    authority::metered(state, ctx, |state| dispatch!(&ctx.tx.action, action => action.check_and_execute(state, ctx)))
}

/// What of the transaction's action is checked and spent before it may wait for a block; see [`execute`] for the rest.
///
/// # Errors
/// As [`execute`], for what is looked at.
pub fn admit<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    breaker::check(state, ctx)?;
    authority::metered(state, ctx, |state| dispatch!(&ctx.tx.action, action => action.admit(state, ctx)))
}

/// What a block leaves beside its transactions' outcomes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct BlockEnd {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// Validators whose power changes; the engine follows two blocks later.
    pub validator_updates: Vec<ValidatorUpdate>,
    /// The engine's parameters, where they change.
    pub engine: Option<EngineParams>,
}

/// What happens after the transactions of a block: its fees are divided, what is due is done, and the engine is told of its validators.
///
/// # Errors
/// When the store cannot be read. Where the ledger contradicts itself (a record is missing that another names, an escrow falls
/// short) the component whose work it was stands still from here on ([`breaker`]).
pub fn end_block<S: StateAttempt>(state: &mut S, block: &BlockContext) -> Result<BlockEnd, StateError> {
    let (params, mut events) = (params::get(state)?, Vec::new());
    let distribute = |state: &mut S| staking::distribute(state, block, &params);
    try_always(state, block, Component::Staking, &mut events, distribute)?;
    events.extend(agenda::after_transactions(state, block)?);
    let update = |state: &mut S| staking::update(state, &params);
    let validator_updates = try_always(state, block, Component::Staking, &mut events, update)?;
    staking::told(state, &validator_updates)?;
    Ok(BlockEnd { events, validator_updates, engine: params::engine::update(state, block)? })
}
