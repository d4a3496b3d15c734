//! Where a run stands, and its checkpoints: written whole or not at all, and read back to the bit.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::TrainError;
use crate::attribution::{FirstOrder, Replay};
use crate::optimiser::AdamW;

/// Everything that decides how the run goes on, beside the replay.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct State {
    /// Steps done.
    pub step: usize,
    /// The parameters.
    pub theta: Vec<f32>,
    /// The optimiser's state.
    pub optimiser: AdamW,
    /// Loss of every step done.
    pub losses: Vec<f32>,
    /// Held-out losses so far, with the step of each.
    pub held_out: Vec<(usize, f64)>,
    /// The best parameters by held-out loss, where early stopping looks at it.
    pub best: Option<Best>,
    /// What first order has missed so far, where records are followed and that is looked at.
    pub first_order: FirstOrder,
}

/// The parameters with the lowest held-out loss.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Steps done when they were found.
    pub step: usize,
    /// Their held-out loss.
    pub loss: f64,
    /// The parameters.
    pub theta: Vec<f32>,
}

/// A run's checkpoints: `000025.safetensors` for the state after 25 steps, all kept for the audit, and beside the
/// newest `000025.replay`, and `000020.replay` of the best parameters where they are older.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    /// Of job, data and base: a checkpoint of another run is never taken up.
    fingerprint: String,
    /// Whether older checkpoints go as a newer one is whole.
    newest_only: bool,
}

/// What a checkpoint was read from and holds.
#[derive(Debug)]
pub struct Checkpoint {
    /// The state.
    pub state: State,
    /// BLAKE3 of the file.
    pub hash: [u8; 32],
    /// The replay, where one was kept for this step.
    pub replay: Option<Replay>,
    /// The replay of the best parameters.
    pub best_replay: Option<Replay>,
}

impl Checkpoints {
    /// The checkpoints of the run with this fingerprint in a folder, which is made.
    ///
    /// # Errors
    /// [`TrainError::Files`].
    pub fn open(folder: &Path, fingerprint: String) -> Result<Self, TrainError> {
        std::fs::create_dir_all(folder).map_err(|source| TrainError::files(folder, source))?;
        Ok(Self { folder: folder.to_owned(), fingerprint, newest_only: false })
    }

    /// The same for a run of which nobody verifies single intervals: only the newest is kept.
    #[must_use]
    pub fn newest_only(self) -> Self {
        Self { newest_only: true, ..self }
    }

    /// Writes a checkpoint: first the replay, then the state, whose appearance makes it whole. Gives the state's hash.
    ///
    /// # Errors
    /// [`TrainError::Files`].
    pub fn write(
        &self,
        state: &State,
        replay: Option<&Replay>,
        best_replay: Option<&Replay>,
    ) -> Result<[u8; 32], TrainError> {
        let best = state.best.as_ref().map(|best| best.step).filter(|step| *step != state.step);
        if let Some(replay) = replay {
            write_whole(&self.path(state.step, "replay"), &replay.to_bytes())?;
        }
        if let (Some(best), Some(replay)) = (best, best_replay) {
            let path = self.path(best, "replay");
            if !path.exists() {
                write_whole(&path, &replay.to_bytes())?;
            }
        }
        let bytes = self.encode(state)?;
        write_whole(&self.path(state.step, "safetensors"), &bytes)?;
        self.drop_replays(&[Some(state.step), best])?;
        if self.newest_only {
            self.drop_older(state.step)?;
        }
        Ok(*blake3::hash(&bytes).as_bytes())
    }

    /// The newest whole checkpoint of this run; one that does not read is passed over.
    ///
    /// # Errors
    /// [`TrainError::Files`], [`TrainError::OtherRun`].
    pub fn newest(&self, with_replay: bool) -> Result<Option<Checkpoint>, TrainError> {
        for step in self.steps()?.into_iter().rev() {
            match self.read(step, with_replay) {
                Ok(checkpoint) => return Ok(Some(checkpoint)),
                Err(TrainError::Damaged { path, reason }) => {
                    tracing::warn!(path = %path.display(), reason, "a checkpoint is passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Steps that there are checkpoints of, in order.
    ///
    /// # Errors
    /// [`TrainError::Files`].
    pub fn steps(&self) -> Result<Vec<usize>, TrainError> {
        let entries = std::fs::read_dir(&self.folder).map_err(|source| TrainError::files(&self.folder, source))?;
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        let step = |name: String| name.strip_suffix(".safetensors")?.parse().ok();
        let mut steps: Vec<usize> = entries.filter_map(name).filter_map(step).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The checkpoint after `step` steps.
    ///
    /// # Errors
    /// [`TrainError::Files`], [`TrainError::Damaged`], [`TrainError::OtherRun`].
    pub fn read(&self, step: usize, with_replay: bool) -> Result<Checkpoint, TrainError> {
        let path = self.path(step, "safetensors");
        let bytes = std::fs::read(&path).map_err(|source| TrainError::files(&path, source))?;
        let (state, fingerprint) =
            decode(&bytes).map_err(|reason| TrainError::Damaged { path: path.clone(), reason })?;
        if fingerprint != self.fingerprint {
            return Err(TrainError::OtherRun { path });
        }
        let replay = |step: usize| -> Result<Option<Replay>, TrainError> {
            let path = self.path(step, "replay");
            let bytes = std::fs::read(&path)
                .map_err(|error| TrainError::Damaged { path: path.clone(), reason: error.to_string() })?;
            let damaged = |error: crate::attribution::replay::ReplayError| TrainError::Damaged {
                path,
                reason: error.to_string(),
            };
            Ok(Some(Replay::from_bytes(&bytes).map_err(damaged)?))
        };
        let (mut own, mut best_replay) = (None, None);
        if with_replay {
            own = replay(step)?;
            if let Some(best) = &state.best {
                best_replay = if best.step == step { own.clone() } else { replay(best.step)? };
            }
        }
        Ok(Checkpoint { state, hash: *blake3::hash(&bytes).as_bytes(), replay: own, best_replay })
    }

    /// The file of a step's state.
    pub fn file(&self, step: usize) -> PathBuf {
        self.path(step, "safetensors")
    }

    fn path(&self, step: usize, kind: &str) -> PathBuf {
        self.folder.join(format!("{step:06}.{kind}"))
    }

    fn drop_replays(&self, keep: &[Option<usize>]) -> Result<(), TrainError> {
        let keep: Vec<PathBuf> = keep.iter().flatten().map(|&step| self.path(step, "replay")).collect();
        let entries = std::fs::read_dir(&self.folder).map_err(|source| TrainError::files(&self.folder, source))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let old = path.extension().is_some_and(|kind| kind == "replay") && !keep.contains(&path);
            let torn = path.extension().is_some_and(|kind| kind == "part");
            if old || torn {
                std::fs::remove_file(&path).map_err(|source| TrainError::files(&path, source))?;
            }
        }
        Ok(())
    }

    fn drop_older(&self, than: usize) -> Result<(), TrainError> {
        for step in self.steps()?.into_iter().filter(|step| *step < than) {
            let path = self.file(step);
            std::fs::remove_file(&path).map_err(|source| TrainError::files(&path, source))?;
        }
        Ok(())
    }

    fn encode(&self, state: &State) -> Result<Vec<u8>, TrainError> {
        let held_out: Vec<(usize, u64)> = state.held_out.iter().map(|(step, loss)| (*step, loss.to_bits())).collect();
        let held_out = serde_json::to_string(&held_out).unwrap_or_default();
        let mut metadata = HashMap::from([
            ("step".to_owned(), state.step.to_string()),
            ("run".to_owned(), self.fingerprint.clone()),
            ("held_out".to_owned(), held_out),
            ("first_order".to_owned(), state.first_order.to_text()),
        ]);
        let mut tensors = vec![
            ("theta", &state.theta),
            ("m", &state.optimiser.m),
            ("v", &state.optimiser.v),
            ("losses", &state.losses),
        ];
        if let Some(best) = &state.best {
            metadata.insert("best".to_owned(), format!("{} {}", best.step, best.loss.to_bits()));
            tensors.push(("best", &best.theta));
        }
        metadata.insert("sum".to_owned(), checksum(tensors.iter().map(|(_, numbers)| numbers.as_slice()), &metadata));
        encode(&tensors, metadata).map_err(|reason| TrainError::Damaged { path: self.folder.clone(), reason })
    }
}

/// BLAKE3 of everything else in a checkpoint, in hex: a bit that has changed on the disk changes the model.
fn checksum<'a>(tensors: impl Iterator<Item = &'a [f32]>, metadata: &HashMap<String, String>) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("datanet training 2026 checkpoint");
    let mut words: Vec<(&String, &String)> = metadata.iter().filter(|(name, _)| *name != "sum").collect();
    words.sort_unstable();
    for word in words.iter().flat_map(|(name, value)| [name, value]) {
        hasher.update(&(word.len() as u64).to_le_bytes());
        hasher.update(word.as_bytes());
    }
    for numbers in tensors {
        hasher.update(&(numbers.len() as u64).to_le_bytes());
        numbers.iter().for_each(|number| {
            hasher.update(&number.to_le_bytes());
        });
    }
    hasher.finalize().to_hex().to_string()
}

/// A safetensors file of vectors; its metadata in a fixed order, so that equal states are equal bytes.
fn encode(tensors: &[(&str, &Vec<f32>)], metadata: HashMap<String, String>) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, numbers)| numbers.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views: Result<Vec<(&str, TensorView<'_>)>, _> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, numbers), bytes)| Ok((*name, TensorView::new(Dtype::F32, vec![numbers.len()], bytes)?)))
        .collect();
    let views = views.map_err(|error: safetensors::SafeTensorError| error.to_string())?;
    // One metadata entry: a map with several has no order of its own.
    let sorted: std::collections::BTreeMap<String, String> = metadata.into_iter().collect();
    let sorted = serde_json::to_string(&sorted).map_err(|error| error.to_string())?;
    safetensors::serialize(views, Some(HashMap::from([("run".to_owned(), sorted)]))).map_err(|error| error.to_string())
}

fn decode(bytes: &[u8]) -> Result<(State, String), String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().as_ref().and_then(|all| all.get("run")).ok_or("it is no checkpoint")?;
    let metadata: HashMap<String, String> = serde_json::from_str(metadata).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let vector = |name: &str| -> Result<Vec<f32>, String> {
        let tensor = file.tensor(name).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("{name} is not of 32-bit floats"));
        }
        let numbers: Vec<f32> = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if numbers.iter().any(|x| !x.is_finite()) {
            return Err(format!("{name} holds a number that is not finite"));
        }
        Ok(numbers)
    };
    let word = |name: &str| metadata.get(name).map(String::as_str).ok_or(format!("it lacks {name}"));
    let step: usize = word("step")?.parse().map_err(|_| "its step is no number".to_owned())?;
    let held_out: Vec<(usize, u64)> = serde_json::from_str(word("held_out")?).map_err(|error| error.to_string())?;
    // Checkpoints of before do not say.
    let first_order = match metadata.get("first_order") {
        Some(text) => FirstOrder::from_text(text).ok_or("what first order missed is no number")?,
        None => FirstOrder::default(),
    };
    let best = match metadata.get("best").and_then(|best| best.split_once(' ')) {
        Some((step, loss)) => {
            let step = step.parse().map_err(|_| "its best step is no number".to_owned())?;
            let loss = loss.parse().map(f64::from_bits).map_err(|_| "its best loss is no number".to_owned())?;
            Some(Best { step, loss, theta: vector("best")? })
        }
        None => None,
    };
    let (theta, m, v, losses) = (vector("theta")?, vector("m")?, vector("v")?, vector("losses")?);
    let lengths = [m.len(), v.len(), best.as_ref().map_or(theta.len(), |best| best.theta.len())];
    if lengths.iter().any(|length| *length != theta.len()) || losses.len() != step {
        return Err("its vectors do not belong together".to_owned());
    }
    let all = [&theta, &m, &v, &losses].into_iter().chain(best.as_ref().map(|best| &best.theta));
    if checksum(all.map(Vec::as_slice), &metadata) != word("sum")? {
        return Err("its numbers are not those that were written".to_owned());
    }
    let held_out = held_out.into_iter().map(|(step, loss)| (step, f64::from_bits(loss))).collect();
    let state = State { step, theta, optimiser: AdamW { m, v }, losses, held_out, best, first_order };
    Ok((state, word("run")?.to_owned()))
}

/// Writes a file that is there whole or not at all, whatever ends the process or the machine.
///
/// # Errors
/// [`TrainError::Files`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let fail = |source| TrainError::files(path, source);
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".part");
    let part = path.with_file_name(name);
    let mut file = File::create(&part).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&part, path).map_err(fail)?;
    // The name itself is durable once its folder is.
    match path.parent() {
        Some(folder) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(step: usize) -> State {
        State {
            step,
            theta: vec![1.0, -2.5],
            optimiser: AdamW { m: vec![0.25, 0.5], v: vec![1e-9, 3.0] },
            losses: vec![0.1; step],
            held_out: vec![(1, 0.3)],
            best: Some(Best { step: 1, loss: 0.1 + 0.2, theta: vec![0.0, 1.0] }),
            first_order: FirstOrder { missed: 0.1, changed: 0.3, looks: step as u64 },
        }
    }

    #[test]
    fn a_state_survives_to_the_bit_and_a_torn_file_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), "run".to_owned()).unwrap();
        checkpoints.write(&state(2), None, None).unwrap();
        let hash = checkpoints.write(&state(2), None, None).unwrap();
        checkpoints.write(&state(4), None, None).unwrap();
        let newest = checkpoints.newest(false).unwrap().unwrap();
        assert_eq!(newest.state, state(4));
        std::fs::write(checkpoints.file(4), b"torn").unwrap();
        let newest = checkpoints.newest(false).unwrap().unwrap();
        assert_eq!((newest.state, newest.hash), (state(2), hash));
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), "run".to_owned()).unwrap();
        checkpoints.write(&state(2), None, None).unwrap();
        let bytes = std::fs::read(checkpoints.file(2)).unwrap();
        for at in bytes.len() - 40..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(decode(&changed).is_err(), "byte {at}");
        }
    }

    #[test]
    fn another_runs_checkpoint_is_never_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        Checkpoints::open(folder.path(), "a".to_owned()).unwrap().write(&state(1), None, None).unwrap();
        let other = Checkpoints::open(folder.path(), "b".to_owned()).unwrap();
        assert!(matches!(other.newest(false), Err(TrainError::OtherRun { .. })));
    }

    #[test]
    fn replays_of_the_newest_and_the_best_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), "run".to_owned()).unwrap();
        let replay = Replay::new(2, 3).unwrap();
        for step in [1, 2, 3] {
            checkpoints.write(&state(step), Some(&replay), Some(&replay)).unwrap();
        }
        let newest = checkpoints.newest(true).unwrap().unwrap();
        assert!(newest.replay.is_some() && newest.best_replay.is_some());
        let replays = std::fs::read_dir(folder.path()).unwrap().flatten();
        assert_eq!(replays.filter(|entry| entry.path().extension().is_some_and(|kind| kind == "replay")).count(), 2);
    }

    #[test]
    fn the_newest_alone_is_kept_where_nobody_wants_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), "run".to_owned()).unwrap().newest_only();
        for step in [1, 2, 5] {
            checkpoints.write(&state(step), None, None).unwrap();
        }
        assert_eq!(checkpoints.steps().unwrap(), [5]);
        assert_eq!(checkpoints.newest(false).unwrap().unwrap().state, state(5));
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).is_err());
        }
    }
}
