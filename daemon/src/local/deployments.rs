//! Which released models this node serves, and by which names: so that it serves them again after a restart.

use datanet_types::ModelId;
use redb::WriteTransaction;

use super::{LocalStore, table};
use crate::error::ServiceResult;

const DEPLOYED: table::Table = redb::TableDefinition::new("deployed");
const NAMES: table::Table = redb::TableDefinition::new("model-names");

/// Names remember so many models before the one that serves.
const HISTORY: usize = 32;

/// A model that this node serves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Deployment {
    /// The model.
    pub model: ModelId,
    /// Seconds since 1970.
    pub deployed_at: u64,
}

/// A name, the model that answers to it, and those that did before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NamedModel {
    /// The name.
    pub name: String,
    /// The model that answers.
    pub model: ModelId,
    /// Those before it, the latest last.
    pub before: Vec<ModelId>,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, DEPLOYED)?;
    table::create(tx, NAMES)
}

impl LocalStore {
    /// All models served here, in the order of their ids.
    pub fn deployments(&self) -> ServiceResult<Vec<Deployment>> {
        let all: Vec<(Vec<u8>, Deployment)> = self.read(|tx| table::all(tx, DEPLOYED))?;
        Ok(all.into_iter().map(|(_, deployment)| deployment).collect())
    }

    /// Serves `deployment` from now on, under `name`: the model that answered to it becomes its last before.
    pub fn deploy(&self, deployment: &Deployment, name: &str) -> ServiceResult<NamedModel> {
        self.write(|tx| {
            table::put(tx, DEPLOYED, &deployment.model.0, deployment)?;
            let mut named = match table::get_in::<NamedModel>(tx, NAMES, name.as_bytes())? {
                Some(named) => named,
                None => NamedModel { name: name.to_owned(), model: deployment.model, before: Vec::new() },
            };
            if named.model != deployment.model {
                named.before.push(named.model);
                named.model = deployment.model;
                let surplus = named.before.len().saturating_sub(HISTORY);
                named.before.drain(..surplus);
            }
            table::put(tx, NAMES, name.as_bytes(), &named)?;
            Ok(named)
        })
    }

    /// Serves `model` no more. Names that lead to it lead to the last before it that is still served, or are gone.
    pub fn undeploy(&self, model: &ModelId) -> ServiceResult<bool> {
        self.write(|tx| {
            let known = table::get_in::<Deployment>(tx, DEPLOYED, &model.0)?.is_some();
            table::remove(tx, DEPLOYED, &model.0)?;
            let names: Vec<(Vec<u8>, NamedModel)> = table::all_in(tx, NAMES)?;
            for (key, mut named) in names {
                named.before.retain(|before| before != model);
                if named.model != *model {
                    table::put(tx, NAMES, &key, &named)?;
                } else if let Some(before) = named.before.pop() {
                    named.model = before;
                    table::put(tx, NAMES, &key, &named)?;
                } else {
                    table::remove(tx, NAMES, &key)?;
                }
            }
            Ok(known)
        })
    }

    /// All names.
    pub fn model_names(&self) -> ServiceResult<Vec<NamedModel>> {
        let all: Vec<(Vec<u8>, NamedModel)> = self.read(|tx| table::all(tx, NAMES))?;
        Ok(all.into_iter().map(|(_, named)| named).collect())
    }

    /// The model before the one that answers to `name` answers again; `None` if there is no such name or none before.
    pub fn roll_back(&self, name: &str) -> ServiceResult<Option<NamedModel>> {
        self.write(|tx| {
            let Some(mut named) = table::get_in::<NamedModel>(tx, NAMES, name.as_bytes())? else { return Ok(None) };
            let Some(before) = named.before.pop() else { return Ok(None) };
            named.model = before;
            table::put(tx, NAMES, name.as_bytes(), &named)?;
            Ok(Some(named))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(n: u8) -> Deployment {
        Deployment { model: ModelId([n; 32]), deployed_at: 1 }
    }

    #[test]
    fn a_name_leads_to_the_latest_model_and_back_again() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        for n in [1, 2, 2, 3] {
            store.deploy(&deployment(n), "birds").unwrap();
        }
        assert_eq!(store.model_names().unwrap()[0].before, [ModelId([1; 32]), ModelId([2; 32])]);
        assert_eq!(store.roll_back("birds").unwrap().unwrap().model, ModelId([2; 32]));
        assert!(store.undeploy(&ModelId([2; 32])).unwrap());
        assert_eq!(store.model_names().unwrap()[0].model, ModelId([1; 32]));
        assert_eq!(store.roll_back("birds").unwrap(), None);
        assert_eq!(store.roll_back("fish").unwrap(), None);
        assert!(store.undeploy(&ModelId([1; 32])).unwrap() && !store.undeploy(&ModelId([1; 32])).unwrap());
        assert!(store.model_names().unwrap().is_empty());
        assert_eq!(store.deployments().unwrap(), [deployment(3)]);
    }
}
