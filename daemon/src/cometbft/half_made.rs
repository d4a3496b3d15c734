//! Databases that CometBFT had not finished making when it was ended. It can't read them again ("database entry point
//! either missing or corrupted"), and they hold nothing: they are removed before a start, so that it makes them anew.
//!
//! What makes a database of its kind one is the file `CURRENT`, written last. Without it, a folder with nothing but
//! what is written before it is half made; anything more in it may be somebody's blocks, and is left alone.

use std::path::Path;

use super::CometError;

/// Removes those below `data`. No CometBFT may run there.
pub(super) fn remove(data: &Path) -> Result<(), CometError> {
    for entry in std::fs::read_dir(data).map_err(CometError::io("read", data))? {
        let path = entry.map_err(CometError::io("read", data))?.path();
        if path.extension().is_some_and(|extension| extension == "db") && path.is_dir() && is_half_made(&path) {
            tracing::info!("{} was not finished by an earlier start, and is made anew", path.display());
            std::fs::remove_dir_all(&path).map_err(CometError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Whether a database was not finished being made, and so holds nothing.
pub(super) fn is_half_made(database: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(database) else { return false };
    entries.map(|entry| entry.map(|entry| entry.file_name())).all(|name| {
        name.is_ok_and(|name| {
            let name = name.to_string_lossy();
            matches!(name.as_ref(), "LOCK" | "LOG" | "LOG.old" | "MANIFEST-000000" | "CURRENT.0")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(data: &Path, name: &str, files: &[&str]) {
        std::fs::create_dir(data.join(name)).unwrap();
        files.iter().for_each(|file| std::fs::write(data.join(name).join(file), "x").unwrap());
    }

    #[test]
    fn only_what_was_never_finished_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        database(data, "blockstore.db", &["LOCK", "LOG", "MANIFEST-000000"]);
        database(data, "state.db", &[]);
        database(data, "evidence.db", &["LOCK", "LOG", "MANIFEST-000000", "CURRENT"]);
        database(data, "tx_index.db", &["LOCK", "MANIFEST-000004", "000005.ldb"]);
        database(data, "cs.wal", &[]);
        std::fs::write(data.join("priv_validator_state.json"), "{}").unwrap();
        remove(data).unwrap();
        let mut left: Vec<_> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["cs.wal", "evidence.db", "priv_validator_state.json", "tx_index.db"]);
    }
}
