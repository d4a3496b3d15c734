//! The pools in which shares are traded.

use axum::Json;
use axum::extract::State;
use datanet_api::shares::{LessLiquidity, MoreLiquidity, NewPool, PoolView, Pools, Quote, QuoteParams, Trade};
use datanet_api::transactions::Sent;
use datanet_ledger::component::pools::{self, Pool, curve};
use datanet_types::action::{AddLiquidity, BuyShares, CreatePool, RemoveLiquidity, SellShares};
use datanet_types::amount::{BPS, mul_div};
use datanet_types::{Action, Asset};

use super::extract::{Body, Query, Segment};
use super::shares::named;
use super::validators::Sender;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// Pools listed at most.
const MAX_LISTED: usize = 1_000;
/// Seconds of block time within which an exchange must happen, if the caller doesn't say.
const SECONDS: u64 = 120;

/// All pools.
#[utoipa::path(get, operation_id = "list_pools", path = "/v1/pools", tag = "shares", responses((status = 200, body = Pools)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Pools>> {
    let fee = chain.params()?.pool_fee_bps;
    let all = pools::list(&chain.reader()?, None, MAX_LISTED)?.into_iter();
    Ok(Json(Pools { pools: all.map(|pool| view(pool, fee)).collect() }))
}

/// The pool of an asset's shares.
#[utoipa::path(get, operation_id = "get_pool", path = "/v1/pools/{asset}", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), responses((status = 200, body = PoolView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(State(chain): State<Chain>, Segment(asset): Segment<Asset>) -> ServiceResult<Json<PoolView>> {
    Ok(Json(view(pool_of(&chain, &asset)?, chain.params()?.pool_fee_bps)))
}

/// What a trade would bring now: `?buy=` base units, or `?sell=` shares.
#[utoipa::path(get, operation_id = "quote_pool", path = "/v1/pools/{asset}/quote", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID"), QuoteParams), responses((status = 200, body = Quote), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn quote(
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
    Query(params): Query<QuoteParams>,
) -> ServiceResult<Json<Quote>> {
    let (pool, fee_bps) = (pool_of(&chain, &asset)?, chain.params()?.pool_fee_bps);
    let (give, of, other) = match (params.buy, params.sell) {
        (Some(amount), None) => (amount, pool.amount, pool.shares),
        (None, Some(shares)) => (shares, pool.shares, pool.amount),
        _ => {
            let detail =
                "say either \"buy\", base units for which shares are bought, or \"sell\", shares that are sold";
            return Err(ServiceError::new(Code::BadQuery, detail));
        }
    };
    let Some(take) = curve::exchange(give, of, other, fee_bps) else {
        return Err(ServiceError::new(Code::BadQuery, "the pool cannot hold so much; take less"));
    };
    // At the present price, without a fee.
    let fair = mul_div(give, other, of).unwrap_or(u64::MAX);
    let counted = mul_div(give, BPS.saturating_sub(fee_bps.into()), BPS).unwrap_or(0);
    Ok(Json(Quote {
        asset: asset.to_string(),
        give,
        take,
        fee: give.saturating_sub(counted),
        worse_bps: mul_div(fair.saturating_sub(take), BPS, fair).unwrap_or(0),
    }))
}

/// Opens the pool of an asset's shares.
#[utoipa::path(post, operation_id = "create_pool", path = "/v1/pools/{asset}", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = NewPool, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn create(
    State(sender): State<Sender>,
    Segment(asset): Segment<Asset>,
    Body(NewPool { account, shares, amount }): Body<NewPool>,
) -> ServiceResult<Json<Sent>> {
    let action = CreatePool { asset: Some(asset), shares, amount };
    sender.send(account.as_deref(), Action::CreatePool(action)).await
}

/// Puts shares and money into a pool, in the proportion in which they are there.
#[utoipa::path(post, operation_id = "add_liquidity", path = "/v1/pools/{asset}/add", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = MoreLiquidity, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn add(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
    Body(new): Body<MoreLiquidity>,
) -> ServiceResult<Json<Sent>> {
    let MoreLiquidity { account, max_shares, max_amount, min_units, seconds } = new;
    let deadline = deadline(&chain, seconds);
    let action = AddLiquidity { asset: Some(asset), max_shares, max_amount, min_units, deadline };
    sender.send(account.as_deref(), Action::AddLiquidity(action)).await
}

/// Takes shares and money out of a pool, in the proportion in which they are there.
#[utoipa::path(post, operation_id = "remove_liquidity", path = "/v1/pools/{asset}/remove", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = LessLiquidity, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn remove(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
    Body(less): Body<LessLiquidity>,
) -> ServiceResult<Json<Sent>> {
    let LessLiquidity { account, units, min_shares, min_amount, seconds } = less;
    let deadline = deadline(&chain, seconds);
    let action = RemoveLiquidity { asset: Some(asset), units, min_shares, min_amount, deadline };
    sender.send(account.as_deref(), Action::RemoveLiquidity(action)).await
}

/// Buys shares from their pool.
#[utoipa::path(post, operation_id = "buy_shares", path = "/v1/pools/{asset}/buy", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = Trade, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn buy(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
    Body(Trade { account, give, least, seconds }): Body<Trade>,
) -> ServiceResult<Json<Sent>> {
    let deadline = deadline(&chain, seconds);
    let action = BuyShares { asset: Some(asset), amount: give, min_shares: least, deadline };
    sender.send(account.as_deref(), Action::BuyShares(action)).await
}

/// Sells shares to their pool.
#[utoipa::path(post, operation_id = "sell_shares", path = "/v1/pools/{asset}/sell", tag = "shares", params(("asset" = String, Path, description = "datanet:ID or model:ID")), request_body = Trade, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn sell(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Segment(asset): Segment<Asset>,
    Body(Trade { account, give, least, seconds }): Body<Trade>,
) -> ServiceResult<Json<Sent>> {
    let deadline = deadline(&chain, seconds);
    let action = SellShares { asset: Some(asset), shares: give, min_amount: least, deadline };
    sender.send(account.as_deref(), Action::SellShares(action)).await
}

fn deadline(chain: &Chain, seconds: Option<u64>) -> u64 {
    chain.block_seconds().saturating_add(seconds.unwrap_or(SECONDS))
}

fn pool_of(chain: &Chain, asset: &Asset) -> ServiceResult<Pool> {
    pools::get(&chain.reader()?, asset)?.ok_or_else(|| {
        let detail = format!("there is no pool of {asset}; GET /v1/pools names those that there are");
        ServiceError::new(Code::UnknownPool, detail)
    })
}

fn view(pool: Pool, fee_bps: u32) -> PoolView {
    PoolView {
        asset: named(pool.asset),
        shares: pool.shares,
        amount: pool.amount,
        units: pool.units,
        fee_bps,
        price: pool.amount.checked_div(pool.shares).unwrap_or(0),
        creator: pool.creator,
        created_height: pool.created_height,
    }
}
