//! A storage node's word that it keeps a contribution.

use datanet_types::action::{AttestStorage, role};
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::contributions::verdict::finalise_if_kept;
use crate::component::contributions::{self, Attestation, Status, state_key};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, datanets, nodes};
use crate::state::StateWrite;

impl ActionHandler for AttestStorage {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        nodes::require(state, &self.node, &ctx.tx.signer, role::STORAGE)?;
        let mut contribution = contributions::require(state, &self.contribution)?;
        ensure(contribution.status() != Status::Refused, code::CONTRIBUTION_REFUSED, || {
            format!("contribution {} was refused; nobody needs to keep it", contribution.id)
        })?;
        ensure(contribution.status() != Status::Revoked, code::CONTRIBUTION_REVOKED, || {
            format!("contribution {} was revoked; nobody may keep it", contribution.id)
        })?;
        ensure(!contributions::has_attested(state, &contribution.id, &self.node)?, code::ATTESTED, || {
            format!("node {} attested contribution {} before; once is enough", self.node, contribution.id)
        })?;
        let attestation = Attestation { node: self.node, height: ctx.block.height };
        state.put(state_key::attestation(&contribution.id, &self.node), &attestation);
        contribution.attestations = contribution.attestations.saturating_add(1);
        let event = Event::new("contribution.attested")
            .with("contribution", contribution.id)
            .with("datanet", contribution.datanet)
            .with("node", self.node)
            .with("attestations", contribution.attestations);
        let datanet = datanets::require(state, &contribution.datanet)?;
        let last = finalise_if_kept(state, ctx.block.height, &mut contribution, &datanet)?;
        if last.is_none() {
            // Else it is stored already, as final: whoever attests at the same time as others was told the gas of one that is not the last.
            contributions::put(state, &contribution);
        }
        Ok(std::iter::once(event).chain(last).collect())
    }
}
