//! Errors on the wire: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use datanet_api::{OpenAiError, Problem};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

use crate::error::{Code, ErrorKind, ServiceError};
use crate::x402::Refused;

/// A [`Problem`] as the description of the interface shows it.
pub(super) struct Refusal;

impl Refusal {
    /// Its name there.
    pub(super) const NAME: &str = "Problem";
}

impl<'r> utoipa::ToResponse<'r> for Refusal {
    fn response() -> (&'r str, RefOr<utoipa::openapi::Response>) {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new().description("It is refused or failed: why, and what to do.");
        (Self::NAME, response.content("application/problem+json", problem).build().into())
    }
}

impl From<&ServiceError> for OpenAiError {
    fn from(error: &ServiceError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Unauthorized => "authentication_error",
            ErrorKind::PaymentRequired => "insufficient_quota",
            ErrorKind::Overloaded => "rate_limit_error",
            kind if status(kind).is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let code = match error.code {
            Code::UnknownModel | Code::NotDeployed => "model_not_found",
            Code::PromptTooLong | Code::ContextTooLong => "context_length_exceeded",
            Code::Token => "invalid_api_key",
            code => code.as_str(),
        };
        let param = error.param.as_deref().map(str::to_owned);
        Self { message: error.detail.clone(), kind: kind.to_owned(), code: code.to_owned(), param }
    }
}

impl From<&ServiceError> for Problem {
    fn from(error: &ServiceError) -> Self {
        let status = status(error.kind());
        Self {
            kind: format!("urn:datanet:problem:{}", error.code),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: error.code.to_string(),
            detail: error.detail.clone(),
            error: error.into(),
        }
    }
}

/// What a kind of error is in HTTP: the only place that says it.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::PaymentRequired => StatusCode::PAYMENT_REQUIRED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorKind::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        // Not ready, or short of something, is no failure: whoever asks often would fill the log.
        if self.kind() == ErrorKind::Internal {
            tracing::warn!(code = %self.code, detail = %self.detail, "request failed");
        }
        let mut response = (status(self.kind()), Json(Problem::from(&self))).into_response();
        if self.kind() == ErrorKind::PaymentRequired {
            response.extensions_mut().insert(Refused::of(&self));
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.kind(), ErrorKind::Overloaded | ErrorKind::Unavailable) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_after.unwrap_or(1)));
        }
        if self.kind() == ErrorKind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
