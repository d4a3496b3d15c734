//! The audit of a release: what influence said, against what leaving data out really does.
//!
//! Some subsets of the data are removed and the model retrained without them, and some contributors are left out
//! entirely. Three figures say how well predicted values rank what then happens to the loss of held-out answers:
//!
//! - **LDS** (linear datamodelling score): for each answer the rank correlation, over the subsets, of the subset's
//!   summed value with the actual rise of the loss; mean over answers.
//! - **leave-one-out rank by answer**: the same across contributors left out one at a time: who helped this answer?
//! - **pay**: the rank correlation, across contributors, of the means over answers: who should be paid more? Where all
//!   contributors are alike, actual pay itself hardly agrees between two halves of the held-out answers, so this one is
//!   reported and not required.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{model::Rows, rank::spearman};
use crate::random::Stream;

pub use super::gate::{Choice, Gate, GateVerdict, Swept, Thresholds, choose};

/// How much retraining an audit does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditPlan {
    /// Retrainings with a part of the data removed.
    pub subsets: usize,
    /// The part of the columns that each of them removes.
    pub removed: f32,
    /// Retrainings with a contributor left out; all of them when there are no more.
    pub contributors: usize,
    /// Seed of the subsets and of the choice of contributors. Data must be committed to before it is drawn.
    pub seed: u64,
}

impl Default for AuditPlan {
    fn default() -> Self {
        Self { subsets: 20, removed: 0.1, contributors: 8, seed: 0 }
    }
}

/// How the records belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The column of each training record; `None` for a record that nobody is credited for.
    pub column_of: Vec<Option<usize>>,
    /// The contributor of each column.
    pub contributor_of: Vec<usize>,
}

impl Belonging {
    /// A column for each record, whose contributor is given.
    pub fn by_record(contributors: &[usize]) -> Self {
        Self { column_of: (0..contributors.len()).map(Some).collect(), contributor_of: contributors.to_vec() }
    }

    /// A column for each of `count` contributors.
    pub fn by_contributor(contributors: &[usize], count: usize) -> Self {
        Self {
            column_of: contributors.iter().map(|contributor| Some(*contributor)).collect(),
            contributor_of: (0..count).collect(),
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.contributor_of.len()
    }

    /// Number of contributors.
    pub fn contributors(&self) -> usize {
        self.contributor_of.iter().max().map_or(0, |last| last + 1)
    }

    /// The columns of a contributor.
    pub fn columns_of(&self, contributor: usize) -> Vec<usize> {
        (0..self.columns()).filter(|column| self.contributor_of[*column] == contributor).collect()
    }

    /// True at the records of these columns.
    pub fn records(&self, columns: &[usize]) -> Vec<bool> {
        let mut chosen = vec![false; self.columns()];
        columns.iter().for_each(|column| chosen[*column] = true);
        self.column_of.iter().map(|column| column.is_some_and(|column| chosen[column])).collect()
    }

    /// Values [columns, Q] of records added up to [contributors, Q].
    pub fn by_contributors(&self, values: &Rows) -> Rows {
        let mut sums = Rows::zeros(self.contributors(), values.columns);
        for (column, contributor) in self.contributor_of.iter().enumerate() {
            let row = sums.row_mut(*contributor);
            row.iter_mut().zip(values.row(column)).for_each(|(sum, value)| *sum += value);
        }
        sums
    }
}

/// What really happened when data was left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Ground {
    /// The columns that each subset removed.
    pub subsets: Vec<Vec<usize>>,
    /// How the loss of each answer rose, [subsets, Q].
    pub subset_rises: Rows,
    /// The contributors left out.
    pub left_out: Vec<usize>,
    /// How the loss of each answer rose, [left out, Q].
    pub contributor_rises: Rows,
}

/// Trains again: given true at the records to leave out, the losses of the held-out answers.
pub type Retrain<'a, E> = dyn FnMut(&[bool]) -> Result<Vec<f32>, E> + 'a;

/// Progress of an audit: retrainings done, and all of them; says whether it goes on.
pub type Progress<'a> = dyn FnMut(usize, usize) -> ControlFlow<()> + 'a;

impl AuditPlan {
    /// The columns that each subset removes: distinct, at least one.
    pub fn draw_subsets(&self, columns: usize) -> Vec<Vec<usize>> {
        let count = ((columns as f64 * f64::from(self.removed)) as usize).clamp(columns.min(1), columns);
        let draw = |subset: usize| {
            let mut chosen = Stream::new("audit subset", self.seed, subset as u64).permutation(columns);
            chosen.truncate(count);
            chosen.sort_unstable();
            chosen
        };
        (0..self.subsets).map(draw).collect()
    }

    /// The contributors that are left out.
    pub fn draw_contributors(&self, contributors: usize) -> Vec<usize> {
        let mut chosen = Stream::new("audit contributors", self.seed, 0).permutation(contributors);
        chosen.truncate(self.contributors);
        chosen.sort_unstable();
        chosen
    }

    /// Retrains for the audit. `retrain` is given true at the records to leave out, and answers with the losses of
    /// the Q held-out answers; it is called first with nothing left out. `None` if `progress` ended it.
    ///
    /// # Errors
    /// Those of `retrain`.
    pub fn observe<E>(
        &self,
        belonging: &Belonging,
        retrain: &mut Retrain<'_, E>,
        progress: &mut Progress<'_>,
    ) -> Result<Option<Ground>, E> {
        let retrainings = self.retrainings(belonging);
        let total = retrainings.removed.len();
        let mut losses = Vec::with_capacity(total);
        for removed in &retrainings.removed {
            losses.push(retrain(removed)?);
            if progress(losses.len(), total).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(retrainings.ground(&losses)))
    }

    /// What is retrained, for whoever does it otherwise than one after another.
    pub fn retrainings(&self, belonging: &Belonging) -> Retrainings {
        let subsets = self.draw_subsets(belonging.columns());
        let left_out = self.draw_contributors(belonging.contributors());
        let owned = left_out.iter().map(|one| belonging.columns_of(*one));
        let without = subsets.iter().cloned().chain(owned).map(|columns| belonging.records(&columns));
        let removed = std::iter::once(belonging.records(&[])).chain(without).collect();
        Retrainings { subsets, left_out, removed }
    }
}

/// The retrainings of an audit: with nothing left out, without each subset, and without each contributor, in this order.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrainings {
    subsets: Vec<Vec<usize>>,
    left_out: Vec<usize>,
    removed: Vec<Vec<bool>>,
}

impl Retrainings {
    /// True at the records that each leaves out.
    pub fn removed(&self) -> &[Vec<bool>] {
        &self.removed
    }

    /// What really happened, from the losses of the held-out answers after each.
    pub fn ground(self, losses: &[Vec<f32>]) -> Ground {
        let base = losses.first().cloned().unwrap_or_default();
        let rises = |losses: &[Vec<f32>]| {
            let each = losses.iter().flat_map(|losses| losses.iter().zip(&base).map(|(loss, base)| loss - base));
            Rows { rows: losses.len(), columns: base.len(), data: each.collect() }
        };
        let after = losses.get(1..).unwrap_or_default();
        let (subsets, contributors) = after.split_at(self.subsets.len().min(after.len()));
        Ground {
            subset_rises: rises(subsets),
            contributor_rises: rises(contributors),
            subsets: self.subsets,
            left_out: self.left_out,
        }
    }
}

/// How well values rank what really happened; `None` where too little was left out to rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Faithfulness {
    /// Across removed subsets, mean over answers.
    pub lds: Option<f32>,
    /// Across contributors left out, mean over answers.
    pub leave_one_out: Option<f32>,
    /// Across contributors left out, of the means over answers.
    pub pay: Option<f32>,
}

impl Faithfulness {
    /// What two methods are compared by: the mean of LDS and leave-one-out rank, of those that are known.
    pub fn merit(&self) -> Option<f32> {
        match (self.lds, self.leave_one_out) {
            (Some(lds), Some(rank)) => Some((lds + rank) / 2.0),
            (one, other) => one.or(other),
        }
    }
}

impl Ground {
    /// Judges values [columns, Q].
    pub fn judge(&self, belonging: &Belonging, values: &Rows) -> Faithfulness {
        let owned: Vec<Vec<usize>> = self.left_out.iter().map(|one| belonging.columns_of(*one)).collect();
        let predicted = sums(values, &owned);
        let mean = |rows: &Rows| -> Vec<f32> {
            rows.iter().map(|row| row.iter().sum::<f32>() / rows.columns.max(1) as f32).collect()
        };
        Faithfulness {
            lds: agreement(&sums(values, &self.subsets), &self.subset_rises),
            leave_one_out: agreement(&predicted, &self.contributor_rises),
            pay: spearman(&mean(&predicted), &mean(&self.contributor_rises)).map(|rho| rho as f32),
        }
    }
}

/// The summed values of each group, [groups, Q].
pub(super) fn sums(values: &Rows, groups: &[Vec<usize>]) -> Rows {
    let mut sums = Rows::zeros(groups.len(), values.columns);
    for (at, group) in groups.iter().enumerate() {
        for column in group {
            sums.row_mut(at).iter_mut().zip(values.row(*column)).for_each(|(sum, value)| *sum += value);
        }
    }
    sums
}

/// The rank correlation down each column, mean over the columns that have one.
pub(super) fn agreement(predicted: &Rows, actual: &Rows) -> Option<f32> {
    let column = |rows: &Rows, at: usize| -> Vec<f32> { rows.iter().map(|row| row[at]).collect() };
    let each = (0..actual.columns).filter_map(|at| spearman(&column(predicted, at), &column(actual, at)));
    let (count, sum) = each.fold((0u32, 0.0), |(count, sum), rho| (count + 1, sum + rho));
    (count > 0).then(|| (sum / f64::from(count)) as f32)
}

#[cfg(test)]
mod tests;
