//! Gas: what executing a transaction takes of everybody's time and disk.
//!
//! A unit is about a nanosecond of one core on the machine that the costs were measured on, where state is large (docs/performance.md,
//! "What a unit of gas is"). It is counted in two places and nowhere else:
//!
//! - what follows from the transaction alone — its bytes, its signatures, and what its action verifies and hashes — is known before
//!   anything is executed ([`crate::component::intrinsic_gas`]);
//! - what an action reads and writes is counted by the state that it is executed on ([`crate::state::ChangeLog::with_gas`]).
//!
//! A read costs the same whether the value is remembered or comes from the disk: gas is part of a block's results, so it must not depend on
//! what a node has in memory. Nothing is given back for what is deleted: who frees state was paid by whoever will not have to keep it, and a
//! refund can be farmed.

mod meter;

pub use meter::Meter;

/// Units of gas.
pub type Gas = u64;

/// What every transaction takes: canonical decoding, replay, keys, parameters, the fee's way from one balance to another, its result, and
/// that it is forgotten later.
pub const TRANSACTION: Gas = 80_000;
/// A byte of a transaction: it is hashed, decoded, compared with its own encoding, and passed on.
pub const TRANSACTION_BYTE: Gas = 10;
/// An ed25519 signature, verified strictly.
pub const SIGNATURE: Gas = 50_000;
/// A proof of a verifiable random function: four times a signature.
pub const VRF_PROOF: Gas = 4 * SIGNATURE;
/// Decoding a public key to see that it is one.
pub const POINT: Gas = 6_000;
/// A hash of two others.
pub const HASH: Gas = 400;

/// A look-up in state.
pub const READ: Gas = 2_500;
/// A byte of the value that was found: most of it is decoding, which takes longest where a value is a list of many small ones.
pub const READ_BYTE: Gas = 6;
/// Looking for the first entry of a range; each entry costs as a look-up beside.
pub const SCAN: Gas = 5_000;
/// A value that is written to the tree, or taken out of it: two dozen nodes are hashed and written anew, and those that they replace are
/// removed when nobody proves by them any more.
pub const WRITE: Gas = 50_000;
/// A value that is written to derived state, or taken out of it.
pub const WRITE_DERIVED: Gas = 6_000;
/// A byte of key and value that is written: the least part of it is a core's time, everybody keeps it.
pub const WRITE_BYTE: Gas = 40;
