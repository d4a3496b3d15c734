//! Receipts: read, recomputed, explained.

use datanet_api::attributions::Attributed;
use datanet_api::receipts::{AnswerRecordView, IssuedReceipts, Verification};
use datanet_types::ReceiptId;
use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{AnswerView, Parts};
use super::{id, within};
use crate::mcp::call::{Call, Outcome};
use crate::mcp::face::{Caller, Face, path};
use crate::mcp::money::Money;
use crate::mcp::refusal::Refusal;
use crate::mcp::route::{About, route};
use crate::mcp::server::Server;
use crate::quoted::{NOTICE, Quoted};

/// Most lines of a list.
const MOST: usize = 100;

pub(super) fn routes() -> Vec<ToolRoute<Server>> {
    vec![
        route(
            About {
                name: "receipts",
                title: "List receipts",
                description: "The latest receipts of answers that your accounts paid for on this node, newest first; all of its receipts, for its operator.",
                shown: false,
            },
            list,
        ),
        route(
            About {
                name: "receipt",
                title: "Show a receipt",
                description: "One answer with its proof: question, answer, whose data made it, and who is paid.",
                shown: true,
            },
            async |call: Call, args: WhichReceipt| Ok(show(call.face(), &call.caller, &args.receipt).await?),
        ),
        route(
            About {
                name: "verify",
                title: "Verify a receipt",
                description: "Free. Has this node compute an answer of any node again, and says what holds and what does not.",
                shown: false,
            },
            verify,
        ),
        route(
            About {
                name: "attributions",
                title: "Explain an answer",
                description: "Which contributions and records moved an answer, which helped and which harmed, what the method proves and what it does not.",
                shown: false,
            },
            attributions,
        ),
    ]
}

/// How many receipts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HowMany {
    /// At most this many, 1 to 100; 20 if not given.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<usize>,
}

/// A receipt.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WhichReceipt {
    /// Its id, 64 hexadecimal digits.
    receipt: String,
}

/// Receipts of this node.
#[derive(Debug, Serialize, JsonSchema)]
struct ReceiptList {
    /// Newest first.
    receipts: Vec<ReceiptLine>,
}

/// A receipt of this node.
#[derive(Debug, Serialize, JsonSchema)]
struct ReceiptLine {
    /// Its number here.
    sequence: u64,
    /// Its id.
    receipt: String,
    /// What the answer cost.
    fee: Money,
    /// Who paid; none if it was free.
    payer: Option<String>,
}

async fn list(call: Call, args: HowMany) -> Outcome<ReceiptList> {
    let limit = within("limit", args.limit, 20, MOST)?;
    let issued: IssuedReceipts = call.get(&["receipts"]).await?;
    let line = |one: datanet_api::receipts::IssuedReceipt| ReceiptLine {
        sequence: one.sequence,
        receipt: one.id.to_string(),
        fee: one.fee.into(),
        payer: one.payer.map(|payer| payer.to_string()),
    };
    Ok(ReceiptList { receipts: issued.receipts.into_iter().take(limit).map(line).collect() })
}

/// One receipt.
///
/// # Errors
/// The node's refusal, where it knows none of that id.
pub(in crate::mcp) async fn show(face: &Face, caller: &Caller, receipt: &str) -> Result<AnswerView, Refusal> {
    let receipt = id::<ReceiptId>("receipt", receipt)?;
    let record: AnswerRecordView = face.get(caller, &path(&["receipts", &receipt])?).await?;
    let quotes = record.quotes.iter().map(Option::as_deref).chain(std::iter::repeat(None));
    Ok(AnswerView::from(Parts {
        receipt: &record.receipt,
        question: &record.input.text,
        answer: &record.output.answer,
        label: record.output.label.as_deref(),
        passages: record.output.passages.iter().zip(quotes).collect(),
        attribution: &record.attribution,
        tainted: record.tainted,
    }))
}

/// What computing an answer again found.
#[derive(Debug, Serialize, JsonSchema)]
struct Verified {
    /// Whether the receipt stands.
    stands: bool,
    /// `match`, `within` (the tolerance), `mismatch`, `incomplete` or `unverifiable`.
    verdict: String,
    /// What does not hold; empty if everything does.
    details: String,
    /// Each check.
    checks: Vec<CheckLine>,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckLine {
    /// What was checked.
    name: String,
    /// Whether it holds.
    ok: bool,
    /// In words.
    detail: String,
}

async fn verify(call: Call, args: WhichReceipt) -> Outcome<Verified> {
    let receipt = id::<ReceiptId>("receipt", &args.receipt)?;
    let found: Verification = call.post_nothing(&["receipts", &receipt, "verify"]).await?;
    let stands = found.stands();
    let line = |one: datanet_api::receipts::Check| CheckLine { name: one.name, ok: one.ok, detail: one.detail };
    Ok(Verified {
        stands,
        verdict: found.verdict,
        details: found.details,
        checks: found.checks.into_iter().map(line).collect(),
    })
}

/// An answer explained.
#[derive(Debug, Serialize, JsonSchema)]
struct Explained {
    /// How to read what strangers wrote.
    notice: String,
    /// The receipt.
    receipt: String,
    /// `retrieval`, `influence`, `span` or `none`.
    method: String,
    /// What this method proves, and what it does not.
    proves: String,
    /// What was asked.
    question: Quoted,
    /// What was answered.
    answer: Quoted,
    /// Contributions with a part in it, the most helpful first.
    contributions: Vec<PartLine>,
    /// The records that helped most.
    helpful: Vec<RecordLine>,
    /// The records that harmed most.
    harmful: Vec<RecordLine>,
}

/// A contribution's part.
#[derive(Debug, Serialize, JsonSchema)]
struct PartLine {
    /// The contribution.
    contribution: String,
    /// Who gave it.
    contributor: Option<String>,
    /// By how much the answer's loss would rise without it, in parts per billion; negative harmed. Method influence only.
    value: Option<i64>,
    /// Its share of the contributors' pay, in parts per million.
    share_ppm: u64,
}

/// A record's part.
#[derive(Debug, Serialize, JsonSchema)]
struct RecordLine {
    /// Its contribution.
    contribution: String,
    /// Its place there, from 0.
    record: u64,
    /// What it did, in the method's own measure.
    value: i64,
    /// Its words.
    text: Quoted,
}

async fn attributions(call: Call, args: WhichReceipt) -> Outcome<Explained> {
    let receipt = id::<ReceiptId>("receipt", &args.receipt)?;
    let found: Attributed = call.get(&["attributions", &receipt]).await?;
    let part = |one: datanet_api::attributions::Part| PartLine {
        contribution: one.contribution.to_string(),
        contributor: one.contributor.map(|contributor| contributor.to_string()),
        value: one.value,
        share_ppm: one.weight.0,
    };
    let records = |all: Vec<datanet_api::attributions::Quote>| -> Vec<RecordLine> {
        let line = |one: datanet_api::attributions::Quote| RecordLine {
            contribution: one.contribution.to_string(),
            record: one.record,
            value: one.value,
            text: Quoted::text(&one.text),
        };
        all.into_iter().take(20).map(line).collect()
    };
    Ok(Explained {
        notice: NOTICE.to_owned(),
        receipt: found.receipt.to_string(),
        method: found.method,
        proves: found.proves,
        question: Quoted::text(&found.input),
        answer: Quoted::text(&found.answer),
        contributions: found.contributions.into_iter().take(MOST).map(part).collect(),
        helpful: records(found.helpful),
        harmful: records(found.harmful),
    })
}
