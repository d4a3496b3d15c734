//! What the node's stake answers for: no answer is sold that could not be settled.

use std::sync::{Arc, Mutex, PoisonError};

use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::bond;
use datanet_types::Amount;
use datanet_types::amount::{BPS, display, mul_div};

use super::Billing;
use crate::error::{Code, ServiceError, ServiceResult};

/// Fees of answers that are under way; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Promises(Arc<Mutex<Amount>>);

/// The fee of an answer that is under way, until it is charged or dropped.
#[derive(Debug, Default)]
pub(super) struct Promise {
    of: Promises,
    amount: Amount,
}

impl Drop for Promise {
    fn drop(&mut self) {
        let mut promised = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        *promised = promised.saturating_sub(self.amount);
    }
}

impl Billing {
    /// Base units of fees that the part of the node's stake covers that answers for no epoch yet; none where nothing can be challenged.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub(super) fn cover(&self) -> ServiceResult<Option<Amount>> {
        let params = self.chain.params()?;
        if params.challenge_seconds == 0 {
            return Ok(None);
        }
        let (reader, node) = (self.chain.reader()?, self.identity.node_key());
        let stake = nodes::get(&reader, &node)?.map_or(0, |node| node.stake);
        let free = stake.saturating_sub(bond::locked(&reader, &node)?);
        Ok(Some(mul_div(free, BPS, params.serving_bond_bps.into()).unwrap_or(Amount::MAX)))
    }

    /// The least stake that answers for what is not final, what is not settled, and what is under way.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read, or the private store fails.
    pub fn least_stake(&self) -> ServiceResult<Amount> {
        let params = self.chain.params()?;
        if params.challenge_seconds == 0 {
            return Ok(0);
        }
        let promised = *self.promises.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fees = self.db.unsettled_fees()?.saturating_add(promised);
        let locked = bond::locked(&self.chain.reader()?, &self.identity.node_key())?;
        Ok(locked.saturating_add(bond::of(fees, &params)))
    }

    /// Takes on an answer, unless its fee could not be settled.
    ///
    /// # Errors
    /// When the node's stake does not cover it beside what is under way, not settled or not final ([`Code::Unsettled`]), the private store
    /// fails, or the ledger cannot be read.
    pub(super) fn promise(&self, price: Amount) -> ServiceResult<Promise> {
        let Some(covered) = self.cover()? else { return Ok(Promise::default()) };
        // Held while it is looked at: of two answers at once only one may take the last of it.
        let mut promised = self.promises.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.db.unsettled_fees()?.saturating_add(*promised);
        if taken.saturating_add(price) <= covered {
            *promised = promised.saturating_add(price);
            return Ok(Promise { of: self.promises.clone(), amount: price });
        }
        let (covered, taken) = (display(covered), display(taken));
        Err(ServiceError::new(
            Code::Unsettled,
            format!(
                "beside what is not final this node's stake answers for {covered} of fees; {taken} are taken, and another {} would be more. Ask another node, or this one once some are final; its operator raises the stake with `datanet stake AMOUNT`",
                display(price)
            ),
        ))
    }
}
