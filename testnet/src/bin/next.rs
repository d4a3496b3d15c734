//! The `datanet` program of the next version of the ledger's rules, for tests of upgrades alone: the same code, and one migration more.
#![deny(unreachable_pub)]

use std::ffi::OsString;
use std::process::ExitCode;

use datanet_ledger::component::migrations::{LATEST, Rules, Stored};
use datanet_ledger::component::staking;
use datanet_ledger::state::{StateError, StateWrite as _};

/// Validators that are looked at: more than there are.
const ALL: usize = 1_000;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    // A network starts its nodes as `PROGRAM node start …`; a program that is staged takes a node's place as `PROGRAM start …`.
    if args.get(1).is_some_and(|arg| arg == "node") {
        args.remove(1);
    }
    datanet::cli::run_with(args, Rules { latest: LATEST + 1, beyond: Some(named_anew) })
}

/// What everybody sees: the names of validators say which version they are of.
fn named_anew(stored: &mut Stored<'_>, version: u64) -> Result<(), StateError> {
    for mut validator in staking::list(&*stored, None, ALL)? {
        validator.name = format!("{} of version {version}", validator.name);
        let address = validator.key.address();
        stored.put(staking::state_key::validator(&address), &validator);
    }
    Ok(())
}
