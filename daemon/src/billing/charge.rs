//! Capturing an answer: numbered, signed, kept, and only then shown.

use std::sync::atomic::Ordering;

use datanet_p2p::TagKind;
use datanet_types::netting::Nets;
use datanet_types::receipt::{AnswerRecord, AskOutput, MAX_ANSWER_RECORD_BYTES, Receipt};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Address, Amount};
use prost::Message as _;

use super::purchase::{Answer, By, Held};
use super::{Billing, exchange, machine, owed};
use crate::caller::{self, Payers};
use crate::db::accruals::Charge;
use crate::db::now;
use crate::db::payments::Spending;
use crate::db::receipts::Issued;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::failpoint;

/// More than what a receipt gets when it is signed takes, in bytes.
const HEAD_BYTES: usize = 1024;

fn too_long(bytes: usize) -> ServiceError {
    let detail = format!("question and answer take {bytes} bytes, a receipt at most {MAX_ANSWER_RECORD_BYTES}");
    ServiceError::new(Code::AnswerTooLong, detail)
}

impl Billing {
    /// The latest receipts issued here, newest first, by number.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn latest_receipts(&self, limit: usize) -> ServiceResult<Vec<(u64, Issued)>> {
        self.db.latest_receipts(limit)
    }

    /// The same, of those that the caller may see: its own token's accounts paid for them, or it may see all.
    ///
    /// # Errors
    /// When the private store cannot be read.
    pub fn receipts_for_caller(&self, limit: usize) -> ServiceResult<Vec<(u64, Issued)>> {
        match caller::payers() {
            Payers::All => self.db.latest_receipts(limit),
            Payers::Accounts(accounts) => self.db.receipts_of(&accounts, limit),
            Payers::OfThisNode => {
                let own: Vec<Address> = self.keyring.list().into_iter().map(|key| key.address).collect();
                self.db.receipts_of(&own, limit)
            }
        }
    }

    /// Numbers, signs, stores and records an answer, however it was found: after this it is paid for, and only then the
    /// caller may see the last of it. Its fee is what was promised, less of what is counted, or nothing.
    ///
    /// # Errors
    /// When its fee is another ([`Code::OverCharge`]); when the payment will do no more, because another answer was charged first
    /// ([`Code::WrongVoucherAmount`], [`Code::StaleVoucher`]) or the channel is closed or used up ([`Code::ChannelExpired`],
    /// [`Code::ChannelExhausted`]); when question and answer are too long for a receipt ([`Code::AnswerTooLong`]); when
    /// the ledger, the blob store or the private store fails. Nothing is paid then.
    pub async fn capture(&self, mut held: Held, answer: Answer) -> ServiceResult<AnswerRecord> {
        let captured = self.captured(&held, answer).await;
        if let Ok(record) = &captured {
            exchange::bought(record.id(), record.receipt.fee);
        }
        if let By::Voucher(hold) = &mut held.by {
            match &captured {
                // Held no more, but spent.
                Ok(record) if record.receipt.fee > 0 => hold.held_in = None,
                _ => hold.release().await,
            }
        }
        if let (Ok(record), By::Account(hold)) = (&captured, &mut held.by)
            && let Some(spending) = hold.spending.take()
        {
            spending.settle_at(record.receipt.fee);
        }
        captured
    }

    async fn captured(&self, held: &Held, answer: Answer) -> ServiceResult<AnswerRecord> {
        let Answer { mut receipt, input, output } = answer;
        let fee = receipt.fee;
        if !machine::may_capture(fee, &held.price) {
            let detail = format!(
                "the answer would cost {fee} base units, and {} were promised; it is not charged",
                held.price.most
            );
            return Err(ServiceError::new(Code::OverCharge, detail));
        }
        let channel = match &held.by {
            By::Nothing => None,
            By::Voucher(hold) => Some(hold.voucher.channel),
            By::Account(hold) => Some(hold.channel),
        };
        if let By::Account(hold) = &held.by
            && let Some((due, _)) = &hold.due
            && fee > 0
        {
            // Nobody pays for what no receipt holds.
            let bytes = input.encoded_len().saturating_add(output.encoded_len());
            if bytes.saturating_add(receipt.encoded_len()).saturating_add(HEAD_BYTES) > MAX_ANSWER_RECORD_BYTES {
                return Err(too_long(bytes));
            }
            // Before the locks: others are charged meanwhile.
            self.collect(due).await?;
            failpoint::reached("collected");
        }
        let _lane = match &channel {
            Some(channel) => Some(self.channels.hold(&channel.0).await),
            None => None,
        };
        let _charging = self.charging.read().await;
        let voucher = if fee == 0 { None } else { self.final_voucher(&held.by, &held.price, fee)? };
        receipt.split = held.params.params.fee_shares.split(fee);
        receipt.params = held.params.number;
        receipt.order = held.order;
        receipt.sequence = self.sequence.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        receipt.channel = voucher.as_ref().map(|(voucher, _)| voucher.channel);
        receipt.cumulative = voucher.as_ref().map_or(0, |(_, taken)| *taken);
        let mut charge = self.charge_of(&receipt, &output, voucher, held)?;
        let sequence = receipt.sequence;
        let record = AnswerRecord::sign(receipt, input, output, self.identity.secret());
        charge.settled = SettledReceipt::of(&record);
        let bytes = record.to_bytes();
        if bytes.len() > MAX_ANSWER_RECORD_BYTES {
            // Nobody could read its receipt, so nobody may be charged for it.
            return Err(too_long(bytes.len()));
        }
        let tag = TagKind::Receipt.tag(sequence);
        // On disk first: what is paid can be had again.
        self.blobs.keep_receipt(&tag, bytes).await?;
        failpoint::reached("kept");
        if let Err(error) = self.db.record_answer(sequence, record.id(), charge).await {
            // What cannot be let go of now is after the next start; why the answer failed matters more.
            if let Err(kept) = self.blobs.release(&tag).await {
                tracing::warn!(error = %kept, "the record of an answer that failed is not let go of");
            }
            return Err(error);
        }
        failpoint::reached("recorded");
        Ok(record)
    }

    fn charge_of(
        &self,
        receipt: &Receipt,
        output: &AskOutput,
        voucher: Option<(SignedVoucher, Amount)>,
        held: &Held,
    ) -> ServiceResult<Charge> {
        let reader = self.chain.reader()?;
        let lines = owed::lines(&reader, receipt)?;
        let payer = held.by.payer().filter(|_| receipt.channel.is_some());
        let spends = if voucher.is_some() { spends(&held.by) } else { Vec::new() };
        let (voucher, taken) = voucher.map_or((None, 0), |(voucher, taken)| (Some(voucher), taken));
        let totals = owed::totals(receipt, &lines);
        let nets = Nets::of(receipt, &output.influence);
        Ok(Charge { payer, voucher, taken, spends, totals, lines, nets, settled: None, params: receipt.params })
    }
}

/// The payment that is spent with the answer, by all of its names.
fn spends(by: &By) -> Vec<Spending> {
    let (payment, names, payload) = match by {
        By::Nothing => return Vec::new(),
        By::Voucher(hold) => (Some(hold.payment), &hold.names, hold.question),
        By::Account(hold) => (None, &hold.names, hold.question),
    };
    let at = now();
    let spending = |id| Spending { id, payload, at, lapse: machine::LAPSE };
    payment.into_iter().chain(names.iter().copied()).map(spending).collect()
}
