//! Putting a model on the ledger.

use std::collections::BTreeSet;

use datanet_types::ModelId;
use datanet_types::action::RegisterModel;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::models::{self, Model, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, datanets};
use crate::state::StateWrite;

/// Most parents, and most datanets, of a model.
const MAX_LINEAGE: usize = 16;

impl ActionHandler for RegisterModel {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &str| ensure(good, code::MODEL_INVALID, || what.to_owned());
        check(self.model != ModelId::ZERO, "model must be the hash over the model's files")?;
        check((1..=64).contains(&self.name.len()), "a model's name is 1 to 64 bytes long")?;
        check((1..=64).contains(&self.licence.len()), "the licence is an SPDX expression of 1 to 64 bytes")?;
        check(is_set(&self.parents), "parents are at most 16 different models")?;
        check(is_set(&self.datanets), "datanets are at most 16 different ones")?;
        check(!self.parents.contains(&self.model), "a model can't be its own parent")
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        if let Some(there) = models::get(state, &self.model)? {
            ensure(false, code::MODEL_TAKEN, || format!("model {} is registered by {}", there.id, there.owner))?;
        }
        for parent in &self.parents {
            ensure(models::get(state, parent)?.is_some(), code::MODEL_UNKNOWN, || {
                format!("parent model {parent} is not registered; register it first")
            })?;
        }
        for datanet in &self.datanets {
            datanets::require(state, datanet)?;
        }
        let model = Model {
            id: self.model,
            owner: ctx.tx.signer,
            name: self.name.clone(),
            parents: self.parents.clone(),
            datanets: self.datanets.clone(),
            licence: self.licence.clone(),
            registered_height: ctx.block.height,
        };
        state.put(state_key::model(&model.id), &model);
        let event = Event::new("model.registered").with("model", model.id).with("owner", model.owner);
        Ok(vec![event.with("name", &model.name)])
    }
}

fn is_set<T: Ord>(items: &[T]) -> bool {
    items.len() <= MAX_LINEAGE && items.iter().collect::<BTreeSet<_>>().len() == items.len()
}
