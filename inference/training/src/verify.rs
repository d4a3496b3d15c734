//! Repeating a run to see that its transcript is true.
//!
//! The same machine gives the same bytes. Another processor rounds differently, and training carries that along, so
//! results are compared within [`Tolerance`]. Two extents: the **whole** run, which also repeats the influence; or a few
//! **intervals** between checkpoints, drawn at random, each begun from the state that the transcript claims: whoever
//! made up a result must have made up a state that no interval leads to.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::attribution::answer::{PAY_FILE, RECORDS_FILE, TABLE_FILE};
use crate::attribution::halves::PayTable;
use crate::attribution::table::TableError;
use crate::attribution::{Choice, Table};
use crate::job::Method;
use crate::random::Stream;
use crate::run::{Checkpoints, Control, Event, Prepared, Setup, State, TrainError, Trainer, train};
use crate::transcript::{CheckpointHash, HalfRun, Transcript, theta_hash};

/// How far a repetition may lie from what is claimed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// Of parameters: the distance over the claimed ones' length; for an interval, over the way that they moved in it.
    pub parameters: f64,
    /// Of a table: the distance over its length.
    pub table: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { parameters: 0.01, table: 0.05 }
    }
}

/// How much is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Everything, the influence tables included.
    Whole,
    /// So many intervals between checkpoints. Draw the seed after the transcript is known.
    Intervals {
        /// How many.
        count: usize,
        /// Which.
        seed: u64,
    },
}

/// What is claimed about a run.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The transcript.
    pub transcript: &'a Transcript,
    /// The folder of the release's files.
    pub release: &'a Path,
    /// The folder of the run's checkpoints; only intervals need it.
    pub checkpoints: Option<&'a Path>,
}

/// One thing that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What, for example `steps 10 to 20`.
    pub name: String,
    /// The relative distance; 0 is equality.
    pub distance: f64,
    /// The largest that is allowed.
    pub allowed: f64,
}

impl Check {
    /// Whether it is near enough.
    pub fn passed(&self) -> bool {
        self.distance <= self.allowed
    }
}

/// The outcome of a verification.
#[derive(Clone, Debug, PartialEq)]
pub struct RunVerdict {
    /// Everything that was compared.
    pub checks: Vec<Check>,
}

impl RunVerdict {
    /// Whether every check passed, and there was one.
    pub fn passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(Check::passed)
    }
}

impl std::fmt::Display for RunVerdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for check in &self.checks {
            let word = if check.passed() { "agrees" } else { "DIFFERS" };
            writeln!(f, "{}: {word}, distance {:.2e} of {:.0e} allowed", check.name, check.distance, check.allowed)?;
        }
        f.write_str(if self.passed() { "the run is as claimed" } else { "the run is NOT as claimed" })
    }
}

/// Why a run could not be repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The repetition failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The setup is of another run.
    #[error("the {0} given here are not those of the transcript, so there is nothing to compare")]
    Other(&'static str),
    /// A file of the claim does not read.
    #[error("{file} of the release does not read: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Intervals were asked for without checkpoints.
    #[error("there are no checkpoints to begin from; verify the whole run, or fetch the checkpoints first")]
    NoCheckpoints,
    /// The table does not read.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Repeats a run. `setup` has the transcript's job and records and a folder of its own.
///
/// # Errors
/// [`VerifyError`] where nothing could be compared; a difference is a [`RunVerdict`].
pub fn verify(
    setup: &Setup<'_>,
    claim: Claim<'_>,
    extent: Extent,
    tolerance: Tolerance,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<RunVerdict, VerifyError> {
    if *setup.job != claim.transcript.job {
        return Err(VerifyError::Other("job's keys"));
    }
    if hex::encode(setup.data.digest()) != claim.transcript.data {
        return Err(VerifyError::Other("records"));
    }
    match extent {
        Extent::Whole => whole(setup, claim, tolerance, observer),
        Extent::Intervals { count, seed } => intervals(setup, claim, count, seed, tolerance),
    }
}

fn whole(
    setup: &Setup<'_>,
    claim: Claim<'_>,
    tolerance: Tolerance,
    observer: &mut dyn FnMut(Event) -> Control,
) -> Result<RunVerdict, VerifyError> {
    let mut job = setup.job.clone();
    if !matches!(claim.transcript.attribution, Some(Choice::GaussNewton { .. })) {
        // Only a table that an audit has chosen needs the audit again.
        (job.attribution.audit_subsets, job.attribution.audit_contributors) = (0, 0);
    }
    let outcome = train(&Setup { job: &job, ..setup.clone() }, observer)?;
    if outcome.transcript.base != claim.transcript.base {
        return Err(VerifyError::Other("base model's files"));
    }
    let own = setup.folder.join("release");
    let mut checks = Vec::new();
    let losses = distance(&outcome.transcript.losses, &claim.transcript.losses);
    checks.push(Check { name: "loss curve".to_owned(), distance: losses, allowed: tolerance.parameters });
    let parameters = distance(&parameters(&own)?, &parameters(claim.release)?);
    checks.push(Check { name: "parameters".to_owned(), distance: parameters, allowed: tolerance.parameters });
    // What the job asks for must be there; the transcript is the claimant's own.
    if setup.job.attribution.method != Method::None {
        let by_record = own.join(RECORDS_FILE).exists().then_some(("table by record", RECORDS_FILE));
        for (name, file) in [("influence table", TABLE_FILE)].into_iter().chain(by_record) {
            let distance = tables_apart(&table(&own, file)?, &table(claim.release, file)?)?;
            checks.push(Check { name: name.to_owned(), distance, allowed: tolerance.table });
        }
        let claimed = paying(claim.release)?;
        let [parameters, table] = pay_apart(&paying(&own)?, &claimed)?;
        checks.push(Check {
            name: "parameters of the halves".to_owned(),
            distance: parameters,
            allowed: tolerance.parameters,
        });
        checks.push(Check { name: "table that pays".to_owned(), distance: table, allowed: tolerance.table });
        // The draw is of whole records, so it is the same on every machine; and what the file has is what the transcript says.
        let said = claimed.halves().iter().map(|half| theta_hash(&half.theta));
        let drawn = |halves: &[HalfRun]| halves.iter().map(|half| half.records).collect::<Vec<_>>();
        let same = drawn(&outcome.transcript.halves) == drawn(&claim.transcript.halves)
            && said.eq(claim.transcript.halves.iter().map(|half| half.theta.clone()));
        let distance = if same { 0.0 } else { f64::INFINITY };
        checks.push(Check { name: "halves".to_owned(), distance, allowed: 0.0 });
    }
    Ok(RunVerdict { checks })
}

fn intervals(
    setup: &Setup<'_>,
    claim: Claim<'_>,
    count: usize,
    seed: u64,
    tolerance: Tolerance,
) -> Result<RunVerdict, VerifyError> {
    let folder = claim.checkpoints.ok_or(VerifyError::NoCheckpoints)?;
    let mut prepared = Prepared::new(setup)?;
    if prepared.base != claim.transcript.base {
        return Err(VerifyError::Other("base model's files"));
    }
    let checkpoints = Checkpoints::open(folder, prepared.fingerprint(setup))?;
    let claimed = &claim.transcript.checkpoints;
    if claimed.len() < 2 {
        return Err(VerifyError::NoCheckpoints);
    }
    let mut checks = vec![start_check(&checkpoints, &claimed[0], &prepared)?];
    let mut chosen = Stream::new("verify intervals", seed, 0).permutation(claimed.len() - 1);
    chosen.truncate(count.max(1));
    chosen.sort_unstable();
    let course = prepared.course(setup);
    // The parameters follow from the records' gradients alone, so no columns are carried along.
    let mut trainer = Trainer::new(&mut prepared.network, &course, None)?;
    for at in chosen {
        let (from, to) = (read(&checkpoints, &claimed[at])?, read(&checkpoints, &claimed[at + 1])?);
        let name = format!("steps {} to {}", claimed[at].step, claimed[at + 1].step);
        checks.push(match (from, to) {
            (Some(from), Some(to)) => repeat(&mut trainer, from, &to, name, tolerance)?,
            _ => Check { name: format!("{name}: the checkpoints' hashes"), distance: 1.0, allowed: 0.0 },
        });
    }
    Ok(RunVerdict { checks })
}

/// The claimed start must be the one that the seed gives.
fn start_check(checkpoints: &Checkpoints, first: &CheckpointHash, prepared: &Prepared) -> Result<Check, VerifyError> {
    let state = read(checkpoints, first)?;
    let distance = state.map_or(1.0, |state| distance(&state.theta, &prepared.start));
    Ok(Check { name: "first parameters".to_owned(), distance, allowed: 1e-6 })
}

/// The state of a checkpoint; none where its file is not the one that was claimed.
fn read(checkpoints: &Checkpoints, claimed: &CheckpointHash) -> Result<Option<State>, VerifyError> {
    let found = checkpoints.read(claimed.step, false)?;
    Ok((hex::encode(found.hash) == claimed.hash).then_some(found.state))
}

fn repeat(
    trainer: &mut Trainer<'_>,
    from: State,
    to: &State,
    name: String,
    tolerance: Tolerance,
) -> Result<Check, VerifyError> {
    let before = from.theta.clone();
    trainer.state = from;
    while trainer.state.step < to.step {
        trainer.step()?;
    }
    let moved = length(before.iter().zip(&to.theta).map(|(a, b)| a - b));
    let apart = length(trainer.state.theta.iter().zip(&to.theta).map(|(a, b)| a - b));
    let distance = if apart == 0.0 { 0.0 } else { apart / moved.max(f64::MIN_POSITIVE) };
    Ok(Check { name, distance, allowed: tolerance.parameters })
}

/// The trained numbers of a release, by name.
fn parameters(release: &Path) -> Result<Vec<f32>, VerifyError> {
    let file = if release.join("adapter_model.safetensors").exists() {
        "adapter_model.safetensors"
    } else {
        "model.safetensors"
    };
    let fail = |reason: String| VerifyError::File { file: file.to_owned(), reason };
    let bytes = std::fs::read(release.join(file)).map_err(|error| fail(error.to_string()))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| fail(error.to_string()))?;
    let sorted: BTreeMap<String, _> = tensors.tensors().into_iter().collect();
    let mut all = Vec::new();
    for (name, tensor) in sorted {
        if tensor.dtype() != Dtype::F32 {
            return Err(fail(format!("{name} is not of 32-bit floats")));
        }
        all.extend(tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    Ok(all)
}

fn table(release: &Path, file: &str) -> Result<Table, VerifyError> {
    Ok(Table::from_bytes(&read_file(release, file)?)?)
}

fn paying(release: &Path) -> Result<PayTable, VerifyError> {
    Ok(PayTable::from_bytes(&read_file(release, PAY_FILE)?)?)
}

fn read_file(release: &Path, file: &str) -> Result<Vec<u8>, VerifyError> {
    std::fs::read(release.join(file))
        .map_err(|error| VerifyError::File { file: file.to_owned(), reason: error.to_string() })
}

/// How far apart halves are, at most: their parameters, and what is followed of them.
fn pay_apart(a: &PayTable, b: &PayTable) -> Result<[f64; 2], VerifyError> {
    if a.halves().len() != b.halves().len() {
        return Ok([f64::INFINITY; 2]);
    }
    let mut most = [0.0f64; 2];
    for (own, claimed) in a.halves().iter().zip(b.halves()) {
        let apart = [distance(&own.theta, &claimed.theta), tables_apart(&own.table, &claimed.table)?];
        most.iter_mut().zip(apart).for_each(|(most, apart)| *most = most.max(apart));
    }
    Ok(most)
}

fn tables_apart(a: &Table, b: &Table) -> Result<f64, VerifyError> {
    if a.names() != b.names() || a.parameters() != b.parameters() {
        return Ok(f64::INFINITY);
    }
    let (mut apart, mut whole) = (0.0f64, 0.0f64);
    for column in 0..b.columns() {
        let (own, claimed) = (a.column(column)?, b.column(column)?);
        apart += length(own.iter().zip(&claimed).map(|(a, b)| a - b)).powi(2);
        whole += length(claimed.iter().copied()).powi(2);
    }
    Ok(if apart == 0.0 { 0.0 } else { (apart / whole.max(f64::MIN_POSITIVE)).sqrt() })
}

/// The distance over the length of what is claimed; infinite where they differ in size.
fn distance(own: &[f32], claimed: &[f32]) -> f64 {
    if own.len() != claimed.len() {
        return f64::INFINITY;
    }
    let apart = length(own.iter().zip(claimed).map(|(a, b)| a - b));
    if apart == 0.0 { 0.0 } else { apart / length(claimed.iter().copied()).max(f64::MIN_POSITIVE) }
}

fn length(numbers: impl Iterator<Item = f32>) -> f64 {
    numbers.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_differs() {
        let near = Check { name: "steps 0 to 5".to_owned(), distance: 0.0, allowed: 0.01 };
        let far = Check { name: "steps 5 to 9".to_owned(), distance: 0.5, allowed: 0.01 };
        assert!(RunVerdict { checks: vec![near.clone()] }.passed());
        let verdict = RunVerdict { checks: vec![near, far] };
        assert!(!verdict.passed() && verdict.to_string().contains("steps 5 to 9: DIFFERS"));
        assert!(!RunVerdict { checks: Vec::new() }.passed());
    }

    #[test]
    fn distances_are_relative() {
        assert_eq!(distance(&[3.0, 4.0], &[3.0, 4.0]), 0.0);
        assert!((distance(&[3.0, 4.5], &[3.0, 4.0]) - 0.1).abs() < 1e-6);
        assert_eq!(distance(&[1.0], &[1.0, 2.0]), f64::INFINITY);
    }
}
