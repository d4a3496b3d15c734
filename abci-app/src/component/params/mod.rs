//! The chain's numbers: named at genesis, and changed by whom that names ([`super::treasury`]), after a delay ([`versions`]).

pub mod action;
mod changes;
pub mod engine;
mod limits;
mod record;
pub mod state_key;
pub mod versions;

use std::rc::Rc;

use datanet_types::Amount;
use datanet_types::amount::DNT;
use datanet_types::epoch::FeeShares;

use super::migrations;
use crate::gas::Gas;
use crate::state::{StateError, StateRead, StateWrite};

pub(in crate::component) use changes::renumbered;
use record::Record;
pub use versions::at;

/// The chain's numbers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Smallest fee of a transaction, in base units. Default 1,000 (a thousandth of a DNT): nothing to a user,
    /// something to a flood. It pays for a transaction of ordinary size and work.
    pub min_fee: Amount,
    /// Base units for each byte of a transaction. Default 1: everybody keeps it for ever, and a GiB of it costs a thousand DNT.
    pub byte_fee: Amount,
    /// Base units for each thousand units of gas that a transaction takes. Default 2: a unit is about a nanosecond, so that a second of everybody's
    /// time costs 2 DNT, and `min_fee` pays for an ordinary transfer.
    pub gas_price: Amount,
    /// Gas that the transactions of a block take, at most. Default 400,000,000: less than half a second of one core, about a seventh of the
    /// three seconds that nodes wait for a proposal.
    pub block_gas: Gas,
    /// Seconds of block time that a committee has to commit its scores. Default 60: a minute, which fetching and judging a batch
    /// takes on a slow machine that does other things too. The phase ends early once everybody has committed, so that a long
    /// window costs time only where a member is missing.
    pub commit_seconds: u64,
    /// Seconds of block time that a committee has to reveal. Default 30: revealing needs one transaction and no work, but an idle chain
    /// makes a block every five. The phase ends early once all commitments are revealed.
    pub reveal_seconds: u64,
    /// Base units paid with each contribution and shared by the validators who judged it, in proportion to their
    /// accuracy. Default 0.1 DNT: a hundred fees, so that judging pays for the two transactions it takes.
    pub review_fee: Amount,
    /// Base units added to that for each MiB of a contribution after the first. Default 0.01 DNT: fetching, keeping and judging
    /// more costs more, so 2 GiB pay 20 DNT.
    pub review_fee_per_mib: Amount,
    /// Share of the bond that a refused contribution loses to the treasury, in basis points. Default 5,000: half.
    /// All would scare newcomers off, little would make guessing cheap.
    pub bond_penalty_bps: u32,
    /// How fast reputation follows accuracy, in basis points of each new verdict. Default 1,000: about the last
    /// twenty verdicts count.
    pub reputation_alpha_bps: u32,
    /// Reputation of a new validator, in basis points. Default 5,000: the middle; a fresh account can't wash off a
    /// bad record and start at the top.
    pub initial_reputation_bps: u32,
    /// The floor of reputation, in basis points. Default 100.
    pub min_reputation_bps: u32,
    /// Reputation that a seat on a committee takes, in basis points. Default 3,000: five verdicts missed in a row from the
    /// start on. Whoever has less begins anew like anybody else: the stake is taken back, which takes
    /// `unbonding_seconds`, and given again.
    pub seat_reputation_bps: u32,
    /// Blocks between the last word that a contribution is kept, or a challenge, and the drawing of its committee, from the beacon before that
    /// block. Default 3: nobody knows that when it is said, but who proposes that block and the two after it.
    pub draw_delay: u64,
    /// Seconds that stake which is taken back stays locked. Default 259,200: three days, a hundred times as long as judging a
    /// contribution takes, so that the stake which was drawn is there when the verdict comes.
    pub unbonding_seconds: u64,
    /// Seconds for which an epoch can be challenged once it is settled; nothing of it is paid before. Default 86,400: a day, in which
    /// whoever was asleep wakes up. 0: nothing can be challenged, which suits a chain whose nodes trust one another.
    pub challenge_seconds: u64,
    /// Seconds of block time for which a contribution's verdict can be challenged; its bond and its judges' pay are held until then. Default 3,600: an
    /// hour, in which a contributor looks why, and whoever holds the data against the score. 0: a verdict is final at once.
    pub verdict_challenge_seconds: u64,
    /// Storage nodes that must attest an epoch's statement before it is paid; as many as there are of other accounts, where those are fewer.
    /// Default 2: one of them may go away with its disk. 0: nobody has to.
    pub statement_quorum: u32,
    /// Seconds of block time behind the challenge window in which they must have; else the epoch is void and payers have their money back. Default
    /// 86,400: a day more, in which whoever was down comes back.
    pub statement_seconds: u64,
    /// Base units that each of them is paid once the epoch is final, put up by the serving node as it settles. Default 2,000: the fee of
    /// the transaction, and as much again for a statement of ordinary size.
    pub statement_fee: Amount,
    /// Stake that a serving node must have for the fees of its epochs that are not final, in basis points of them. Default 20,000: twice as
    /// much. A false epoch loses that, so that falsifying does not pay where one in three is found.
    pub serving_bond_bps: u32,
    /// Base units that a challenge costs if the epoch is right; they pay its auditors. A second one costs twice as much, and so on. Default 5 DNT: fifty contributions' judging,
    /// for reading all receipts of an epoch.
    pub audit_deposit: Amount,
    /// Seats of the committee that audits a challenged epoch; one more than twice as many after each challenge in vain, three times: odd, so
    /// that there is no tie. Default 7: a third of
    /// the stake wins that draw one time in six, and all four one time in ten thousand.
    pub audit_seats: u32,
    /// Seconds of block time that auditors have to make an epoch again and commit to what they found; showing it has `reveal_seconds`. Default 300: five minutes, for reading some ten thousand receipts.
    pub audit_seconds: u64,
    /// Smallest stake of a validator, in base units. Default 100 DNT: every one of many identities costs this.
    pub min_stake: Amount,
    /// Smallest stake of a storage node, in base units; one that judges too has the larger of the two, and no more. Default 10 DNT: a
    /// tenth of a judge's, since keeping takes no more than a disk. One word for bytes that judges could not get costs half of it (`bond_penalty_bps`).
    pub min_storage_stake: Amount,
    /// Seconds of block time in which as many nodes as its datanet wants must say that they keep a contribution, before a committee is drawn. Default
    /// 600: ten minutes, in which 2 GiB come over a line of 30 megabit a second.
    pub storing_seconds: u64,
    /// Lowest price of an answer, in base units. Default 100: rounding may move one base unit an answer between the
    /// shares of an epoch, so that a price of at least 100 keeps a node that cheats with it below one percent.
    pub min_price: Amount,
    /// Smallest bond of a contribution that a datanet may name, in base units. Default 0: the review fee is paid whatever the verdict, so that
    /// judging costs nobody else anything; how dear a refusal is beside that is the datanet's to say, as long as no genesis wants more.
    pub min_bond_floor: Amount,
    /// Fewest seats of a committee that a datanet may name. Default 1: a chain of one node judges too; a genesis for many wants more.
    pub min_committee_size: u32,
    /// Fewest storage attestations that a datanet may name. Default 1, for the same reason.
    pub min_storage_quorum: u32,
    /// Lowest score that a datanet may accept, in basis points. Default 1: what is wanted of data is its datanet's to say.
    pub min_accept_threshold: u32,
    /// Base units that opening a datanet locks, beside what its record takes; twice as much for each letter that its name is shorter than five. Default
    /// 10 DNT: ten thousand fees, so that whoever takes ten thousand names locks as much as a hundred validators.
    pub datanet_deposit: Amount,
    /// Base units for each byte of a record that may stay for ever, and of what the tree takes beside it. Default 100: a hundred times `byte_fee`, since
    /// blocks can be left out and state cannot; a GiB takes 107,374 DNT, the least stake of a hundred validators.
    pub state_byte_deposit: Amount,
    /// Seconds between the announcement of a held-out set and the first contribution that is judged with it. Default 7,200: longer than a transaction
    /// is good that was signed before, 1,000 blocks at the slowest pace of a chain that is well, so that who signs knows what it will be judged with.
    pub holdout_delay_seconds: u64,
    /// Records of a held-out set that a contribution's usefulness is measured on, drawn by its committee's seed; all where there are no more. Default 200: a
    /// vote on them is right to within four points in a hundred, and of a set of two thousand nobody knows which tenth it will be.
    pub holdout_sample: u32,
    /// How the fee of an answer is divided. Default [`FeeShares::STANDARD`]: node, model's owner, contributors,
    /// judges, treasury, lineage, storage.
    pub fee_shares: FeeShares,
    /// What each link behind a model earns of the fee's lineage share, in basis points of it: to a datanet that it was trained on, which has it first,
    /// to a parent, and to what is behind that. Default 2,500: a model that adapts one other on one datanet keeps half; from four links on they share all of it.
    pub lineage_floor_bps: u32,
    /// Largest contribution in bytes. Default 2 GiB.
    pub max_contribution_bytes: u64,
    /// Most records of a contribution. Default 10 million.
    pub max_contribution_records: u64,
    /// Fewest seconds between opening a channel and its expiry. Default 300: a node must have time to settle before the payer may take
    /// the deposit back.
    pub channel_min_seconds: u64,
    /// Most seconds between now and a channel's expiry, when it is opened or topped up. Default 31,536,000: a year, after which a
    /// deposit that is forgotten, and the books that its node keeps for it, have an end.
    pub channel_max_seconds: u64,
    /// Seconds from a payer's asking to close a channel before its expiry, without its node's word, until it closes. Default 86,400: a
    /// day, in which a node that is down is back, and settles what it holds.
    pub close_seconds: u64,
    /// Seconds for which what has lapsed stays to be looked at: a closed channel, the commitments and reveals behind a verdict, an epoch of which
    /// everything is paid. Default 604,800: a week, in which people ask why; a node that keeps the blocks has it for good.
    pub forget_seconds: u64,
    /// Room in a block for what is due before its transactions, and again for what is due after them, in values of state that are read and
    /// written. Default 4,096: closing 370 channels takes that, and 40 ms. What is left waits for the next block.
    pub agenda_work: u32,
    /// Base units that must stand behind who orders blocks, at least. Default 1,000 DNT.
    pub min_validator_stake: Amount,
    /// Validators that order blocks, at most: those with most behind them. Default 64: each block carries a signature of each.
    pub max_validators: u32,
    /// Share of a block's fees that its proposer and its delegators have, in basis points; the rest is the treasury's. Default 5,000: a
    /// proposer that fills its blocks with transactions of its own still pays half of their fees.
    pub proposer_share_bps: u32,
    /// Blocks over which missed votes are counted. Default 1,000.
    pub liveness_window: u64,
    /// Share of a window's votes that may be missed, in basis points. Default 5,000: who proposes can leave out others' votes, but only in its own blocks.
    pub max_missed_bps: u32,
    /// Seconds that a validator stays out that was away too often, at least. Default 600: ten minutes, in which its operator looks why.
    pub jail_seconds: u64,
    /// Share of what stands behind it that such a validator loses, in basis points. Default 1: it has earned nothing either.
    pub downtime_slash_bps: u32,
    /// Share that a validator loses which signed two histories, in basis points. Default 500: a twentieth of everybody's stake on it.
    pub equivocation_slash_bps: u32,
    /// Largest block, in bytes; the engine has it too. Default 4 MiB: what four validators pass on within a second on slow lines.
    pub max_block_bytes: u64,
    /// Blocks for which the engine takes evidence against a validator, at least. Default 34,560: as long as `evidence_seconds` at the
    /// slowest pace of a chain that is well, five seconds a block. Evidence is too old once it is so in blocks and in seconds.
    pub evidence_blocks: u64,
    /// Seconds for which it does, at least. Default 172,800: two thirds of `unbonding_seconds`, so that the stake is still there.
    pub evidence_seconds: u64,
    /// Seconds between what the chain's authority announces and when it comes about. Default 604,800: a week, in which everybody can
    /// see it, object, and leave. The authority cannot change it.
    pub authority_delay_seconds: u64,
    /// Seconds of a period in which the authority spends no more than a share of the treasury. Default 2,592,000: thirty days. The
    /// authority cannot change it.
    pub treasury_period_seconds: u64,
    /// That share of what the treasury has at the beginning of a period, in basis points. Default 1,000: half of it is there after half
    /// a year at the earliest. The authority cannot change it.
    pub treasury_period_bps: u32,
    /// The version of the ledger's rules. Default the latest that this program knows. It rises by one, and what is stored is made over as it
    /// does; a program that does not know a version stops before its first block.
    pub app_version: u64,
    /// Base units that putting something to the vote locks; twice as much for every four that are voted on or wait already. Default 500 DNT: half of the
    /// least stake of a validator, so that everybody's attention is not to be had for nothing; it goes back unless the proposal is vetoed.
    pub proposal_deposit: Amount,
    /// Seconds for which a proposal is voted on. Default 604,800: a week, in which everybody hears of it. It can halve at a time.
    pub voting_seconds: u64,
    /// Share of all stake behind validators that must vote for the vote to count, in basis points. Default 3,340: a third; what fewer wave through holds for nobody.
    pub quorum_bps: u32,
    /// Share of those for and against that must be more than outvoted for a proposal to pass, in basis points. Default 5,000: more than half.
    pub pass_bps: u32,
    /// The same for what cannot be undone: a payment out of the treasury, other rules, the end of the authority. Default 6,667: two thirds.
    pub strong_pass_bps: u32,
    /// Share of all votes that is more than outvoted by vetoes, in basis points: the proposal fails and its deposit is the treasury's. Default 3,340: a third.
    pub veto_bps: u32,
    /// Seconds between the end of a vote and what it brings about. Default 604,800: a week, in which whoever disagrees leaves, and whoever voted for
    /// it stays, or it lapses. It can halve at a time.
    pub timelock_seconds: u64,
    /// Seconds over which what an asset earns is divided among its shares. Default 86,400: a day, so that who holds shares for a minute around a
    /// claim has a minute's part of it, 1 in 1,440. 0: at once.
    pub income_seconds: u64,
    /// What of an exchange stays in the pool, in basis points of what is given. Default 30: for those whose shares and money are there.
    pub pool_fee_bps: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            min_fee: 1_000,
            byte_fee: 1,
            gas_price: 2,
            block_gas: 400_000_000,
            commit_seconds: 60,
            reveal_seconds: 30,
            review_fee: DNT / 10,
            review_fee_per_mib: DNT / 100,
            bond_penalty_bps: 5_000,
            reputation_alpha_bps: 1_000,
            initial_reputation_bps: 5_000,
            min_reputation_bps: 100,
            seat_reputation_bps: 3_000,
            draw_delay: 3,
            unbonding_seconds: 3 * 24 * 3_600,
            challenge_seconds: 24 * 3_600,
            verdict_challenge_seconds: 3_600,
            statement_quorum: 2,
            statement_seconds: 24 * 3_600,
            statement_fee: 2_000,
            serving_bond_bps: 20_000,
            audit_deposit: 5 * DNT,
            audit_seats: 7,
            audit_seconds: 300,
            min_stake: 100 * DNT,
            min_storage_stake: 10 * DNT,
            storing_seconds: 600,
            min_price: 100,
            min_bond_floor: 0,
            min_committee_size: 1,
            min_storage_quorum: 1,
            min_accept_threshold: 1,
            datanet_deposit: 10 * DNT,
            state_byte_deposit: 100,
            holdout_delay_seconds: 7_200,
            holdout_sample: 200,
            fee_shares: FeeShares::STANDARD,
            lineage_floor_bps: 2_500,
            max_contribution_bytes: 2 * 1024 * 1024 * 1024,
            max_contribution_records: 10_000_000,
            channel_min_seconds: 300,
            channel_max_seconds: 365 * 24 * 3_600,
            close_seconds: 24 * 3_600,
            forget_seconds: 7 * 24 * 3_600,
            agenda_work: 4_096,
            min_validator_stake: 1_000 * DNT,
            max_validators: 64,
            proposer_share_bps: 5_000,
            liveness_window: 1_000,
            max_missed_bps: 5_000,
            jail_seconds: 600,
            downtime_slash_bps: 1,
            equivocation_slash_bps: 500,
            max_block_bytes: 4 * 1024 * 1024,
            evidence_blocks: 34_560,
            evidence_seconds: 2 * 24 * 3_600,
            authority_delay_seconds: 7 * 24 * 3_600,
            treasury_period_seconds: 30 * 24 * 3_600,
            treasury_period_bps: 1_000,
            app_version: migrations::LATEST,
            proposal_deposit: 500 * DNT,
            voting_seconds: 7 * 24 * 3_600,
            quorum_bps: 3_340,
            pass_bps: 5_000,
            strong_pass_bps: 6_667,
            veto_bps: 3_340,
            timelock_seconds: 7 * 24 * 3_600,
            income_seconds: 24 * 3_600,
            pool_fee_bps: 30,
        }
    }
}

impl Params {
    /// The fee of a transaction of so many bytes that takes so much gas.
    pub fn fee_of(&self, gas: Gas, bytes: u64) -> Amount {
        let work = gas.saturating_mul(self.gas_price).div_ceil(1_000);
        work.saturating_add(bytes.saturating_mul(self.byte_fee)).max(self.min_fee)
    }

    /// The most gas that a transaction may state: room for several of them is in every block, so that none waits for long that never takes what
    /// it states.
    pub fn tx_gas(&self) -> Gas {
        self.block_gas / 4
    }

    /// What judging a contribution of so many bytes costs.
    pub fn review_fee_of(&self, bytes: u64) -> Amount {
        let further = bytes.saturating_sub(1).checked_shr(20).unwrap_or(0);
        self.review_fee.saturating_add(further.saturating_mul(self.review_fee_per_mib))
    }

    /// Seconds that an epoch which was audited and found right can be challenged again, at least.
    pub fn appeal_seconds(&self) -> u64 {
        self.challenge_seconds / 4
    }
}

/// The chain's present parameters.
///
/// # Errors
/// When the store cannot be read, or holds no parameters: genesis was not executed.
pub fn get<S: StateRead>(state: &S) -> Result<Params, StateError> {
    Ok(read(state)?.params())
}

/// The chain's id, as at genesis.
///
/// # Errors
/// When the store cannot be read, or holds no parameters: genesis was not executed.
pub fn chain_id<S: StateRead>(state: &S) -> Result<String, StateError> {
    Ok(read(state)?.chain_id.clone())
}

fn read<S: StateRead>(state: &S) -> Result<Rc<Record>, StateError> {
    let key = state_key::params();
    let record = state.get_decoded(&key)?;
    record.ok_or_else(|| StateError::Corrupt { key, reason: "no parameters: genesis was not executed".to_owned() })
}

/// Stores the first parameters.
pub(super) fn put<S: StateWrite>(state: &mut S, params: &Params, chain_id: &str) {
    state.put(state_key::params(), &Record::of(params, chain_id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::MemoryState;

    #[test]
    fn the_defaults_are_valid_and_survive_the_store() {
        let params = Params::default();
        params.validate().unwrap();
        let mut state = MemoryState::default();
        assert!(get(&state).is_err());
        put(&mut state, &params, "test");
        assert_eq!(get(&state).unwrap(), params);
        assert_eq!(chain_id(&state).unwrap(), "test");
    }

    #[test]
    fn size_is_paid_for() {
        let params = Params::default();
        let fees = [(0, 0), (300_000, 400), (300_001, 400), (10_000_000, 256 << 10)];
        assert_eq!(fees.map(|(gas, bytes)| params.fee_of(gas, bytes)), [1_000, 1_000, 1_001, 20_000 + (256 << 10)]);
        let mib = 1 << 20;
        let fees = [1, mib, mib + 1, 2 << 30].map(|bytes| params.review_fee_of(bytes));
        assert_eq!(fees, [DNT / 10, DNT / 10, DNT / 10 + DNT / 100, DNT / 10 + 2_047 * (DNT / 100)]);
        assert!(params.fee_of(u64::MAX, u64::MAX) > 0 && params.review_fee_of(u64::MAX) > 0);
    }

    #[test]
    fn shares_that_do_not_sum_to_the_whole_are_refused() {
        let mut params = Params::default();
        params.fee_shares.node += 1;
        assert!(params.validate().unwrap_err().to_string().contains("10000"));
    }

    #[test]
    fn an_unknown_parameter_is_refused() {
        assert!(serde_json::from_str::<Params>(r#"{"min_fee": 5}"#).is_ok());
        assert!(serde_json::from_str::<Params>(r#"{"min_fees": 5}"#).is_err());
    }
}
