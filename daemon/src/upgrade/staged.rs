//! A program that is kept ready, and the swap.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use datanet_types::Digest;
use sha2::Digest as _;

/// Begins the name of a staged program; its SHA-256 follows.
const NAME: &str = "datanet-";
/// The ledger as it was before the swap.
const BACKUP: &str = "ledger.redb.before";

/// A program that is kept ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// Where it is.
    pub program: PathBuf,
    /// Of its bytes, as it was voted.
    pub sha256: Digest,
}

fn folder(home: &Path, version: u64) -> PathBuf {
    home.join("upgrade").join(version.to_string())
}

/// Keeps the program `file` ready for `version` of the rules, whose programs have one of these SHA-256.
///
/// # Errors
/// When its SHA-256 is none of them, or it cannot be read or kept.
pub fn stage(home: &Path, version: u64, wanted: &BTreeMap<String, Digest>, file: &Path) -> Result<Staged> {
    let sha256 = checksum(file)?;
    ensure!(
        !wanted.is_empty(),
        "the proposal names no programs, so that none can be checked; install one by hand when the node has stopped"
    );
    ensure!(
        wanted.values().any(|one| *one == sha256),
        "{} has SHA-256 {sha256}, and none of those that were voted has: {}; take the file that was published",
        file.display(),
        wanted.iter().map(|(platform, one)| format!("{platform} {one}")).collect::<Vec<_>>().join(", ")
    );
    let folder = folder(home, version);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let program = folder.join(format!("{NAME}{sha256}"));
    copy(file, &program, 0o700).with_context(|| format!("cannot keep {}", program.display()))?;
    Ok(Staged { program, sha256 })
}

impl Staged {
    /// What is kept ready for `version`, if anything is, is whole, and is not the program that runs already.
    ///
    /// # Errors
    /// When what is kept is not what was voted any more, or cannot be read.
    pub fn find(home: &Path, version: u64) -> Result<Option<Self>> {
        let Ok(entries) = std::fs::read_dir(folder(home, version)) else { return Ok(None) };
        let named = |entry: io::Result<std::fs::DirEntry>| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            name.strip_prefix(NAME)?.parse::<Digest>().ok().map(|sha256| (name, sha256))
        };
        let Some((name, sha256)) = entries.filter_map(named).min() else { return Ok(None) };
        let program = folder(home, version).join(name);
        let found = checksum(&program)?;
        ensure!(
            found == sha256,
            "{} has SHA-256 {found} and is not what was staged; stage it again",
            program.display()
        );
        let running = std::env::current_exe().ok().and_then(|file| checksum(&file).ok());
        Ok((running != Some(sha256)).then_some(Self { program, sha256 }))
    }

    /// Copies the ledger beside the program, so that there is a way back; returns where.
    ///
    /// # Errors
    /// When there is no room for it.
    pub fn back_up(&self, ledger: &Path) -> Result<PathBuf> {
        let backup = self.program.with_file_name(BACKUP);
        copy(ledger, &backup, 0o600).with_context(|| {
            format!("cannot copy the ledger to {}; make room and start again, nothing was changed", backup.display())
        })?;
        Ok(backup)
    }
}

/// Copies a file whole or not at all, and durably.
fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let new = to.with_extension("new");
    let copied = (|| {
        let mut source = File::open(from)?;
        let mut target = File::options().write(true).create(true).truncate(true).mode(mode).open(&new)?;
        io::copy(&mut source, &mut target)?;
        target.flush()?;
        target.sync_all()?;
        std::fs::rename(&new, to)?;
        to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    if copied.is_err() {
        // Half of one is of no use; that it can't be removed matters less than why it is half.
        let _ = std::fs::remove_file(&new);
    }
    copied
}

fn checksum(file: &Path) -> Result<Digest> {
    let read = || -> io::Result<Digest> {
        let (mut source, mut hasher, mut piece) = (File::open(file)?, sha2::Sha256::new(), vec![0; 1 << 20]);
        loop {
            match source.read(&mut piece)? {
                0 => return Ok(Digest(hasher.finalize().into())),
                read => hasher.update(&piece[..read]),
            }
        }
    };
    read().with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_voted_is_staged_and_only_what_was_staged_is_run() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("newer");
        std::fs::write(&file, "a program").unwrap();
        let wanted = BTreeMap::from([("x86_64-linux".to_owned(), checksum(&file).unwrap())]);
        assert_eq!(Staged::find(home.path(), 2).unwrap(), None);
        let other = home.path().join("other");
        std::fs::write(&other, "another").unwrap();
        let told = stage(home.path(), 2, &wanted, &other).unwrap_err().to_string();
        assert!(told.contains("none of those that were voted"), "{told}");
        let told = stage(home.path(), 2, &BTreeMap::new(), &file).unwrap_err().to_string();
        assert!(told.contains("names no programs"), "{told}");
        assert_eq!(Staged::find(home.path(), 2).unwrap(), None);

        let staged = stage(home.path(), 2, &wanted, &file).unwrap();
        assert_eq!(Staged::find(home.path(), 2).unwrap(), Some(staged.clone()));
        assert_eq!(Staged::find(home.path(), 3).unwrap(), None);
        let ledger = home.path().join("ledger");
        std::fs::write(&ledger, "all that is").unwrap();
        assert_eq!(std::fs::read_to_string(staged.back_up(&ledger).unwrap()).unwrap(), "all that is");
        assert!(staged.back_up(&home.path().join("nothing")).unwrap_err().to_string().contains("nothing was changed"));

        std::fs::write(&staged.program, "something else").unwrap();
        assert!(Staged::find(home.path(), 2).unwrap_err().to_string().contains("stage it again"));
    }

    #[test]
    fn the_program_that_runs_is_not_swapped_for_itself() {
        let home = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let wanted = BTreeMap::from([("x86_64-linux".to_owned(), checksum(&own).unwrap())]);
        stage(home.path(), 2, &wanted, &own).unwrap();
        assert_eq!(Staged::find(home.path(), 2).unwrap(), None);
    }
}
