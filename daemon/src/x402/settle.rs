//! What is said of a payment once its request is answered.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use datanet_api::x402::{OFFER_RECEIPT, REQUIRED_HEADER, RESPONSE_HEADER, SettleResponse};
use datanet_types::{Address, Amount, ReceiptId, TxHash};
use serde_json::json;

use super::present::Presented;
use super::{X402, encoded};
use crate::billing::exchange::Told;
use crate::db::now;
use crate::error::ServiceError;
use crate::jws;

/// What was taken for an answer.
pub(super) struct Taken {
    pub(super) receipt: ReceiptId,
    pub(super) fee: Amount,
    pub(super) payer: Address,
    /// By which it was paid, if by one.
    pub(super) transfer: Option<TxHash>,
}

impl X402 {
    /// The answer to a request, with what is to be paid for it, or what was. A stream says that in its last event: it begins before it is paid.
    pub fn answered(&self, mut response: Response, presented: &Presented) -> Response {
        let told = presented.exchange.told();
        let added = match response.status() {
            StatusCode::PAYMENT_REQUIRED => {
                let why = response.extensions().get::<Refused>().map(|refused| refused.0.as_str());
                let required = self.required(&presented.url, &told, Some(why.unwrap_or("payment required")));
                required.map(|value| (REQUIRED_HEADER, value))
            }
            status if status.is_success() && presented.pays => {
                self.settled(&told, presented).map(|value| (RESPONSE_HEADER, value))
            }
            _ => None,
        };
        if let Some((name, value)) = added {
            let headers = response.headers_mut();
            headers.insert(HeaderName::from_static(name), value);
            // Nobody else's price, and nobody else's payment.
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    fn settled(&self, told: &Told, presented: &Presented) -> Option<HeaderValue> {
        let ((receipt, fee), payer) = (told.bought?, told.payer?);
        let taken = Taken { receipt, fee, payer, transfer: presented.transfer };
        let mut settled = self.success(&taken, Some(&presented.url));
        if let (Some(extra), Some(state)) =
            (&mut settled.extra, told.channel.and_then(|channel| self.channel_state(&channel, None)))
        {
            extra["channelState"] = state;
        }
        encoded(&settled)
    }

    /// A payment that bought an answer; with the node's word for it, where it is known for what.
    pub(super) fn success(&self, taken: &Taken, url: Option<&str>) -> SettleResponse {
        // A transfer is sent for what costs something.
        let transaction = match taken.transfer.filter(|_| taken.fee > 0) {
            Some(hash) => hash.to_string(),
            None => taken.receipt.to_string(),
        };
        let receipt = url.map(|url| {
            let said = json!({
                "version": 1, "network": self.network, "resourceUrl": url, "payer": taken.payer, "issuedAt": now(),
                "transaction": transaction,
            });
            let signed = json!({ "format": "jws", "signature": jws::sign(&said, self.identity.secret()) });
            json!({ OFFER_RECEIPT: { "info": { "receipt": signed } } })
        });
        SettleResponse {
            success: true,
            error_reason: None,
            error_message: None,
            payer: Some(taken.payer.to_string()),
            transaction,
            network: self.network.clone(),
            amount: Some(taken.fee.to_string()),
            extensions: receipt,
            extra: Some(json!({ "receipt": taken.receipt, "chargedAmount": taken.fee.to_string() })),
        }
    }

    /// A payment of which nothing was taken.
    pub(super) fn failure(&self, reason: &str, message: impl Into<String>) -> SettleResponse {
        SettleResponse {
            success: false,
            error_reason: Some(reason.to_owned()),
            error_message: Some(message.into()),
            payer: None,
            transaction: String::new(),
            network: self.network.clone(),
            amount: None,
            extensions: None,
            extra: None,
        }
    }
}

/// Why a request was refused, beside its answer: whoever adds headers to it reads it there.
#[derive(Debug, Clone)]
pub struct Refused(String);

impl Refused {
    /// In an error's words.
    pub fn of(error: &ServiceError) -> Self {
        Self(error.detail.clone())
    }
}

/// An error as x402 has them: our own word for programs.
pub(super) fn reason(error: &ServiceError) -> String {
    error.code.as_str().replace('-', "_")
}
