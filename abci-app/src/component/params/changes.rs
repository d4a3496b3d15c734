//! What may become of parameters that hold: whatever genesis may say, less what would take back what people were promised, and less
//! what bounds who changes them.

use serde_json::{Map, Value};

use super::Params;
use crate::component::ActionError;

impl Params {
    /// The first of the numbers that bound the chain's authority which is not as in `other`: those are a genesis's to name and nobody's to change.
    pub fn changed_authority_bound(&self, other: &Self) -> Option<&'static str> {
        let bounds = [
            ("authority_delay_seconds", self.authority_delay_seconds == other.authority_delay_seconds),
            ("treasury_period_seconds", self.treasury_period_seconds == other.treasury_period_seconds),
            ("treasury_period_bps", self.treasury_period_bps == other.treasury_period_bps),
        ];
        bounds.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}

/// The parameters that `changes`, which are JSON, make of `present`; or why there are none.
pub(super) fn changed(present: &Params, changes: &str) -> Result<Params, String> {
    let changes: Map<String, Value> = serde_json::from_str(changes)
        .map_err(|error| format!("changes must be JSON such as {{\"min_fee\": 2000}}: {error}"))?;
    let Ok(Value::Object(mut all)) = serde_json::to_value(present) else {
        return Err("the present parameters are no JSON; report this as a bug".to_owned());
    };
    for (name, value) in changes {
        match all.get_mut(&name) {
            Some(there) => *there = value,
            None => return Err(format!("there is no parameter {name:?}; docs/ledger.md names all there are")),
        }
    }
    let next: Params = serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())?;
    next.validate().map_err(|error| match error {
        ActionError::Refused { message, .. } => message,
        ActionError::State(error) => error.to_string(),
    })?;
    check_change(present, &next)?;
    Ok(next)
}

fn check_change(present: &Params, next: &Params) -> Result<(), String> {
    if present == next {
        return Err("that is what holds already; name what changes".to_owned());
    }
    if let Some(name) = next.changed_authority_bound(present) {
        return Err(format!("{name} bounds the authority, which does not change it: only another genesis does"));
    }
    // Datanets have their prices for good, and what is sold under the least one can't be settled.
    if next.min_price > present.min_price {
        return Err("min_price can only fall: datanets with a lower price are there already".to_owned());
    }
    // Stake that leaves later would be home before what left earlier, and be slashed together with it.
    if next.unbonding_seconds < present.unbonding_seconds {
        return Err("unbonding_seconds can only rise: who counts on a stake was told how long it answers".to_owned());
    }
    // Else one change would send all validators away but one.
    if next.min_validator_stake > present.min_validator_stake.saturating_mul(2) {
        return Err(format!("min_validator_stake is {}, it can double at a time", present.min_validator_stake));
    }
    if next.max_validators < present.max_validators.div_ceil(2) {
        return Err(format!("max_validators is {}, it can halve at a time", present.max_validators));
    }
    if next.app_version < present.app_version || next.app_version > present.app_version.saturating_add(1) {
        return Err(format!("app_version is {}, it can rise by one at a time", present.app_version));
    }
    Ok(())
}
