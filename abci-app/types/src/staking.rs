//! What can be done about the validators that order blocks, and about the stake behind them.

use crate::beacon::BeaconInput;
use crate::{Address, Amount, BeaconKey, BeaconProof, ConsensusAddress, ConsensusKey, Signature};

/// Makes the signing account the operator of a validator, with a first stake of its own.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct CreateValidator {
    /// The key that signs proposals and votes.
    #[prost(message, required, tag = "1")]
    pub key: ConsensusKey,
    /// That key's signature over [`CreateValidator::sign_bytes`]: nobody stakes on another's key.
    #[prost(message, required, tag = "2")]
    pub proof: Signature,
    /// Base units of the operator's own stake, at least the chain's smallest for a validator.
    #[prost(uint64, tag = "3")]
    pub amount: Amount,
    /// Share of its delegators' rewards that the operator keeps, in basis points; fixed.
    #[prost(uint32, tag = "4")]
    pub commission_bps: u32,
    /// A name for people, 1 to 64 bytes.
    #[prost(string, tag = "5")]
    pub name: String,
    /// The key with which it moves the beacon on; fixed.
    #[prost(message, required, tag = "6")]
    pub beacon_key: BeaconKey,
    /// That key's proof for [`CreateValidator::beacon_input`]: nobody has a validator that could never propose.
    #[prost(message, required, tag = "7")]
    pub beacon_proof: BeaconProof,
}

impl CreateValidator {
    /// What the beacon key proves: that `operator` has it for its validator `key` on `chain_id`.
    pub fn beacon_input(chain_id: &str, operator: &Address, key: &ConsensusKey) -> BeaconInput {
        BeaconInput::of_possession(chain_id, operator, key)
    }

    /// What the consensus key signs: that `operator` stakes on it on `chain_id`.
    pub fn sign_bytes(chain_id: &str, operator: &Address, key: &ConsensusKey) -> [u8; 32] {
        crate::key::sign_bytes("datanet/validator-proof/v1", &[chain_id.as_bytes(), &operator.0, &key.0])
    }
}

/// Stakes on a validator: the signer shares its rewards, and what it is slashed.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Delegate {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub validator: ConsensusAddress,
    /// Base units, at least 1 DNT.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// Takes stake back. It arrives after the chain's unbonding time, and answers for the validator until then.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Undelegate {
    /// From which.
    #[prost(message, required, tag = "1")]
    pub validator: ConsensusAddress,
    /// Base units; more than is there takes all of it.
    #[prost(uint64, tag = "2")]
    pub amount: Amount,
}

/// Moves stake to another validator at once. It answers for both until the unbonding time is over, and stays where it is so long.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Redelegate {
    /// From which.
    #[prost(message, required, tag = "1")]
    pub from: ConsensusAddress,
    /// To which.
    #[prost(message, required, tag = "2")]
    pub to: ConsensusAddress,
    /// Base units; more than is there takes all of it.
    #[prost(uint64, tag = "3")]
    pub amount: Amount,
}

/// Pays out what the signer's stake on these validators has earned.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct WithdrawRewards {
    /// Which, in ascending order, 1 to 64.
    #[prost(message, repeated, tag = "1")]
    pub validators: Vec<ConsensusAddress>,
}

/// Brings the signer's validator back once its time in jail is over.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Unjail {
    /// Which.
    #[prost(message, required, tag = "1")]
    pub validator: ConsensusAddress,
}
