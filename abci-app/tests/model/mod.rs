//! A reference model of the ledger, and the ledger held against it.
//!
//! The model has the rules of `docs/ledger.md` and the decisions behind them in plain structs and maps, without a store, indices or
//! an agenda: what is due is looked for among all there is. Random people do random things of every kind, allowed and not, in whole blocks of
//! the real application. The model says of each transaction whether it is accepted; after each block every balance, every record and every
//! parameter must be as it says ([`compare`]), and what holds of the state by itself must hold ([`invariants`]). Only who is drawn for a committee
//! is taken from the chain, if he may be ([`committee`]).
//!
//! ```text
//!   steps ─► attempts ─► signed transactions ─┬─► the application ─► state ─┬─► invariants
//!              ▲                              │                             ├─► compare
//!              └───────── what the model knows ◄──► the model ──────────────┘
//! ```

mod agency;
mod agents;
mod attempts;
mod audits;
mod authority;
mod committee;
mod compare;
mod epochs;
mod form;
mod gives;
mod governance;
mod invariants;
mod judging;
mod ledger;
mod market;
mod nodes;
mod pays;
mod ratings;
mod rounds;
mod rules;
mod serving;
mod staking;
mod trades;
mod treasury;
mod verdicts;
mod world;

use std::collections::BTreeMap;
use std::sync::Mutex;

use datanet_types::action::ActionKind;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use world::{Step, World, weight};

/// Histories in an ordinary run, which take a quarter of a minute; `PROPTEST_CASES` says how many in a longer one.
const CASES: u32 = 32;
/// Some things are allowed only after others, so that a run may not come to them by chance: it goes on, so many times at most.
const RUNS: usize = 8;
const BLOCKS: std::ops::Range<usize> = 40..90;

fn step() -> impl Strategy<Value = Step> {
    let numbers = (any::<u16>(), any::<u8>(), any::<u16>(), any::<u32>(), any::<u8>());
    numbers.prop_map(|(kind, who, pick, amount, odd)| Step { kind, who, pick, amount, odd })
}

/// Seconds since the block before, what makes those with duties do them, and what others try.
fn blocks() -> impl Strategy<Value = Vec<(u64, u64, Vec<Step>)>> {
    let seconds = prop_oneof![12 => 0u64..6, 2 => 6u64..30, 1 => 30u64..300];
    prop::collection::vec((seconds, any::<u64>(), prop::collection::vec(step(), 0..9)), BLOCKS)
}

/// Nodes of everybody and a datanet: a history that begins with nothing takes long to come to anything.
fn beginnings(world: &mut World) {
    let kind = |wanted: ActionKind| {
        let before = ActionKind::ALL.iter().take_while(|kind| **kind != wanted);
        u16::try_from(before.map(|kind| weight(*kind)).sum::<usize>()).unwrap()
    };
    let step = |wanted, who, amount| Step { kind: kind(wanted), who, pick: 2, amount, odd: 1 };
    let nodes: Vec<Step> =
        (0..6).map(|who| step(ActionKind::RegisterNode, who, 40_000_000 * u32::from(who + 1))).collect();
    world.block(1, 0, &nodes);
    world.block(1, 0, &[step(ActionKind::CreateDatanet, 4, 100_000)]);
    world.block(1, 0, &[step(ActionKind::IssueShares, 4, 999_900)]);
}

type Tally = BTreeMap<&'static str, (u32, u32)>;

/// What somebody must have been allowed to do, and what proposals must have come to, and did not.
fn missing(done: &Tally) -> Vec<&'static str> {
    let out_of_reach = [ActionKind::Unjail, ActionKind::ResetComponent];
    let kinds = ActionKind::ALL.iter().filter(|kind| !out_of_reach.contains(kind)).map(|kind| kind.name());
    let statuses = ["passed", "done", "rejected", "no_quorum", "vetoed"];
    kinds.chain(statuses).filter(|name| done.get(name).is_none_or(|(accepted, _)| *accepted == 0)).collect()
}

#[test]
fn the_ledger_does_what_the_model_says_in_whatever_order_people_try_whatever_they_like() {
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { CASES };
    let done: Mutex<Tally> = Mutex::default();
    let mut left = missing(&Tally::new());
    for _ in 0..RUNS {
        let mut runner = TestRunner::new(Config { cases, ..config.clone() });
        let held = runner.run(&blocks(), |blocks| {
            let mut world = World::new();
            beginnings(&mut world);
            for (seconds, diligence, steps) in &blocks {
                world.block(*seconds, *diligence, steps);
            }
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (name, (accepted, refused)) in world.tally {
                let sum = done.entry(name).or_default();
                (sum.0, sum.1) = (sum.0 + accepted, sum.1 + refused);
            }
            Ok(())
        });
        held.unwrap_or_else(|error| panic!("{error}"));
        left = missing(&done.lock().unwrap());
        if left.is_empty() {
            break;
        }
    }
    println!("kind: accepted, refused\n{:#?}", done.into_inner().unwrap());
    assert!(left.is_empty(), "never accepted: {left:?}");
}
