//! Which released models this node serves, and by which names: so that it serves them again after a restart.

use std::collections::BTreeSet;

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

/// What is to be served no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeploy<'a> {
    /// This name; its model goes with its last name.
    Name(&'a str),
    /// This model, with all names that lead to it.
    Model(&'a ModelId),
}

/// What is served no more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undeployed {
    /// Names that lead to nothing now.
    pub names: Vec<String>,
    /// Models that answer no more, those included that only these names could be rolled back to.
    pub models: Vec<ModelId>,
}

pub(super) fn create(tx: &WriteTransaction) -> ServiceResult<()> {
    table::create(tx, DEPLOYED)?;
    table::create(tx, NAMES)
}

impl LocalStore {
    /// All models served here, in the order of their ids.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn deployments(&self) -> ServiceResult<Vec<Deployment>> {
        let all: Vec<(Vec<u8>, Deployment)> = self.read(|tx| table::all(tx, DEPLOYED))?;
        Ok(all.into_iter().map(|(_, deployment)| deployment).collect())
    }

    /// Serves `deployment` from now on, under `name`: the model that answered to it becomes its last before.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
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

    /// Takes names away, and serves the models no more that no other name leads or could be rolled back to.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
    pub fn undeploy(&self, which: Undeploy<'_>) -> ServiceResult<Undeployed> {
        self.write(|tx| {
            let (mut left, mut gone) = (BTreeSet::new(), BTreeSet::new());
            let mut names = Vec::new();
            for (key, mut named) in table::all_in::<NamedModel>(tx, NAMES)? {
                let meant = match which {
                    Undeploy::Name(name) => named.name == name,
                    Undeploy::Model(model) => named.model == *model,
                };
                if meant {
                    table::remove(tx, NAMES, &key)?;
                    gone.extend(named.before.into_iter().chain([named.model]));
                    names.push(named.name);
                    continue;
                }
                if let Undeploy::Model(model) = which {
                    named.before.retain(|before| before != model);
                    table::put(tx, NAMES, &key, &named)?;
                }
                left.extend(named.before.into_iter().chain([named.model]));
            }
            if let Undeploy::Model(model) = which {
                gone.insert(*model);
            }
            let mut models = Vec::new();
            for model in gone.difference(&left) {
                if table::get_in::<Deployment>(tx, DEPLOYED, &model.0)?.is_some() {
                    table::remove(tx, DEPLOYED, &model.0)?;
                    models.push(*model);
                }
            }
            Ok(Undeployed { names, models })
        })
    }

    /// All names.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn model_names(&self) -> ServiceResult<Vec<NamedModel>> {
        let all: Vec<(Vec<u8>, NamedModel)> = self.read(|tx| table::all(tx, NAMES))?;
        Ok(all.into_iter().map(|(_, named)| named).collect())
    }

    /// The model before the one that answers to `name` answers again; `None` if there is no such name or none before.
    ///
    /// # Errors
    /// When the private store cannot be read or written; then nothing has changed.
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
        assert_eq!(store.roll_back("birds").unwrap().unwrap().model, ModelId([1; 32]));
        assert_eq!(store.roll_back("birds").unwrap(), None);
        assert_eq!(store.roll_back("fish").unwrap(), None);
    }

    #[test]
    fn a_model_goes_with_its_last_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        store.deploy(&deployment(1), "birds").unwrap();
        store.deploy(&deployment(1), "fowl").unwrap();
        let undeployed = |which| {
            let gone = store.undeploy(which).unwrap();
            (gone.names, gone.models.iter().map(|model| model.0[0]).collect::<Vec<_>>())
        };
        assert_eq!(undeployed(Undeploy::Name("birds")), (vec!["birds".to_owned()], vec![]));
        assert_eq!(store.deployments().unwrap(), [deployment(1)]);
        // What one name leads to is kept while another could be rolled back to it.
        store.deploy(&deployment(1), "birds").unwrap();
        store.deploy(&deployment(2), "fowl").unwrap();
        assert_eq!(undeployed(Undeploy::Name("birds")), (vec!["birds".to_owned()], vec![]));
        assert_eq!(undeployed(Undeploy::Name("fowl")), (vec!["fowl".to_owned()], vec![1, 2]));
        assert!(store.deployments().unwrap().is_empty() && store.model_names().unwrap().is_empty());
        assert_eq!(undeployed(Undeploy::Name("fowl")), (vec![], vec![]));
    }

    #[test]
    fn a_model_takes_all_its_names_along() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::open(&dir.path().join("local.redb")).unwrap();
        for (n, name) in [(1, "birds"), (1, "fowl"), (1, "wings"), (2, "wings")] {
            store.deploy(&deployment(n), name).unwrap();
        }
        let gone = store.undeploy(Undeploy::Model(&ModelId([1; 32]))).unwrap();
        assert_eq!(gone, Undeployed { names: vec!["birds".into(), "fowl".into()], models: vec![ModelId([1; 32])] });
        let left = store.model_names().unwrap();
        assert_eq!((left.len(), &left[0].before, store.deployments().unwrap()), (1, &vec![], vec![deployment(2)]));
    }
}
