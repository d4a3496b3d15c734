//! The codes themselves. Numbers are never given again within a codespace; a new one goes behind the last.

use super::Code;
use crate::component::Component;

/// Makes a constant of each code, and the list of them all.
macro_rules! codes {
    ($($component:ident { $($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+ })+) => {
        $($(
            $(#[doc = $doc])+
            pub const $name: Code = Code { component: Some(Component::$component), number: $number };
        )+)+

        /// Every code but [`OK`](super::OK): itself, its name, and what it says.
        pub const ALL: &[(Code, &str, &str)] = &[$($(($name, stringify!($name), concat!($($doc),+)),)+)+];
    };
}

codes! {
    Ledger {
        /// The chain has not started yet: try again in a moment.
        NOT_READY = 1,
        /// The mempool is full: try again after the next block.
        MEMPOOL_FULL = 2,
        /// The ledger itself failed, see the node's log; the transaction or question is not at fault.
        INTERNAL = 3,
    }
    Query {
        /// A query that cannot be decoded, for an unknown path or height, or with a malformed key.
        QUERY = 1,
        /// A proof of derived state, or its past: it is not in the tree.
        NOT_IN_TREE = 2,
    }
    Genesis {
        /// The genesis file is at fault.
        GENESIS = 1,
    }
    Admission {
        /// The bytes are not a canonical transaction with an action.
        CODEC = 1,
        /// Signed for another chain.
        WRONG_CHAIN = 2,
        /// The signature does not match.
        SIGNATURE = 3,
        /// Its expiry height has passed, or lies too far ahead.
        EXPIRED = 4,
        /// Already executed.
        REPLAYED = 5,
        /// The fee is below what the transaction may cost.
        FEE = 6,
        /// The gas limit is below what the transaction takes before it is executed, or above what a block holds.
        GAS_LIMIT = 7,
        /// It took more gas than its limit: it was charged for all of that, and nothing was done.
        OUT_OF_GAS = 8,
    }
    Authority {
        /// The keys that signed do not speak for the account.
        UNAUTHORISED = 1,
        /// A sub-key signed what it may not do, not with this counterparty, not for so much, or not any more.
        GRANT_LIMITS = 2,
        /// Owners, threshold or recovery out of bounds.
        KEYS_INVALID = 3,
        /// Only an account's guardian recovers it.
        KEYS_GUARDIAN = 4,
        /// No recovery is under way.
        KEYS_NOT_RECOVERING = 5,
        /// Fields of a grant out of bounds, or a grant to an owner.
        GRANT_INVALID = 6,
        /// As many sub-keys as an account has.
        GRANT_TOO_MANY = 7,
        /// No such sub-key.
        GRANT_UNKNOWN = 8,
    }
    Accounts {
        /// The account has too little money.
        FUNDS = 1,
        /// The transfer's own fields are at fault (amount zero).
        TRANSFER = 2,
    }
    Nodes {
        /// Fields of a node registration out of bounds.
        NODE_INVALID = 1,
        /// The node key did not sign for this account.
        NODE_PROOF = 2,
        /// The account has another node, or the node another account.
        NODE_TAKEN = 3,
        /// Stake below what a role of the node takes.
        NODE_STAKE = 4,
        /// As many validators as the ledger draws from.
        NODE_LIMIT = 5,
        /// No such node.
        NODE_UNKNOWN = 6,
        /// The node does not have the role that this needs.
        NODE_ROLE = 7,
        /// The signer is not the node's account.
        NODE_ACCOUNT = 8,
    }
    Datanets {
        /// Fields of a datanet out of bounds.
        DATANET_INVALID = 1,
        /// The name is taken.
        DATANET_TAKEN = 2,
        /// No such datanet.
        DATANET_UNKNOWN = 3,
        /// The datanet belongs to another account.
        DATANET_FOREIGN = 4,
        /// The datanet has data, or may have some soon: it stays.
        DATANET_IN_USE = 5,
        /// The same account closed a datanet of this name before.
        DATANET_CLOSED = 6,
    }
    Contributions {
        /// Fields of a contribution out of bounds.
        CONTRIBUTION_INVALID = 1,
        /// Given before by the same account.
        CONTRIBUTION_TAKEN = 2,
        /// No such contribution.
        CONTRIBUTION_UNKNOWN = 3,
        /// Bond below the datanet's minimum.
        CONTRIBUTION_BOND = 4,
        /// Nobody is there to judge.
        NO_VALIDATORS = 5,
        /// The contribution was refused, so nothing more can be said about it.
        CONTRIBUTION_REFUSED = 6,
        /// The node attested before.
        ATTESTED = 7,
        /// The contribution was revoked.
        CONTRIBUTION_REVOKED = 8,
        /// Only the account that gave it can do this.
        CONTRIBUTION_FOREIGN = 9,
        /// It is being stored or judged: wait for the verdict.
        CONTRIBUTION_JUDGING = 10,
        /// Fewer storage nodes have a stake than its datanet wants to keep it.
        NO_KEEPERS = 11,
        /// Its verdict cannot be challenged, or not any more.
        VERDICT_FINAL = 12,
    }
    Validation {
        /// Scores or commitment out of bounds.
        SCORES_INVALID = 1,
        /// Not drawn for this contribution.
        NOT_IN_COMMITTEE = 2,
        /// Too early or too late for this step.
        WRONG_PHASE = 3,
        /// Committed or revealed before.
        SCORED_BEFORE = 4,
        /// The reveal does not match its commitment.
        COMMITMENT_MISMATCH = 5,
    }
    Models {
        /// Fields of a model out of bounds.
        MODEL_INVALID = 1,
        /// Registered before.
        MODEL_TAKEN = 2,
        /// No such model.
        MODEL_UNKNOWN = 3,
        /// A data snapshot that is no place in its datanet's history.
        MODEL_SNAPSHOT = 4,
        /// Too many models lie behind it.
        MODEL_LINEAGE = 5,
    }
    Channels {
        /// Fields of a channel out of bounds.
        CHANNEL_INVALID = 1,
        /// No such channel.
        CHANNEL_UNKNOWN = 2,
        /// The channel belongs to another node or payer.
        CHANNEL_FOREIGN = 3,
        /// The channel is closed.
        CHANNEL_CLOSED = 4,
        /// The channel has not expired.
        CHANNEL_ACTIVE = 5,
        /// The channel is being closed, and takes no more money.
        CHANNEL_CLOSING = 6,
        /// A closing statement that is not its node's word on this channel as it stands.
        CLOSING_STATEMENT = 7,
    }
    Settlement {
        /// Vouchers or totals of an epoch out of bounds.
        EPOCH_INVALID = 1,
        /// Not the node's next epoch.
        EPOCH_ORDER = 2,
        /// A voucher goes backwards, beyond the deposit, or is not signed by the payer; or more is taken than it promises.
        VOUCHER = 3,
        /// The proof of a claim's item does not lead to its epoch's root.
        CLAIM_PROOF = 4,
        /// Everything the claim says was paid before.
        CLAIM_NOTHING = 5,
        /// The epoch's escrow holds less than the leaf says. No tree with the right sum can lead here.
        CLAIM_ESCROW = 6,
        /// Too many items in a claim, or none, or not in order.
        CLAIM_ITEMS = 7,
        /// An epoch that is not settled, not final yet, or void.
        CLAIM_EPOCH = 8,
        /// The node's stake does not cover the fees of its epochs that are not final.
        EPOCH_BOND = 9,
        /// An epoch of a version of the parameters that it can't have accrued under.
        EPOCH_PARAMS = 10,
        /// No such epoch to attest, or nothing of it is left.
        STATEMENT_UNKNOWN = 11,
        /// The epoch's statement wants no more words: it has enough, it is too late, or the epoch is over.
        STATEMENT_CLOSED = 12,
        /// The node attested that statement before.
        STATEMENT_ATTESTED = 13,
        /// Nobody attests a statement of his own.
        STATEMENT_OWN = 14,
    }
    Audits {
        /// No such epoch.
        AUDIT_EPOCH = 1,
        /// The epoch can't be challenged: it is final, void, or was challenged before.
        AUDIT_CLOSED = 2,
        /// Not drawn for this audit, or not at this time.
        AUDIT_SEAT = 3,
        /// Committed to a finding or revealed it before.
        AUDITED_BEFORE = 4,
        /// The two receipts are no contradiction, or the node did not sign or settle them.
        FORGERY = 5,
        /// What a challenge points at are not up to 8 places among the epoch's receipts, in order.
        AUDIT_SUSPECTS = 6,
        /// A finding out of bounds, no commitment, or a reveal that does not match it.
        FINDING = 7,
    }
    Staking {
        /// Fields of a validator out of bounds.
        VALIDATOR_INVALID = 1,
        /// The consensus key did not sign for this account.
        VALIDATOR_PROOF = 2,
        /// The key has a validator, or the account operates another.
        VALIDATOR_TAKEN = 3,
        /// No such validator.
        VALIDATOR_UNKNOWN = 4,
        /// Another account operates the validator.
        VALIDATOR_FOREIGN = 5,
        /// Less stands behind it than a validator needs.
        VALIDATOR_STAKE = 6,
        /// Not in jail, or not for long enough.
        VALIDATOR_JAIL = 7,
        /// It signed two histories and never comes back.
        VALIDATOR_TOMBSTONED = 8,
        /// Too little or too much to stake, take back or withdraw.
        DELEGATION = 9,
        /// A move of stake that is not possible, or not yet.
        REDELEGATION = 10,
    }
    Beacon {
        /// A beacon's proof that is wrong, missing, or where it does not belong: only who proposes a block begins it with one.
        BEACON = 1,
    }
    Params {
        /// A change of the parameters that makes no good ones.
        PARAMS_INVALID = 1,
        /// No parameters are announced.
        PARAMS_NOT_ANNOUNCED = 2,
    }
    Treasury {
        /// Only the chain's authority does this.
        AUTHORITY = 1,
        /// Fields of a payment out of the treasury out of bounds.
        SPEND_INVALID = 2,
        /// More than is left of what the period may spend, or too many payments at a time.
        SPEND_BOUND = 3,
        /// No such payment is announced.
        SPEND_UNKNOWN = 4,
    }
    Breaker {
        /// The ledger contradicts itself where this would be done: it was not, and its component stands still from here on.
        CONTRADICTION = 1,
        /// Its component stands still since the ledger contradicted itself there.
        TRIPPED = 2,
        /// The component runs, or cannot stand still.
        NOT_TRIPPED = 3,
    }
    Governance {
        /// Fields of a proposal or a vote out of bounds, or nothing that could be done as things stand.
        PROPOSAL_INVALID = 1,
        /// No such proposal.
        PROPOSAL_UNKNOWN = 2,
        /// The vote on it is over.
        PROPOSAL_CLOSED = 3,
        /// Only who has stake behind a validator votes.
        VOTE_STAKE = 4,
        /// As many proposals are voted on or wait as may be.
        PROPOSALS_FULL = 5,
        /// The deposit is more than the proposer allows.
        PROPOSAL_DEPOSIT = 6,
    }
    Shares {
        /// Fields of an action about shares out of bounds, or no asset named.
        SHARES_INVALID = 1,
        /// The asset has issued its shares.
        SHARES_ISSUED = 2,
        /// No such asset, or one without shares.
        SHARES_UNKNOWN = 3,
        /// The asset is another account's.
        SHARES_FOREIGN = 4,
        /// The account has fewer shares.
        SHARES_BALANCE = 5,
        /// Nothing was earned since the last payment.
        INCOME_NOTHING = 6,
    }
    Pools {
        /// Fields of an action about a pool out of bounds.
        POOL_INVALID = 1,
        /// The asset has a pool.
        POOL_TAKEN = 2,
        /// No such pool.
        POOL_UNKNOWN = 3,
        /// It would give less than the least that was asked for, or hold more than fits.
        POOL_LIMIT = 4,
        /// The deadline has passed.
        POOL_DEADLINE = 5,
        /// The account has fewer units of the pool.
        POOL_POSITION = 6,
    }
    Agents {
        /// Fields of an agent out of bounds, or nothing that would change.
        AGENT_INVALID = 1,
        /// The same account registered an agent of this name before.
        AGENT_TAKEN = 2,
        /// No such agent.
        AGENT_UNKNOWN = 3,
        /// The agent is another account's.
        AGENT_FOREIGN = 4,
        /// The agent was retired.
        AGENT_RETIRED = 5,
        /// An agent owns no agents.
        AGENT_OWNER = 6,
        /// A supplier that is not there, was retired, or is the agent itself.
        AGENT_SUPPLIER = 7,
        /// Too many have part in what it would earn.
        AGENT_LINEAGE = 8,
    }
    Ratings {
        /// A score out of bounds.
        RATING_INVALID = 1,
        /// Not paid for in that epoch, not final, rated before, or too late.
        RATING_NONE = 2,
    }
}
