//! Two receipts for the same money, both signed by the node.

use datanet_types::action::ProveForgery;
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::audits::{self, Phase, deposit_account, require_unpaid, set_due};
use crate::component::error::ensure;
use crate::component::settlement::{self, bond};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, params};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for ProveForgery {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.proof.siblings.len() <= 64, code::FORGERY, || {
            format!("the proof has {} siblings, at most 64 make one", self.proof.siblings.len())
        })?;
        ensure(self.settled.head().contradicts(&self.given), code::FORGERY, || {
            format!(
                "the receipt that was given stands from {} to {} of its channel, the settled one from {} to {} of channel {}: two receipts for \
                 the same money differ and overlap",
                display(self.given.start()),
                display(self.given.cumulative),
                display(self.settled.head().start()),
                display(self.settled.cumulative),
                self.settled.channel
            )
        })?;
        let signed = self.given.verify(&tx.body.chain_id, &self.node, &self.signature).is_ok();
        ensure(signed, code::FORGERY, || format!("the receipt is not signed by node {}", self.node))
    }

    fn work(&self) -> Gas {
        let hashes = (self.proof.siblings.len() as u64).saturating_add(4);
        gas::SIGNATURE.saturating_add(gas::HASH.saturating_mul(hashes))
    }

    /// The proof takes hashing.
    fn admit<S: StateWrite>(&self, state: &mut S, _: &TxContext<'_>) -> Result<(), ActionError> {
        require_unpaid(state, &self.node, self.epoch).map(drop)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut epoch = require_unpaid(state, &self.node, self.epoch)?;
        let leaf = self.settled.node(&ctx.block.chain_id, &self.node, self.epoch);
        let settled = self.proof.total == epoch.totals.answers && self.proof.verify(leaf, &epoch.receipts_tree());
        ensure(settled, code::FORGERY, || {
            format!(
                "the proof does not lead to the root of receipts of epoch {}; make it from its statement",
                self.epoch
            )
        })?;
        let params = params::at(state, epoch.height)?;
        if let Some(mut audit) = audits::get(state, &self.node, self.epoch)?.filter(|audit| audit.due != 0) {
            // Nobody has to judge any more.
            accounts::release(state, &deposit_account(&self.node, self.epoch), audit.challenger, audit.deposit)?;
            set_due(state, &mut audit, 0);
            audit.set_phase(Phase::False);
            audits::put(state, &audit);
        }
        let void = settlement::void(state, ctx.block, &mut epoch, &params)?;
        let (stake, taken) = settlement::forfeit(state, ctx.block, &self.node, bond::of(epoch.totals.fees, &params))?;
        let to_prover = taken.checked_div(2).unwrap_or(0);
        accounts::release(state, &stake, ctx.tx.signer, to_prover)?;
        accounts::release(state, &stake, accounts::treasury(), taken.saturating_sub(to_prover))?;
        let event = Event::new("forgery.proven").with("node", self.node).with("epoch", self.epoch);
        Ok(vec![event.with("account", ctx.tx.signer).with("reward", to_prover), void.with("slashed", taken)])
    }
}
