//! A home that was used has its ledger and its private store. One that has lost either must not begin anew without a
//! word: balances would be gone, and what the node owes and is owed with them.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, bail};
use datanet_config::{Engine, Home, holds_something};

const NOTE: &str = "This home has been used: data/ledger.redb and data/local.redb belong to it. Where this file is and one of \
                    them is not, no node starts.\n";

/// Both stores are there, or the home is new. What is made again from CometBFT's blocks comes back as a warning.
///
/// # Errors
/// When the home was used and a store is missing or empty: what it held, and the ways on.
pub fn are_whole(home: &Home, engine: Engine) -> Result<Option<String>> {
    let (ledger, local) = (home.ledger(), home.local());
    let (has_ledger, has_local) = (holds_something(&ledger), holds_something(&local));
    // A first start makes the ledger before the private store, and says that the home is used when both are made.
    if (has_ledger && has_local) || !(home.used().exists() || has_local) {
        return Ok(None);
    }
    if !has_local {
        let mark = home.used();
        bail!(
            "{} {}; it held this node's judgements, jobs, vouchers, receipts and what is owed to it, and no other node \
             has them: {}; to go on without them, remove {}",
            local.display(),
            state(&local),
            ways(home),
            mark.display()
        );
    }
    let begins = "it held this chain's accounts, balances and contributions";
    let (name, state) = (ledger.display(), state(&ledger));
    if engine == Engine::Cometbft && has_blocks(home) {
        return Ok(Some(format!("{name} {state}; {begins}, and is made again from CometBFT's blocks")));
    }
    bail!("{name} {state}; {begins}: {}", ways(home))
}

/// Says in the home that its stores are made.
///
/// # Errors
/// When that cannot be written.
pub fn mark(home: &Home) -> Result<()> {
    let path = home.used();
    if path.exists() {
        return Ok(());
    }
    std::fs::write(&path, NOTE).with_context(|| format!("cannot write {}", path.display()))
}

fn state(path: &Path) -> &'static str {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => "is missing, although this home has been used",
        _ => "is empty, although this home has been used",
    }
}

fn ways(home: &Home) -> String {
    format!(
        "put {} back from a backup (is its disk mounted?), or begin in a new folder with `datanet init --home`",
        home.data().display()
    )
}

fn has_blocks(home: &Home) -> bool {
    let blocks = home.cometbft().join("data").join("blockstore.db");
    std::fs::read_dir(blocks).is_ok_and(|mut files| files.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A home with these files, of these lengths.
    fn home(files: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        home.create().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        (dir, home)
    }

    const LEDGER: (&str, &str) = ("data/ledger.redb", "x");
    const LOCAL: (&str, &str) = ("data/local.redb", "x");
    const USED: (&str, &str) = ("used", "x");

    #[test]
    fn a_new_home_and_a_whole_one_start_and_so_does_one_whose_first_start_broke_off() {
        for files in [&[][..], &[LEDGER], &[("data/ledger.redb", "")], &[LEDGER, LOCAL], &[LEDGER, LOCAL, USED]] {
            let (_dir, home) = home(files);
            for engine in [Engine::Solo, Engine::Cometbft] {
                assert_eq!(are_whole(&home, engine).unwrap(), None, "{files:?}");
            }
        }
    }

    #[test]
    fn a_used_home_that_has_lost_a_store_is_told_which_and_what_it_held_and_the_ways_on() {
        for (files, parts) in [
            (&[USED, LEDGER][..], ["local.redb is missing", "what is owed", "/used"]),
            (&[USED, LEDGER, ("data/local.redb", "")], ["local.redb is empty", "jobs", "/used"]),
            (&[USED, LOCAL], ["ledger.redb is missing", "balances", "backup"]),
            (&[USED, LOCAL, ("data/ledger.redb", "")], ["ledger.redb is empty", "balances", "datanet init"]),
            // Of a version that left no mark.
            (&[LOCAL], ["ledger.redb is missing", "balances", "backup"]),
            (&[USED], ["local.redb is missing", "is its disk mounted?", "/used"]),
        ] {
            let (_dir, home) = home(files);
            let said = are_whole(&home, Engine::Solo).unwrap_err().to_string();
            assert!(parts.iter().all(|part| said.contains(part)), "{files:?}: {said}");
        }
    }

    #[test]
    fn a_ledger_is_made_again_from_blocks_where_there_are_any() {
        let (_dir, with_blocks) = home(&[USED, LOCAL, ("cometbft/data/blockstore.db/000001.log", "x")]);
        let said = are_whole(&with_blocks, Engine::Cometbft).unwrap().unwrap();
        assert!(said.contains("ledger.redb is missing") && said.contains("CometBFT's blocks"), "{said}");
        assert!(are_whole(&with_blocks, Engine::Solo).is_err(), "the solo engine keeps none");
        let (_dir, without) = home(&[USED, LOCAL]);
        assert!(are_whole(&without, Engine::Cometbft).is_err());
    }

    #[test]
    fn a_home_that_is_marked_is_used() {
        let (_dir, home) = home(&[LEDGER]);
        assert!(are_whole(&home, Engine::Solo).is_ok());
        mark(&home).unwrap();
        mark(&home).unwrap();
        assert!(are_whole(&home, Engine::Solo).is_err());
    }
}
