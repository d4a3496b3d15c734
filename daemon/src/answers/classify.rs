//! Classification for pay: an answer, whose records moved it, and what it would have been without them.

use std::sync::Arc;

use datanet_inference::encoder::{Classified, EncodeRequest, ServeError};
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, LabelScore, Method};
use datanet_types::release::{Origin, Release, Task};
use prost::Message as _;

use super::Answers;
use super::compare::may_be;
use super::explain::Moved;
use crate::billing::payment::Payment;
use crate::billing::purchase::{Answer, Bought, Order};
use crate::billing::reservation::{Asked, Kind};
use crate::billing::terms::terms;
use crate::caller;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::models::errors::serve_error;
use crate::models::served::{Engine, ServedModel};
use crate::ppm;

/// A classification to make.
#[derive(Debug, Clone)]
pub struct ClassifyAsk {
    /// A deployed model, by name or id.
    pub model: String,
    /// The passage.
    pub text: String,
    /// Whether to say what each training record did.
    pub explain: bool,
    /// Whether to say what the answer would be without each contributor.
    pub counterfactual: bool,
    /// How it is paid.
    pub payment: Payment,
}

/// A classification made, charged and recorded.
#[derive(Debug, Clone)]
pub struct ClassifyAnswer {
    /// The answer with its proof.
    pub record: AnswerRecord,
    /// What each training record did, if asked for and known.
    pub records: Option<Vec<f32>>,
    /// The probabilities without each column, if asked for and known.
    pub without: Option<Vec<Vec<f32>>>,
    /// The model.
    pub served: Arc<ServedModel>,
    /// Tokens read.
    pub tokens: usize,
    /// Whether something behind the model was revoked.
    pub tainted: bool,
}

impl Answers {
    /// Classifies a passage by a deployed model, for its price.
    ///
    /// # Errors
    /// When no such classifier answers here ([`Code::UnknownModel`], [`Code::NotDeployed`], [`Code::NoClassifier`]), it
    /// cannot give the explanation asked for ([`Code::NotAttributed`]), the text is longer than it reads
    /// ([`Code::ContextTooLong`]), the payment will not do, the model is busy
    /// ([`Code::ModelBusy`]) or fails, or the answer cannot be charged. Nothing is charged for what fails.
    pub async fn classify(&self, ask: ClassifyAsk) -> ServiceResult<ClassifyAnswer> {
        let served = self.models.served_model(&ask.model, Task::Classify)?;
        caller::refuse_denied([&served.model.id.0, &served.model.manifest.0])?;
        if (ask.explain || ask.counterfactual) && !served.is_attributed() {
            return Err(not_attributed(&served.release));
        }
        let terms = terms(&self.chain.reader()?, &served.model)?;
        let input = input(ask.text);
        let order = Order { payment: ask.payment, asked: asked(&served, &input), price: terms.price.into() };
        let (core, of) = (self.clone(), served.clone());
        let bought = self.billing.purchase(order, async move {
            let (output, moved, tokens) = core.classified(&of, &input.text, None).await?;
            // Before the capture: what fails costs nothing.
            let without = if ask.counterfactual { core.without_each(&of, &input.text).await? } else { None };
            let credits = of.release.credits(&output.influence);
            let receipt = core.billing.model_receipt(&of.model, &terms, Method::Influence, credits);
            Ok((Answer { receipt, input, output }, (moved.records, without, tokens)))
        });
        let Bought { record, more } = bought.await?;
        let (records, without, tokens) = match more {
            Some(found) => found,
            // What is not in the record is computed again only where it is asked for.
            None => {
                let text = &record.input.text;
                let (records, tokens) = match ask.explain {
                    true => {
                        self.classified(&served, text, None).await.map(|(_, moved, tokens)| (moved.records, tokens))?
                    }
                    false => (None, 0),
                };
                let without = if ask.counterfactual { self.without_each(&served, text).await? } else { None };
                (records, without, tokens)
            }
        };
        let tainted = self.chain.is_tainted(&served.model)?;
        Ok(ClassifyAnswer { record, records: records.filter(|_| ask.explain), without, served, tokens, tainted })
    }

    /// What a model says of a passage, and what moved it. An answer that was `claimed` elsewhere and may well be the model's on another machine
    /// stands.
    pub(super) async fn classified(
        &self,
        served: &Arc<ServedModel>,
        text: &str,
        claimed: Option<&str>,
    ) -> ServiceResult<(AskOutput, Moved, usize)> {
        let said = run(served, text).await?;
        let answer =
            said.answers.first().ok_or_else(|| ServiceError::new(Code::ModelFailed, "the model gave no answer"))?;
        let claimed = claimed.and_then(|claimed| said.labels.iter().position(|label| label == claimed));
        let stands = |label: &usize| may_be(*label, &answer.probabilities, served.made.precision());
        let chosen = claimed.filter(stands).unwrap_or(answer.label);
        let moved = self.explain_label(served, text, chosen).await?;
        let label = said.labels.get(chosen).cloned().unwrap_or_default();
        let score = |(label, probability): (&String, &f32)| LabelScore {
            label: label.clone(),
            probability: ppm::share(f64::from(*probability)),
        };
        let output = AskOutput {
            label: Some(label.clone()),
            answer: label,
            scores: said.labels.iter().zip(&answer.probabilities).map(score).collect(),
            influence: moved.influence.clone(),
            ..AskOutput::default()
        };
        Ok((output, moved, said.usage.tokens))
    }
}

/// A passage as it stands on a receipt.
pub(super) fn input(text: String) -> AskInput {
    AskInput { text, classify: true, neighbours: 0, ..AskInput::default() }
}

/// What is asked of a classifier.
pub(super) fn asked(served: &ServedModel, input: &AskInput) -> Asked {
    Asked::of(Kind::Classify, &served.model.id.0, &input.encode_to_vec())
}

fn not_attributed(release: &Release) -> ServiceError {
    let (name, nothing) = (&release.name, "so nothing tells whose records moved its answers");
    let detail = match release.origin() {
        Origin::Imported => format!("model {name} was put up as it is, {nothing}"),
        Origin::Adapter | Origin::Scratch => format!(
            "model {name} was trained without influence, {nothing}; train it with attribution.method = \"influence\" to explain them"
        ),
    };
    ServiceError::new(Code::NotAttributed, detail)
}

async fn run(served: &Arc<ServedModel>, text: &str) -> ServiceResult<Classified> {
    let Engine::Encoder(handle, key) = &served.engine else {
        let detail = format!("model {} writes text; ask it at /v1/completions", served.release.name);
        return Err(ServiceError::new(Code::NoClassifier, detail));
    };
    let request = EncodeRequest { adapter: *key, ..vec![text.to_owned()].into() };
    match handle.classify(request.clone()).await {
        // The service forgets the adapters used longest ago; this one is wanted again.
        Err(ServeError::UnknownAdapter(_)) => {
            served.reload().await?;
            handle.classify(request).await.map_err(|error| serve_error(&error))
        }
        other => other.map_err(|error| serve_error(&error)),
    }
}
