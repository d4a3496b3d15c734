//! A leaf of an asset's income claimed for somebody else: by the attacker's own account, by another asset of his, twice, and by its owner
//! after the shares are sold. And shares issued in the time in which an epoch can be challenged, so that an honest node looks false.

use datanet_ledger::code;
use datanet_ledger::component::settlement::Status;
use datanet_ledger::component::shares;
use datanet_types::action::{
    Claim, ClaimIncome, ClaimItem, IssueShares, RegisterModel, TransferShares, WithdrawIncome,
};
use datanet_types::epoch::EpochLeaf;
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::{Action, Amount, Asset, Digest};

use super::serving::{FEES, PAYER, STRANGER, Serving, VICTIMS, claimable, node, verdict};
use crate::support::{CHAIN, FEE, address};

/// Owns the model whose shares a victim has bought.
const SELLER: u8 = VICTIMS[0];
const BUYER: u8 = VICTIMS[1];

fn model(manifest: u8) -> RegisterModel {
    let (manifest, name, licence) = (Digest([manifest; 32]), "m".to_owned(), "MIT".to_owned());
    RegisterModel { manifest, name, licence, ..RegisterModel::default() }
}

fn asset(who: u8, manifest: u8) -> Asset {
    Asset::Model(model(manifest).id(&address(who)))
}

/// The leaf under which all of an epoch's earnings are the asset's.
fn leaf(asset: &Asset, epoch: u64, amount: Amount) -> SumNode {
    EpochLeaf { account: asset.income_account().into(), amount }.node(CHAIN, &node(), epoch)
}

fn item(asset: &Asset, epoch: u64, amount: Amount) -> ClaimItem {
    let proof = prove(&[leaf(asset, epoch, amount)], 0).unwrap().unwrap();
    ClaimItem { node: node(), epoch, amount, proof }
}

fn earn(serving: &mut Serving, asset: &Asset, epoch: u64) -> ClaimItem {
    let amount = claimable(FEES);
    let root = root(&[leaf(asset, epoch, amount)]).unwrap();
    assert_eq!(serving.settle_as(PAYER, FEES, root.digest, 1, 0), epoch);
    item(asset, epoch, amount)
}

#[test]
fn an_assets_income_goes_to_whom_it_belongs_whoever_claims_it() {
    let mut serving = Serving::new();
    let (sold, own) = (asset(SELLER, 1), asset(STRANGER, 2));
    serving.done(SELLER, Action::RegisterModel(model(1)));
    serving.done(STRANGER, Action::RegisterModel(model(2)));
    let (first, second) = (earn(&mut serving, &sold, 1), earn(&mut serving, &sold, 2));
    let before = i128::from(serving.chain.balance(STRANGER));
    let income = |asset: &Asset, item: &ClaimItem| {
        Action::ClaimIncome(ClaimIncome { asset: Some(*asset), items: vec![item.clone()] })
    };
    let claim = Claim { account: address(STRANGER), items: vec![first.clone()] };
    serving.refused(STRANGER, claim, code::CLAIM_PROOF);
    assert_eq!(serving.send(STRANGER, income(&own, &first)).code, code::CLAIM_PROOF, "under another asset's name");

    // A stranger may pay for it, and the owner has it.
    let owner = serving.chain.balance(SELLER);
    serving.done(STRANGER, income(&sold, &first));
    assert_eq!(serving.chain.balance(SELLER), owner + claimable(FEES));
    assert_eq!(serving.send(STRANGER, income(&sold, &first)).code, code::CLAIM_NOTHING);
    // The owner sells all shares and claims then what was earned before: it is the buyer's.
    serving.done(SELLER, Action::IssueShares(IssueShares { asset: Some(sold), supply: 1_000 }));
    let all = TransferShares { asset: Some(sold), to: address(BUYER), shares: 1_000 };
    serving.done(SELLER, Action::TransferShares(all));
    let owner = serving.chain.balance(SELLER);
    serving.done(SELLER, income(&sold, &second));
    assert_eq!(serving.chain.balance(SELLER), owner - FEE, "a fee for others' income");
    serving.chain.pass(86_400);
    let withdraw = || Action::WithdrawIncome(WithdrawIncome { asset: Some(sold) });
    assert_eq!(serving.send(SELLER, withdraw()).code, code::INCOME_NOTHING);
    let buyer = serving.chain.balance(BUYER);
    serving.done(BUYER, withdraw());
    assert_eq!(serving.chain.balance(BUYER), buyer + claimable(FEES) - FEE);
    verdict("claims in an asset's name", before, i128::from(serving.chain.balance(STRANGER)), 0);
}

#[test]
fn shares_issued_while_an_epoch_can_be_challenged_change_no_leaf_of_it() {
    let mut serving = Serving::audited(60);
    let sold = asset(SELLER, 1);
    serving.done(SELLER, Action::RegisterModel(model(1)));
    let item = earn(&mut serving, &sold, 1);
    // In the old way the leaf would name the owner, and be wrong from here on.
    serving.done(SELLER, Action::IssueShares(IssueShares { asset: Some(sold), supply: 1_000 }));
    serving.chain.pass(61);
    assert_eq!(serving.status(1), Status::Final);
    serving.done(STRANGER, Action::ClaimIncome(ClaimIncome { asset: Some(sold), items: vec![item] }));
    let shares = shares::get(&serving.chain.ledger.reader(), &sold).unwrap().unwrap();
    assert_eq!(shares.income, claimable(FEES));
}
