//! The answers, JSONL. They follow from the journal: what an earlier process had bought and not written is written first, and nothing twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::questions::SUBJECT;
use crate::agent::desk::Desk;
use crate::agent::journal::{Deed, Entry, Intended, Outcome, Reader};

/// See the module.
pub(super) struct Answers {
    file: File,
    written: BTreeSet<String>,
    journal: Reader,
    /// Questions that were asked and have no answer yet.
    open: BTreeMap<u64, Intended>,
}

impl Answers {
    /// Those in the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = file.with_context(|| format!("cannot write the answers to {}", path.display()))?;
        let (mut written, mut whole) = (BTreeSet::new(), 0u64);
        let mut from = BufReader::new(&file);
        loop {
            let mut line = Vec::new();
            let read = from.read_until(b'\n', &mut line)?;
            // A line that was cut short is written again.
            if line.last() != Some(&b'\n') {
                break;
            }
            whole += read as u64;
            if let Ok(value) = serde_json::from_slice::<Value>(&line) {
                written.extend(value["id"].as_str().map(str::to_owned));
            }
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, written, journal: Reader::default(), open: BTreeMap::new() })
    }

    /// Writes what the journal has and the file has not.
    pub(super) fn bring_up_to_date(&mut self, desk: &Desk) -> Result<()> {
        for entry in self.journal.more(desk.purse.journal())? {
            match entry {
                Entry::Intended(intended) => {
                    self.open.insert(intended.id, *intended);
                }
                Entry::Ended(ended) => {
                    let Some(intended) = self.open.remove(&ended.id) else { continue };
                    let Deed::Ask(ask) = &intended.deed else { continue };
                    if ended.outcome == Outcome::Refused {
                        continue;
                    }
                    let detail = &ended.detail;
                    let mut line = json!({ "id": id(&intended.subject), "seller": ask.seller, "fee": ended.captured });
                    for name in ["answer", "label", "receipt", "right", "why"] {
                        if !detail[name].is_null() {
                            line[name] = detail[name].clone();
                        }
                    }
                    self.write(&line)?;
                }
                Entry::Passed(passed) if passed.subject.starts_with(SUBJECT) => {
                    self.write(&json!({ "id": id(&passed.subject), "passed": passed.why }))?;
                }
                Entry::Passed(_) | Entry::Began { .. } => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, line: &Value) -> Result<()> {
        let id = line["id"].as_str().unwrap_or_default().to_owned();
        if !self.written.insert(id) {
            return Ok(());
        }
        self.file.write_all(format!("{line}\n").as_bytes()).context("cannot write the answers")
    }
}

fn id(subject: &str) -> &str {
    subject.strip_prefix(SUBJECT).unwrap_or(subject)
}
