//! From an owner's income to that of many holders, and the pool in which they trade.

use datanet_types::action::{
    AddLiquidity, BuyShares, ClaimIncome, CreatePool, IssueShares, PayIncome, RegisterModel, RemoveLiquidity,
    SellShares, TransferShares, WithdrawIncome, role,
};
use datanet_types::amount::DNT;
use datanet_types::epoch::EpochLeaf;
use datanet_types::{Account, Asset, Digest};
use proptest::prelude::*;

use super::Chain;
use super::harness::{BALANCE, IntoAction, address, register};
use super::life_of_a_channel::{item, open, settle, voucher};
use crate::code;
use crate::component::pools::{self, LOCKED_UNITS};
use crate::component::shares::{self, Holding};
use crate::component::{ActionError, Params};

/// Owns the asset.
const OWNER: u8 = 5;
/// Asks and pays.
const PAYER: u8 = 6;
const FEE: u64 = 1_000;
/// Shares of the asset.
const SUPPLY: u64 = 1_000_000;

fn model() -> RegisterModel {
    let (manifest, name, licence) = (Digest([7; 32]), "tuned".to_owned(), "MIT".to_owned());
    RegisterModel { manifest, name, licence, ..RegisterModel::default() }
}

pub(crate) fn asset() -> Asset {
    Asset::Model(model().id(&address(OWNER)))
}

fn some() -> Option<Asset> {
    Some(asset())
}

/// A chain with a model of person 5's, on which income is divided over so many seconds.
fn world(income_seconds: u64) -> Chain {
    let defaults = Params { challenge_seconds: 0, verdict_challenge_seconds: 0, ..Params::default() };
    let mut chain = Chain::with(Params { income_seconds, ..defaults });
    chain.act(0, register(0, role::SERVING, 0));
    chain.act(OWNER, model());
    chain
}

/// The same, with shares, all of them the owner's.
fn issued(income_seconds: u64) -> Chain {
    let mut chain = world(income_seconds);
    chain.act(OWNER, IssueShares { asset: some(), supply: SUPPLY });
    chain
}

fn leaf(amount: u64) -> Vec<EpochLeaf> {
    vec![EpochLeaf { account: asset().income_account().into(), amount }]
}

/// Node 0 settles an epoch in which the asset earned so much; what claims it.
fn earn(chain: &mut Chain, epoch: u64, amount: u64) -> ClaimIncome {
    let channel = open(chain, PAYER);
    let leaves = leaf(amount);
    chain.act(0, settle(epoch, 1_000_000, &leaves, vec![voucher(PAYER, channel, 1_000_000)]));
    chain.next();
    ClaimIncome { asset: some(), items: vec![item(epoch, &leaves, 0)] }
}

fn owed(chain: &Chain, n: u8) -> u64 {
    shares::holding_at(&chain.state, &asset(), address(n), chain.now()).unwrap().owed
}

fn held(chain: &Chain, n: u8) -> u64 {
    shares::holding(&chain.state, &asset(), address(n)).unwrap().units
}

fn transfer(to: u8, count: u64) -> TransferShares {
    TransferShares { asset: some(), to: address(to), shares: count }
}

fn withdraw() -> WithdrawIncome {
    WithdrawIncome { asset: some() }
}

fn buy(chain: &Chain, amount: u64) -> BuyShares {
    BuyShares { asset: some(), amount, min_shares: 0, deadline: chain.now() + 60 }
}

fn sell(chain: &Chain, shares: u64) -> SellShares {
    SellShares { asset: some(), shares, min_amount: 0, deadline: chain.now() + 60 }
}

/// What a record of holdings says was earned, in parts of 2^-64 base units.
fn earned(mut one: Holding, accumulator: &shares::Accumulator) -> u128 {
    one.count(accumulator);
    (u128::from(one.owed) << 64) + u128::from(one.rest())
}

/// Shares are as many as were issued; each account holds what the records say, to the last part; and so does the pool.
pub(crate) fn check(chain: &Chain) {
    let (state, asset) = (&chain.state, asset());
    let Some(record) = shares::get(state, &asset).unwrap() else { return };
    let holdings = shares::holdings(state, &asset, None, 999).unwrap();
    assert_eq!(holdings.iter().map(|(_, held)| held.units).sum::<u64>(), record.supply);
    let divided: u128 = holdings.iter().map(|(_, held)| earned(*held, &record.accumulator)).sum();
    let undivided = (u128::from(record.stream.left) << 64) + record.accumulator.undivided();
    assert_eq!(u128::from(chain.balance(asset.income_account())) << 64, divided + undivided, "income in, out and held");
    for (holder, _) in &holdings {
        assert_eq!(shares::of_holder(state, holder, None, 9).unwrap(), [asset]);
    }
    let positions = pools::positions(state, &asset, None, 999).unwrap();
    let deposits = holdings.iter().map(|(_, held)| held.deposit).chain(positions.iter().map(|(_, held)| held.deposit));
    assert_eq!(chain.balance(shares::deposit_account(&asset)), deposits.sum::<u64>());
    let Some(pool) = pools::get(state, &asset).unwrap() else { return };
    assert_eq!(shares::holding(state, &asset, pools::account(&asset)).unwrap().units, pool.shares);
    assert_eq!(chain.balance(pools::account(&asset)), pool.amount);
    assert_eq!(positions.iter().map(|(_, held)| held.units).sum::<u64>(), pool.owned());
    let divided: u128 = positions.iter().map(|(_, held)| earned(*held, &pool.accumulator)).sum();
    let income = u128::from(chain.balance(pools::income_account(&asset))) << 64;
    assert_eq!(income, divided + pool.accumulator.undivided(), "the pool's income");
}

#[test]
fn an_asset_earns_for_its_owner_until_it_has_shares_and_for_their_holders_from_then_on() {
    let mut chain = world(0);
    let (first, second) = (earn(&mut chain, 1, 400_000), earn(&mut chain, 2, 300_000));
    let before = chain.balance(address(OWNER));
    // Anyone may send it; the owner is paid.
    let events = chain.act(15, first.clone());
    assert_eq!(events[0].get("account"), Some(address(OWNER).to_string().as_str()));
    assert_eq!(chain.balance(address(OWNER)), before + 400_000);
    chain.refused(15, first, code::CLAIM_NOTHING, "nothing more");

    let treasury = chain.treasury();
    let events = chain.act(OWNER, IssueShares { asset: some(), supply: SUPPLY });
    assert!(chain.treasury() > treasury + FEE, "the record is paid for");
    assert_eq!(events[0].get("deposit").unwrap(), shares::deposit_of(&Params::default()).to_string());
    chain.act(OWNER, transfer(7, 250_000));
    // What was earned before, and is claimed now, is the holders'.
    chain.act(15, second);
    // What does not divide among the shares is carried on.
    assert_eq!((owed(&chain, OWNER), owed(&chain, 7)), (224_999, 74_999));
    let before = chain.balance(address(7));
    chain.act(7, withdraw());
    assert_eq!(chain.balance(address(7)), before + 74_999 - FEE);
    chain.refused(7, withdraw(), code::INCOME_NOTHING, "earned nothing");
    check(&chain);
    chain.next();
}

#[test]
fn shares_are_issued_once_and_by_the_owner_alone() {
    let mut chain = world(0);
    let issue = |supply| IssueShares { asset: some(), supply };
    chain.refused_before_it_pays(OWNER, issue(99), code::SHARES_INVALID, "from 100 to");
    chain.refused_before_it_pays(OWNER, issue(shares::MAX_SUPPLY + 1), code::SHARES_INVALID, "from 100 to");
    let nothing = IssueShares { asset: None, supply: 100 };
    chain.refused_before_it_pays(OWNER, nothing, code::SHARES_INVALID, "names no asset");
    chain.refused(7, issue(100), code::SHARES_FOREIGN, "only that account");
    let unknown = Asset::Model(datanet_types::ModelId([9; 32]));
    chain.refused(7, IssueShares { asset: Some(unknown), supply: 100 }, code::SHARES_UNKNOWN, "there is no model:");
    chain.refused(OWNER, transfer(7, 1), code::SHARES_UNKNOWN, "has issued no shares");
    chain.act(OWNER, issue(SUPPLY));
    chain.refused(OWNER, issue(SUPPLY), code::SHARES_ISSUED, "that is done once");
    // A datanet earns too, and stays when it has shares.
    let datanet = chain.datanet();
    chain.act(10, IssueShares { asset: Some(Asset::Datanet(datanet)), supply: 100 });
    let close = datanet_types::action::CloseDatanet { datanet };
    chain.refused(10, close, code::DATANET_IN_USE, "has issued shares");
    assert_eq!(shares::list(&chain.state, None, 9).unwrap().len(), 2);
}

#[test]
fn income_is_divided_over_time_and_what_shares_earned_stays_with_who_held_them() {
    let mut chain = issued(100);
    let income = PayIncome { asset: some(), amount: 1_000_000 };
    chain.act(8, income);
    assert_eq!(owed(&chain, OWNER), 0, "nothing at the moment at which it comes");
    chain.skip_until(chain.now() + 25);
    assert_eq!(owed(&chain, OWNER), 250_000);
    chain.act(OWNER, transfer(7, SUPPLY));
    assert_eq!((held(&chain, OWNER), owed(&chain, OWNER), owed(&chain, 7)), (0, 250_000, 0));
    chain.skip_until(chain.now() + 50);
    assert_eq!((owed(&chain, OWNER), owed(&chain, 7)), (250_000, 500_000));
    // Who holds nothing any more and is paid has the deposit for the record back.
    let (before, deposit) = (chain.balance(address(OWNER)), shares::deposit_of(&Params::default()));
    chain.act(OWNER, withdraw());
    assert_eq!(chain.balance(address(OWNER)), before + 250_000 + deposit - FEE);
    assert_eq!(shares::holding(&chain.state, &asset(), address(OWNER)).unwrap(), Holding::default());
    assert!(shares::of_holder(&chain.state, &Account::from(address(OWNER)), None, 9).unwrap().is_empty());
    chain.skip_until(chain.now() + 1_000);
    assert_eq!(owed(&chain, 7), 750_000);
    check(&chain);
}

#[test]
fn nobody_gives_what_he_does_not_hold_or_to_himself() {
    let mut chain = issued(0);
    chain.refused(7, transfer(8, 1), code::SHARES_BALANCE, "has 0 shares");
    chain.refused(OWNER, transfer(7, SUPPLY + 1), code::SHARES_BALANCE, "and this takes 1000001");
    chain.refused_before_it_pays(OWNER, transfer(OWNER, 1), code::SHARES_INVALID, "another account");
    chain.refused_before_it_pays(OWNER, transfer(7, 0), code::SHARES_INVALID, "at least 1");
    chain.refused_before_it_pays(7, PayIncome { asset: some(), amount: 0 }, code::SHARES_INVALID, "at least 1");
    check(&chain);
}

fn create(shares: u64, amount: u64) -> CreatePool {
    CreatePool { asset: some(), shares, amount }
}

fn add(chain: &Chain, max_shares: u64, max_amount: u64, min_units: u64) -> AddLiquidity {
    AddLiquidity { asset: some(), max_shares, max_amount, min_units, deadline: chain.now() + 60 }
}

fn remove(chain: &Chain, units: u64) -> RemoveLiquidity {
    RemoveLiquidity { asset: some(), units, min_shares: 0, min_amount: 0, deadline: chain.now() + 60 }
}

#[test]
fn shares_are_traded_within_the_limits_that_the_trader_names() {
    let mut chain = issued(0);
    chain.refused(7, buy(&chain, 1), code::POOL_UNKNOWN, "there is no pool");
    chain.refused_before_it_pays(OWNER, create(1, 1), code::POOL_INVALID, "put in more");
    chain.act(OWNER, create(100_000, 100 * DNT));
    chain.refused(OWNER, create(100_000, 100 * DNT), code::POOL_TAKEN, "add liquidity");
    let pool = pools::get(&chain.state, &asset()).unwrap().unwrap();
    assert_eq!((pool.units, pool.owned()), (3_162_277, 3_162_277 - LOCKED_UNITS));

    // 100,000 x 997 / 10,997,000 at a price of a thousand base units a share.
    let quoted = 9_066;
    let wanted = BuyShares { min_shares: quoted + 1, ..buy(&chain, 10 * DNT) };
    chain.refused(7, wanted, code::POOL_LIMIT, "it would give 9066 shares, and you want 9067 shares");
    let late = BuyShares { deadline: chain.now() - 1, ..buy(&chain, 10 * DNT) };
    chain.refused(7, late, code::POOL_DEADLINE, "ask for the price again");
    chain.act(7, BuyShares { min_shares: quoted, ..buy(&chain, 10 * DNT) });
    assert_eq!(held(&chain, 7), quoted);
    // In the same block nobody sells at a better price than it began with.
    let bought = pools::get(&chain.state, &asset()).unwrap().unwrap();
    let greedy = SellShares { min_amount: 9 * DNT, ..sell(&chain, quoted) };
    chain.refused(7, greedy, code::POOL_LIMIT, "it would give 8.28");
    assert_eq!(pools::get(&chain.state, &asset()).unwrap().unwrap(), bought);
    chain.next();
    let before = chain.balance(address(7));
    let greedy = SellShares { min_amount: 10 * DNT, ..sell(&chain, quoted) };
    chain.refused(7, greedy, code::POOL_LIMIT, "10 DNT at least");
    chain.act(7, sell(&chain, quoted));
    let back = chain.balance(address(7)) + 2 * FEE - before - shares::deposit_of(&Params::default());
    assert!((9_930_000..9_970_000).contains(&back), "there and back costs the fee twice: {back}");
    chain.refused(7, sell(&chain, 100), code::SHARES_BALANCE, "has 0 shares");
    check(&chain);
}

#[test]
fn what_shares_in_a_pool_earn_is_their_providers() {
    let mut chain = issued(0);
    chain.act(OWNER, create(500_000, 50 * DNT));
    chain.act(OWNER, transfer(7, 250_000));
    let pool = pools::get(&chain.state, &asset()).unwrap().unwrap();
    chain.refused(7, add(&chain, 250_000, 25 * DNT, pool.units), code::POOL_LIMIT, "units at least");
    chain.act(7, add(&chain, 250_000, 25 * DNT, pool.units / 2));
    chain.act(8, PayIncome { asset: some(), amount: 1_000_000 });
    chain.next();
    // Three quarters of the shares are in the pool, two thirds of it the owner's.
    let (before, reserves) = (chain.balance(address(OWNER)), chain.balance(pools::account(&asset())));
    let events = chain.act(OWNER, withdraw());
    let amount = |name| events[0].get(name).unwrap().parse::<u64>().unwrap();
    assert!((749_900..=750_000).contains(&amount("amount")), "{}", amount("amount"));
    assert!((499_900..=500_000).contains(&amount("of_liquidity")), "two thirds but for what is nobody's");
    assert_eq!(chain.balance(address(OWNER)), before + amount("amount") - FEE);
    assert_eq!(chain.balance(pools::account(&asset())), reserves, "and the price is where it was");
    check(&chain);
    let units = pools::position(&chain.state, &asset(), &address(7)).unwrap().units;
    chain.refused(7, remove(&chain, units + 1), code::POOL_POSITION, "units of the pool");
    let most = RemoveLiquidity { min_amount: 26 * DNT, ..remove(&chain, units) };
    chain.refused(7, most, code::POOL_LIMIT, "26 DNT at least");
    chain.act(7, remove(&chain, units));
    assert!((249_990..=250_000).contains(&held(&chain, 7)), "{}", held(&chain, 7));
    chain.act(7, withdraw());
    assert_eq!(pools::position(&chain.state, &asset(), &address(7)).unwrap(), Holding::default());
    let units = pools::position(&chain.state, &asset(), &address(OWNER)).unwrap().units;
    chain.act(OWNER, remove(&chain, units));
    let pool = pools::get(&chain.state, &asset()).unwrap().unwrap();
    assert!(pool.shares > 0 && pool.amount > 0 && pool.owned() == 0, "what nobody owns stays");
    // Its shares earn on, for who provides next.
    chain.act(8, PayIncome { asset: some(), amount: 1_000_000 });
    chain.act(OWNER, add(&chain, 1_000, 10 * DNT, 1));
    check(&chain);
    chain.next();
}

/// A step: who, what, and a number.
type Step = (u8, u8, u64);

fn step(chain: &mut Chain, (who, kind, number): Step) {
    let who = who % 4 + OWNER;
    let own = held(chain, who);
    let units = pools::position(&chain.state, &asset(), &address(who)).unwrap().units;
    let part = |of: u64| (number % 100 + 1) * of / 100;
    match kind % 9 {
        0 => attempt(chain, who, transfer(OWNER + (number % 4) as u8, part(own))),
        1 => attempt(chain, who, PayIncome { asset: some(), amount: number % 1_000_003 }),
        2 => attempt(chain, who, withdraw()),
        3 => attempt(chain, who, create(part(own), number % (20 * DNT))),
        4 => attempt(chain, who, buy(chain, number % (5 * DNT))),
        5 => attempt(chain, who, sell(chain, part(own))),
        6 => attempt(chain, who, add(chain, part(own), number % (20 * DNT), 0)),
        7 => attempt(chain, who, remove(chain, part(units))),
        _ => {
            chain.pass(number % 60);
        }
    }
}

fn attempt(chain: &mut Chain, who: u8, action: impl IntoAction) {
    let tx = chain.tx(who, action);
    if let Err(error @ ActionError::State(_)) = chain.run(&tx) {
        panic!("the state broke: {error}");
    }
}

/// The root of shares times money by unit, in parts of a million millions; the curve's own tests compare exactly.
fn worth(chain: &Chain) -> Option<u128> {
    let pool = pools::get(&chain.state, &asset()).unwrap()?;
    let product = u128::from(pool.shares) * u128::from(pool.amount);
    Some((product << 40).isqrt() * 1_000_000 / u128::from(pool.units))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_done_shares_and_income_are_conserved_and_a_unit_never_stands_for_less(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u64>()), 1..60),
    ) {
        let mut chain = issued(40);
        chain.act(OWNER, transfer(OWNER + 1, SUPPLY / 3));
        chain.act(OWNER, create(SUPPLY / 4, 10 * DNT));
        for one in steps {
            let before = worth(&chain);
            step(&mut chain, one);
            if let (Some(before), Some(after)) = (before, worth(&chain)) {
                prop_assert!(after + 2 >= before, "{before} fell to {after}");
            }
            check(&chain);
        }
        chain.next();
    }
}

#[test]
fn all_money_is_there_when_everybody_has_gone() {
    let mut chain = issued(0);
    chain.act(OWNER, create(SUPPLY / 2, 10 * DNT));
    chain.act(8, buy(&chain, DNT));
    chain.act(8, PayIncome { asset: some(), amount: 777_777 });
    for n in [OWNER, 8] {
        chain.act(n, withdraw());
    }
    check(&chain);
    let spent = BALANCE - chain.balance(address(8));
    assert!(spent > DNT, "who bought and paid has less");
    chain.next();
}
