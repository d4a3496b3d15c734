//! Buying an answer, of the agent's own node or of another, and having the node's own model think.

use datanet_api::Problem;
use datanet_api::ask::Answer;
use datanet_api::classify::Classifications;
use datanet_api::quotes::Quoted;
use datanet_types::Amount;
use datanet_types::quote::SignedQuote;
use serde_json::{Value, json};

use super::{Act, Hands, MAX_SAID, TRIES, Try, failed, refused, unknown};
use crate::agent::journal::{Ask, Outcome, Payment};
use crate::agent::node::Node;
use crate::agent::purse::Done;
use crate::quoted::clean;

/// Longest answer of another node, in bytes.
const MAX_ANSWER: usize = 4 << 20;
/// How long another node may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);
/// Longest answer that is kept, in characters.
pub(super) const MAX_KEPT: usize = 16_000;

impl Hands {
    pub(super) async fn ask(&self, node: &Node, ask: &Ask, tried: Try<'_>) -> Act {
        match self.buy(node, ask, tried).await {
            Act::Done(mut done) if done.outcome == Outcome::Done => {
                if let Some(truth) = &ask.truth {
                    done.detail["right"] = json!(done.detail["label"] == json!(truth));
                }
                Act::Done(done)
            }
            other => other,
        }
    }

    async fn buy(&self, node: &Node, ask: &Ask, tried: Try<'_>) -> Act {
        match &ask.payment {
            Payment::Account => self.ask_here(node, ask, tried).await,
            Payment::Voucher { channel, cumulative } => match (&self.voucher, self.sellers.get(&ask.seller)) {
                (Some(key), Some(url)) => {
                    let mut body = body(ask);
                    body["voucher"] = json!(key.sign(&node.chain, *channel, *cumulative));
                    self.ask_there(url, ask, &body, tried).await
                }
                _ => Act::Done(self.gone(ask, tried)),
            },
        }
    }

    /// Whoever has taken a seller out of the spec does not pay it any more.
    fn gone(&self, ask: &Ask, tried: Try<'_>) -> Done {
        let why = format!("the spec has no seller {} any more", ask.seller);
        if tried.repeated { unknown(tried.intention.reserved, &why) } else { refused("no-seller", &why) }
    }

    async fn ask_here(&self, node: &Node, ask: &Ask, tried: Try<'_>) -> Act {
        let of = if ask.model { json!({ "model": ask.of }) } else { json!({ "datanet": ask.of }) };
        let quote = match quote(node, &of, tried).await {
            Ok(quote) => quote,
            Err(act) => return *act,
        };
        let mut body = body(ask);
        body["account"] = json!(self.account);
        body["quote"] = json!(quote);
        let key = &tried.intention.key;
        if ask.model {
            match node.post_as::<Classifications>("/v1/classify", key, &body).await {
                Ok(answers) => Act::Done(classified(&answers).unwrap_or_else(|| no_answer(tried))),
                Err(error) => failed(&error, tried),
            }
        } else {
            match node.post_as::<Answer>("/v1/ask", key, &body).await {
                Ok(answer) => Act::Done(answered(answer)),
                Err(error) => failed(&error, tried),
            }
        }
    }

    async fn ask_there(&self, url: &str, ask: &Ask, body: &Value, tried: Try<'_>) -> Act {
        let path = if ask.model { "classify" } else { "ask" };
        let request = self.web.post(format!("{}/v1/{path}", url.trim_end_matches('/'))).json(body).timeout(PATIENCE);
        let (status, bytes) = match bounded(request).await {
            Ok(answer) => answer,
            // Nobody has taken the connection, so that nobody has the voucher.
            Err((why, true)) if !tried.repeated => return Act::Done(refused("unreachable", &why)),
            Err((why, unsent)) => return later(tried, format!("{}: {why}", ask.seller), !unsent),
        };
        if status == 429 || status >= 500 {
            return later(tried, format!("{} answered {status}", ask.seller), status != 429);
        }
        if !(200..300).contains(&status) {
            let problem = serde_json::from_slice::<Problem>(&bytes).ok();
            let code = problem.as_ref().map_or_else(String::new, |problem| clean(&problem.code, 60));
            let said =
                problem.map_or_else(|| format!("it answered {status}"), |problem| clean(&problem.detail, MAX_SAID));
            return match (code.as_str(), tried.repeated) {
                ("answer-under-way", _) => later(tried, said, true),
                (_, false) => Act::Done(refused(&code, &said)),
                (_, true) => Act::Done(unknown(tried.intention.reserved, &said)),
            };
        }
        let done = match ask.model {
            true => serde_json::from_slice(&bytes).ok().as_ref().and_then(classified),
            false => serde_json::from_slice(&bytes).ok().map(answered),
        };
        // It has the voucher, which is good for the whole price whatever it says; only that it found nothing is believed, since the next
        // voucher then promises no more.
        Act::Done(match done {
            Some(done) if done.captured == 0 => done,
            Some(done) => Done { captured: tried.intention.reserved, ..done },
            None => no_answer(tried),
        })
    }

    /// Has the node's own model think, at the agent's cost.
    pub(super) async fn think(&self, node: &Node, body: &Value, tried: Try<'_>) -> Act {
        let quote = match quote(node, &json!({ "chat": body }), tried).await {
            Ok(quote) => quote,
            Err(act) => return *act,
        };
        let mut body = body.clone();
        body["account"] = json!(self.account);
        body["quote"] = json!(quote);
        match node.post_as::<Value>("/v1/chat/completions", &tried.intention.key, &body).await {
            Ok(said) => {
                let captured = said["datanet"]["fee"].as_u64().unwrap_or(tried.intention.reserved);
                let detail = json!({ "said": clean(said["choices"][0]["message"]["content"].as_str().unwrap_or_default(), MAX_KEPT) });
                Act::Done(Done { outcome: Outcome::Done, captured, detail })
            }
            Err(error) => failed(&error, tried),
        }
    }
}

/// The node's word that it costs no more than was reserved: had anew for each try, since it is good for minutes only.
pub(super) async fn quote(node: &Node, of: &Value, tried: Try<'_>) -> Result<SignedQuote, Box<Act>> {
    let quoted: Quoted = node.client.post("/v1/quotes", of).await.map_err(|error| Box::new(failed(&error, tried)))?;
    let (price, reserved) = (quoted.quote.price, tried.intention.reserved);
    if price <= reserved {
        return Ok(quoted.quote);
    }
    let why = "it has become dearer than what was set aside for it";
    Err(Box::new(Act::Done(if tried.repeated { unknown(reserved, why) } else { refused("dearer", why) })))
}

fn body(ask: &Ask) -> Value {
    match (ask.model, ask.classify) {
        (true, _) => json!({ "model": ask.of, "input": ask.text }),
        (false, true) => json!({ "datanet": ask.of, "text": ask.text }),
        (false, false) => json!({ "datanet": ask.of, "question": ask.text }),
    }
}

fn answered(answer: Answer) -> Done {
    detail(&answer.answer, answer.label.as_deref(), answer.fee, &answer.receipt.id.to_string())
}

fn classified(answers: &Classifications) -> Option<Done> {
    let answer = answers.data.first()?;
    Some(detail(&answer.label, Some(&answer.label), answer.fee, &answer.receipt.id.to_string()))
}

fn no_answer(tried: Try<'_>) -> Done {
    unknown(tried.intention.reserved, "what it answered is no answer")
}

/// Once more in a while; not for ever, of another node.
fn later(tried: Try<'_>, why: String, doubtful: bool) -> Act {
    if tried.number < TRIES {
        return Act::NotNow { why, doubtful };
    }
    Act::Done(match doubtful || tried.repeated {
        true => unknown(tried.intention.reserved, &why),
        false => refused("no-answer", &why),
    })
}

fn detail(answer: &str, label: Option<&str>, captured: Amount, receipt: &str) -> Done {
    let detail = json!({
        "answer": clean(answer, MAX_KEPT), "label": label.map(|label| clean(label, MAX_SAID)), "receipt": receipt,
    });
    Done { outcome: Outcome::Done, captured, detail }
}

/// Sends, and reads no more than an answer may be long. Where that fails: why, and whether nothing was sent at all.
async fn bounded(request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), (String, bool)> {
    let why = |error: reqwest::Error| {
        let unsent = error.is_connect() || error.is_builder();
        (error.without_url().to_string(), unsent)
    };
    let mut response = request.send().await.map_err(why)?;
    let (status, mut bytes) = (response.status().as_u16(), Vec::new());
    while let Some(piece) = response.chunk().await.map_err(why)? {
        if bytes.len() + piece.len() > MAX_ANSWER {
            return Err((format!("its answer has more than {MAX_ANSWER} bytes"), false));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok((status, bytes))
}
