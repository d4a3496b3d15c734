//! Settlement: one transaction charges the channels of a serving node for all its answers and puts up a root; whoever
//! earned proves leaves and is paid. The cost on the ledger does not grow with answers or earners.
//!
//! Each epoch pays for itself: it has an [`escrow`] and a sum tree of its own, so that nothing a node settles later, and
//! nothing it promises to others, touches what was earned before.
//!
//! An epoch is `Open -> Final`, and paid then: at its time, and not before others keep its statement ([`keeping`]). While it is open it may be
//! challenged ([`super::audits`]): `Audited`, and `Open` again or `Void`. `Void` it is too where too few keep its statement in time. The node's stake answers for all fees of its epochs that are not final ([`bond`]). Once everything of an epoch is paid, and
//! people had time to look, it is forgotten: its number is not given again.

pub mod action;
pub mod bond;
mod closing;
pub mod escrow;
mod forgetting;
pub mod keeping;
pub mod state_key;

use datanet_types::epoch::{EpochTotals, FeeShares};
use datanet_types::sum_tree::SumNode;
use datanet_types::{Address, Amount, BlobHash, ChannelId, Digest, NodeKey};

pub use closing::open;
pub(super) use closing::{Place, finalise, forfeit, hold, let_go, void};
pub(super) use forgetting::forget;
pub use keeping::{StatementKeeper, keepers};

use crate::state::{StateError, StateRead, StateWrite};

/// Most vouchers in one transaction: each costs a signature check.
pub const MAX_VOUCHERS: usize = 256;
/// Most epochs that one claim is paid from: each costs a proof.
pub const MAX_ITEMS: usize = 64;

/// Where an epoch stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Status {
    /// It can be challenged.
    Open = 0,
    /// It is challenged: a committee is at it.
    Audited = 1,
    /// It is paid.
    Final = 2,
    /// It was false, or could not be shown: who paid has the money back.
    Void = 3,
}

datanet_types::enum_text!(status_text, super::Status);

/// What a channel paid for an epoch.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Payment {
    /// Who paid.
    #[prost(message, required, tag = "1")]
    pub payer: Address,
    /// Base units.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
    /// From which channel.
    #[prost(message, required, tag = "3")]
    pub channel: ChannelId,
    /// What is charged of the channel in all: the epoch's receipts lie between that less `amount`, and that.
    #[prost(uint64, tag = "4")]
    pub cumulative: Amount,
}

impl Payment {
    /// Where its stretch of the channel's money begins; it ends at `cumulative`.
    pub fn start(&self) -> Amount {
        self.cumulative.saturating_sub(self.amount)
    }
}

/// What all channels paid for an epoch: kept until it is final.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Payments {
    #[prost(message, repeated, tag = "1")]
    all: Vec<Payment>,
    /// The epoch's number.
    #[prost(uint64, tag = "2")]
    epoch: u64,
}

/// One settled epoch of a serving node.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// The node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its number, from 1.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Root over what accounts earned in it.
    #[prost(message, required, tag = "3")]
    pub root: Digest,
    /// Index of the pages with the leaves and why they are what they are.
    #[prost(message, required, tag = "4")]
    pub statement: BlobHash,
    /// Where the epoch's money went.
    #[prost(message, required, tag = "5")]
    pub totals: EpochTotals,
    /// When.
    #[prost(uint64, tag = "6")]
    pub height: u64,
    /// Leaves under the root.
    #[prost(uint64, tag = "7")]
    pub accounts: u64,
    /// The shares that its fees were divided by.
    #[prost(message, required, tag = "8")]
    pub shares: FeeShares,
    /// Root over the receipts of its answers.
    #[prost(message, required, tag = "9")]
    pub receipts: Digest,
    /// Block time from which it is final, in seconds since 1970, if nobody challenges it and enough keep its statement; from which it was void,
    /// if it is.
    #[prost(uint64, tag = "10")]
    pub final_at: u64,
    /// Where it stands.
    #[prost(enumeration = "Status", tag = "11")]
    #[serde(with = "status_text")]
    pub status: i32,
    /// How often it was challenged.
    #[prost(uint32, tag = "12")]
    pub challenges: u32,
    /// The version of the parameters that its answers were given under. It is challenged, and answered for, by that at its height.
    #[prost(uint64, tag = "13")]
    pub params: u64,
    /// Block time from which on it is forgotten once everything of it is paid, in seconds since 1970; 0 as long as it is neither final nor
    /// void.
    #[prost(uint64, tag = "14")]
    pub lapses_at: u64,
    /// Words of storage nodes that keep its statement which it takes: as many as the parameters wanted when it was settled, or as there were of other
    /// accounts. 0 where there were none.
    #[prost(uint32, tag = "15")]
    pub quorum: u32,
    /// Such words so far.
    #[prost(uint32, tag = "16")]
    pub attestations: u32,
    /// Block time up to which they are heard, in seconds since 1970; 0 where it takes none.
    #[prost(uint64, tag = "17")]
    pub attest_by: u64,
    /// Whether it is void because too few kept its statement in time.
    #[prost(bool, tag = "18")]
    pub unkept: bool,
    /// The epoch whose debts its statement begins with; absent if it begins with none.
    #[prost(message, optional, tag = "19")]
    pub carries: Option<Carried>,
}

/// An epoch whose debts another begins with ([`datanet_types::netting`]): the node's newest that was not void when that was settled. Its
/// statement is named, so that nobody needs the epoch, which may be forgotten, to check it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Carried {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// Its statement.
    #[prost(message, required, tag = "2")]
    pub statement: BlobHash,
}

impl Epoch {
    /// Whether as many keep its statement as it takes.
    pub fn is_kept(&self) -> bool {
        self.attestations >= self.quorum
    }

    /// Block time at which it ends where nobody challenges it: final, or void as long as too few keep its statement.
    fn due(&self) -> u64 {
        if self.is_kept() { self.final_at } else { self.attest_by.max(self.final_at) }
    }

    /// The root of the sum tree over its receipts.
    pub fn receipts_tree(&self) -> SumNode {
        SumNode { digest: self.receipts, sum: self.totals.fees }
    }

    /// The root of its sum tree.
    pub fn tree(&self) -> SumNode {
        SumNode { digest: self.root, sum: self.totals.claimable() }
    }
}

/// A serving node's settlement so far.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Settlement {
    /// The latest epoch.
    #[prost(message, required, tag = "1")]
    pub latest: Epoch,
    /// Answers over all epochs.
    #[prost(uint64, tag = "2")]
    pub answers: u64,
    /// Base units charged over all epochs.
    #[prost(uint64, tag = "3")]
    pub fees: Amount,
    /// Base units that all final epochs owe to those who earned.
    #[prost(uint64, tag = "4")]
    pub escrowed: Amount,
    /// Base units claimed from them.
    #[prost(uint64, tag = "5")]
    pub claimed: Amount,
    /// Where the latest epoch is void, the newest before it that is not, of those that it and they began with; absent otherwise.
    #[prost(message, optional, tag = "6")]
    pub before: Option<Carried>,
}

impl Settlement {
    /// Whose debts the next epoch begins with: those of the latest, or where that is void, those that it began with itself. Where the one that it
    /// began with is void by now, too, the same is so of that one: what was found false is nothing to go on with.
    pub fn carried(&self) -> Option<Carried> {
        match self.latest.status() {
            Status::Void => self.before,
            Status::Open | Status::Audited | Status::Final => {
                Some(Carried { epoch: self.latest.epoch, statement: self.latest.statement })
            }
        }
    }
}

/// A serving node's settlement so far; `None` before its first epoch.
///
/// # Errors
/// When the store cannot be read.
pub fn get<S: StateRead>(state: &S, node: &NodeKey) -> Result<Option<Settlement>, StateError> {
    state.get(&state_key::settlement(node))
}

/// One epoch of a node, unless it is forgotten ([`is_forgotten`]).
///
/// # Errors
/// When the store cannot be read.
pub fn epoch<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Option<Epoch>, StateError> {
    state.get(&state_key::epoch(node, number))
}

/// Whether there was such an epoch and everything of it was paid, so that no record of it is kept any more.
///
/// # Errors
/// When the store cannot be read.
pub fn is_forgotten<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<bool, StateError> {
    let latest = get(state, node)?.map_or(0, |settlement| settlement.latest.epoch);
    Ok((1..=latest).contains(&number) && epoch(state, node, number)?.is_none())
}

/// Whether an epoch of the node up to this number is neither final nor void.
pub(super) fn may_be_audited<S: StateRead>(state: &S, node: &NodeKey, up_to: u64) -> Result<bool, StateError> {
    let oldest = state.list::<Payments>(&state_key::all_payments(node), None, 1)?;
    Ok(oldest.first().is_some_and(|(_, payments)| payments.epoch <= up_to))
}

/// An epoch that must be there.
pub(super) fn expect<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Epoch, StateError> {
    state.expect(state_key::epoch(node, number), "an epoch that is named and not there")
}

/// What the channels paid for an epoch that is not final, ordered by channel; empty for any other.
///
/// # Errors
/// When the store cannot be read.
pub fn payments<S: StateRead>(state: &S, node: &NodeKey, number: u64) -> Result<Vec<Payment>, StateError> {
    Ok(state.get::<Payments>(&state_key::payments(node, number))?.unwrap_or_default().all)
}

/// Up to `limit` epochs of a node in order, from behind `after`.
///
/// # Errors
/// When the store cannot be read.
pub fn epochs<S: StateRead>(
    state: &S,
    node: &NodeKey,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Epoch>, StateError> {
    let after = after.map(|number| state_key::epoch(node, number));
    let entries = state.list(&state_key::epochs(node), after.as_deref(), limit)?;
    Ok(entries.into_iter().map(|(_, epoch)| epoch).collect())
}

/// An epoch is void: nothing is carried on from it.
fn carry_past<S: StateWrite>(state: &mut S, void: &Epoch) -> Result<(), StateError> {
    let Some(mut settlement) = get(state, &void.node)? else { return Ok(()) };
    let is_latest = settlement.latest.epoch == void.epoch;
    if is_latest || settlement.before.is_some_and(|before| before.epoch == void.epoch) {
        settlement.before = not_void(state, void)?;
        put(state, &settlement);
    }
    Ok(())
}

/// The newest epoch that is not void of those that a void one began with, one after the other. Each is passed once: what is settled next begins
/// with the one that is found. One that is forgotten was final, or void long before the other could be.
fn not_void<S: StateRead>(state: &S, void: &Epoch) -> Result<Option<Carried>, StateError> {
    let mut carried = void.carries;
    while let Some(named) = carried {
        match epoch(state, &void.node, named.epoch)? {
            Some(before) if before.status() == Status::Void => carried = before.carries,
            _ => break,
        }
    }
    Ok(carried)
}

fn put<S: StateWrite>(state: &mut S, settlement: &Settlement) {
    state.put(state_key::settlement(&settlement.latest.node), settlement);
}

/// Stores an epoch, also where it stands as its node's latest.
fn put_epoch<S: StateWrite>(state: &mut S, epoch: &Epoch) -> Result<(), StateError> {
    state.put(state_key::epoch(&epoch.node, epoch.epoch), epoch);
    if let Some(mut settlement) = get(state, &epoch.node)?
        && settlement.latest.epoch == epoch.epoch
    {
        settlement.latest = epoch.clone();
        put(state, &settlement);
    }
    Ok(())
}
