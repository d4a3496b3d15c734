//! Searching records.

use axum::Json;
use axum::extract::State;

use super::extract::Query;
use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::records::Indexes;
use crate::records::{SearchHit, SearchMode};

/// What to look for.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct SearchParams {
    /// Words or a sentence.
    q: String,
    /// Id or name; all datanets this node follows if not given.
    datanet: Option<String>,
    /// `text` (BM25), `semantic` (embeddings) or `hybrid` (both, fused by rank).
    #[serde(default)]
    #[param(inline)]
    mode: SearchMode,
    /// At most this many, up to 100.
    limit: Option<usize>,
}

/// What was found.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Hits {
    /// Best first.
    hits: Vec<SearchHit>,
}

/// Searches the final contributions of one datanet or of all.
#[utoipa::path(get, path = "/v1/search", tag = "search", params(SearchParams), responses((status = 200, body = Hits), (status = 404, body = super::Problem)))]
pub async fn search(
    State(chain): State<Chain>,
    State(indexes): State<Indexes>,
    Query(params): Query<SearchParams>,
) -> ServiceResult<Json<Hits>> {
    let datanet = match &params.datanet {
        Some(id) => Some(chain.datanet_in_view(id)?.1.id),
        None => None,
    };
    let limit = params.limit.unwrap_or(10).clamp(1, 100);
    Ok(Json(Hits { hits: indexes.search(&params.q, datanet, params.mode, limit).await? }))
}
