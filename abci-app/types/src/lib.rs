//! Datanet's shared vocabulary: what the ledger orders, what nodes say to each other, what callers sign.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no floats. Wire structures are protobuf messages
//! (`prost` derives; the field numbers are the contract) and domain types at once: an id is a message with one
//! `bytes` field of fixed length, so that a value of the wrong length never gets past the decoder.
//!
//! - [`id`], [`address`], [`key`]: fixed-size identifiers, account addresses, ed25519 keys and signatures.
//! - [`tx`], [`action`]: signed transactions and what they can do.
//! - [`consensus`], [`staking`]: keys of those who order blocks, and the stake behind them.
//! - [`beacon`]: the value that nobody can choose, from which committees are drawn.
//! - [`schema`], [`record`]: what a datanet's records look like; the canonical form and the record root.
//! - [`scores`], [`finding`]: a validator's judgement, what an auditor found, and their commitments.
//! - [`merkle`], [`sum_tree`], [`split`], [`amount`], [`ppm`]: trees, fair integer splits, money, shares.
//! - [`quote`], [`voucher`], [`receipt`], [`epoch`], [`closing`]: pay-per-answer: what a node asks, what a caller signs, what a node proves,
//!   what is settled, and the node's word that nothing more is owed.
//! - [`release`]: a trained model's manifest, the data it was trained on, and how it was measured.
//! - [`announce`]: the gossip message that says where a contribution's bytes are.
//! - [`codec`]: canonical decoding: bytes that would not be written again the same way are refused.
//!
//! ```
//! use datanet_types::action::Transfer;
//! use datanet_types::{Action, SignedTx, SigningKey, TxBody};
//!
//! let key = SigningKey::from_bytes(&[1; 32]);
//! let pay = Action::Transfer(Transfer { to: SigningKey::from_bytes(&[2; 32]).address(), amount: 5 });
//! let account = key.address();
//! let body = TxBody { chain_id: "mine".into(), expiry: 100, fee: 1_000, nonce: 7, account, gas_limit: 300_000, tip: 0, action: Some(pay) };
//! let bytes = body.sign(&key).to_bytes();
//! assert_eq!(SignedTx::verify(&bytes, "mine")?.signer, key.address());
//! assert!(SignedTx::verify(&bytes, "another").is_err());
//! # Ok::<_, datanet_types::tx::TxError>(())
//! ```

#![deny(unreachable_pub)]
#![deny(clippy::float_arithmetic)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod action;
pub mod address;
pub mod amount;
pub mod announce;
pub mod asset;
pub mod beacon;
pub mod closing;
pub mod codec;
pub mod consensus;
pub mod epoch;
pub mod finding;
pub mod id;
pub mod key;
pub mod merkle;
pub mod netting;
pub mod paged_tree;
pub mod ppm;
pub mod quote;
pub mod rate;
pub mod receipt;
pub mod record;
pub mod release;
pub mod sample;
pub mod schema;
pub mod scores;
pub mod settled_receipt;
pub mod split;
pub mod staking;
pub mod sum_tree;
mod text;
mod tree;
pub mod tx;
pub mod voucher;

pub use action::Action;
pub use address::{Account, Address, ModuleAddress};
pub use amount::Amount;
pub use asset::Asset;
pub use beacon::{BeaconKey, BeaconProof, BeaconSecret};
pub use consensus::{ConsensusAddress, ConsensusKey};
pub use id::{AgentId, BlobHash, ChannelId, ContributionId, DatanetId, Digest, ModelId, ReceiptId};
pub use key::{NodeKey, PublicKey, Signature, SigningKey};
pub use ppm::{Ppm, SignedPpm};
pub use scores::Scores;
pub use tx::{SignedTx, TxBody, TxHash};
