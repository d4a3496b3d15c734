//! Who may speak to this API. A page in a browser can reach loopback too, by a name that resolves to it or by a form
//! on any site; so `Host` must be ours, `Origin` (if a browser sends one) must be ours, and `/v1` wants the token.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use datanet_config::ApiConfig;
use tower_http::cors::CorsLayer;

use super::Guards;
use crate::error::{Code, ServiceError};

/// Whom the operator lets in besides this machine and the node's own pages.
pub(super) struct Allowed {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Allowed {
    /// As configured.
    pub(super) fn new(api: &ApiConfig) -> Self {
        let mut hosts = api.allowed_hosts.clone();
        // Where it listens is where its operator means it to be reached. An address cannot be pointed elsewhere as a
        // name can.
        if !api.listen.ip().is_unspecified() {
            hosts.push(api.listen.ip().to_string());
        }
        Self { hosts, origins: api.allowed_origins.clone() }
    }

    /// What tells browsers that pages of the allowed origins may call and read; nothing if there are none.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        let origins: Vec<HeaderValue> = self.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, HeaderName::from_static("idempotency-key")];
        let layer = CorsLayer::new().allow_methods([Method::GET, Method::POST, Method::DELETE]).allow_headers(headers);
        (!origins.is_empty()).then(|| layer.allow_origin(origins))
    }
}

/// Refuses foreign hosts and origins, for every route.
pub(super) async fn check_host_and_origin(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    match host_and_origin(request.headers(), request.uri(), &guards.allowed) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Refuses requests without the node's token.
pub(super) async fn check_token(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    match token(request.headers(), &guards.token) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn host_and_origin(headers: &HeaderMap, uri: &Uri, allowed: &Allowed) -> Result<(), ServiceError> {
    // HTTP/2 puts the host in the URI's authority instead of the header.
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let Some(host) = host.filter(|host| is_ours(host, &allowed.hosts)) else {
        return Err(ServiceError::new(
            Code::ForeignHost,
            format!(
                "the Host header \"{}\" is not this node's; use 127.0.0.1 or localhost, or add the name to api.allowed_hosts",
                host.unwrap_or_default()
            ),
        ));
    };
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    // Our own pages come from where they call. Other servers of this machine are strangers.
    let ours = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
    if ours || allowed.origins.iter().any(|other| other.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    Err(ServiceError::new(
        Code::ForeignOrigin,
        "requests from pages of other origins are refused; call the API from a program or from this node's own pages, or add the page's origin to api.allowed_origins",
    ))
}

/// Whether `host` (perhaps with a port) is loopback, `localhost` or one of `allowed`.
fn is_ours(host: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        || allowed.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn token(headers: &HeaderMap, expected: &str) -> Result<(), ServiceError> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).map(str::trim);
    // Hashes are compared, not texts: the time that takes says nothing about the token.
    let same = |token: &str| blake3::hash(token.as_bytes()) == blake3::hash(expected.as_bytes());
    if given.is_some_and(same) {
        return Ok(());
    }
    let what = if given.is_some() { "wrong" } else { "missing" };
    Err(ServiceError::new(
        Code::Token,
        format!("the token is {what}; send `Authorization: Bearer …` with what stands in the node's api-token file"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (axum::http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn check(pairs: &[(&'static str, &str)]) -> Result<(), &'static str> {
        let allowed = Allowed { hosts: vec!["node.lan".into()], origins: vec!["https://app.example".into()] };
        host_and_origin(&headers(pairs), &Uri::from_static("/v1/status"), &allowed).map_err(|error| error.code.as_str())
    }

    #[test]
    fn loopback_names_and_allowed_names_pass() {
        for host in ["127.0.0.1:1", "localhost", "LOCALHOST:80", "[::1]:9", "node.lan:26680"] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn the_address_that_is_listened_on_is_ours() {
        let allowed = |listen: &str| {
            let api = ApiConfig { listen: listen.parse().unwrap(), ..ApiConfig::default() };
            Allowed::new(&api).hosts
        };
        assert!(is_ours("192.0.2.7:26680", &allowed("192.0.2.7:26680")));
        assert!(is_ours("[2001:db8::7]:26680", &allowed("[2001:db8::7]:26680")));
        assert!(!is_ours("192.0.2.7:26680", &allowed("0.0.0.0:26680")));
    }

    #[test]
    fn a_rebound_name_is_refused() {
        for host in ["evil.example", "evil.example:26680", "127.0.0.1.evil.example", "10.0.0.1", ""] {
            assert_eq!(check(&[("host", host)]), Err("foreign-host"), "{host}");
        }
        assert_eq!(check(&[]), Err("foreign-host"));
    }

    #[test]
    fn a_foreign_page_is_refused() {
        let ours = ("host", "127.0.0.1:1");
        assert_eq!(check(&[ours, ("origin", "https://evil.example")]), Err("foreign-origin"));
        assert_eq!(check(&[ours, ("origin", "null")]), Err("foreign-origin"));
        assert_eq!(check(&[ours, ("origin", "http://127.0.0.1:2")]), Err("foreign-origin"));
        assert_eq!(check(&[ours, ("origin", "http://127.0.0.1:1")]), Ok(()));
        assert_eq!(check(&[ours, ("origin", "https://app.example")]), Ok(()));
        assert_eq!(check(&[("host", "node.lan"), ("origin", "https://node.lan")]), Ok(()));
    }

    #[test]
    fn only_the_right_token_passes() {
        assert!(token(&headers(&[("authorization", "Bearer secret")]), "secret").is_ok());
        assert_eq!(token(&headers(&[("authorization", "Bearer other")]), "secret").unwrap_err().code, Code::Token);
        assert!(token(&headers(&[]), "secret").unwrap_err().detail.contains("missing"));
    }
}
