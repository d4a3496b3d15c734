//! Forward replay: what the adapter would be without each column's records, carried along while it is trained.
//!
//! Beside theta and the optimiser's m and v, each column c keeps their derivatives by the weight of its records,
//! dtheta, dm and dv, all zero at the start. With a batch of B records, per-sample gradients g_i at theta_t, their mean
//! g, Gauss-Newton rows M (divided by sqrt(B) here), the state after the step m', v', corrections k1, k2,
//! D = sqrt(v'/k2 + epsilon^2), rate eta and weight decay wd, a step is
//!
//! ```text
//! dg_c   = (1/B) sum of g_i over the batch's records of c  +  M^T (M dtheta_c)
//! dm    <- b1 dm + (1 - b1) dg
//! dv    <- b2 dv + 2 (1 - b2) g dg
//! dtheta <- (1 - eta wd) dtheta - eta dm / (k1 D) + eta (m'/k1) dv / (2 D^3 k2)
//! ```
//!
//! dtheta_c at the end is, to first order, how the adapter moved because c's records were there: theta - dtheta_c is
//! the adapter without them, and -grad loss . dtheta_c what they did for an answer.
//!
//! The state lies in blocks of [`BLOCK`] parameters, each [columns, block] and updated by one task while it is in the
//! cache: M dtheta is summed over blocks in their order, everything else is per block. So the bytes are the same
//! whatever the number of threads. (Another processor's matrix product may round differently: an audit compares tables
//! from different machines within a tolerance.)

use std::ops::Range;

use ndarray::linalg::general_mat_mul;
use rayon::prelude::*;

use super::{
    model::{Rows, matrix, matrix_mut},
    table::Table,
};
use crate::{optimiser::Update, recipe::Recipe};

/// Parameters of a block. Part of the result: another size adds floats in another order.
pub const BLOCK: usize = 512;
/// The first bytes of a serialised replay.
const MAGIC: &[u8; 8] = b"DNREPLAY";
/// Most numbers of the state: 16 GiB. A checkpoint that claims more is refused before anything is allocated.
const MAX_NUMBERS: usize = 1 << 32;

/// A replay that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Something has another shape than the replay.
    #[error("the replay has {expected} {what}, but was given {found}")]
    Shape {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A record's column does not exist.
    #[error("column {column} does not exist, there are {columns}; map every record to a column below that")]
    Column {
        /// The column of the record.
        column: usize,
        /// The columns of the replay.
        columns: usize,
    },
    /// A number became infinite: the recipe is too hot to be followed.
    #[error("the derivative of a column is no longer finite; lower the learning rate or raise epsilon")]
    Diverged,
    /// The bytes are not the state of a replay.
    #[error("not the state of a replay: {0}; start the run again from an earlier checkpoint")]
    Corrupt(&'static str),
    /// The state would not fit.
    #[error("{columns} columns of {parameters} parameters are too many; group records into fewer columns")]
    TooLarge {
        /// Columns asked for.
        columns: usize,
        /// Parameters of each.
        parameters: usize,
    },
}

/// One step of training, as the replay needs it.
#[derive(Clone, Copy, Debug)]
pub struct ReplayStep<'a> {
    /// The gradient of each record of the batch, [n, P], before the update.
    pub gradients: &'a Rows,
    /// The column of each of these records; `None` for a record that nobody is credited for.
    pub columns: &'a [Option<usize>],
    /// Gauss-Newton rows of the batch, [n k, P], without the 1/sqrt(B); no rows for no curvature.
    pub curvature: &'a Rows,
    /// B: what the sum of gradients was divided by.
    pub batch: usize,
    /// The mean gradient that the optimiser was given, P numbers.
    pub mean: &'a [f32],
    /// The optimiser's mean after the step, P numbers.
    pub m: &'a [f32],
    /// The optimiser's mean square after the step, P numbers.
    pub v: &'a [f32],
    /// Rate and corrections of the step.
    pub update: Update,
    /// What the training follows.
    pub recipe: &'a Recipe,
}

/// The derivatives of every column.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    parameters: usize,
    columns: usize,
    steps: u64,
    blocks: Vec<Block>,
}

/// The columns' derivatives at the parameters `start .. start + width`, each matrix [columns, width].
#[derive(Clone, Debug, PartialEq)]
struct Block {
    start: usize,
    width: usize,
    theta: Vec<f32>,
    m: Vec<f32>,
    v: Vec<f32>,
}

impl Replay {
    /// All zero: before the first step nobody has moved anything.
    ///
    /// # Errors
    /// [`ReplayError::TooLarge`] if the state would take more than 16 GiB.
    pub fn new(parameters: usize, columns: usize) -> Result<Self, ReplayError> {
        let numbers = parameters.checked_mul(columns).and_then(|numbers| numbers.checked_mul(3));
        if numbers.is_none_or(|numbers| numbers > MAX_NUMBERS) {
            return Err(ReplayError::TooLarge { columns, parameters });
        }
        let blocks =
            (0..parameters).step_by(BLOCK).map(|start| Block::zeros(start, BLOCK.min(parameters - start), columns));
        Ok(Self { parameters, columns, steps: 0, blocks: blocks.collect() })
    }

    /// P.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// C.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Steps followed so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes that the state of so many columns takes.
    pub fn memory(parameters: usize, columns: usize) -> usize {
        parameters.saturating_mul(columns).saturating_mul(3 * size_of::<f32>())
    }

    /// Follows one step of training.
    ///
    /// # Errors
    /// When shapes disagree, a column does not exist, or the derivative is no longer finite. The state is then of no
    /// further use.
    pub fn step(&mut self, step: ReplayStep<'_>) -> Result<(), ReplayError> {
        self.check(&step)?;
        let moved = self.along_rows(step.curvature);
        let scalars = Scalars::new(&step);
        let columns = self.columns;
        let finite = self
            .blocks
            .par_iter_mut()
            .map(|block| block.update(columns, &step, &moved, &scalars))
            .reduce(|| true, |a, b| a & b);
        self.steps += 1;
        if finite { Ok(()) } else { Err(ReplayError::Diverged) }
    }

    fn check(&self, step: &ReplayStep<'_>) -> Result<(), ReplayError> {
        let same = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(ReplayError::Shape { what, expected, found }) }
        };
        for rows in [step.gradients, step.curvature] {
            same("parameters", self.parameters, rows.columns)?;
            same("numbers in rows", rows.rows.saturating_mul(rows.columns), rows.data.len())?;
        }
        for vector in [step.mean, step.m, step.v] {
            same("parameters", self.parameters, vector.len())?;
        }
        same("records in the batch", step.gradients.rows, step.columns.len())?;
        match step.columns.iter().flatten().find(|column| **column >= self.columns) {
            Some(column) => Err(ReplayError::Column { column: *column, columns: self.columns }),
            None => Ok(()),
        }
    }

    /// dtheta M^T, [columns, rows]: a partial product per block, added in the blocks' order.
    fn along_rows(&self, rows: &Rows) -> Vec<f32> {
        let size = self.columns * rows.rows;
        let mut sum = vec![0.0f32; size];
        if size == 0 {
            return sum;
        }
        // As many partial products at once as keep every thread busy, whatever their number: the order of the additions
        // does not depend on it.
        let at_once = 2 * rayon::current_num_threads();
        for blocks in self.blocks.chunks(at_once) {
            let parts: Vec<Vec<f32>> = blocks.par_iter().map(|block| block.along(self.columns, rows)).collect();
            sum.par_chunks_mut(4096).enumerate().for_each(|(at, sum)| {
                for part in &parts {
                    sum.iter_mut().zip(&part[at * 4096..]).for_each(|(sum, x)| *sum += x);
                }
            });
        }
        sum
    }

    /// dtheta of one column: how its records moved the adapter.
    pub fn column(&self, column: usize) -> Vec<f32> {
        self.blocks.iter().flat_map(|block| block.row(&block.theta, column)).copied().collect()
    }

    /// dtheta of every column, named `names` in order, rounded to 16 bits.
    ///
    /// # Errors
    /// When there are not as many names as columns.
    pub fn table(&self, names: Vec<String>) -> Result<Table, ReplayError> {
        if names.len() != self.columns {
            return Err(ReplayError::Shape { what: "columns", expected: self.columns, found: names.len() });
        }
        let mut table = Table::new(self.parameters);
        for (column, name) in names.into_iter().enumerate() {
            table.push(name, &self.column(column)).map_err(|_| ReplayError::Diverged)?;
        }
        Ok(table)
    }

    /// The whole state, to the bit: little-endian, dtheta, dm and dv of each block in turn, and BLAKE3 of it all.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + Self::memory(self.parameters, self.columns) + blake3::OUT_LEN);
        bytes.extend(MAGIC);
        for number in [BLOCK as u64, self.parameters as u64, self.columns as u64, self.steps] {
            bytes.extend(number.to_le_bytes());
        }
        for numbers in self.blocks.iter().flat_map(|block| [&block.theta, &block.m, &block.v]) {
            numbers.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
        }
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes());
        bytes
    }

    /// Reads what [`Replay::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not that: another format, another length than the header says, another sum than at the end.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReplayError> {
        let (bytes, sum) = bytes.split_last_chunk::<32>().ok_or(ReplayError::Corrupt("too short"))?;
        let (magic, rest) = bytes.split_at_checked(8).ok_or(ReplayError::Corrupt("too short"))?;
        if magic != MAGIC {
            return Err(ReplayError::Corrupt("another format"));
        }
        let (header, mut data) = rest.split_at_checked(HEADER - 8).ok_or(ReplayError::Corrupt("too short"))?;
        let number = |at: usize| {
            let bytes: [u8; 8] = header[at * 8..(at + 1) * 8].try_into().unwrap_or_default();
            usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
        };
        let (parameters, columns) = (number(1), number(2));
        if number(0) != BLOCK {
            return Err(ReplayError::Corrupt("blocks of another size"));
        }
        let numbers = parameters.checked_mul(columns).and_then(|n| n.checked_mul(12));
        if numbers != Some(data.len()) {
            return Err(ReplayError::Corrupt("another length than it says"));
        }
        if blake3::hash(bytes) != *sum {
            return Err(ReplayError::Corrupt("not what was written"));
        }
        let mut replay = Self::new(parameters, columns)?;
        replay.steps = number(3) as u64;
        for block in &mut replay.blocks {
            for numbers in [&mut block.theta, &mut block.m, &mut block.v] {
                let (own, rest) = data.split_at(numbers.len() * 4);
                data = rest;
                for (number, bytes) in numbers.iter_mut().zip(own.chunks_exact(4)) {
                    *number = f32::from_le_bytes(bytes.try_into().unwrap_or_default());
                }
                if !numbers.iter().all(|x| x.is_finite()) {
                    return Err(ReplayError::Corrupt("a number that is not finite"));
                }
            }
        }
        Ok(replay)
    }
}

/// Magic, block size, parameters, columns, steps.
const HEADER: usize = 8 + 4 * 8;
/// So that a record moves a parameter by ten times the rate at most, in one step.
const LEAST: f64 = 1e-2;

/// What the element-wise update of all parameters multiplies with.
struct Scalars {
    keep_m: f32,
    take_m: f32,
    keep_v: f32,
    keep_theta: f32,
    /// 1/B, on the direct gradients and on M^T M.
    share: f32,
}

impl Scalars {
    fn new(step: &ReplayStep<'_>) -> Self {
        let recipe = step.recipe;
        Self {
            keep_m: recipe.beta1,
            take_m: 1.0 - recipe.beta1,
            keep_v: recipe.beta2,
            keep_theta: (1.0 - f64::from(step.update.eta) * f64::from(recipe.weight_decay)) as f32,
            share: 1.0 / step.batch.max(1) as f32,
        }
    }
}

/// What the element-wise update multiplies with at a block's parameters, one number each.
struct Factors {
    /// 2 (1 - b2) g
    take_v: Vec<f32>,
    /// eta / (k1 D)
    by_m: Vec<f32>,
    /// eta (m'/k1) / (2 D^3 k2)
    by_v: Vec<f32>,
}

impl Factors {
    fn new(step: &ReplayStep<'_>, range: Range<usize>) -> Self {
        let [eta, k1, k2] = [step.update.eta, step.update.k1, step.update.k2].map(f64::from);
        let epsilon = f64::from(step.recipe.epsilon);
        // In f64: where all gradients vanish D is epsilon, whose cube leaves the range of f32 when squared again.
        let root = |(v, least): (&f32, f64)| ((f64::from(*v) / k2).max(least) + epsilon * epsilon).sqrt();
        let roots: Vec<f64> = step.v[range.clone()].iter().zip(step.least(range.clone())).map(root).collect();
        let by_v = |(m, root): (&f32, &f64)| (eta * f64::from(*m) / k1 / (2.0 * root.powi(3) * k2)) as f32;
        let beta2 = step.recipe.beta2;
        Self {
            take_v: step.mean[range.clone()].iter().map(|g| 2.0 * (1.0 - beta2) * g).collect(),
            by_m: roots.iter().map(|root| (eta / (k1 * root)) as f32).collect(),
            by_v: step.m[range].iter().zip(&roots).map(by_v).collect(),
        }
    }
}

impl ReplayStep<'_> {
    /// The least square of the optimiser's divisor that is believed, by parameter: [`LEAST`] of what the batch's records have there each by itself.
    /// Where gradients cancel to nothing (a head that is still zero, asked for each class equally often) the derivative of a step has no bound,
    /// since the step turns round there; the step itself is never longer than the rate, whoever is missing.
    fn least(&self, range: Range<usize>) -> Vec<f64> {
        let mut least = vec![0.0; range.len()];
        for row in self.gradients.iter() {
            least.iter_mut().zip(&row[range.clone()]).for_each(|(sum, g)| *sum += f64::from(*g) * f64::from(*g));
        }
        let scale = LEAST / (self.batch.max(1) as f64).powi(2);
        least.iter_mut().for_each(|sum| *sum *= scale);
        least
    }
}

impl Block {
    fn zeros(start: usize, width: usize, columns: usize) -> Self {
        let zeros = || vec![0.0; width * columns];
        Self { start, width, theta: zeros(), m: zeros(), v: zeros() }
    }

    fn row<'a>(&self, numbers: &'a [f32], column: usize) -> &'a [f32] {
        &numbers[column * self.width..(column + 1) * self.width]
    }

    /// This block's part of dtheta M^T, [columns, rows].
    fn along(&self, columns: usize, rows: &Rows) -> Vec<f32> {
        let mut part = vec![0.0; columns * rows.rows];
        let own = rows.view();
        let own = own.slice(ndarray::s![.., self.start..self.start + self.width]);
        let theta = matrix(&self.theta, columns, self.width);
        general_mat_mul(1.0, &theta, &own.t(), 0.0, &mut matrix_mut(&mut part, columns, rows.rows));
        part
    }

    /// One step at these parameters; whether every number is still finite.
    fn update(&mut self, columns: usize, step: &ReplayStep<'_>, moved: &[f32], by: &Scalars) -> bool {
        let range = self.start..self.start + self.width;
        let mut dg = vec![0.0; columns * self.width];
        if step.curvature.rows > 0 && columns > 0 {
            let rows = step.curvature.view();
            let rows = rows.slice(ndarray::s![.., range.clone()]);
            let moved = matrix(moved, columns, step.curvature.rows);
            general_mat_mul(by.share, &moved, &rows, 0.0, &mut matrix_mut(&mut dg, columns, self.width));
        }
        for (record, column) in step.columns.iter().enumerate() {
            let Some(column) = column else { continue };
            let own = &mut dg[column * self.width..(column + 1) * self.width];
            own.iter_mut().zip(&step.gradients.row(record)[range.clone()]).for_each(|(dg, g)| *dg += by.share * g);
        }
        let factors = Factors::new(step, range);
        let mut finite = true;
        for (column, dg) in dg.chunks_exact(self.width.max(1)).enumerate() {
            let at = column * self.width..(column + 1) * self.width;
            let (theta, m, v) = (&mut self.theta[at.clone()], &mut self.m[at.clone()], &mut self.v[at]);
            finite &= by.apply(dg, &factors, theta, m, v);
        }
        finite
    }
}

impl Scalars {
    /// The element-wise part for one column in one block, in one pass that the compiler vectorises.
    fn apply(&self, dg: &[f32], factors: &Factors, theta: &mut [f32], m: &mut [f32], v: &mut [f32]) -> bool {
        let mut finite = 0.0f32;
        let factors = factors.take_v.iter().zip(&factors.by_m).zip(&factors.by_v);
        let state = theta.iter_mut().zip(m).zip(v);
        for (((theta, m), v), (dg, ((take_v, by_m), by_v))) in state.zip(dg.iter().zip(factors)) {
            *m = self.keep_m * *m + self.take_m * dg;
            *v = self.keep_v * *v + take_v * dg;
            *theta = self.keep_theta * *theta - by_m * *m + by_v * *v;
            // 0 x is 0, unless x is infinite or not a number.
            finite += 0.0 * *theta + 0.0 * *v;
        }
        finite == 0.0
    }
}

#[cfg(test)]
mod tests;
