//! From a question to an answer with a signed receipt.

use datanet_data::retrieval::Question;
use datanet_ledger::component::contributions;
use datanet_ledger::component::datanets::Datanet;
use datanet_types::epoch::EpochTotals;
use datanet_types::receipt::{AnswerRecord, AskInput, Credit, MAX_ANSWER_RECORD_BYTES, Method, Receipt};
use datanet_types::{Amount, ContributionId, ModelId};

use super::owed;
use super::payment::{Checked, Payment};
use crate::error::{ServiceError, ServiceResult};
use crate::library::index_error;
use crate::local::accruals::Charge;
use crate::node::Core;

impl Core {
    /// Answers from the final contributions of `datanet`. What finds nothing costs nothing.
    pub async fn ask(&self, datanet: &Datanet, input: AskInput, payment: Payment) -> ServiceResult<AnswerRecord> {
        let checked = self.check_payment(payment, datanet.price)?;
        let index = self.index(&datanet.id).await?;
        let snapshot = self.indexed_snapshot(&datanet.id).await?;
        let embedding = self.embed_one(&input.text).await?;
        let question = Question { input: input.clone(), embedding, snapshot: snapshot.clone() };
        let answer = index.answer(question).await.map_err(|error| index_error(&error))?;
        let credits = self.credits(&answer.credits)?;
        let fee = if credits.is_empty() { 0 } else { datanet.price };
        let receipt = Receipt {
            chain_id: self.chain.id().to_owned(),
            datanet: datanet.id,
            model: ModelId(self.models.info()?.id),
            node: self.node_key(),
            height: snapshot.height,
            snapshot: snapshot.root(),
            method: Method::Retrieval as i32,
            credits,
            fee,
            split: self.chain.params()?.fee_shares.split(fee),
            ..Receipt::default()
        };
        self.charge_answer(receipt, input, answer.output, checked).await
    }

    fn credits(&self, weights: &[(ContributionId, u64)]) -> ServiceResult<Vec<Credit>> {
        let reader = self.chain.reader()?;
        let credit = |(id, weight): &(ContributionId, u64)| {
            let contribution = contributions::get(&reader, id)?.ok_or_else(|| {
                ServiceError::internal("ledger-state", format!("indexed contribution {id} is not on the ledger"))
            })?;
            Ok(Credit { contribution: *id, contributor: contribution.contributor, weight: *weight })
        };
        weights.iter().map(credit).collect()
    }

    /// Numbers, signs, stores and records an answer, however it was found: after this it is paid for, and only then the
    /// caller may see it. `receipt` says everything but hashes, channel, amount and number; `checked` covers its fee.
    pub async fn charge_answer(
        &self,
        mut receipt: Receipt,
        input: AskInput,
        output: datanet_types::receipt::AskOutput,
        checked: Checked,
    ) -> ServiceResult<AnswerRecord> {
        let fee = receipt.fee;
        let _one_at_a_time = self.serving.charging.lock().await;
        let voucher = if fee == 0 { None } else { self.final_voucher(checked, fee)? };
        receipt.sequence = self.local.next_sequence()?;
        receipt.channel = voucher.as_ref().map(|(voucher, _)| voucher.channel);
        receipt.cumulative = voucher.as_ref().map_or(0, |(voucher, _)| voucher.cumulative);
        let charge = self.charge_of(&receipt, voucher)?;
        let sequence = receipt.sequence;
        let record = AnswerRecord::sign(receipt, input, output, &self.node_secret);
        let bytes = record.to_bytes();
        if bytes.len() > MAX_ANSWER_RECORD_BYTES {
            // Nobody could read its receipt, so nobody may be charged for it.
            return Err(ServiceError::too_large(
                "answer-too-long",
                format!("question and answer take {} bytes, a receipt at most {MAX_ANSWER_RECORD_BYTES}", bytes.len()),
            ));
        }
        self.keep_bytes(&format!("receipt/{sequence}"), bytes).await?;
        self.local.record_answer(sequence, &record.id(), &charge)?;
        Ok(record)
    }

    fn charge_of(
        &self,
        receipt: &Receipt,
        voucher: Option<(datanet_types::voucher::SignedVoucher, Amount)>,
    ) -> ServiceResult<Charge> {
        let reader = self.chain.reader()?;
        let lines = owed::lines(&reader, &receipt.datanet, &receipt.model, &receipt.credits, &receipt.split)?;
        // Free answers are not counted: the ledger wants a fee for each.
        let answers = u64::from(receipt.fee > 0);
        let (voucher, expected) = voucher.map_or((None, 0), |(voucher, expected)| (Some(voucher), expected));
        let totals = EpochTotals { answers, fees: receipt.fee, split: receipt.split };
        Ok(Charge { voucher, expected, totals, lines })
    }
}
