//! What strangers send, mutated: each entry that parses it must refuse or accept, and never panic.
//!
//! ```text
//! corpus/NAME/*, seeds in code ──► mutate (1 to 8 edits) ──► target ──► its checks hold, or the input is kept
//! ```
//!
//! It runs on stable Rust, without a fuzzer's instrumentation: knowledge of the formats is in the targets instead, which
//! sign and hash again what was mutated so that the checks behind the signature are reached. The same seed gives the same
//! inputs on every machine. The tests run each target for a moment; longer:
//!
//! ```sh
//! cargo run -p datanet-fuzz -- all --seconds 600
//! ```
//!
//! An input that was found goes into `corpus/NAME/` and is tried by every test from then on.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use mutate::Mutator;

/// Longest input: none of these formats needs more to be broken.
const MAX_BYTES: usize = 64 * 1024;

/// An entry under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Good inputs, made by the code that writes the format today.
    seeds: fn() -> Vec<Vec<u8>>,
    /// Feeds it one input; panics where the entry does, or where what it promises does not hold.
    run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    targets::TRANSACTION,
    targets::ABCI,
    targets::RECEIPT,
    targets::RELEASE,
    targets::STREAM,
    targets::MODEL,
    targets::TEMPLATE,
];

/// An input that an entry does not bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The target.
    pub target: &'static str,
    /// The input.
    pub input: Vec<u8>,
}

impl Target {
    /// The inputs that mutation starts from: the seeds, and the files of the corpus in the order of their names.
    ///
    /// # Errors
    /// When the corpus cannot be read.
    pub fn corpus(&self) -> Result<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut inputs = (self.seeds)();
        if folder.exists() {
            let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
            let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
            files.sort();
            for file in files {
                inputs.push(std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
            }
        }
        Ok(inputs)
    }

    /// Tries one input.
    ///
    /// # Errors
    /// The input, if the entry does not bear it.
    pub fn check(&self, input: &[u8]) -> Result<(), Finding> {
        let run = self.run;
        catch_unwind(AssertUnwindSafe(|| run(input))).map_err(|_| Finding { target: self.name, input: input.to_vec() })
    }

    /// Tries the corpus as it is, then mutations of it as long as `goes_on` says so; returns how many.
    ///
    /// # Errors
    /// The first input that the entry does not bear.
    pub fn fuzz(&self, corpus: &[Vec<u8>], seed: u64, mut goes_on: impl FnMut(u64) -> bool) -> Result<u64, Finding> {
        for input in corpus {
            self.check(input)?;
        }
        let (mut mutator, mut tried) = (Mutator::new(seed), 0);
        while goes_on(tried) {
            self.check(&mutator.mutate(corpus, MAX_BYTES))?;
            tried += 1;
        }
        Ok(tried)
    }
}
