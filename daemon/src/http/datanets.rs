//! Datanets: list, show, create, history, debts.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::datanets::{
    ClosedDatanet, CreatedDatanet, DatanetCounts, DatanetRecord, DatanetView, Datanets, Debts, DebtsParams, History,
    HistoryEntry, HistoryParams, NewDatanet, NewHoldout, NextHoldout, OwedRelease, OwingContribution, RotatedHoldout,
};
use datanet_ledger::LedgerReader;
use datanet_ledger::component::datanets::history::{self, Change, Entry};
use datanet_ledger::component::datanets::{self, Counts, Datanet, HeldOut};
use datanet_training::job::DEBT_RELEASES;

use super::extract::{Body, Query, Segment, within};
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::intake::{AnnouncedHoldout, DatanetProposal, Intake, OpenedDatanet};
use crate::keyring::{AccountKey, Keyring, NODE_ACCOUNT};
use crate::training::Training;
use crate::training::debts::{ContributionDebts, Owed};

fn view(reader: &LedgerReader, record: Datanet) -> ServiceResult<DatanetView> {
    let counts = counted(datanets::counts(reader, &record.id)?);
    Ok(DatanetView { record: recorded(reader, record)?, counts })
}

fn recorded(reader: &LedgerReader, datanet: Datanet) -> ServiceResult<DatanetRecord> {
    let number = datanets::held_out_now(reader, &datanet, reader.block_seconds())?;
    let present = datanets::expect_held_out(reader, &datanet, number)?;
    let next = match datanet.rotations {
        last if last > number => datanets::held_out(reader, &datanet, last)?,
        _ => None,
    };
    let next = next.map(|HeldOut { blob, size, from }| NextHoldout { holdout: blob, holdout_size: size, from });
    Ok(DatanetRecord {
        id: datanet.id,
        name: datanet.name,
        description: datanet.description,
        schema: datanet.schema,
        licence: datanet.licence,
        price: datanet.price,
        token_price: datanet.token_price,
        step_price: datanet.step_price,
        accept_threshold: datanet.accept_threshold,
        committee_size: datanet.committee_size,
        storage_quorum: datanet.storage_quorum,
        holdout: present.blob,
        holdout_size: present.size,
        holdout_number: number,
        next_holdout: next,
        min_bond: datanet.min_bond,
        creator: datanet.creator,
        created_height: datanet.created_height,
        deposit: datanet.deposit,
    })
}

fn counted(counts: Counts) -> DatanetCounts {
    let Counts { contributions, final_contributions, refused, records, bytes, revoked, history, .. } = counts;
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

/// Contributions that harmed more than they helped, by the answers of this node's releases, and which of them its next training leaves out. What owes by
/// release after release is compared with the held-out records, which takes some seconds.
#[utoipa::path(get, operation_id = "list_datanet_debts", path = "/v1/datanets/{id}/debts", tag = "datanets", params(("id" = String, Path, description = "id or name"), DebtsParams), responses((status = 200, body = Debts), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn debts(
    State(chain): State<Chain>,
    State(training): State<Training>,
    Segment(id): Segment<String>,
    Query(params): Query<DebtsParams>,
) -> ServiceResult<Json<Debts>> {
    let datanet = chain.datanet_named(&id)?;
    let releases = within("releases", params.releases, DEBT_RELEASES, 2..=20)?;
    let contributions = training.debts(&datanet, releases).await?.into_iter().map(owing).collect();
    Ok(Json(Debts { releases: releases as u64, contributions }))
}

fn owing(found: ContributionDebts) -> OwingContribution {
    let release = |Owed { model, name, answers, amount, .. }: Owed| OwedRelease { model, name, answers, owed: amount };
    OwingContribution {
        owed: found.owed(),
        left_out: found.is_left_out(),
        why: found.why(),
        contribution: found.contribution,
        contributor: found.contributor,
        lasting: found.lasting,
        held_out_records: found.held_out.map(|said| said.records),
        held_out_worth: found.held_out.map(|said| said.worth),
        elsewhere: found.elsewhere,
        releases: found.releases.into_iter().map(release).collect(),
    }
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
    Ok((StatusCode::CREATED, Json(opened.into())))
}

/// Ends a datanet of which nothing stayed, with the key of the account that opened it, which must be on this node: its deposit comes back, and its name is
/// free for others.
#[utoipa::path(post, operation_id = "close_datanet", path = "/v1/datanets/{id}/close", tag = "datanets", params(("id" = String, Path, description = "id or name")), responses((status = 200, body = ClosedDatanet), (status = 403, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn close(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(intake): State<Intake>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<ClosedDatanet>> {
    let datanet = chain.datanet_named(&id)?;
    let tx = intake.close_datanet(&creators_key(&keyring, &datanet)?, &datanet).await?;
    Ok(Json(ClosedDatanet { id: datanet.id, name: datanet.name, deposit: datanet.deposit, tx }))
}

/// Announces the next held-out set of a datanet, with the key of the account that opened it, which must be on this node: what is given after the chain's
/// delay is judged with it.
#[utoipa::path(post, operation_id = "rotate_held_out_set", path = "/v1/datanets/{id}/holdout", tag = "datanets", params(("id" = String, Path, description = "id or name")), request_body = NewHoldout, responses((status = 200, body = RotatedHoldout), (status = 403, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn rotate_holdout(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    State(intake): State<Intake>,
    Segment(id): Segment<String>,
    Body(new): Body<NewHoldout>,
) -> ServiceResult<Json<RotatedHoldout>> {
    let datanet = chain.datanet_named(&id)?;
    let announced = intake.rotate_holdout(&creators_key(&keyring, &datanet)?, &datanet, new.holdout).await?;
    let AnnouncedHoldout { number, set, tx } = announced;
    Ok(Json(RotatedHoldout { id: datanet.id, number, holdout: set.blob, from: set.from, tx }))
}

fn creators_key(keyring: &Keyring, datanet: &Datanet) -> ServiceResult<AccountKey> {
    keyring.by_address(&datanet.creator)?.ok_or_else(|| {
        let Datanet { name, creator, .. } = datanet;
        let detail =
            format!("datanet {name} was opened by {creator}, whose key is not on this node; do this where it is");
        ServiceError::new(Code::ForeignDatanet, detail)
    })
}

impl From<OpenedDatanet> for CreatedDatanet {
    fn from(opened: OpenedDatanet) -> Self {
        let OpenedDatanet { id, name, deposit, tx } = opened;
        Self { id, name, deposit, tx }
    }
}

impl From<NewDatanet> for DatanetProposal {
    fn from(new: NewDatanet) -> Self {
        Self {
            name: new.name,
            description: new.description,
            schema: new.schema,
            licence: new.licence,
            price: new.price,
            token_price: new.token_price,
            step_price: new.step_price,
            accept_threshold: new.accept_threshold,
            committee_size: new.committee_size,
            storage_quorum: new.storage_quorum,
            min_bond: new.min_bond,
            holdout: new.holdout,
        }
    }
}
