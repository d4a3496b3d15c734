//! The node's own interface, called in this process on behalf of whoever called `/mcp`.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::MatchedPath;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, Request, Response, header};
use datanet_api::Problem;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::paid::Paid;
use super::refusal::Refusal;

/// Longest answer of a route that is read, in bytes: the longest lists and reports stay below.
const LONGEST: usize = 16 * 1024 * 1024;
/// Longest path segment that an argument becomes, in bytes.
const LONGEST_ID: usize = 256;
/// What is encoded in a segment: all but letters, digits, and what routes and ids are written with.
const ODD: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// The `/v1` routes behind their own check of the token.
#[derive(Clone)]
pub struct Face(Router);

/// On whose behalf: what a request to `/mcp` came with.
#[derive(Clone)]
pub(super) struct Caller {
    authorization: Option<HeaderValue>,
    /// What the call pays with.
    pub(super) paid: Paid,
    /// What the layers outside have found out, such as the caller's place among the requests that are served at once.
    extensions: Extensions,
}

impl Caller {
    /// Whoever sent this request.
    pub(super) fn of(parts: &Parts) -> Self {
        let mut extensions = parts.extensions.clone();
        // The inner routes find their own.
        extensions.remove::<MatchedPath>();
        let authorization = parts.headers.get(header::AUTHORIZATION).cloned();
        Self { authorization, paid: Paid::default(), extensions }
    }

    /// The same, with something that the inner routes find.
    pub(super) fn carrying<T: Clone + Send + Sync + 'static>(mut self, what: T) -> Self {
        self.extensions.insert(what);
        self
    }

    /// Names whoever holds the same token, without telling it.
    pub(super) fn principal(&self) -> [u8; 32] {
        let authorization = self.authorization.as_ref().map(HeaderValue::as_bytes).unwrap_or_default();
        blake3::derive_key("datanet mcp principal", authorization)
    }
}

impl Face {
    /// Over these routes.
    pub fn new(routes: Router) -> Self {
        Self(routes)
    }

    /// `GET`.
    ///
    /// # Errors
    /// The route's own refusal; so for all calls here.
    pub(super) async fn get<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<T, Refusal> {
        self.json(caller, Method::GET, path, HeaderMap::new(), Body::empty()).await
    }

    /// `GET` with a query string.
    pub(super) async fn get_with<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        query: &impl Serialize,
    ) -> Result<T, Refusal> {
        self.get(caller, &with_query(path, query)?).await
    }

    /// `POST` of JSON.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Refusal> {
        let body = serde_json::to_vec(body).map_err(|error| Refusal::failed(error.to_string()))?;
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        self.json(caller, Method::POST, path, headers, Body::from(body)).await
    }

    /// `POST` without a body.
    pub(super) async fn post_nothing<T: DeserializeOwned>(&self, caller: &Caller, path: &str) -> Result<T, Refusal> {
        self.json(caller, Method::POST, path, HeaderMap::new(), Body::empty()).await
    }

    /// `POST` of bytes with these headers and this query string.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        path: &str,
        query: &impl Serialize,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<T, Refusal> {
        self.json(caller, Method::POST, &with_query(path, query)?, headers, Body::from(body)).await
    }

    /// The events of a route, until it ends them.
    pub(super) async fn events<T: DeserializeOwned + Send + 'static>(
        &self,
        caller: &Caller,
        path: &str,
    ) -> Result<BoxStream<'static, T>, Refusal> {
        let response = self.call(caller, Method::GET, path, HeaderMap::new(), Body::empty()).await?;
        let events = datanet_api::server_sent::events_of(response.into_body().into_data_stream());
        // What cannot be read ends nothing: the next event says how it is then.
        let read = events.map(|event| event.ok().and_then(|event| serde_json::from_str(&event).ok()));
        Ok(read.filter_map(std::future::ready).boxed())
    }

    async fn json<T: DeserializeOwned>(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<T, Refusal> {
        let response = self.call(caller, method, path, headers, body).await?;
        let bytes = to_bytes(response.into_body(), LONGEST).await;
        let bytes =
            bytes.map_err(|_| Refusal::failed("the answer is too long to be given here; ask for less of it"))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Refusal::failed(format!("{path} answered unexpectedly: {error}")))
    }

    async fn call(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Body>, Refusal> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(into) = request.headers_mut() {
            *into = headers;
            into.extend(caller.authorization.clone().map(|value| (header::AUTHORIZATION, value)));
            caller.paid.add_to(into);
        }
        let mut request =
            request.body(body).map_err(|_| Refusal::argument("an argument has characters that no id has"))?;
        *request.extensions_mut() = caller.extensions.clone();
        let Ok(response) = self.0.clone().oneshot(request).await;
        caller.paid.heard(&response);
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = to_bytes(response.into_body(), LONGEST).await.unwrap_or_default();
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => problem.into(),
            Err(_) => Refusal::failed(format!("{path} answered {status}")),
        })
    }
}

/// `/v1/…` of these segments, each of which stays one segment whatever stands in it.
///
/// # Errors
/// When one is empty, or longer than any id or name.
pub(super) fn path(segments: &[&str]) -> Result<String, Refusal> {
    let mut path = "/v1".to_owned();
    for segment in segments {
        if segment.is_empty() || segment.len() > LONGEST_ID {
            let detail = format!("an id or a name has 1 to {LONGEST_ID} bytes, and one argument has {}", segment.len());
            return Err(Refusal::argument(detail));
        }
        path.push('/');
        path.extend(utf8_percent_encode(segment, ODD));
    }
    Ok(path)
}

fn with_query(path: &str, query: &impl Serialize) -> Result<String, Refusal> {
    let query = serde_urlencoded::to_string(query).map_err(|error| Refusal::argument(error.to_string()))?;
    Ok(if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_whatever_stands_in_it() {
        for trick in ["../keys", "..", "a/b", "a?b=c", "a#b", "%2e%2e", "a\r\nHost: b", "ü"] {
            let path = path(&["datanets", trick]).unwrap();
            let segment = path.strip_prefix("/v1/datanets/").unwrap();
            assert!(segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '%'), "{segment}");
            assert!(path.parse::<axum::http::Uri>().is_ok(), "{path}");
        }
        assert_eq!(path(&["fine_tuning", "jobs", "ftjob-1"]).unwrap(), "/v1/fine_tuning/jobs/ftjob-1");
        assert!(path(&["datanets", ""]).is_err() && path(&["datanets", &"a".repeat(257)]).is_err());
    }
}
