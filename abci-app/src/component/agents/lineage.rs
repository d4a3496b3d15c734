//! Who has part in what an agent earns: floors of its suppliers, and of theirs, worked out when a release is made.
//!
//! ```text
//!   agent ── 30 % ──► another agent ── 50 % ──► model          the model has 15 %, the other agent 15 %,
//!     └───── 10 % ──► datanet                                  the datanet 10 %, and the agent what is left
//! ```
//!
//! A supplier is named with the release that it has by then, whose payees are worked out already. So this reads as many records as there are
//! suppliers, however long the chain behind them is.

use std::collections::BTreeMap;

use datanet_types::action::{MAX_SUPPLIERS, Supplier};
use datanet_types::amount::{BPS, mul_div};
use datanet_types::{AgentId, Asset};

use super::{Payee, Supply, expect_release, get};
use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, shares};
use crate::state::StateRead;

/// Most assets that have part in what an agent earns, directly and through others: each is paid in the block in which an epoch is final.
pub const MAX_PAYEES: usize = 32;
/// Parts in a million of one basis point.
const PPM_OF_BPS: u32 = 100;

/// What a list of suppliers must be without a look at state.
pub(super) fn check(suppliers: &[Supplier]) -> Result<(), ActionError> {
    let check = |good: bool, what: &dyn Fn() -> String| ensure(good, code::AGENT_INVALID, what);
    check(suppliers.len() <= MAX_SUPPLIERS, &|| {
        format!("{} suppliers are named, at most {MAX_SUPPLIERS} may be", suppliers.len())
    })?;
    check(suppliers.iter().all(|one| one.asset.is_some()), &|| {
        "a supplier names no asset; say which datanet, model or agent".to_owned()
    })?;
    let assets: std::collections::BTreeSet<_> = suppliers.iter().map(|one| one.asset).collect();
    check(assets.len() == suppliers.len(), &|| "a supplier is named twice; add its floors up".to_owned())?;
    let floors = suppliers.iter().map(|one| u64::from(one.floor_bps));
    check(floors.clone().all(|floor| floor > 0), &|| {
        "a floor is 0; it is 1 to 10000 basis points, leave the supplier out else".to_owned()
    })?;
    let sum = floors.fold(0, u64::saturating_add);
    check(sum <= BPS, &|| format!("the floors sum to {sum} basis points, more than the {BPS} that there are"))
}

/// Suppliers as they are now, and whom the earnings of `agent` are divided among with them.
pub(super) fn resolve<S: StateRead>(
    state: &S,
    agent: &AgentId,
    suppliers: &[Supplier],
) -> Result<(Vec<Supply>, Vec<Payee>), ActionError> {
    let (mut supplies, mut parts) = (Vec::with_capacity(suppliers.len()), BTreeMap::<Asset, u32>::new());
    for Supplier { asset, floor_bps } in suppliers {
        let Some(asset) = asset else { continue };
        let floor = floor_bps.saturating_mul(PPM_OF_BPS);
        let (release, behind) = behind(state, agent, asset)?;
        supplies.push(Supply { asset: Some(*asset), floor_bps: *floor_bps, release });
        let mut own = floor;
        for payee in behind {
            let Some(of) = payee.asset else { continue };
            let part = mul_div(payee.ppm.into(), u64::from(*floor_bps), BPS).and_then(|part| u32::try_from(part).ok());
            let part = part.unwrap_or(0);
            own = own.saturating_sub(part);
            add(&mut parts, of, part);
        }
        add(&mut parts, *asset, own);
    }
    // What comes back to the agent by way of others is its own anyway.
    parts.remove(&Asset::Agent(*agent));
    ensure(parts.len() <= MAX_PAYEES, code::AGENT_LINEAGE, || {
        format!(
            "{} assets would have part in what it earns, directly and through other agents, at most {MAX_PAYEES} may; name fewer suppliers",
            parts.len()
        )
    })?;
    Ok((supplies, parts.into_iter().map(|(asset, ppm)| Payee { asset: Some(asset), ppm }).collect()))
}

fn add(parts: &mut BTreeMap<Asset, u32>, asset: Asset, part: u32) {
    if part > 0 {
        let sum = parts.entry(asset).or_default();
        *sum = sum.saturating_add(part);
    }
}

/// The release of a supplier, which must be there, and who has part in what that earns.
fn behind<S: StateRead>(state: &S, agent: &AgentId, asset: &Asset) -> Result<(u32, Vec<Payee>), ActionError> {
    let unknown = || refuse(code::AGENT_SUPPLIER, format!("there is no {asset}; look its id up"));
    let Asset::Agent(id) = asset else {
        return if shares::owner(state, asset)?.is_some() { Ok((0, Vec::new())) } else { unknown() };
    };
    ensure(id != agent, code::AGENT_SUPPLIER, || "an agent is no supplier of its own; leave it out".to_owned())?;
    let Some(supplier) = get(state, id)? else { return unknown() };
    ensure(supplier.is_active(), code::AGENT_SUPPLIER, || {
        format!("agent {id} was retired at height {}; name another supplier", supplier.retired_height)
    })?;
    Ok((supplier.release, expect_release(state, id, supplier.release)?.payees))
}
