//! Shares in what datanets and models earn.

use axum::Json;
use axum::extract::State;
use datanet_api::accounts::Claims;
use datanet_api::shares::{
    AllShares, HeldShares, HeldView, HolderView, NewIncome, NewShares, SharesSummary, SharesTransfer, SharesView,
};
use datanet_api::transactions::Sent;
use datanet_api::validators::InTheNameOf;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::pools;
use datanet_ledger::component::shares::{self, Shares};
use datanet_types::action::{IssueShares, PayIncome, TransferShares, WithdrawIncome};
use datanet_types::{Account, Action, Address, Asset};

use super::extract::{Body, Segment};
use super::validators::Sender;
use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// Assets, and holders of one, listed at most.
const MAX_LISTED: usize = 1_000;

/// All datanets and models that have issued shares.
#[utoipa::path(get, operation_id = "list_shares", path = "/v1/shares", tag = "shares", responses((status = 200, body = AllShares)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<AllShares>> {
    let all = shares::list(&chain.reader()?, None, MAX_LISTED)?.into_iter();
    let summary = |one: Shares| SharesSummary {
        asset: named(one.asset),
        supply: one.supply,
        issuer: one.issuer,
        income: one.income,
    };
    Ok(Json(AllShares { shares: all.map(summary).collect() }))
}

/// The shares of one, and who holds them.
#[utoipa::path(get, operation_id = "get_shares", path = "/v1/shares/{asset}", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), responses((status = 200, body = SharesView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
) -> ServiceResult<Json<SharesView>> {
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let Some(shares) = shares::get(&reader, &asset)? else { return Err(unknown(&asset)) };
    let mut holders = Vec::new();
    for (account, held) in shares::holdings(&reader, &asset, None, MAX_LISTED)? {
        let owed = shares::holding_at(&reader, &asset, account, now)?.owed;
        holders.push(HolderView { account, shares: held.units, owed });
    }
    holders.sort_by_key(|holder| (std::cmp::Reverse(holder.shares), holder.account));
    Ok(Json(SharesView {
        asset: asset.to_string(),
        supply: shares.supply,
        issuer: shares.issuer,
        issued_height: shares.issued_height,
        income: shares.income,
        undivided: shares.undivided(now),
        divided_until: shares.stream.until,
        holders,
    }))
}

/// What an account holds of all.
#[utoipa::path(get, operation_id = "list_held_shares", path = "/v1/accounts/{address}/shares", tag = "shares", params(("address" = String, Path)), responses((status = 200, body = HeldShares)))]
pub(super) async fn held(
    State(chain): State<Chain>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<HeldShares>> {
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let mut assets = shares::of_holder(&reader, &Account::from(address), None, MAX_LISTED)?;
    // Whoever put all shares into a pool holds units alone.
    for pool in pools::list(&reader, None, MAX_LISTED)? {
        let Some(asset) = pool.asset else { continue };
        if pools::position(&reader, &asset, &address)?.deposit > 0 && !assets.contains(&asset) {
            assets.push(asset);
        }
    }
    let views: ServiceResult<Vec<_>> = assets.iter().map(|asset| view(&reader, asset, &address, now)).collect();
    Ok(Json(HeldShares { held: views? }))
}

fn view(reader: &LedgerReader, asset: &Asset, address: &Address, now: u64) -> ServiceResult<HeldView> {
    let held = shares::holding_at(reader, asset, address, now)?;
    let provided = pools::position_at(reader, asset, address, now)?;
    Ok(HeldView {
        asset: asset.to_string(),
        shares: held.units,
        supply: shares::get(reader, asset)?.map_or(0, |shares| shares.supply),
        units: provided.units,
        owed: held.owed.saturating_add(provided.owed),
    })
}

/// Divides what a datanet or a model earns into shares, once and for good; all of them are its owner's first. What the owner decides about it
/// stays the owner's to decide.
#[utoipa::path(post, operation_id = "issue_shares", path = "/v1/shares/{asset}", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = NewShares, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn issue(
    State(sender): State<Sender>,
    Segment(asset): Segment<Asset>,
    Body(NewShares { account, supply }): Body<NewShares>,
) -> ServiceResult<Json<Sent>> {
    let action = IssueShares { asset: Some(asset), supply };
    sender.send(account.as_deref(), Action::IssueShares(action)).await
}

/// Gives shares to another account. What they have earned until then stays the giver's.
#[utoipa::path(post, operation_id = "transfer_shares", path = "/v1/shares/{asset}/transfer", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = SharesTransfer, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn transfer(
    State(sender): State<Sender>,
    Segment(asset): Segment<Asset>,
    Body(SharesTransfer { account, to, shares }): Body<SharesTransfer>,
) -> ServiceResult<Json<Sent>> {
    let action = TransferShares { asset: Some(asset), to, shares };
    sender.send(account.as_deref(), Action::TransferShares(action)).await
}

/// Pays out what an account's shares of an asset, and its part of their pool, have earned.
#[utoipa::path(post, operation_id = "withdraw_income", path = "/v1/shares/{asset}/withdraw", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn withdraw(
    State(sender): State<Sender>,
    Segment(asset): Segment<Asset>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    let action = WithdrawIncome { asset: Some(asset) };
    sender.send(account.as_deref(), Action::WithdrawIncome(action)).await
}

/// Pays the holders of an asset's shares.
#[utoipa::path(post, operation_id = "pay_income", path = "/v1/shares/{asset}/income", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = NewIncome, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn pay(
    State(sender): State<Sender>,
    Segment(asset): Segment<Asset>,
    Body(NewIncome { account, amount }): Body<NewIncome>,
) -> ServiceResult<Json<Sent>> {
    let action = PayIncome { asset: Some(asset), amount };
    sender.send(account.as_deref(), Action::PayIncome(action)).await
}

/// Has every serving node pay what it owes a datanet or a model: to its owner, or to the holders of its shares. Whoever asks for it pays the fees.
#[utoipa::path(post, operation_id = "claim_income", path = "/v1/shares/{asset}/claim", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = InTheNameOf, responses((status = 200, body = Claims)))]
pub(super) async fn claim(
    State(sender): State<Sender>,
    State(billing): State<Billing>,
    Segment(asset): Segment<Asset>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Claims>> {
    Ok(Json(billing.claim_for(&asset, &sender.key(account.as_deref())?).await?.into()))
}

/// An asset in text.
pub(super) fn named(asset: Option<Asset>) -> String {
    asset.map(|asset| asset.to_string()).unwrap_or_default()
}

fn unknown(asset: &Asset) -> ServiceError {
    let detail = format!("{asset} has issued no shares; GET /v1/shares names those that have");
    ServiceError::new(Code::UnknownShares, detail)
}
