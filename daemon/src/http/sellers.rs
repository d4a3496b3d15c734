//! What those who paid say of sellers.

use axum::Json;
use axum::extract::State;
use datanet_api::sellers::{NewRating, OpenRating, OpenRatings, SellerView, Sellers};
use datanet_api::transactions::Sent;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::agents;
use datanet_ledger::component::ratings::{self, Trader};
use datanet_types::action::RateSeller;
use datanet_types::{Action, Address};

use super::agents::MAX_FOR_STRANGERS;
use super::extract::{Body, Segment};
use super::validators::Sender;
use crate::caller;
use crate::chain::Chain;
use crate::error::ServiceResult;

/// Sellers, and epochs that can be rated, looked at at most.
const MAX_LISTED: usize = 1_000;

/// All who were paid for answers lately, those first of whom most counts.
#[utoipa::path(get, operation_id = "list_sellers", path = "/v1/sellers", tag = "agents", responses((status = 200, body = Sellers)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Sellers>> {
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let mut found = ratings::traders(&reader, None, MAX_LISTED, now)?;
    found.retain(|(_, trader)| trader.earned > 0 || trader.rated > 0);
    found.sort_by_key(|(account, trader)| (std::cmp::Reverse(trader.counted), *account));
    if caller::is_stranger() {
        found.truncate(MAX_FOR_STRANGERS);
    }
    let views: ServiceResult<Vec<_>> =
        found.into_iter().map(|(account, trader)| view(&reader, account, &trader)).collect();
    Ok(Json(Sellers { sellers: views? }))
}

/// What is said of one account, and by how much money: gross, and what of it counts.
#[utoipa::path(get, operation_id = "get_seller", path = "/v1/sellers/{seller}", tag = "agents", params(("seller" = String, Path, description = "the address of a serving node's account")), responses((status = 200, body = SellerView)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    Segment(account): Segment<Address>,
) -> ServiceResult<Json<SellerView>> {
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let trader = ratings::trader(&reader, &account, now)?;
    Ok(Json(view(&reader, account, &trader)?))
}

/// Epochs that an account has paid for and may still rate.
#[utoipa::path(get, operation_id = "list_open_ratings", path = "/v1/accounts/{address}/ratings", tag = "agents", params(("address" = String, Path)), responses((status = 200, body = OpenRatings)))]
pub(super) async fn open(
    State(chain): State<Chain>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<OpenRatings>> {
    let mut open = Vec::new();
    for (node, epoch, rights) in ratings::open_rights(&chain.reader()?, MAX_LISTED)? {
        let paid = rights.payers.iter().find(|payer| payer.account == address);
        open.extend(paid.map(|payer| OpenRating {
            node,
            epoch,
            seller: rights.seller,
            amount: payer.amount,
            until: rights.until,
        }));
    }
    Ok(Json(OpenRatings { open }))
}

/// Says how good what a serving node sold was: once for each of its epochs that the account paid for and that is final.
#[utoipa::path(post, operation_id = "rate_seller", path = "/v1/ratings", tag = "agents", request_body = NewRating, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn rate(State(sender): State<Sender>, Body(new): Body<NewRating>) -> ServiceResult<Json<Sent>> {
    let NewRating { account, node, epoch, score_bps } = new;
    sender.send(account.as_deref(), Action::RateSeller(RateSeller { node, epoch, score_bps })).await
}

fn view(reader: &LedgerReader, account: Address, trader: &Trader) -> ServiceResult<SellerView> {
    Ok(SellerView {
        account,
        agent: agents::of_account(reader, &account)?.map(|agent| agent.id),
        score_bps: trader.score_bps(),
        counted: trader.counted,
        rated: trader.rated,
        own: trader.own,
        circular: trader.circular,
        ratings: trader.ratings,
        earned: trader.earned,
        paid: trader.paid,
    })
}
