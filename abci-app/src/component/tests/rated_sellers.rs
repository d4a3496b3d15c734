//! From a payment that is settled to what is said of whom it paid.

use datanet_types::BlobHash;
use datanet_types::action::{RateSeller, RegisterAgent, SetKeys, role};

use super::Chain;
use super::harness::{CHAIN, address, key, node, register};
use super::life_of_a_channel::{leaves, open, settle, voucher};
use crate::code;
use crate::component::Params;
use crate::component::agenda::{self, Kind};
use crate::component::ratings::{self, HALVING_SECONDS, LAPSE_HALVINGS, Trader};

const SELLER: u8 = 0;
const PAYER: u8 = 6;
const OTHER: u8 = 7;
const FEES: u64 = 100_000;

fn world() -> Chain {
    let mut chain = Chain::new();
    chain.act(SELLER, register(SELLER, role::SERVING, 0));
    chain
}

fn rate(epoch: u64, score_bps: u32) -> RateSeller {
    RateSeller { node: node(SELLER), epoch, score_bps }
}

fn of(chain: &Chain, n: u8) -> Trader {
    ratings::trader(&chain.state, &address(n), chain.now()).unwrap()
}

/// These pay so much each, from new channels, and the node settles it.
fn sells(chain: &mut Chain, epoch: u64, paid: &[(u8, u64)]) {
    let vouchers: Vec<_> = paid.iter().map(|(n, amount)| voucher(*n, open(chain, *n), *amount)).collect();
    let fees = paid.iter().map(|(_, amount)| amount).sum();
    chain.act(SELLER, settle(epoch, fees, &leaves(&[(9, 1)]), vouchers));
}

#[test]
fn who_has_paid_says_once_how_good_it_was() {
    let mut chain = world();
    sells(&mut chain, 1, &[(PAYER, FEES), (PAYER, FEES), (OTHER, 2 * FEES)]);
    assert_eq!((of(&chain, PAYER).paid, of(&chain, SELLER).earned), (2 * FEES, 4 * FEES));
    chain.refused(PAYER, rate(1, 10_000), code::RATING_NONE, "nothing to rate");
    chain.next();
    chain.refused_before_it_pays(PAYER, rate(1, 10_001), code::RATING_INVALID, "0 to 10000");
    chain.refused(8, rate(1, 10_000), code::RATING_NONE, "nothing to rate");
    chain.refused(PAYER, rate(2, 10_000), code::RATING_NONE, "nothing to rate");
    chain.act(PAYER, rate(1, 10_000));
    chain.refused(PAYER, rate(1, 0), code::RATING_NONE, "nothing to rate");
    chain.act(OTHER, rate(1, 5_000));
    let seller = of(&chain, SELLER);
    assert_eq!((seller.rated, seller.counted, seller.ratings), (4 * FEES, 4 * FEES, 2));
    assert_eq!(seller.score_bps(), Some(7_500));
    assert!(ratings::rights(&chain.state, &node(SELLER), 1).unwrap().is_none());
    assert!(
        agenda::list::<_, crate::component::settlement::Place>(&chain.state, Kind::LapseRatings, 9).unwrap().is_empty()
    );
    chain.next();
}

#[test]
fn an_epoch_is_rated_for_a_while_and_a_void_one_never() {
    let params = Params { challenge_seconds: 5, forget_seconds: 10, verdict_challenge_seconds: 0, ..Params::default() };
    let mut chain = Chain::with(Params { serving_bond_bps: 10_000, ..params });
    chain.act(SELLER, register(SELLER, role::SERVING, super::harness::STAKE));
    sells(&mut chain, 1, &[(PAYER, FEES), (OTHER, FEES)]);
    chain.pass(4);
    chain.refused(PAYER, rate(1, 0), code::RATING_NONE, "from when it is final");
    chain.pass(2);
    chain.act(PAYER, rate(1, 0));
    chain.pass(11);
    chain.refused(OTHER, rate(1, 0), code::RATING_NONE, "for a while");
    assert!(ratings::rights(&chain.state, &node(SELLER), 1).unwrap().is_none(), "nothing of it is left");
    assert_eq!(of(&chain, SELLER).score_bps(), Some(0));
    // Nobody keeps the statement of the next one: its money goes back.
    let mut params = crate::component::params::get(&chain.state).unwrap();
    params.statement_quorum = 1;
    let mut chain = Chain::from_genesis(&crate::component::Genesis {
        params: Params { statement_seconds: 5, ..params },
        ..super::harness::genesis(Params::default())
    });
    chain.act(SELLER, register(SELLER, role::SERVING, super::harness::STAKE));
    chain.act(1, register(1, role::STORAGE, super::harness::STAKE));
    sells(&mut chain, 1, &[(PAYER, FEES)]);
    let events = [chain.pass(20), chain.next()].concat();
    assert!(events.iter().any(|event| event.kind == "epoch.void"), "{events:?}");
    chain.refused(PAYER, rate(1, 0), code::RATING_NONE, "nothing to rate");
}

#[test]
fn payments_of_ones_own_are_told_and_do_not_count() {
    let mut chain = world();
    // The seller's agent, somebody with a key in common, and somebody else.
    let agent = RegisterAgent {
        name: "owl".into(),
        card: BlobHash([1; 32]),
        suppliers: Vec::new(),
        budget: 1,
        period_seconds: 1,
        funds: 0,
    };
    chain.act(SELLER, agent.clone());
    let account = agent.id(CHAIN, &address(SELLER)).account();
    let now = chain.now();
    let same = |chain: &Chain, other| ratings::same_owner(&chain.state, &address(SELLER), &other, now).unwrap();
    assert!(same(&chain, account) && same(&chain, address(SELLER)) && !same(&chain, address(PAYER)));
    let mut owners = vec![key(SELLER).public_key(), key(41).public_key()];
    owners.sort_unstable();
    chain.act(PAYER, SetKeys { owners, threshold: 1, recovery: None });
    assert!(same(&chain, address(PAYER)));
    sells(&mut chain, 1, &[(OTHER, FEES)]);
    chain.next();
    let both = vec![key(OTHER).public_key()];
    chain.act(OTHER, SetKeys { owners: both, threshold: 1, recovery: None });
    chain.act(SELLER, SetKeys { owners: vec![key(OTHER).public_key()], threshold: 1, recovery: None });
    chain.act(OTHER, rate(1, 10_000));
    let seller = of(&chain, SELLER);
    assert_eq!((seller.rated, seller.own, seller.counted, seller.score_bps()), (FEES, FEES, 0, None));
    chain.next();
}

#[test]
fn what_the_seller_has_paid_back_does_not_count() {
    let mut chain = world();
    chain.act(PAYER, register(PAYER, role::SERVING, 0));
    sells(&mut chain, 1, &[(PAYER, FEES)]);
    let tx = chain.tx(SELLER, super::harness::open_channel(PAYER, 10 * FEES, chain.now() + 600));
    chain.run(&tx).unwrap();
    let channel = tx.channel_id();
    let back = settle(1, FEES / 4, &leaves(&[(9, 1)]), vec![voucher(SELLER, channel, FEES / 4)]);
    chain.act(PAYER, datanet_types::action::SettleEpoch { node: node(PAYER), root: root_for(&back), ..back });
    chain.next();
    chain.act(PAYER, rate(1, 10_000));
    let seller = of(&chain, SELLER);
    assert_eq!((seller.circular, seller.counted), (FEES / 4, FEES - FEES / 4));
    chain.next();
}

/// The root of one leaf of a unit in an epoch of person 6's node.
fn root_for(settle: &datanet_types::action::SettleEpoch) -> datanet_types::Digest {
    leaves(&[(9, 1)])[0].node(CHAIN, &node(PAYER), settle.epoch).digest
}

#[test]
fn everything_halves_and_who_trades_no_more_is_forgotten() {
    let mut chain = world();
    sells(&mut chain, 1, &[(PAYER, FEES)]);
    chain.next();
    chain.act(PAYER, rate(1, 10_000));
    chain.pass(HALVING_SECONDS);
    assert_eq!((of(&chain, SELLER).counted, of(&chain, SELLER).score_bps()), (FEES / 2, Some(10_000)));
    assert_eq!(of(&chain, PAYER).partners[0].paid, FEES / 2);
    // Who trades again is there for longer.
    sells(&mut chain, 2, &[(OTHER, FEES)]);
    chain.pass((LAPSE_HALVINGS - 1) * HALVING_SECONDS);
    chain.next();
    let known = |chain: &Chain| ratings::traders(&chain.state, None, 9, chain.now()).unwrap().len();
    assert_eq!(known(&chain), 2, "the first payer is forgotten");
    chain.pass(2 * HALVING_SECONDS);
    chain.next();
    assert_eq!(known(&chain), 0);
    assert!(agenda::list::<_, datanet_types::Address>(&chain.state, Kind::ForgetTrader, 9).unwrap().is_empty());
}
