//! Giving a batch of records.

use datanet_types::action::Contribute;
use datanet_types::record::Format;
use datanet_types::tx::VerifiedTx;
use datanet_types::{BlobHash, ContributionId, Digest, NodeKey};

use crate::code;
use crate::component::contributions::{self, Contribution, Status, bond_account, review_account, state_key};
use crate::component::datanets::{self, Datanet};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, Params, TxContext, accounts, params, validation};
use crate::state::StateWrite;

impl ActionHandler for Contribute {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &str| ensure(good, code::CONTRIBUTION_INVALID, || what.to_owned());
        check(self.blob != BlobHash::ZERO, "blob must be the hash of the bytes: add them to a node first")?;
        check(self.size > 0, "the contribution is empty; give at least one record")?;
        check(self.records > 0, "the contribution has no records; give at least one")?;
        check(self.record_root != Digest::ZERO, "record_root must be the Merkle root over the records")?;
        check(self.origin != NodeKey::ZERO, "origin must be the key of the node that holds the bytes")?;
        check(Format::try_from(self.format).is_ok(), "format is not known; it is 0 (JSONL) to 4 (plain text)")
    }

    /// A committee is drawn from all who judge: that is for a block. Bond and review fee are locked at once.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        let params = params::get(state)?;
        let datanet = datanets::require(state, &self.datanet)?;
        check_limits(self, &datanet, &params)?;
        let id = ContributionId::derive(&ctx.block.chain_id, &datanet.id, &ctx.tx.signer, &self.blob);
        let contribution = record(self, id, 0, ctx, &params);
        accounts::transfer(state, &ctx.tx.signer, &bond_account(&id), contribution.bond)?;
        accounts::transfer(state, &ctx.tx.signer, &review_account(&id), contribution.review_fee)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let params = params::get(state)?;
        let datanet = datanets::require(state, &self.datanet)?;
        check_limits(self, &datanet, &params)?;
        let id = ContributionId::derive(&ctx.block.chain_id, &datanet.id, &ctx.tx.signer, &self.blob);
        let mut counts = datanets::counts(state, &datanet.id)?;
        let mut contribution = record(self, id, counts.contributions, ctx, &params);
        if let Some(former) = contributions::get(state, &id)? {
            replace(state, &mut contribution, &former)?;
        }
        counts.contributions = counts.contributions.saturating_add(1);
        accounts::transfer(state, &ctx.tx.signer, &bond_account(&id), contribution.bond)?;
        accounts::transfer(state, &ctx.tx.signer, &review_account(&id), contribution.review_fee)?;
        let Some(drawn) = validation::start_round(state, ctx.block, &contribution, &datanet, &params)? else {
            return Err(ActionError::refused(
                code::NO_VALIDATORS,
                "no validator is registered, so nobody could judge this; register a node as a validator first",
            ));
        };
        datanets::put_counts(state, &datanet.id, &counts);
        store(state, &contribution);
        Ok(vec![submitted(&contribution), drawn])
    }
}

fn check_limits(action: &Contribute, datanet: &Datanet, params: &Params) -> Result<(), ActionError> {
    ensure(action.size <= params.max_contribution_bytes, code::CONTRIBUTION_INVALID, || {
        format!("the contribution has {} bytes, the most is {}; split it", action.size, params.max_contribution_bytes)
    })?;
    ensure(action.records <= params.max_contribution_records, code::CONTRIBUTION_INVALID, || {
        let most = params.max_contribution_records;
        format!("the contribution has {} records, the most is {most}; split it", action.records)
    })?;
    ensure(action.bond >= datanet.min_bond, code::CONTRIBUTION_BOND, || {
        format!("bond is {}, this datanet wants at least {}", action.bond, datanet.min_bond)
    })
}

fn record(action: &Contribute, id: ContributionId, seq: u64, ctx: &TxContext<'_>, params: &Params) -> Contribution {
    Contribution {
        id,
        datanet: action.datanet,
        contributor: ctx.tx.signer,
        blob: action.blob,
        size: action.size,
        format: action.format,
        records: action.records,
        record_root: action.record_root,
        bond: action.bond,
        review_fee: params.review_fee,
        origin: action.origin,
        seq,
        submitted_height: ctx.block.height,
        submitted_time: ctx.block.time_seconds,
        status: Status::Judging as i32,
        ..Contribution::default()
    }
}

/// Bytes are judged once. Only if nobody judged them may they be given again: with a new place in the order and new
/// rounds, but the attestations still hold.
fn replace<S: StateWrite>(state: &mut S, new: &mut Contribution, former: &Contribution) -> Result<(), ActionError> {
    ensure(former.is_unjudged(), code::CONTRIBUTION_TAKEN, || {
        format!("you gave these bytes to this datanet before, as contribution {}", former.id)
    })?;
    new.first_round = former.round.saturating_add(1);
    new.round = new.first_round;
    new.attestations = former.attestations;
    state.delete(state_key::in_datanet(&former.datanet, former.seq));
    Ok(())
}

fn store<S: StateWrite>(state: &mut S, contribution: &Contribution) {
    let id = &contribution.id;
    contributions::put(state, contribution);
    state.put(state_key::open(contribution.submitted_height, id), id);
    state.put(state_key::in_datanet(&contribution.datanet, contribution.seq), id);
}

fn submitted(contribution: &Contribution) -> Event {
    Event::new("contribution.submitted")
        .with("contribution", contribution.id)
        .with("datanet", contribution.datanet)
        .with("contributor", contribution.contributor)
        .with("blob", contribution.blob)
        .with("size", contribution.size)
        .with("records", contribution.records)
        .with("seq", contribution.seq)
        .with("origin", contribution.origin)
}
