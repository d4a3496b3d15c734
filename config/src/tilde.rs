//! `~` at the beginning of a path. A shell puts the user's home there; unit files, compose files, `.env` files and
//! `--flag=~/x` hand it over as it is, and a folder named `~` is never what was meant.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// Why a path cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing was written.
    #[error("the path is empty; write one, or leave the setting out")]
    Empty,
    /// `~` without a home to put there.
    #[error("{} begins with ~, and HOME is not set; write the whole path, or set HOME", .0.display())]
    NoHome(PathBuf),
    /// `~somebody`.
    #[error("{} names another user's home, which only a shell looks up; write the whole path, or ./ before it for a folder of that name", .0.display())]
    OtherUser(PathBuf),
    /// Nothing says where a node's home is.
    #[error("no home: pass --home DIR, or set DATANET_HOME or HOME")]
    NoRoot,
}

/// The path with the user's home for a `~` at its beginning.
///
/// # Errors
/// When the path is empty, begins with `~` while `HOME` is not set, or with another user's `~name`.
pub fn expand(path: impl AsRef<Path>) -> Result<PathBuf, PathError> {
    expand_in(path.as_ref(), set("HOME").as_deref().map(Path::new))
}

fn expand_in(path: &Path, home: Option<&Path>) -> Result<PathBuf, PathError> {
    let mut parts = path.components();
    match parts.next() {
        None => Err(PathError::Empty),
        Some(Component::Normal(first)) if first == "~" => {
            let home = home.ok_or_else(|| PathError::NoHome(path.to_owned()))?;
            Ok(home.join(parts.as_path()))
        }
        Some(Component::Normal(first)) if is_another_users(first) => Err(PathError::OtherUser(path.to_owned())),
        Some(_) => Ok(path.to_owned()),
    }
}

/// A name that ends in `~` as well is an editor's backup.
fn is_another_users(first: &OsStr) -> bool {
    let bytes = first.as_encoded_bytes();
    bytes.starts_with(b"~") && !bytes.ends_with(b"~")
}

/// An environment variable that is set to something.
pub(crate) fn set(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(path: &str) -> Result<PathBuf, PathError> {
        expand_in(Path::new(path), Some(Path::new("/home/owl")))
    }

    #[test]
    fn a_tilde_at_the_beginning_is_the_users_home() {
        for (written, meant) in [
            ("~", "/home/owl"),
            ("~/", "/home/owl"),
            ("~/nests/one", "/home/owl/nests/one"),
            ("~//nests", "/home/owl/nests"),
        ] {
            assert_eq!(expanded(written).as_deref(), Ok(Path::new(meant)), "{written}");
        }
    }

    #[test]
    fn elsewhere_it_is_a_letter_like_any_other() {
        for path in ["nests/~", "/srv/~/x", "./~owl", "a~b", "old~", "~lock~", "../~"] {
            assert_eq!(expanded(path).as_deref(), Ok(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_put_there_is_said() {
        assert!(matches!(expanded("~heron/x"), Err(PathError::OtherUser(path)) if path == Path::new("~heron/x")));
        assert_eq!(expanded(""), Err(PathError::Empty));
        assert_eq!(expand_in(Path::new("~/x"), None), Err(PathError::NoHome("~/x".into())));
        assert_eq!(expand_in(Path::new("/x"), None).as_deref(), Ok(Path::new("/x")));
    }
}
