//! Agents in whose earnings as many have part as may have.

use datanet_types::action::{RegisterAgent, RegisterModel, RetireAgent, Supplier, UpdateAgent};
use datanet_types::amount::DNT;
use datanet_types::{Action, AgentId, Asset, BlobHash, Digest};

use super::Case;
use super::world::{World, address_of};
use crate::support::CHAIN;

/// Owns what others are made from.
const SUPPLIER: u32 = 2_800;
/// The first of those who have agents, and of those who have none yet.
const OWNERS: u32 = 2_810;
const NEW: u32 = 2_860;
const MANY: u32 = 40;

pub struct Agents;

fn model(n: u8) -> RegisterModel {
    let (manifest, name, licence) = (Digest([n; 32]), "m".to_owned(), "MIT".to_owned());
    RegisterModel { manifest, name, licence, ..RegisterModel::default() }
}

fn models(numbers: std::ops::RangeInclusive<u8>) -> Vec<Supplier> {
    let of = |n| Asset::Model(model(n).id(&address_of(SUPPLIER)));
    numbers.map(|n| Supplier { asset: Some(of(n)), floor_bps: 300 }).collect()
}

/// Two agents with fifteen models each, of which all others are made: with them thirty-two have part in it.
fn suppliers() -> Vec<Supplier> {
    let agent = |name| Asset::Agent(AgentId::derive(CHAIN, &address_of(SUPPLIER), name));
    ["first", "second"].map(|name| Supplier { asset: Some(agent(name)), floor_bps: 5_000 }).to_vec()
}

fn named(name: &str, suppliers: Vec<Supplier>) -> RegisterAgent {
    let (card, budget, period_seconds) = (BlobHash([1; 32]), DNT, 3_600);
    RegisterAgent { name: name.to_owned(), card, suppliers, budget, period_seconds, funds: DNT }
}

fn id(n: u32) -> AgentId {
    AgentId::derive(CHAIN, &address_of(n), &"a".repeat(64))
}

impl Agents {
    pub fn set_up(world: &mut World) -> Self {
        let all: Vec<_> = (1..=30).map(|n| world.sign(SUPPLIER, Action::RegisterModel(model(n)))).collect();
        world.block(&all);
        let both = [("first", models(1..=15)), ("second", models(16..=30))];
        let both: Vec<_> =
            both.into_iter().map(|(name, of)| world.sign(SUPPLIER, Action::RegisterAgent(named(name, of)))).collect();
        world.block(&both);
        let own = |n: u32| world.sign(n, Action::RegisterAgent(named(&"a".repeat(64), suppliers())));
        let own: Vec<_> = (OWNERS..OWNERS + MANY).map(own).collect();
        world.block(&own);
        Self
    }

    pub fn register_agent(&self, world: &World) -> Vec<Case> {
        let own = |n: u32| world.sign(n, Action::RegisterAgent(named(&"a".repeat(64), suppliers())));
        vec![Case::done("with 32 who have part in it", (NEW..NEW + MANY).map(own).collect())]
    }

    pub fn update_agent(&self, world: &World) -> Vec<Case> {
        let update = |n: u32| UpdateAgent {
            agent: id(n),
            card: BlobHash([2; 32]),
            suppliers: suppliers(),
            budget: 2 * DNT,
            period_seconds: 60,
            end_keys: true,
        };
        let txs = (OWNERS..OWNERS + MANY).map(|n| world.sign(n, Action::UpdateAgent(update(n)))).collect();
        vec![Case::done("a release with 32, a budget, and its keys ended", txs)]
    }

    pub fn retire_agent(&self, world: &World) -> Vec<Case> {
        let retire = |n: u32| world.sign(n, Action::RetireAgent(RetireAgent { agent: id(n) }));
        vec![Case::done("", (OWNERS..OWNERS + MANY).map(retire).collect())]
    }
}
