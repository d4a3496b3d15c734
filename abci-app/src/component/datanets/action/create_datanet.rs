//! Opening a datanet.

use datanet_types::action::CreateDatanet;
use datanet_types::amount::{BPS, display};
use datanet_types::tx::VerifiedTx;
use datanet_types::{BlobHash, DatanetId};

use crate::code;
use crate::component::datanets::{self, Closed, Datanet, MAX_COMMITTEE, deposit_account, deposit_of};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, Params, TxContext, accounts, params};
use crate::state::StateWrite;

impl ActionHandler for CreateDatanet {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        check_texts(self)?;
        check_numbers(self)?;
        match self.schema.validate() {
            Ok(()) => Ok(()),
            Err(error) => refuse(code::DATANET_INVALID, format!("schema: {error}")),
        }
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let params = params::get(state)?;
        check_floors(self, &params)?;
        check_holdout_size(self.holdout_size, &params)?;
        if let Some(taken) = datanets::by_name(state, &self.name)? {
            return refuse(
                code::DATANET_TAKEN,
                format!("the name {:?} belongs to datanet {}; choose another", self.name, taken.id),
            );
        }
        let id = DatanetId::derive(&ctx.block.chain_id, &ctx.tx.signer, &self.name);
        if let Some(Closed { height }) = datanets::closed(state, &id)? {
            let name = &self.name;
            return refuse(
                code::DATANET_CLOSED,
                format!(
                    "you closed datanet {name:?} at height {height}, and its id is not given again; choose another name"
                ),
            );
        }
        let mut datanet = record(self, id, ctx);
        datanet.deposit = deposit_of(&params, &datanet);
        accounts::transfer(state, ctx.tx.signer, deposit_account(&id), datanet.deposit)?;
        datanets::put(state, &datanet);
        let event = Event::new("datanet.created").with("datanet", id).with("name", &self.name);
        Ok(vec![event.with("creator", ctx.tx.signer).with("deposit", datanet.deposit)])
    }
}

/// Every node that judges fetches it, so a stranger must not choose how much that is.
pub(super) fn check_holdout_size(size: u64, params: &Params) -> Result<(), ActionError> {
    let most = params.max_contribution_bytes;
    ensure(size <= most, code::DATANET_INVALID, || {
        format!("the held-out set has {size} bytes, the most is {most}; give a sample of it")
    })
}

/// The chain has a floor under each of a datanet's own numbers; who opens one may only raise it.
fn check_floors(action: &CreateDatanet, params: &Params) -> Result<(), ActionError> {
    let money = [("price", action.price, params.min_price), ("min_bond", action.min_bond, params.min_bond_floor)];
    for (name, value, least) in money {
        ensure(value >= least, code::DATANET_INVALID, || {
            format!("{name} is {}, the least on this chain is {}", display(value), display(least))
        })?;
    }
    let numbers = [
        ("committee_size", action.committee_size, params.min_committee_size),
        ("storage_quorum", action.storage_quorum, params.min_storage_quorum),
        ("accept_threshold", action.accept_threshold, params.min_accept_threshold),
    ];
    numbers.into_iter().try_for_each(|(name, value, least)| {
        ensure(value >= least, code::DATANET_INVALID, || {
            format!("{name} is {value}, the least on this chain is {least}")
        })
    })
}

fn record(action: &CreateDatanet, id: DatanetId, ctx: &TxContext<'_>) -> Datanet {
    Datanet {
        id,
        name: action.name.clone(),
        description: action.description.clone(),
        schema: action.schema.clone(),
        licence: action.licence.clone(),
        price: action.price,
        accept_threshold: action.accept_threshold,
        committee_size: action.committee_size,
        storage_quorum: action.storage_quorum,
        holdout: action.holdout,
        holdout_size: action.holdout_size,
        min_bond: action.min_bond,
        token_price: action.token_price,
        step_price: action.step_price,
        creator: ctx.tx.signer,
        created_height: ctx.block.height,
        ..Datanet::default()
    }
}

fn check_texts(action: &CreateDatanet) -> Result<(), ActionError> {
    let name_ok = (1..=64).contains(&action.name.len())
        && action.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    ensure(name_ok, code::DATANET_INVALID, || format!("the name {:?} must be 1 to 64 of a-z 0-9 -", action.name))?;
    ensure(action.description.len() <= 1_024, code::DATANET_INVALID, || {
        format!("the description is {} bytes long; shorten it to 1024", action.description.len())
    })?;
    ensure((1..=64).contains(&action.licence.len()), code::DATANET_INVALID, || {
        "the licence is an SPDX expression of 1 to 64 bytes, such as CC-BY-4.0".to_owned()
    })
}

fn check_numbers(action: &CreateDatanet) -> Result<(), ActionError> {
    let threshold = action.accept_threshold;
    ensure(threshold >= 1 && u64::from(threshold) <= BPS, code::DATANET_INVALID, || {
        format!("accept_threshold is {threshold}; it is 1 to 10000 basis points")
    })?;
    for (name, value) in [("committee_size", action.committee_size), ("storage_quorum", action.storage_quorum)] {
        ensure((1..=MAX_COMMITTEE).contains(&value), code::DATANET_INVALID, || {
            format!("{name} is {value}; it is 1 to {MAX_COMMITTEE}")
        })?;
    }
    ensure(action.holdout != BlobHash::ZERO && action.holdout_size > 0, code::DATANET_INVALID, || {
        "holdout and holdout_size must name a blob: add the held-out set to a node first".to_owned()
    })
}
