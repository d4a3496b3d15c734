//! Errors on the wire: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::error::ServiceError;

/// A problem as clients see it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// A name for this kind of problem: `urn:datanet:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// Stable and machine-readable.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// The same as OpenAI's clients read it.
    pub error: OpenAiError,
}

/// An error in OpenAI's shape, beside the problem's own members.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct OpenAiError {
    /// What is wrong and what to do.
    pub message: String,
    /// OpenAI's word for errors of this status.
    #[serde(rename = "type")]
    pub kind: String,
    /// OpenAI's code where there is one, else the problem's.
    pub code: String,
    /// The parameter at fault, where the code names one.
    pub param: Option<String>,
}

impl From<&ServiceError> for OpenAiError {
    fn from(error: &ServiceError) -> Self {
        let kind = match error.status {
            401 => "authentication_error",
            402 => "insufficient_quota",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let code = match error.code {
            "unknown-model" | "not-deployed" => "model_not_found",
            "prompt-too-long" | "context-too-long" => "context_length_exceeded",
            "token" => "invalid_api_key",
            code => code,
        };
        // A code that is a parameter's name says which one.
        let parameters = ["max_tokens", "temperature", "top_p", "stop", "n", "messages", "prompt", "logprobs", "input"];
        let param = parameters.contains(&error.code).then(|| error.code.to_owned());
        Self { message: error.detail.clone(), kind: kind.to_owned(), code: code.to_owned(), param }
    }
}

impl From<&ServiceError> for Problem {
    fn from(error: &ServiceError) -> Self {
        let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            kind: format!("urn:datanet:problem:{}", error.code),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: error.code.to_owned(),
            detail: error.detail.clone(),
            error: error.into(),
        }
    }
}

impl IntoResponse for ServiceError {
    fn into_response(self) -> Response {
        // Not ready, or short of something, is no failure: whoever asks often would fill the log.
        if self.status == 500 {
            tracing::warn!(code = self.code, detail = %self.detail, "request failed");
        }
        let problem = Problem::from(&self);
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == 429 || self.status == 503 {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
