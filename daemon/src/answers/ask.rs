//! From a question to an answer with a signed receipt.

use datanet_data::retrieval::{Question, quotation};
use datanet_ledger::component::contributions;
use datanet_ledger::component::datanets::Datanet;
use datanet_types::receipt::{AnswerRecord, AskInput, Credit, Method, Passage, Receipt};
use datanet_types::{ContributionId, ModelId, Ppm};
use prost::Message as _;

use super::Answers;
use crate::billing::payment::Payment;
use crate::billing::purchase::{Answer as Bill, Order};
use crate::billing::reservation::{Asked, Kind};
use crate::caller;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::{Ground, index_error};

/// An answer with the words of what it quotes.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer with its proof.
    pub record: AnswerRecord,
    /// The words of its passages, in their order; `None` where they were taken back, or cannot be had now.
    pub quotes: Vec<Option<String>>,
}

/// What is asked of a datanet.
pub(super) fn asked(datanet: &Datanet, input: &AskInput) -> Asked {
    Asked::of(Kind::Ask, &datanet.id.0, &input.encode_to_vec())
}

impl Answers {
    /// Answers from the final contributions of `datanet`. What finds nothing costs nothing.
    ///
    /// # Errors
    /// When the operator keeps it from whoever asks ([`Code::Denied`]), the payment will not do, there is no embedding model ([`Code::NoModel`]),
    /// the datanet cannot be answered from now ([`Code::NotIndexed`]), or the answer cannot be captured. Nothing is paid then.
    pub async fn ask(&self, datanet: &Datanet, input: AskInput, payment: Payment) -> ServiceResult<Answered> {
        caller::refuse_denied([&datanet.id.0])?;
        let order = Order { payment, asked: asked(datanet, &input), price: datanet.price.into() };
        let (core, datanet) = (self.clone(), datanet.clone());
        let bought = self.billing.purchase(order, async move { core.found(&datanet, input).await }).await?;
        match bought.more {
            Some(quotes) => {
                let given_out = |(passage, quote): (&Passage, String)| (!self.is_denied(passage)).then_some(quote);
                let quotes = bought.record.output.passages.iter().zip(quotes).map(given_out).collect();
                Ok(Answered { record: bought.record, quotes })
            }
            None => self.with_quotes(bought.record).await,
        }
    }

    /// What is found, and the words of what it quotes.
    async fn found(&self, datanet: &Datanet, input: AskInput) -> ServiceResult<(Bill, Vec<String>)> {
        let index = self.indexes.open(&datanet.id).await?;
        let Ground { snapshot, missing } = self.indexes.snapshot(&datanet.id).await?;
        let embedding = self.embedder.embed_one(&input.text).await?;
        let question = Question { input: input.clone(), embedding, snapshot: snapshot.clone() };
        let answer = index.answer(question).await.map_err(|error| index_error(&error))?;
        let credits = self.credits(&answer.credits)?;
        let fee = if credits.is_empty() { 0 } else { datanet.price };
        let receipt = Receipt {
            chain_id: self.chain.id().to_owned(),
            datanet: datanet.id,
            model: self.own_model()?,
            node: self.identity.node_key(),
            height: snapshot.height,
            snapshot: snapshot.root(),
            method: Method::Retrieval as i32,
            credits,
            missing,
            fee,
            ..Receipt::default()
        };
        Ok((Bill { receipt, input, output: answer.output }, answer.quotes))
    }

    /// The node's embedding model: as it is on the ledger, so that its owner is paid, where that is an account of this node.
    fn own_model(&self) -> ServiceResult<ModelId> {
        let files = ModelId(self.embedder.info()?.id);
        Ok(self.models.registered_base(&files)?.unwrap_or(files))
    }

    /// A recorded answer with the words of what it quotes, read where they lie: a receipt holds their hashes alone.
    ///
    /// # Errors
    /// None: what cannot be had now has no words in [`Answered::quotes`].
    pub async fn with_quotes(&self, record: AnswerRecord) -> ServiceResult<Answered> {
        let mut quotes = Vec::new();
        for passage in &record.output.passages {
            quotes.push(self.words(passage).await.unwrap_or_else(|error| {
                tracing::debug!(%error, contribution = %passage.contribution, "a quoted record cannot be had now");
                None
            }));
        }
        Ok(Answered { record, quotes })
    }

    /// Whether the operator keeps a passage's contribution from whoever is answered now.
    fn is_denied(&self, passage: &Passage) -> bool {
        let blob = |id: &ContributionId| {
            let reader = self.chain.reader().ok()?;
            contributions::get(&reader, id).ok().flatten().map(|contribution| contribution.blob.0)
        };
        caller::is_contribution_denied(&passage.contribution, blob)
    }

    /// The words of a passage, if they are still there to be quoted.
    async fn words(&self, passage: &Passage) -> ServiceResult<Option<String>> {
        if self.is_denied(passage) {
            return Ok(None);
        }
        let Some(record) = self.record_of(&passage.contribution, passage.record).await? else { return Ok(None) };
        let words = quotation(record.text());
        Ok((Passage::hash_of(words) == passage.text_hash).then(|| words.to_owned()))
    }

    fn credits(&self, weights: &[(ContributionId, Ppm)]) -> ServiceResult<Vec<Credit>> {
        let reader = self.chain.reader()?;
        let credit = |(id, weight): &(ContributionId, Ppm)| {
            let contribution = contributions::get(&reader, id)?.ok_or_else(|| {
                ServiceError::new(Code::LedgerState, format!("indexed contribution {id} is not on the ledger"))
            })?;
            Ok(Credit { contribution: *id, contributor: contribution.contributor, weight: *weight })
        };
        weights.iter().map(credit).collect()
    }
}
