//! x402 over the protocol: what a caller pays with stands in the `_meta` of its call, what is asked for is a result that says so, and what was
//! taken stands in the `_meta` of the result.

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datanet_api::x402::{REQUIRED_HEADER, RESPONSE_HEADER, SIGNATURE_HEADER};
use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::Value;

use super::refusal::Refusal;
use crate::x402::MAX_HEADER;

/// Under these keys of `_meta`.
const PAYMENT: &str = "x402/payment";
const RESPONSE: &str = "x402/payment-response";

/// What one call pays with, and what comes of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Paid {
    payment: Option<HeaderValue>,
    told: Arc<Mutex<Told>>,
}

#[derive(Debug, Default)]
struct Told {
    required: Option<Value>,
    response: Option<Value>,
}

impl Paid {
    /// What a call's `_meta` says.
    ///
    /// # Errors
    /// When it is longer than a payment is.
    pub(super) fn of(meta: &MetaObject) -> Result<Self, Refusal> {
        let Some(payment) = meta.0.get(PAYMENT) else { return Ok(Self::default()) };
        // As text, or as it is.
        let json = payment.as_str().map_or_else(|| payment.to_string(), str::to_owned);
        let header = STANDARD.encode(json);
        if header.len() > MAX_HEADER {
            return Err(Refusal::argument(format!("the payment in _meta is longer than {MAX_HEADER} bytes in base64")));
        }
        let payment = header.parse().map_err(|_| Refusal::argument("the payment in _meta does not read"))?;
        Ok(Self { payment: Some(payment), told: Arc::default() })
    }

    /// The headers of a request that this pays for.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if let Some(payment) = &self.payment {
            headers.insert(SIGNATURE_HEADER, payment.clone());
        }
    }

    /// Keeps what an answer says of money.
    pub(super) fn heard<T>(&self, response: &Response<T>) {
        let read = |name: &str| {
            let bytes = STANDARD.decode(response.headers().get(name)?.as_bytes()).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.required = read(REQUIRED_HEADER).or(told.required.take());
        told.response = read(RESPONSE_HEADER).or(told.response.take());
    }

    /// The result with what is to be paid, or was.
    pub(super) fn tell(&self, result: &mut CallToolResult) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = result.is_error == Some(true);
        if let Some(required) = told.required.as_ref().filter(|_| failed) {
            result.content = vec![ContentBlock::text(required.to_string())];
            result.structured_content = Some(required.clone());
        }
        if let Some(response) = told.response.as_ref().filter(|_| !failed) {
            let meta = result.meta.get_or_insert_with(MetaObject::new);
            meta.insert(RESPONSE.to_owned(), response.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meta(payment: Value) -> MetaObject {
        let mut meta = MetaObject::new();
        meta.insert(PAYMENT.to_owned(), payment);
        meta
    }

    #[test]
    fn a_payment_becomes_a_header_and_what_is_asked_for_a_result() {
        let paid = Paid::of(&meta(json!({ "x402Version": 2 }))).unwrap();
        let mut headers = HeaderMap::new();
        paid.add_to(&mut headers);
        assert_eq!(STANDARD.decode(headers[SIGNATURE_HEADER].as_bytes()).unwrap(), br#"{"x402Version":2}"#);
        assert_eq!(Paid::of(&meta(json!(r#"{"x402Version":2}"#))).unwrap().payment, paid.payment);
        assert!(Paid::of(&meta(json!("a".repeat(MAX_HEADER)))).is_err());

        let header = STANDARD.encode(r#"{"accepts":[1]}"#);
        paid.heard(&Response::builder().header(REQUIRED_HEADER, header).body(()).unwrap());
        let mut refused = CallToolResult::error(vec![ContentBlock::text("no")]);
        paid.tell(&mut refused);
        assert_eq!(refused.structured_content, Some(json!({ "accepts": [1] })));
        let mut done = CallToolResult::structured(json!({}));
        paid.tell(&mut done);
        assert_eq!((done.structured_content, done.meta.is_none()), (Some(json!({})), true));
    }
}
