//! A node's folder: a path that can be handed on, a folder of this user's, and one that `init` has made.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, bail, ensure};
use datanet_config::{Denied, FileError, Home, user_name};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, Uid, access};

/// The path is text: CometBFT's configuration, `run.json` and what is printed carry it.
///
/// # Errors
/// When it is not UTF-8.
pub fn is_text(home: &Home) -> Result<()> {
    let root = home.root();
    ensure!(
        root.to_str().is_some(),
        "the home {} is not UTF-8; name another with --home or DATANET_HOME",
        root.display()
    );
    Ok(())
}

/// A folder that this user may read, or nothing yet.
///
/// # Errors
/// When it is something else, or another user's.
pub fn is_readable(home: &Home) -> Result<()> {
    is_text(home)?;
    if let Some(found) = look(home.root())? {
        ensure!(found.is_dir(), "the home {} is no folder; name another with --home", home.root().display());
        std::fs::read_dir(home.root()).map_err(|error| FileError::of(home.root(), error))?;
    }
    Ok(())
}

/// A folder in which this user may make files, or nothing yet. What is odd about it without keeping a node from running
/// comes back as warnings: it is somebody's choice, and not changed here.
///
/// # Errors
/// As [`is_readable`], and when it cannot be written.
pub fn is_writable(home: &Home) -> Result<Vec<String>> {
    is_readable(home)?;
    if look(home.root())?.is_none() {
        return Ok(Vec::new());
    }
    let folders = [home.root().to_owned(), home.keys(), home.cometbft(), home.data()];
    // What somebody who ran the node as another user, such as root, has left in it.
    for file in [home.lock(), home.ledger(), home.local()] {
        require(&file, AccessFlags::R_OK | AccessFlags::W_OK)?;
    }
    for folder in &folders {
        require(folder, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK)?;
    }
    Ok(folders.iter().filter_map(|folder| odd(folder, &std::fs::metadata(folder).ok()?)).collect())
}

/// What is there must be open to this user.
fn require(path: &Path, flags: AccessFlags) -> Result<()> {
    match access(path, flags) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::EACCES) => Err(FileError::Denied(Denied::at(path)).into()),
        Err(error) => bail!("{} cannot be written: {}; name another --home", path.display(), error.desc()),
    }
}

/// A home that `init` has made.
///
/// # Errors
/// When it is missing or empty, or its configuration is.
pub fn is_made(home: &Home) -> Result<()> {
    let root = home.root();
    let mut entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no home at {}; {INIT}", root.display()),
        Err(error) => return Err(FileError::of(root, error).into()),
    };
    ensure!(entries.next().is_some(), "the home {} is empty; {INIT}", root.display());
    match datanet_config::read_text(&home.config()) {
        Err(error) if error.is_absence() => {
            bail!("{error}; `datanet init` writes a new one with the defaults and leaves keys and data as they are")
        }
        read => Ok(read.map(drop)?),
    }
}

const INIT: &str = "run `datanet init` first, or name another with --home";

/// What is there; `None` for nothing.
fn look(path: &Path) -> Result<Option<Metadata>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::of(path, error).into()),
    }
}

fn odd(folder: &Path, found: &Metadata) -> Option<String> {
    let (folder, mode) = (folder.display(), found.mode() & 0o777);
    if found.uid() != Uid::effective().as_raw() {
        let (owner, user) = (user_name(found.uid()), user_name(Uid::effective().as_raw()));
        return Some(format!(
            "{folder} belongs to {owner}; what {user} makes in it {owner} may not be able to use later"
        ));
    }
    (mode & 0o077 != 0)
        .then(|| format!("{folder} is open to other users (mode {mode:o}); close it with `chmod 700 {folder}`"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn said(result: Result<impl std::fmt::Debug>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn a_home_whose_path_is_no_text_is_refused_and_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join(std::ffi::OsString::from_vec(b"n\xffde".to_vec())));
        assert!(said(is_writable(&home)).contains("is not UTF-8; name another with --home or DATANET_HOME"));
        assert!(!home.root().exists());
    }

    #[test]
    fn a_file_is_no_home_and_what_is_not_there_may_become_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        assert!(said(is_readable(&Home::new(dir.path().join("file")))).contains("is no folder"));
        assert!(said(is_readable(&Home::new(dir.path().join("file/below")))).contains("file/below"));
        assert_eq!(is_writable(&Home::new(dir.path().join("new"))).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_folder_that_is_open_to_others_is_named_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let warnings = is_writable(&Home::new(dir.path())).unwrap();
        assert!(warnings.len() == 1 && warnings[0].contains("(mode 755); close it with `chmod 700"), "{warnings:?}");
        assert_eq!(std::fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn init_comes_first_only_where_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path().join("node"));
        assert!(said(is_made(&home)).contains("there is no home at") && said(is_made(&home)).contains("init` first"));
        std::fs::create_dir(home.root()).unwrap();
        assert!(said(is_made(&home)).contains("is empty; run `datanet init` first"));
        home.create().unwrap();
        assert!(said(is_made(&home)).contains("config.toml is missing; `datanet init` writes a new one"));
        std::fs::write(home.config(), "").unwrap();
        assert!(said(is_made(&home)).contains("config.toml is empty; `datanet init` writes a new one"));
        std::fs::write(home.config(), "version = 1").unwrap();
        is_made(&home).unwrap();
    }
}
