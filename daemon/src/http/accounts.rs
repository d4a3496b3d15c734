//! Accounts: what they own, what they earned and why.

use axum::Json;
use axum::extract::State;
use datanet_api::accounts::{
    AccountView, Claimed, Claims, EarningRole, EarningView, Earnings, Missing, NettedView, NotClaimed, Supply,
};
use datanet_ledger::component::{accounts, nodes};
use datanet_types::{Address, Amount};

use super::extract::Segment;
use crate::billing::Billing;
use crate::billing::{claim as claiming, earnings};
use crate::chain::Chain;
use crate::error::ServiceResult;

/// An account's balance, node and reputation. Accounts that nobody has heard of own nothing.
#[utoipa::path(get, operation_id = "get_account", path = "/v1/accounts/{address}", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = AccountView), (status = 400, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<AccountView>> {
    let reader = chain.reader()?;
    let node = nodes::of_account(&reader, &address)?;
    Ok(Json(AccountView {
        address,
        balance: accounts::balance(&reader, address)?,
        name: accounts::name(&reader, &address)?,
        stake: node.as_ref().map_or(0, |node| node.stake),
        unbonding: nodes::unbonding(&reader, &address)?,
        node: node.map(|node| node.node),
        reputation: nodes::reputation(&reader, &address)?.map(|reputation| reputation.bps),
    }))
}

/// What an account earned, and why: this contribution, these answers, this share.
#[utoipa::path(get, operation_id = "get_earnings", path = "/v1/accounts/{address}/earnings", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = Earnings)))]
pub(super) async fn earnings(
    State(billing): State<Billing>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<Earnings>> {
    Ok(Json(billing.earnings(&address).await?.into()))
}

impl From<earnings::Earnings> for Earnings {
    fn from(sum: earnings::Earnings) -> Self {
        let earnings::Earnings { earned, claimed, claimable, pending, next_final, lines, missing } = sum;
        let missing =
            missing.into_iter().map(|earnings::Missing { node, epochs, reason }| Missing { node, epochs, reason });
        let lines = lines.into_iter().map(EarningView::from);
        Self { earned, claimed, claimable, pending, next_final, lines: lines.collect(), missing: missing.collect() }
    }
}

impl From<claiming::Claims> for Claims {
    fn from(claims: claiming::Claims) -> Self {
        let claiming::Claims { claims, total, failed } = claims;
        let claimed = |claiming::Claimed { node, epochs, amount, tx }| Claimed { node, epochs, amount, tx };
        let not_claimed = |claiming::NotClaimed { node, epochs, reason }| NotClaimed { node, epochs, reason };
        let (claims, failed) = (claims.into_iter().map(claimed), failed.into_iter().map(not_claimed));
        Self { claims: claims.collect(), total, failed: failed.collect() }
    }
}

impl From<earnings::EarningView> for EarningView {
    fn from(line: earnings::EarningView) -> Self {
        Self {
            node: line.node,
            epoch: line.epoch,
            role: line.role.into(),
            datanet: line.datanet,
            contribution: line.contribution,
            answers: line.answers,
            weight_ppm_sum: line.weights,
            netted: line.netted.map(NettedView::from),
            amount: line.amount,
            asset: line.asset.map(|asset| asset.to_string()),
            why: line.why,
        }
    }
}

impl From<earnings::Netted> for NettedView {
    fn from(netted: earnings::Netted) -> Self {
        let earnings::Netted { model, share, left } = netted;
        Self { model, share_ppm: share, worth_left: left }
    }
}

impl From<earnings::EarningRole> for EarningRole {
    fn from(role: earnings::EarningRole) -> Self {
        match role {
            earnings::EarningRole::Contributor => Self::Contributor,
            earnings::EarningRole::Owner => Self::Owner,
            earnings::EarningRole::Lineage => Self::Lineage,
            earnings::EarningRole::Validator => Self::Validator,
            earnings::EarningRole::Storage => Self::Storage,
            earnings::EarningRole::Treasury => Self::Treasury,
        }
    }
}

/// Pays an account what every serving node owes it, with a proof for each epoch. Who did not pay all is named with the reason.
#[utoipa::path(post, operation_id = "claim_earnings", path = "/v1/accounts/{address}/claim", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = Claims)))]
pub(super) async fn claim(
    State(billing): State<Billing>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<Claims>> {
    Ok(Json(billing.claim(&address).await?.into()))
}

/// All money there is: conserved since genesis.
#[utoipa::path(get, operation_id = "get_supply", path = "/v1/supply", tag = "accounts", responses((status = 200, body = Supply)))]
pub(super) async fn supply(State(chain): State<Chain>) -> ServiceResult<Json<Supply>> {
    let reader = chain.reader()?;
    let counted = accounts::count_supply(&reader)?;
    Ok(Json(Supply {
        supply: Amount::try_from(counted).unwrap_or(Amount::MAX),
        minted: accounts::supply(&reader)?,
        height: chain.height(),
    }))
}
