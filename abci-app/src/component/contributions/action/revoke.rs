//! Taking a contribution back.

use datanet_types::Digest;
use datanet_types::action::Revoke;
use datanet_types::record::record_root;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::contributions::{self, Contribution, Status, state_key};
use crate::component::datanets::history::{self, Change};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext, datanets, params, validation};
use crate::state::{StateError, StateWrite};

impl ActionHandler for Revoke {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut contribution = contributions::require(state, &self.contribution)?;
        let id = contribution.id;
        ensure(contribution.contributor == ctx.tx.signer, code::CONTRIBUTION_FOREIGN, || {
            format!("contribution {id} was given by {}; only that account can take it back", contribution.contributor)
        })?;
        check_records(&contribution, self.records.as_ref())?;
        // Otherwise whoever sees a refusal coming would save the bond, and the judges work for nothing.
        ensure(!contribution.is_before_judges(), code::CONTRIBUTION_JUDGING, || {
            format!("contribution {id} is being stored or judged; take it back after the verdict")
        })?;
        match contribution.status() {
            // What is stored or judged was refused above.
            Status::Storing | Status::Judging | Status::Refused => ensure(false, code::CONTRIBUTION_REFUSED, || {
                format!("contribution {id} was refused; nobody keeps or uses it")
            })?,
            Status::Revoked => ensure(false, code::CONTRIBUTION_REVOKED, || {
                format!("contribution {id} was revoked at height {}; once is enough", contribution.revoked_height)
            })?,
            Status::Final => {
                take_out(state, &mut contribution, ctx.block.height)?;
                if let Some(records) = &self.records {
                    state.put(state_key::taken_back(&contribution.datanet, records), &id);
                }
            }
        }
        contribution.set_status(Status::Revoked);
        contribution.revoked_height = ctx.block.height;
        contributions::put(state, &contribution);
        if contribution.is_disputable() {
            // There is nothing left to judge anew.
            validation::settle_now(state, ctx.block, &mut contribution)?;
        }
        validation::schedule(state, ctx.block, &id, &params::get(state)?);
        Ok(vec![revoked_event(&contribution)])
    }
}

/// A giver names his own records and no others: else he could keep others out with what he never gave.
fn check_records(contribution: &Contribution, records: Option<&Digest>) -> Result<(), ActionError> {
    let fits = records.is_none_or(|plain| record_root(&contribution.contributor, plain) == contribution.record_root);
    ensure(fits, code::CONTRIBUTION_INVALID, || {
        format!(
            "records is not the Merkle root over the records of contribution {}; compute it from its bytes, or leave it \
             out if they are lost",
            contribution.id
        )
    })
}

pub(in crate::component::contributions) fn revoked_event(contribution: &Contribution) -> Event {
    Event::new("contribution.revoked")
        .with("contribution", contribution.id)
        .with("datanet", contribution.datanet)
        .with("contributor", contribution.contributor)
        .with("position", contribution.revoked_position)
}

/// It was final: it leaves the final ones, and the datanet's history says so.
pub(in crate::component::contributions) fn take_out<S: StateWrite>(
    state: &mut S,
    contribution: &mut Contribution,
    height: u64,
) -> Result<(), StateError> {
    let datanet = contribution.datanet;
    state.delete(state_key::final_in(&datanet, contribution.final_height, contribution.seq));
    let mut counts = datanets::counts(state, &datanet)?;
    counts.final_contributions = counts.final_contributions.saturating_sub(1);
    counts.records = counts.records.saturating_sub(contribution.records);
    counts.bytes = counts.bytes.saturating_sub(contribution.size);
    counts.revoked = counts.revoked.saturating_add(1);
    let position = history::append(state, &datanet, &mut counts, &contribution.id, Change::Revoked, height)?;
    contribution.revoked_position = position;
    datanets::put_counts(state, &datanet, &counts);
    state.put(state_key::revoked_in(&datanet, position), &contribution.id);
    Ok(())
}
