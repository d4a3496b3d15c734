//! Prometheus metrics: what operators watch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use datanet_ledger::component::{Component, breaker};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::Guards;
use crate::error::{Code, ServiceError};
use crate::status::StatusService;
use crate::status::readiness::is_ready;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// The route's pattern, not the path: the number of series stays small.
    route: String,
    status: u16,
}

/// All metrics of a node.
pub struct Metrics {
    registry: Registry,
    /// When the node was looked at, for whoever asks again within [`FRESH`]: however many ask, it is looked at once.
    looked: tokio::sync::Mutex<Option<Instant>>,
    public: Family<PublicLabels, Counter>,
    turned_away: Family<ReasonLabels, Counter>,
    connections: Gauge,
    requests: Family<RequestLabels, Counter>,
    seconds: Histogram,
    height: Gauge,
    peers: Gauge,
    held: Gauge,
    gossip: Family<VerdictLabels, Gauge>,
    uptime: Gauge,
    ready: Gauge,
    checks: Family<CheckLabels, Gauge>,
    stopped: Family<ComponentLabels, Gauge>,
}

/// How old what is told may be.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PublicLabels {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabels {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    check: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComponentLabels {
    component: &'static str,
}

impl Metrics {
    /// Registers everything.
    #[expect(clippy::new_without_default, reason = "registering is no default")]
    pub fn new() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            looked: tokio::sync::Mutex::default(),
            public: Family::default(),
            turned_away: Family::default(),
            connections: Gauge::default(),
            requests: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            height: Gauge::default(),
            peers: Gauge::default(),
            held: Gauge::default(),
            gossip: Family::default(),
            uptime: Gauge::default(),
            ready: Gauge::default(),
            checks: Family::default(),
            stopped: Family::default(),
        };
        metrics.register()
    }

    fn register(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("datanet_http_requests", "HTTP requests served", self.requests.clone());
        registry.register("datanet_http_request_seconds", "Seconds from request to response", self.seconds.clone());
        registry.register("datanet_height", "Last committed height", self.height.clone());
        registry.register("datanet_peers", "Peers connected", self.peers.clone());
        registry.register("datanet_contributions_held", "Contributions whose bytes are here", self.held.clone());
        registry.register("datanet_gossip_messages", "Gossip messages by verdict", self.gossip.clone());
        registry.register("datanet_uptime_seconds", "Seconds since start", self.uptime.clone());
        registry.register("datanet_ready", "1 if /health/ready says so, else 0", self.ready.clone());
        registry.register("datanet_ready_check", "1 if this check of it is good, else 0", self.checks.clone());
        registry.register("datanet_public_requests", "Requests served on the public face", self.public.clone());
        let turned_away = "Connections that the public face closed at once, by the bound that they were beyond";
        registry.register("datanet_public_connections_refused", turned_away, self.turned_away.clone());
        registry.register("datanet_public_connections", "Connections to the public face", self.connections.clone());
        let stopped =
            "1 if this part of the ledger stands still, on all nodes, because it contradicts itself there, else 0";
        registry.register("datanet_ledger_stopped", stopped, self.stopped.clone());
        self
    }
}

/// All metrics in Prometheus' text form.
#[utoipa::path(get, operation_id = "get_metrics", path = "/metrics", tag = "node", security(()), responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(
    State(status): State<StatusService>,
    Extension(metrics): Extension<Arc<Metrics>>,
) -> Response {
    let mut looked = metrics.looked.lock().await;
    if looked.is_none_or(|at| at.elapsed() >= FRESH) {
        look(&status, &metrics).await;
        *looked = Some(Instant::now());
    }
    drop(looked);
    let mut text = String::new();
    if encode(&mut text, &metrics.registry).is_err() {
        return ServiceError::new(Code::Metrics, "metrics could not be written").into_response();
    }
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// What is not counted as it happens: the node as it is now.
async fn look(status: &StatusService, metrics: &Metrics) {
    let as_i64 = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    metrics.height.set(as_i64(status.chain.height()));
    metrics.peers.set(as_i64(status.network.peers().len() as u64));
    metrics.held.set(as_i64(status.blobs.held_contributions().await));
    metrics.uptime.set(as_i64(status.started.elapsed().as_secs()));
    let checks = status.readiness.checks().await;
    metrics.ready.set(i64::from(is_ready(&checks)));
    for check in checks.iter() {
        metrics.checks.get_or_create(&CheckLabels { check: check.name }).set(i64::from(check.ok));
    }
    // Before the first block there is nothing that could stand still.
    let stopped = status.stopped().unwrap_or_default();
    for component in Component::ALL.iter().filter(|component| !breaker::spares(**component)) {
        let name = component.name();
        let stands = stopped.iter().any(|one| one.component == name);
        metrics.stopped.get_or_create(&ComponentLabels { component: name }).set(i64::from(stands));
    }
    let network = status.network.metrics();
    let verdicts = [
        ("accepted", network.gossip_accepted),
        ("rejected", network.gossip_rejected),
        ("ignored", network.gossip_ignored),
    ];
    for (verdict, count) in verdicts {
        metrics.gossip.get_or_create(&VerdictLabels { verdict }).set(as_i64(count));
    }
}

impl Metrics {
    /// Counts a request of the public face.
    pub(super) fn count_public(&self, route: &str, status: u16) {
        self.public.get_or_create(&PublicLabels { route: route.to_owned(), status }).inc();
    }

    /// Counts a connection that was closed at once.
    pub(super) fn count_turned_away(&self, reason: &'static str) {
        self.turned_away.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Says how many connections the public face has.
    pub(super) fn set_public_connections(&self, count: usize) {
        self.connections.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// The method's name, if it is one that is served: strangers could else invent any number of series.
fn known_method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// Counts a request and how long it took.
pub(super) async fn count(State(guards): State<Guards>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = known_method(request.method()).to_owned();
    let started = Instant::now();
    let response = next.run(request).await;
    let labels = RequestLabels { method, route, status: response.status().as_u16() };
    guards.metrics.requests.get_or_create(&labels).inc();
    guards.metrics.seconds.observe(started.elapsed().as_secs_f64());
    response
}
