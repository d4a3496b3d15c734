//! What may become of parameters that hold: whatever genesis may say, less what would take back what people were promised, and less
//! what bounds who changes them.

use datanet_types::action::NewNumber;
use serde_json::{Map, Value};

use super::Params;
use crate::component::ActionError;

/// Who changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// The chain's authority.
    Authority,
    /// A vote.
    Votes,
}

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

    /// The first of the numbers by which votes are held which is not as in `other`: those are for votes to change, and not for the authority, which
    /// could make itself the last word.
    pub fn changed_vote_number(&self, other: &Self) -> Option<&'static str> {
        let numbers = [
            ("proposal_deposit", self.proposal_deposit == other.proposal_deposit),
            ("voting_seconds", self.voting_seconds == other.voting_seconds),
            ("quorum_bps", self.quorum_bps == other.quorum_bps),
            ("pass_bps", self.pass_bps == other.pass_bps),
            ("strong_pass_bps", self.strong_pass_bps == other.strong_pass_bps),
            ("veto_bps", self.veto_bps == other.veto_bps),
            ("timelock_seconds", self.timelock_seconds == other.timelock_seconds),
        ];
        numbers.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }
}

/// The parameters that `changes`, which are JSON, make of `present`; or why there are none.
pub(super) fn changed(present: &Params, changes: &str) -> Result<Params, String> {
    let changes: Map<String, Value> = serde_json::from_str(changes)
        .map_err(|error| format!("changes must be JSON such as {{\"min_fee\": 2000}}: {error}"))?;
    let mut all = as_map(present)?;
    for (name, value) in changes {
        *named(&mut all, &name)? = value;
    }
    checked(present, all, By::Authority)
}

/// The parameters that a vote's `numbers` make of `present`; or why there are none.
pub(in crate::component) fn renumbered(present: &Params, numbers: &[NewNumber]) -> Result<Params, String> {
    let mut all = as_map(present)?;
    for NewNumber { name, value } in numbers {
        let place = match name.split_once('.') {
            None => named(&mut all, name)?,
            Some((group, within)) => match named(&mut all, group)? {
                Value::Object(group) => named(group, within).map_err(|_| unknown(name))?,
                _ => return Err(unknown(name)),
            },
        };
        if !place.is_number() {
            return Err(format!("{name} is a group; name a number in it, such as {name}.node"));
        }
        *place = (*value).into();
    }
    checked(present, all, By::Votes)
}

fn as_map(params: &Params) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(params) {
        Ok(Value::Object(all)) => Ok(all),
        _ => Err("the present parameters are no JSON; report this as a bug".to_owned()),
    }
}

fn named<'a>(all: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Value, String> {
    all.get_mut(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    format!("there is no parameter {name:?}; docs/ledger.md names all there are")
}

fn checked(present: &Params, all: Map<String, Value>, by: By) -> Result<Params, String> {
    let next: Params = serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())?;
    next.validate().map_err(|error| match error {
        ActionError::Refused { message, .. } => message,
        ActionError::State(error) => error.to_string(),
    })?;
    check_change(present, &next, by)?;
    Ok(next)
}

fn check_change(present: &Params, next: &Params, by: By) -> Result<(), String> {
    if present == next {
        return Err("that is what holds already; name what changes".to_owned());
    }
    if let Some(name) = next.changed_authority_bound(present) {
        return Err(format!("{name} bounds the authority, which does not change it: only another genesis does"));
    }
    match (by, next.changed_vote_number(present)) {
        (By::Authority, Some(name)) => return Err(format!("{name} is for votes to change: submit a proposal")),
        (By::Votes, _) if next.app_version != present.app_version => {
            return Err("app_version rises with an upgrade, which names a height: propose that".to_owned());
        }
        _ => {}
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
    // Else one vote would make all later ones before anybody hears of them.
    if next.voting_seconds < present.voting_seconds.div_ceil(2) {
        return Err(format!("voting_seconds is {}, it can halve at a time", present.voting_seconds));
    }
    if next.timelock_seconds < present.timelock_seconds.div_ceil(2) {
        return Err(format!("timelock_seconds is {}, it can halve at a time", present.timelock_seconds));
    }
    if next.app_version < present.app_version || next.app_version > present.app_version.saturating_add(1) {
        return Err(format!("app_version is {}, it can rise by one at a time", present.app_version));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constitutional rule, by type: a vote sets numbers of 64 bits at most, and nothing else is among the parameters. An account has 160 bits, a datanet 256.
    #[test]
    fn no_parameter_can_hold_an_account_or_a_datanet() {
        fn numbers(value: &Value) -> bool {
            match value {
                Value::Object(group) => group.values().all(Value::is_u64),
                value => value.is_u64(),
            }
        }
        for (name, value) in as_map(&Params::default()).unwrap() {
            assert!(numbers(&value), "{name} is no number; votes must not set it");
        }
    }

    #[test]
    fn a_vote_sets_numbers_by_name_and_what_it_may_not_set_is_told() {
        let present = Params::default();
        let number = |name: &str, value| NewNumber { name: name.to_owned(), value };
        let next = renumbered(&present, &[number("min_fee", 2_000), number("quorum_bps", 4_000)]).unwrap();
        assert_eq!((next.min_fee, next.quorum_bps), (2_000, 4_000));
        let shares = [number("fee_shares.node", 1_600), number("fee_shares.treasury", 400)];
        assert_eq!(renumbered(&present, &shares).unwrap().fee_shares.node, 1_600);
        for (numbers, words) in [
            (vec![number("min_fees", 1)], "no parameter"),
            (vec![number("fee_shares.nodes", 1)], "no parameter"),
            (vec![number("min_fee.node", 1)], "no parameter"),
            (vec![number("fee_shares", 1)], "is a group"),
            (vec![number("fee_shares.node", 1_600)], "10000"),
            (vec![number("min_fee", 1_000)], "holds already"),
            (vec![number("app_version", 2)], "upgrade"),
            (vec![number("treasury_period_bps", 10_000)], "another genesis"),
            (vec![number("timelock_seconds", 1)], "halve"),
            (vec![number("voting_seconds", 4)], "halve"),
            (vec![number("pass_bps", 10_000)], "5000 to 9000"),
            (vec![number("quorum_bps", 5_000_000_000)], "u32"),
        ] {
            let told = renumbered(&present, &numbers).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
        assert!(changed(&present, r#"{"quorum_bps": 1000}"#).unwrap_err().contains("proposal"));
    }
}
