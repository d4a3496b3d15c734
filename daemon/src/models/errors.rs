//! Failures of the services that run models, as a caller sees them.

use datanet_inference::generate::GenerateError;
use datanet_inference::serve::ServeError;

use crate::error::ServiceError;

/// A failure of an encoder service.
pub fn serve_error(error: &ServeError) -> ServiceError {
    match error {
        error if error.is_overload() => ServiceError::overloaded("model-busy", error.to_string()),
        ServeError::TooManyTexts { .. } => ServiceError::too_large("too-many-texts", error.to_string()),
        ServeError::Adapter(_) | ServeError::Rank { .. } => {
            ServiceError::unprocessable("bad-adapter", error.to_string())
        }
        ServeError::Text(_) => ServiceError::unprocessable("empty-text", error.to_string()),
        ServeError::NoHead => ServiceError::unprocessable("no-head", error.to_string()),
        ServeError::Stopped => ServiceError::unavailable("model-stopped", error.to_string()),
        other => ServiceError::internal("model-failed", other.to_string()),
    }
}

/// A failure of a generation service.
pub fn generate_error(error: &GenerateError) -> ServiceError {
    match error {
        GenerateError::Serve(error) => serve_error(error),
        GenerateError::Sampling(_) => ServiceError::bad_request("sampling", error.to_string()),
        GenerateError::Prompt(_) => ServiceError::bad_request("prompt", error.to_string()),
        GenerateError::PromptTooLong { .. } | GenerateError::ContextExceeded { .. } => {
            ServiceError::bad_request("context-too-long", error.to_string())
        }
        GenerateError::Stopped => ServiceError::unavailable("model-stopped", error.to_string()),
        other => ServiceError::internal("model-failed", other.to_string()),
    }
}
