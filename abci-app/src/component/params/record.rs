//! The stored form of the parameters.

use datanet_types::epoch::FeeShares;

use super::{Params, versions};

/// The stored form: the same numbers, in protobuf like all of state.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Record {
    #[prost(uint64, tag = "1")]
    pub(super) min_fee: u64,
    #[prost(uint64, tag = "2")]
    pub(super) commit_seconds: u64,
    #[prost(uint64, tag = "3")]
    pub(super) reveal_seconds: u64,
    #[prost(uint64, tag = "4")]
    pub(super) review_fee: u64,
    #[prost(uint32, tag = "5")]
    pub(super) bond_penalty_bps: u32,
    #[prost(uint32, tag = "6")]
    pub(super) reputation_alpha_bps: u32,
    #[prost(uint32, tag = "7")]
    pub(super) initial_reputation_bps: u32,
    #[prost(uint32, tag = "8")]
    pub(super) min_reputation_bps: u32,
    #[prost(uint64, tag = "9")]
    pub(super) min_stake: u64,
    #[prost(message, required, tag = "10")]
    pub(super) fee_shares: FeeShares,
    #[prost(uint64, tag = "11")]
    pub(super) max_contribution_bytes: u64,
    #[prost(uint64, tag = "12")]
    pub(super) max_contribution_records: u64,
    #[prost(uint64, tag = "13")]
    pub(super) channel_min_seconds: u64,
    #[prost(uint32, tag = "14")]
    pub(super) agenda_work: u32,
    #[prost(string, tag = "15")]
    pub(super) chain_id: String,
    #[prost(uint64, tag = "16")]
    pub(super) min_price: u64,
    #[prost(uint32, tag = "17")]
    pub(super) lineage_floor_bps: u32,
    #[prost(uint32, tag = "18")]
    pub(super) seat_reputation_bps: u32,
    #[prost(uint64, tag = "19")]
    pub(super) draw_delay: u64,
    #[prost(uint64, tag = "20")]
    pub(super) unbonding_seconds: u64,
    #[prost(uint64, tag = "21")]
    pub(super) byte_fee: u64,
    #[prost(uint64, tag = "22")]
    pub(super) review_fee_per_mib: u64,
    #[prost(uint64, tag = "23")]
    pub(super) challenge_seconds: u64,
    #[prost(uint64, tag = "72")]
    pub(super) verdict_challenge_seconds: u64,
    #[prost(uint32, tag = "24")]
    pub(super) serving_bond_bps: u32,
    #[prost(uint64, tag = "25")]
    pub(super) audit_deposit: u64,
    #[prost(uint32, tag = "26")]
    pub(super) audit_seats: u32,
    #[prost(uint64, tag = "27")]
    pub(super) audit_seconds: u64,
    #[prost(uint64, tag = "30")]
    pub(super) gas_price: u64,
    #[prost(uint64, tag = "31")]
    pub(super) block_gas: u64,
    #[prost(uint64, tag = "40")]
    pub(super) min_validator_stake: u64,
    #[prost(uint32, tag = "41")]
    pub(super) max_validators: u32,
    #[prost(uint32, tag = "42")]
    pub(super) proposer_share_bps: u32,
    #[prost(uint64, tag = "43")]
    pub(super) liveness_window: u64,
    #[prost(uint32, tag = "44")]
    pub(super) max_missed_bps: u32,
    #[prost(uint64, tag = "45")]
    pub(super) jail_seconds: u64,
    #[prost(uint32, tag = "46")]
    pub(super) downtime_slash_bps: u32,
    #[prost(uint32, tag = "47")]
    pub(super) equivocation_slash_bps: u32,
    #[prost(uint64, tag = "90")]
    pub(super) max_block_bytes: u64,
    #[prost(uint64, tag = "91")]
    pub(super) evidence_blocks: u64,
    #[prost(uint64, tag = "92")]
    pub(super) evidence_seconds: u64,
    #[prost(uint64, tag = "93")]
    pub(super) authority_delay_seconds: u64,
    #[prost(uint64, tag = "94")]
    pub(super) treasury_period_seconds: u64,
    #[prost(uint32, tag = "95")]
    pub(super) treasury_period_bps: u32,
    #[prost(uint64, tag = "96")]
    pub(super) app_version: u64,
    #[prost(uint64, tag = "60")]
    pub(super) channel_max_seconds: u64,
    #[prost(uint64, tag = "61")]
    pub(super) close_seconds: u64,
    #[prost(uint64, tag = "62")]
    pub(super) forget_seconds: u64,
    #[prost(uint64, tag = "70")]
    pub(super) min_storage_stake: u64,
    #[prost(uint64, tag = "71")]
    pub(super) storing_seconds: u64,
    #[prost(uint64, tag = "110")]
    pub(super) min_bond_floor: u64,
    #[prost(uint32, tag = "111")]
    pub(super) min_committee_size: u32,
    #[prost(uint32, tag = "112")]
    pub(super) min_storage_quorum: u32,
    #[prost(uint32, tag = "113")]
    pub(super) min_accept_threshold: u32,
    #[prost(uint64, tag = "114")]
    pub(super) datanet_deposit: u64,
    #[prost(uint64, tag = "115")]
    pub(super) state_byte_deposit: u64,
    #[prost(uint64, tag = "116")]
    pub(super) holdout_delay_seconds: u64,
    #[prost(uint32, tag = "117")]
    pub(super) holdout_sample: u32,
    #[prost(uint64, tag = "120")]
    pub(super) proposal_deposit: u64,
    #[prost(uint64, tag = "121")]
    pub(super) voting_seconds: u64,
    #[prost(uint32, tag = "122")]
    pub(super) quorum_bps: u32,
    #[prost(uint32, tag = "123")]
    pub(super) pass_bps: u32,
    #[prost(uint32, tag = "124")]
    pub(super) strong_pass_bps: u32,
    #[prost(uint32, tag = "125")]
    pub(super) veto_bps: u32,
    #[prost(uint64, tag = "126")]
    pub(super) timelock_seconds: u64,
    #[prost(uint32, tag = "118")]
    pub(super) statement_quorum: u32,
    #[prost(uint64, tag = "119")]
    pub(super) statement_seconds: u64,
    #[prost(uint64, tag = "73")]
    pub(super) statement_fee: u64,
    #[prost(uint64, tag = "130")]
    pub(super) income_seconds: u64,
    #[prost(uint32, tag = "131")]
    pub(super) pool_fee_bps: u32,
    /// [`versions::Version::number`].
    #[prost(uint64, tag = "100")]
    pub(super) number: u64,
    /// [`versions::Version::from`].
    #[prost(uint64, tag = "101")]
    pub(super) from: u64,
    /// The oldest version that is kept.
    #[prost(uint64, tag = "102")]
    pub(super) oldest: u64,
    /// [`versions::Scheduled::due`] of what is announced; 0 if nothing is.
    #[prost(uint64, tag = "103")]
    pub(super) next_due: u64,
    /// Block time of the first block in which it holds, in seconds since 1970; 0 for the genesis's.
    #[prost(uint64, tag = "104")]
    pub(super) since: u64,
}

/// Copies the fields that both forms have: a field forgotten here does not compile.
macro_rules! convert {
    ($from:ident => $to:ident, $($extra:tt)*) => {
        $to {
            min_fee: $from.min_fee,
            byte_fee: $from.byte_fee,
            gas_price: $from.gas_price,
            block_gas: $from.block_gas,
            commit_seconds: $from.commit_seconds,
            reveal_seconds: $from.reveal_seconds,
            review_fee: $from.review_fee,
            review_fee_per_mib: $from.review_fee_per_mib,
            bond_penalty_bps: $from.bond_penalty_bps,
            reputation_alpha_bps: $from.reputation_alpha_bps,
            initial_reputation_bps: $from.initial_reputation_bps,
            min_reputation_bps: $from.min_reputation_bps,
            seat_reputation_bps: $from.seat_reputation_bps,
            draw_delay: $from.draw_delay,
            unbonding_seconds: $from.unbonding_seconds,
            challenge_seconds: $from.challenge_seconds,
            verdict_challenge_seconds: $from.verdict_challenge_seconds,
            statement_quorum: $from.statement_quorum,
            statement_seconds: $from.statement_seconds,
            statement_fee: $from.statement_fee,
            serving_bond_bps: $from.serving_bond_bps,
            audit_deposit: $from.audit_deposit,
            audit_seats: $from.audit_seats,
            audit_seconds: $from.audit_seconds,
            min_stake: $from.min_stake,
            min_storage_stake: $from.min_storage_stake,
            storing_seconds: $from.storing_seconds,
            min_price: $from.min_price,
            min_bond_floor: $from.min_bond_floor,
            min_committee_size: $from.min_committee_size,
            min_storage_quorum: $from.min_storage_quorum,
            min_accept_threshold: $from.min_accept_threshold,
            datanet_deposit: $from.datanet_deposit,
            state_byte_deposit: $from.state_byte_deposit,
            holdout_delay_seconds: $from.holdout_delay_seconds,
            holdout_sample: $from.holdout_sample,
            fee_shares: $from.fee_shares,
            lineage_floor_bps: $from.lineage_floor_bps,
            max_contribution_bytes: $from.max_contribution_bytes,
            max_contribution_records: $from.max_contribution_records,
            channel_min_seconds: $from.channel_min_seconds,
            channel_max_seconds: $from.channel_max_seconds,
            close_seconds: $from.close_seconds,
            forget_seconds: $from.forget_seconds,
            agenda_work: $from.agenda_work,
            min_validator_stake: $from.min_validator_stake,
            max_validators: $from.max_validators,
            proposer_share_bps: $from.proposer_share_bps,
            liveness_window: $from.liveness_window,
            max_missed_bps: $from.max_missed_bps,
            jail_seconds: $from.jail_seconds,
            downtime_slash_bps: $from.downtime_slash_bps,
            equivocation_slash_bps: $from.equivocation_slash_bps,
            max_block_bytes: $from.max_block_bytes,
            evidence_blocks: $from.evidence_blocks,
            evidence_seconds: $from.evidence_seconds,
            authority_delay_seconds: $from.authority_delay_seconds,
            treasury_period_seconds: $from.treasury_period_seconds,
            treasury_period_bps: $from.treasury_period_bps,
            app_version: $from.app_version,
            proposal_deposit: $from.proposal_deposit,
            voting_seconds: $from.voting_seconds,
            quorum_bps: $from.quorum_bps,
            pass_bps: $from.pass_bps,
            strong_pass_bps: $from.strong_pass_bps,
            veto_bps: $from.veto_bps,
            timelock_seconds: $from.timelock_seconds,
            income_seconds: $from.income_seconds,
            pool_fee_bps: $from.pool_fee_bps,
            $($extra)*
        }
    };
}

impl Record {
    pub(super) fn of(params: &Params, chain_id: &str) -> Self {
        let chain_id = chain_id.to_owned();
        convert!(params => Record, chain_id, number: 0, from: 0, oldest: 0, next_due: 0, since: 0)
    }

    pub(super) fn params(&self) -> Params {
        convert!(self => Params,)
    }

    pub(super) fn version(&self) -> versions::Version {
        versions::Version { number: self.number, from: self.from, params: self.params() }
    }
}
