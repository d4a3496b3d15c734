//! Other rules from a height on.
//!
//! A vote names a version of the rules, the first height at which they hold, and the programs that know them by their SHA-256. At the beginning of that
//! block the version rises as any parameter changes, and what is stored is made over ([`crate::component::migrations`]). A program that does
//! not know the version stops before it executes anything of that block, with all blocks before it kept.

use datanet_types::action::{Binary, Upgrade};

use super::state_key;
use crate::component::params::versions::{self, Scheduled};
use crate::component::{BlockContext, Event, Params};
use crate::state::{StateError, StateRead, StateWrite};

/// Other rules that come.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Planned {
    /// The proposal that was voted.
    #[prost(uint64, tag = "1")]
    pub proposal: u64,
    /// Their version.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The first height at which they hold.
    #[prost(uint64, tag = "3")]
    pub height: u64,
    /// The programs that know them.
    #[prost(message, repeated, tag = "4")]
    pub binaries: Vec<Binary>,
}

/// What comes, if anything does.
///
/// # Errors
/// When the store cannot be read.
pub fn planned<S: StateRead>(state: &S) -> Result<Option<Planned>, StateError> {
    state.get(&state_key::upgrade())
}

/// Why an upgrade cannot be planned as things stand, or nothing.
pub(super) fn check(block: &BlockContext, params: &Params, upgrade: &Upgrade) -> Result<(), String> {
    let (version, next) = (upgrade.version, params.app_version.saturating_add(1));
    if version != next {
        return Err(format!(
            "the rules are of version {}, so that {next} comes next and not {version}",
            params.app_version
        ));
    }
    if upgrade.height <= block.height {
        return Err(format!("height {} is behind this block, {}; name a later one", upgrade.height, block.height));
    }
    Ok(())
}

/// Plans an upgrade that was voted, in the place of one that was before; or says why not.
pub(super) fn plan<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
    proposal: u64,
    upgrade: &Upgrade,
) -> Result<Result<Event, String>, StateError> {
    if let Err(why) = check(block, &base(state, block)?, upgrade) {
        return Ok(Err(why));
    }
    let Upgrade { version, height, binaries } = upgrade.clone();
    state.put(state_key::upgrade(), &Planned { proposal, version, height, binaries });
    Ok(Ok(Event::new("upgrade.planned").with("version", version).with("height", height)))
}

/// At the beginning of the block of its height, before parameters change: the version is announced for this very block.
pub(in crate::component) fn begin_block<S: StateWrite>(
    state: &mut S,
    block: &BlockContext,
) -> Result<Option<Event>, StateError> {
    let Some(planned) = planned(state)?.filter(|planned| planned.height <= block.height) else { return Ok(None) };
    state.delete(state_key::upgrade());
    let base = base(state, block)?;
    let event = |kind: &str| Event::new(kind).with("version", planned.version).with("height", block.height);
    if base.app_version.saturating_add(1) != planned.version {
        // The authority was quicker, by its own announcement.
        return Ok(Some(event("upgrade.dropped")));
    }
    versions::supersede(state, block, Params { app_version: planned.version, ..base })?;
    Ok(Some(event("upgrade.begun")))
}

/// The parameters that hold, or that come with the next block already.
fn base<S: StateRead>(state: &S, block: &BlockContext) -> Result<Params, StateError> {
    match versions::scheduled(state)? {
        Some(Scheduled { due, params }) if due <= block.seconds() => Ok(params),
        _ => Ok(versions::present(state)?.params),
    }
}
