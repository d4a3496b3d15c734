//! Opening a datanet.

use datanet_types::action::CreateDatanet;
use datanet_types::amount::{BPS, display};
use datanet_types::tx::VerifiedTx;
use datanet_types::{BlobHash, DatanetId};

use crate::code;
use crate::component::datanets::{self, Datanet};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::state::StateWrite;

/// Most validators of a committee, and most attestations that may be asked for.
const MAX_COMMITTEE: u32 = 64;

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
        let (least, most) = (params.min_price, params.max_contribution_bytes);
        ensure(self.price >= least, code::DATANET_INVALID, || {
            format!("price is {}, the least on this chain is {}", display(self.price), display(least))
        })?;
        // Every node that judges fetches it, so a stranger must not choose how much that is.
        ensure(self.holdout_size <= most, code::DATANET_INVALID, || {
            format!("the held-out set has {} bytes, the most is {most}; give a sample of it", self.holdout_size)
        })?;
        if let Some(taken) = datanets::by_name(state, &self.name)? {
            return refuse(
                code::DATANET_TAKEN,
                format!("the name {:?} belongs to datanet {}; choose another", self.name, taken.id),
            );
        }
        let id = DatanetId::derive(&ctx.block.chain_id, &ctx.tx.signer, &self.name);
        datanets::put(state, &record(self, id, ctx));
        let event = Event::new("datanet.created").with("datanet", id).with("name", &self.name);
        Ok(vec![event.with("creator", ctx.tx.signer)])
    }
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
        creator: ctx.tx.signer,
        created_height: ctx.block.height,
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
