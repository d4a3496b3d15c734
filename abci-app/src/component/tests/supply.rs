//! Whatever anybody does in whatever order, no base unit appears or is lost, and no epoch pays more than it took in.

use std::collections::{BTreeMap, BTreeSet};

use datanet_types::action::{
    ChallengeEpoch, ChallengeVerdict, Claim, CloseChannel, Finding, RegisterModel, Revoke, TopUpChannel, Transfer,
};
use datanet_types::closing::ClosingStatement;
use datanet_types::epoch::{EpochLeaf, FeeShares};
use datanet_types::release::DataSnapshot;
use datanet_types::{ChannelId, ContributionId, Digest, ModelId};
use proptest::prelude::*;

use super::Chain;
use super::harness::{
    CHAIN, STAKE, address, all, attest, close_channel, contribute, node, node_key, open_channel, register, reveal,
    reveal_finding,
};
use super::life_of_a_channel::{item, leaves, settle, voucher};
use crate::component::datanets::history;
use crate::component::settlement::{self, Status, bond, escrow};
use crate::component::{ActionError, Params, contributions, datanets, nodes, ratings, validation};
use crate::state::StateRead;

/// A step of a random history: who, what kind, and three numbers that each kind reads in its own way.
type Step = (u8, u8, u64, u8);

/// Kinds of steps.
const KINDS: u8 = 21;

struct World {
    chain: Chain,
    datanet: datanet_types::DatanetId,
    given: Vec<ContributionId>,
    channels: Vec<(u8, ChannelId)>,
    /// The leaves of node 0's epochs.
    settled: Vec<Vec<EpochLeaf>>,
    /// What of each was claimed.
    claimed: BTreeMap<u64, u64>,
    /// Whether stake was lost: then it need not cover what is open.
    slashed: bool,
}

fn finding(pick: u8) -> Finding {
    Finding::try_from(i32::from(pick / 16) % 3).unwrap()
}

impl World {
    /// Where epochs can be challenged for so many seconds.
    fn new(challenge_seconds: u64) -> Self {
        let windows =
            Params { storing_seconds: 6, commit_seconds: 3, reveal_seconds: 2, audit_seconds: 3, ..Params::default() };
        let lapses = Params { close_seconds: 10, forget_seconds: 5, ..windows };
        let lapses = Params { verdict_challenge_seconds: 4, ..lapses };
        let params = Params { channel_min_seconds: 4, challenge_seconds, audit_deposit: 1_000, ..lapses };
        let mut chain = Chain::with(params);
        chain.validators(4);
        let datanet = chain.datanet();
        let (given, channels, settled) = (Vec::new(), Vec::new(), Vec::new());
        Self { chain, datanet, given, channels, settled, claimed: BTreeMap::new(), slashed: false }
    }

    /// Does a step; most random ones are refused, which must not move money but the fee.
    fn step(&mut self, (who, kind, amount, pick): Step) {
        let given = self.given.get(usize::from(pick) % self.given.len().max(1)).copied().unwrap_or_default();
        // The same for commitment and reveal, so that random reveals match.
        let scores = all((u32::from(given.0[0]) * 39 + u32::from(who % 4) * 300) % 10_001);
        let channel = self.channels.get(usize::from(pick) % self.channels.len().max(1)).copied().unwrap_or_default();
        match kind % KINDS {
            0 => self.try_act(who, Transfer { to: address(pick % 20), amount }),
            1 => self.try_act(who, register(who, u32::from(pick) % 8, STAKE + amount % 1_000)),
            2 => self.give(who, pick),
            3 => self.try_act(who % 4, attest(who % 4, &given)),
            4 | 5 if !self.given.is_empty() => {
                let commit = self.chain.commit(who % 4, &given, scores);
                self.try_act(who % 4, commit);
            }
            6 | 7 => self.try_act(who % 4, reveal(who % 4, &given, scores)),
            8 => self.open(who, amount, 4),
            9 => self.settle(channel, amount, pick),
            10 => {
                let giver = (0..20).find(|n| self.is_giver(*n, &given)).unwrap_or(who);
                self.try_act(giver, Revoke { contribution: given, records: None });
            }
            11 => self.try_act(who, self.model(who, amount, pick)),
            12 => self.claim(who, amount, pick),
            13 => self.try_act(who, ChallengeEpoch { node: node(0), epoch: self.doubted(pick), suspects: Vec::new() }),
            14 => {
                let (epoch, finding) = (self.doubted(pick), finding(pick));
                let commit = self.chain.commit_finding(who % 4, epoch, finding);
                self.try_act(who % 4, commit);
            }
            15 => self.try_act(who % 4, reveal_finding(who % 4, self.doubted(pick), finding(pick))),
            18 => {
                let giver = (0..20).find(|n| self.is_giver(*n, &given)).unwrap_or(who);
                let who = if pick.is_multiple_of(2) { who } else { giver };
                self.try_act(who, ChallengeVerdict { contribution: given });
            }
            16 => {
                let expires_at = self.chain.now() + u64::from(pick);
                let more = TopUpChannel { channel: channel.1, amount, expires_at };
                self.try_act(channel.0, more);
            }
            17 => self.close_with_statement(channel, amount % 3),
            _ => self.try_act(channel.0, close_channel(channel.1)),
        }
    }

    fn try_act(&mut self, who: u8, action: impl super::harness::IntoAction) {
        let tx = self.chain.tx(who, action);
        match self.chain.run(&tx) {
            Err(error @ ActionError::State(_)) => panic!("the state broke: {error}"),
            Err(ActionError::Refused { .. }) => {}
            Ok(events) => {
                for event in events.iter().filter(|event| event.kind == "epoch.claimed") {
                    let number = |name| event.get(name).unwrap().parse::<u64>().unwrap();
                    *self.claimed.entry(number("epoch")).or_default() += number("amount");
                }
            }
        }
    }

    /// Settles an epoch whose tree is honest, or promises too much.
    fn settle(&mut self, (payer, channel): (u8, ChannelId), amount: u64, pick: u8) {
        let (number, fees) = (self.next_epoch(), 1_000 + amount % 1_000_000);
        let claimable = FeeShares::STANDARD.split(fees).claimable();
        let first = amount % claimable;
        let more = if pick.is_multiple_of(3) { 1 } else { 0 };
        let earned = leaves(&[(pick % 20, first + more), (pick % 7, claimable - first)]);
        let cumulative = self.charged(&channel) + fees;
        self.try_act(0, settle(number, fees, &earned, vec![voucher(payer, channel, cumulative)]));
        if self.next_epoch() > number {
            self.settled.push(earned);
        }
    }

    /// Somebody claims a leaf of one epoch or of two, in or out of order.
    fn claim(&mut self, who: u8, amount: u64, pick: u8) {
        let Some(last) = self.settled.len().checked_sub(1) else { return };
        let (one, two) = (amount as usize % (last + 1), usize::from(pick) % (last + 1));
        let index = usize::from(pick % 2);
        let account = self.settled[one][index].account;
        let of = |at: usize, index| item(at as u64 + 1, &self.settled[at], index);
        let mut items = vec![of(one, index)];
        if pick.is_multiple_of(2) {
            let same = self.settled[two].iter().position(|leaf| leaf.account == account);
            items.extend(same.map(|index| of(two, index)));
        }
        self.try_act(who, Claim { account: account.user().unwrap(), items });
    }

    /// Each epoch of node 0 holds what it took in less what was claimed of it, and never pays more.
    fn check_escrows(&mut self) {
        let state = &self.chain.state;
        for epoch in settlement::epochs(state, &node(0), None, usize::MAX).unwrap() {
            let (number, claimable) = (epoch.epoch, epoch.totals.claimable());
            let claimed = self.claimed.get(&number).copied().unwrap_or_default();
            let left = escrow::open(state, &node(0), number).unwrap().map_or(0, |open| open.left);
            assert!(claimed <= claimable, "epoch {number} took in {claimable} and paid {claimed}");
            let (held, open) = match epoch.status() {
                Status::Open | Status::Audited => (epoch.totals.fees, 0),
                Status::Final => (claimable - claimed, claimable - claimed),
                Status::Void => (0, 0),
            };
            assert_eq!(left, open, "of epoch {number}");
            assert_eq!(self.chain.balance(escrow::account(&node(0), number)), held, "of epoch {number}");
        }
        self.check_bond();
    }

    /// What is at risk are the fees of the epochs that are not final, and the stake covers them.
    fn check_bond(&mut self) {
        let (state, node) = (&self.chain.state, node(0));
        let epochs = settlement::epochs(state, &node, None, usize::MAX).unwrap();
        let open = epochs.iter().filter(|epoch| matches!(epoch.status(), Status::Open | Status::Audited));
        let at_risk: u64 = open.map(|epoch| epoch.totals.fees).sum();
        assert_eq!(bond::at_risk(state, &node).unwrap(), at_risk);
        // Seen before it is forgotten: this is looked at after each step.
        self.slashed |= epochs.iter().any(|epoch| epoch.status() == Status::Void);
        let params = crate::component::params::get(state).unwrap();
        let stake = nodes::get(state, &node).unwrap().map_or(0, |node| node.stake);
        assert!(self.slashed || params.challenge_seconds == 0 || bond::of(at_risk, &params) <= stake);
    }

    /// Its payer closes a channel with its node's word, which is mostly right.
    fn close_with_statement(&mut self, (payer, channel): (u8, ChannelId), off: u64) {
        let charged = self.charged(&channel) + off.saturating_sub(1);
        let statement = Some(ClosingStatement::sign(CHAIN, channel, charged, &node_key(0)));
        self.try_act(payer, CloseChannel { channel, statement });
    }

    /// Once all windows are over, nothing is left of what is over.
    fn check_forgotten(&mut self) {
        // Random top-ups make them last for 255 seconds.
        for _ in 0..300 {
            self.chain.pass(10_000);
        }
        // What is said of who traded is forgotten last.
        self.chain.pass((ratings::LAPSE_HALVINGS + 1) * ratings::HALVING_SECONDS);
        self.chain.pass(1);
        let state = &self.chain.state;
        let under = |prefix: &str| state.scan(prefix, None, usize::MAX).unwrap().len();
        for prefix in [
            "validation/commitment/",
            "validation/reveal/",
            "validation/challenge/",
            "channels/",
            "derived/channels/",
            "audits/",
            "derived/agenda/draw-audit/",
            "derived/agenda/close-",
            "derived/agenda/finalise-",
            "derived/agenda/settle-",
            "derived/agenda/forget-",
            "ratings/trader/",
        ] {
            assert_eq!(under(prefix), 0, "under {prefix}");
        }
        let open = escrow::list(state, &node(0), None, usize::MAX).unwrap();
        assert_eq!(under("settlement/epoch/"), open.len(), "only those with money left");
        for id in &self.given {
            let contribution = self.chain.contribution(id);
            let rounds = (0..4).filter(|number| validation::round(state, id, *number).unwrap().is_some()).count();
            assert_eq!(rounds, usize::from(contribution.may_earn()), "{contribution:?}");
            assert!(contribution.is_wanted() || contributions::attestations(state, id, None, 9).unwrap().is_empty());
        }
    }

    /// One of the epochs that there are, or the one behind.
    fn doubted(&self, pick: u8) -> u64 {
        u64::from(pick) % self.next_epoch() + 1
    }

    fn is_giver(&self, n: u8, id: &ContributionId) -> bool {
        let contribution = crate::component::contributions::get(&self.chain.state, id).unwrap();
        contribution.is_some_and(|contribution| contribution.contributor == address(n))
    }

    /// A model on a place in the history that is mostly there, made from one that mostly is too.
    fn model(&self, who: u8, amount: u64, pick: u8) -> RegisterModel {
        let count = amount % 4;
        let known = history::at(&self.chain.state, &self.datanet, count).unwrap();
        let snapshot = known.unwrap_or(DataSnapshot { count, ..DataSnapshot::start(self.datanet) });
        let parent = ModelId::derive(&address(who), &Digest([(pick / 16) % 16 + 1; 32]));
        RegisterModel {
            manifest: Digest([pick % 16 + 1; 32]),
            name: "model".into(),
            licence: "MIT".into(),
            parents: vec![parent].into_iter().take(usize::from(pick % 2)).collect(),
            datanets: vec![self.datanet],
            snapshots: vec![snapshot].into_iter().take(usize::from(count > 0)).collect(),
            ..RegisterModel::default()
        }
    }

    fn give(&mut self, who: u8, blob: u8) {
        let mut action = contribute(self.datanet, blob.max(1));
        let id_of = |attempt| contribute(self.datanet, blob.max(1)).id("test", &address(who), attempt);
        let known = |attempt| contributions::get(&self.chain.state, &id_of(attempt)).unwrap().is_some();
        action.attempt = (0..).find(|attempt| !known(*attempt)).unwrap_or_default();
        action.bond <<= action.attempt.min(3);
        let id = id_of(action.attempt);
        let tx = self.chain.tx(who, action);
        if self.chain.run(&tx).is_ok() {
            self.given.push(id);
        }
        // Half of what is given is kept at once, the rest by whoever comes to it, or not in time.
        for n in (0..2).filter(|_| blob.is_multiple_of(2)) {
            self.try_act(n, attest(n, &id));
        }
    }

    fn open(&mut self, who: u8, amount: u64, seconds: u64) {
        let tx = self.chain.tx(who, open_channel(0, amount, self.chain.now() + seconds));
        if self.chain.run(&tx).is_ok() {
            self.channels.push((who, tx.channel_id()));
        }
    }

    fn next_epoch(&self) -> u64 {
        let former = settlement::get(&self.chain.state, &node(0)).unwrap();
        former.map_or(1, |former| former.latest.epoch + 1)
    }

    fn charged(&self, channel: &ChannelId) -> u64 {
        let channel = crate::component::channels::get(&self.chain.state, channel).unwrap();
        channel.map_or(0, |channel| channel.charged)
    }
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let step = (0u8..20, any::<u8>(), 0u64..2_000_000_000, any::<u8>());
    prop::collection::vec((step, prop::bool::weighted(0.3)), 1..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_supply_never_changes_and_reputation_stays_in_range(steps in steps(), window in 0u64..6) {
        let mut world = World::new(window);
        for (step, ends_block) in steps {
            world.step(step);
            world.check_escrows();
            if ends_block {
                world.chain.next();
            }
        }
        for _ in 0..30 {
            world.chain.next();
        }
        let counts = datanets::counts(&world.chain.state, &world.datanet).unwrap();
        let members = history::members(&world.chain.state, &world.datanet, counts.history).unwrap().unwrap();
        let finals = contributions::final_at(&world.chain.state, &world.datanet, u64::MAX).unwrap();
        prop_assert_eq!(members.len() as u64, counts.final_contributions);
        let ids: BTreeSet<ContributionId> = finals.into_iter().map(|contribution| contribution.id).collect();
        prop_assert_eq!(members.into_iter().collect::<BTreeSet<_>>(), ids);
        prop_assert!(world.given.is_empty() || nodes::list(&world.chain.state, None, 99).unwrap().len() >= 4);
        for n in 0..20 {
            if let Some(reputation) = nodes::reputation(&world.chain.state, &address(n)).unwrap() {
                prop_assert!((100..=10_000).contains(&reputation.bps));
            }
        }
        for id in &world.given {
            prop_assert!(!world.chain.contribution(id).is_open());
        }
        world.check_forgotten();
    }

    #[test]
    fn no_epoch_pays_more_than_it_took_in_whatever_is_settled_and_claimed_in_whatever_order(
        steps in prop::collection::vec((0u8..20, prop::bool::weighted(0.3), 0u64..2_000_000_000, any::<u8>()), 40..80),
    ) {
        let mut world = World::new(0);
        world.open(5, 500_000_000, 1_000);
        for (who, settles, amount, pick) in steps {
            world.step((who, if settles { 9 } else { 12 }, amount, pick));
            if settles {
                world.chain.next();
            }
            world.check_escrows();
        }
        world.chain.check_supply();
        // Whatever came before, the next honest epoch pays.
        let channel = world.channels[0];
        world.settle(channel, 500_000, 1);
        world.chain.next();
        let last = world.settled.len() as u64;
        world.claim(3, last - 1, 1);
        world.check_escrows();
        prop_assert!(world.claimed.contains_key(&last), "{:?}", world.claimed);
    }

    #[test]
    fn two_ledgers_fed_the_same_agree(steps in steps()) {
        let (mut one, mut two) = (World::new(3), World::new(3));
        // Nonces differ between runs of the helper, so that only what does not hang on transaction ids is compared.
        for (step, ends_block) in steps.into_iter().filter(|(step, _)| step.1 % KINDS != 8) {
            one.step(step);
            two.step(step);
            if ends_block {
                prop_assert_eq!(one.chain.next(), two.chain.next());
            }
        }
        let state = |world: &World| -> Vec<(String, Vec<u8>)> {
            let entries = world.chain.state.0.iter().filter(|(key, _)| !key.starts_with("derived/admission/"));
            entries.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        prop_assert_eq!(state(&one), state(&two));
    }
}
