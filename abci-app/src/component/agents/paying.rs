//! Dividing what an agent earned in a settled epoch by the floors of the release that held.

use datanet_types::split::split;
use datanet_types::{Account, AgentId, Amount, Asset};

use super::{Agent, Release, expect_release};
use crate::component::{Event, Params, accounts, shares};
use crate::state::{StateError, StateRead, StateWrite};

/// Parts that there are.
const WHOLE_PPM: u64 = 1_000_000;

/// The number of the release that holds for what is settled at `height`: the last that was made before; the first for what is older than that.
///
/// # Errors
/// When the store cannot be read, or a release is missing.
pub fn in_force<S: StateRead>(state: &S, agent: &Agent, height: u64) -> Result<u32, StateError> {
    let (mut low, mut high) = (0u32, agent.release);
    while low < high {
        let middle = high.saturating_sub(high.saturating_sub(low) / 2);
        if expect_release(state, &agent.id, middle)?.height < height {
            low = middle;
        } else {
            high = middle.saturating_sub(1);
        }
    }
    Ok(low)
}

/// Passes on what suppliers have of `amount`, which lies in the account of the agent's income and was earned by what was settled at `height`.
/// Returns what is left, the agent's own, and what happened.
fn divide<S: StateWrite>(
    state: &mut S,
    agent: &Agent,
    (amount, height): (Amount, u64),
    now: u64,
    params: &Params,
) -> Result<(Amount, Vec<Event>), StateError> {
    let Release { payees, .. } = expect_release(state, &agent.id, in_force(state, agent, height)?)?;
    let from = Asset::Agent(agent.id).income_account();
    let parts: Vec<u64> = payees.iter().map(|payee| payee.ppm.into()).collect();
    let own = WHOLE_PPM.saturating_sub(parts.iter().copied().fold(0, u64::saturating_add));
    let weights: Vec<u64> = parts.into_iter().chain([own]).collect();
    let (mut left, mut events) = (amount, Vec::new());
    for (payee, part) in payees.iter().zip(split(amount, &weights)) {
        let Some(asset) = payee.asset.filter(|_| part > 0) else { continue };
        // A datanet that was closed meanwhile has no owner: that part is the agent's own.
        if shares::credit(state, &asset, &from, part, (now, params))? {
            left = left.saturating_sub(part);
            let event = Event::new("lineage.paid").with("agent", agent.id).with("asset", asset);
            events.push(event.with("amount", part).with("ppm", payee.ppm));
        }
    }
    Ok((left, events))
}

/// Divides what lies in the account of an agent's income, earned at these heights: suppliers have their parts, the agent's account or the holders of
/// its shares the rest.
///
/// # Errors
/// When the store cannot be read, or contradicts itself.
pub(in crate::component) fn pass_on_all<S: StateWrite>(
    state: &mut S,
    id: &AgentId,
    earned: &[(Amount, u64)],
    now: u64,
    params: &Params,
) -> Result<Vec<Event>, StateError> {
    let agent = super::expect(state, id)?;
    let (mut own, mut events) = (0, Vec::new());
    for one in earned {
        let (left, paid) = divide(state, &agent, *one, now, params)?;
        own = Amount::saturating_add(own, left);
        events.extend(paid);
    }
    let asset = Asset::Agent(*id);
    // The agent owns itself, so that this is for somebody always.
    shares::credit(state, &asset, &asset.income_account(), own, (now, params))?;
    Ok(events)
}

/// Pays an account its part of an epoch that is final, from where it lies: an agent's is divided.
///
/// # Errors
/// As [`pass_on_all`].
pub(in crate::component) fn pass_on<S: StateWrite>(
    state: &mut S,
    from: &datanet_types::ModuleAddress,
    to: &datanet_types::Address,
    (amount, height): (Amount, u64),
    (now, params): (u64, &Params),
) -> Result<Vec<Event>, StateError> {
    match super::of_account(state, to)? {
        None => accounts::release(state, from, to, amount).map(|()| Vec::new()),
        Some(agent) => {
            let income: Account = Asset::Agent(agent.id).income_account().into();
            accounts::release(state, from, income, amount)?;
            pass_on_all(state, &agent.id, &[(amount, height)], now, params)
        }
    }
}
