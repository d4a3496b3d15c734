//! Models: the node's own, those on the ledger, those deployed here; deploying and rolling back.

use datanet_types::release::{Attribution, DataSnapshot, Metric, Release};
use datanet_types::{Address, Amount, ContributionId, DatanetId, Digest, ModelId, TxHash};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A model as it is on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its id.
    pub id: ModelId,
    /// Who is paid when it answers.
    pub owner: Address,
    /// A name for people.
    pub name: String,
    /// The models it was made from.
    pub parents: Vec<ModelId>,
    /// The datanets it was trained on.
    pub datanets: Vec<DatanetId>,
    /// SPDX expression.
    pub licence: String,
    /// Height of its registration.
    pub registered_height: u64,
    /// What of those datanets it was trained on, ordered by datanet.
    pub snapshots: Vec<DataSnapshot>,
    /// How its owner says it was measured.
    pub evaluation: Vec<Metric>,
    /// Whether `manifest` is the hash of a release manifest that names its files.
    pub release: bool,
    /// Hash of its manifest, or over its files: with the owner it makes the id.
    pub manifest: Digest,
}

/// A revoked contribution behind a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// The model that was trained on it: the one asked about, or one that it was made from.
    pub model: ModelId,
    /// The contribution.
    pub contribution: ContributionId,
    /// Height of the revocation.
    pub height: u64,
}

/// A model on the ledger, flagged if something behind it was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisteredModel {
    /// Its record: owner, parents, datanets and snapshots, licence, evaluation, height.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub record: ModelRecord,
    /// Whether it, or a model behind it, was trained on contributions that were revoked since.
    pub tainted: bool,
    /// Which, up to 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub taint: Vec<Taint>,
}

/// A model in OpenAI's shape, with our fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// What `model` in requests takes: a name that leads to it here, else its id.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Seconds since 1970: when it was made here, else deployed here; the node's own, when its files came. 0 where neither
    /// is known.
    pub created: u64,
    /// The owner's address, or `nobody`.
    pub owned_by: String,
    /// Its id on the ledger: the hash over its files or of its manifest.
    #[schema(value_type = String)]
    pub model_id: ModelId,
    /// Its name on the ledger.
    pub name: String,
    /// Who is paid when it answers, if it is on the ledger.
    #[schema(value_type = Option<String>)]
    pub owner: Option<Address>,
    /// Whether this node answers with it.
    pub deployed: bool,
    /// Names that lead to it here.
    pub names: Vec<String>,
    /// Numbers in a vector; the node's embedding model only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// Tokens read of a text at most; the node's embedding model only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// Its record on the ledger: parents, datanets and snapshots, evaluation, licence, and whether it is tainted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ledger: Option<RegisteredModel>,
    /// Whether something that it was trained on was revoked since.
    pub tainted: bool,
    /// Base units that an answer costs, a text at least; vectors are free. That of the dearest datanet it was trained on.
    #[serde(default)]
    pub price: Amount,
    /// Base units that a thousand tokens of text cost at least, beside `price`. What the node that answers takes says its quote.
    #[serde(default)]
    pub token_price: Amount,
}

/// All models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    pub object: String,
    /// What answers here first.
    pub data: Vec<ModelView>,
}

/// Which models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModelsParams {
    /// Only those that this node answers with.
    #[serde(default, deserialize_with = "crate::flag::flag")]
    pub deployed: bool,
}

/// A model with its manifest and those it was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelDetails {
    /// The model.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub model: ModelView,
    /// Files, data, columns, evaluation, attribution and its gate, the job; released models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub manifest: Option<Release>,
    /// How faithful its attribution was found by real retraining: the manifest's figures with a verdict and its reason;
    /// attributed models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateView>,
    /// The models behind it that are on the ledger.
    pub lineage: Vec<AncestorView>,
}

/// How faithful a release's attribution was found by real retraining. The manifest has the figures alone, so that what they
/// say is worked out where it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GateView {
    /// The manifest's figures.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub figures: Attribution,
    /// `passed`, `failed` or `unjudged`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// Why the release values by this method and not by another; `compared` has the figures of those that were tried.
    pub why: String,
}

/// A model behind another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AncestorView {
    /// Its id.
    #[schema(value_type = String)]
    pub model_id: ModelId,
    /// Its name.
    pub name: String,
    /// Who is paid a part when what was made from it answers.
    #[schema(value_type = String)]
    pub owner: Address,
    /// SPDX expression.
    pub licence: String,
}

/// How to put the node's model on the ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewModel {
    /// A name for people.
    pub name: String,
    /// SPDX expression; its form is checked.
    pub licence: String,
    /// The account that owns it and is paid; the node's own if not given.
    pub account: Option<String>,
}

/// A model put on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registered {
    /// Its id.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// The transaction.
    #[schema(value_type = String)]
    pub tx: TxHash,
}

/// An exported model to put up as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImport {
    /// The name of a folder in the node's models folder, with `model.onnx` and `tokenizer.json`.
    pub folder: String,
    /// The model's name.
    pub name: String,
    /// SPDX expression; `LicenseRef-unstated` if not given.
    pub licence: Option<String>,
    /// The account that owns it; the node's own if not given.
    pub account: Option<String>,
}

/// A model put up as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Its id on the ledger.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Its name.
    pub name: String,
    /// `classify` where it gives logits, else `embed`.
    pub task: String,
    /// Names of its classes; empty where it gives vectors.
    pub labels: Vec<String>,
    /// Numbers in what it says of a text.
    pub dimensions: usize,
}

/// A form in which a model is given to those who have no node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExportFormat {
    /// An adapter's folder, as PEFT loads it.
    #[default]
    Peft,
    /// The base with the adapter and the head in one ONNX file.
    Onnx,
    /// ONNX Runtime's file of an adapter, and the graph that takes it.
    OnnxAdapter,
    /// A whole model's folder, as Transformers loads it.
    Transformers,
}

impl std::fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Peft => "peft",
            Self::Onnx => "onnx",
            Self::OnnxAdapter => "onnx-adapter",
            Self::Transformers => "transformers",
        })
    }
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportParams {
    /// `peft`, `onnx`, `onnx-adapter` or `transformers`.
    #[param(inline)]
    pub format: ExportFormat,
}

/// How to fetch a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    /// Tell how far it is, as server-sent events: progress, then what was fetched, or why not.
    #[serde(default)]
    pub stream: bool,
}

/// How far a model's files have come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PullProgress {
    /// The file that is fetched now; empty where all have come and are checked.
    pub file: String,
    /// Files that have come.
    pub files: usize,
    /// Files in all.
    pub of_files: usize,
    /// Bytes that have come.
    pub bytes: u64,
    /// Bytes in all.
    pub of_bytes: u64,
}

/// A model whose files are here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pulled {
    /// Its id.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// What it adapts.
    #[schema(value_type = Option<String>)]
    pub base: Option<ModelId>,
    /// Whether that is here too; a model without base needs none.
    pub base_here: bool,
}

/// What a pull says while it goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PullUpdate {
    /// It failed; the last event.
    Failed {
        /// Why.
        error: crate::problem::OpenAiError,
    },
    /// It is done; the last event.
    Done(Pulled),
    /// It goes on.
    Progress(PullProgress),
}

/// A model whose files are let go of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Its id.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Its name.
    pub name: String,
    /// Its files.
    pub files: usize,
    /// Bytes that come free.
    pub bytes: u64,
    /// Those of them that come free with the blob store's next collection; the rest is free now.
    pub bytes_later: u64,
}

/// How to deploy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// The name that leads to the model from now on; the release's own if not given.
    pub name: Option<String>,
}

/// A model deployed, or rolled back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deployed {
    /// The name that leads to it.
    pub name: String,
    /// What answers to it now.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// What answered before, the latest last.
    #[schema(value_type = Vec<String>)]
    pub before: Vec<ModelId>,
}

/// What is served no more, in OpenAI's shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deleted {
    /// The model that was meant.
    pub id: String,
    /// Always `model`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
    /// Extension: the names and models that are gone.
    #[serde(flatten)]
    pub gone: Undeployed,
}

/// What is served no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Undeployed {
    /// Names that lead to nothing now.
    pub names: Vec<String>,
    /// Models that answer no more, those included that only these names could be rolled back to.
    #[schema(value_type = Vec<String>)]
    pub models: Vec<ModelId>,
}

/// How much of a run to repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// So many stretches between checkpoints, drawn at random now; the whole run if not given.
    pub stretches: Option<usize>,
}
