//! The influence of a finished run: the tables that explain answers, the one that pays for them, and the audit that
//! says how far to believe them.

use serde::{Deserialize, Serialize};

use super::halves::{Halves, halves};
use super::moves::moves;
use super::prepare::{Paid, Prepared, curvature};
use super::{Control, Event, Meter, Setup, TrainError, retrain};
use crate::attribution::audit::Swept;
use crate::attribution::halves::{Half, PayTable};
use crate::attribution::{
    AuditPlan, Belonging, Choice, Compared, Curvature, Gate, GateVerdict, Ground, Predicted, Replay, Rows, Table,
    Thresholds, audit, curvature as rows_of, gradients,
};
use crate::transcript::HalfRun;

/// Held-out records that an audit asks.
const MAX_ANSWERS: usize = 200;

/// What an audit is held against.
const THRESHOLDS: Thresholds = Thresholds::PUBLISHED;

/// Dampings that Gauss-Newton influence is tried with.
const DAMPINGS: [f32; 4] = [0.03, 0.1, 0.2, 0.3];

/// The one that is taken where no audit chooses.
const DAMPING: f32 = DAMPINGS[1];

/// Numbers that Gauss-Newton influence may need where it is computed for comparison alone: half a gibibyte of them.
const MAX_BESIDE: usize = 1 << 27;

/// Curvature rows that are solved with at once; where all would be more, those of the true labels do.
const MAX_ROWS: usize = 4_000;

/// What a release says about whose records helped.
#[derive(Debug)]
pub(super) struct Influence {
    /// By source: explains answers, and what they would have been without it.
    pub sources: Table,
    /// By record, where each has a column.
    pub records: Option<Table>,
    /// By what was given together, on random halves of the records: pays.
    pub pay: PayTable,
    /// The trainings on halves.
    pub halves: Vec<HalfRun>,
    /// The audit, where there was one.
    pub gate: Option<Gate>,
    /// Where the tables come from.
    pub choice: Choice,
    /// What the audit says of every method that was tried.
    pub compared: Vec<Compared>,
    /// What the sources that the audit left out really did, beside what the table says.
    pub left_out: Vec<LeftOut>,
}

/// A source that was left out of a real retraining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub source: String,
    /// How the mean loss of the held-out records rose without it.
    pub actual: f32,
    /// How it should have risen by the table.
    pub predicted: f32,
}

/// What a run on all records ended with.
pub(super) struct Whole<'a> {
    /// The parameters.
    pub theta: &'a [f32],
    /// Steps that led to them.
    pub step: usize,
    /// Their derivatives by the columns, where these were followed.
    pub replay: Option<Replay>,
}

/// Makes the tables and audits them; nothing where the job wants none.
pub(super) fn influence(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    whole: Whole<'_>,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Option<Influence>, TrainError> {
    let (Some(belonging), Some(paid)) = (prepared.belonging.clone(), prepared.paid.clone()) else { return Ok(None) };
    let Whole { theta, step, replay } = whole;
    let names = column_names(setup, &belonging);
    let table = |replay: &Replay| replay.table(names.clone()).map_err(|source| TrainError::Replay { step, source });
    let replayed = replay.as_ref().map(table).transpose()?;
    // A table is a sixth of what it comes from, and the halves need the memory.
    drop(replay);
    let mut halves = halves(setup, prepared, &paid, observer)?;
    let mut work = Work { setup, prepared, belonging: &belonging, theta, step, names };
    let ground = work.audit(observer)?;
    let meter = &mut Meter::begin(observer, "influence", 0);
    let mut compared = Vec::new();
    let (table, gate, choice) = work.chosen(replayed, ground.as_ref(), &mut compared, meter)?;
    let left_out = match &ground {
        Some(ground) => {
            meter.expect(work.answers().len());
            work.left_out(&table, ground, meter)?
        }
        None => Vec::new(),
    };
    let runs = std::mem::take(&mut halves.runs);
    let pay = work.pay(halves, &paid, choice, meter)?;
    let owned: Vec<(String, Vec<usize>)> = setup
        .data
        .sources
        .iter()
        .enumerate()
        .map(|(at, source)| (source.name.clone(), belonging.columns_of(at)))
        .collect();
    let sources = table.merge(&owned).map_err(release)?;
    let records = belonging.is_by_record().then_some(table);
    Ok(Some(Influence { sources, records, pay, halves: runs, gate, choice, compared, left_out }))
}

/// What the columns are called: records by their places, other columns by their sources.
fn column_names(setup: &Setup<'_>, belonging: &Belonging) -> Vec<String> {
    let sources = &setup.data.sources;
    if belonging.is_by_record() {
        return (0..setup.data.train.len()).map(|record| record.to_string()).collect();
    }
    let name = |source: &usize| sources.get(*source).map(|source| source.name.clone()).unwrap_or_default();
    belonging.contributor_of.iter().map(name).collect()
}

struct Work<'a, 'b> {
    setup: &'a Setup<'b>,
    prepared: &'a mut Prepared,
    belonging: &'a Belonging,
    theta: &'a [f32],
    /// Steps of the training.
    step: usize,
    names: Vec<String>,
}

impl Work<'_, '_> {
    fn answers(&self) -> Vec<usize> {
        let mut answers = self.prepared.network.held_out();
        answers.truncate(MAX_ANSWERS);
        answers
    }

    /// Retrains for real, as far as the job asks for it.
    fn audit(&mut self, observer: &mut dyn FnMut(Event) -> Control) -> Result<Option<Ground>, TrainError> {
        let attribution = &self.setup.job.attribution;
        if attribution.audit_subsets == 0 && attribution.audit_contributors == 0 {
            return Ok(None);
        }
        observer(Event::Phase { name: "attribution" });
        let plan = AuditPlan {
            subsets: attribution.audit_subsets,
            contributors: attribution.audit_contributors,
            seed: self.setup.job.recipe.seed,
            ..AuditPlan::default()
        };
        let (retrainings, answers) = (plan.retrainings(self.belonging), self.answers());
        // Retrainings have sessions of their own: a base that fits into a GPU, or into what the job was granted, need not fit twice.
        self.prepared.network.rest();
        match retrain::losses(self.setup, self.prepared, &answers, retrainings.removed(), observer)? {
            Some(losses) => Ok(Some(retrainings.ground(&losses))),
            None => Err(TrainError::Stopped { step: self.step }),
        }
    }

    /// The table that explains, its gate, and where it comes from: forward replay where there was one, unless the audit
    /// says that Gauss-Newton influence is better beyond chance.
    fn chosen(
        &mut self,
        replayed: Option<Table>,
        ground: Option<&Ground>,
        compared: &mut Vec<Compared>,
        meter: &mut Meter<'_>,
    ) -> Result<(Table, Option<Gate>, Choice), TrainError> {
        let once = self.answers().len();
        match (replayed, ground) {
            (Some(table), None) => Ok((table, None, Choice::Replay)),
            (Some(table), Some(ground)) => {
                meter.expect(once);
                let (predicted, gate) = self.gate_of(&table, ground, meter)?;
                compared.push(Compared { method: Choice::Replay, gate });
                // An audit too small to judge replay is too small to prefer anything else.
                match gate.finding(&THRESHOLDS).verdict {
                    GateVerdict::Unjudged => Ok((table, Some(gate), Choice::Replay)),
                    GateVerdict::Passed => {
                        compared.extend(self.beside(ground, meter)?);
                        Ok((table, Some(gate), Choice::Replay))
                    }
                    GateVerdict::Failed => self.better(Some((table, gate, predicted)), ground, compared, meter),
                }
            }
            (None, Some(ground)) if THRESHOLDS.judge(ground.subsets.len(), ground.left_out.len()) => {
                self.better(None, ground, compared, meter)
            }
            (None, ground) => {
                let damping = DAMPING;
                meter.expect(self.tables(1) + if ground.is_some() { once } else { 0 });
                let table = self.gauss_newton(damping, meter)?;
                let gate = ground.map(|ground| self.gate_of(&table, ground, meter)).transpose()?.map(|(_, gate)| gate);
                let method = Choice::GaussNewton { damping };
                compared.extend(gate.map(|gate| Compared { method, gate }));
                Ok((table, gate, method))
            }
        }
    }

    /// Holds a table against the audit; gives what it predicts too.
    fn gate_of(
        &mut self,
        table: &Table,
        ground: &Ground,
        meter: &mut Meter<'_>,
    ) -> Result<(Predicted, Gate), TrainError> {
        let values = self.values(table, meter)?;
        let predicted = Predicted::new(ground, self.belonging, &values);
        let gate = Gate::new(ground.judge(self.belonging, &values), ground, &THRESHOLDS);
        let intervals = predicted.intervals(ground, self.setup.job.recipe.seed);
        Ok((predicted, gate.within(intervals)))
    }

    /// What pays: what was followed in the halves, by the method that explains.
    fn pay(
        &mut self,
        halves: Halves,
        paid: &Paid,
        choice: Choice,
        meter: &mut Meter<'_>,
    ) -> Result<PayTable, TrainError> {
        let tables = match choice {
            Choice::Replay => halves.tables,
            Choice::GaussNewton { damping } => self.gauss_newton_over(&halves, paid, damping, meter)?,
        };
        let halves = halves.thetas.into_iter().zip(tables).map(|(theta, table)| Half { theta, table });
        PayTable::new(halves.collect()).map_err(release)
    }

    /// Gauss-Newton influence of what pays in each half: the curvature of the records that it learnt from, at its end, and the gradients
    /// of all.
    fn gauss_newton_over(
        &mut self,
        halves: &Halves,
        paid: &Paid,
        damping: f32,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<Table>, TrainError> {
        meter.expect(self.tables(halves.thetas.len()));
        let column_of: Vec<Option<usize>> = paid.column_of.iter().map(|column| Some(*column)).collect();
        let mut tables = Vec::with_capacity(halves.thetas.len());
        for (theta, out) in halves.thetas.iter().zip(&halves.left_out) {
            let learnt: Vec<usize> = (0..out.len()).filter(|record| !out[*record]).collect();
            let columns = (column_of.as_slice(), paid.names.len());
            let moved = self.moved(theta, &learnt, columns, damping, meter)?;
            let mut table = Table::new(theta.len());
            for (name, row) in paid.names.iter().zip(moved.iter()) {
                table.push(name.clone(), row).map_err(release)?;
            }
            tables.push(table);
        }
        Ok(tables)
    }

    /// The sources that were left out: what happened, and what the table says.
    fn left_out(&mut self, table: &Table, ground: &Ground, meter: &mut Meter<'_>) -> Result<Vec<LeftOut>, TrainError> {
        let values = self.belonging.by_contributors(&self.values(table, meter)?);
        let mean = |row: &[f32]| row.iter().sum::<f32>() / row.len().max(1) as f32;
        let one = |(at, source): (usize, &usize)| LeftOut {
            source: self.setup.data.sources.get(*source).map(|source| source.name.clone()).unwrap_or_default(),
            actual: mean(ground.contributor_rises.row(at)),
            predicted: mean(values.row(*source)),
        };
        // What did not end in numbers says nothing.
        Ok(ground.left_out.iter().enumerate().map(one).filter(|one| one.actual.is_finite()).collect())
    }

    /// What the table says of every audited answer, `[columns, answers]`.
    fn values(&mut self, table: &Table, meter: &mut Meter<'_>) -> Result<Rows, TrainError> {
        let answers = self.answers();
        let network = &mut self.prepared.network;
        let gradients = gradients::all_telling(network, self.theta, &answers, &mut |asked| meter.add(asked))?;
        let mut values = Rows::zeros(table.columns(), gradients.rows);
        for (answer, gradient) in gradients.iter().enumerate() {
            for (column, value) in table.values(gradient).map_err(release)?.into_iter().enumerate() {
                values.row_mut(column)[answer] = value;
            }
        }
        Ok(values)
    }

    /// The replay, if there is one, unless Gauss-Newton influence is better beyond chance at one of its dampings.
    fn better(
        &mut self,
        replay: Option<(Table, Gate, Predicted)>,
        ground: &Ground,
        compared: &mut Vec<Compared>,
        meter: &mut Meter<'_>,
    ) -> Result<(Table, Option<Gate>, Choice), TrainError> {
        let mut swept = Vec::with_capacity(DAMPINGS.len());
        // Every damping, and the chosen one once more.
        meter.expect(self.tables(DAMPINGS.len() + 1) + DAMPINGS.len() * self.answers().len());
        for damping in DAMPINGS {
            let table = self.gauss_newton(damping, meter)?;
            let (predicted, gate) = self.gate_of(&table, ground, meter)?;
            let seed = self.setup.job.recipe.seed;
            let lead = replay.as_ref().and_then(|(_, _, stands)| predicted.lead(stands, ground, seed, DAMPINGS.len()));
            swept.push(Swept { damping, gate, lead });
        }
        let choice = audit::choose(replay.as_ref().map(|(_, gate, _)| *gate), &swept);
        // The one that was chosen stands for the method, else the best.
        let best = swept.iter().max_by(|a, b| a.gate.merit().total_cmp(&b.gate.merit()));
        let shown = match choice {
            Some((method @ Choice::GaussNewton { .. }, gate)) => Some(Compared { method, gate }),
            _ => best.map(|one| Compared { method: Choice::GaussNewton { damping: one.damping }, gate: one.gate }),
        };
        compared.extend(shown);
        match (choice, replay) {
            (Some((Choice::GaussNewton { damping }, gate)), _) => {
                Ok((self.gauss_newton(damping, meter)?, Some(gate), Choice::GaussNewton { damping }))
            }
            (_, Some((table, gate, _))) => Ok((table, Some(gate), Choice::Replay)),
            (_, None) => Err(release("no method could be tried")),
        }
    }

    /// What Gauss-Newton influence would have said beside a replay that passed: for whoever compares, not for the choice, so
    /// that only one damping is tried, and none where that takes much memory.
    fn beside(&mut self, ground: &Ground, meter: &mut Meter<'_>) -> Result<Option<Compared>, TrainError> {
        let rows = (self.setup.data.train.len() + self.belonging.columns()).min(2 * MAX_ROWS);
        if rows.saturating_mul(self.theta.len()) > MAX_BESIDE {
            return Ok(None);
        }
        meter.expect(self.tables(1) + self.answers().len());
        let table = self.gauss_newton(DAMPING, meter)?;
        let (_, gate) = self.gate_of(&table, ground, meter)?;
        Ok(Some(Compared { method: Choice::GaussNewton { damping: DAMPING }, gate }))
    }

    /// Records that so many tables of Gauss-Newton influence ask: each for its curvature and for its gradient.
    fn tables(&self, count: usize) -> usize {
        2 * count * self.setup.data.train.len()
    }

    /// The table of damped Gauss-Newton influence, of all records at the final parameters.
    fn gauss_newton(&mut self, damping: f32, meter: &mut Meter<'_>) -> Result<Table, TrainError> {
        let samples: Vec<usize> = (0..self.setup.data.train.len()).collect();
        let columns = (self.belonging.column_of.as_slice(), self.belonging.columns());
        let moves = self.moved(self.theta, &samples, columns, damping, meter)?;
        let mut table = Table::new(self.theta.len());
        for (name, row) in self.names.iter().zip(moves.iter()) {
            table.push(name.clone(), row).map_err(release)?;
        }
        Ok(table)
    }

    /// d_c = -(G + l I)^-1 g_c / N by column, with G the curvature of the records that were `learnt` from at these
    /// parameters and g_c the gradient of all of a column's records. N is of all records: what a batch's sum is divided
    /// by does not change with what is left out.
    fn moved(
        &mut self,
        theta: &[f32],
        learnt: &[usize],
        (column_of, count): (&[Option<usize>], usize),
        damping: f32,
        meter: &mut Meter<'_>,
    ) -> Result<Rows, TrainError> {
        let samples: Vec<usize> = (0..self.setup.data.train.len()).collect();
        let classes = self.setup.data.labels.len();
        let mut kind = curvature(self.setup.job, classes);
        if learnt.len() * kind.rows_per_sample(classes) > MAX_ROWS {
            kind = Curvature::TrueLabel;
        }
        let seed = self.setup.job.recipe.seed;
        let network = &mut self.prepared.network;
        let told = &mut |asked| meter.add(asked);
        let rows = rows_of::all_telling(network, theta, learnt, kind, seed, told)?;
        let records = gradients::all_telling(network, theta, &samples, told)?;
        let mut columns = Rows::zeros(count, theta.len());
        for (record, column) in column_of.iter().enumerate() {
            let Some(column) = column else { continue };
            columns.row_mut(*column).iter_mut().zip(records.row(record)).for_each(|(sum, x)| *sum += x);
        }
        moves(rows, &columns, samples.len(), damping).map_err(release)
    }
}

fn release(error: impl std::fmt::Display) -> TrainError {
    TrainError::Release(error.to_string())
}
