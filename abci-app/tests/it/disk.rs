//! A disk that remembers in what order it was written to and synced, so that it can be looked at as it was at any moment.

use std::io::{Error, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What the store asks of a disk, beside reading.
#[derive(Debug, Clone)]
pub enum Step {
    Write { at: usize, bytes: Vec<u8> },
    SetLen(usize),
    Sync,
}

impl Step {
    fn apply(&self, disk: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                disk.resize(disk.len().max(at + bytes.len()), 0);
                disk[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::SetLen(length) => disk.resize(*length, 0),
            Self::Sync => {}
        }
    }

    /// The first half of a write that was cut.
    fn torn(&self) -> Self {
        match self {
            Self::Write { at, bytes } => Self::Write { at: *at, bytes: bytes[..bytes.len() / 2].to_vec() },
            step => step.clone(),
        }
    }
}

#[derive(Debug, Default)]
struct Recorded {
    now: Vec<u8>,
    /// What had been synced when recording began; nothing else had been written.
    before: Vec<u8>,
    steps: Vec<Step>,
}

/// The disk; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<Recorded>>);

impl Disk {
    fn lock(&self) -> MutexGuard<'_, Recorded> {
        self.0.lock().unwrap()
    }

    /// From here on, steps are remembered.
    pub fn record(&self) {
        let mut disk = self.lock();
        let synced = disk.steps.iter().rposition(|step| matches!(step, Step::Sync));
        let behind = &disk.steps[synced.map_or(0, |at| at + 1)..];
        assert!(behind.is_empty(), "something was written and not synced");
        disk.before = disk.now.clone();
        disk.steps.clear();
    }

    /// The steps since.
    pub fn steps(&self) -> usize {
        self.lock().steps.len()
    }

    /// What may be on the disk if everything ends after the first `steps` steps, each with a name: the process alone (the system
    /// still writes what it was given), or the machine (of what was not synced some may be there, in any order, or half of it).
    pub fn after(&self, steps: usize) -> Vec<(&'static str, Vec<u8>)> {
        let disk = self.lock();
        let done = &disk.steps[..steps];
        let synced = done.iter().rposition(|step| matches!(step, Step::Sync)).map_or(0, |at| at + 1);
        let (safe, loose) = done.split_at(synced);
        let image = |loose: &mut dyn Iterator<Item = Step>| {
            let mut image = disk.before.clone();
            safe.iter().for_each(|step| step.apply(&mut image));
            loose.for_each(|step| step.apply(&mut image));
            image
        };
        let all = || loose.iter().cloned();
        let mut images = vec![("the process ends", image(&mut all()))];
        if let Some((last, others)) = loose.split_last() {
            images.push(("the power fails, nothing more is there", image(&mut std::iter::empty())));
            images.push(("the power fails, every second write is there", image(&mut all().step_by(2))));
            images.push(("the power fails, only the last write is there", image(&mut std::iter::once(last.clone()))));
            let cut = others.iter().cloned().chain([last.torn()]);
            images.push(("the power fails in the middle of a write", image(&mut cut.into_iter())));
        }
        images
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let (disk, at) = (self.lock(), offset as usize);
        let bytes = disk.now.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.take(Step::SetLen(len as usize))
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.take(Step::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.take(Step::Write { at: offset as usize, bytes: data.to_vec() })
    }
}

impl Disk {
    fn take(&self, step: Step) -> Result<(), Error> {
        let mut disk = self.lock();
        step.apply(&mut disk.now);
        disk.steps.push(step);
        Ok(())
    }
}
