//! Query strings where there is nothing to ask by: refused, as an unknown parameter is where there are others.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use super::extract::cut;
use crate::error::{Code, ServiceError};

/// Routes in OpenAI's shapes, whose clients add parameters of other servers (Azure's `api-version`): these change no answer.
const LENIENT: [&str; 5] =
    ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models", "/v1/models/{id}"];

/// Operations that take a query string, as method and path.
#[derive(Debug, Clone)]
pub(super) struct Queries(Arc<BTreeSet<(&'static str, String)>>);

impl Queries {
    /// Those of which the description of the interface says so.
    pub(super) fn of(description: &OpenApi) -> Self {
        let mut taken = BTreeSet::new();
        for (path, item) in &description.paths.paths {
            let operations = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
            let asked = operations.into_iter().filter(|(_, operation)| operation.as_ref().is_some_and(takes_query));
            taken.extend(asked.map(|(method, _)| (method, path.clone())));
        }
        Self(Arc::new(taken))
    }

    fn take(&self, method: &str, path: &str) -> bool {
        let method = if method == "HEAD" { "GET" } else { method };
        self.0.iter().any(|(known, at)| *known == method && at == path)
    }
}

fn takes_query(operation: &Operation) -> bool {
    let is_query =
        |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Query);
    operation.parameters.iter().flatten().any(is_query)
}

/// Refuses a query string where none is taken: who wrote it believes that it does something.
pub(super) async fn check(
    State(queries): State<Queries>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let given = query.split('&').find_map(|pair| pair.split_once('=').filter(|(_, value)| !value.is_empty()));
    let (Some((name, _)), Some(path)) = (given, path) else { return next.run(request).await };
    let reads = queries.take(request.method().as_str(), path.as_str());
    if !path.as_str().starts_with("/v1/") || LENIENT.contains(&path.as_str()) || reads {
        return next.run(request).await;
    }
    let detail =
        format!("{} {} takes no query, so {:?} does nothing; leave it out", request.method(), path.as_str(), cut(name));
    ServiceError::new(Code::BadQuery, detail).about(cut(name)).into_response()
}

#[cfg(test)]
mod tests {
    use super::super::routes;
    use super::*;

    #[test]
    fn what_takes_a_query_is_known_from_the_description() {
        let (_, description) =
            routes::described().merge(routes::protected()).merge(routes::uploads()).split_for_parts();
        let queries = Queries::of(&description);
        for path in LENIENT {
            assert!(description.paths.paths.contains_key(path), "there is no {path}");
        }
        for (method, path) in [
            ("GET", "/v1/search"),
            ("HEAD", "/v1/search"),
            ("GET", "/v1/datanets/{id}/contributions"),
            ("POST", "/v1/datanets/{id}/contributions"),
        ] {
            assert!(queries.take(method, path), "{method} {path}");
        }
        for (method, path) in [("GET", "/v1/datanets"), ("POST", "/v1/search"), ("GET", "/v1/receipts")] {
            assert!(!queries.take(method, path), "{method} {path}");
        }
    }
}
