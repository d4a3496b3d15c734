//! Query strings.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::words::read;
use crate::error::{Code, ServiceError, ServiceResult};

/// A query string. A parameter without a value is as good as none: forms and clients send those they have nothing for.
pub(in crate::http) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ServiceError> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> ServiceResult<T> {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let given = query.split('&').filter(has_value).collect::<Vec<_>>().join("&");
    read(serde_urlencoded::Deserializer::new(form_urlencoded::parse(given.as_bytes())), Code::BadQuery)
}
