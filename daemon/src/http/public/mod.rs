//! The public face: the interface for strangers, on a listener of its own. Nobody needs a token, because there is nothing to spend.
//!
//! It is an explicit list of routes ([`routes`]): what nobody has put there is not there. Handlers are the operator's, run for a
//! [`Caller::Stranger`](crate::caller::Caller), to whom the keyring lends no key. Around them are bounds of its own: on connections
//! ([`connections`]), and on what is asked over them ([`budget`]).

mod budget;
mod connections;
mod routes;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::{Json, middleware};
use datanet_config::PublicConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use super::extract::{BodyLimit, cut};
use super::{Services, on_panic, queries, safety, wrong_method, x402};
use crate::caller::DenyList;
use crate::chain::Chain;
use crate::error::{Code, ServiceError};
use crate::keyring::Identity;
use crate::mcp;
use crate::status::StatusService;
use crate::status::readiness::is_ready;
use budget::Budget;

/// The whole face over `services`.
fn router(services: Services, config: &PublicConfig, budget: &Budget) -> anyhow::Result<axum::Router> {
    let (router, openapi) = routes::all().split_for_parts();
    let queries = queries::Queries::of(&openapi);
    let description = Arc::new(routes::finished(openapi));
    let body_limit = usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX);
    let router = router
        .layer(middleware::from_fn_with_state(services.x402.clone(), x402::pay))
        .layer(middleware::from_fn_with_state(queries, queries::check))
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(axum::Extension(BodyLimit(config.max_body_bytes)))
        .route("/openapi.json", axum::routing::get(move || async move { Json((*description).clone()) }))
        .route("/", axum::routing::get(home))
        .merge(protocol(&services, config, budget)?)
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method);
    let router = match budget.allowed().cors() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    Ok(router
        .layer(middleware::from_fn_with_state(budget.clone(), budget::admit))
        .layer(middleware::map_response(safety::marked))
        .layer(CatchPanicLayer::custom(on_panic))
        .with_state(services))
}

/// The endpoint of the Model Context Protocol: its tools call these routes, as the stranger who called it.
fn protocol(services: &Services, config: &PublicConfig, budget: &Budget) -> anyhow::Result<axum::Router<Services>> {
    let body_limit = usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX);
    let (routes, openapi) = routes::all().split_for_parts();
    let queries = queries::Queries::of(&openapi);
    let routes = routes
        .layer(middleware::from_fn_with_state(services.x402.clone(), x402::pay))
        .layer(middleware::from_fn_with_state(queries, queries::check))
        .layer(middleware::from_fn_with_state(budget.clone(), budget::on_behalf))
        .layer(axum::Extension(BodyLimit(config.max_body_bytes)))
        .fallback(nothing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(services.clone());
    let service = mcp::service_for_strangers(mcp::Face::new(routes), body_limit, services.shutdown.clone())
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    Ok(axum::Router::new().route_service(mcp::PATH, service))
}

/// What a stranger has to know to begin: which chain and node this is, and where the rest is said.
async fn home(
    State(chain): State<Chain>,
    State(identity): State<Identity>,
    State(status): State<StatusService>,
) -> Json<Value> {
    let ready = is_ready(&status.readiness.checks().await);
    Json(json!({
        "name": "datanet", "version": env!("CARGO_PKG_VERSION"), "chain_id": chain.id(), "height": chain.height(),
        "node": identity.node_key(), "ready": ready, "api": "/v1", "openapi": "/openapi.json",
    }))
}

async fn nothing(uri: Uri) -> ServiceError {
    let path = cut(uri.path());
    ServiceError::new(
        Code::UnknownRoute,
        format!("there is nothing at {path} on this node's public face; /openapi.json shows what there is"),
    )
}

/// Serves until the node stops.
///
/// # Errors
/// When the deny list does not read, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    config: PublicConfig,
    deny_file: PathBuf,
) -> anyhow::Result<()> {
    let denied = DenyList::open(deny_file).context("the public face does not start")?;
    let (shutdown, metrics) = (services.shutdown.clone(), services.metrics.clone());
    let budget = Budget::new(&config, denied, metrics.clone());
    let app = router(services, &config, &budget)?;
    connections::serve(listener, app, connections::Bounds::of(&config), metrics, shutdown).await;
    Ok(())
}
