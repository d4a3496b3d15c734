//! Reading requests so that every refusal is a problem in our form, in the caller's words, and names the field.
//!
//! - [`Body`]: JSON. [`Shaped`]: JSON in OpenAI's shapes, every field of which has a fate ([`fields`]). [`Raw`]: bytes.
//! - [`Query`]: a query string. [`Segment`]: a part of the path.

mod body;
pub(super) mod fields;
mod idempotency;
mod json;
mod query;
mod words;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

pub(super) use body::{Body, BodyLimit, Raw, Shape, Shaped, object_in};
pub(super) use idempotency::IdempotencyKey;
pub(super) use query::{Query, within};
pub(super) use words::{cut, read, read_at, says_nothing};

use crate::error::{Code, ServiceError};

/// A path segment that parses.
pub(super) struct Segment<T>(pub T);

impl<T, S> FromRequestParts<S> for Segment<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
    S: Send + Sync,
{
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ServiceError> {
        let bad = |detail: String| ServiceError::new(Code::BadPath, detail);
        let axum::extract::Path(text) = axum::extract::Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| bad(rejection.body_text()))?;
        if text.is_empty() {
            return Err(bad("the path has nothing where an id belongs; write it between the slashes".to_owned()));
        }
        text.parse().map(Self).map_err(|error: T::Err| bad(error.to_string()))
    }
}
