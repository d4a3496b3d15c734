//! Proposals and votes. A tally walks over everybody's stake: the ledger keeps sums, which must come to the same.

use std::collections::BTreeMap;

use datanet_ledger::component::Params;
use datanet_ledger::component::accounts::Account;
use datanet_ledger::component::governance::Status;
use datanet_types::action::{Choice, Payment, Proposed, SubmitProposal, Upgrade, VoteProposal};
use datanet_types::{Address, Amount, ConsensusAddress};

use super::ledger::{Done, Model, ensure, escrow, user};
use super::rules::renumbered;

const MOST_LIVE: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub abstain: Amount,
    pub yes: Amount,
    pub no: Amount,
    pub veto: Amount,
    pub bonded: Amount,
}

#[derive(Debug, Clone)]
pub struct Proposal {
    pub proposer: Address,
    pub deposit: Amount,
    pub proposed: Proposed,
    pub height: u64,
    pub mark: u64,
    pub ends: u64,
    pub due: u64,
    pub status: Status,
    marked: bool,
    passing: bool,
    pub extended: bool,
    pub tally: Option<Counted>,
    /// What each votes, and voted for others at the mark.
    pub votes: BTreeMap<Address, (Choice, Option<Choice>)>,
}

#[derive(Debug, Clone, Default)]
pub struct Governance {
    pub proposals: BTreeMap<u64, Proposal>,
    pub last: u64,
    /// Version and height of the rules that come.
    pub upgrade: Option<(u64, u64)>,
}

fn held(number: u64) -> Account {
    escrow("proposal", &[&number.to_le_bytes()])
}

/// Whether `part` is more than so many basis points of `whole`, and whether it is at least as much.
fn share(part: Amount, whole: Amount, bps: u32) -> (bool, bool) {
    let (part, whole) = (u128::from(part) * 10_000, u128::from(whole) * u128::from(bps));
    (part > whole, part >= whole)
}

fn outcome(votes: &Counted, params: &Params, proposed: &Proposed) -> Status {
    let strong = matches!(proposed, Proposed::Spend(_) | Proposed::Upgrade(_) | Proposed::RetireAuthority(_));
    let against = votes.no + votes.veto;
    let all = votes.abstain + votes.yes + against;
    let needed = if strong { params.strong_pass_bps } else { params.pass_bps };
    match () {
        () if all == 0 || !share(all, votes.bonded, params.quorum_bps).1 => Status::NoQuorum,
        () if share(votes.veto, all, params.veto_bps).0 => Status::Vetoed,
        () if share(votes.yes, votes.yes + against, needed).0 => Status::Passed,
        () => Status::Rejected,
    }
}

impl Model {
    fn live(&self) -> usize {
        let live = |one: &&Proposal| matches!(one.status, Status::Voting | Status::Passed);
        self.governance.proposals.values().filter(live).count()
    }

    pub fn submit_proposal(&mut self, who: Address, action: &SubmitProposal) -> Done {
        let params = self.rules.now().clone();
        ensure(self.live() < MOST_LIVE, "too many are voted on")?;
        let proposed = action.proposed.clone().ok_or("nothing is proposed")?;
        match &proposed {
            Proposed::Params(new) => renumbered(&params, &new.numbers).map(drop)?,
            Proposed::Spend(payment) => ensure(payment.amount <= self.period().1, "more than a period may spend")?,
            Proposed::Upgrade(upgrade) => self.possible(upgrade)?,
            Proposed::RetireAuthority(_) => ensure(self.rules.authority.is_some(), "no authority")?,
            Proposed::Reset(_) => ensure(false, "nothing stands still")?,
            Proposed::Text(_) => {}
        }
        let deposit = params.proposal_deposit << (self.live() / 4);
        ensure(deposit <= action.deposit, "more than is offered")?;
        let number = self.governance.last + 1;
        self.pay(user(&who), held(number), deposit)?;
        self.governance.last = number;
        let ends = self.now + params.voting_seconds;
        let mark = ends - params.voting_seconds / 4;
        let proposal = Proposal {
            proposer: who,
            deposit,
            proposed,
            height: self.height,
            mark,
            ends,
            due: mark,
            status: Status::Voting,
            marked: false,
            passing: false,
            extended: false,
            tally: None,
            votes: BTreeMap::new(),
        };
        self.governance.proposals.insert(number, proposal);
        Ok(())
    }

    fn possible(&self, upgrade: &Upgrade) -> Done {
        ensure(upgrade.version == self.rules.now().app_version + 1, "not the next version")?;
        ensure(upgrade.height > self.height, "a height that is behind")
    }

    pub fn vote_proposal(&mut self, who: Address, action: &VoteProposal) -> Done {
        let staked = self.staking.stakes.keys().any(|(delegator, _)| *delegator == who);
        let now = self.now;
        let proposal = self.governance.proposals.get_mut(&action.proposal).ok_or("no such proposal")?;
        ensure(proposal.status == Status::Voting && now < proposal.ends, "the vote is over")?;
        ensure(staked, "no stake")?;
        let choice = Choice::try_from(action.choice).map_err(|_| "no choice")?;
        let before = proposal.votes.get(&who).and_then(|(_, lead)| *lead);
        let lead = if now < proposal.mark { Some(choice) } else { before };
        proposal.votes.insert(who, (choice, lead));
        Ok(())
    }

    pub fn retire(&mut self) {
        self.rules.authority = None;
        for number in self.treasury.spends.keys().copied().collect::<Vec<_>>() {
            self.take_spend_back(number).expect("it is there");
        }
        self.rules.next = None;
    }

    /// Everybody's stake, one by one.
    fn count(&self, proposal: &Proposal) -> Counted {
        let mut counted = Counted { abstain: 0, yes: 0, no: 0, veto: 0, bonded: 0 };
        let mut behind: BTreeMap<ConsensusAddress, Amount> = BTreeMap::new();
        for ((_, validator), stake) in &self.staking.stakes {
            *behind.entry(*validator).or_default() += stake.amount;
        }
        let least = self.rules.now().min_validator_stake;
        for ((who, validator), stake) in &self.staking.stakes {
            if behind[validator] < least {
                continue;
            }
            counted.bonded += stake.amount;
            let operator = &self.staking.operators[validator];
            let follows = || proposal.votes.get(operator).and_then(|(_, lead)| *lead);
            match proposal.votes.get(who).map(|(own, _)| *own).or_else(follows) {
                Some(Choice::Abstain) => counted.abstain += stake.amount,
                Some(Choice::Yes) => counted.yes += stake.amount,
                Some(Choice::No) => counted.no += stake.amount,
                Some(Choice::Veto) => counted.veto += stake.amount,
                None => {}
            }
        }
        counted
    }

    /// What is due of each, oldest first.
    pub fn step_proposals(&mut self) {
        let mut last = None;
        loop {
            let due = self.governance.proposals.iter().map(|(number, one)| (one.due, *number));
            let Some(next) = due.filter(|one| one.0 <= self.now && Some(*one) > last).min() else { return };
            self.step_proposal(next.1);
            last = Some(next);
        }
    }

    fn step_proposal(&mut self, number: u64) {
        let mut one = self.governance.proposals.remove(&number).expect("it is due");
        let (params, now) = (self.rules.at(one.height), self.now);
        match one.status {
            Status::Voting if !one.marked => {
                one.marked = true;
                one.passing = outcome(&self.count(&one), &params, &one.proposed) == Status::Passed;
                one.due = one.ends;
            }
            Status::Voting => {
                let counted = self.count(&one);
                let outcome = outcome(&counted, &params, &one.proposed);
                if outcome == Status::Passed && !one.passing && !one.extended {
                    one.extended = true;
                    one.ends = now + params.voting_seconds / 4;
                    one.due = one.ends;
                } else {
                    let to = if outcome == Status::Vetoed { Self::treasury() } else { user(&one.proposer) };
                    self.release(held(number), to, one.deposit);
                    one.tally = Some(counted);
                    one.status = match (outcome, &one.proposed) {
                        (Status::Passed, Proposed::Text(_)) => Status::Done,
                        (outcome, _) => outcome,
                    };
                    let waits = if one.status == Status::Passed {
                        params.timelock_seconds
                    } else {
                        self.rules.now().forget_seconds
                    };
                    one.due = now + waits;
                }
            }
            Status::Passed => {
                let changes = matches!(one.proposed, Proposed::Params(_) | Proposed::RetireAuthority(_));
                if changes && self.rules.next.as_ref().is_some_and(|(due, _)| *due <= now) {
                    one.due = now + 1;
                } else {
                    let (then, counted) = (one.tally.expect("it has passed"), self.count(&one));
                    let left = Counted { yes: then.yes.min(counted.yes), ..then };
                    one.status = if outcome(&left, &params, &one.proposed) != Status::Passed {
                        Status::Lapsed
                    } else if self.carry_out(&one.proposed) {
                        Status::Done
                    } else {
                        Status::Failed
                    };
                    one.due = now + self.rules.now().forget_seconds;
                }
            }
            _ => return,
        }
        self.governance.proposals.insert(number, one);
    }

    fn carry_out(&mut self, proposed: &Proposed) -> bool {
        match proposed {
            Proposed::Text(_) => true,
            Proposed::Params(new) => match renumbered(self.rules.now(), &new.numbers) {
                Ok(params) => {
                    self.rules.next = Some((self.now, params));
                    true
                }
                Err(_) => false,
            },
            Proposed::Spend(Payment { to, amount }) => {
                let (since, most, spent) = self.period();
                let pays = *amount <= most - spent && *amount <= self.owned(Self::treasury());
                if pays {
                    self.treasury.period = Some((since, most, spent + amount));
                    self.release(Self::treasury(), user(to), *amount);
                }
                pays
            }
            Proposed::Upgrade(upgrade) => {
                let planned = self.possible(upgrade).is_ok();
                if planned {
                    self.governance.upgrade = Some((upgrade.version, upgrade.height));
                }
                planned
            }
            Proposed::RetireAuthority(_) => {
                let there = self.rules.authority.is_some();
                if there {
                    self.retire();
                }
                there
            }
            Proposed::Reset(_) => false,
        }
    }
}
