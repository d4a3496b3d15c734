//! Trainings that a node sells: an adapter, trained on a datanet for whoever pays for its steps.

use datanet_types::quote::SignedQuote;
use datanet_types::rate::Rate;
use datanet_types::release::Release;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, Digest, ModelId, ReceiptId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::fine_tuning::{JobFailure, JobState, Progress};

/// A training, as it is priced and ordered: of the two the order has a voucher beside.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingRequest {
    /// The datanet that is learnt from: its id or name.
    pub datanet: String,
    /// So many entries of its history, in ledger order; all there are if not given. What is given meanwhile changes the price of all there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The base model that is adapted: one that the node has, by name or id.
    pub base: String,
    /// The job as in a job file, without `base`: `task`, `lora`, `recipe`, `attribution`, `max_tokens`, and of `data` the fields, `held_out` and
    /// `max_records`. What costs work and is no step is refused: retrainings, evaluations on the way, decoders from nothing.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub job: Map<String, Value>,
    /// Up to 64 of `a-z A-Z 0-9 - _ .`: what the model is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pays: `{"channel", "cumulative", "signature"}`, for the quote's price. It is held until the training is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub voucher: Option<SignedVoucher>,
    /// The node's word on the price, as it was quoted: the training costs no more, or is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub quote: Option<SignedQuote>,
}

/// What a training costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingQuoted {
    /// The node's signed word: `price` is the most, `rate` what it is the most of (`{"answer", "thousand", "step"}`).
    #[schema(value_type = Object)]
    pub quote: SignedQuote,
    /// Steps that it takes at most, those of the trainings on halves included. Copies and records that are held out are not learnt from, and make fewer.
    pub steps: u32,
    /// Entries of the datanet's history that it is for.
    pub count: u64,
    /// Within so many seconds from its order it is done, or ended without being paid. The channel must last as long.
    pub seconds: u64,
}

/// A training that was ordered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrainingView {
    /// Its id, by which whoever has ordered it sees how it does and fetches what came of it: nobody else knows it.
    pub id: String,
    /// What its job is at.
    pub status: JobState,
    /// What its payment is at.
    pub payment: TrainingPayment,
    /// Why nothing was paid, or what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Seconds since 1970.
    pub created_at: u64,
    /// When it is ended if it is not done, in seconds since 1970.
    pub until: u64,
    /// The base model as it was named.
    pub base: String,
    /// What the model is called.
    pub name: String,
    /// The prices.
    #[schema(value_type = Object)]
    pub rate: Rate,
    /// Steps that it takes at most.
    pub most_steps: u32,
    /// How far it is.
    pub progress: Progress,
    /// Why its job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobFailure>,
    /// What the held-out records say, once it is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub evaluation: Option<Value>,
    /// The receipt, once it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub receipt: Option<ReceiptId>,
    /// Base units that it took, once it is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Amount>,
    /// The hash of its manifest, once it is paid: with its owner it makes a model's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub manifest: Option<Digest>,
    /// The manifest itself, whose files can be fetched here for a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub release: Option<Release>,
}

/// Which file of a release.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TrainingFileParams {
    /// Its name, as the manifest has it.
    pub name: String,
}

/// What the payment of a training is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainingPayment {
    /// It is held, and nothing is paid yet.
    Held,
    /// It is taken, by the receipt.
    Taken,
    /// It is let go of: nothing is paid, and the voucher is good for anything else.
    Released,
}

/// A training that was bought elsewhere, to be registered in the name of an account of this node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBoughtModel {
    /// The receipt that paid for it.
    #[schema(value_type = String)]
    pub receipt: ReceiptId,
    /// The account that will own it; the node's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A bought model, now on the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BoughtModel {
    /// Its id, by which it is deployed, and verified by whoever repeats its run.
    #[schema(value_type = String)]
    pub model: ModelId,
    /// Its name.
    pub name: String,
}
