//! Hidden states below the first adapter: they never change, so each record's are computed once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use datanet_inference::runtime::{Session, Tensor};

use super::NetworkError;
use super::buckets::{Limit, buckets};
use super::examples::{Block, Examples};

/// Rows that go through the frozen layers at once. Part of the result's bytes: another number pads otherwise.
const CHUNK: usize = 32;

/// Bytes that are kept in memory; more goes to a file.
const MEMORY_LIMIT: usize = 1 << 30;

/// Hidden states of every row, `[tokens, hidden]` each, without padding.
#[derive(Debug)]
pub(super) struct Prefix {
    hidden: usize,
    /// Where each row begins, in tokens; one more at the end.
    starts: Vec<usize>,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<f32>),
    File(File),
}

impl Prefix {
    /// Runs the frozen layers over all rows. States too large for memory lie in a nameless file in `folder`.
    pub(super) fn compute(
        session: &mut Session,
        output: &str,
        hidden: usize,
        examples: &Examples,
        folder: &Path,
    ) -> Result<Self, NetworkError> {
        let mut starts = vec![0];
        for row in 0..examples.row_count() {
            starts.push(starts[row] + examples.input(row).len());
        }
        let unwritten = |source| NetworkError::Cache { folder: folder.to_owned(), source };
        let mut store = Store::with_room(starts[starts.len() - 1] * hidden, folder).map_err(unwritten)?;
        let lengths: Vec<usize> = (0..examples.row_count()).map(|row| examples.padded(row)).collect();
        for rows in buckets(&lengths, Limit::rows(CHUNK)) {
            let block = examples.block(rows);
            let states = states(session, &block, output)?;
            let states = states.floats()?;
            for (at, &row) in block.rows.iter().enumerate() {
                let from = at * block.length * hidden;
                let tokens = starts[row + 1] - starts[row];
                let states = states.get(from..from + tokens * hidden).ok_or_else(|| short(output))?;
                store.write(starts[row] * hidden, states).map_err(unwritten)?;
            }
        }
        Ok(Self { hidden, starts, store })
    }

    /// The states of a batch, `[rows, length, hidden]`, zero at padding.
    pub(super) fn gather(&self, block: &Block) -> Result<Tensor, NetworkError> {
        let mut states = vec![0.0; block.rows.len() * block.length * self.hidden];
        for (at, &row) in block.rows.iter().enumerate() {
            let (from, to) = (self.starts[row] * self.hidden, self.starts[row + 1] * self.hidden);
            let into = &mut states[at * block.length * self.hidden..][..to - from];
            match &self.store {
                Store::Memory(all) => into.copy_from_slice(&all[from..to]),
                Store::File(file) => read(file, from, into)
                    .map_err(|source| NetworkError::Cache { folder: "the run's folder".into(), source })?,
            }
        }
        Ok(Tensor::new(&[block.rows.len(), block.length, self.hidden], states)?)
    }
}

impl Store {
    /// Room for so many numbers.
    fn with_room(numbers: usize, folder: &Path) -> std::io::Result<Self> {
        if numbers.saturating_mul(size_of::<f32>()) <= MEMORY_LIMIT {
            return Ok(Self::Memory(vec![0.0; numbers]));
        }
        nameless(folder).map(Self::File)
    }

    fn write(&mut self, at: usize, numbers: &[f32]) -> std::io::Result<()> {
        match self {
            Self::Memory(all) => all[at..at + numbers.len()].copy_from_slice(numbers),
            Self::File(file) => {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                file.write_all_at(&bytes, (at * size_of::<f32>()) as u64)?;
            }
        }
        Ok(())
    }
}

/// A file that is gone when it is closed, whatever ends the process.
fn nameless(folder: &Path) -> std::io::Result<File> {
    let path = folder.join(format!("hidden-{}.cache", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn read(file: &File, from: usize, into: &mut [f32]) -> std::io::Result<()> {
    let mut bytes = vec![0; size_of_val(into)];
    file.read_exact_at(&mut bytes, (from * size_of::<f32>()) as u64)?;
    for (number, bytes) in into.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *number = f32::from_le_bytes(*bytes);
    }
    Ok(())
}

fn states(session: &mut Session, block: &Block, output: &str) -> Result<Tensor, NetworkError> {
    let shape = [block.rows.len(), block.length];
    let ids = Tensor::new(&shape, block.ids.clone())?;
    let mask = Tensor::new(&shape, block.mask.clone())?;
    let wanted: Vec<(&str, &Tensor)> = [("input_ids", &ids), ("attention_mask", &mask)].to_vec();
    let known: Vec<String> = session.inputs().map(str::to_owned).collect();
    let inputs: Vec<(&str, &Tensor)> =
        wanted.into_iter().filter(|(name, _)| known.iter().any(|known| known == name)).collect();
    session.run(&inputs, &[output])?.pop().ok_or_else(|| short(output))
}

fn short(output: &str) -> NetworkError {
    NetworkError::Graph(format!("the frozen layers give too little of {output}"))
}
