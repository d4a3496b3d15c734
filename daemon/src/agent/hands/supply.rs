//! Buying what a sale needs: at the agent's own node, by its account, under a name that says for which sale.

use datanet_types::receipt::sale::payment_name;
use serde_json::{Value, json};

use super::ask::{MAX_KEPT, quote};
use super::{Act, Hands, MAX_SAID, Try, failed, unknown};
use crate::agent::journal::{Outcome, Step, Supply};
use crate::agent::node::Node;
use crate::agent::purse::Done;
use crate::quoted::clean;

/// Longest passage that is kept, in characters.
const MAX_PASSAGE: usize = 4_000;

impl Hands {
    pub(super) async fn supply(&self, node: &Node, supply: &Supply, tried: Try<'_>) -> Act {
        let (of, path) = match supply.step {
            Step::Search => (json!({ "datanet": supply.of }), "/v1/ask"),
            Step::Label => (json!({ "model": supply.of }), "/v1/classify"),
            Step::Write => (json!({ "chat": supply.body }), "/v1/chat/completions"),
        };
        let quote = match quote(node, &of, tried).await {
            Ok(quote) => quote,
            Err(act) => return *act,
        };
        let mut body = supply.body.clone();
        body["account"] = json!(self.account);
        body["quote"] = json!(quote);
        let name = payment_name(&supply.order, supply.step.name());
        match node.post_as::<Value>(path, &name, &body).await {
            Ok(answer) => Act::Done(
                supplied(supply.step, &answer)
                    .unwrap_or_else(|| unknown(tried.intention.reserved, "what it answered is no answer")),
            ),
            Err(error) => failed(&error, tried),
        }
    }
}

/// What is kept of an answer.
fn supplied(step: Step, answer: &Value) -> Option<Done> {
    let words = |value: &Value, longest| value.as_str().map(|text| clean(text, longest));
    let (fee, receipt, detail) = match step {
        Step::Search => {
            let passages = answer["passages"].as_array()?.iter();
            let passages: Vec<String> = passages.filter_map(|one| words(&one["text"], MAX_PASSAGE)).collect();
            let detail = json!({ "answer": words(&answer["answer"], MAX_PASSAGE), "passages": passages });
            (&answer["fee"], &answer["receipt"]["id"], detail)
        }
        Step::Label => {
            let one = answer["data"].as_array()?.first()?;
            (&one["fee"], &one["receipt"]["id"], json!({ "label": words(&one["label"], MAX_SAID)? }))
        }
        Step::Write => {
            let said = words(&answer["choices"][0]["message"]["content"], MAX_KEPT)?;
            (&answer["datanet"]["fee"], &answer["datanet"]["receipt"]["id"], json!({ "answer": said }))
        }
    };
    let (captured, mut detail) = (fee.as_u64()?, detail);
    detail["receipt"] = json!(receipt.as_str()?);
    Some(Done { outcome: Outcome::Done, captured, detail })
}
