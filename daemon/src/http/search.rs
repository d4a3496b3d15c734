//! Searching records.

use axum::Json;
use axum::extract::State;
use datanet_api::search::{Hit, Hits, SearchHit, SearchMode, SearchParams, Snippet};
use datanet_data::retrieval;

use super::extract::{Query, says_nothing, within};
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::{self, Indexes};

/// Searches the final contributions of one datanet or of all.
#[utoipa::path(get, operation_id = "search", path = "/v1/search", tag = "search", params(SearchParams), responses((status = 200, body = Hits), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn search(
    State(chain): State<Chain>,
    State(indexes): State<Indexes>,
    Query(params): Query<SearchParams>,
) -> ServiceResult<Json<Hits>> {
    let datanet = match &params.datanet {
        Some(id) => Some(chain.datanet_in_view(id)?.1.id),
        None => None,
    };
    let limit = within("limit", params.limit, 10, 1..=100)?;
    if says_nothing(&params.q) {
        return Err(ServiceError::new(Code::EmptyInput, "\"q\" is empty; send words or a sentence").about("q"));
    }
    let found = indexes.search(&params.q, datanet, mode(params.mode), limit).await?;
    Ok(Json(Hits { hits: found.into_iter().map(SearchHit::from).collect() }))
}

fn mode(asked: SearchMode) -> retrieval::Mode {
    match asked {
        SearchMode::Text => retrieval::Mode::Text,
        SearchMode::Semantic => retrieval::Mode::Semantic,
        SearchMode::Hybrid => retrieval::Mode::Hybrid,
    }
}

impl From<records::SearchHit> for SearchHit {
    fn from(found: records::SearchHit) -> Self {
        let retrieval::Hit { contribution, record, score, text, label, snippet } = found.hit;
        let snippet = snippet.map(|snippet| Snippet { text: snippet.text, highlights: snippet.highlights });
        Self { datanet: found.datanet, hit: Hit { contribution, record, score, text, label, snippet } }
    }
}
