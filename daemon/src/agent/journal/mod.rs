//! What an agent decided, durable before it is acted on, and what came of it.
//!
//! One file that only grows, a line an entry: 32 hexadecimal digits and a JSON object. The digits are a hash over those of the line before
//! and the object, so that a line which was changed, lost or moved is noticed. The last line may be cut short by a crash: it was acknowledged to
//! nobody and is taken away. Everything else that is wrong with a journal stops the agent, since whoever does not know what it has paid may pay
//! again. A file, and no database: one program writes, the order is all there is to ask for, and others may read while it is written.

mod entry;
mod memory;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

pub use entry::{
    Ask, Deed, Ended, Entry, Intended, Observed, Outcome, Passed, Payment, Rate, Sell, Step, Supply, VERSION,
};
pub use memory::{Memory, Sold, Tally};

/// What the digits of the first line follow.
const FIRST: &str = "datanet/agent/journal/v1";
/// Hexadecimal digits of a line's hash.
const DIGITS: usize = 32;
/// Longest line: an entry holds a question and its answer.
const MAX_LINE: u64 = 4 << 20;

/// An agent's journal, opened by the one process that writes it.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    last: String,
    memory: Memory,
    /// Nothing is written after a write that failed: what is on disk is not known.
    failed: bool,
}

impl Journal {
    /// Opens the journal at `path`, or begins one; `window` is the length of the budget's period in seconds, if it has one.
    ///
    /// # Errors
    /// When it cannot be read or written, or a line in it is not what was written.
    pub fn open(path: &Path, window: Option<u64>) -> Result<Self> {
        let shown = path.display();
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("cannot open the journal {shown}"))?;
        let mut memory = Memory::new(window);
        let SoFar { last, whole } = read(&mut BufReader::new(&file), |entry| memory.learn(&entry))
            .with_context(|| format!("the journal {shown} is damaged; put it back from a backup, or move it away and begin with a new name, since what it paid is not known without it"))?;
        file.set_len(whole).with_context(|| format!("cannot mend the end of {shown}"))?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), file, last, memory, failed: false })
    }

    /// What the journal at `path` says in all, for whoever does not write it: somebody else may be writing its last line.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn recall(path: &Path, window: Option<u64>) -> Result<Memory> {
        let mut memory = Memory::new(window);
        for entry in Reader::default().more(path)? {
            memory.learn(&entry);
        }
        Ok(memory)
    }

    /// What its entries say in all.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an entry; it is durable once this returns.
    ///
    /// # Errors
    /// When it cannot be written. Then nothing more is.
    pub fn write(&mut self, entry: &Entry) -> Result<()> {
        ensure!(!self.failed, "the journal could not be written before; mend its disk and start the agent again");
        let json = serde_json::to_string(entry)?;
        let digits = digits(&self.last, &json);
        let line = format!("{digits} {json}\n");
        ensure!(line.len() as u64 <= MAX_LINE, "an entry of {} bytes does not fit into the journal", line.len());
        self.failed = true;
        self.file.write_all(line.as_bytes()).context("cannot write the journal")?;
        self.file.sync_data().context("cannot make the journal durable")?;
        self.failed = false;
        self.last = digits;
        self.memory.learn(entry);
        Ok(())
    }
}

/// How far a journal was read.
struct SoFar {
    /// The digits of its last line.
    last: String,
    /// Bytes of its whole lines.
    whole: u64,
}

/// Reads all whole lines.
fn read(from: &mut impl BufRead, mut each: impl FnMut(Entry)) -> Result<SoFar> {
    let (mut last, mut whole, mut number) = (FIRST.to_owned(), 0u64, 0u64);
    loop {
        let mut line = Vec::new();
        let length = from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line)? as u64;
        number += 1;
        // Of a line without an end nobody was told.
        if length <= MAX_LINE && line.last() != Some(&b'\n') {
            return Ok(SoFar { last, whole });
        }
        match parse(&last, &line) {
            Ok((digits, entry)) => {
                each(entry);
                (last, whole) = (digits, whole + length);
            }
            // A disk may have kept the end of a line and not its middle.
            Err(_) if from.fill_buf()?.is_empty() => return Ok(SoFar { last, whole }),
            Err(error) => bail!("line {number}: {error:#}"),
        }
    }
}

fn parse(last: &str, line: &[u8]) -> Result<(String, Entry)> {
    let line = std::str::from_utf8(line)?.trim_end_matches('\n');
    let (said, json) = line.split_at_checked(DIGITS).context("it is too short")?;
    let json = json.strip_prefix(' ').context("it has no entry")?;
    let digits = digits(last, json);
    ensure!(digits == said, "it is not what was written there, or a line before it is missing");
    Ok((digits, serde_json::from_str(json)?))
}

fn digits(last: &str, json: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(last.as_bytes()).update(json.as_bytes());
    let mut hex = hasher.finalize().to_hex().to_string();
    hex.truncate(DIGITS);
    hex
}

/// Reads a journal that somebody else may be writing: its entries from byte `from` on, whose line before ended with `last`, and where to go on.
#[derive(Debug, Clone)]
pub struct Reader {
    last: String,
    at: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { last: FIRST.to_owned(), at: 0 }
    }
}

impl Reader {
    /// The entries that were written since it was asked before.
    ///
    /// # Errors
    /// When the journal cannot be read or is damaged.
    pub fn more(&mut self, path: &Path) -> Result<Vec<Entry>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("cannot read the journal {}", path.display())),
        };
        file.seek(SeekFrom::Start(self.at))?;
        let (mut entries, mut from) = (Vec::new(), BufReader::new(file));
        loop {
            let mut line = Vec::new();
            from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(entries);
            }
            let (digits, entry) =
                parse(&self.last, &line).with_context(|| format!("the journal {} is damaged", path.display()))?;
            entries.push(entry);
            (self.last, self.at) = (digits, self.at + line.len() as u64);
        }
    }
}
