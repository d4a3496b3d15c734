//! The HTTP interface on loopback: thin handlers over the services, one file a subject.
//!
//! Every `/v1` route wants the node's token; every route checks `Host` and `Origin` ([`guard`]). Errors are RFC 9457
//! problems ([`problem`]). The OpenAPI description at `/openapi.json` is made from the handlers themselves, and `/docs`
//! shows it in a browser.

mod accounts;
mod ask;
mod attributions;
mod channels;
mod classify;
mod contributions;
mod datanets;
mod embeddings;
mod epochs;
mod extract;
mod fine_tuning;
mod generate;
mod guard;
mod health;
mod keys;
mod limits;
mod metrics;
mod models;
mod problem;
mod receipts;
mod search;
mod status;
mod transactions;

pub use problem::Problem;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware;
use datanet_config::ApiConfig;
use datanet_p2p::NetworkHandle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::answers::Answers;
use crate::billing::Billing;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError};
use crate::intake::Intake;
use crate::keyring::{Identity, Keyring};
use crate::models::Models;
use crate::records::{Indexes, Records};
use crate::status::StatusService;
use crate::training::Training;

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
    /// Answers and receipts.
    pub answers: Answers,
    /// How the node is.
    pub status: StatusService,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

/// What the layers around the handlers share.
#[derive(Clone)]
struct Guards {
    token: Arc<str>,
    shutdown: CancellationToken,
    allowed: Arc<guard::Allowed>,
    places: Arc<Semaphore>,
    metrics: Arc<metrics::Metrics>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Datanet node",
        description = "Contribute data, have it judged, search it, ask it, and be paid for it. Amounts are integers in base units (1 DNT is 1,000,000); ids are hexadecimal; addresses start with dn1. Send the token of the node's api-token file as a bearer token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    security(("token" = [])),
    modifiers(&TokenScheme),
)]
struct ApiDoc;

struct TokenScheme;

impl utoipa::Modify for TokenScheme {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

fn protected() -> OpenApiRouter<Services> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(status::peers))
        .routes(routes!(keys::list, keys::add))
        .routes(routes!(datanets::list, datanets::create))
        .routes(routes!(datanets::show))
        .routes(routes!(datanets::history))
        .routes(routes!(contributions::list))
        .routes(routes!(contributions::show))
        .routes(routes!(contributions::events))
        .routes(routes!(contributions::records))
        .routes(routes!(contributions::revoke))
        .routes(routes!(search::search))
        .routes(routes!(embeddings::create))
        .routes(routes!(models::list, models::register))
        .routes(routes!(models::import))
        .routes(routes!(models::show, models::delete))
        .routes(routes!(models::deploy, models::undeploy))
        .routes(routes!(models::rollback))
        .routes(routes!(models::verify))
        .routes(routes!(classify::classify))
        .routes(routes!(generate::chat))
        .routes(routes!(generate::complete))
        .routes(routes!(attributions::show))
        .routes(routes!(fine_tuning::list, fine_tuning::create))
        .routes(routes!(fine_tuning::show))
        .routes(routes!(fine_tuning::cancel))
        .routes(routes!(fine_tuning::events))
        .routes(routes!(fine_tuning::checkpoints))
        .routes(routes!(ask::ask))
        .routes(routes!(receipts::latest))
        .routes(routes!(receipts::show))
        .routes(routes!(receipts::verify))
        .routes(routes!(receipts::check))
        .routes(routes!(channels::list, channels::open))
        .routes(routes!(channels::close))
        .routes(routes!(epochs::settle))
        .routes(routes!(accounts::show))
        .routes(routes!(accounts::earnings))
        .routes(routes!(accounts::claim))
        .routes(routes!(accounts::supply))
        .routes(routes!(transactions::transfer))
        .routes(routes!(transactions::submit))
        .routes(routes!(transactions::show))
}

/// The whole interface over `services`, guarded as `config` says, for those who know `token`.
pub fn router(services: Services, config: &ApiConfig, token: String) -> axum::Router {
    let metrics = Arc::new(metrics::Metrics::new());
    let guards = Guards {
        allowed: Arc::new(guard::Allowed::new(config)),
        places: Arc::new(Semaphore::new(config.max_requests as usize)),
        token: token.into(),
        shutdown: services.shutdown.clone(),
        metrics: metrics.clone(),
    };
    let body_limit = usize::try_from(config.max_body_bytes).unwrap_or(usize::MAX);
    // Uploads are limited while they stream, by the ledger's and the node's limits, so they bypass the general one.
    let uploads = OpenApiRouter::new().routes(routes!(contributions::contribute)).layer(DefaultBodyLimit::disable());
    let v1 = protected().layer(DefaultBodyLimit::max(body_limit)).merge(uploads);
    // Strangers are turned away before they take a place.
    let v1 = v1
        .layer(middleware::from_fn_with_state(guards.clone(), limits::count_in))
        .layer(middleware::from_fn_with_state(guards.clone(), guard::check_token));
    let (router, openapi) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(v1)
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .split_for_parts();
    let router = router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(metrics))
        .layer(RequestBodyTimeoutLayer::new(limits::BODY_STALL))
        .layer(middleware::from_fn_with_state(guards.clone(), limits::end_with_the_node));
    // Browsers ask before they send for a page of another origin; without such pages nobody is to be answered.
    let router = match guards.allowed.cors() {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(middleware::from_fn_with_state(guards.clone(), guard::check_host_and_origin))
        .layer(middleware::from_fn_with_state(guards, metrics::count))
        .layer(CatchPanicLayer::custom(on_panic))
        .with_state(services)
}

async fn unknown_route(uri: axum::http::Uri) -> ServiceError {
    ServiceError::new(Code::UnknownRoute, format!("there is nothing at {}; /docs shows what there is", uri.path()))
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
pub async fn serve(listener: TcpListener, services: Services, config: ApiConfig, token: String) -> anyhow::Result<()> {
    let shutdown = services.shutdown.clone();
    let app = router(services, &config, token).into_make_service_with_connect_info::<SocketAddr>();
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
