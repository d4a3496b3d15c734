//! Failures of the services that run models, as a caller sees them.

use datanet_inference::encoder::ServeError;
use datanet_inference::generate::GenerateError;

use crate::error::{Code, ServiceError};

/// A failure of an encoder service.
pub fn serve_error(error: &ServeError) -> ServiceError {
    match error {
        error if error.is_overload() => ServiceError::new(Code::ModelBusy, error.to_string()),
        ServeError::TooLong { .. } => ServiceError::new(Code::ContextTooLong, error.to_string()),
        ServeError::TooManyTexts { .. } => ServiceError::new(Code::TooManyTexts, error.to_string()),
        ServeError::Adapter(_) | ServeError::Rank { .. } => ServiceError::new(Code::BadAdapter, error.to_string()),
        ServeError::NoTokens => ServiceError::new(Code::EmptyText, error.to_string()),
        ServeError::NoHead => ServiceError::new(Code::NoHead, error.to_string()),
        ServeError::Stopped => ServiceError::new(Code::ModelStopped, error.to_string()),
        other => ServiceError::new(Code::ModelFailed, other.to_string()),
    }
}

/// A failure of a generation service.
pub fn generate_error(error: &GenerateError) -> ServiceError {
    match error {
        GenerateError::Serve(error) => serve_error(error),
        GenerateError::Sampling(_) => ServiceError::new(Code::Sampling, error.to_string()),
        GenerateError::Schema(_) => ServiceError::new(Code::JsonSchema, error.to_string()).about("response_format"),
        GenerateError::Claimed(_) => ServiceError::new(Code::BadReceipt, error.to_string()),
        GenerateError::Prompt(_) | GenerateError::Template(_) => ServiceError::new(Code::Prompt, error.to_string()),
        GenerateError::PromptTooLong { .. } | GenerateError::ContextExceeded { .. } => {
            ServiceError::new(Code::ContextTooLong, error.to_string())
        }
        GenerateError::Stopped => ServiceError::new(Code::ModelStopped, error.to_string()),
        other => ServiceError::new(Code::ModelFailed, other.to_string()),
    }
}
