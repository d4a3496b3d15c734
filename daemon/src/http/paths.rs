//! Paths as they are meant: slashes that base addresses leave at their seams, and what to say where there is nothing.

use axum::extract::Request;
use axum::http::Uri;

use super::extract::cut;
use crate::error::{Code, ServiceError};

/// First parts of OpenAI's paths, which clients ask for without `/v1` where their base address lacks it.
const OPENAI: [&str; 6] = ["models", "chat", "completions", "embeddings", "fine_tuning", "classify"];

/// Takes out slashes that say nothing.
pub(super) async fn tidy(mut request: Request) -> Request {
    if let Some(uri) = tidied(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// The same address with single slashes at its beginning and behind `v1`, and none at its end; `None` if it is so
/// already. Others stay: between them an id was forgotten, and what is meant is not known.
fn tidied(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let inner = path.trim_start_matches('/');
    // The pages of /docs are found from /docs/.
    let inner = if inner == "docs/" || inner.starts_with("docs/") { inner } else { inner.trim_end_matches('/') };
    let tidy = match inner.strip_prefix("v1/") {
        Some(rest) => format!("/v1/{}", rest.trim_start_matches('/')),
        None => format!("/{inner}"),
    };
    if tidy == path {
        return None;
    }
    let whole = uri.query().map_or_else(|| tidy.clone(), |query| format!("{tidy}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(whole.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// There is nothing: what the caller most likely meant.
pub(super) async fn unknown_route(uri: Uri) -> ServiceError {
    let path = uri.path();
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let hint = if path.starts_with("/v1/v1") {
        "/v1 stands there twice: take it out of the base address"
    } else if OPENAI.contains(&first) {
        "the base address of a client ends in /v1"
    } else {
        "/docs shows what there is"
    };
    ServiceError::new(Code::UnknownRoute, format!("there is nothing at {}; {hint}", cut(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_seams_are_taken_out_and_others_stay() {
        for (path, meant) in [
            ("//v1//models/", "/v1/models"),
            ("/v1/models/?deployed=1", "/v1/models?deployed=1"),
            ("///health/live//", "/health/live"),
            ("//", "/"),
            ("/v1//", "/v1"),
            ("//docs/", "/docs/"),
        ] {
            assert_eq!(tidied(&path.parse().unwrap()).unwrap().to_string(), meant, "{path}");
        }
        for path in ["/", "/v1/models", "/docs/", "/docs", "/docs/index.css", "/v1/models//deploy", "/v1/tx/a?b=//"] {
            assert_eq!(tidied(&path.parse().unwrap()), None, "{path}");
        }
    }

    #[tokio::test]
    async fn where_there_is_nothing_the_likely_reason_is_said() {
        for (path, says) in [("/v1/v1/models", "twice"), ("/chat/completions", "ends in /v1"), ("/v1/nothing", "/docs")]
        {
            let error = unknown_route(path.parse().unwrap()).await;
            assert!(error.code == Code::UnknownRoute && error.detail.contains(says), "{path}: {error}");
        }
    }
}
