//! What strangers may ask for: how often, how much at once, how long it may take; and as whom it is answered.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use datanet_config::PublicConfig;
use datanet_types::Address;
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::super::guard::{self, Allowed, Reached};
use super::super::limits::Place;
use super::super::metrics::Metrics;
use super::routes;
use crate::caller::{self, Caller, DenyList, Rate, RateLimiter, Stranger};
use crate::error::{Code, ServiceError, ServiceResult};

/// Addresses, and payers, that are told apart at once: some 64 bytes each.
const TOLD_APART: usize = 65_536;
/// How much of a minute's may be asked for at once: a sixth, but some answers at least.
const BURST: u32 = 6;
const LEAST_BURST: u32 = 20;
/// Memory for bodies that are coming in, in bytes.
const BODIES: u64 = 64 * 1024 * 1024;
/// How long what is refused is read on.
const LINGER: Duration = Duration::from_secs(3);

/// Where a connection came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub IpAddr);

/// All bounds of the face, shared by its requests.
#[derive(Clone)]
pub(super) struct Budget(Arc<Inner>);

struct Inner {
    config: PublicConfig,
    allowed: Allowed,
    addresses: RateLimiter<IpAddr>,
    payers: Arc<RateLimiter<Address>>,
    denied: Arc<DenyList>,
    places: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Budget {
    /// As configured.
    pub(super) fn new(config: &PublicConfig, denied: DenyList, metrics: Arc<Metrics>) -> Self {
        let rate = |per_minute: u32| Rate { per_minute, burst: (per_minute / BURST).max(LEAST_BURST) };
        let bodies = BODIES.checked_div(config.max_body_bytes).unwrap_or(1).clamp(1, 1024);
        Self(Arc::new(Inner {
            allowed: Allowed::new(&config.allowed_hosts, &config.allowed_origins),
            addresses: RateLimiter::new(rate(config.requests_per_minute), TOLD_APART),
            payers: Arc::new(RateLimiter::new(rate(config.answers_per_minute), TOLD_APART)),
            denied: Arc::new(denied),
            places: Arc::new(Semaphore::new(config.max_requests as usize)),
            streams: Arc::new(Semaphore::new(config.max_streams as usize)),
            bodies: Arc::new(Semaphore::new(usize::try_from(bodies).unwrap_or(1))),
            metrics,
            config: config.clone(),
        }))
    }

    /// Whose pages may call, and by which names.
    pub(super) fn allowed(&self) -> &Allowed {
        &self.0.allowed
    }

    /// Where a caller is: at the other end of the connection, or where a trusted proxy there says.
    fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let trusted = |address: &IpAddr| self.0.config.trusted_proxies.contains(&address.to_canonical());
        let peer = peer.to_canonical();
        if !trusted(&peer) {
            return peer;
        }
        // Each proxy writes whom it heard behind what it was told: from the end on, the first that is none of ours.
        let said = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let said: Vec<&str> = said.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut heard = said.iter().rev().map_while(|text| text.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
        heard.find(|address| !trusted(address)).unwrap_or(peer)
    }
}

/// Those who share a bound: an address, or the /64 that one subscriber of IPv6 has.
pub(super) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// Answers a request as a stranger's, within all bounds.
pub(super) async fn admit(State(budget): State<Budget>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = match within_bounds(&budget, route.as_deref(), request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    budget.0.metrics.count_public(route.as_deref().unwrap_or("unknown"), response.status().as_u16());
    response
}

/// Who was let in, for requests that are made on his behalf.
#[derive(Debug, Clone)]
struct Visitor(Arc<Stranger>);

/// Answers what is asked on behalf of one who was let in as his own request: for what it costs, and as a stranger's, in whatever task it is.
pub(super) async fn on_behalf(State(Budget(inner)): State<Budget>, request: Request, next: Next) -> Response {
    let Some(Visitor(stranger)) = request.extensions().get::<Visitor>().cloned() else {
        return ServiceError::new(Code::NotOnThePublicFace, "nobody was let in for this request").into_response();
    };
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    match inner.count(stranger.address, request.method(), route.as_deref()) {
        Ok(()) => caller::scope(Caller::Stranger(stranger), next.run(request)).await,
        Err(error) => error.into_response(),
    }
}

async fn within_bounds(budget: &Budget, route: Option<&str>, request: Request, next: Next) -> ServiceResult<Response> {
    let Budget(inner) = budget;
    let reached = request.extensions().get::<ConnectInfo<Reached>>().and_then(|ConnectInfo(reached)| reached.address());
    guard::host_and_origin(request.headers(), request.uri(), &inner.allowed, reached)?;
    let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() else {
        return Err(ServiceError::new(Code::Panic, "the connection has no address"));
    };
    let address = subscriber(budget.address(peer, request.headers()));
    inner.count(address, request.method(), route)?;
    let mut request = inner.received(request).await?;
    let Some(place) = Place::take(&inner.places, Some(inner.streams.clone())) else {
        let detail = "the node answers as many strangers as public.max_requests allows; try again in a moment";
        return Err(ServiceError::new(Code::TooManyRequests, detail));
    };
    request.extensions_mut().insert(place.clone());
    let (denied, payers) = (inner.denied.clone(), inner.payers.clone());
    let stranger = Arc::new(Stranger { address, denied, payers, exchange: None });
    request.extensions_mut().insert(Visitor(stranger.clone()));
    let seconds = inner.config.request_seconds;
    let answer = caller::scope(Caller::Stranger(stranger), next.run(request));
    let answered = tokio::time::timeout(Duration::from_secs(seconds), answer).await;
    drop(place);
    let response = answered.map_err(|_| {
        let detail = format!("the answer did not begin within {seconds} s (public.request_seconds); ask again later, and nothing is paid twice");
        ServiceError::new(Code::TookTooLong, detail)
    })?;
    Ok(inner.ended_in_time(response))
}

impl Inner {
    /// Takes a request of what its address may ask for.
    fn count(&self, address: IpAddr, method: &Method, route: Option<&str>) -> ServiceResult<()> {
        self.addresses.take(&address, routes::cost(method, route)).map_err(|seconds| {
            let detail = format!(
                "{address} asks for more than the {} a minute of public.requests_per_minute; ask again in {seconds} s, or at your own node",
                self.config.requests_per_minute
            );
            ServiceError::new(Code::RateLimited, detail).again_in(seconds)
        })
    }

    /// The request with all of its body, so that nobody who sends slowly has a place meanwhile.
    async fn received(&self, request: Request) -> ServiceResult<Request> {
        let headers = request.headers();
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if length.unwrap_or(0) == 0 && !headers.contains_key(header::TRANSFER_ENCODING) {
            return Ok(request);
        }
        let (most, seconds) = (self.config.max_body_bytes, self.config.body_seconds);
        let too_large = || {
            ServiceError::new(Code::BodyTooLarge, format!("a body has at most {most} bytes here; send less at a time"))
        };
        if length.is_some_and(|length| length > most) {
            linger(request.into_body());
            return Err(too_large());
        }
        let Ok(_room) = self.bodies.try_acquire() else {
            let detail = "too many bodies are coming in at once; try again in a moment";
            return Err(ServiceError::new(Code::TooManyRequests, detail));
        };
        let (parts, body) = request.into_parts();
        let whole = to_bytes(body, usize::try_from(most).unwrap_or(usize::MAX));
        let whole = tokio::time::timeout(Duration::from_secs(seconds), whole).await.map_err(|_| {
            let detail = format!("the body was not there within {seconds} s (public.body_seconds); send it faster");
            ServiceError::new(Code::BodyBrokeOff, detail)
        })?;
        // Shorter than it may be, it broke off; else it was longer than its length said, or had said none.
        let bytes = whole.map_err(|error| match length {
            None => too_large(),
            Some(_) => ServiceError::new(Code::BodyBrokeOff, format!("the body broke off: {error}; send it again")),
        })?;
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }

    /// The response, whose body ends when its time is over.
    fn ended_in_time(&self, response: Response) -> Response {
        let over = tokio::time::sleep(Duration::from_secs(self.config.answer_seconds));
        response.map(|body| {
            // What is there already needs no clock.
            if axum::body::HttpBody::size_hint(&body).exact().is_some() {
                return body;
            }
            Body::from_stream(body.into_data_stream().take_until(Box::pin(over)))
        })
    }
}

/// Reads on for a moment after a refusal: a connection closed at once would break under a client that is still sending, and it would see that
/// instead of the reason.
fn linger(body: Body) {
    let mut pieces = body.into_data_stream();
    tokio::spawn(tokio::time::timeout(LINGER, async move { while let Some(Ok(_)) = pieces.next().await {} }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> (tempfile::TempDir, Budget) {
        let dir = tempfile::tempdir().unwrap();
        let denied = DenyList::open(dir.path().join("denied")).unwrap();
        let trusted_proxies = vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()];
        let config = PublicConfig { trusted_proxies, ..PublicConfig::default() };
        let budget = Budget::new(&config, denied, Arc::new(Metrics::new()));
        (dir, budget)
    }

    #[test]
    fn a_caller_is_where_the_connection_is_from_or_where_a_trusted_proxy_says() {
        let (_dir, budget) = budget();
        let at = |peer: &str, said: &[&str]| {
            let mut headers = HeaderMap::new();
            said.iter().for_each(|value| _ = headers.append("x-forwarded-for", value.parse().unwrap()));
            budget.address(peer.parse().unwrap(), &headers).to_string()
        };
        // Nobody else's word counts.
        assert_eq!(at("192.0.2.7", &["198.51.100.1"]), "192.0.2.7");
        assert_eq!(at("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(at("::ffff:127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        // What the caller says himself stands before what the proxies heard.
        assert_eq!(at("127.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.1"]), "198.51.100.1");
        assert_eq!(at("127.0.0.1", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(at("127.0.0.1", &["198.51.100.1, nonsense"]), "127.0.0.1");
        assert_eq!(at("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn a_subscriber_has_one_bucket_however_many_addresses() {
        let of = |text: &str| subscriber(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }

    #[test]
    fn what_costs_more_is_asked_for_less_often() {
        let (_dir, budget) = budget();
        let count = |address: &str, method: Method, route: &str| {
            let taken =
                (0..1_000).take_while(|_| budget.0.count(address.parse().unwrap(), &method, Some(route)).is_ok());
            taken.count()
        };
        assert_eq!(count("192.0.2.1", Method::GET, "/v1/datanets"), 40);
        assert_eq!(count("192.0.2.2", Method::POST, "/v1/ask"), 4);
        let told = budget.0.count("192.0.2.2".parse().unwrap(), &Method::POST, Some("/v1/ask")).unwrap_err();
        assert!(told.code == Code::RateLimited && told.retry_after.is_some_and(|seconds| seconds > 0), "{told}");
    }
}
