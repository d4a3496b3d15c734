//! Which model a caller means, and whether it does what is asked of it.
//!
//! A name means what answers to it here; else, if it is an id, the model of that id; else the newest release of that name
//! on the ledger. Answers come from the first two alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use datanet_ledger::component::models::Model;
use datanet_types::ModelId;
use datanet_types::release::Task;

use super::Models;
use super::served::ServedModel;
use crate::error::{Code, ServiceError, ServiceResult};

/// Models named in an error at most.
const SHOWN: usize = 16;

impl Models {
    /// The model that `name_or_id` means; one that is given by its id need not exist.
    ///
    /// # Errors
    /// When nothing is called so here or on the ledger ([`Code::UnknownModel`]), several owners have one of that name
    /// there ([`Code::AmbiguousName`]), the private store cannot be read, or the ledger has no block yet or cannot be
    /// read.
    pub fn model_named(&self, name_or_id: &str) -> ServiceResult<ModelId> {
        let names = self.db.model_names()?;
        if let Some(named) = names.into_iter().find(|named| named.name == name_or_id) {
            return Ok(named.model);
        }
        if let Ok(id) = name_or_id.parse() {
            return Ok(id);
        }
        newest(name_or_id, self.chain.ledger_models()?)?.ok_or_else(|| {
            ServiceError::new(
                Code::UnknownModel,
                format!("no model {name_or_id:?} here or on the ledger; `GET /v1/models` lists them"),
            )
        })
    }

    /// The deployed model that a caller asks to do `task`.
    ///
    /// # Errors
    /// When nothing answers to it here ([`Code::UnknownModel`], [`Code::NotDeployed`], [`Code::AmbiguousName`]), it is
    /// still being loaded ([`Code::ModelLoading`]), it does something else ([`Code::NoClassifier`],
    /// [`Code::NoEmbeddings`], [`Code::NoDecoder`]), the private store cannot be read, or the ledger has no block yet
    /// or cannot be read.
    pub fn served_model(&self, name_or_id: &str, task: Task) -> ServiceResult<Arc<ServedModel>> {
        let own = self.embedder.info().ok();
        if own.is_some_and(|own| own.name == name_or_id || hex::encode(own.id) == name_or_id) {
            return Err(self.wrong_task(name_or_id, Task::Embed, task));
        }
        let Some(id) = self.answering(name_or_id)? else { return Err(self.not_answering(name_or_id, task)?) };
        let served = self.served.get(&id).ok_or_else(|| {
            ServiceError::new(Code::ModelLoading, format!("model {name_or_id} is being loaded; try again in a moment"))
        })?;
        match served.task() {
            // A classifier's encoder gives vectors too.
            Task::Classify if task == Task::Embed && served.embeds() => Ok(served),
            does if does == task => Ok(served),
            does => Err(self.wrong_task(name_or_id, does, task)),
        }
    }

    /// The model that answers to a name or id here. A name on the ledger alone does not answer: anybody can give it.
    fn answering(&self, name_or_id: &str) -> ServiceResult<Option<ModelId>> {
        if let Some(named) = self.db.model_names()?.into_iter().find(|named| named.name == name_or_id) {
            return Ok(Some(named.model));
        }
        let Ok(id) = name_or_id.parse() else { return Ok(None) };
        Ok(self.is_kept_deployed(&id)?.then_some(id))
    }

    /// Why nothing answers to a name or id here, and what does.
    fn not_answering(&self, name_or_id: &str, task: Task) -> ServiceResult<ServiceError> {
        let able = self.able(task);
        let id = match self.model_named(name_or_id) {
            Err(error) if error.code == Code::UnknownModel => {
                let detail = format!("no model {name_or_id:?} here or on the ledger; {able}");
                return Ok(ServiceError::new(Code::UnknownModel, detail));
            }
            other => other?,
        };
        self.chain.registered_model(&id)?;
        let how = match self.is_kept_deployed(&id)? {
            true => format!("answers here under another name, and as {id}"),
            false => format!("is not deployed here: `datanet model deploy {name_or_id}` brings it"),
        };
        let detail = format!("model {name_or_id:?} on the ledger {how}; {able}");
        Ok(ServiceError::new(Code::NotDeployed, detail))
    }

    fn wrong_task(&self, name_or_id: &str, does: Task, task: Task) -> ServiceError {
        let (is, at) = match does {
            Task::Classify => ("a classifier", "/v1/classify"),
            Task::Embed => ("an embedding model without labels", "/v1/embeddings"),
            Task::Generate => ("a decoder, which writes text", "/v1/completions"),
        };
        let code = match task {
            Task::Classify => Code::NoClassifier,
            Task::Embed => Code::NoEmbeddings,
            Task::Generate => Code::NoDecoder,
        };
        let detail = format!("model {name_or_id:?} is {is}: ask it at {at}; {}", self.able(task));
        ServiceError::new(code, detail)
    }

    /// The models that do `task` here, in words.
    fn able(&self, task: Task) -> String {
        let names = self.db.model_names().unwrap_or_default();
        let able = |id: &ModelId| {
            let served = self.served.get(id);
            served.is_some_and(|served| served.task() == task || (task == Task::Embed && served.embeds()))
        };
        let own = self.embedder.info().ok().filter(|_| task == Task::Embed).map(|own| own.name);
        let named = names.into_iter().filter(|named| able(&named.model)).map(|named| named.name);
        let listed: Vec<String> = named.chain(own).take(SHOWN).map(|name| format!("{name:?}")).collect();
        let what = match task {
            Task::Classify => "classify",
            Task::Embed => "embed",
            Task::Generate => "write text",
        };
        format!("models that {what} here: {}", if listed.is_empty() { "none".to_owned() } else { listed.join(", ") })
    }
}

/// The newest release of this name, if there is one. A name belongs to nobody, so that of several owners is an error.
fn newest(name: &str, models: Vec<Model>) -> ServiceResult<Option<ModelId>> {
    let mut found: Vec<Model> = models.into_iter().filter(|model| model.release && model.name == name).collect();
    found.sort_by_key(|model| (std::cmp::Reverse(model.registered_height), model.id));
    let owners: BTreeSet<_> = found.iter().map(|model| model.owner).collect();
    if owners.len() > 1 {
        let listed = found.iter().take(SHOWN).map(|model| format!("{} of {}", model.id, model.owner));
        let listed = listed.collect::<Vec<_>>().join(", ");
        return Err(ServiceError::new(
            Code::AmbiguousName,
            format!("{} owners have a model called {name:?} on the ledger; give an id: {listed}", owners.len()),
        ));
    }
    Ok(found.first().map(|model| model.id))
}

#[cfg(test)]
mod tests {
    use datanet_types::Address;

    use super::*;

    fn model(n: u8, owner: u8, height: u64, name: &str) -> Model {
        Model {
            id: ModelId([n; 32]),
            owner: Address([owner; 20]),
            name: name.to_owned(),
            registered_height: height,
            release: true,
            ..Model::default()
        }
    }

    #[test]
    fn a_name_on_the_ledger_means_its_newest_release() {
        let unreleased = Model { release: false, ..model(9, 1, 99, "birds") };
        let models = vec![model(1, 1, 5, "birds"), model(2, 1, 7, "birds"), model(3, 2, 9, "fish"), unreleased];
        assert_eq!(newest("birds", models.clone()).unwrap(), Some(ModelId([2; 32])));
        assert_eq!(newest("bees", models).unwrap(), None);
    }

    #[test]
    fn a_name_of_several_owners_is_an_error_that_lists_the_ids() {
        let error = newest("birds", vec![model(1, 1, 5, "birds"), model(2, 2, 7, "birds")]).unwrap_err();
        assert_eq!(error.code, Code::AmbiguousName);
        assert!(error.detail.contains(&"01".repeat(32)) && error.detail.contains(&"02".repeat(32)), "{error}");
    }
}
