//! Shares issued twice, of what is another's, of what is not there; and a datanet closed over the heads of who owns its income.

use datanet_ledger::code;
use datanet_ledger::component::shares;
use datanet_types::action::{CloseDatanet, IssueShares};
use datanet_types::{Action, Asset, DatanetId, ModelId};

use super::market::{ATTACKER, HOLDER, Market, OWNER, SUPPLY};
use super::serving::verdict;

#[test]
fn only_an_assets_owner_issues_its_shares_and_once() {
    let mut market = Market::bare(&serde_json::json!({}));
    let before = market.money(ATTACKER);
    market.refused(ATTACKER, market.issue(SUPPLY), code::SHARES_FOREIGN);
    let unknown = [Asset::Datanet(DatanetId([1; 32])), Asset::Model(ModelId(*market.asset.id()))];
    for asset in unknown {
        let issue = Action::IssueShares(IssueShares { asset: Some(asset), supply: SUPPLY });
        market.refused(ATTACKER, issue, code::SHARES_UNKNOWN);
    }
    // Two at once: the first is it.
    let twice = vec![(OWNER, market.issue(SUPPLY)), (OWNER, market.issue(10 * SUPPLY))];
    let codes: Vec<_> = market.block(twice).into_iter().map(|outcome| outcome.code).collect();
    assert_eq!(codes, [code::OK, code::SHARES_ISSUED]);
    market.done(OWNER, market.give(HOLDER, SUPPLY));
    // The owner still decides, but neither issues again nor closes it.
    market.refused(OWNER, market.issue(SUPPLY), code::SHARES_ISSUED);
    let Asset::Datanet(datanet) = market.asset else { panic!("a datanet") };
    market.refused(OWNER, Action::CloseDatanet(CloseDatanet { datanet }), code::DATANET_IN_USE);
    market.refused(OWNER, market.give(ATTACKER, 1), code::SHARES_BALANCE);
    let reader = market.chain.ledger.reader();
    let held = shares::holdings(&reader, &market.asset, None, 9).unwrap();
    assert_eq!(held.iter().map(|(_, one)| one.units).sum::<u64>(), SUPPLY);
    verdict("another's shares", before, market.money(ATTACKER), 0);
}
