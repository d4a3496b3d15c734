//! What the node's stake answers for: no answer is sold that could not be settled.

use datanet_ledger::component::nodes;
use datanet_ledger::component::settlement::bond;
use datanet_types::Amount;
use datanet_types::amount::{BPS, display, mul_div};

use super::Billing;
use crate::error::{Code, ServiceError, ServiceResult};

impl Billing {
    /// Base units of fees that the node's stake covers beyond those of its epochs that are not final; none where nothing can be challenged.
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
        let covered = mul_div(stake, BPS, params.serving_bond_bps.into()).unwrap_or(Amount::MAX);
        Ok(Some(covered.saturating_sub(bond::at_risk(&reader, &node)?)))
    }

    /// Refuses an answer whose fee could not be settled.
    ///
    /// # Errors
    /// When the node's stake does not cover it beside what is not final yet ([`Code::Unsettled`]), the private store fails, or as
    /// [`Billing::cover`].
    pub(super) fn is_covered(&self, price: Amount) -> ServiceResult<()> {
        let Some(cover) = self.cover()? else { return Ok(()) };
        let accrued = self.db.unsettled_fees()?;
        if accrued.saturating_add(price) <= cover {
            return Ok(());
        }
        Err(ServiceError::new(
            Code::Unsettled,
            format!(
                "this node's stake answers for {} of fees that are not final, and another {} would be more than it covers; ask again once some are final, or another node. Its operator raises the stake with `datanet stake AMOUNT`",
                display(cover),
                display(price)
            ),
        ))
    }
}
