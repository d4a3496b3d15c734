//! Challenges: a committee makes an epoch again, or two receipts say enough.

use std::collections::BTreeSet;

use datanet_ledger::component::accounts::Account;
use datanet_types::action::{ChallengeEpoch, CommitFinding, Finding, ProveForgery, RevealFinding};
use datanet_types::finding::FindingCommitment;
use datanet_types::sum_tree::SumNode;
use datanet_types::{Address, Amount, Digest, NodeKey};

use super::committee::{self, Drawn};
use super::epochs::{Epoch, Status};
use super::judging::share;
use super::ledger::{Done, Model, ensure, escrow, user};
use super::rounds::divide;

/// Challenges of one epoch, and committees of one challenge.
const MOST_CHALLENGES: u32 = 4;
const MOST_COMMITTEES: u32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Draw,
    Commit,
    Reveal,
    Over,
}

#[derive(Debug, Clone)]
pub struct Auditor {
    pub account: Address,
    pub seats: u32,
    pub committed: Option<Digest>,
    pub said: Option<Finding>,
    pub reward: Amount,
}

#[derive(Debug, Clone)]
pub struct Audit {
    pub challenger: Address,
    pub deposit: Amount,
    pub seats: u32,
    pub round: u32,
    pub phase: Phase,
    pub draw_height: u64,
    pub seed: Digest,
    pub commit_deadline: u64,
    pub reveal_deadline: u64,
    pub due: u64,
    pub auditors: Vec<Auditor>,
}

impl Audit {
    /// What hides a finding.
    pub fn commitment(&self, chain: &str, place: (&NodeKey, u64), who: &Address, said: (Finding, &Digest)) -> Digest {
        let ((node, epoch), (finding, salt)) = (place, said);
        let (chain_id, committee, auditor) = (chain, &self.seed, who);
        FindingCommitment { chain_id, node, epoch, committee, auditor, finding, salt }.digest()
    }

    fn open_reveal(&mut self, now: u64, seconds: u64) {
        self.phase = Phase::Reveal;
        (self.reveal_deadline, self.due) = (now + seconds, now + seconds);
    }

    fn committed(&self) -> usize {
        self.auditors.iter().filter(|auditor| auditor.committed.is_some()).count()
    }
}

pub fn held(node: &NodeKey, number: u64) -> Account {
    escrow("audit", &[&node.0, &number.to_le_bytes()])
}

/// What most of all seats say: that it is right, false, or at least not right.
fn verdict(auditors: &[Auditor]) -> Option<Finding> {
    let seats = |wanted: &[Option<Finding>]| -> u32 {
        auditors.iter().filter(|auditor| wanted.contains(&auditor.said)).map(|auditor| auditor.seats).sum()
    };
    let all: u32 = auditors.iter().map(|auditor| auditor.seats).sum();
    let most = |wanted: &[Option<Finding>]| 2 * seats(wanted) > all;
    let (right, wrong, unseen) = (Some(Finding::Correct), Some(Finding::False), Some(Finding::Unavailable));
    let missing = Some(Finding::Missing);
    if most(&[right]) {
        right
    } else if most(&[wrong]) {
        wrong
    } else if most(&[missing]) {
        missing
    } else if most(&[wrong, unseen, missing]) {
        unseen
    } else {
        None
    }
}

impl Model {
    /// The epoch, which nobody was paid for yet.
    fn doubtful(&self, node: &NodeKey, number: u64) -> Result<&Epoch, &'static str> {
        let epoch = self.serving.epochs.get(&(*node, number)).ok_or("no such epoch")?;
        if epoch.is_unpaid() { Ok(epoch) } else { Err("it is over") }
    }

    pub fn challenge(&mut self, who: Address, action: &ChallengeEpoch) -> Done {
        let key = (action.node, action.epoch);
        let epoch = self.doubtful(&action.node, action.epoch)?;
        ensure(action.suspects.iter().all(|at| *at < epoch.totals.answers), "no such answer")?;
        ensure(epoch.status == Status::Open, "it is audited")?;
        ensure(epoch.challenges < MOST_CHALLENGES, "challenged often enough")?;
        let (rules, times) = (self.rules.at(epoch.height), 1 << epoch.challenges);
        let (deposit, seats) = (rules.audit_deposit * u64::from(times), (rules.audit_seats + 1) * times - 1);
        ensure(self.anybody_judges(), "nobody audits")?;
        self.pay(user(&who), held(&action.node, action.epoch), deposit)?;
        let epoch = self.serving.epochs.get_mut(&key).expect("it is there");
        (epoch.status, epoch.challenges) = (Status::Audited, epoch.challenges + 1);
        let audit = Audit {
            challenger: who,
            deposit,
            seats,
            round: 0,
            phase: Phase::Draw,
            draw_height: self.height + rules.draw_delay,
            seed: Digest::ZERO,
            commit_deadline: 0,
            reveal_deadline: 0,
            due: 0,
            auditors: Vec::new(),
        };
        self.serving.audits.insert(key, audit);
        Ok(())
    }

    pub fn draw_audits(&mut self, drawn: &Drawn<'_>) {
        let height = self.height;
        let due = |audit: &Audit| audit.phase == Phase::Draw && audit.draw_height <= height;
        let due: Vec<_> = self.serving.audits.iter().filter(|(_, audit)| due(audit)).map(|(key, _)| *key).collect();
        for (node, number) in due {
            let rules = self.rules.at(self.serving.epochs[&(node, number)].height);
            let audit = &self.serving.audits[&(node, number)];
            let before = BTreeSet::from([audit.challenger]);
            let candidates = self.candidates(&self.nodes.all[&node].account, &before, rules.draw_delay);
            let seats = if candidates.is_empty() { Vec::new() } else { drawn.audit(&node, number) };
            let wanted = if candidates.is_empty() { 0 } else { audit.seats };
            committee::check(&seats, &candidates, wanted, &format!("audit of epoch {number} of {node}"));
            let auditor = |seat: &committee::Seat| {
                let (committed, said) = (None, None);
                Auditor { account: seat.0, seats: seat.3, committed, said, reward: 0 }
            };
            let audit = self.serving.audits.get_mut(&(node, number)).expect("it is there");
            audit.auditors = seats.iter().map(auditor).collect();
            audit.seed = drawn.audit_seed(&node, number);
            (audit.phase, audit.commit_deadline) = (Phase::Commit, self.now + rules.audit_seconds);
            audit.due = if seats.is_empty() { self.now } else { audit.commit_deadline };
        }
    }

    pub fn commit_finding(&mut self, who: Address, action: &CommitFinding) -> Done {
        let key = (action.node, action.epoch);
        let audit = self.serving.audits.get_mut(&key).ok_or("no such audit")?;
        ensure(audit.phase == Phase::Commit && self.now <= audit.commit_deadline, "nobody is heard")?;
        let auditor = audit.auditors.iter_mut().find(|auditor| auditor.account == who).ok_or("no seat")?;
        ensure(auditor.committed.is_none(), "committed before")?;
        auditor.committed = Some(action.commitment);
        if audit.committed() == audit.auditors.len() {
            let rules = self.rules.at(self.serving.epochs[&key].height);
            audit.open_reveal(self.now, rules.reveal_seconds);
        }
        Ok(())
    }

    pub fn reveal_finding(&mut self, who: Address, action: &RevealFinding) -> Done {
        let key = (action.node, action.epoch);
        let audit = self.serving.audits.get_mut(&key).ok_or("no such audit")?;
        ensure(audit.phase == Phase::Reveal && self.now <= audit.reveal_deadline, "nobody is heard")?;
        let at = audit.auditors.iter().position(|auditor| auditor.account == who).ok_or("no seat")?;
        ensure(audit.auditors[at].said.is_none(), "said before")?;
        let finding = Finding::try_from(action.finding).map_err(|_| "no finding")?;
        let hidden = audit.commitment(&self.chain, (&action.node, action.epoch), &who, (finding, &action.salt));
        ensure(audit.auditors[at].committed == Some(hidden), "not what was committed to")?;
        audit.auditors[at].said = Some(finding);
        if audit.auditors.iter().filter(|auditor| auditor.said.is_some()).count() == audit.committed() {
            audit.due = self.now;
        }
        Ok(())
    }

    pub fn close_audits(&mut self) {
        let now = self.now;
        let due = |audit: &Audit| matches!(audit.phase, Phase::Commit | Phase::Reveal) && audit.due <= now;
        let audits = self.serving.audits.iter().filter(|(_, audit)| due(audit));
        let due: BTreeSet<_> = audits.map(|((node, number), audit)| (audit.due, *node, *number)).collect();
        for (_, node, number) in due {
            let key = (node, number);
            let rules = self.rules.at(self.serving.epochs[&key].height);
            let audit = self.serving.audits.get_mut(&key).expect("it is there");
            if audit.phase == Phase::Commit && audit.committed() > 0 {
                audit.open_reveal(now, rules.reveal_seconds);
                continue;
            }
            let found = verdict(&audit.auditors);
            if found.is_none() && audit.round + 1 < MOST_COMMITTEES {
                (audit.round, audit.phase) = (audit.round + 1, Phase::Draw);
                audit.draw_height = self.height + rules.draw_delay;
                (audit.commit_deadline, audit.reveal_deadline) = (0, 0);
                audit.auditors.clear();
                continue;
            }
            audit.phase = Phase::Over;
            let audit = audit.clone();
            match found {
                Some(Finding::Correct) => {
                    self.reward_auditors(key, held(&node, number), audit.deposit, &[Finding::Correct])
                }
                Some(wrong) => self.convict(key, &audit, wrong),
                None => self.release(held(&node, number), user(&audit.challenger), audit.deposit),
            }
            if matches!(found, None | Some(Finding::Correct)) {
                let epoch = self.serving.epochs.get_mut(&key).expect("it is there");
                epoch.status = Status::Open;
                epoch.final_at = epoch.final_at.max(now + rules.challenge_seconds / 4);
                if epoch.quorum > 0 {
                    epoch.attest_by = epoch.attest_by.max(epoch.final_at);
                }
            }
            if let Some(found) = found {
                self.judge_auditors(&audit, found, self.serving.epochs[&key].height);
            }
        }
    }

    /// Twice the fees where it was false, once where it could not be shown, two deposits at least.
    fn convict(&mut self, key: (NodeKey, u64), audit: &Audit, found: Finding) {
        let (node, number) = key;
        self.release(held(&node, number), user(&audit.challenger), audit.deposit);
        let bond = self.bond_of(&self.serving.epochs[&key]);
        let fine = if found == Finding::False { bond } else { bond / 2 };
        self.void(&node, number);
        let (stake, taken) = self.fine(&node, fine.max(2 * audit.deposit));
        let to_challenger = (taken / 2).min(4 * audit.deposit);
        let to_auditors = (taken / 2).min(2 * audit.deposit);
        self.release(stake, user(&audit.challenger), to_challenger);
        self.reward_auditors(key, stake, to_auditors, &[Finding::False, Finding::Unavailable, Finding::Missing]);
        self.release(stake, Self::treasury(), taken - to_challenger - to_auditors);
        if found == Finding::Missing {
            let (keepers, rules) =
                (self.serving.epochs[&key].keepers.clone(), self.rules.at(self.serving.epochs[&key].height));
            let most = share(rules.min_storage_stake, rules.bond_penalty_bps);
            let (count, rest) = (keepers.len() as u64, taken - to_challenger - to_auditors);
            let more = self.fine_keeper(&node, (most * count).saturating_sub(rest));
            let each = most.min((rest + more).checked_div(count).unwrap_or(0));
            keepers.iter().for_each(|(keeper, _)| _ = self.fine_keeper(keeper, each));
        }
    }

    fn reward_auditors(&mut self, key: (NodeKey, u64), from: Account, amount: Amount, agreed: &[Finding]) {
        let audit = self.serving.audits.get_mut(&key).expect("it is there");
        let agrees = |auditor: &Auditor| auditor.said.is_some_and(|said| agreed.contains(&said));
        let weights: Vec<u64> =
            audit.auditors.iter().map(|one| if agrees(one) { u64::from(one.seats) } else { 0 }).collect();
        let rewards = divide(amount, &weights);
        audit.auditors.iter_mut().zip(&rewards).for_each(|(auditor, reward)| auditor.reward = *reward);
        let accounts: Vec<Address> = audit.auditors.iter().map(|auditor| auditor.account).collect();
        accounts.iter().zip(rewards).for_each(|(account, reward)| self.release(from, user(account), reward));
    }

    /// Who said the opposite, or nothing, audits badly; who could not get the receipts has done nothing wrong.
    fn judge_auditors(&mut self, audit: &Audit, found: Finding, height: u64) {
        for auditor in &audit.auditors {
            let accuracy = match (auditor.said, found) {
                (None, _) => None,
                (Some(Finding::Unavailable | Finding::Missing), _) => continue,
                (Some(Finding::Correct), Finding::Correct) => continue,
                (Some(Finding::False), Finding::False | Finding::Unavailable | Finding::Missing) => continue,
                (Some(_), _) => Some(0),
            };
            self.judged(auditor.account, accuracy, height);
        }
    }

    pub fn prove_forgery(&mut self, who: Address, action: &ProveForgery) -> Done {
        let key = (action.node, action.epoch);
        let epoch = self.doubtful(&action.node, action.epoch)?.clone();
        let leaf = action.settled.node(&self.chain, &action.node, action.epoch);
        let root = SumNode { digest: epoch.receipts, sum: epoch.totals.fees };
        let settled = action.proof.total == epoch.totals.answers && action.proof.verify(leaf, &root);
        ensure(settled, "not what was settled")?;
        if let Some(audit) = self.serving.audits.get_mut(&key).filter(|audit| audit.phase != Phase::Over) {
            audit.phase = Phase::Over;
            let (challenger, deposit) = (audit.challenger, audit.deposit);
            self.release(held(&action.node, action.epoch), user(&challenger), deposit);
        }
        self.void(&action.node, action.epoch);
        let (stake, taken) = self.fine(&action.node, self.bond_of(&epoch));
        self.release(stake, user(&who), taken / 2);
        self.release(stake, Self::treasury(), taken - taken / 2);
        Ok(())
    }
}
