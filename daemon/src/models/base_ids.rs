//! The ids of model folders, remembered for as long as their files stay as they are: hashing gigabytes takes seconds,
//! and every job and deployment asks for all of them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use datanet_inference::encoder::folder_id;
use datanet_inference::graph::build::{BuildError, ModelFiles, model_files};

use super::import::can_be_base;

/// Folders that are remembered; when there are more, all are hashed anew.
const MAX_FOLDERS: usize = 256;

/// Seconds that a file must have been left alone for: clocks of file systems tick slowly, so that of two writes within
/// one tick the second does not show.
const SETTLED: i64 = 2;

/// The id of a folder's model; none where nothing is made from it.
type Id = Option<[u8; 32]>;

/// Folders with their ids, and what their files looked like when they were hashed.
type Known = BTreeMap<PathBuf, (Vec<Look>, Id)>;

/// The ids of folders.
#[derive(Debug, Default)]
pub(super) struct BaseIds {
    known: Mutex<Known>,
}

/// What tells a file from what it was before without reading it. Nobody can set the time of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    path: PathBuf,
    place: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl BaseIds {
    /// The id of the model in a folder, as [`folder_id`] has it, if others can be made from it; files that look as they did
    /// are not read again.
    ///
    /// # Errors
    /// [`BuildError::Read`], where a file cannot be read.
    pub(super) fn id(&self, folder: &Path) -> Result<Id, BuildError> {
        let mut hash = |folder: &Path| can_be_base(folder).then(|| folder_id(folder)).transpose();
        self.id_at(folder, now(), &mut hash)
    }

    fn id_at(
        &self,
        folder: &Path,
        now: i64,
        hash: &mut dyn FnMut(&Path) -> Result<Id, BuildError>,
    ) -> Result<Id, BuildError> {
        let looks = looks(folder);
        if let (Some(looks), Some((before, id))) = (&looks, self.known().get(folder))
            && looks == before
        {
            return Ok(*id);
        }
        let id = hash(folder)?;
        let mut known = self.known();
        known.remove(folder);
        if let Some(looks) = looks.filter(|looks| settled(looks, now) && self::looks(folder).as_ref() == Some(looks)) {
            if known.len() >= MAX_FOLDERS {
                known.clear();
            }
            known.insert(folder.to_owned(), (looks, id));
        }
        Ok(id)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing is left half done in a map whose entries are whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the files of a model look; none where one of them is missing, and nothing is to be remembered.
fn looks(folder: &Path) -> Option<Vec<Look>> {
    let look = |path: PathBuf| {
        let found = std::fs::metadata(&path).ok()?;
        Some(Look {
            path,
            place: (found.dev(), found.ino()),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    };
    let ModelFiles { model, further } = model_files(folder).ok()?;
    model.into_iter().chain(further.into_iter().map(|file| folder.join(file))).map(look).collect()
}

fn settled(looks: &[Look], now: i64) -> bool {
    looks.iter().all(|look| look.modified.0.max(look.changed.0).saturating_add(SETTLED) <= now)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        folder
    }

    /// Asks so many seconds from now, and says whether files were read for it.
    fn ask(ids: &BaseIds, folder: &Path, later: i64) -> (Id, bool) {
        let mut read = false;
        let mut hash = |folder: &Path| {
            read = true;
            folder_id(folder).map(Some)
        };
        let id = ids.id_at(folder, now() + later, &mut hash).unwrap();
        assert_eq!(id, folder_id(folder).ok());
        (id, read)
    }

    #[test]
    fn files_are_read_once_and_again_when_one_has_changed() {
        let (ids, folder) = (BaseIds::default(), model());
        let (first, read) = ask(&ids, folder.path(), 10);
        assert!(read);
        assert_eq!(ask(&ids, folder.path(), 10), (first, false));
        let weights = folder.path().join("model.safetensors");
        std::fs::write(&weights, "more than before").unwrap();
        let (second, read) = ask(&ids, folder.path(), 10);
        assert!(read && second != first);
        // Another file in its place, of the same length and time.
        let (other, time) = (folder.path().join("other"), std::fs::metadata(&weights).unwrap().modified().unwrap());
        std::fs::write(&other, "MORE than before").unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        std::fs::rename(&other, &weights).unwrap();
        let (third, read) = ask(&ids, folder.path(), 10);
        assert!(read && third != second);
    }

    #[test]
    fn a_file_that_changes_answers_changes_the_id_when_it_comes_changes_and_goes() {
        let (ids, folder) = (BaseIds::default(), model());
        let (plain, _) = ask(&ids, folder.path(), 10);
        let template = folder.path().join("chat_template.jinja");
        std::fs::write(&template, "one").unwrap();
        let (one, read) = ask(&ids, folder.path(), 10);
        assert!(read && one != plain);
        std::fs::write(&template, "another").unwrap();
        let (another, _) = ask(&ids, folder.path(), 10);
        assert!(another != one && another != plain);
        std::fs::remove_file(&template).unwrap();
        assert_eq!(ask(&ids, folder.path(), 10).0, plain);
    }

    #[test]
    fn what_was_written_just_now_is_not_trusted_yet() {
        let (ids, folder) = (BaseIds::default(), model());
        assert!(ask(&ids, folder.path(), 0).1);
        assert!(ask(&ids, folder.path(), 0).1);
    }

    #[test]
    fn a_model_that_loses_a_file_has_no_id() {
        let (ids, folder) = (BaseIds::default(), model());
        ask(&ids, folder.path(), 10);
        std::fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
        assert!(ids.id(folder.path()).is_err());
    }
}
