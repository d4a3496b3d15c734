//! A storage node's word that it keeps a contribution.

use datanet_types::action::AttestStorage;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::contributions::{self, Contribution, Status, storing};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, datanets, nodes, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for AttestStorage {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let node = nodes::require_keeper(state, &self.node, &ctx.tx.signer, &params::get(state)?)?;
        let mut contribution = contributions::require(state, &self.contribution)?;
        check_wanted(&contribution, ctx)?;
        check_new(state, self)?;
        let datanet = datanets::expect(state, &contribution.datanet)?;
        storing::keep(state, ctx.block, &mut contribution, &datanet, &node)?;
        let event = Event::new("contribution.attested")
            .with("contribution", contribution.id)
            .with("datanet", contribution.datanet)
            .with("node", self.node);
        Ok(vec![event.with("attestations", contribution.attestations)])
    }
}

fn check_wanted(contribution: &Contribution, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    let (id, status, now) = (contribution.id, contribution.status(), ctx.block.seconds());
    ensure(status != Status::Refused, code::CONTRIBUTION_REFUSED, || {
        format!("contribution {id} was refused; nobody needs to keep it")
    })?;
    ensure(status != Status::Revoked, code::CONTRIBUTION_REVOKED, || {
        format!("contribution {id} was revoked; nobody may keep it")
    })?;
    // Nobody is heard in the block that is the first behind the deadline either, at whose end it is refused.
    ensure(status != Status::Storing || now <= contribution.store_by, code::CONTRIBUTION_REFUSED, || {
        let until = contribution.store_by;
        format!(
            "it is too late: whoever keeps contribution {id} could say so until block time {until} (seconds since 1970), and this is {now}"
        )
    })
}

fn check_new<S: StateRead>(state: &S, action: &AttestStorage) -> Result<(), ActionError> {
    let (id, node) = (&action.contribution, &action.node);
    ensure(!contributions::has_attested(state, id, node)?, code::ATTESTED, || {
        format!("node {node} attested contribution {id} before; once is enough")
    })
}
