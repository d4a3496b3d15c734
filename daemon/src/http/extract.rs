//! Reading requests so that every refusal is a problem in our form.

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{Code, ServiceError};

/// A JSON body.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ServiceError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ServiceError> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => {
                let detail = match &rejection {
                    JsonRejection::JsonDataError(error) => does_not_read(error),
                    JsonRejection::JsonSyntaxError(error) => does_not_read(error),
                    other => other.body_text(),
                };
                Err(ServiceError::new(body_code(rejection.status()), detail))
            }
        }
    }
}

/// Why a body was not taken.
fn body_code(status: StatusCode) -> Code {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Code::BadField,
        _ => Code::BadBody,
    }
}

/// What is wrong with a body, without the words that the library puts before it.
fn does_not_read(error: &dyn std::error::Error) -> String {
    let innermost = std::iter::successors(Some(error), |error| error.source()).last().unwrap_or(error);
    format!("the body does not read: {innermost}")
}

/// A body as bytes, up to the general limit.
pub(super) struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ServiceError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ServiceError> {
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|rejection| ServiceError::new(body_code(rejection.status()), rejection.body_text()))
    }
}

/// A query string.
pub(super) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ServiceError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(ServiceError::new(Code::BadQuery, rejection.body_text())),
        }
    }
}

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
        text.parse().map(Self).map_err(|error: T::Err| bad(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Chat {
        #[expect(dead_code, reason = "it is only read")]
        messages: Vec<u32>,
    }

    async fn refused(body: &'static str) -> ServiceError {
        let request = Request::builder().header("content-type", "application/json").body(body.into()).unwrap();
        Body::<Chat>::from_request(request, &()).await.err().unwrap()
    }

    #[tokio::test]
    async fn a_body_that_does_not_read_is_told_why_and_where() {
        let missing = refused(r#"{"model": "m"}"#).await;
        assert_eq!(missing.code, Code::BadField);
        assert_eq!(missing.detail, "the body does not read: missing field `messages` at line 1 column 14");
        let broken = refused(r#"{"model": "#).await;
        assert!(broken.code == Code::BadBody && broken.detail.contains("EOF while parsing"), "{broken}");
        let deep = refused(r#"{"messages": [1, "x"]}"#).await;
        assert!(deep.detail.contains("invalid type: string \"x\""), "{deep}");
    }
}
