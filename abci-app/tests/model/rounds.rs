//! Rounds of judging: commit, reveal, the median over seats, and what it brings whom.

use std::collections::BTreeSet;

use datanet_types::action::{CommitScores, RevealScores};
use datanet_types::scores::Commitment;
use datanet_types::{Address, Amount, ContributionId, Digest, Scores};

use super::committee::{self, Drawn};
use super::judging::Given;
use super::ledger::{Done, Model, ensure};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Draw,
    Commit,
    Reveal,
    Judged,
    Unavailable,
    Unjudged,
}

#[derive(Debug, Clone)]
pub struct Judge {
    pub account: Address,
    pub seats: u32,
    pub bps: u32,
    pub committed: Option<Digest>,
    /// What it said: scores, or that the bytes were not to be had.
    pub revealed: Option<Option<Scores>>,
    pub accuracy: Option<u32>,
    pub reward: Amount,
}

#[derive(Debug, Clone)]
pub struct Round {
    pub phase: Phase,
    pub draw_height: u64,
    pub judges: Vec<Judge>,
    pub commit_deadline: u64,
    pub reveal_deadline: u64,
    /// When the phase is closed.
    pub due: u64,
    /// Whether what judges said is forgotten.
    pub forgotten: bool,
}

impl Round {
    pub fn waiting(draw_height: u64) -> Self {
        let (phase, judges) = (Phase::Draw, Vec::new());
        Self { phase, draw_height, judges, commit_deadline: 0, reveal_deadline: 0, due: 0, forgotten: false }
    }

    pub fn committed(&self) -> usize {
        self.judges.iter().filter(|judge| judge.committed.is_some()).count()
    }

    pub fn revealed(&self) -> usize {
        self.judges.iter().filter(|judge| judge.revealed.is_some()).count()
    }

    fn open_reveal(&mut self, now: u64, seconds: u64) {
        self.phase = Phase::Reveal;
        (self.reveal_deadline, self.due) = (now + seconds, now + seconds);
    }
}

/// What the seats say together.
enum Verdict {
    Judged(Scores),
    Unavailable,
    Open,
}

/// Two thirds of the seats must have revealed. More than half of those make it unavailable; more than half of all seats must have given
/// scores for these to count.
fn verdict(judges: &[Judge]) -> Verdict {
    let seats = |wanted: &dyn Fn(&Judge) -> bool| judges.iter().filter(|j| wanted(j)).map(|j| j.seats).sum::<u32>();
    let all = seats(&|_| true);
    let missing = seats(&|judge| judge.revealed == Some(None));
    let scored = seats(&|judge| matches!(judge.revealed, Some(Some(_))));
    if all == 0 || 3 * (missing + scored) < 2 * all {
        Verdict::Open
    } else if 2 * missing > missing + scored {
        Verdict::Unavailable
    } else if 2 * scored > all {
        Verdict::Judged(median(judges))
    } else {
        Verdict::Open
    }
}

/// Each seat has its say as often as it is there: the middle one, of an even number the lower of the two.
fn median(judges: &[Judge]) -> Scores {
    let mut middle = [0; 4];
    for (dimension, middle) in middle.iter_mut().enumerate() {
        let mut said: Vec<u32> = Vec::new();
        for judge in judges {
            if let Some(Some(scores)) = judge.revealed {
                said.extend(std::iter::repeat_n(scores.as_array()[dimension], judge.seats as usize));
            }
        }
        said.sort_unstable();
        *middle = said[(said.len() - 1) / 2];
    }
    Scores::from_array(middle)
}

pub fn accuracy(said: &Scores, median: &Scores) -> u32 {
    let distances = said.as_array().into_iter().zip(median.as_array()).map(|(one, other)| one.abs_diff(other));
    10_000 - distances.sum::<u32>() / 4
}

/// Divides money by weights: everybody's share rounded down, and a unit more to those to whom most of one is owed, the first of equals.
pub fn divide(amount: Amount, weights: &[u64]) -> Vec<Amount> {
    let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: &u64| u128::from(amount) * u128::from(*weight);
    let mut parts: Vec<Amount> = weights.iter().map(|weight| (exact(weight) / sum) as Amount).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(exact(&weights[*at]) % sum), *at));
    let left = amount - parts.iter().sum::<Amount>();
    order.iter().take(left as usize).for_each(|at| parts[*at] += 1);
    parts
}

impl Model {
    /// The round of a contribution that is being judged.
    pub fn round(&self, id: &ContributionId) -> Option<(&Given, &Round)> {
        let given = self.judging.given.get(id)?;
        Some((given, self.judging.rounds.get(&(*id, given.judging_round()))?))
    }

    /// Where `who` sits on the committee of what is in this phase.
    fn seat(&self, id: &ContributionId, who: Address, phase: Phase) -> Result<(u32, usize), &'static str> {
        let given = self.judging.given.get(id).ok_or("no such contribution")?;
        let number = given.judging_round();
        let round = self.judging.rounds.get(&(*id, number)).ok_or("the round is forgotten")?;
        let at = round.judges.iter().position(|judge| judge.account == who).ok_or("no seat")?;
        let deadline = if phase == Phase::Commit { round.commit_deadline } else { round.reveal_deadline };
        ensure(round.phase == phase, "another phase")?;
        ensure(self.now <= deadline, "too late")?;
        Ok((number, at))
    }

    pub fn commit(&mut self, who: Address, action: &CommitScores) -> Done {
        let id = action.contribution;
        let (number, at) = self.seat(&id, who, Phase::Commit)?;
        let seconds = self.rules.at(self.judging.given[&id].height).reveal_seconds;
        let round = self.judging.rounds.get_mut(&(id, number)).expect("it is there");
        ensure(round.judges[at].committed.is_none(), "committed before")?;
        round.judges[at].committed = Some(action.commitment);
        if round.committed() == round.judges.len() {
            round.open_reveal(self.now, seconds);
        }
        Ok(())
    }

    pub fn reveal(&mut self, who: Address, action: &RevealScores) -> Done {
        let id = action.contribution;
        let (number, at) = self.seat(&id, who, Phase::Reveal)?;
        let given = &self.judging.given[&id];
        let commitment = Commitment {
            chain_id: &self.chain,
            datanet: &given.datanet,
            contribution: &id,
            blob: &given.blob,
            validator: &who,
            scores: action.scores.as_ref(),
            report: &action.report,
            salt: &action.salt,
        };
        let round = self.judging.rounds.get_mut(&(id, number)).expect("it is there");
        ensure(round.judges[at].committed == Some(commitment.digest()), "not what was committed to")?;
        ensure(round.judges[at].revealed.is_none(), "revealed before")?;
        round.judges[at].revealed = Some(action.scores);
        if round.revealed() == round.committed() {
            round.due = self.now;
        }
        Ok(())
    }

    pub fn draw_rounds(&mut self, drawn: &Drawn<'_>) {
        let height = self.height;
        let due = |round: &Round| round.phase == Phase::Draw && round.draw_height <= height;
        let due: Vec<_> = self.judging.rounds.iter().filter(|(_, round)| due(round)).map(|(key, _)| *key).collect();
        for (id, number) in due {
            let given = self.judging.given[&id].clone();
            let rules = self.rules.at(given.height);
            let before: BTreeSet<Address> = match number.checked_sub(1) {
                Some(before) => self.judging.rounds[&(id, before)].judges.iter().map(|judge| judge.account).collect(),
                None => BTreeSet::new(),
            };
            let wanted = self.judging.datanets[&given.datanet].seats;
            let (candidates, wanted) = if given.challenged {
                (self.second_judges(&given, &id, before, rules.draw_delay), 2 * wanted + 1)
            } else {
                (self.candidates(&given.giver, &before, rules.draw_delay), wanted)
            };
            if candidates.is_empty() {
                self.unjudged(&id, number);
                continue;
            }
            let seats = drawn.round(&id, number);
            committee::check(&seats, &candidates, wanted, &id.to_string());
            let judge = |(account, node, _, seats): &committee::Seat| Judge {
                account: *account,
                seats: *seats,
                bps: candidates[node].bps,
                committed: None,
                revealed: None,
                accuracy: None,
                reward: 0,
            };
            let deadline = self.now + rules.commit_seconds;
            let round = self.judging.rounds.get_mut(&(id, number)).expect("it is there");
            round.judges = seats.iter().map(judge).collect();
            (round.phase, round.commit_deadline, round.due) = (Phase::Commit, deadline, deadline);
        }
    }

    /// Those first that are due first.
    pub fn close_rounds(&mut self) {
        let now = self.now;
        let due = |round: &Round| matches!(round.phase, Phase::Commit | Phase::Reveal) && round.due <= now;
        let rounds = self.judging.rounds.iter().filter(|(_, round)| due(round));
        let due: BTreeSet<_> = rounds.map(|((id, number), round)| (round.due, *id, *number)).collect();
        for (_, id, number) in due {
            let seconds = self.rules.at(self.judging.given[&id].height).reveal_seconds;
            let round = self.judging.rounds.get_mut(&(id, number)).expect("it is there");
            if round.phase == Phase::Commit && round.committed() > 0 {
                round.open_reveal(now, seconds);
                continue;
            }
            match verdict(&round.judges) {
                Verdict::Judged(scores) => self.judged_round(&id, number, scores),
                Verdict::Unavailable => {
                    self.end_round(&id, number, Phase::Unavailable);
                    self.pass(&id, number, None);
                }
                Verdict::Open if number == 0 => self.judge_again(&id),
                Verdict::Open => self.unjudged(&id, number),
            }
        }
    }

    fn judge_again(&mut self, id: &ContributionId) {
        let given = self.judging.given.get_mut(id).expect("it is judged");
        given.round = 1;
        let delay = self.rules.at(given.height).draw_delay;
        let first = self.judging.rounds.get_mut(&(*id, 0)).expect("it is there");
        (first.phase, first.due) = (Phase::Unjudged, 0);
        self.judging.rounds.insert((*id, 1), Round::waiting(self.height + delay));
    }

    fn judged_round(&mut self, id: &ContributionId, number: u32, scores: Scores) {
        let given = self.judging.given[id].clone();
        self.end_round(id, number, Phase::Judged);
        let round = self.judging.rounds.get_mut(&(*id, number)).expect("it is there");
        for judge in &mut round.judges {
            judge.accuracy = judge.revealed.flatten().map(|said| accuracy(&said, &scores));
        }
        for judge in round.judges.clone() {
            // Who could not get the bytes has done nothing wrong.
            if judge.revealed != Some(None) {
                self.judged(judge.account, judge.accuracy, given.height);
            }
        }
        self.pass(id, number, Some(scores));
    }

    fn unjudged(&mut self, id: &ContributionId, number: u32) {
        self.end_round(id, number, Phase::Unjudged);
        if self.judging.given[id].challenged { self.second_undecided(id) } else { self.give_up_judging(id) }
    }

    /// By seats x reputation x accuracy, or where nobody was accurate without that. Paid once the verdict is final.
    pub fn assign(&mut self, id: &ContributionId, number: u32, amount: Amount) {
        let unavailable = self.judging.rounds[&(*id, number)].phase == Phase::Unavailable;
        let works = |judge: &Judge| judge.revealed.is_some_and(|said| unavailable || said.is_some());
        let judges = self.judging.rounds[&(*id, number)].judges.clone();
        let base = |judge: &Judge| if works(judge) { u64::from(judge.seats) * u64::from(judge.bps) } else { 0 };
        let earned: Vec<u64> = judges.iter().map(|j| base(j) * u64::from(j.accuracy.unwrap_or(0))).collect();
        let nobody = earned.iter().all(|weight| *weight == 0);
        let weights = if nobody { judges.iter().map(base).collect() } else { earned };
        let round = self.judging.rounds.get_mut(&(*id, number)).expect("it is there");
        round.judges.iter_mut().zip(divide(amount, &weights)).for_each(|(judge, reward)| judge.reward = reward);
    }

    fn end_round(&mut self, id: &ContributionId, number: u32, phase: Phase) {
        let round = self.judging.rounds.get_mut(&(*id, number)).expect("it is there");
        (round.phase, round.due) = (phase, 0);
    }

    pub fn forget_some_day(&mut self, id: &ContributionId) {
        let forget = self.now + self.rules.at(self.judging.given[id].height).forget_seconds;
        self.judging.forget.insert((forget, *id));
    }

    /// What was committed to and revealed goes; the round too, unless it is the last of what may earn.
    pub fn forget_rounds(&mut self) {
        while let Some((when, id)) = self.judging.forget.first().copied().filter(|(when, _)| *when <= self.now) {
            self.judging.forget.remove(&(when, id));
            let given = self.judging.given.get_mut(&id).expect("it is there");
            self.judging.challenges.remove(&id);
            let (may_earn, last) = (given.may_earn(), given.round);
            self.judging.rounds.retain(|(of, number), _| *of != id || (*number == last && may_earn));
            if let Some(round) = self.judging.rounds.get_mut(&(id, last)) {
                round.forgotten = true;
            }
        }
    }
}
