//! What numbers may be: they make sense together, and none is endless, since whoever may change them must not be able to keep others from what is
//! theirs.

use datanet_types::amount::{BPS, DNT};

use super::{Params, engine};
use crate::code;
use crate::component::datanets::MAX_COMMITTEE;
use crate::component::error::ensure;
use crate::component::{ActionError, staking};
use crate::gas::Gas;

const MONTH: u64 = 30 * 24 * 3_600;
const YEAR: u64 = 365 * 24 * 3_600;
/// Least and most of [`Params::close_seconds`].
const MIN_CLOSE_SECONDS: u64 = 10;
const MAX_CLOSE_SECONDS: u64 = 30 * 24 * 3_600;
/// Least and most of [`Params::block_gas`].
const MAX_BLOCK_GAS: Gas = 10_000_000_000;
const MIN_BLOCK_GAS: Gas = 300_000_000;
/// Most of [`Params::statement_quorum`]: they stand in one value of state.
const MAX_STATEMENT_QUORUM: u32 = 16;

impl Params {
    /// Checks that the numbers make sense together.
    ///
    /// # Errors
    /// Refused with [`code::GENESIS`] when the fee shares do not sum to 10,000, another number in basis points is above
    /// that, a number is 0 that must be at least 1, or the floor of reputation lies above its start.
    pub fn validate(&self) -> Result<(), ActionError> {
        let within = |bps: u32| u64::from(bps) <= BPS;
        let check = |good: bool, what: &str| ensure(good, code::GENESIS, || format!("genesis params: {what}"));
        check(self.fee_shares.is_whole(), "fee_shares must sum to 10000")?;
        check(within(self.lineage_floor_bps), "lineage_floor_bps must be at most 10000")?;
        check(within(self.bond_penalty_bps), "bond_penalty_bps must be at most 10000")?;
        check(within(self.reputation_alpha_bps), "reputation_alpha_bps must be at most 10000")?;
        check(within(self.initial_reputation_bps), "initial_reputation_bps must be at most 10000")?;
        check(self.min_reputation_bps >= 1, "min_reputation_bps must be at least 1")?;
        check(
            self.min_reputation_bps <= self.initial_reputation_bps,
            "min_reputation_bps must not be above initial_reputation_bps",
        )?;
        check(
            self.seat_reputation_bps <= self.initial_reputation_bps,
            "seat_reputation_bps must not be above initial_reputation_bps: nobody new could judge",
        )?;
        check(
            self.draw_delay >= 2,
            "draw_delay must be at least 2: who proposes the contribution's block would know the committee",
        )?;
        check(
            self.serving_bond_bps >= 10_000,
            "serving_bond_bps must be at least 10000: less than the loot deters nobody",
        )?;
        check(self.statement_quorum <= MAX_STATEMENT_QUORUM, "statement_quorum must be at most 16")?;
        check(self.statement_seconds >= 1, "statement_seconds must be at least 1: nobody could be heard in time")?;
        check((1..=64).contains(&self.audit_seats), "audit_seats must be from 1 to 64")?;
        check(self.audit_seconds >= 1, "audit_seconds must be at least 1")?;
        check(self.min_stake >= 1, "min_stake must be at least 1: stake is a validator's weight")?;
        check(
            self.min_storage_stake >= 1,
            "min_storage_stake must be at least 1: a word without a stake binds nobody",
        )?;
        check(self.storing_seconds >= 1, "storing_seconds must be at least 1: nothing could be stored in time")?;
        check(self.min_price >= 1, "min_price must be at least 1: an answer without a price can't be settled")?;
        check(
            self.channel_max_seconds >= self.channel_min_seconds,
            "channel_max_seconds must not be below channel_min_seconds: no channel could be opened",
        )?;
        check(
            (MIN_CLOSE_SECONDS..=MAX_CLOSE_SECONDS).contains(&self.close_seconds),
            "close_seconds must be from 10 to 2592000: a node needs blocks to settle in, and a payer wants its money back within a month",
        )?;
        check(
            (MIN_BLOCK_GAS..=MAX_BLOCK_GAS).contains(&self.block_gas),
            "block_gas must be from 300000000, of which the heaviest transaction may take a quarter, to 10000000000",
        )?;
        check(self.agenda_work >= 1, "agenda_work must be at least 1")?;
        check(self.commit_seconds >= 1, "commit_seconds must be at least 1")?;
        check(self.reveal_seconds >= 1, "reveal_seconds must be at least 1")?;
        check(self.max_contribution_bytes >= 1, "max_contribution_bytes must be at least 1")?;
        check(self.max_contribution_records >= 1, "max_contribution_records must be at least 1")?;
        check(self.min_validator_stake >= staking::POWER_UNIT, "min_validator_stake must be at least 1000000, a DNT")?;
        check((1..=1_000).contains(&self.max_validators), "max_validators must be from 1 to 1000")?;
        check(within(self.proposer_share_bps), "proposer_share_bps must be at most 10000")?;
        check(self.liveness_window >= 1, "liveness_window must be at least 1 block")?;
        check(within(self.max_missed_bps), "max_missed_bps must be at most 10000")?;
        check(within(self.downtime_slash_bps), "downtime_slash_bps must be at most 10000")?;
        check(
            self.equivocation_slash_bps < 10_000,
            "equivocation_slash_bps must be below 10000: shares of nothing can't be told apart",
        )?;
        engine::check(self)?;
        check_most(self)?;
        check_floors(self)?;
        check_votes(self)?;
        check(self.holdout_delay_seconds >= 1, "holdout_delay_seconds must be at least 1: nobody would see it before")?;
        check((10..=2_000).contains(&self.holdout_sample), "holdout_sample must be from 10 to 2000")?;
        check(
            self.authority_delay_seconds >= 1,
            "authority_delay_seconds must be at least 1: nobody would see it before",
        )?;
        check(self.pool_fee_bps <= 1_000, "pool_fee_bps must be at most 1000: nobody trades where a tenth is lost")?;
        check(self.treasury_period_seconds >= 1, "treasury_period_seconds must be at least 1")?;
        check(within(self.treasury_period_bps), "treasury_period_bps must be at most 10000")
    }
}

/// Refuses a number that is above its limit.
fn check_most(params: &Params) -> Result<(), ActionError> {
    let limits = [
        ("income_seconds", params.income_seconds, YEAR),
        ("min_fee", params.min_fee, DNT),
        ("byte_fee", params.byte_fee, 1_000),
        ("gas_price", params.gas_price, 1_000),
        ("review_fee", params.review_fee, 1_000 * DNT),
        ("review_fee_per_mib", params.review_fee_per_mib, 1_000 * DNT),
        ("min_storage_stake", params.min_storage_stake, 10_000 * DNT),
        ("storing_seconds", params.storing_seconds, MONTH),
        ("min_bond_floor", params.min_bond_floor, 1_000 * DNT),
        ("datanet_deposit", params.datanet_deposit, 100_000 * DNT),
        ("state_byte_deposit", params.state_byte_deposit, DNT),
        ("holdout_delay_seconds", params.holdout_delay_seconds, MONTH),
        ("commit_seconds", params.commit_seconds, MONTH),
        ("reveal_seconds", params.reveal_seconds, MONTH),
        ("audit_seconds", params.audit_seconds, MONTH),
        ("challenge_seconds", params.challenge_seconds, MONTH),
        ("statement_seconds", params.statement_seconds, MONTH),
        ("statement_fee", params.statement_fee, DNT),
        ("verdict_challenge_seconds", params.verdict_challenge_seconds, MONTH),
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
        ("proposal_deposit", params.proposal_deposit, 100_000 * DNT),
        ("voting_seconds", params.voting_seconds, 3 * MONTH),
        ("timelock_seconds", params.timelock_seconds, 3 * MONTH),
    ];
    limits.into_iter().try_for_each(|(name, value, most)| {
        ensure(value <= most, code::GENESIS, || format!("genesis params: {name} is {value}, at most {most}"))
    })
}

/// Refuses a vote that a few decide, or that nobody can win, so that no vote makes the last one.
fn check_votes(params: &Params) -> Result<(), ActionError> {
    let shares = [
        ("quorum_bps", params.quorum_bps, 1_000..=8_000),
        ("pass_bps", params.pass_bps, 5_000..=9_000),
        ("strong_pass_bps", params.strong_pass_bps, params.pass_bps..=9_000),
        ("veto_bps", params.veto_bps, 2_500..=5_000),
    ];
    shares.into_iter().try_for_each(|(name, value, good)| {
        ensure(good.contains(&value), code::GENESIS, || {
            format!("genesis params: {name} is {value}; it is from {} to {}", good.start(), good.end())
        })
    })?;
    let check = |good: bool, what: &str| ensure(good, code::GENESIS, || format!("genesis params: {what}"));
    check(
        params.proposal_deposit >= 1,
        "proposal_deposit must be at least 1: what costs nothing is put to the vote all day",
    )?;
    check(params.voting_seconds >= 4, "voting_seconds must be at least 4: its last quarter is the delegators'")?;
    check(params.timelock_seconds >= 1, "timelock_seconds must be at least 1: nobody would see it before")
}

/// Refuses a floor under a datanet's own numbers that none could keep, or that is none.
fn check_floors(params: &Params) -> Result<(), ActionError> {
    let floors = [
        ("min_committee_size", params.min_committee_size, MAX_COMMITTEE),
        ("min_storage_quorum", params.min_storage_quorum, MAX_COMMITTEE),
        ("min_accept_threshold", params.min_accept_threshold, 10_000),
    ];
    floors.into_iter().try_for_each(|(name, value, most)| {
        ensure((1..=most).contains(&value), code::GENESIS, || {
            format!("genesis params: {name} is {value}; it is from 1 to {most}")
        })
    })
}
