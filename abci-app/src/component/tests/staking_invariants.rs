//! Whatever anybody stakes, moves, takes back and is slashed for, in whatever order: every base unit is where the records say, and the
//! engine's set is what it was told.

use std::collections::BTreeMap;

use datanet_types::amount::DNT;
use datanet_types::staking::{Redelegate, Unjail, WithdrawRewards};
use datanet_types::{ConsensusAddress, ConsensusKey, ModuleAddress};
use proptest::prelude::*;

use super::Chain;
use super::harness::{IntoAction, address};
use super::life_of_a_validator::{caught, create, delegate, params, undelegate, validator, voted, with_validators};
use crate::component::staking::{self, bonded_account};
use crate::component::{ActionError, ConsensusInfo, accounts};

const PEOPLE: u8 = 7;

/// Who, what, about which validator, how much.
type Step = (u8, u8, u8, u64);

struct World {
    chain: Chain,
    /// What the engine has, as it follows from what it was told.
    engine: BTreeMap<ConsensusKey, u64>,
    consensus: ConsensusInfo,
}

impl World {
    fn new() -> Self {
        let chain = Chain::from_genesis(&with_validators(4, params()));
        let engine = chain.updates.iter().map(|update| (update.key, update.power)).collect();
        Self { chain, engine, consensus: ConsensusInfo::default() }
    }

    fn step(&mut self, (who, kind, of, amount): Step) {
        let (who, of, to) = (who % PEOPLE, of % PEOPLE, of / PEOPLE % PEOPLE);
        let amount = amount % (200 * DNT);
        match kind % 12 {
            0 | 1 => self.try_act(who, delegate(of, amount)),
            2 | 3 => self.try_act(who, undelegate(of, amount)),
            4 | 5 => self.try_act(who, Redelegate { from: validator(of), to: validator(to), amount }),
            6 => self.try_act(who, create(who, amount)),
            7 => self.try_act(who, WithdrawRewards { validators: vec![validator(of)] }),
            8 => self.try_act(who, Unjail { validator: validator(of) }),
            9 => self.consensus = voted(&[of]),
            10 if amount.is_multiple_of(8) => {
                self.consensus = caught(of, self.chain.block.height.saturating_sub(amount % 70));
            }
            _ => self.next(of),
        }
    }

    fn try_act(&mut self, who: u8, action: impl IntoAction) {
        let tx = self.chain.tx(who, action);
        if let Err(error @ ActionError::State(_)) = self.chain.run(&tx) {
            panic!("the state broke: {error}");
        }
    }

    fn next(&mut self, proposer: u8) {
        let consensus = ConsensusInfo { proposer: validator(proposer), ..std::mem::take(&mut self.consensus) };
        self.chain.next_with(consensus);
        let before: u64 = self.engine.values().sum();
        let mut changed = 0;
        for update in &self.chain.updates {
            let power = self.engine.insert(update.key, update.power).unwrap_or(0);
            assert_ne!(power, update.power, "told what it knew, or that somebody leaves who is not there");
            changed += power.abs_diff(update.power);
            if update.power == 0 {
                self.engine.remove(&update.key);
            }
        }
        assert!(changed <= (before / 3).max(1), "{changed} of {before}");
        assert!(self.engine.values().sum::<u64>() > 0, "the chain stands still");
        self.check();
    }

    fn check(&self) {
        let state = &self.chain.state;
        let active = staking::active(state).unwrap();
        assert_eq!(active.iter().map(|active| (active.key, active.power)).collect::<BTreeMap<_, _>>(), self.engine);
        let mut shares: BTreeMap<ConsensusAddress, (u64, u64)> = BTreeMap::new();
        for n in 0..PEOPLE {
            for (validator, held) in staking::delegations(state, &address(n), None, 100).unwrap() {
                let record = staking::get(state, &validator).unwrap().unwrap();
                let sum = shares.entry(validator).or_default();
                sum.0 += held.shares;
                sum.1 += staking::earned(state, &record, &address(n)).unwrap();
                assert!(held.moved <= held.shares && held.shares > 0);
            }
        }
        for record in staking::list(state, None, 100).unwrap() {
            let address = record.address();
            let (held, earned) = shares.get(&address).copied().unwrap_or_default();
            assert_eq!(held, record.shares, "shares of {address}");
            assert_eq!(self.chain.balance(bonded_account(&address)), record.tokens, "tokens of {address}");
            assert!(earned <= self.chain.balance(ModuleAddress::of("rewards", &[&address.0])));
            assert!(record.shares > 0 || record.tokens == 0, "dust of nobody's");
        }
        assert_eq!(self.chain.balance(accounts::fees()), 0, "fees are divided at the end of a block");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_base_unit_is_where_the_records_say(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>(), any::<u64>()), 1..160),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        // Everybody goes: what is left of their stakes comes home.
        for n in 0..PEOPLE {
            for of in 0..PEOPLE {
                world.try_act(n, undelegate(of, u64::MAX));
            }
        }
        for _ in 0..70 {
            world.next(9);
        }
        for n in 0..PEOPLE {
            for of in 0..PEOPLE {
                world.try_act(n, undelegate(of, u64::MAX));
            }
        }
        for _ in 0..70 {
            world.next(9);
        }
        prop_assert!(staking::list(&world.chain.state, None, 100).unwrap().iter().all(|record| record.shares == 0));
        let stakes = ["batch/", "unbonding/", "leaving/", "moved", "delegation/"];
        let left = world.chain.state.0.keys().find(|key| stakes.iter().any(|kind| key.contains(&format!("staking/{kind}"))));
        prop_assert_eq!(left, None);
    }
}
