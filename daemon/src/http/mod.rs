//! The HTTP interface: thin handlers over the services, one file a subject. Two faces: the operator's on loopback, here, and one for strangers,
//! [`public`].
//!
//! Every `/v1` route wants a token with the scope that `scopes` says; every route checks `Host` and `Origin` ([`guard`]). Errors are RFC 9457
//! problems ([`problem`]). The OpenAPI description at `/openapi.json` is made from the handlers themselves, and `/docs`
//! shows it in a browser; `/` says what the node is ([`home`]).

mod accounts;
mod agent_card;
mod agents;
mod ask;
mod attributions;
mod channels;
mod classify;
mod contributions;
mod datanets;
mod embeddings;
mod encoding;
mod epochs;
mod exports;
mod extract;
mod fine_tuning;
mod generate;
mod guard;
mod health;
mod home;
mod keys;
mod limits;
mod metrics;
mod model_files;
mod models;
mod paths;
mod pools;
mod problem;
mod proposals;
pub mod public;
mod queries;
mod quotes;
mod receipts;
mod routes;
mod safety;
pub mod scopes;
mod search;
mod sellers;
mod services;
mod shares;
mod stake;
mod status;
mod tokens;
mod trainings;
mod transactions;
mod treasury;
mod validators;
mod x402;

use std::sync::Arc;

use axum::Extension;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware;
use datanet_api::Problem;
use datanet_config::ApiConfig;
use datanet_p2p::NetworkHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

pub use metrics::Metrics;

use crate::answers::Answers;
use crate::audits::Audits;
use crate::authority::Authority;
use crate::billing::Billing;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError};
use crate::intake::Intake;
use crate::keyring::{Identity, Keyring};
use crate::mcp;
use crate::models::Models;
use crate::records::{Indexes, Records};
use crate::sales::Sales;
use crate::status::StatusService;
use crate::tokens::Tokens;
use crate::training::Training;
use crate::trainings::Trainings;
use crate::x402::X402;

/// What the interface is a face of; each handler takes the services that it needs.
#[derive(Clone, FromRef)]
pub struct Services {
    /// The ledger.
    pub chain: Chain,
    /// Blobs here and elsewhere.
    pub blobs: BlobStore,
    /// The data network.
    pub network: NetworkHandle,
    /// Who the node is.
    pub identity: Identity,
    /// Accounts whose keys are here.
    pub keyring: Keyring,
    /// Who speaks for those.
    pub authority: Authority,
    /// What programs may do.
    pub tokens: Tokens,
    /// The node's embedding model.
    pub embedder: Embedder,
    /// Records and their embeddings.
    pub records: Records,
    /// What is searched.
    pub indexes: Indexes,
    /// Contributions and datanets coming in.
    pub intake: Intake,
    /// What answers cost and earn.
    pub billing: Billing,
    /// Models here.
    pub models: Models,
    /// Jobs.
    pub training: Training,
    /// Jobs that others pay for.
    pub trainings: Trainings,
    /// Answers and receipts.
    pub answers: Answers,
    /// Epochs made again.
    pub audits: Audits,
    /// Payments beside a request.
    pub x402: X402,
    /// What agents sell here.
    pub sales: Sales,
    /// How the node is.
    pub status: StatusService,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

/// What the layers around the handlers share.
#[derive(Clone)]
struct Guards {
    token: Arc<str>,
    tokens: Tokens,
    shutdown: CancellationToken,
    allowed: Arc<guard::Allowed>,
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// The whole interface over `services`, guarded as `config` says, for those who know `token`.
///
/// # Errors
/// When the system gives no randomness.
pub fn router(services: Services, config: &ApiConfig, token: String) -> anyhow::Result<axum::Router> {
    let metrics = services.metrics.clone();
    let guards = Guards {
        allowed: Arc::new(guard::Allowed::new(&config.allowed_hosts, &config.allowed_origins)),
        tokens: services.tokens.clone(),
        places: Arc::new(Semaphore::new(config.max_requests as usize)),
        token: token.into(),
        shutdown: services.shutdown.clone(),
        metrics: metrics.clone(),
    };
    let body_limit = usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX);
    // Uploads are limited while they stream, by the ledger's and the node's limits, so they bypass the general one.
    let uploads = routes::uploads().layer(DefaultBodyLimit::disable());
    let limited = routes::protected().layer(DefaultBodyLimit::max(body_limit));
    let v1 = limited.layer(Extension(extract::BodyLimit(config.max_body_bytes))).merge(uploads);
    let protocol = protocol(v1.clone(), services.clone(), &guards, body_limit)?;
    // Strangers are turned away before they take a place.
    let v1 = v1
        .layer(middleware::from_fn_with_state(guards.clone(), limits::count_in))
        .layer(middleware::from_fn_with_state(guards.clone(), guard::check_token));
    let (router, openapi) = routes::described().merge(v1).merge(routes::open()).split_for_parts();
    let router = router
        .layer(middleware::from_fn_with_state(queries::Queries::of(&openapi), queries::check))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", routes::finished(openapi)))
        .merge(protocol)
        .route("/", axum::routing::get(home::home))
        .fallback(paths::unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(metrics))
        .layer(RequestBodyTimeoutLayer::new(limits::BODY_STALL))
        .layer(middleware::from_fn_with_state(guards.clone(), limits::end_with_the_node));
    // Browsers ask before they send for a page of another origin; without such pages nobody is to be answered.
    let router = match guards.allowed.cors() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let router = router
        .layer(middleware::from_fn_with_state(guards.clone(), guard::check_host_and_origin))
        .layer(middleware::from_fn_with_state(guards, metrics::count))
        .layer(middleware::map_response(safety::marked))
        .layer(CatchPanicLayer::custom(on_panic))
        .with_state(services);
    // A router's layers see requests that have found their route: paths are mended before, in one around it.
    Ok(axum::Router::new().fallback_service(router).layer(middleware::map_request(paths::tidy)))
}

/// The endpoint of the Model Context Protocol: it wants the token as `/v1` does, and calls these very routes with it. What it
/// calls has the place of the call that it serves.
fn protocol(
    v1: OpenApiRouter<Services>,
    services: Services,
    guards: &Guards,
    body_limit: usize,
) -> anyhow::Result<axum::Router<Services>> {
    let check_token = || middleware::from_fn_with_state(guards.clone(), guard::check_token);
    let (routes, _) = v1.layer(check_token()).split_for_parts();
    let routes = routes.fallback(paths::unknown_route).method_not_allowed_fallback(wrong_method).with_state(services);
    let service = mcp::service(mcp::Face::new(routes), body_limit, guards.shutdown.clone())
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(axum::Router::new()
        .route_service(mcp::PATH, service)
        .layer(middleware::from_fn_with_state(guards.clone(), limits::count_in))
        .layer(check_token()))
}

async fn wrong_method(method: axum::http::Method, uri: axum::http::Uri) -> ServiceError {
    let detail = format!("{} does not take {method}; /docs shows what it takes", uri.path());
    ServiceError::new(Code::WrongMethod, detail)
}

fn on_panic(panic: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    let what = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let what = what.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
    tracing::error!(panic = %what, "a request handler panicked");
    axum::response::IntoResponse::into_response(ServiceError::new(
        Code::Panic,
        "the node failed on this request; its log says more",
    ))
}

/// Serves until the node stops. Requests under way may finish within [`limits::LAST_WORDS`]; connections that are still
/// open then, because nobody reads or writes on them, are left to end with the process.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, services: Services, config: ApiConfig, token: String) -> anyhow::Result<()> {
    let shutdown = services.shutdown.clone();
    let app = router(services, &config, token)?.into_make_service_with_connect_info::<guard::Reached>();
    let asked = shutdown.clone();
    let served = axum::serve(listener, app).with_graceful_shutdown(async move { asked.cancelled().await });
    let late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(limits::LAST_WORDS).await;
    };
    tokio::select! {
        served = served.into_future() => served?,
        () = late => tracing::debug!("some connections did not end in time"),
    }
    Ok(())
}
