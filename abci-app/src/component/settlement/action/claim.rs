//! Paying what leaves of epochs say.

use datanet_types::action::{Claim, ClaimItem};
use datanet_types::epoch::EpochLeaf;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::settlement::{self, Epoch, MAX_ITEMS, Status, escrow};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::gas::{self, Gas};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for Claim {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let count = self.items.len();
        ensure((1..=MAX_ITEMS).contains(&count), code::CLAIM_ITEMS, || {
            format!("a claim has 1 to {MAX_ITEMS} items, not {count}; send several")
        })?;
        let ordered = |pair: &[ClaimItem]| matches!(pair, [a, b] if (a.node, a.epoch) < (b.node, b.epoch));
        ensure(self.items.windows(2).all(ordered), code::CLAIM_ITEMS, || {
            "items must be ordered by node and epoch, one for each".to_owned()
        })?;
        for (place, item) in self.items.iter().enumerate() {
            ensure(item.amount > 0, code::CLAIM_NOTHING, || format!("{} claims 0; leave it out", name(place, item)))?;
            ensure(item.proof.siblings.len() <= 64, code::CLAIM_PROOF, || {
                format!(
                    "{} has a proof of {} siblings, at most 64 make one",
                    name(place, item),
                    item.proof.siblings.len()
                )
            })?;
        }
        Ok(())
    }

    fn work(&self) -> Gas {
        let hashes = |item: &ClaimItem| (item.proof.siblings.len() as u64).saturating_add(2);
        gas::HASH.saturating_mul(self.items.iter().map(hashes).fold(0, u64::saturating_add))
    }

    /// Each item takes a proof.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        self.items.iter().take(1).try_for_each(|item| check_item(state, self, 0, item, &ctx.block.chain_id).map(drop))
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut events = Vec::new();
        for (place, item) in self.items.iter().enumerate() {
            // Somebody else may have sent it first: that pays the account too, and must not stop the rest.
            let Some(epoch) = check_item(state, self, place, item, &ctx.block.chain_id)? else { continue };
            if escrow::pay(state, ctx.block, &epoch, &self.account, (item.proof.index, item.amount))? {
                count_claimed(state, item)?;
                events.push(paid(self, item));
            }
        }
        ensure(!events.is_empty(), code::CLAIM_NOTHING, || {
            format!("account {} was paid all of this before; there is nothing more in it", self.account)
        })?;
        Ok(events)
    }
}

fn name(place: usize, item: &ClaimItem) -> String {
    format!("item {} (epoch {} of node {})", place.saturating_add(1), item.epoch, item.node)
}

/// The epoch that an item is of, where its leaf stands; none if everything of it was paid so long ago that it is forgotten.
fn check_item<S: StateRead>(
    state: &S,
    claim: &Claim,
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
    let leaf = EpochLeaf { account: claim.account, amount: item.amount }.node(chain_id, &item.node, item.epoch);
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

fn paid(claim: &Claim, item: &ClaimItem) -> Event {
    Event::new("epoch.claimed")
        .with("node", item.node)
        .with("account", claim.account)
        .with("amount", item.amount)
        .with("epoch", item.epoch)
}
