//! What stands behind an answer besides its receipt: how its credits were found, and what became of the model's data.

use std::time::Duration;

use datanet_api::models::GateView;
use datanet_types::receipt::{AnswerRecord, Method};

use super::Answers;
use super::attribution::name;
use crate::error::ServiceResult;
use crate::models::explainer::TABLE_FILE;
use crate::models::gate::judged;

/// How long a receipt waits for a manifest that another node may have.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module.
pub struct Background {
    /// `retrieval`, `span`, `influence`, or `none`.
    pub attribution: &'static str,
    /// The method that the release ships, its figures and why it was chosen.
    pub gate: Option<GateView>,
    /// Whether data behind the model was taken back.
    pub tainted: bool,
}

impl Answers {
    /// What stands behind this answer now.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read. A manifest that cannot be had is left out.
    pub async fn background(&self, record: &AnswerRecord) -> ServiceResult<Background> {
        let (method, model) = (record.receipt.method(), &record.receipt.model);
        let tainted = self.chain.model_on_ledger(model)?.is_some_and(|model| model.tainted);
        let mut background = Background { attribution: name(method), gate: None, tainted };
        if method == Method::Influence
            && let Ok(Ok(release)) = tokio::time::timeout(PATIENCE, self.models.release(model)).await
        {
            if release.file(TABLE_FILE).is_none() {
                background.attribution = "none";
            }
            background.gate = release.attribution.map(judged);
        }
        Ok(background)
    }
}
