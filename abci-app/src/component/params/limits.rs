//! The most that numbers may be: whoever may change them must not be able to keep others from what is theirs by making one of them endless.

use super::Params;
use crate::code;
use crate::component::ActionError;
use crate::component::error::ensure;

const MONTH: u64 = 30 * 24 * 3_600;
const YEAR: u64 = 365 * 24 * 3_600;
const DNT: u64 = datanet_types::amount::DNT;

/// Refuses a number that is above its limit.
pub(super) fn check(params: &Params) -> Result<(), ActionError> {
    let limits = [
        ("min_fee", params.min_fee, DNT),
        ("byte_fee", params.byte_fee, 1_000),
        ("gas_price", params.gas_price, 1_000),
        ("review_fee", params.review_fee, 1_000 * DNT),
        ("review_fee_per_mib", params.review_fee_per_mib, 1_000 * DNT),
        ("commit_seconds", params.commit_seconds, MONTH),
        ("reveal_seconds", params.reveal_seconds, MONTH),
        ("audit_seconds", params.audit_seconds, MONTH),
        ("challenge_seconds", params.challenge_seconds, MONTH),
        ("unbonding_seconds", params.unbonding_seconds, YEAR),
        ("channel_max_seconds", params.channel_max_seconds, 10 * YEAR),
        ("forget_seconds", params.forget_seconds, 10 * YEAR),
        ("jail_seconds", params.jail_seconds, MONTH),
        ("draw_delay", params.draw_delay, 1_000),
        ("serving_bond_bps", params.serving_bond_bps.into(), 100_000),
        ("downtime_slash_bps", params.downtime_slash_bps.into(), 100),
        ("liveness_window", params.liveness_window, 1_000_000),
        ("authority_delay_seconds", params.authority_delay_seconds, YEAR),
        ("treasury_period_seconds", params.treasury_period_seconds, 10 * YEAR),
    ];
    limits.into_iter().try_for_each(|(name, value, most)| {
        ensure(value <= most, code::GENESIS, || format!("genesis params: {name} is {value}, at most {most}"))
    })
}
