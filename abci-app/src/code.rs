//! Result codes of transactions and queries. Zero is success; clients may rely on every number here.
//!
//! 1 to 19 concern any transaction; each component owns a range of ten
//! from 20 on: 20 nodes, 30 datanets, 40 contributions, 50 validation, 60 models, 70 channels, 80 settlement,
//! 90 audits, 120 authority, 130 parameters and treasury.

/// The transaction took effect.
pub const OK: u32 = 0;
/// The bytes are not a canonical transaction with an action.
pub const CODEC: u32 = 1;
/// Signed for another chain.
pub const WRONG_CHAIN: u32 = 2;
/// The signature does not match.
pub const SIGNATURE: u32 = 3;
/// Its expiry height has passed, or lies too far ahead.
pub const EXPIRED: u32 = 4;
/// Already executed.
pub const REPLAYED: u32 = 5;
/// The fee is below the minimum.
pub const FEE: u32 = 6;
/// The account has too little money.
pub const FUNDS: u32 = 7;
/// The chain has not started yet: try again in a moment.
pub const NOT_READY: u32 = 8;
/// The mempool is full: try again after the next block.
pub const MEMPOOL_FULL: u32 = 9;
/// The ledger itself failed, see the node's log; the transaction or question is not at fault.
pub const INTERNAL: u32 = 10;
/// A query that cannot be decoded, for an unknown path or height, or with a malformed key.
pub const QUERY: u32 = 11;
/// The keys that signed do not speak for the account.
pub const UNAUTHORISED: u32 = 12;
/// A sub-key signed what it may not do, not with this counterparty, not for so much, or not any more.
pub const GRANT_LIMITS: u32 = 13;
/// A proof of derived state, or its past: it is not in the tree.
pub const NOT_IN_TREE: u32 = 14;
/// The genesis file is at fault.
pub const GENESIS: u32 = 18;
/// The transfer's own fields are at fault (amount zero).
pub const TRANSFER: u32 = 19;
/// Fields of a node registration out of bounds.
pub const NODE_INVALID: u32 = 20;
/// The node key did not sign for this account.
pub const NODE_PROOF: u32 = 21;
/// The account has another node, or the node another account.
pub const NODE_TAKEN: u32 = 22;
/// Stake below a validator's minimum.
pub const NODE_STAKE: u32 = 23;
/// As many validators as the ledger draws from.
pub const NODE_LIMIT: u32 = 24;
/// No such node.
pub const NODE_UNKNOWN: u32 = 25;
/// The node does not have the role that this needs.
pub const NODE_ROLE: u32 = 26;
/// The signer is not the node's account.
pub const NODE_ACCOUNT: u32 = 27;
/// Fields of a datanet out of bounds.
pub const DATANET_INVALID: u32 = 30;
/// The name is taken.
pub const DATANET_TAKEN: u32 = 31;
/// No such datanet.
pub const DATANET_UNKNOWN: u32 = 32;
/// Fields of a contribution out of bounds.
pub const CONTRIBUTION_INVALID: u32 = 40;
/// Given before by the same account.
pub const CONTRIBUTION_TAKEN: u32 = 41;
/// No such contribution.
pub const CONTRIBUTION_UNKNOWN: u32 = 42;
/// Bond below the datanet's minimum.
pub const CONTRIBUTION_BOND: u32 = 43;
/// Nobody is there to judge.
pub const NO_VALIDATORS: u32 = 44;
/// The contribution was refused, so nothing more can be said about it.
pub const CONTRIBUTION_REFUSED: u32 = 45;
/// The node attested before.
pub const ATTESTED: u32 = 46;
/// The contribution was revoked.
pub const CONTRIBUTION_REVOKED: u32 = 47;
/// Only the account that gave it can do this.
pub const CONTRIBUTION_FOREIGN: u32 = 48;
/// A committee is at it: wait for the verdict.
pub const CONTRIBUTION_JUDGING: u32 = 49;
/// Scores or commitment out of bounds.
pub const SCORES_INVALID: u32 = 50;
/// Not drawn for this contribution.
pub const NOT_IN_COMMITTEE: u32 = 51;
/// Too early or too late for this step.
pub const WRONG_PHASE: u32 = 52;
/// Committed or revealed before.
pub const SCORED_BEFORE: u32 = 53;
/// The reveal does not match its commitment.
pub const COMMITMENT_MISMATCH: u32 = 54;
/// Fields of a model out of bounds.
pub const MODEL_INVALID: u32 = 60;
/// Registered before.
pub const MODEL_TAKEN: u32 = 61;
/// No such model.
pub const MODEL_UNKNOWN: u32 = 62;
/// A data snapshot that is no place in its datanet's history.
pub const MODEL_SNAPSHOT: u32 = 63;
/// Too many models lie behind it.
pub const MODEL_LINEAGE: u32 = 64;
/// Fields of a channel out of bounds.
pub const CHANNEL_INVALID: u32 = 70;
/// No such channel.
pub const CHANNEL_UNKNOWN: u32 = 71;
/// The channel belongs to another node or payer.
pub const CHANNEL_FOREIGN: u32 = 72;
/// The channel is closed.
pub const CHANNEL_CLOSED: u32 = 73;
/// The channel has not expired.
pub const CHANNEL_ACTIVE: u32 = 74;
/// The channel is being closed, and takes no more money.
pub const CHANNEL_CLOSING: u32 = 75;
/// A closing statement that is not its node's word on this channel as it stands.
pub const CLOSING_STATEMENT: u32 = 76;
/// Vouchers or totals of an epoch out of bounds.
pub const EPOCH_INVALID: u32 = 80;
/// Not the node's next epoch.
pub const EPOCH_ORDER: u32 = 81;
/// A voucher goes backwards, beyond the deposit, or is not signed by the payer.
pub const VOUCHER: u32 = 82;
/// The proof of a claim's item does not lead to its epoch's root.
pub const CLAIM_PROOF: u32 = 83;
/// Everything the claim says was paid before.
pub const CLAIM_NOTHING: u32 = 84;
/// The epoch's escrow holds less than the leaf says. No tree with the right sum can lead here.
pub const CLAIM_ESCROW: u32 = 85;
/// Too many items in a claim, or none, or not in order.
pub const CLAIM_ITEMS: u32 = 86;
/// An epoch that is not settled, not final yet, or void.
pub const CLAIM_EPOCH: u32 = 87;
/// The node's stake does not cover the fees of its epochs that are not final.
pub const EPOCH_BOND: u32 = 88;
/// No such epoch.
pub const AUDIT_EPOCH: u32 = 90;
/// The epoch can't be challenged: it is final, void, or was challenged before.
pub const AUDIT_CLOSED: u32 = 91;
/// Not drawn for this audit, or not at this time.
pub const AUDIT_SEAT: u32 = 92;
/// The auditor said before what it found.
pub const AUDITED_BEFORE: u32 = 93;
/// The two receipts are no contradiction, or the node did not sign or settle them.
pub const FORGERY: u32 = 94;
/// What a challenge points at are not up to 8 places among the epoch's receipts, in order.
pub const AUDIT_SUSPECTS: u32 = 95;
/// Fields of a validator out of bounds.
pub const VALIDATOR_INVALID: u32 = 100;
/// The consensus key did not sign for this account.
pub const VALIDATOR_PROOF: u32 = 101;
/// The key has a validator, or the account operates another.
pub const VALIDATOR_TAKEN: u32 = 102;
/// No such validator.
pub const VALIDATOR_UNKNOWN: u32 = 103;
/// Another account operates the validator.
pub const VALIDATOR_FOREIGN: u32 = 104;
/// Less stands behind it than a validator needs.
pub const VALIDATOR_STAKE: u32 = 105;
/// Not in jail, or not for long enough.
pub const VALIDATOR_JAIL: u32 = 106;
/// It signed two histories and never comes back.
pub const VALIDATOR_TOMBSTONED: u32 = 107;
/// Too little or too much to stake, take back or withdraw.
pub const DELEGATION: u32 = 108;
/// A move of stake that is not possible, or not yet.
pub const REDELEGATION: u32 = 109;
/// A beacon's proof that is wrong, missing, or where it does not belong: only who proposes a block begins it with one.
pub const BEACON: u32 = 110;
/// Owners, threshold or recovery out of bounds.
pub const KEYS_INVALID: u32 = 120;
/// Only an account's guardian recovers it.
pub const KEYS_GUARDIAN: u32 = 121;
/// No recovery is under way.
pub const KEYS_NOT_RECOVERING: u32 = 122;
/// Fields of a grant out of bounds, or a grant to an owner.
pub const GRANT_INVALID: u32 = 123;
/// As many sub-keys as an account has.
pub const GRANT_TOO_MANY: u32 = 124;
/// No such sub-key.
pub const GRANT_UNKNOWN: u32 = 125;
/// An epoch of a version of the parameters that it can't have accrued under.
pub const EPOCH_PARAMS: u32 = 130;
/// A change of the parameters that makes no good ones.
pub const PARAMS_INVALID: u32 = 131;
/// No parameters are announced.
pub const PARAMS_NOT_ANNOUNCED: u32 = 132;
/// Only the chain's authority does this.
pub const AUTHORITY: u32 = 133;
/// Fields of a payment out of the treasury out of bounds.
pub const SPEND_INVALID: u32 = 134;
/// More than is left of what the period may spend, or too many payments at a time.
pub const SPEND_BOUND: u32 = 135;
/// No such payment is announced.
pub const SPEND_UNKNOWN: u32 = 136;
