//! What a payment has bought before is given again, and to nothing else.

use datanet_types::quote::SignedQuote;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES};
use datanet_types::{BlobHash, Digest, ReceiptId};

use super::Billing;
use super::exchange;
use super::machine::{self, Decision};
use super::payment::{Means, Payment};
use super::price::Price;
use super::purchase::Admission;
use super::reservation::Asked;
use crate::caller;
use crate::db::now;
use crate::db::payments::{PaymentId, Standing};
use crate::error::{Code, ServiceError, ServiceResult};

/// A payment by one of its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) id: PaymentId,
    /// What whoever pays calls such a name.
    pub(super) called: &'static str,
}

impl Named {
    /// It has paid for another question, whose receipt this is.
    fn spent(&self, receipt: &ReceiptId) -> ServiceError {
        let called = self.called;
        let detail =
            format!("this {called} has paid for another question, receipt {receipt}; send another with this one");
        ServiceError::new(Code::PaymentSpent, detail)
    }
}

impl Billing {
    /// The answer that a payment has bought to this very question, whatever that costs by now and whether or not anybody sells it still. Of
    /// vouchers and accounts: what was bought by a transfer has its quote's price.
    ///
    /// # Errors
    /// When its payer asks too often ([`Code::RateLimited`]), or the private store or the blob store fails.
    pub async fn bought_already(&self, payment: &Payment, asked: &Asked) -> ServiceResult<Option<AnswerRecord>> {
        let (payer, channel, voucher) = match &payment.means {
            Means::Voucher(paid) => {
                // Whoever has not signed it learns nothing of what it paid for.
                let Ok(channel) = self.voucher_channel(&paid.0) else { return Ok(None) };
                let id = PaymentId::of_voucher(&channel.id, paid.0.cumulative);
                (channel.payer, Some(channel.id), Some(id))
            }
            Means::Account(key) => (key.address(), None, None),
            Means::Transfer(_) | Means::Nothing | Means::Refused(_) => return Ok(None),
        };
        let named = payment.name.as_ref().map(|name| PaymentId::of_account(&payer, name));
        for id in voucher.into_iter().chain(named) {
            let Some(Standing::Spent { payload, receipt }) = self.db.payment(&id)? else { continue };
            if payload != asked.payload {
                continue;
            }
            caller::count_payer(&payer)?;
            if channel.is_some() {
                exchange::signed_by(payer, channel);
            }
            if let Admission::Again(record) = self.again(&receipt).await? {
                return Ok(Some(*record));
            }
        }
        Ok(None)
    }

    /// The answer that a payment has bought to this very question at prices for text that the node has no more; none if its quote is bad for another
    /// reason.
    pub(super) async fn bought_at_former_prices(
        &self,
        payment: &Payment,
        asked: &Asked,
    ) -> ServiceResult<Option<AnswerRecord>> {
        let is_own_word = |quote: &SignedQuote| self.honour_at(quote, asked, &Price::quoted(quote), 0).is_ok();
        if payment.quote.as_ref().is_some_and(is_own_word) {
            return self.bought_already(payment, asked).await;
        }
        Ok(None)
    }

    /// The answer that a payment has bought, if it has; an error if that was to another question.
    pub(super) async fn bought_before(
        &self,
        payment: &PaymentId,
        question: &Digest,
        spent: &(dyn Fn(ReceiptId) -> ServiceResult<ServiceError> + Sync),
    ) -> ServiceResult<Option<Admission>> {
        match machine::decide(self.db.payment(payment)?.as_ref(), question, now()).1 {
            Decision::Replay(receipt) => self.again(&receipt).await.map(Some),
            Decision::SpentOnAnother(receipt) => Err(spent(receipt)?),
            Decision::Hold | Decision::HeldForAnother(_) => Ok(None),
        }
    }

    /// The answer that a payment of one of these names has bought, if one has.
    pub(super) async fn bought_by(&self, names: &[Named], asked: &Asked) -> ServiceResult<Option<Admission>> {
        for named in names {
            let known = self.bought_before(&named.id, &asked.payload, &|receipt| Ok(named.spent(&receipt))).await?;
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    pub(super) async fn again(&self, receipt: &ReceiptId) -> ServiceResult<Admission> {
        let bytes = self.blobs.read(&BlobHash(receipt.0), MAX_ANSWER_RECORD_BYTES as u64).await?;
        let record = AnswerRecord::verify(&bytes, self.chain.id())
            .map_err(|error| ServiceError::caused(Code::BadReceipt, error))?;
        exchange::bought(record.id(), record.receipt.fee);
        Ok(Admission::Again(Box::new(record)))
    }
}
