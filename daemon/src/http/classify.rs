//! Classification by released models.

use axum::Json;
use axum::extract::State;
use datanet_api::classify::{ClassificationView, Classifications, ClassifyRequest, Probability, Without};
use datanet_api::embeddings::UsageView;
use datanet_types::ModelId;
use datanet_types::receipt::{AnswerRecord, LabelScore};
use datanet_types::release::Source;

use super::extract::fields::{Fate, Fields, TEXT};
use super::extract::{IdempotencyKey, Shape, Shaped};
use crate::answers::Answers;
use crate::answers::classify::{ClassifyAnswer, ClassifyAsk};
use crate::billing::Billing;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::ppm;

/// Longest passage in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Most passages of one request: each is an answer with a receipt.
const MAX_INPUTS: usize = 256;

impl Shape for ClassifyRequest {
    const FIELDS: Fields = Fields(&[&[
        ("model", Fate::Taken),
        ("input", TEXT),
        ("explain", Fate::Taken),
        ("counterfactual", Fate::Taken),
        ("voucher", Fate::Taken),
        ("account", Fate::Taken),
        ("quote", Fate::Taken),
        ("user", Fate::Ignored),
        ("metadata", Fate::Ignored),
        ("priority", Fate::Ignored),
    ]]);
}

/// Classifies passages by a deployed model; each answer is charged, attributed, and proven by a signed receipt.
#[utoipa::path(post, operation_id = "classify", path = "/v1/classify", tag = "models", params(("Idempotency-Key" = Option<String>, Header, description = "names the payment of an account: sent again by that name, the same question gets the same answer")), request_body = ClassifyRequest, responses((status = 200, body = Classifications), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 429, response = super::problem::Refusal)))]
pub(super) async fn classify(
    State(billing): State<Billing>,
    State(answers): State<Answers>,
    IdempotencyKey(name): IdempotencyKey,
    Shaped(request): Shaped<ClassifyRequest>,
) -> ServiceResult<Json<Classifications>> {
    let texts = request.input.into_vec();
    check(&texts)?;
    let payment = billing.payment(request.voucher, request.account)?.named(name)?.quoted(request.quote);
    if payment.pays_once() && texts.len() > 1 {
        let detail = "a voucher pays for one passage; send one at a time, or the name of a paying account";
        return Err(ServiceError::new(Code::BadParameter, detail).about("voucher"));
    }
    let (mut data, mut tokens, mut model_id) = (Vec::new(), 0_usize, ModelId::ZERO);
    for (index, text) in texts.into_iter().enumerate() {
        let ask = ClassifyAsk {
            model: request.model.clone(),
            text,
            explain: request.explain,
            counterfactual: request.counterfactual,
            payment: payment.numbered(index),
        };
        let answer = answers.classify(ask).await?;
        model_id = answer.served.model.id;
        tokens = tokens.saturating_add(answer.tokens);
        data.push(view(index, answer, request.explain));
    }
    let usage = UsageView { prompt_tokens: tokens, total_tokens: tokens };
    Ok(Json(Classifications { object: "list".to_owned(), model: request.model, model_id, data, usage }))
}

/// The one passage of a request that is to be priced.
pub(super) fn one_text(texts: Vec<String>) -> ServiceResult<String> {
    check(&texts)?;
    match <[String; 1]>::try_from(texts) {
        Ok([text]) => Ok(text),
        Err(_) => Err(ServiceError::new(Code::BadParameter, "a quote is for one passage; send one").about("input")),
    }
}

fn check(texts: &[String]) -> ServiceResult<()> {
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        let detail = format!("there are {} passages; send 1 to {MAX_INPUTS}", texts.len());
        return Err(ServiceError::new(Code::BadParameter, detail).about("input"));
    }
    for (index, text) in texts.iter().enumerate() {
        let place = format!("input[{index}]");
        if text.trim().is_empty() {
            return Err(ServiceError::new(Code::EmptyText, format!("{place:?} is empty; send words")).about(place));
        }
        if text.len() > MAX_TEXT {
            let detail = format!("{place:?} has {} bytes; at most {MAX_TEXT} bytes are read", text.len());
            return Err(ServiceError::new(Code::TextTooLong, detail).about(place));
        }
    }
    Ok(())
}

fn view(index: usize, answer: ClassifyAnswer, explain: bool) -> ClassificationView {
    let AnswerRecord { output, receipt, .. } = &answer.record;
    let labels: Vec<&String> = output.scores.iter().map(|score| &score.label).collect();
    let without = answer.without.as_ref().map(|columns| {
        let columns = answer.served.release.sources.iter().zip(columns);
        columns.map(|(source, probabilities)| without(source, &labels, probabilities)).collect()
    });
    ClassificationView {
        object: "classification".to_owned(),
        index,
        label: output.label.clone().unwrap_or_default(),
        probabilities: output.scores.iter().map(probability).collect(),
        fee: receipt.fee,
        influence: explain.then(|| output.influence.clone()),
        counterfactual: without,
        attribution: if answer.served.is_attributed() { "influence" } else { "none" }.to_owned(),
        tainted: answer.tainted,
        receipt: answer.record.into(),
    }
}

fn probability(score: &LabelScore) -> Probability {
    Probability { label: score.label.clone(), probability: ppm::real(score.probability) }
}

fn without(source: &Source, labels: &[&String], probabilities: &[f32]) -> Without {
    let best = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(place, _)| place);
    let each = labels.iter().zip(probabilities);
    Without {
        contributor: source.contributor,
        contributions: source.contributions.iter().map(|part| part.contribution).collect(),
        label: labels.get(best).map(|label| (*label).clone()).unwrap_or_default(),
        probabilities: each
            .map(|(label, probability)| Probability { label: (*label).clone(), probability: f64::from(*probability) })
            .collect(),
    }
}
