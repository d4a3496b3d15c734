//! Paying what leaves of epochs say.

use datanet_types::action::{Claim, ClaimItem};
use datanet_types::epoch::EpochLeaf;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Account, Amount};

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::settlement::{self, Epoch, MAX_ITEMS, Status, escrow};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::gas::{self, Gas};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for Claim {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        check_items(&self.items)
    }

    fn work(&self) -> Gas {
        work(&self.items)
    }

    /// Each item takes a proof.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        check_first(state, ctx, self.account.into(), &self.items)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let account = self.account.into();
        let paid = pay(state, ctx, (account, account), &self.items)?;
        let event = |item: &ClaimItem| {
            let event = Event::new("epoch.claimed").with("node", item.node).with("account", self.account);
            event.with("amount", item.amount).with("epoch", item.epoch)
        };
        Ok(paid.into_iter().map(|(item, _)| event(item)).collect())
    }
}

/// What a list of items must be without a look at state.
pub(super) fn check_items(items: &[ClaimItem]) -> Result<(), ActionError> {
    let count = items.len();
    ensure((1..=MAX_ITEMS).contains(&count), code::CLAIM_ITEMS, || {
        format!("a claim has 1 to {MAX_ITEMS} items, not {count}; send several")
    })?;
    let ordered = |pair: &[ClaimItem]| matches!(pair, [a, b] if (a.node, a.epoch) < (b.node, b.epoch));
    ensure(items.windows(2).all(ordered), code::CLAIM_ITEMS, || {
        "items must be ordered by node and epoch, one for each".to_owned()
    })?;
    for (place, item) in items.iter().enumerate() {
        ensure(item.amount > 0, code::CLAIM_NOTHING, || format!("{} claims 0; leave it out", name(place, item)))?;
        ensure(item.proof.siblings.len() <= 64, code::CLAIM_PROOF, || {
            format!("{} has a proof of {} siblings, at most 64 make one", name(place, item), item.proof.siblings.len())
        })?;
    }
    Ok(())
}

/// What verifying the items' proofs takes.
pub(super) fn work(items: &[ClaimItem]) -> Gas {
    let hashes = |item: &ClaimItem| (item.proof.siblings.len() as u64).saturating_add(2);
    gas::HASH.saturating_mul(items.iter().map(hashes).fold(0, u64::saturating_add))
}

/// Checks the first item, which is of a leaf of `account`'s.
pub(super) fn check_first<S: StateRead>(
    state: &S,
    ctx: &TxContext<'_>,
    account: Account,
    items: &[ClaimItem],
) -> Result<(), ActionError> {
    items.iter().take(1).try_for_each(|item| check_item(state, account, 0, item, &ctx.block.chain_id).map(drop))
}

/// Pays the leaves of one account to another, or to itself: those that were not paid before, of which there must be one. Each comes with the height
/// at which its epoch was settled.
pub(super) fn pay<'a, S: StateWrite>(
    state: &mut S,
    ctx: &TxContext<'_>,
    (of, to): (Account, Account),
    items: &'a [ClaimItem],
) -> Result<Vec<(&'a ClaimItem, u64)>, ActionError> {
    let mut paid = Vec::new();
    for (place, item) in items.iter().enumerate() {
        // Somebody else may have sent it first: that pays the account too, and must not stop the rest.
        let Some(epoch) = check_item(state, of, place, item, &ctx.block.chain_id)? else { continue };
        if escrow::pay(state, ctx.block, &epoch, to, (item.proof.index, item.amount))? {
            count_claimed(state, item)?;
            paid.push((item, epoch.height));
        }
    }
    ensure(!paid.is_empty(), code::CLAIM_NOTHING, || {
        format!("account {of} was paid all of this before; there is nothing more in it")
    })?;
    Ok(paid)
}

/// What items are worth together.
pub(super) fn sum(items: &[(&ClaimItem, u64)]) -> Amount {
    items.iter().map(|(item, _)| item.amount).fold(0, Amount::saturating_add)
}

fn name(place: usize, item: &ClaimItem) -> String {
    format!("item {} (epoch {} of node {})", place.saturating_add(1), item.epoch, item.node)
}

/// The epoch that an item is of, where its leaf stands; none if everything of it was paid so long ago that it is forgotten.
fn check_item<S: StateRead>(
    state: &S,
    account: Account,
    place: usize,
    item: &ClaimItem,
    chain_id: &str,
) -> Result<Option<Epoch>, ActionError> {
    let Some(epoch) = settlement::epoch(state, &item.node, item.epoch)? else {
        if settlement::is_forgotten(state, &item.node, item.epoch)? {
            return Ok(None);
        }
        return refuse(code::CLAIM_EPOCH, format!("{} is not settled yet; leave it out", name(place, item)));
    };
    match epoch.status() {
        Status::Final => {}
        Status::Void => {
            return refuse(
                code::CLAIM_EPOCH,
                format!(
                    "{} is void: it was false, or nobody could show it, and who paid for it has the money back; leave it out",
                    name(place, item)
                ),
            );
        }
        Status::Open if !epoch.is_kept() => {
            let (name, missing) = (name(place, item), epoch.quorum.saturating_sub(epoch.attestations));
            return refuse(
                code::CLAIM_EPOCH,
                format!(
                    "{name} waits for the words of {missing} more storage nodes that they keep its statement; without them it is void from block time {} \
                     (seconds since 1970) on: claim it once it is final",
                    epoch.attest_by
                ),
            );
        }
        Status::Open | Status::Audited => {
            return refuse(
                code::CLAIM_EPOCH,
                format!(
                    "{} can still be challenged; it is final from block time {} (seconds since 1970) on, if it is right: claim it then",
                    name(place, item),
                    epoch.final_at
                ),
            );
        }
    }
    let leaf = EpochLeaf { account, amount: item.amount }.node(chain_id, &item.node, item.epoch);
    // In a tree of another size the same leaf would have other places, and be paid once in each.
    let proven = item.proof.total == epoch.accounts && item.proof.verify(leaf, &epoch.tree());
    ensure(proven, code::CLAIM_PROOF, || {
        format!(
            "{}: its proof does not lead to the root on the ledger; leave it out, or prove it from statement {}",
            name(place, item),
            epoch.statement
        )
    })?;
    Ok(Some(epoch))
}

fn count_claimed<S: StateWrite>(state: &mut S, item: &ClaimItem) -> Result<(), ActionError> {
    if let Some(mut settlement) = settlement::get(state, &item.node)? {
        settlement.claimed = settlement.claimed.saturating_add(item.amount);
        settlement::put(state, &settlement);
    }
    Ok(())
}
