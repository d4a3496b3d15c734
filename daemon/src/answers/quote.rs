//! What an answer would cost, before anybody pays: the same look at question and terms as the answer's own.

use datanet_ledger::component::datanets::Datanet;
use datanet_types::quote::SignedQuote;
use datanet_types::receipt::AskInput;
use datanet_types::release::Task;

use super::complete::CompletionAsk;
use super::{Answers, ask, classify};
use crate::billing::price::Price;
use crate::billing::reservation::{Asked, Kind};
use crate::billing::terms::terms;
use crate::error::{Code, ServiceResult};

/// What is to be priced.
#[derive(Debug, Clone)]
pub enum Priced {
    /// Any question to a datanet.
    Datanet(Box<Datanet>),
    /// Any question to a deployed model, by name or id.
    Model(String),
    /// This question to a datanet.
    Ask(Box<Datanet>, AskInput),
    /// This passage to a deployed model.
    Classify(String, String),
    /// This text by a deployed model.
    Complete(Box<CompletionAsk>),
}

impl Answers {
    /// This node's signed word on what an answer costs.
    ///
    /// # Errors
    /// When there would be no answer: no such model answers here, or it cannot take the prompt; and when the ledger cannot be read.
    pub async fn price_quote(&self, priced: Priced) -> ServiceResult<SignedQuote> {
        let for_one =
            |asked: Asked, price: Price| self.billing.quote(asked.kind, asked.whom, price, Some(asked.payload));
        Ok(match priced {
            Priced::Datanet(datanet) => self.billing.quote(Kind::Ask, datanet.id.0, datanet.price.into(), None),
            Priced::Model(name) => {
                let (served, kind) = match self.models.served_model(&name, Task::Classify) {
                    Err(error) if error.code == Code::NoClassifier => {
                        (self.models.served_model(&name, Task::Generate)?, Kind::Complete)
                    }
                    served => (served?, Kind::Classify),
                };
                let terms = terms(&self.chain.reader()?, &served.model)?;
                let price = match kind {
                    // Of as many tokens as it writes where no number is asked for.
                    Kind::Complete => self.billing.text_price(&terms, served.most_tokens(0)),
                    _ => terms.price.into(),
                };
                self.billing.quote(kind, served.model.id.0, price, None)
            }
            Priced::Ask(datanet, input) => for_one(ask::asked(&datanet, &input), datanet.price.into()),
            Priced::Classify(name, text) => {
                let served = self.models.served_model(&name, Task::Classify)?;
                let price = terms(&self.chain.reader()?, &served.model)?.price;
                for_one(classify::asked(&served, &classify::input(text)), price.into())
            }
            Priced::Complete(ask) => {
                let (asked, price) = self.completion_asked(&ask).await?;
                for_one(asked, price)
            }
        })
    }
}
