//! Charging an answer: numbered, signed, kept, and only then shown.

use std::sync::atomic::Ordering;

use datanet_p2p::TagKind;
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, MAX_ANSWER_RECORD_BYTES, Receipt};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, Digest, ReceiptId};

use super::payment::Checked;
use super::{Billing, owed};
use crate::db::accruals::Charge;
use crate::error::{Code, ServiceError, ServiceResult};

impl Billing {
    /// The latest receipts issued here, newest first: number and id.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn latest_receipts(&self, limit: usize) -> ServiceResult<Vec<(u64, ReceiptId)>> {
        self.db.latest_receipts(limit)
    }

    /// Numbers, signs, stores and records an answer, however it was found: after this it is paid for, and only then the
    /// caller may see it. `receipt` says everything but hashes, channel, amount and number; `checked` covers its fee.
    ///
    /// # Errors
    /// When the payment will do no more, because another answer was charged first ([`Code::WrongVoucherAmount`],
    /// [`Code::StaleVoucher`]) or the channel is closed or used up ([`Code::ChannelExpired`],
    /// [`Code::ChannelExhausted`]); when question and answer are too long for a receipt ([`Code::AnswerTooLong`]); when
    /// the ledger, the blob store or the private store fails. Nothing is paid then.
    pub async fn charge(
        &self,
        mut receipt: Receipt,
        input: AskInput,
        output: AskOutput,
        mut checked: Checked,
    ) -> ServiceResult<AnswerRecord> {
        let fee = receipt.fee;
        let (channel, asked) = match &checked {
            Checked::Free => (None, None),
            Checked::Voucher(hold) => (Some(hold.voucher.channel), Some(hold.asked.0)),
            Checked::Sign(channel, ..) => (Some(*channel), None),
        };
        let _lane = match &channel {
            Some(channel) => Some(self.channels.hold(&channel.0).await),
            None => None,
        };
        let _charging = self.charging.read().await;
        let voucher = if fee == 0 { None } else { self.final_voucher(&checked, fee)? };
        receipt.sequence = self.sequence.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        receipt.channel = voucher.as_ref().map(|(voucher, _)| voucher.channel);
        receipt.cumulative = voucher.as_ref().map_or(0, |(voucher, _)| voucher.cumulative);
        let mut charge = self.charge_of(&receipt, voucher, asked)?;
        let sequence = receipt.sequence;
        let record = AnswerRecord::sign(receipt, input, output, self.identity.secret());
        charge.settled = SettledReceipt::of(&record);
        let bytes = record.to_bytes();
        if bytes.len() > MAX_ANSWER_RECORD_BYTES {
            // Nobody could read its receipt, so nobody may be charged for it.
            return Err(ServiceError::new(
                Code::AnswerTooLong,
                format!("question and answer take {} bytes, a receipt at most {MAX_ANSWER_RECORD_BYTES}", bytes.len()),
            ));
        }
        let tag = TagKind::Receipt.tag(sequence);
        self.blobs.keep_bytes(&tag, bytes).await?;
        if let Err(error) = self.db.record_answer(sequence, &record.id(), &charge) {
            // What cannot be let go of now is after the next start; why the answer failed matters more.
            if let Err(kept) = self.blobs.release(&tag).await {
                tracing::warn!(error = %kept, "the record of an answer that failed is not let go of");
            }
            return Err(error);
        }
        if let Checked::Voucher(hold) = &mut checked
            && fee > 0
        {
            // Bound no more, but spent.
            hold.bound = None;
        }
        if let Checked::Sign(.., hold) = checked
            && let Some(hold) = hold
        {
            hold.settle_at(fee);
        }
        Ok(record)
    }

    fn charge_of(
        &self,
        receipt: &Receipt,
        voucher: Option<(SignedVoucher, Amount)>,
        asked: Option<Digest>,
    ) -> ServiceResult<Charge> {
        let reader = self.chain.reader()?;
        let lines = owed::lines(&reader, receipt)?;
        let (voucher, expected) = voucher.map_or((None, 0), |(voucher, expected)| (Some(voucher), expected));
        let totals = owed::totals(receipt, &lines);
        Ok(Charge { voucher, expected, asked, totals, lines, settled: None, params: receipt.params })
    }
}
