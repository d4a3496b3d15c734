//! Files and folders that are made beside their place and put there when they are whole.

use std::fs::{self, File, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::{Builder, NamedTempFile, TempDir};

use crate::cli::files::unreadable;

/// What an exported folder has at its top. One that has anything else is not replaced.
const OURS: [&str; 3] = ["README.md", "croissant.json", "data"];

/// A file on its way to its place.
pub(super) struct StagedFile {
    temp: NamedTempFile,
    to: PathBuf,
    overwrite: bool,
}

impl StagedFile {
    pub(super) fn new(to: &Path, overwrite: bool) -> Result<Self> {
        match fs::symlink_metadata(to) {
            Ok(_) if to.is_dir() => {
                bail!("{} is a folder; name a file, or write a folder with --format hf", to.display())
            }
            Ok(_) if !overwrite => bail!("{} is there already; --overwrite replaces it", to.display()),
            _ => {}
        }
        let (parent, prefix) = beside(to)?;
        // Others may read it as far as the umask lets them, as any file that a program writes.
        let mut builder = Builder::new();
        let builder = builder.prefix(&prefix).permissions(Permissions::from_mode(0o666));
        let temp = builder.tempfile_in(parent).map_err(|error| unreadable(to, error))?;
        Ok(Self { temp, to: to.to_owned(), overwrite })
    }

    /// What is written into.
    pub(super) fn writer(&mut self) -> Result<BufWriter<File>> {
        Ok(BufWriter::with_capacity(1 << 20, self.temp.reopen()?))
    }

    /// Puts it in its place.
    pub(super) fn publish(self) -> Result<()> {
        let Self { temp, to, overwrite } = self;
        temp.as_file().sync_all()?;
        let put = if overwrite { temp.persist(&to) } else { temp.persist_noclobber(&to) };
        put.map(drop).map_err(|error| error.error).with_context(|| format!("cannot put {} in its place", to.display()))
    }
}

/// A folder on its way to its place.
pub(super) struct StagedFolder {
    /// Removed with everything in it at the end.
    temp: TempDir,
    to: PathBuf,
}

impl StagedFolder {
    pub(super) fn new(to: &Path, overwrite: bool) -> Result<Self> {
        if to.is_symlink() || to.exists() {
            check_replaceable(to, overwrite)?;
        }
        let (parent, prefix) = beside(to)?;
        let temp = Builder::new().prefix(&prefix).tempdir_in(parent).map_err(|error| unreadable(to, error))?;
        let staged = Self { temp, to: to.to_owned() };
        fs::create_dir_all(staged.path().join("data"))?;
        Ok(staged)
    }

    /// Where to write.
    pub(super) fn path(&self) -> PathBuf {
        self.temp.path().join("new")
    }

    /// Puts it in its place; what was there goes.
    pub(super) fn publish(self) -> Result<()> {
        let old = self.temp.path().join("old");
        let place = || format!("cannot put {} in its place", self.to.display());
        let was_there = self.to.exists();
        if was_there {
            fs::rename(&self.to, &old).with_context(place)?;
        }
        if let Err(error) = fs::rename(self.path(), &self.to) {
            if was_there {
                fs::rename(&old, &self.to).with_context(place)?;
            }
            return Err(error).with_context(place);
        }
        Ok(())
    }
}

fn check_replaceable(to: &Path, overwrite: bool) -> Result<()> {
    let shown = to.display();
    if to.is_symlink() || !to.is_dir() {
        bail!("{shown} is no folder; name one that is not there yet");
    }
    let mut others = Vec::new();
    for entry in fs::read_dir(to).map_err(|error| unreadable(to, error))? {
        others.push(entry?.file_name());
    }
    if others.is_empty() {
        return Ok(());
    }
    if !overwrite {
        bail!("{shown} is there already; --overwrite replaces it if it is an export");
    }
    others.retain(|name| !OURS.iter().any(|ours| name == ours));
    match others.first() {
        Some(other) => bail!("{shown} holds {}, which no export writes; name another folder", other.display()),
        None => Ok(()),
    }
}

/// The folder that a path is in, and how what becomes it is called meanwhile.
fn beside(to: &Path) -> Result<(PathBuf, String)> {
    let name = to.file_name().with_context(|| format!("{} names no file; name one", to.display()))?;
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    if !parent.is_dir() {
        bail!("there is no folder {}; make it first", parent.display());
    }
    Ok((parent, format!(".{}.partial-", name.to_string_lossy())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn write(to: &Path, overwrite: bool, text: &str) -> Result<()> {
        let mut staged = StagedFile::new(to, overwrite)?;
        staged.writer()?.write_all(text.as_bytes())?;
        staged.publish()
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all_and_is_replaced_only_if_that_is_meant() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("out.csv");
        let mut half = StagedFile::new(&to, false).unwrap();
        half.writer().unwrap().write_all(b"half").unwrap();
        drop(half);
        assert_eq!(names(dir.path()), Vec::<String>::new());
        write(&to, false, "one").unwrap();
        assert!(write(&to, false, "two").unwrap_err().to_string().contains("--overwrite"));
        write(&to, true, "two").unwrap();
        assert_eq!((fs::read_to_string(&to).unwrap().as_str(), names(dir.path())), ("two", vec!["out.csv".to_owned()]));
        // Another program was quicker: what it wrote stays.
        let late = StagedFile::new(&dir.path().join("late"), false).unwrap();
        fs::write(dir.path().join("late"), "theirs").unwrap();
        assert!(late.publish().is_err());
        assert_eq!(fs::read_to_string(dir.path().join("late")).unwrap(), "theirs");
        assert!(write(dir.path(), true, "x").unwrap_err().to_string().contains("is a folder"));
        assert!(write(&dir.path().join("no/such"), true, "x").unwrap_err().to_string().contains("make it first"));
    }

    #[test]
    fn a_link_is_replaced_and_not_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "kept").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(write(&link, false, "x").is_err());
        write(&link, true, "new").unwrap();
        assert_eq!(
            (fs::read_to_string(&real).unwrap(), fs::read_to_string(&link).unwrap()),
            ("kept".into(), "new".into())
        );
    }

    #[test]
    fn a_folder_is_replaced_only_if_it_is_an_export() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("set");
        let make = |overwrite: bool, text: &str| -> Result<()> {
            let staged = StagedFolder::new(&to, overwrite)?;
            fs::write(staged.path().join("README.md"), text)?;
            staged.publish()
        };
        drop(StagedFolder::new(&to, false).unwrap());
        assert_eq!(names(dir.path()), Vec::<String>::new());
        fs::create_dir(&to).unwrap();
        make(false, "one").unwrap();
        assert!(make(false, "two").unwrap_err().to_string().contains("--overwrite"));
        make(true, "two").unwrap();
        assert_eq!(
            (fs::read_to_string(to.join("README.md")).unwrap(), names(&to)),
            ("two".into(), vec!["README.md".into(), "data".into()])
        );
        fs::write(to.join("thesis.tex"), "years of work").unwrap();
        assert!(make(true, "three").unwrap_err().to_string().contains("thesis.tex"));
        assert_eq!(names(dir.path()), ["set"]);
        assert!(StagedFolder::new(&to.join("README.md"), true).err().unwrap().to_string().contains("no folder"));
    }
}
