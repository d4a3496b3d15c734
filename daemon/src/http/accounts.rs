//! Accounts: what they own, what they earned and why.

use axum::Json;
use axum::extract::State;
use datanet_ledger::component::{accounts, nodes};
use datanet_types::{Address, Amount, NodeKey};

use super::extract::Segment;
use crate::billing::Billing;
use crate::billing::claim::Claims;
use crate::billing::earnings::Earnings;
use crate::chain::Chain;
use crate::error::ServiceResult;

/// An account.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct AccountView {
    #[schema(value_type = String)]
    address: Address,
    /// Base units.
    balance: Amount,
    /// Its name at genesis.
    name: Option<String>,
    /// Its node.
    #[schema(value_type = Option<String>)]
    node: Option<NodeKey>,
    /// Base units locked as its node's stake.
    stake: Amount,
    /// How well it judges, in basis points.
    reputation: Option<u32>,
}

/// All money there is.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Supply {
    /// Base units over all accounts, counted one by one.
    supply: Amount,
    /// Base units made at genesis: the same, or the ledger is wrong.
    minted: Amount,
    height: u64,
}

/// An account's balance, node and reputation. Accounts that nobody has heard of own nothing.
#[utoipa::path(get, path = "/v1/accounts/{address}", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = AccountView), (status = 400, body = super::Problem)))]
pub async fn show(State(chain): State<Chain>, Segment(address): Segment<Address>) -> ServiceResult<Json<AccountView>> {
    let reader = chain.reader()?;
    let node = nodes::of_account(&reader, &address)?;
    Ok(Json(AccountView {
        address,
        balance: accounts::balance(&reader, &address)?,
        name: accounts::name(&reader, &address)?,
        stake: node.as_ref().map_or(0, |node| node.stake),
        node: node.map(|node| node.node),
        reputation: nodes::reputation(&reader, &address)?.map(|reputation| reputation.bps),
    }))
}

/// What an account earned, and why: this contribution, these answers, this share.
#[utoipa::path(get, path = "/v1/accounts/{address}/earnings", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = Earnings)))]
pub async fn earnings(
    State(billing): State<Billing>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<Earnings>> {
    Ok(Json(billing.earnings(&address).await?))
}

/// Pays an account what every serving node owes it, with a proof for each. Who did not pay is named with the reason.
#[utoipa::path(post, path = "/v1/accounts/{address}/claim", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = Claims)))]
pub async fn claim(State(billing): State<Billing>, Segment(address): Segment<Address>) -> ServiceResult<Json<Claims>> {
    Ok(Json(billing.claim(&address).await?))
}

/// All money there is: conserved since genesis.
#[utoipa::path(get, path = "/v1/supply", tag = "accounts", responses((status = 200, body = Supply)))]
pub async fn supply(State(chain): State<Chain>) -> ServiceResult<Json<Supply>> {
    let reader = chain.reader()?;
    let counted = accounts::count_supply(&reader)?;
    Ok(Json(Supply {
        supply: Amount::try_from(counted).unwrap_or(Amount::MAX),
        minted: accounts::supply(&reader)?,
        height: chain.height(),
    }))
}
