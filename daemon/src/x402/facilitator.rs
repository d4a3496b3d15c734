//! The facilitator's side: whether a payment would do, and what became of it. For payments to this node alone.

use datanet_api::x402::{
    BATCH_SETTLEMENT, EXACT, FacilitatorRequest, OFFER_RECEIPT, PAYMENT_IDENTIFIER, SettleResponse, Supported,
    SupportedKind, VERSION, VerifyResponse,
};
use serde_json::json;

use super::X402;
use super::present::{Read, amount_of};
use super::settle::{Taken, reason};
use crate::error::{Code, ErrorKind, ServiceError, ServiceResult};

impl X402 {
    /// The ways to pay that there are.
    pub fn supported(&self) -> Supported {
        let kind = |scheme: &str| SupportedKind {
            x402_version: VERSION,
            scheme: scheme.to_owned(),
            network: self.network.clone(),
            extra: Some(self.terms()),
        };
        let mut kinds = vec![kind(BATCH_SETTLEMENT)];
        kinds.extend(self.billing.till_for(0).map(|_| kind(EXACT)));
        let node = self.identity.node_key();
        Supported {
            kinds,
            extensions: vec![PAYMENT_IDENTIFIER.to_owned(), OFFER_RECEIPT.to_owned()],
            signers: json!({ self.network.as_str(): [node] }),
        }
    }

    /// Whether a payment would do if its request came now. Nothing is held for it, and nothing taken.
    ///
    /// # Errors
    /// When nobody can tell now: too much is asked, or the ledger is not there.
    pub async fn verify(&self, request: &FacilitatorRequest) -> ServiceResult<VerifyResponse> {
        let paid = match self.read_for(request) {
            Ok((read, price)) => self.billing.would_pay(&read.payment, price).await,
            Err(error) => Err(error),
        };
        let good = |payer: datanet_types::Address| VerifyResponse {
            is_valid: true,
            invalid_reason: None,
            invalid_message: None,
            payer: Some(payer.to_string()),
        };
        match paid {
            Ok(payer) => Ok(good(payer)),
            Err(error) if is_verdict(&error) => Ok(VerifyResponse {
                is_valid: false,
                invalid_reason: Some(reason(&error)),
                invalid_message: Some(error.detail),
                payer: None,
            }),
            Err(error) => Err(error),
        }
    }

    /// What became of a payment: it is taken when its request is answered, and by nothing else. What is only set aside by one, the deposit of a
    /// channel, is sent.
    ///
    /// # Errors
    /// As [`X402::verify`].
    pub async fn settle(&self, request: &FacilitatorRequest) -> ServiceResult<SettleResponse> {
        match self.became(request).await {
            Err(error) if is_verdict(&error) => Ok(self.failure(&reason(&error), error.detail)),
            settled => settled,
        }
    }

    async fn became(&self, request: &FacilitatorRequest) -> ServiceResult<SettleResponse> {
        let (read, price) = self.read_for(request)?;
        // A channel that is not there yet has paid for nothing.
        let bought = match self.billing.bought_with(&read.payment) {
            Err(error) if error.code == Code::NoChannel && read.transaction.is_some() => None,
            bought => bought?,
        };
        if let Some(sold) = bought {
            let transfer = read.transaction.filter(|_| read.scheme == EXACT);
            // What is counted may have cost less than its price.
            let fee = if price > 0 { self.billing.fee_of(&sold.receipt).await? } else { 0 };
            let taken = Taken { receipt: sold.receipt, fee, payer: sold.payer, transfer };
            return Ok(self.success(&taken, None));
        }
        if let (Some(deposited), Some(transaction)) = (self.billing.deposit(&read.payment).await?, read.transaction) {
            let settled = self.success_of_deposit(transaction.to_string(), deposited);
            return Ok(settled);
        }
        let message =
            "a payment is taken when the request that it comes with is answered, and not before; send it there";
        Ok(self.failure("not_served", message))
    }

    fn success_of_deposit(&self, transaction: String, deposited: datanet_types::Amount) -> SettleResponse {
        SettleResponse {
            success: true,
            transaction,
            amount: Some(deposited.to_string()),
            error_reason: None,
            error_message: None,
            ..self.failure("", "")
        }
    }

    fn read_for(&self, request: &FacilitatorRequest) -> ServiceResult<(Read, datanet_types::Amount)> {
        let (payload, wanted) = (&request.payment_payload, &request.payment_requirements);
        let said = &payload.accepted;
        let same = said.scheme == wanted.scheme
            && said.network == wanted.network
            && said.amount == wanted.amount
            && said.asset == wanted.asset
            && said.pay_to == wanted.pay_to;
        if !same {
            return Err(ServiceError::new(Code::OtherPayment, "the payment is not for these requirements"));
        }
        Ok((self.read(payload, None)?, amount_of(&wanted.amount)?))
    }
}

/// Whether an error says something of the payment, and not of this node's state.
fn is_verdict(error: &ServiceError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PaymentRequired | ErrorKind::BadRequest | ErrorKind::Conflict | ErrorKind::Unprocessable
    )
}
