//! The influence of a finished run: its table, and the audit that says whether it may be paid by.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::moves::moves;
use super::prepare::{Prepared, curvature};
use super::{Control, Ended, Event, Meter, Setup, TrainError};
use crate::attribution::{
    AuditPlan, Belonging, Choice, Compared, Curvature, Eligibility, Gate, GateVerdict, Ground, Groups, Model, Rows,
    Table, Thresholds, audit, curvature as rows_of, gradients,
};

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
    /// By source.
    pub sources: Table,
    /// By record, or by what of a source is in a group where there are many.
    pub columns: Table,
    /// Which groups earn.
    pub eligibility: Eligibility,
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

/// Makes the tables and audits them; nothing where the job wants none.
pub(super) fn influence(
    setup: &Setup<'_>,
    prepared: &mut Prepared,
    ended: &Ended,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<Option<Influence>, TrainError> {
    let Some(groups) = prepared.groups.clone() else { return Ok(None) };
    let belonging = &groups.belonging;
    let names = column_names(setup, &groups);
    let replayed = match &ended.replay {
        Some(replay) => {
            let step = ended.step;
            Some(replay.table(names.clone()).map_err(|source| TrainError::Replay { step, source })?)
        }
        None => None,
    };
    let mut work = Work { setup, prepared, belonging, theta: &ended.theta, step: ended.step, names };
    let ground = work.audit(observer)?;
    // Once for the eligibility, once for those left out.
    let once = work.answers().len();
    let meter = &mut Meter::begin(observer, "influence", if ground.is_some() { 2 * once } else { once });
    let mut compared = Vec::new();
    let (table, gate, choice) = match (replayed, &ground) {
        (Some(table), None) => (table, None, Choice::Replay),
        (Some(table), Some(ground)) => {
            meter.expect(once);
            let gate = work.gate_of(&table, ground, meter)?;
            compared.push(Compared { method: Choice::Replay, gate });
            // An audit too small to judge replay is too small to prefer anything else.
            match gate.finding(&THRESHOLDS).verdict {
                GateVerdict::Unjudged => (table, Some(gate), Choice::Replay),
                GateVerdict::Passed => {
                    compared.extend(work.beside(ground, meter)?);
                    (table, Some(gate), Choice::Replay)
                }
                GateVerdict::Failed => work.better(Some((table, gate)), ground, &mut compared, meter)?,
            }
        }
        (None, Some(ground)) if THRESHOLDS.judge(ground.subsets.len(), ground.left_out.len()) => {
            work.better(None, ground, &mut compared, meter)?
        }
        (None, ground) => {
            let damping = DAMPING;
            meter.expect(work.tables(1) + if ground.is_some() { once } else { 0 });
            let table = work.gauss_newton(damping, meter)?;
            let gate = ground.as_ref().map(|ground| work.gate_of(&table, ground, meter)).transpose()?;
            let method = Choice::GaussNewton { damping };
            compared.extend(gate.map(|gate| Compared { method, gate }));
            (table, gate, method)
        }
    };
    let owned: Vec<(String, Vec<usize>)> = setup
        .data
        .sources
        .iter()
        .enumerate()
        .map(|(at, source)| (source.name.clone(), belonging.columns_of(at)))
        .collect();
    let left_out = match &ground {
        Some(ground) => work.left_out(&table, ground, meter)?,
        None => Vec::new(),
    };
    let eligibility = groups.eligibility(&work.values(&table, meter)?);
    let sources = table.merge(&owned).map_err(release)?;
    Ok(Some(Influence { sources, columns: table, eligibility, gate, choice, compared, left_out }))
}

/// What the columns are called: records by their places, other columns by their sources.
fn column_names(setup: &Setup<'_>, groups: &Groups) -> Vec<String> {
    let sources = &setup.data.sources;
    if groups.is_by_record() {
        return (0..setup.data.train.len()).map(|record| record.to_string()).collect();
    }
    let name = |source: &usize| sources.get(*source).map(|source| source.name.clone()).unwrap_or_default();
    groups.belonging.contributor_of.iter().map(name).collect()
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
        let course = self.prepared.course(self.setup);
        let answers = self.answers();
        let network = &mut self.prepared.network;
        // Steps and whole retrainings ask the same observer, which may end either.
        let (observer, stopped) = (RefCell::new(observer), Cell::new(false));
        let ask = |event: Event| {
            stopped.set(stopped.get() || (observer.borrow_mut())(event) == Control::Stop);
            !stopped.get()
        };
        let mut retrain = |removed: &[bool]| -> Result<Vec<f32>, TrainError> {
            match course.train_while(network, removed, &mut || ask(Event::Working)) {
                Ok(Some(theta)) => Ok(network.losses(&theta, &answers)?),
                Ok(None) => Ok(vec![0.0; answers.len()]),
                // A training that fails without some records is no reason to lose the one that did not: nothing can be
                // ranked by it, and the gate says so.
                Err(TrainError::NotFinite { .. }) => Ok(vec![f32::NAN; answers.len()]),
                Err(error) => Err(error),
            }
        };
        let ground = plan.observe(self.belonging, &mut retrain, &mut |done, total| {
            let goes_on = !stopped.get() && ask(Event::Attribution { done, total });
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        match ground {
            Some(ground) => Ok(Some(ground)),
            None => Err(TrainError::Stopped { step: self.step }),
        }
    }

    /// Holds a table against the audit.
    fn gate_of(&mut self, table: &Table, ground: &Ground, meter: &mut Meter<'_>) -> Result<Gate, TrainError> {
        let values = self.values(table, meter)?;
        Ok(Gate::new(ground.judge(self.belonging, &values), ground, &THRESHOLDS))
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

    /// The better of the replay, if there is one, and Gauss-Newton influence at its best damping.
    fn better(
        &mut self,
        replay: Option<(Table, Gate)>,
        ground: &Ground,
        compared: &mut Vec<Compared>,
        meter: &mut Meter<'_>,
    ) -> Result<(Table, Option<Gate>, Choice), TrainError> {
        let mut swept = Vec::with_capacity(DAMPINGS.len());
        // Every damping, and the best once more.
        meter.expect(self.tables(DAMPINGS.len() + 1) + DAMPINGS.len() * self.answers().len());
        for damping in DAMPINGS {
            let table = self.gauss_newton(damping, meter)?;
            swept.push((damping, self.gate_of(&table, ground, meter)?));
        }
        let best = swept.iter().max_by(|a, b| a.1.merit().total_cmp(&b.1.merit()));
        compared.extend(
            best.map(|(damping, gate)| Compared { method: Choice::GaussNewton { damping: *damping }, gate: *gate }),
        );
        let (table, gate) = match replay {
            Some((table, gate)) => (Some(table), gate),
            None => (None, Gate::default()),
        };
        // Without a replay there is nothing that Gauss-Newton influence could lose against.
        let (choice, gate) = audit::choose(gate, &swept);
        match (choice, table) {
            (Choice::Replay, Some(table)) => Ok((table, Some(gate), choice)),
            (Choice::Replay, None) => {
                let (damping, gate) = swept[1];
                let method = Choice::GaussNewton { damping };
                compared.retain(|one| one.method == Choice::Replay);
                compared.push(Compared { method, gate });
                Ok((self.gauss_newton(damping, meter)?, Some(gate), method))
            }
            (Choice::GaussNewton { damping }, _) => Ok((self.gauss_newton(damping, meter)?, Some(gate), choice)),
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
        let gate = self.gate_of(&table, ground, meter)?;
        Ok(Some(Compared { method: Choice::GaussNewton { damping: DAMPING }, gate }))
    }

    /// Records that so many tables of Gauss-Newton influence ask: each for its curvature and for its gradient.
    fn tables(&self, count: usize) -> usize {
        2 * count * self.setup.data.train.len()
    }

    /// The table of damped Gauss-Newton influence: d_c = -(G + l I)^-1 g_c / N, with G the curvature of all records at
    /// the final parameters.
    fn gauss_newton(&mut self, damping: f32, meter: &mut Meter<'_>) -> Result<Table, TrainError> {
        let samples: Vec<usize> = (0..self.setup.data.train.len()).collect();
        let classes = self.setup.data.labels.len();
        let mut kind = curvature(self.setup.job, classes);
        if samples.len() * kind.rows_per_sample(classes) > MAX_ROWS {
            kind = Curvature::TrueLabel;
        }
        let seed = self.setup.job.recipe.seed;
        let network = &mut self.prepared.network;
        let told = &mut |asked| meter.add(asked);
        let rows = rows_of::all_telling(network, self.theta, &samples, kind, seed, told)?;
        let records = gradients::all_telling(network, self.theta, &samples, told)?;
        let mut columns = Rows::zeros(self.belonging.columns(), self.theta.len());
        for (record, column) in self.belonging.column_of.iter().enumerate() {
            let Some(column) = column else { continue };
            columns.row_mut(*column).iter_mut().zip(records.row(record)).for_each(|(sum, x)| *sum += x);
        }
        let moves = moves(rows, &columns, samples.len(), damping).map_err(release)?;
        let mut table = Table::new(self.theta.len());
        for (name, row) in self.names.iter().zip(moves.iter()) {
            table.push(name.clone(), row).map_err(release)?;
        }
        Ok(table)
    }
}

fn release(error: impl std::fmt::Display) -> TrainError {
    TrainError::Release(error.to_string())
}
