//! x402 on the public face: what a facilitator is asked, and what is sold.

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use datanet_api::x402::{
    Discovery, DiscoveryParams, FacilitatorRequest, SIGNATURE_HEADER, SettleResponse, Supported, VerifyResponse,
};

use super::extract::{Body, Query, within};
use crate::caller;
use crate::error::ServiceResult;
use crate::x402::{Bought, MOST, Style, X402};

/// Routes that sell answers.
const SELLING: &[&str] = &["/v1/ask", "/v1/classify", "/v1/chat/completions", "/v1/completions", "/v1/agents/{id}/ask"];

/// Takes the payment that comes with a request for an answer, and says in its answer's headers what is to be paid, or was.
pub(super) async fn pay(State(x402): State<X402>, request: Request, next: Next) -> Response {
    let sells = request.extensions().get::<MatchedPath>().is_some_and(|path| SELLING.contains(&path.as_str()));
    if !sells {
        return next.run(request).await;
    }
    let url = match request.extensions().get::<Bought>() {
        Some(Bought(url)) => url.clone(),
        None => {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            x402.address(host(request.headers()), path)
        }
    };
    match x402.present(request.headers().get(SIGNATURE_HEADER), url) {
        Ok(presented) => {
            let response = caller::in_exchange(presented.exchange.clone(), next.run(request)).await;
            x402.answered(response, &presented)
        }
        Err(error) => error.into_response(),
    }
}

pub(super) fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// The ways to pay for answers, as x402 has them.
#[utoipa::path(get, operation_id = "x402_supported", path = "/x402/supported", tag = "answers", responses((status = 200, body = Supported)))]
pub(super) async fn supported(State(x402): State<X402>) -> Json<Supported> {
    Json(x402.supported())
}

/// Whether a payment to this node would do now. Nothing is held for it.
#[utoipa::path(post, operation_id = "x402_verify", path = "/x402/verify", tag = "answers", request_body = FacilitatorRequest, responses((status = 200, body = VerifyResponse)))]
pub(super) async fn verify(
    State(x402): State<X402>,
    Body(request): Body<FacilitatorRequest>,
) -> ServiceResult<Json<VerifyResponse>> {
    Ok(Json(x402.verify(&request).await?))
}

/// What became of a payment to this node: it is taken when its request is answered. The deposit of a channel is sent.
#[utoipa::path(post, operation_id = "x402_settle", path = "/x402/settle", tag = "answers", request_body = FacilitatorRequest, responses((status = 200, body = SettleResponse)))]
pub(super) async fn settle(
    State(x402): State<X402>,
    Body(request): Body<FacilitatorRequest>,
) -> ServiceResult<Json<SettleResponse>> {
    Ok(Json(x402.settle(&request).await?))
}

/// What is sold here, as a facilitator lists it.
#[utoipa::path(get, operation_id = "x402_discovery", path = "/x402/discovery/resources", tag = "answers", params(DiscoveryParams), responses((status = 200, body = Discovery)))]
pub(super) async fn resources(
    State(x402): State<X402>,
    headers: HeaderMap,
    Query(params): Query<DiscoveryParams>,
) -> ServiceResult<Json<Discovery>> {
    listed(&x402, &headers, &params, Style::Listed)
}

/// What is sold here, as an origin says of itself.
#[utoipa::path(get, operation_id = "x402_manifest", path = "/.well-known/x402.json", tag = "answers", params(DiscoveryParams), responses((status = 200, body = Discovery)))]
pub(super) async fn manifest(
    State(x402): State<X402>,
    headers: HeaderMap,
    Query(params): Query<DiscoveryParams>,
) -> ServiceResult<Json<Discovery>> {
    listed(&x402, &headers, &params, Style::Manifest)
}

fn listed(x402: &X402, headers: &HeaderMap, params: &DiscoveryParams, style: Style) -> ServiceResult<Json<Discovery>> {
    within("limit", params.limit, MOST, 1..=MOST)?;
    Ok(Json(x402.discovery(host(headers), params, style)?))
}
