//! Committees: who is drawn is the chain's to say, from a randomness that is no part of the model; who may be, and for how many seats, is not.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::LedgerReader;
use datanet_ledger::component::{audits, validation};
use datanet_types::{Address, Amount, ContributionId, Digest, NodeKey};

use super::ledger::Model;

/// The state after the block in which committees were drawn.
pub struct Drawn<'a>(pub &'a LedgerReader);

/// Somebody who may be drawn, with what he has then.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    pub account: Address,
    pub stake: Amount,
    pub bps: u32,
}

/// A seat holder's account, node, stake, reputation and seats, as the chain has them; an audit's say nothing of stake and reputation.
pub type Seat = (Address, NodeKey, Option<(Amount, u32)>, u32);

impl Drawn<'_> {
    pub fn round(&self, id: &ContributionId, number: u32) -> Vec<Seat> {
        let round = validation::round(self.0, id, number).unwrap().expect("a round that is drawn");
        let seat = |member: &validation::Member| {
            (member.account, member.node, Some((member.stake, member.reputation_bps)), member.seats)
        };
        round.committee.iter().map(seat).collect()
    }

    pub fn audit_seed(&self, node: &NodeKey, epoch: u64) -> Digest {
        audits::get(self.0, node, epoch).unwrap().expect("an audit that is drawn").seed
    }

    pub fn audit(&self, node: &NodeKey, epoch: u64) -> Vec<Seat> {
        let audit = audits::get(self.0, node, epoch).unwrap().expect("an audit that is drawn");
        audit.committee.iter().map(|auditor| (auditor.account, auditor.node, None, auditor.seats)).collect()
    }
}

impl Model {
    /// Who may be drawn in this block: by the stakes before what is judged was given, or where nobody judged then, by the present ones.
    /// Not `party`, whose case it is, nor `before`, nor who judges badly, as long as there are others.
    pub fn candidates(&self, party: &Address, before: &BTreeSet<Address>, delay: u64) -> BTreeMap<NodeKey, Candidate> {
        let then = self.nodes.judged_with.get(&(self.height - delay - 1)).cloned().unwrap_or_default();
        let stakes = if then.is_empty() { self.judging_now() } else { then };
        let all: BTreeMap<NodeKey, Candidate> = stakes
            .into_iter()
            .map(|(key, stake)| {
                let account = self.nodes.all[&key].account;
                (key, Candidate { account, stake, bps: self.nodes.reputations[&account].bps })
            })
            .collect();
        let least = self.rules.now().seat_reputation_bps;
        let choices: [&dyn Fn(&Candidate) -> bool; 4] = [
            &|one| one.account != *party && one.bps >= least && !before.contains(&one.account),
            &|one| one.account != *party && one.bps >= least,
            &|one| one.account != *party,
            &|_| true,
        ];
        let pick = |wanted: &dyn Fn(&Candidate) -> bool| -> BTreeMap<NodeKey, Candidate> {
            all.iter().filter(|(_, one)| wanted(one)).map(|(key, one)| (*key, *one)).collect()
        };
        choices.into_iter().map(pick).find(|found| !found.is_empty()).unwrap_or_default()
    }
}

/// Panics unless only those who may were drawn, each with what he had, for all seats.
pub fn check(seats: &[Seat], candidates: &BTreeMap<NodeKey, Candidate>, wanted: u32, what: &str) {
    assert_eq!(seats.iter().map(|seat| seat.3).sum::<u32>(), wanted, "{what}: seats of {seats:?}");
    let accounts: BTreeSet<Address> = seats.iter().map(|seat| seat.0).collect();
    assert_eq!(accounts.len(), seats.len(), "{what}: somebody is named twice");
    for (account, node, had, count) in seats {
        let candidate = candidates.get(node).unwrap_or_else(|| panic!("{what}: {account} may not be drawn"));
        assert!(*count > 0 && candidate.account == *account, "{what}: {account}");
        assert_eq!(
            had.unwrap_or((candidate.stake, candidate.bps)),
            (candidate.stake, candidate.bps),
            "{what}: {account}"
        );
    }
}
