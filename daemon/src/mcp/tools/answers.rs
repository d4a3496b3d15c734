//! Buying answers.

use datanet_api::ask::{Answer, AskRequest};
use datanet_api::classify::{Classifications, ClassifyRequest};
use datanet_api::datanets::DatanetView;
use datanet_api::generate::OneOrMany;
use datanet_api::models::ModelView;
use datanet_types::amount::display;
use datanet_types::receipt::Passage;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{AnswerView, Parts};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::price::Price;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most passages that one call has classified.
const MOST_PASSAGES: usize = 32;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "ask",
                title: "Ask a datanet",
                description: "Costs money, and cannot be undone. Answers a question with passages of a datanet, or gives a passage (`text`) its label; with a signed receipt that says whose data made the answer and who is paid. Paid by an account of this node with an open channel (`channel_open`). Agree by `max_price`, or confirm when asked.",
                shown: true,
            },
            ask,
        ),
        route(
            About {
                name: "classify",
                title: "Classify by a trained model",
                description: "Costs money for each passage, and cannot be undone. A deployed model (`models`) gives each passage a label, each with a receipt of its own. Agree by `max_price`, which is for all of them, or confirm when asked.",
                shown: false,
            },
            classify,
        ),
    ]
}

/// What to ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AskArgs {
    /// The datanet's name or id.
    datanet: String,
    /// A question, answered with passages. Either this or `text`.
    question: Option<String>,
    /// A passage, answered with a label. Either this or `question`.
    text: Option<String>,
    /// Passages that the answer rests on, at most 100; what measured best if not given.
    #[schemars(range(min = 1, max = 100))]
    neighbours: Option<u32>,
    /// Who pays: an account of this node; the one that its operator has named if not given.
    account: Option<String>,
    /// The most that it may cost, in base units.
    max_price: Option<u64>,
}

async fn ask(call: Call, args: AskArgs) -> Outcome<AnswerView> {
    let datanet: DatanetView = call.get(&["datanets", &args.datanet]).await?;
    let price = datanet.record.price;
    call.server.prices().agree(&call, &Price { units: price, why: "one answer".to_owned() }, args.max_price)?;
    let AskArgs { question, text, neighbours, account, .. } = args;
    let asked = question.clone().or_else(|| text.clone()).unwrap_or_default();
    // By its id: what the price was asked of is what is asked.
    let datanet = datanet.record.id.to_string();
    let answer: Answer = call
        .post(&["ask"], &AskRequest { datanet, question, text, neighbours, voucher: None, account, quote: None })
        .await?;
    let passages: Vec<(Passage, Option<String>)> = answer.passages.into_iter().map(passage).collect();
    Ok(AnswerView::from(Parts {
        receipt: &answer.receipt,
        question: &asked,
        answer: &answer.answer,
        label: answer.label.as_deref(),
        passages: passages.iter().map(|(passage, text)| (passage, text.as_deref())).collect(),
        attribution: "",
        tainted: false,
    }))
}

fn passage(view: datanet_api::ask::PassageView) -> (Passage, Option<String>) {
    let datanet_api::ask::PassageView { contribution, record, weight, label, text } = view;
    let text_hash = Passage::hash_of(text.as_deref().unwrap_or_default());
    (Passage { contribution, record, weight, label, text_hash }, text)
}

/// What to classify.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ClassifyArgs {
    /// A deployed model: its id, or a name that leads to it.
    model: String,
    /// 1 to 32 passages.
    #[schemars(length(min = 1, max = 32))]
    passages: Vec<String>,
    /// Who pays: an account of this node; the one that its operator has named if not given.
    account: Option<String>,
    /// The most that all of them may cost, in base units.
    max_price: Option<u64>,
}

/// Labels, in the order of the passages.
#[derive(Debug, Serialize, JsonSchema)]
struct Labels {
    /// How to read what strangers wrote.
    notice: String,
    /// The model that the name led to.
    model: String,
    /// One for each passage.
    labels: Vec<LabelLine>,
}

/// A passage's label.
#[derive(Debug, Serialize, JsonSchema)]
struct LabelLine {
    /// The likeliest label.
    label: Quoted,
    /// How likely the model holds it, from 0 to 1.
    probability: f64,
    /// What it cost, in base units.
    fee: u64,
    /// The receipt's id.
    receipt: String,
}

async fn classify(call: Call, args: ClassifyArgs) -> Outcome<Labels> {
    let many = args.passages.len();
    if !(1..=MOST_PASSAGES).contains(&many) {
        return Err(
            Refusal::argument(format!("there are {many} \"passages\"; one call takes 1 to {MOST_PASSAGES}")).into()
        );
    }
    let model: ModelView = call.get(&["models", &args.model]).await?;
    let why = format!("{many} passages at {} each", display(model.price));
    let price = Price { units: model.price.saturating_mul(many as u64), why };
    call.server.prices().agree(&call, &price, args.max_price)?;
    let request = ClassifyRequest {
        model: model.model_id.to_string(),
        input: OneOrMany::Many(args.passages),
        account: args.account,
        ..ClassifyRequest::default()
    };
    let answers: Classifications = call.post(&["classify"], &request).await?;
    let line = |one: datanet_api::classify::ClassificationView| LabelLine {
        probability: one.probabilities.iter().find(|each| each.label == one.label).map_or(0.0, |each| each.probability),
        label: Quoted::line(&one.label),
        fee: one.fee,
        receipt: one.receipt.id.to_string(),
    };
    Ok(Labels {
        notice: NOTICE.to_owned(),
        model: answers.model_id.to_string(),
        labels: answers.data.into_iter().map(line).collect(),
    })
}
