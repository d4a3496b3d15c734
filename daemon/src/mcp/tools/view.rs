//! An answer with its proof, as every tool shows it: what was said, whose data made it, and who is paid.

use datanet_api::receipts::ReceiptView;
use datanet_types::amount::mul_div;
use datanet_types::receipt::{Method, Passage};
use datanet_types::{Amount, Ppm};
use schemars::JsonSchema;
use serde::Serialize;

use crate::mcp::money::Money;
use crate::quoted::{NOTICE, Quoted};

/// Most passages and credits that are shown.
const MOST: usize = 100;

/// An answer and its receipt.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::mcp) struct AnswerView {
    /// How to read what strangers wrote.
    notice: String,
    /// The receipt's id: `receipt`, `verify` and `attributions` take it.
    receipt: String,
    /// What was asked.
    question: Quoted,
    /// The answer in words.
    answer: Quoted,
    /// The label, for a passage that was classified.
    label: Option<Quoted>,
    /// The records that it rests on, best first.
    passages: Vec<PassageLine>,
    /// How whose data made it was found: `retrieval`, `influence`, `span`, or `none`.
    attribution: String,
    /// Whose data made it, and what that earns; pay is netted over an epoch, so that these are expected shares.
    credits: Vec<CreditLine>,
    /// Where the price goes, in parts that sum to it.
    paid: Vec<PaidLine>,
    /// What it cost.
    fee: Money,
    /// The datanet that was asked.
    datanet: String,
    /// The model that answered.
    model: String,
    /// The node that answered and signed.
    node: String,
    /// Whether data behind the model was taken back since.
    tainted: bool,
}

/// A record that an answer rests on.
#[derive(Debug, Serialize, JsonSchema)]
struct PassageLine {
    /// Its contribution.
    contribution: String,
    /// Its place there, from 0.
    record: u64,
    /// Its weight among the passages, in parts per million.
    weight_ppm: u64,
    /// Its class.
    label: Option<Quoted>,
    /// Its words; none where they were taken back since, or cannot be had now.
    text: Option<Quoted>,
}

/// A contribution's part in an answer.
#[derive(Debug, Serialize, JsonSchema)]
struct CreditLine {
    /// The contribution.
    contribution: String,
    /// Who gave it and is paid.
    contributor: String,
    /// Its share of the contributors' part, in parts per million.
    share_ppm: u64,
    /// What that is of this answer's price.
    earns: Money,
}

/// A part of the price.
#[derive(Debug, Serialize, JsonSchema)]
struct PaidLine {
    /// `contributors`, `serving node`, `model owner`, `lineage`, `judges`, `keepers` or `treasury`.
    to: String,
    /// How much.
    amount: Money,
}

/// What a view is made of.
pub(super) struct Parts<'a> {
    pub(super) receipt: &'a ReceiptView,
    pub(super) question: &'a str,
    pub(super) answer: &'a str,
    pub(super) label: Option<&'a str>,
    pub(super) passages: Vec<(&'a Passage, Option<&'a str>)>,
    /// As the node says it; empty where the receipt's own word is to be taken.
    pub(super) attribution: &'a str,
    pub(super) tainted: bool,
}

impl From<Parts<'_>> for AnswerView {
    fn from(parts: Parts<'_>) -> Self {
        let ReceiptView { id, receipt, .. } = parts.receipt;
        let earned = receipt.split.contributors;
        // A question that was answered with passages has the best of them as its answer.
        let best = parts.passages.first().and_then(|(_, text)| *text).unwrap_or_default();
        let answer = if parts.answer.is_empty() { best } else { parts.answer };
        let credit = |credit: &datanet_types::receipt::Credit| CreditLine {
            contribution: credit.contribution.to_string(),
            contributor: credit.contributor.to_string(),
            share_ppm: credit.weight.0,
            earns: mul_div(earned, credit.weight.0, Ppm::ONE.0).unwrap_or_default().into(),
        };
        Self {
            notice: NOTICE.to_owned(),
            receipt: id.to_string(),
            question: Quoted::text(parts.question),
            answer: Quoted::text(answer),
            label: parts.label.map(Quoted::line),
            passages: parts.passages.iter().take(MOST).map(|(passage, text)| passage_line(passage, *text)).collect(),
            attribution: match parts.attribution {
                "" => method(receipt.method).to_owned(),
                said => said.to_owned(),
            },
            credits: receipt.credits.iter().take(MOST).map(credit).collect(),
            paid: paid(&receipt.split),
            fee: receipt.fee.into(),
            datanet: receipt.datanet.to_string(),
            model: receipt.model.to_string(),
            node: receipt.node.to_string(),
            tainted: parts.tainted,
        }
    }
}

fn passage_line(passage: &Passage, text: Option<&str>) -> PassageLine {
    PassageLine {
        contribution: passage.contribution.to_string(),
        record: passage.record,
        weight_ppm: passage.weight.0,
        label: passage.label.as_deref().map(Quoted::line),
        text: text.map(Quoted::text),
    }
}

fn method(method: i32) -> &'static str {
    match Method::try_from(method) {
        Ok(Method::Retrieval) => "retrieval",
        Ok(Method::Influence) => "influence",
        Ok(Method::Span) => "span",
        Ok(Method::Composed) => "composed",
        Ok(Method::Training) => "training",
        Err(_) => "unknown",
    }
}

fn paid(split: &datanet_types::epoch::FeeSplit) -> Vec<PaidLine> {
    let parts: [(&str, Amount); 7] = [
        ("contributors", split.contributors),
        ("serving node", split.node),
        ("model owner", split.owner),
        ("lineage", split.lineage),
        ("judges", split.validators),
        ("keepers", split.storage),
        ("treasury", split.treasury),
    ];
    let line = |(to, amount): (&str, Amount)| PaidLine { to: to.to_owned(), amount: amount.into() };
    parts.into_iter().filter(|(_, amount)| *amount > 0).map(line).collect()
}
