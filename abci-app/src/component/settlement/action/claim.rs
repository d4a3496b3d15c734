//! Paying what a leaf of the latest epoch says.

use datanet_types::action::Claim;
use datanet_types::amount::display;
use datanet_types::epoch::EpochLeaf;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::accounts::Balance;
use crate::component::error::{ensure, refuse};
use crate::component::settlement::{self, pool_account, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts};
use crate::state::StateWrite;

impl ActionHandler for Claim {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(self.cumulative > 0, code::CLAIM_NOTHING, || "a claim of 0 pays nothing".to_owned())?;
        ensure(self.proof.siblings.len() <= 64, code::CLAIM_PROOF, || "a proof has at most 64 siblings".to_owned())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let Some(mut settlement) = settlement::get(state, &self.node)? else {
            return refuse(
                code::CLAIM_PROOF,
                format!("node {} has settled nothing yet; wait for its epoch", self.node),
            );
        };
        let leaf = EpochLeaf { account: self.account, cumulative: self.cumulative };
        let proven = self.proof.verify(leaf.hash(&ctx.block.chain_id, &self.node), &settlement.latest.root);
        ensure(proven, code::CLAIM_PROOF, || {
            format!(
                "the proof does not lead to the root of node {}'s latest epoch, {}; ask the node for a new one",
                self.node, settlement.latest.epoch
            )
        })?;
        let before = settlement::claimed(state, &self.node, &self.account)?;
        let amount = self.cumulative.saturating_sub(before);
        ensure(amount > 0, code::CLAIM_NOTHING, || {
            format!(
                "account {} has claimed {} from this node already; there is nothing more",
                self.account,
                display(before)
            )
        })?;
        let pool = pool_account(&self.node);
        let there = accounts::balance(state, &pool)?;
        ensure(amount <= there, code::CLAIM_POOL, || {
            format!(
                "the leaf adds {}, but node {}'s pool holds {}: it promised more than it settled",
                display(amount),
                self.node,
                display(there)
            )
        })?;
        accounts::transfer(state, &pool, &self.account, amount)?;
        state.put(state_key::claimed(&self.node, &self.account), &Balance { amount: self.cumulative });
        settlement.claimed = settlement.claimed.saturating_add(amount);
        settlement::put(state, &settlement);
        let event = Event::new("epoch.claimed").with("node", self.node).with("account", self.account);
        Ok(vec![event.with("amount", amount).with("epoch", settlement.latest.epoch)])
    }
}
