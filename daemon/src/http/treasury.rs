//! The chain's parameters and treasury.

use axum::Json;
use axum::extract::State;
use datanet_api::transactions::Sent;
use datanet_api::treasury::{AnnouncedParams, NewParams, NewSpend, ParamsVersion, ParamsView, SpendView, TreasuryView};
use datanet_api::validators::InTheNameOf;
use datanet_ledger::component::params::versions;
use datanet_ledger::component::treasury::{self, Spend};
use datanet_ledger::component::{Params, accounts};
use datanet_types::action::{CancelParams, CancelSpend, ResetComponent, SetParams, SpendTreasury};
use datanet_types::{Action, Digest};
use serde_json::{Map, Value};
use sha2::Digest as _;

use super::extract::{Body, Segment};
use super::validators::Sender;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// The chain's parameters: what holds, and what is announced.
#[utoipa::path(get, operation_id = "get_params", path = "/v1/params", tag = "status", responses((status = 200, body = ParamsView)))]
pub(super) async fn params(State(chain): State<Chain>) -> ServiceResult<Json<ParamsView>> {
    let reader = chain.reader()?;
    let present = versions::present(&reader)?;
    let announced = match versions::scheduled(&reader)? {
        Some(next) => Some(AnnouncedParams { due: next.due, changes: changes(&present.params, &next.params)? }),
        None => None,
    };
    let version = |version: versions::Version| ParamsVersion { version: version.number, from: version.from };
    Ok(Json(ParamsView {
        version: present.number,
        from: present.from,
        params: as_map(&present.params)?,
        announced,
        versions: versions::all(&reader)?.into_iter().map(version).collect(),
        authority: treasury::authority(&reader)?,
    }))
}

/// As the chain's authority, announces other parameters: they hold after the chain's delay.
#[utoipa::path(post, operation_id = "set_params", path = "/v1/params", tag = "status", request_body = NewParams, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn set(State(sender): State<Sender>, Body(new): Body<NewParams>) -> ServiceResult<Json<Sent>> {
    let changes = Value::Object(new.changes).to_string();
    sender.send(new.account.as_deref(), Action::SetParams(SetParams { changes })).await
}

/// As the chain's authority, takes announced parameters back.
#[utoipa::path(post, operation_id = "cancel_params", path = "/v1/params/cancel", tag = "status", request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn cancel_params(
    State(sender): State<Sender>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::CancelParams(CancelParams {})).await
}

/// As the chain's authority, lets a component of the ledger run again that stands still since the ledger contradicted itself there.
#[utoipa::path(post, operation_id = "reset_component", path = "/v1/components/{name}/reset", tag = "status", params(("name" = String, Path)), request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn reset(
    State(sender): State<Sender>,
    Segment(component): Segment<String>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::ResetComponent(ResetComponent { component })).await
}

/// The treasury, and the payments out of it that are announced.
#[utoipa::path(get, operation_id = "get_treasury", path = "/v1/treasury", tag = "status", responses((status = 200, body = TreasuryView)))]
pub(super) async fn show(State(chain): State<Chain>) -> ServiceResult<Json<TreasuryView>> {
    let (reader, params) = (chain.reader()?, chain.params()?);
    let now = u64::try_from(reader.commit_info().time_seconds).unwrap_or(0);
    let budget = treasury::budget(&reader, now, &params)?;
    Ok(Json(TreasuryView {
        balance: accounts::balance(&reader, accounts::treasury())?,
        authority: treasury::authority(&reader)?,
        period_most: budget.most,
        period_spent: budget.spent,
        period_ends: budget.since.saturating_add(params.treasury_period_seconds),
        announced: treasury::spends(&reader)?.into_iter().map(view).collect(),
    }))
}

/// As the chain's authority, announces a payment out of the treasury: it is made after the chain's delay.
#[utoipa::path(post, operation_id = "spend_treasury", path = "/v1/treasury/spends", tag = "status", request_body = NewSpend, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn spend(State(sender): State<Sender>, Body(new): Body<NewSpend>) -> ServiceResult<Json<Sent>> {
    let NewSpend { account, to, amount, reason } = new;
    if reason.trim().is_empty() {
        let detail = "the reason is empty; say what the payment is for";
        return Err(ServiceError::new(Code::BadField, detail).about("reason"));
    }
    let reason = Digest(sha2::Sha256::digest(reason.as_bytes()).into());
    sender.send(account.as_deref(), Action::SpendTreasury(SpendTreasury { to, amount, reason })).await
}

/// As the chain's authority, takes an announced payment back.
#[utoipa::path(post, operation_id = "cancel_spend", path = "/v1/treasury/spends/{number}/cancel", tag = "status", params(("number" = u64, Path)), request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn cancel(
    State(sender): State<Sender>,
    Segment(spend): Segment<u64>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::CancelSpend(CancelSpend { spend })).await
}

fn view(spend: Spend) -> SpendView {
    let Spend { number, to, amount, reason, height, due, .. } = spend;
    SpendView { number, to, amount, reason, height, due }
}

fn as_map(params: &Params) -> ServiceResult<Map<String, Value>> {
    match serde_json::to_value(params).map_err(|error| ServiceError::caused(Code::Genesis, error))? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

/// What of `next` differs from `present`.
fn changes(present: &Params, next: &Params) -> ServiceResult<Map<String, Value>> {
    let present = as_map(present)?;
    Ok(as_map(next)?.into_iter().filter(|(name, value)| present.get(name) != Some(value)).collect())
}
