//! What an answer of a released model costs, and the receipt that says so.
//!
//! A label costs what the ledger says. For a text the ledger has the least, by answer and by token; the node that serves may take more, and what
//! it took, of how many tokens, stands on the receipt ([`Usage`]).

use datanet_ledger::component::datanets::{self, Datanet};
use datanet_ledger::component::models::Model;
use datanet_ledger::state::StateRead;
use datanet_types::amount::display;
use datanet_types::rate::{Rate, Usage};
use datanet_types::receipt::{AnswerRecord, Credit, Method, Receipt};
use datanet_types::release::DataSnapshot;
use datanet_types::{Amount, DatanetId};

use super::Billing;
use super::price::Price;
use crate::error::ServiceResult;

/// What an answer of a model costs, and in whose name it is charged.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The datanet behind the model; the dearest if there are several. `None`: trained on no datanet, and free.
    pub datanet: Option<Datanet>,
    /// Base units an answer costs; a text, at least.
    pub price: Amount,
    /// Base units that a text costs at least for a thousand tokens: most of what the datanets behind the model ask.
    pub token_price: Amount,
}

/// The terms of a model on the ledger.
///
/// # Errors
/// When the ledger cannot be read.
pub fn terms<S: StateRead>(state: &S, model: &Model) -> ServiceResult<Terms> {
    let (mut dearest, mut token_price): (Option<Datanet>, Amount) = (None, 0);
    // What it took nothing of has no say: such a datanet may be closed, and a price must not change by that.
    for snapshot in model.snapshots.iter().filter(|snapshot| snapshot.count > 0) {
        let datanet = datanets::get(state, &snapshot.datanet)?;
        token_price = token_price.max(datanet.as_ref().map_or(0, |datanet| datanet.token_price));
        dearest = match (dearest, datanet) {
            (Some(before), Some(datanet)) if before.price >= datanet.price => Some(before),
            (before, datanet) => datanet.or(before),
        };
    }
    let price = dearest.as_ref().map_or(0, |datanet| datanet.price);
    Ok(Terms { datanet: dearest, price, token_price })
}

impl Terms {
    /// The least that a text costs.
    pub fn floor(&self) -> Rate {
        Rate { answer: self.price, thousand: self.token_price, step: 0 }
    }

    /// Why a good record of an answer of the model cannot cost what it says; none if it may. Prices on the ledger stay as they are, so that those
    /// of today are those of its height.
    pub fn wrong_fee(&self, record: &AnswerRecord) -> Option<String> {
        let (fee, floor) = (record.receipt.fee, self.floor());
        let is_text = record.output.completion.is_some();
        let Some(usage) = record.receipt.usage.filter(|_| is_text) else {
            let plain = fee == floor.answer && (floor.thousand == 0 || !is_text);
            return (!plain).then(|| {
                let by_token = if is_text {
                    format!(", and {} a thousand tokens", display(floor.thousand))
                } else {
                    String::new()
                };
                format!("{} were charged, the price is {}{by_token}", display(fee), display(floor.answer))
            });
        };
        if self.datanet.is_none() {
            return (fee > 0)
                .then(|| format!("{} were charged, and no datanet is behind it: it is free", display(fee)));
        }
        let Usage { rate, tokens, .. } = usage;
        if usage.fee() != fee {
            return Some(format!("{} were charged, and {tokens} tokens cost {}", display(fee), display(usage.fee())));
        }
        (!rate.covers(&floor)).then(|| {
            format!(
                "its prices are {} and {} a thousand tokens, and the least are {} and {}",
                display(rate.answer),
                display(rate.thousand),
                display(floor.answer),
                display(floor.thousand)
            )
        })
    }
}

impl Billing {
    /// What this node takes for text: the ledger's least, or its own prices where they are higher; none where it is free.
    pub fn rate(&self, terms: &Terms) -> Option<Rate> {
        terms.datanet.as_ref().map(|_| Rate { step: 0, ..terms.floor().or(&self.own_rate) })
    }

    /// What a text of up to so many tokens costs here.
    pub fn text_price(&self, terms: &Terms, tokens: u32) -> Price {
        self.rate(terms).map_or_else(|| Price::from(0), |rate| Price::of_text(rate, tokens))
    }

    /// The claims of an answer of `model`, with `credits` found by `method`; to be captured with [`Billing::capture`] for
    /// the price that [`terms`] says; of a text, for what it took.
    pub fn model_receipt(&self, model: &Model, terms: &Terms, method: Method, credits: Vec<Credit>) -> Receipt {
        Receipt {
            chain_id: self.chain.id().to_owned(),
            datanet: terms.datanet.as_ref().map_or(DatanetId::ZERO, |datanet| datanet.id),
            model: model.id,
            node: self.identity.node_key(),
            height: model.registered_height,
            snapshot: DataSnapshot::digest_of(&model.snapshots),
            method: method as i32,
            credits,
            fee: terms.price,
            ..Receipt::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::receipt::{AskOutput, Completion};

    const FLOOR: Rate = Rate { answer: 100, thousand: 2_000, step: 0 };

    fn of(floor: Rate) -> Terms {
        Terms { datanet: Some(Datanet::default()), price: floor.answer, token_price: floor.thousand }
    }

    /// A text of ten tokens at a rate, or at none.
    fn text(rate: Option<Rate>, fee: Amount) -> AnswerRecord {
        let usage = rate.map(|rate| Usage { rate, tokens: 10, steps: 0 });
        let completion = Some(Completion { completion_tokens: 10, ..Completion::default() });
        AnswerRecord {
            receipt: Receipt { usage, fee, ..Receipt::default() },
            output: AskOutput { completion, ..AskOutput::default() },
            ..AnswerRecord::default()
        }
    }

    #[test]
    fn a_text_costs_what_its_tokens_do_at_the_nodes_prices_and_those_are_no_less_than_the_ledgers() {
        let dearer = Rate { answer: 150, thousand: 3_000, step: 0 };
        for rate in [FLOOR, dearer] {
            assert_eq!(of(FLOOR).wrong_fee(&text(Some(rate), rate.fee(10))), None);
        }
        let wrong = [
            (text(Some(FLOOR), FLOOR.fee(11)), "10 tokens cost"),
            (text(Some(Rate { answer: 99, ..dearer }), 129), "the least are"),
            (text(Some(Rate { thousand: 1_999, ..dearer }), 170), "the least are"),
            (text(None, 100), "a thousand tokens"),
            (text(None, FLOOR.fee(10)), "a thousand tokens"),
        ];
        for (record, words) in wrong {
            let why = of(FLOOR).wrong_fee(&record).unwrap();
            assert!(why.contains(words), "{why}");
        }
        let free = Terms { datanet: None, price: 0, token_price: 0 };
        assert_eq!(free.wrong_fee(&text(None, 0)), None);
        assert!(free.wrong_fee(&text(Some(dearer), dearer.fee(10))).unwrap().contains("it is free"));
        // Without a price for tokens a text may have the price of an answer alone.
        assert_eq!(of(Rate { thousand: 0, ..FLOOR }).wrong_fee(&text(None, 100)), None);
    }

    #[test]
    fn a_label_costs_the_ledgers_price_whatever_it_says_of_tokens() {
        let label = |usage, fee| AnswerRecord {
            receipt: Receipt { usage, fee, ..Receipt::default() },
            ..AnswerRecord::default()
        };
        assert_eq!(of(FLOOR).wrong_fee(&label(None, 100)), None);
        for (usage, fee) in [(None, 101), (None, 0), (Some(Usage { rate: FLOOR, tokens: 10, steps: 0 }), 120)] {
            assert!(of(FLOOR).wrong_fee(&label(usage, fee)).unwrap().contains("the price is"));
        }
    }
}
