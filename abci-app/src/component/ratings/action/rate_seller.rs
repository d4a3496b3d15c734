//! Rating a seller by a payment that was settled.

use datanet_types::action::RateSeller;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Address, Amount};

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::ratings::{self, Trader, rights};
use crate::component::settlement::Place;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for RateSeller {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.score_bps <= 10_000, code::RATING_INVALID, || {
            format!("the score is {}; it is 0 to 10000 basis points", self.score_bps)
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (place, payer, now) = (Place { node: self.node, epoch: self.epoch }, ctx.tx.signer, ctx.block.seconds());
        let (seller, amount) = take_right(state, &place, &payer, now)?;
        let (own, circular) = uncounted(state, &payer, &seller, (amount, now))?;
        ratings::change(state, &seller, now, |trader| trader.is_rated(amount, (own, circular), self.score_bps))?;
        let event = Event::new("seller.rated").with("seller", seller).with("node", self.node).with("epoch", self.epoch);
        let event = event.with("payer", payer).with("score_bps", self.score_bps).with("amount", amount);
        Ok(vec![event.with("own", own).with("circular", circular)])
    }
}

/// Takes the payer's right to rate an epoch, which there must be: who sold it, and what the payer paid.
fn take_right<S: StateWrite>(
    state: &mut S,
    place: &Place,
    payer: &Address,
    now: u64,
) -> Result<(Address, Amount), ActionError> {
    let none = || {
        let Place { node, epoch } = place;
        refuse(
            code::RATING_NONE,
            format!(
                "account {payer} has nothing to rate in epoch {epoch} of node {node}: it is rated once by who paid for it, from when it is final, \
                 for a while"
            ),
        )
    };
    let Some(mut rights) = rights::get(state, place)?.filter(|rights| now <= rights.until) else { return none() };
    let Some(at) = rights.payers.iter().position(|one| one.account == *payer) else { return none() };
    let amount = rights.payers.remove(at).amount;
    rights::put(state, place, &rights);
    Ok((rights.seller, amount))
}

/// What of a payment does not count: since it is one's own, or may have come back.
fn uncounted<S: StateRead>(
    state: &S,
    payer: &Address,
    seller: &Address,
    (amount, now): (Amount, u64),
) -> Result<(Amount, Amount), ActionError> {
    if ratings::same_owner(state, payer, seller, now)? {
        return Ok((amount, 0));
    }
    let (paid, sold): (Trader, Trader) = (ratings::trader(state, payer, now)?, ratings::trader(state, seller, now)?);
    Ok((0, paid.circular(payer, (seller, &sold), amount)))
}
