//! Epochs: settled on request, looked at, made again, challenged.

use axum::Json;
use axum::extract::State;
use datanet_api::epochs::{
    AuditView, AuditorView, Challenged, Doubt, EpochCheck, EpochId, EpochView, Epochs, SettledEpoch,
};
use datanet_ledger::component::Params;
use datanet_ledger::component::audits::{self, Audit, Auditor};
use datanet_ledger::component::settlement::{self, Epoch, StatementKeeper, Status};
use datanet_types::NodeKey;
use serde::Deserialize;

use super::extract::{Body, Query, Segment};
use crate::audits::Audits;
use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::ServiceResult;
use crate::keyring::{AccountKey, Identity, Keyring};

/// Epochs listed at most.
const MAX_LISTED: usize = 1_000;

/// Settles everything this node answered since the last time, in one transaction.
#[utoipa::path(post, operation_id = "settle", path = "/v1/epochs/settle", tag = "answers", responses((status = 200, body = SettledEpoch), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn settle(State(billing): State<Billing>) -> ServiceResult<Json<SettledEpoch>> {
    let settled = billing.settle_now().await?;
    Ok(Json(SettledEpoch {
        epoch: settled.epoch,
        root: settled.root,
        totals: settled.totals,
        statement: settled.statement,
        tx: settled.tx,
    }))
}

/// Which epochs to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// A node's key: its epochs, the latest first, whatever has become of them.
    #[param(value_type = Option<String>)]
    node: Option<NodeKey>,
}

/// The epochs of all nodes that can be challenged or are; or a node's, up to 1,000.
#[utoipa::path(get, operation_id = "list_epochs", path = "/v1/epochs", tag = "answers", params(Which), responses((status = 200, body = Epochs)))]
pub(super) async fn list(State(chain): State<Chain>, Query(which): Query<Which>) -> ServiceResult<Json<Epochs>> {
    let reader = chain.reader()?;
    let epochs = match which.node {
        None => {
            let audited = audits::open(&reader, MAX_LISTED)?;
            let audited = audited.iter().map(|audit| settlement::epoch(&reader, &audit.node, audit.epoch));
            let mut epochs = settlement::open(&reader, MAX_LISTED)?;
            epochs.extend(audited.collect::<Result<Vec<_>, _>>()?.into_iter().flatten());
            epochs
        }
        Some(node) => {
            let latest = settlement::get(&reader, &node)?.map_or(0, |settlement| settlement.latest.epoch);
            let after = latest.checked_sub(MAX_LISTED as u64);
            let mut epochs = settlement::epochs(&reader, &node, after, MAX_LISTED)?;
            epochs.reverse();
            epochs
        }
    };
    let view = |epoch: Epoch| -> ServiceResult<EpochView> {
        let audit = audits::get(&reader, &epoch.node, epoch.epoch)?;
        let params = chain.params_at(epoch.height)?;
        let keepers = settlement::keepers(&reader, &epoch.node, epoch.epoch)?;
        Ok(view(epoch, &keepers, audit, &params))
    };
    Ok(Json(Epochs { epochs: epochs.into_iter().map(view).collect::<ServiceResult<_>>()? }))
}

/// One epoch, with its audit.
#[utoipa::path(get, operation_id = "get_epoch", path = "/v1/epochs/{id}", tag = "answers", params(("id" = String, Path, description = "its node's key, a dash, and its number")), responses((status = 200, body = EpochView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(audits): State<Audits>,
    Segment(EpochId { node, epoch }): Segment<EpochId>,
) -> ServiceResult<Json<EpochView>> {
    let found = audits.epoch(&node, epoch)?;
    let reader = audits.chain.reader()?;
    let (audit, keepers) = (audits::get(&reader, &node, epoch)?, settlement::keepers(&reader, &node, epoch)?);
    let params = audits.chain.params_at(found.height)?;
    Ok(Json(view(found, &keepers, audit, &params)))
}

/// Makes an epoch again from its receipts, as an auditor does, and computes some of its answers again. Nothing is put on the
/// ledger.
#[utoipa::path(post, operation_id = "check_epoch", path = "/v1/epochs/{id}/check", tag = "answers", params(("id" = String, Path, description = "its node's key, a dash, and its number")), responses((status = 200, body = EpochCheck), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn check(
    State(audits): State<Audits>,
    Segment(EpochId { node, epoch }): Segment<EpochId>,
) -> ServiceResult<Json<EpochCheck>> {
    let checked = audits.check(&audits.epoch(&node, epoch)?, None).await?;
    Ok(Json(EpochCheck {
        finding: checked.finding.name().to_owned(),
        reason: checked.reason,
        receipts: checked.receipts,
        recomputed: checked.recomputed,
        suspects: checked.suspects,
    }))
}

/// Challenges an epoch: a drawn committee makes it again. The deposit pays the committee if the epoch is right, and comes back with half
/// of the fine if it is not.
#[utoipa::path(post, operation_id = "challenge_epoch", path = "/v1/epochs/{id}/challenge", tag = "answers", params(("id" = String, Path, description = "its node's key, a dash, and its number")), request_body = Doubt, responses((status = 200, body = Challenged), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn challenge(
    State(audits): State<Audits>,
    State(keyring): State<Keyring>,
    State(identity): State<Identity>,
    Segment(EpochId { node, epoch }): Segment<EpochId>,
    Body(doubt): Body<Doubt>,
) -> ServiceResult<Json<Challenged>> {
    let key = key_of(doubt.account.as_deref(), &keyring, &identity)?;
    let epoch = audits.epoch(&node, epoch)?;
    let deposit =
        audits::next_challenge(&epoch, &audits.chain.params_at(epoch.height)?).map_or(0, |(deposit, _)| deposit);
    Ok(Json(Challenged { deposit, tx: audits.challenge(&key, &epoch, doubt.suspects).await? }))
}

/// The key of the account that is named, or the node's own.
pub(super) fn key_of(name: Option<&str>, keyring: &Keyring, identity: &Identity) -> ServiceResult<AccountKey> {
    name.map_or_else(|| identity.account_key(), |name| keyring.get(name))
}

fn view(epoch: Epoch, keepers: &[StatementKeeper], audit: Option<Audit>, params: &Params) -> EpochView {
    let next = audits::next_challenge(&epoch, params).filter(|_| epoch.status() == Status::Open);
    let id = EpochId { node: epoch.node, epoch: epoch.epoch };
    EpochView {
        id: id.to_string(),
        node: epoch.node,
        epoch: epoch.epoch,
        status: status(epoch.status()).to_owned(),
        final_at: epoch.final_at,
        quorum: epoch.quorum,
        attestations: epoch.attestations,
        keepers: keepers.iter().map(|keeper| keeper.node).collect(),
        attest_by: epoch.attest_by,
        waits_for: waits_for(&epoch),
        unkept: epoch.unkept,
        carries: epoch.carries.map(|carried| carried.epoch),
        challenges: epoch.challenges,
        challenge: next.map(|(deposit, _)| deposit),
        height: epoch.height,
        totals: epoch.totals,
        accounts: epoch.accounts,
        root: epoch.root,
        receipts: epoch.receipts,
        statement: epoch.statement,
        audit: audit.map(audit_view),
    }
}

/// What has to come before an epoch is paid.
fn waits_for(epoch: &Epoch) -> Option<String> {
    let missing = epoch.quorum.saturating_sub(epoch.attestations);
    let nodes = if missing == 1 {
        "1 more storage node says that it keeps".to_owned()
    } else {
        format!("{missing} more storage nodes say that they keep")
    };
    match epoch.status() {
        Status::Open if missing > 0 => Some(format!("until {nodes} its statement")),
        Status::Open => Some("until nobody can challenge it any more".to_owned()),
        Status::Audited if missing > 0 => Some(format!("for what its auditors find, and until {nodes} its statement")),
        Status::Audited => Some("for what its auditors find".to_owned()),
        Status::Final | Status::Void => None,
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Open => "open",
        Status::Audited => "audited",
        Status::Final => "final",
        Status::Void => "void",
    }
}

fn audit_view(audit: Audit) -> AuditView {
    let member = |one: &Auditor| AuditorView {
        account: one.account,
        node: one.node,
        seats: one.seats,
        committed: one.commitment.is_some(),
        said: one.said().name().to_owned(),
        reward: one.reward,
    };
    AuditView {
        challenger: audit.challenger,
        deposit: audit.deposit,
        phase: audit.phase().name().to_owned(),
        round: audit.round,
        commit_deadline: audit.commit_deadline,
        reveal_deadline: audit.reveal_deadline,
        committee: audit.committee.iter().map(member).collect(),
    }
}
