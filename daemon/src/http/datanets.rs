//! Datanets: list, show, create, history.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::datanets::{
    CreatedDatanet, DatanetCounts, DatanetRecord, DatanetView, Datanets, History, HistoryEntry, HistoryParams,
    NewDatanet,
};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::datanets::history::{self, Change, Entry};
use datanet_ledger::component::datanets::{self, Counts, Datanet};

use super::extract::{Body, Query, Segment, within};
use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::intake::{DatanetProposal, Intake};
use crate::keyring::Keyring;
use crate::keyring::NODE_ACCOUNT;

fn view(reader: &LedgerReader, record: Datanet) -> ServiceResult<DatanetView> {
    let counts = counted(datanets::counts(reader, &record.id)?);
    Ok(DatanetView { record: recorded(record), counts })
}

fn recorded(datanet: Datanet) -> DatanetRecord {
    DatanetRecord {
        id: datanet.id,
        name: datanet.name,
        description: datanet.description,
        schema: datanet.schema,
        licence: datanet.licence,
        price: datanet.price,
        accept_threshold: datanet.accept_threshold,
        committee_size: datanet.committee_size,
        storage_quorum: datanet.storage_quorum,
        holdout: datanet.holdout,
        holdout_size: datanet.holdout_size,
        min_bond: datanet.min_bond,
        creator: datanet.creator,
        created_height: datanet.created_height,
    }
}

fn counted(counts: Counts) -> DatanetCounts {
    let Counts { contributions, final_contributions, refused, records, bytes, revoked, history } = counts;
    DatanetCounts { contributions, final_contributions, refused, records, bytes, revoked, history }
}

fn entered(entry: Entry) -> HistoryEntry {
    let change = match entry.change() {
        Change::Final => "final",
        Change::Revoked => "revoked",
    };
    let Entry { contribution, digest, height, .. } = entry;
    HistoryEntry { contribution, change: change.to_owned(), digest, height }
}

/// All datanets on the ledger.
#[utoipa::path(get, operation_id = "list_datanets", path = "/v1/datanets", tag = "datanets", responses((status = 200, body = Datanets)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Datanets>> {
    let reader = chain.reader()?;
    let all = datanets::list(&reader, None, usize::MAX)?;
    let views: ServiceResult<Vec<_>> = all.into_iter().map(|record| view(&reader, record)).collect();
    Ok(Json(Datanets { datanets: views? }))
}

/// One datanet, by id or name.
#[utoipa::path(get, operation_id = "get_datanet", path = "/v1/datanets/{id}", tag = "datanets", params(("id" = String, Path, description = "id or name")), responses((status = 200, body = DatanetView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(State(chain): State<Chain>, Segment(id): Segment<String>) -> ServiceResult<Json<DatanetView>> {
    let (reader, datanet) = chain.datanet_in_view(&id)?;
    Ok(Json(view(&reader, datanet)?))
}

/// A datanet's history as a chain of digests, from which anybody can tell what a model was trained on.
#[utoipa::path(get, operation_id = "get_datanet_history", path = "/v1/datanets/{id}/history", tag = "datanets", params(("id" = String, Path, description = "id or name"), HistoryParams), responses((status = 200, body = History), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn history(
    State(chain): State<Chain>,
    Segment(id): Segment<String>,
    Query(params): Query<HistoryParams>,
) -> ServiceResult<Json<History>> {
    let (reader, datanet) = chain.datanet_in_view(&id)?;
    let (after, limit) = (params.after.unwrap_or(0), within("limit", params.limit, 100, 1..=1_000)?);
    let entries = history::entries(&reader, &datanet.id, after, limit)?;
    let next = (entries.len() == limit).then(|| after.saturating_add(limit as u64));
    let entries = entries.into_iter().map(entered).collect();
    Ok(Json(History { latest: history::latest(&reader, &datanet.id)?, entries, next }))
}

/// Opens a datanet; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "create_datanet", path = "/v1/datanets", tag = "datanets", request_body = NewDatanet, responses((status = 201, body = CreatedDatanet), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn create(
    State(keyring): State<Keyring>,
    State(intake): State<Intake>,
    Body(new): Body<NewDatanet>,
) -> ServiceResult<(StatusCode, Json<CreatedDatanet>)> {
    let key = keyring.get(new.account.as_deref().unwrap_or(NODE_ACCOUNT))?;
    let opened = intake.open_datanet(&key, new.into()).await?;
    Ok((StatusCode::CREATED, Json(CreatedDatanet { id: opened.id, name: opened.name, tx: opened.tx })))
}

impl From<NewDatanet> for DatanetProposal {
    fn from(new: NewDatanet) -> Self {
        Self {
            name: new.name,
            description: new.description,
            schema: new.schema,
            licence: new.licence,
            price: new.price,
            accept_threshold: new.accept_threshold,
            committee_size: new.committee_size,
            storage_quorum: new.storage_quorum,
            min_bond: new.min_bond,
            holdout: new.holdout,
        }
    }
}
