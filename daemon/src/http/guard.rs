//! Who may speak to this API. A page in a browser can reach loopback too, by a name that resolves to it or by a form
//! on any site; so `Host` must be ours, `Origin` (if a browser sends one) must be ours, and `/v1` wants the token.

use std::net::IpAddr;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use datanet_api::tokens::Scope;
use datanet_api::x402::{REQUIRED_HEADER, RESPONSE_HEADER};
use datanet_config::{Authority, Host, Origin};
use tokio::net::{TcpListener, TcpStream};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::extract::cut;
use super::{Guards, scopes};
use crate::caller::{self, Caller};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::tokens::{self, Spender};

/// The longest list of headers that a browser may ask for, in bytes: what is allowed repeats it.
const MAX_ASKED_HEADERS: usize = 4096;

/// Whom the operator lets in besides this machine and the node's own pages.
#[derive(Clone)]
pub(super) struct Allowed {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

/// The address of this machine that a connection came in by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached(Option<IpAddr>);

impl Reached {
    /// That of `stream`.
    pub(super) fn of(stream: &TcpStream) -> Self {
        Self(stream.local_addr().ok().map(|address| address.ip()))
    }

    /// The address.
    pub(super) fn address(self) -> Option<IpAddr> {
        self.0
    }
}

impl Connected<IncomingStream<'_, TcpListener>> for Reached {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self::of(stream.io())
    }
}

impl Allowed {
    /// As configured; the configuration has been checked.
    pub(super) fn new(hosts: &[String], origins: &[String]) -> Self {
        let hosts = hosts.iter().filter_map(|host| host.parse().ok());
        let origins = origins.iter().filter_map(|origin| origin.parse().ok());
        Self { hosts: hosts.collect(), origins: origins.collect() }
    }

    /// What tells browsers that pages of the allowed origins may call and read; nothing if there are none.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        if self.origins.is_empty() {
            return None;
        }
        let allowed = self.clone();
        let origin = AllowOrigin::predicate(move |origin: &HeaderValue, _| {
            origin.to_str().is_ok_and(|origin| origin.parse().is_ok_and(|origin| allowed.has_origin(&origin)))
        });
        // Clients send headers of their own (x-stainless-…), which no list can know; what counts is whose page it is.
        let layer = CorsLayer::new().allow_methods([Method::GET, Method::POST, Method::DELETE]);
        let layer = layer.expose_headers([REQUIRED_HEADER, RESPONSE_HEADER].map(HeaderName::from_static));
        Some(layer.allow_headers(AllowHeaders::mirror_request()).allow_origin(origin))
    }

    fn has_origin(&self, origin: &Origin) -> bool {
        self.origins.iter().any(|other| other.is(origin))
    }

    /// Whether `host` is this machine's by definition, by configuration, or the address by which the caller came. An
    /// address cannot be pointed elsewhere as a name can.
    fn has_host(&self, host: &Host, reached: Option<IpAddr>) -> bool {
        host.is_loopback() || self.hosts.contains(host) || reached.is_some_and(|reached| host.is(reached))
    }
}

/// Refuses foreign hosts and origins, for every route.
pub(super) async fn check_host_and_origin(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    let reached = request.extensions().get::<ConnectInfo<Reached>>().and_then(|ConnectInfo(Reached(address))| *address);
    match host_and_origin(request.headers(), request.uri(), &guards.allowed, reached) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Refuses requests without a token, and those of a token that is not good for this route; whose it is then rides with the request.
pub(super) async fn check_token(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match whose(request.headers(), request.method(), route, &guards) {
        Ok(caller) => caller::scope(caller, next.run(request)).await,
        Err(error) => error.into_response(),
    }
}

/// Whose token a request comes with, if that is good for the route.
fn whose(headers: &HeaderMap, method: &Method, route: &str, guards: &Guards) -> ServiceResult<Caller> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let Some(given) = given.filter(|given| given.starts_with(tokens::PREFIX)) else {
        return token(given, &guards.token).map(|()| Caller::Operator);
    };
    let record = guards.tokens.known(given)?;
    let Some(scope) = scopes::of(method, route) else {
        return Ok(Caller::Token(Spender::new(guards.tokens.clone(), record)));
    };
    if !record.scopes.contains(&scope) && !record.scopes.contains(&Scope::Admin) {
        guards.tokens.refused(Some(&record), &format!("{method} {route}, which takes the scope {scope}"));
        let own: Vec<&str> = record.scopes.iter().map(|scope| scope.name()).collect();
        let detail = format!(
            "{method} {route} takes a token with the scope {scope}, and {:?} has {}; have one made with it: datanet token create --scope {scope}",
            record.name,
            own.join(", ")
        );
        return Err(ServiceError::new(Code::Scope, detail));
    }
    Ok(Caller::Token(Spender::new(guards.tokens.clone(), record)))
}

/// Refuses foreign hosts and origins.
pub(super) fn host_and_origin(
    headers: &HeaderMap,
    uri: &Uri,
    allowed: &Allowed,
    reached: Option<IpAddr>,
) -> Result<(), ServiceError> {
    let called = called(headers, uri, allowed, reached)?;
    if headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).is_some_and(|asked| asked.len() > MAX_ASKED_HEADERS) {
        let detail = format!("Access-Control-Request-Headers has more than {MAX_ASKED_HEADERS} bytes; ask for fewer");
        return Err(ServiceError::new(Code::BadHeader, detail));
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return not_for_a_foreign_page(headers) };
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Origin>().ok());
    // Our own pages come from where they call. Other servers of this machine are strangers.
    if origin.is_some_and(|origin| origin.is_served_by(&called) || allowed.has_origin(&origin)) {
        return Ok(());
    }
    Err(foreign_page())
}

fn foreign_page() -> ServiceError {
    ServiceError::new(
        Code::ForeignOrigin,
        "requests from pages of other origins are refused; call the API from a program or from this node's own pages, or add the page's origin to api.allowed_origins",
    )
}

/// Browsers send no origin for images, scripts and the like, but say themselves that another page asks: it learns nothing of the answer but
/// whether there is one, and that is too much. What somebody opens by a link on another page is opened.
fn not_for_a_foreign_page(headers: &HeaderMap) -> Result<(), ServiceError> {
    let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let foreign = matches!(said("sec-fetch-site"), "cross-site" | "same-site");
    let opened = said("sec-fetch-mode") == "navigate" && said("sec-fetch-dest") == "document";
    if foreign && !opened { Err(foreign_page()) } else { Ok(()) }
}

/// Where the caller believes to be: in the header, in the request's line (HTTP/2, proxies), or in both; all must be
/// ours.
fn called(
    headers: &HeaderMap,
    uri: &Uri,
    allowed: &Allowed,
    reached: Option<IpAddr>,
) -> Result<Authority, ServiceError> {
    let headers = headers.get_all(header::HOST).iter().map(|value| value.to_str().unwrap_or_default());
    let said = headers.chain(uri.authority().map(|authority| authority.as_str()));
    let mut called = None;
    for said in said {
        let ours = said.parse::<Authority>().ok().filter(|authority| allowed.has_host(&authority.host, reached));
        called = Some(ours.ok_or_else(|| foreign(said))?);
    }
    called.ok_or_else(|| foreign(""))
}

fn foreign(host: &str) -> ServiceError {
    let host = cut(host);
    ServiceError::new(
        Code::ForeignHost,
        format!(
            "the Host header {host:?} is not this node's; \
             use 127.0.0.1 or localhost, or add the name to api.allowed_hosts"
        ),
    )
}

fn token(given: Option<&str>, expected: &str) -> Result<(), ServiceError> {
    // Hashes are compared, not texts: the time that takes says nothing about the token.
    let same = |token: &str| blake3::hash(token.as_bytes()) == blake3::hash(expected.as_bytes());
    if given.is_some_and(|token| !token.is_empty() && same(token)) {
        return Ok(());
    }
    let what = if given.is_some() { "wrong" } else { "missing" };
    Err(ServiceError::new(
        Code::Token,
        format!(
            "the token is {what}; send `Authorization: Bearer …` with what stands in the node's api-token file, or with a token of `datanet token create`"
        ),
    ))
}

/// What stands behind `Bearer`, a word that may be written in any case.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn allowed() -> Allowed {
        let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let (hosts, origins): (Vec<String>, Vec<String>) = (
            strings(&["node.lan", "2001:db8::5", "[2001:db8::6]"]),
            strings(&["https://app.example", "app://obsidian.md"]),
        );
        Allowed::new(&hosts, &origins)
    }

    #[test]
    fn what_a_foreign_page_loads_is_refused_and_what_it_links_to_is_opened() {
        let ours = ("host", "127.0.0.1:26680");
        for site in ["cross-site", "same-site"] {
            let of = |mode, dest| {
                check(&[ours, ("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)])
            };
            for dest in ["image", "script", "style", "iframe", "object", "empty"] {
                assert_eq!(of("no-cors", dest), Err("foreign-origin"), "{site} {dest}");
                assert_eq!(of("navigate", dest), Err("foreign-origin"), "{site} {dest}");
            }
            assert_eq!(of("navigate", "document"), Ok(()));
        }
        for site in ["same-origin", "none"] {
            assert_eq!(check(&[ours, ("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")]), Ok(()));
        }
    }

    fn check(pairs: &[(&'static str, &str)]) -> Result<(), &'static str> {
        checked(pairs, "/v1/status", None)
    }

    fn checked(pairs: &[(&'static str, &str)], uri: &str, reached: Option<&str>) -> Result<(), &'static str> {
        let reached = reached.map(|address| address.parse().unwrap());
        host_and_origin(&headers(pairs), &uri.parse().unwrap(), &allowed(), reached)
            .map_err(|error| error.code.as_str())
    }

    #[test]
    fn loopback_names_and_allowed_names_pass() {
        for host in [
            "127.0.0.1:1",
            "localhost",
            "LOCALHOST:80",
            "[::1]:9",
            "node.lan:26680",
            "[2001:db8::5]:1",
            "[2001:db8:0::6]",
        ] {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn the_address_that_the_caller_came_by_is_ours() {
        let by = |host: &str, reached| checked(&[("host", host)], "/", Some(reached));
        assert_eq!(by("192.0.2.7:26680", "192.0.2.7"), Ok(()));
        assert_eq!(by("192.0.2.7:26680", "::ffff:192.0.2.7"), Ok(()));
        assert_eq!(by("[2001:db8::7]:26680", "2001:db8::7"), Ok(()));
        assert_eq!(by("192.0.2.8:26680", "192.0.2.7"), Err("foreign-host"));
        assert_eq!(by("evil.example", "192.0.2.7"), Err("foreign-host"));
    }

    #[test]
    fn whoever_is_called_in_two_ways_must_be_ours_in_both() {
        assert_eq!(checked(&[], "http://127.0.0.1:1/v1/status", None), Ok(()));
        assert_eq!(checked(&[("host", "127.0.0.1")], "http://evil.example/", None), Err("foreign-host"));
        assert_eq!(check(&[("host", "127.0.0.1"), ("host", "evil.example")]), Err("foreign-host"));
    }

    #[test]
    fn a_rebound_name_is_refused() {
        for host in [
            "evil.example",
            "evil.example:26680",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "",
            "[::1]evil.example",
            "a@localhost",
        ] {
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
        assert_eq!(check(&[ours, ("origin", "app://obsidian.md")]), Ok(()));
        assert_eq!(check(&[ours, ("origin", "app://obsidian.md.evil")]), Err("foreign-origin"));
        assert_eq!(check(&[("host", "node.lan"), ("origin", "https://node.lan")]), Ok(()));
    }

    #[test]
    fn a_list_of_headers_without_end_is_not_repeated() {
        let asked = |length: usize| {
            let long = "x".repeat(length);
            let pairs = [("host", "localhost"), ("access-control-request-headers", long.as_str())];
            check(&pairs)
        };
        assert_eq!((asked(MAX_ASKED_HEADERS), asked(MAX_ASKED_HEADERS + 1)), (Ok(()), Err("bad-header")));
    }

    fn with_token(pairs: &[(&'static str, &str)], expected: &str) -> Result<(), ServiceError> {
        let headers = headers(pairs);
        token(headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer), expected)
    }

    #[test]
    fn only_the_right_token_passes() {
        for right in ["Bearer secret", "bearer secret", "BEARER  secret "] {
            assert!(with_token(&[("authorization", right)], "secret").is_ok(), "{right}");
        }
        for wrong in
            ["Bearer Secret", "Bearer secrets", "Bearer", "Bearer ", "Basic secret", "Bearersecret", "secret", ""]
        {
            assert!(with_token(&[("authorization", wrong)], "secret").is_err(), "{wrong}");
            assert!(with_token(&[("authorization", wrong)], "").is_err(), "{wrong}");
        }
        assert_eq!(with_token(&[("authorization", "Bearer other")], "secret").unwrap_err().code, Code::Token);
        assert!(with_token(&[], "secret").unwrap_err().detail.contains("missing"));
    }
}
