//! Putting a model on the ledger.

use std::collections::BTreeSet;

use datanet_types::action::RegisterModel;
use datanet_types::release::{validate_evaluation, validate_snapshots};
use datanet_types::tx::VerifiedTx;
use datanet_types::{Digest, ModelId};

use crate::code;
use crate::component::datanets::history;
use crate::component::error::{ensure, refuse};
use crate::component::models::{self, MAX_ANCESTORS, Model, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, datanets, deposit, params};
use crate::state::{StateRead, StateWrite};

/// Most parents, and most datanets, of a model.
const MAX_LINEAGE: usize = 16;

impl ActionHandler for RegisterModel {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &str| ensure(good, code::MODEL_INVALID, || what.to_owned());
        check(
            self.manifest != Digest::ZERO,
            "manifest must be the hash of the release's manifest, or over the model's files",
        )?;
        check((1..=64).contains(&self.name.len()), "a model's name is 1 to 64 bytes long")?;
        check((1..=64).contains(&self.licence.len()), "the licence is an SPDX expression of 1 to 64 bytes")?;
        check(is_set(&self.parents), "parents are at most 16 different models")?;
        check(is_set(&self.datanets), "datanets are at most 16 different ones")?;
        let invalid =
            |error: datanet_types::release::ReleaseError| ActionError::refused(code::MODEL_INVALID, error.to_string());
        validate_snapshots(&self.snapshots).map_err(invalid)?;
        validate_evaluation(&self.evaluation).map_err(invalid)?;
        let named = self.snapshots.iter().all(|snapshot| self.datanets.contains(&snapshot.datanet));
        check(named, "every snapshot's datanet must be among the model's datanets")
    }

    /// Parents, datanets and snapshots can be many, and lineages long.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        check_free(state, &self.id(&ctx.tx.signer))
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let id = self.id(&ctx.tx.signer);
        check_free(state, &id)?;
        check_parents(state, self)?;
        for datanet in &self.datanets {
            datanets::require(state, datanet)?;
        }
        check_snapshots(state, self)?;
        let model = Model {
            id,
            owner: ctx.tx.signer,
            name: self.name.clone(),
            parents: self.parents.clone(),
            datanets: self.datanets.clone(),
            licence: self.licence.clone(),
            registered_height: ctx.block.height,
            snapshots: self.snapshots.clone(),
            evaluation: self.evaluation.clone(),
            release: self.release,
            manifest: self.manifest,
        };
        deposit::pay_for_good(state, &params::get(state)?, &model.owner, &model)?;
        state.put(state_key::model(&model.id), &model);
        let event = Event::new("model.registered").with("model", model.id).with("owner", model.owner);
        Ok(vec![event.with("name", &model.name).with("release", model.release)])
    }
}

/// Nobody else can have it. Parents are there before their children, and a model never changes: so there are no cycles.
fn check_free<S: StateRead>(state: &S, id: &ModelId) -> Result<(), ActionError> {
    match models::get(state, id)? {
        Some(there) => {
            let (name, height) = (&there.name, there.registered_height);
            refuse(code::MODEL_TAKEN, format!("you registered this as {name:?} at height {height}, as model {id}"))
        }
        None => Ok(()),
    }
}

fn check_parents<S: StateRead>(state: &S, action: &RegisterModel) -> Result<(), ActionError> {
    for parent in &action.parents {
        ensure(models::get(state, parent)?.is_some(), code::MODEL_UNKNOWN, || {
            format!("parent model {parent} is not registered; register it first")
        })?;
    }
    ensure(models::ancestors(state, &action.parents)?.is_some(), code::MODEL_LINEAGE, || {
        format!("more than {MAX_ANCESTORS} models lie behind this one; name parents closer to the beginning")
    })
}

/// A snapshot is a place that its datanet's history really had: one look each.
fn check_snapshots<S: StateRead>(state: &S, action: &RegisterModel) -> Result<(), ActionError> {
    for snapshot in &action.snapshots {
        let (datanet, count) = (snapshot.datanet, snapshot.count);
        match history::at(state, &datanet, count)? {
            Some(there) if there == *snapshot => {}
            Some(_) => {
                return refuse(
                    code::MODEL_SNAPSHOT,
                    format!("the history of datanet {datanet} had another digest at entry {count}; ask a node for it"),
                );
            }
            None => {
                let latest = history::latest(state, &datanet)?.count;
                return refuse(
                    code::MODEL_SNAPSHOT,
                    format!("the history of datanet {datanet} has {latest} entries, the snapshot names {count}"),
                );
            }
        }
    }
    Ok(())
}

fn is_set<T: Ord>(items: &[T]) -> bool {
    items.len() <= MAX_LINEAGE && items.iter().collect::<BTreeSet<_>>().len() == items.len()
}
