//! How far an audit's figures are chance: what they would be with other retrainings and other answers.
//!
//! A figure rests on some retrainings and some answers. Drawing both again with replacement, many times, shows how much
//! it moves; for two methods the same draws are taken for both, because most of what moves one moves the other too (a
//! paired bootstrap). Seeded, so that whoever repeats an audit finds the same intervals.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::audit::{Belonging, Faithfulness, Ground, agreement, sums};
use super::model::Rows;
use crate::random::Stream;

/// Draws behind an interval.
const DRAWS: u64 = 1_000;

/// Retrainings that a figure with an interval rests on at least: of two, every draw with a rank has the same two, so that only answers would vary.
const RETRAININGS: usize = 3;

/// The part of the draws that lies outside an interval.
const OUTSIDE: f64 = 0.05;

/// Between which a figure lies in 95 of 100 draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f32,
    /// The upper end.
    pub high: f32,
}

/// The intervals of an audit's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Intervals {
    /// Of [`Faithfulness::lds`].
    pub lds: Option<Interval>,
    /// Of [`Faithfulness::leave_one_out`].
    pub leave_one_out: Option<Interval>,
}

/// What a method predicts of everything that an audit left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// [subsets, Q]
    subsets: Rows,
    /// [left out, Q]
    contributors: Rows,
}

impl Predicted {
    /// By values [columns, Q].
    pub fn new(ground: &Ground, belonging: &Belonging, values: &Rows) -> Self {
        let owned: Vec<Vec<usize>> = ground.left_out.iter().map(|one| belonging.columns_of(*one)).collect();
        Self { subsets: sums(values, &ground.subsets), contributors: sums(values, &owned) }
    }

    /// The intervals of its figures.
    pub fn intervals(&self, ground: &Ground, seed: u64) -> Intervals {
        let draws: Vec<Faithfulness> =
            (0..DRAWS).into_par_iter().map(|draw| Draw::new(ground, seed, draw).of(self, ground)).collect();
        let of = |retrainings: usize, figure: fn(&Faithfulness) -> Option<f32>| {
            let draws = (retrainings >= RETRAININGS).then(|| draws.iter().filter_map(figure).collect())?;
            interval(draws, OUTSIDE)
        };
        Intervals {
            lds: of(ground.subsets.len(), |one| one.lds),
            leave_one_out: of(ground.left_out.len(), |one| one.leave_one_out),
        }
    }

    /// By how much it agrees better with what happened than `other`, in the mean of both figures, at the same draws.
    /// `tried` says among how many methods it was picked, each of which might have looked better by chance: the
    /// interval is as much wider.
    pub fn lead(&self, other: &Self, ground: &Ground, seed: u64, tried: usize) -> Option<Interval> {
        let differences: Vec<f32> = (0..DRAWS)
            .into_par_iter()
            .filter_map(|draw| {
                let draw = Draw::new(ground, seed, draw);
                Some(draw.of(self, ground).merit()? - draw.of(other, ground).merit()?)
            })
            .collect();
        interval(differences, OUTSIDE / tried.max(1) as f64)
    }
}

/// Which retrainings and answers are looked at, some more than once.
struct Draw {
    subsets: Vec<usize>,
    contributors: Vec<usize>,
    answers: Vec<usize>,
}

impl Draw {
    fn new(ground: &Ground, seed: u64, number: u64) -> Self {
        let mut stream = Stream::new("bootstrap", seed, number);
        let mut some = |count: usize| (0..count).map(|_| stream.below(count)).collect();
        Self {
            subsets: some(ground.subsets.len()),
            contributors: some(ground.left_out.len()),
            answers: some(ground.subset_rises.columns.max(ground.contributor_rises.columns)),
        }
    }

    fn of(&self, predicted: &Predicted, ground: &Ground) -> Faithfulness {
        let agree = |ours: &Rows, theirs: &Rows, rows: &[usize]| {
            agreement(&picked(ours, rows, &self.answers), &picked(theirs, rows, &self.answers))
        };
        Faithfulness {
            lds: agree(&predicted.subsets, &ground.subset_rises, &self.subsets),
            leave_one_out: agree(&predicted.contributors, &ground.contributor_rises, &self.contributors),
            pay: None,
        }
    }
}

fn picked(values: &Rows, rows: &[usize], columns: &[usize]) -> Rows {
    let data = rows.iter().flat_map(|row| columns.iter().map(|column| values.row(*row)[*column])).collect();
    Rows { rows: rows.len(), columns: if rows.is_empty() { 0 } else { columns.len() }, data }
}

/// All but `outside` of the numbers, as many left out below as above; none where most draws have none.
fn interval(mut numbers: Vec<f32>, outside: f64) -> Option<Interval> {
    if numbers.len() < DRAWS as usize / 2 {
        return None;
    }
    numbers.sort_unstable_by(f32::total_cmp);
    let cut = ((numbers.len() as f64 * outside / 2.0) as usize).min(numbers.len() - 1);
    Some(Interval { low: numbers[cut], high: numbers[numbers.len() - 1 - cut] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 subsets of one column each and 6 contributors, 30 answers; what happened is `worth` and some noise.
    fn ground(noise: f32) -> (Ground, Belonging, Rows) {
        let mut dice = Stream::new("bootstrap test", 0, 0);
        let worth = Rows { rows: 12, columns: 30, data: (0..360).map(|_| dice.normal()).collect() };
        let belonging = Belonging::by_record(&(0..12).map(|record| record / 2).collect::<Vec<_>>());
        let mut happened = worth.clone();
        happened.data.iter_mut().for_each(|x| *x += noise * dice.normal());
        let contributor_rises = belonging.by_contributors(&happened);
        let subsets = (0..12).map(|column| vec![column]).collect();
        let ground = Ground { subsets, subset_rises: happened, left_out: (0..6).collect(), contributor_rises };
        (ground, belonging, worth)
    }

    #[test]
    fn a_figure_lies_in_its_interval_and_noise_widens_it() {
        let mut widths = Vec::new();
        for noise in [0.0, 1.0] {
            let (ground, belonging, worth) = ground(noise);
            let found = ground.judge(&belonging, &worth);
            let intervals = Predicted::new(&ground, &belonging, &worth).intervals(&ground, 3);
            let (lds, rank) = (intervals.lds.unwrap(), intervals.leave_one_out.unwrap());
            assert!(lds.low <= found.lds.unwrap() && found.lds.unwrap() <= lds.high + 0.05, "{lds:?} {found:?}");
            assert!(rank.low <= rank.high && rank.high <= 1.0, "{rank:?}");
            widths.push(lds.high - lds.low);
        }
        assert!(widths[0] < 1e-6 && widths[1] > 0.05, "{widths:?}");
    }

    #[test]
    fn what_is_better_leads_and_what_is_as_good_does_not() {
        let (ground, belonging, worth) = ground(0.3);
        let mut dice = Stream::new("bootstrap test", 1, 0);
        let mut with = |noise: f32| {
            let mut values = worth.clone();
            values.data.iter_mut().for_each(|x| *x += noise * dice.normal());
            Predicted::new(&ground, &belonging, &values)
        };
        let (good, as_good, bad) = (with(0.3), with(0.3), with(3.0));
        let lead = |one: &Predicted, other: &Predicted, tried| one.lead(other, &ground, 5, tried).unwrap();
        assert!(lead(&good, &bad, 1).low > 0.0 && lead(&bad, &good, 1).high < 0.0);
        let close = lead(&good, &as_good, 1);
        assert!(close.low < 0.0 && close.high > 0.0, "{close:?}");
        let among = lead(&good, &bad, 4);
        assert!(among.low < lead(&good, &bad, 1).low, "many tries make it wider");
        assert_eq!(lead(&good, &bad, 1), lead(&good, &bad, 1), "it is seeded");
    }

    #[test]
    fn two_retrainings_have_no_interval_and_three_do() {
        let (ground, belonging, worth) = ground(0.3);
        let of = |count: usize| {
            let first = |rows: &Rows| Rows { rows: count, data: rows.data[..count * rows.columns].to_vec(), ..*rows };
            let few = Ground {
                subsets: ground.subsets[..count].to_vec(),
                subset_rises: first(&ground.subset_rises),
                left_out: ground.left_out[..count].to_vec(),
                contributor_rises: first(&ground.contributor_rises),
            };
            let found = Predicted::new(&few, &belonging, &worth).intervals(&few, 0);
            (found.lds.is_some(), found.leave_one_out.is_some())
        };
        assert_eq!((of(2), of(3)), ((false, false), (true, true)));
    }

    #[test]
    fn nothing_left_out_has_no_interval() {
        let (ground, belonging, worth) = ground(0.0);
        let none = Ground { subsets: Vec::new(), subset_rises: Rows::none(30), ..ground };
        let predicted = Predicted::new(&none, &belonging, &worth);
        let intervals = predicted.intervals(&none, 0);
        assert!(intervals.lds.is_none() && intervals.leave_one_out.is_some());
        assert!(predicted.lead(&predicted, &none, 0, 1).is_some());
    }
}
