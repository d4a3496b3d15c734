//! Which models this node serves, under which names, and how a name goes back to the model before.

use std::sync::Arc;

use datanet_types::ModelId;

use super::Models;
use super::served::ServedModel;
use crate::db::deployments::{Deployment, NamedModel, Undeploy, Undeployed};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

impl Models {
    /// Fetches a released model, checks it and serves it from now on, also after a restart. `name` leads to it from now on;
    /// the release's own if not given.
    ///
    /// # Errors
    /// As [`Models::in_memory`]; when the name is no good one ([`Code::BadName`]) or a base model's
    /// ([`Code::NameTaken`]), or the blob store or the private store fails.
    pub async fn deploy(&self, id: &ModelId, name: Option<String>) -> ServiceResult<NamedModel> {
        let _one_at_a_time = self.deploying.lock().await;
        let name = match name {
            Some(name) => name,
            None => self.release(id).await?.name,
        };
        check_name(&name)?;
        if self.bases().await?.iter().any(|base| base.name == name) {
            let detail = format!("{name:?} is a base model of this node; deploy under another name");
            return Err(ServiceError::new(Code::NameTaken, detail));
        }
        self.load_deployed(id).await?;
        self.keep_for_others(id).await?;
        self.db.deploy(&Deployment { model: *id, deployed_at: now() }, &name)
    }

    /// Takes a name away, and its model with its last name; or, by its id, a model with all its names. Its files stay blobs
    /// of this node, so that others can fetch them. Also gives the model that was meant.
    ///
    /// # Errors
    /// When nothing of that name or id is deployed here ([`Code::UnknownModel`]), or the private store cannot be read
    /// or written; then nothing has changed.
    pub async fn undeploy(&self, name_or_id: &str) -> ServiceResult<(ModelId, Undeployed)> {
        let _one_at_a_time = self.deploying.lock().await;
        let names = self.db.model_names()?;
        let named = names.iter().find(|named| named.name == name_or_id).map(|named| named.model);
        let (id, which) = match (named, name_or_id.parse::<ModelId>()) {
            (Some(id), _) => (id, None),
            (None, Ok(id)) if self.served.is_deployed(&id) || self.is_kept_deployed(&id)? => (id, Some(id)),
            _ => {
                let known = names.iter().map(|named| format!("{:?}", named.name)).collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() { "nothing is".to_owned() } else { format!("there is {known}") };
                let detail = format!("no model {name_or_id:?} is deployed here; {known}");
                return Err(ServiceError::new(Code::UnknownModel, detail));
            }
        };
        let gone = self.db.undeploy(which.as_ref().map_or(Undeploy::Name(name_or_id), Undeploy::Model))?;
        for model in &gone.models {
            self.served.remove(model);
        }
        self.drop_idle_engines().await;
        Ok((id, gone))
    }

    /// Names that lead to models here.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn names(&self) -> ServiceResult<Vec<NamedModel>> {
        self.db.model_names()
    }

    /// Models served after a restart too.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn deployments(&self) -> ServiceResult<Vec<Deployment>> {
        self.db.deployments()
    }

    /// Whether a model is served after a restart too.
    pub(super) fn is_kept_deployed(&self, id: &ModelId) -> ServiceResult<bool> {
        Ok(self.db.deployments()?.iter().any(|deployment| deployment.model == *id))
    }

    /// The model before the one that answers to `name` answers again; it is loaded if it must be.
    ///
    /// # Errors
    /// As [`Models::in_memory`]; when nothing is deployed under the name ([`Code::UnknownModel`]), it has led to no
    /// other model before ([`Code::NothingBefore`]), or the private store cannot be read or written. Then the name
    /// leads where it led.
    pub async fn roll_back(&self, name: &str) -> ServiceResult<NamedModel> {
        let _one_at_a_time = self.deploying.lock().await;
        let names = self.db.model_names()?;
        let named = names.into_iter().find(|named| named.name == name).ok_or_else(|| {
            ServiceError::new(Code::UnknownModel, format!("no model is deployed under the name {name:?}"))
        })?;
        let Some(before) = named.before.last() else {
            let detail = format!("{name:?} has led to no other model before; deploy one");
            return Err(ServiceError::new(Code::NothingBefore, detail));
        };
        self.load_deployed(before).await?;
        let rolled = self.db.roll_back(name)?;
        rolled.ok_or_else(|| ServiceError::new(Code::NothingBefore, format!("{name:?} has changed meanwhile")))
    }

    async fn load_deployed(&self, id: &ModelId) -> ServiceResult<Arc<ServedModel>> {
        let memory = &self.served;
        let served = match memory.get(id).or_else(|| memory.visitor(id)) {
            Some(served) => served,
            None => Arc::new(self.load_model(id).await?),
        };
        memory.insert(served.clone());
        Ok(served)
    }

    /// Loads what was deployed before this process: what fails is told and stays deployed, for the next start.
    pub async fn redeploy(&self) {
        let deployments = match self.db.deployments() {
            Ok(deployments) => deployments,
            Err(error) => {
                tracing::warn!(%error, "deployed models cannot be looked up");
                return;
            }
        };
        for deployment in deployments {
            let id = deployment.model;
            if let Err(error) = self.load_deployed(&id).await {
                tracing::warn!(model = %id, %error, "a deployed model cannot be loaded");
            }
        }
    }
}

/// A name must not look like an id, and must fit into a path.
pub(super) fn check_name(name: &str) -> ServiceResult<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let fits = (1..=64).contains(&name.len()) && name.chars().all(plain) && name.parse::<ModelId>().is_err();
    if fits {
        return Ok(());
    }
    let detail = "a model's name is 1 to 64 letters, digits, hyphens, underscores or dots, and no id";
    Err(ServiceError::new(Code::BadName, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_path_and_are_no_ids() {
        assert!(check_name("birds-classify.v2").is_ok());
        for bad in ["", "a/b", "a b", &"ab".repeat(32), &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
