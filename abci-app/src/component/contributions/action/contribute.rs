//! Giving a batch of records.

use datanet_types::action::Contribute;
use datanet_types::amount::display;
use datanet_types::record::Format;
use datanet_types::tx::VerifiedTx;
use datanet_types::{Amount, BlobHash, ContributionId, Digest, NodeKey};

use crate::code;
use crate::component::contributions::{
    self, Contribution, MAX_REFUSALS, Status, bond_account, review_account, state_key, storing,
};
use crate::component::datanets::{self, Datanet};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, Params, TxContext, accounts, nodes, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for Contribute {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &str| ensure(good, code::CONTRIBUTION_INVALID, || what.to_owned());
        check(self.blob != BlobHash::ZERO, "blob must be the hash of the bytes: add them to a node first")?;
        check(self.size > 0, "the contribution is empty; give at least one record")?;
        check(self.records > 0, "the contribution has no records; give at least one")?;
        check(
            self.record_root != Digest::ZERO,
            "record_root must be the Merkle root over the records, keyed by your account",
        )?;
        check(self.origin != NodeKey::ZERO, "origin must be the key of the node that holds the bytes")?;
        check(Format::try_from(self.format).is_ok(), "format is not known; it is 0 (JSONL) to 4 (plain text)")
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, datanet, id) = first_checks(self, state, ctx)?;
        let mut counts = datanets::counts(state, &datanet.id)?;
        let mut contribution = record(self, id, counts.contributions, ctx, &params);
        contribution.holdout = datanets::held_out_now(state, &datanet, ctx.block.seconds())?;
        if let Some(before) = self.attempt.checked_sub(1) {
            let before = self.id(&ctx.block.chain_id, &ctx.tx.signer, before);
            contribution.refusals = again(&contributions::require(state, &before)?, self.bond, &datanet, &params)?;
        }
        counts.contributions = counts.contributions.saturating_add(1);
        lock(state, &contribution)?;
        check_nodes(state, &datanet)?;
        storing::begin(state, ctx.block, &mut contribution, &params);
        datanets::put_counts(state, &datanet.id, &counts);
        store(state, &contribution);
        Ok(vec![submitted(&contribution)])
    }
}

/// What a few look-ups tell: the datanet is there, the limits are kept, and the contribution is new.
fn first_checks<S: StateRead>(
    action: &Contribute,
    state: &S,
    ctx: &TxContext<'_>,
) -> Result<(Params, Datanet, ContributionId), ActionError> {
    let params = params::get(state)?;
    let datanet = datanets::require(state, &action.datanet)?;
    check_limits(action, &datanet, &params)?;
    let id = action.id(&ctx.block.chain_id, &ctx.tx.signer, action.attempt);
    match contributions::get(state, &id)? {
        Some(known) => Err(taken(&known)),
        None => Ok((params, datanet, id)),
    }
}

/// Takes bond and review fee from the contributor, until the verdict.
fn lock<S: StateWrite>(state: &mut S, contribution: &Contribution) -> Result<(), ActionError> {
    let (id, from) = (&contribution.id, &contribution.contributor);
    accounts::transfer(state, from, bond_account(id), contribution.bond)?;
    accounts::transfer(state, from, review_account(id), contribution.review_fee)
}

/// Whether there is anybody to keep and to judge it. Else its giver would wait for nothing, and for a fee.
fn check_nodes<S: StateRead>(state: &S, datanet: &Datanet) -> Result<(), ActionError> {
    ensure(nodes::any_validator(state)?, code::NO_VALIDATORS, || {
        "no validator is registered, so nobody could judge this; register a node as a validator first".to_owned()
    })?;
    let (there, wanted) = (nodes::keepers(state)?, datanet.storage_quorum);
    ensure(there >= wanted.into(), code::NO_KEEPERS, || {
        format!(
            "datanet {} wants {wanted} nodes to keep what it is given, and {there} storage nodes have a stake; register more \
             of them first, or give to another datanet",
            datanet.name
        )
    })
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
        format!("bond is {}, this datanet wants at least {}", display(action.bond), display(datanet.min_bond))
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
        review_fee: params.review_fee_of(action.size),
        origin: action.origin,
        attempt: action.attempt,
        seq,
        submitted_height: ctx.block.height,
        submitted_time: ctx.block.time_seconds,
        status: Status::Storing as i32,
        ..Contribution::default()
    }
}

/// Whether the same bytes may be given once more, and how many committees have refused them so far. A committee that is
/// drawn anew is a ticket in a lottery: each costs the review fee and a part of the bond, the bond doubles with every
/// refusal, and after [`MAX_REFUSALS`] there are none. Nothing is risked where nobody judged, or where it was accepted
/// and taken back.
fn again(former: &Contribution, bond: Amount, datanet: &Datanet, params: &Params) -> Result<u32, ActionError> {
    let ended = matches!(former.status(), Status::Refused | Status::Revoked) && !former.challenged;
    if !ended {
        return Err(taken(former));
    }
    let refusals = former.refusals_so_far();
    ensure(refusals < MAX_REFUSALS, code::CONTRIBUTION_REFUSED, || {
        format!(
            "{refusals} committees have refused these very bytes, last as contribution {}: that is final; mend what \
             their reasons name and give that",
            former.id
        )
    })?;
    let least = contributions::least_bond(datanet, params, refusals);
    ensure(bond >= least, code::CONTRIBUTION_BOND, || {
        format!(
            "these very bytes were refused before, as contribution {}; giving them again locks at least {}, of which \
             a part is lost if they are refused again",
            former.id,
            display(least)
        )
    })?;
    Ok(refusals)
}

fn taken(known: &Contribution) -> ActionError {
    let way = match known.status() {
        _ if known.challenged => "whose verdict is challenged".to_owned(),
        Status::Refused | Status::Revoked => {
            format!("and that was {}; send attempt {}", word(known.status()), known.attempt.saturating_add(1))
        }
        status => format!("which is {}", word(status)),
    };
    let message = format!("you gave these bytes to this datanet before, as contribution {}, {way}", known.id);
    ActionError::refused(code::CONTRIBUTION_TAKEN, message)
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Storing => "waiting for nodes to keep it",
        Status::Judging => "being judged",
        Status::Refused => "refused",
        Status::Final => "final",
        Status::Revoked => "revoked",
    }
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
