//! The name that a client gives to what it sends, so that sending it again is harmless.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::{Code, ServiceError};

/// The header `Idempotency-Key`, if it was sent.
pub(in crate::http) struct IdempotencyKey(pub(in crate::http) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ServiceError> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text =
            value.to_str().map_err(|_| ServiceError::new(Code::BadHeader, "Idempotency-Key must be plain text"))?;
        Ok(Self(Some(text.to_owned())))
    }
}
