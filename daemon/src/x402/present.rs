//! From what a client sends to a payment of the node's own.
//!
//! What does not read is refused at once; what reads and is not for this node, network or resource is refused with a fresh price, once it is known
//! what is asked.

use std::sync::Arc;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datanet_api::x402::{
    BATCH_SETTLEMENT, ChannelPayload, ChannelVoucher, EXACT, ExactPayload, PAYMENT_IDENTIFIER, PaymentPayload,
    Requirements, VERSION,
};
use datanet_types::quote::SignedQuote;
use datanet_types::tx::MAX_TX_BYTES;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, TxHash};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::network::ASSET;
use super::{MAX_HEADER, X402};
use crate::billing::exchange::Exchange;
use crate::billing::payment::Payment;
use crate::billing::transfer::Tender;
use crate::error::{Code, ServiceError, ServiceResult};

/// A request's payment, on its way.
#[derive(Debug, Clone)]
pub struct Presented {
    /// What rides with the request.
    pub exchange: Arc<Exchange>,
    /// What is paid for.
    pub(super) url: String,
    /// Whether something was sent.
    pub(super) pays: bool,
    /// The transfer that it pays with, if it does.
    pub(super) transfer: Option<TxHash>,
}

/// A payment that is read.
pub(super) struct Read {
    pub(super) payment: Payment,
    /// Of the transaction that comes with it.
    pub(super) transaction: Option<TxHash>,
    pub(super) scheme: &'static str,
}

fn unreadable(detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::BadPayment, detail)
}

fn other(detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::OtherPayment, detail)
}

impl X402 {
    /// What a request for `url` pays with: what its header says, or nothing.
    ///
    /// # Errors
    /// When the header does not read ([`Code::BadPayment`]).
    pub fn present(&self, header: Option<&HeaderValue>, url: String) -> ServiceResult<Presented> {
        let Some(header) = header else {
            let exchange = Arc::new(Exchange::new(None));
            return Ok(Presented { exchange, url, pays: false, transfer: None });
        };
        let payload = decoded(header)?;
        let (payment, transfer) = match self.read(&payload, Some(&url)) {
            Ok(read) => (read.payment, read.transaction.filter(|_| read.scheme == EXACT)),
            // Said once the price is known, with it.
            Err(error) if error.code != Code::BadPayment => (Payment::refused(error), None),
            Err(error) => return Err(error),
        };
        Ok(Presented { exchange: Arc::new(Exchange::new(Some(payment))), url, pays: true, transfer })
    }

    /// The payment that a payload is, for `url` if that is known.
    pub(super) fn read(&self, payload: &PaymentPayload, url: Option<&str>) -> ServiceResult<Read> {
        if payload.x402_version != VERSION {
            let version = payload.x402_version;
            return Err(unreadable(format!("x402Version is {version}, and {VERSION} is spoken here")));
        }
        if let (Some(url), Some(said)) = (url, &payload.resource)
            && said.url != url
        {
            return Err(other(format!("the payment is for another resource; this is {url}")));
        }
        let accepted = &payload.accepted;
        self.is_ours(accepted)?;
        let quote = quote_of(accepted)?;
        if quote.price != amount_of(&accepted.amount)? {
            return Err(other("the accepted amount is not the quote's price; accept what was offered, unchanged"));
        }
        let (payment, transaction, scheme) = match accepted.scheme.as_str() {
            BATCH_SETTLEMENT => {
                let (payment, transaction) = self.by_channel(accepted, &payload.payload)?;
                (payment, transaction, BATCH_SETTLEMENT)
            }
            EXACT => {
                let ExactPayload { transaction } = part("payload", &payload.payload)?;
                let transfer = self.tender(&transaction)?;
                let hash = transfer.hash();
                (Payment::by_transfer(transfer), Some(hash), EXACT)
            }
            scheme => return Err(other(format!("the scheme {scheme:?} is not taken here; see what was offered"))),
        };
        let payment = payment.named(identifier_of(&payload.extensions)?)?.quoted(Some(quote));
        Ok(Read { payment, transaction, scheme })
    }

    /// That something was offered on this network, in its money.
    pub(super) fn is_ours(&self, way: &Requirements) -> ServiceResult<()> {
        if way.network != self.network {
            return Err(other(format!(
                "the payment is for network {:?}, and this is {}",
                cut(&way.network),
                self.network
            )));
        }
        if way.asset != ASSET {
            return Err(other(format!("the payment is in {:?}, and {ASSET:?} is taken here", cut(&way.asset))));
        }
        Ok(())
    }

    fn by_channel(&self, accepted: &Requirements, payload: &Value) -> ServiceResult<(Payment, Option<TxHash>)> {
        let node = self.identity.node_key().to_string();
        if accepted.pay_to != node {
            return Err(other(format!("the payment is for node {:?}, and this is {node}", cut(&accepted.pay_to))));
        }
        Ok(match part::<ChannelPayload>("payload", payload)? {
            ChannelPayload::Voucher { voucher } => (Payment::by_voucher(signed(&voucher)?), None),
            ChannelPayload::Deposit { transaction, voucher } => {
                let deposit = self.tender(&transaction)?;
                let hash = deposit.hash();
                (Payment::by_deposit(signed(&voucher)?, deposit), Some(hash))
            }
        })
    }

    fn tender(&self, transaction: &str) -> ServiceResult<Tender> {
        // Base64 is longer than what it says, so that nothing is read that could not be one.
        if transaction.len() / 4 * 3 > MAX_TX_BYTES {
            return Err(unreadable(format!("a transaction has at most {MAX_TX_BYTES} bytes")));
        }
        let bytes = STANDARD
            .decode(transaction)
            .map_err(|error| unreadable(format!("payload.transaction is no base64: {error}")))?;
        Tender::read(bytes, self.chain.id())
    }
}

/// The payload that a header is.
fn decoded(header: &HeaderValue) -> ServiceResult<PaymentPayload> {
    if header.len() > MAX_HEADER {
        let bytes = header.len();
        return Err(unreadable(format!("PAYMENT-SIGNATURE has {bytes} bytes; at most {MAX_HEADER} are read")));
    }
    let json = STANDARD
        .decode(header.as_bytes())
        .map_err(|error| unreadable(format!("PAYMENT-SIGNATURE is no base64: {error}")))?;
    serde_json::from_slice(&json).map_err(|error| unreadable(format!("PAYMENT-SIGNATURE is no payment: {error}")))
}

fn part<T: DeserializeOwned>(name: &str, value: &Value) -> ServiceResult<T> {
    T::deserialize(value).map_err(|error| unreadable(format!("{name} does not read: {error}")))
}

pub(super) fn quote_of(way: &Requirements) -> ServiceResult<SignedQuote> {
    match way.extra.get("quote") {
        Some(quote) => part("accepted.extra.quote", quote),
        None => Err(unreadable("accepted.extra.quote is missing; accept what was offered, unchanged")),
    }
}

pub(super) fn amount_of(text: &str) -> ServiceResult<Amount> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let read = text.parse().ok().filter(|_| plain);
    read.ok_or_else(|| unreadable(format!("the amount {:?} is no whole number of base units", cut(text))))
}

fn signed(voucher: &ChannelVoucher) -> ServiceResult<SignedVoucher> {
    let ChannelVoucher { channel_id, max_claimable_amount, signature } = voucher;
    let cumulative = amount_of(max_claimable_amount)?;
    Ok(SignedVoucher { channel: *channel_id, cumulative, signature: *signature })
}

/// What the client calls its payment, if it does.
fn identifier_of(extensions: &Value) -> ServiceResult<Option<String>> {
    let Some(id) = extensions.get(PAYMENT_IDENTIFIER).and_then(|extension| extension.get("info")?.get("id")) else {
        return Ok(None);
    };
    let plain = |id: &&str| id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    match id.as_str().filter(|id| (16..=128).contains(&id.len())).filter(plain) {
        Some(id) => Ok(Some(id.to_owned())),
        None => Err(unreadable("a payment identifier is 16 to 128 of a-z A-Z 0-9 - _")),
    }
}

/// What is repeated of a stranger's words.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn header(bytes: &[u8]) -> HeaderValue {
        HeaderValue::from_str(&STANDARD.encode(bytes)).unwrap()
    }

    #[test]
    fn what_is_no_payment_is_told_so() {
        let way = json!({ "scheme": "exact", "network": "datanet:c", "amount": "1", "asset": "native", "payTo": "x", "maxTimeoutSeconds": 1 });
        let whole = json!({ "x402Version": 2, "accepted": way, "payload": {} });
        assert!(decoded(&header(whole.to_string().as_bytes())).is_ok());
        let refused = [
            (HeaderValue::from_static("%%%"), "no base64"),
            (header(b"{"), "no payment"),
            (header(b"[]"), "no payment"),
            (header(br#"{"x402Version": 2}"#), "missing field"),
            (HeaderValue::from_str(&"A".repeat(MAX_HEADER + 1)).unwrap(), "at most"),
        ];
        for (header, words) in refused {
            let error = decoded(&header).unwrap_err();
            assert!(error.code == Code::BadPayment && error.detail.contains(words), "{error}");
        }
        // Deep nesting ends in words, and not in the stack.
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(decoded(&header(deep.as_bytes())).unwrap_err().code, Code::BadPayment);
    }

    #[test]
    fn amounts_and_names_are_read_strictly() {
        assert_eq!(amount_of("1000").unwrap(), 1000);
        for odd in ["", "-1", "+1", "1.0", "1e3", " 1", "18446744073709551616", "0x1"] {
            assert!(amount_of(odd).is_err(), "{odd}");
        }
        let named =
            |id: Value| identifier_of(&json!({ PAYMENT_IDENTIFIER: { "info": { "required": false, "id": id } } }));
        assert_eq!(named(json!("pay_0123456789ab")).unwrap().as_deref(), Some("pay_0123456789ab"));
        for odd in [json!("short"), json!("a".repeat(129)), json!("pay 0123456789ab"), json!(5), json!(null)] {
            assert!(named(odd.clone()).is_err(), "{odd}");
        }
        assert_eq!(identifier_of(&json!({ PAYMENT_IDENTIFIER: { "info": { "required": false } } })).unwrap(), None);
        assert_eq!(identifier_of(&json!(null)).unwrap(), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "[A-Za-z0-9+/=]{0,400}") {
            let _ = decoded(&header(&bytes));
            let _ = decoded(&HeaderValue::from_str(&text).unwrap());
        }
    }
}
