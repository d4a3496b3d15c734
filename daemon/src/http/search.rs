//! Searching records.

use axum::Json;
use axum::extract::State;
use datanet_api::search::{Hit, Hits, SearchHit, SearchMode, SearchParams, Snippet};
use datanet_data::retrieval;
use datanet_ledger::component::contributions;
use datanet_ledger::state::StateRead;
use datanet_types::ContributionId;

use super::extract::{Query, says_nothing, within};
use crate::caller;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::records::{self, Indexes};

/// Hits that strangers are shown at most, and characters of each.
const PREVIEWS: usize = 20;
const PREVIEW: usize = 160;

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
    let limit = within("limit", params.limit, 10, 1..=if caller::is_stranger() { PREVIEWS } else { 100 })?;
    if says_nothing(&params.q) {
        return Err(ServiceError::new(Code::EmptyInput, "\"q\" is empty; send words or a sentence").about("q"));
    }
    let found = indexes.search(&params.q, datanet, mode(params.mode), limit).await?;
    let hits = found.into_iter().map(SearchHit::from);
    if !caller::is_stranger() {
        return Ok(Json(Hits { hits: hits.collect() }));
    }
    let reader = chain.reader()?;
    let shown = |hit: &SearchHit| !caller::is_denied(&hit.datanet.0) && !is_denied(&reader, &hit.hit.contribution);
    Ok(Json(Hits { hits: hits.filter(shown).map(preview).collect() }))
}

/// Whether a contribution, or its bytes, is kept from whoever asks.
fn is_denied<S: StateRead>(reader: &S, id: &ContributionId) -> bool {
    let blob = |id: &ContributionId| contributions::get(reader, id).ok().flatten().map(|found| found.blob.0);
    caller::is_contribution_denied(id, blob)
}

/// A hit as strangers see it: enough to know whether the record is worth an answer, and no more.
fn preview(mut found: SearchHit) -> SearchHit {
    let text = &mut found.hit.text;
    if let Some((end, _)) = text.char_indices().nth(PREVIEW) {
        text.truncate(end);
        text.push('…');
    }
    found
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
