//! What those who paid say of sellers.

use axum::Json;
use axum::extract::State;
use datanet_api::sellers::{NewRating, OpenRating, OpenRatings, SellerView, Sellers};
use datanet_api::transactions::Sent;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::agents;
use datanet_ledger::component::ratings::{self, Trader};
use datanet_ledger::state::StateError;
use datanet_types::action::RateSeller;
use datanet_types::{Action, Address};

use super::agents::MAX_FOR_STRANGERS;
use super::extract::{Body, Segment};
use super::validators::Sender;
use crate::caller;
use crate::chain::Chain;
use crate::error::ServiceResult;

/// Sellers that are listed, and epochs that can be rated, looked at at most.
const MAX_LISTED: usize = 1_000;
/// Pages of so many accounts that have traded, looked at at most: each is in it by payments that were settled.
const MAX_PAGES: usize = 20;

/// All who were paid for answers lately, those first of whom most counts.
#[utoipa::path(get, operation_id = "list_sellers", path = "/v1/sellers", tag = "agents", responses((status = 200, body = Sellers)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Sellers>> {
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let most = if caller::is_stranger() { MAX_FOR_STRANGERS } else { MAX_LISTED };
    let found = best(|after, limit| ratings::traders(&reader, after, limit, now), most)?;
    let views: ServiceResult<Vec<_>> =
        found.into_iter().map(|(account, trader)| view(&reader, account, &trader)).collect();
    Ok(Json(Sellers { sellers: views? }))
}

/// Those of all sellers of whom most counts. All are read: whoever makes many accounts must not push others off the list by their addresses.
fn best(
    page: impl Fn(Option<&Address>, usize) -> Result<Vec<(Address, Trader)>, StateError>,
    most: usize,
) -> ServiceResult<Vec<(Address, Trader)>> {
    let (mut best, mut after) = (Vec::new(), None);
    for _ in 0..MAX_PAGES {
        let found = page(after.as_ref(), MAX_LISTED)?;
        let is_last = found.len() < MAX_LISTED;
        after = found.last().map(|(account, _)| *account);
        best.extend(found.into_iter().filter(|(_, trader)| trader.earned > 0 || trader.rated > 0));
        best.sort_by_key(|(account, trader)| (std::cmp::Reverse(trader.counted), *account));
        best.truncate(most);
        if is_last {
            break;
        }
    }
    Ok(best)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_listed_however_many_others_come_before_them() {
        let address = |n: u16| {
            let mut bytes = [0; 20];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            Address(bytes)
        };
        // All have been paid something; most counts of the last.
        let traders: Vec<_> = (0..2_500u16)
            .map(|n| (address(n), Trader { earned: 1, counted: u64::from(n / 2_000), ..Trader::default() }))
            .collect();
        let page = |after: Option<&Address>, limit: usize| {
            let behind = traders.iter().filter(|(account, _)| after.is_none_or(|after| account > after));
            Ok(behind.take(limit).cloned().collect())
        };
        let listed =
            |most| -> Vec<Address> { best(page, most).unwrap().into_iter().map(|(account, _)| account).collect() };
        assert_eq!(listed(2), [address(2_000), address(2_001)]);
        assert_eq!(listed(501)[500], address(0));
    }
}
