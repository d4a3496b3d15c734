//! Nodes of the tree, byte for byte and hash for hash those of `jmt`, which reads them for proofs.
//!
//! `jmt` keeps its own types of inner nodes to itself, and updates a tree key by key; what is here is what [`super::update`]
//! needs to do it in one pass.

use std::io::{Error, ErrorKind};

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use super::StoreError;

/// Hash of what is not there.
pub(super) const NOTHING: [u8; 32] = *b"SPARSE_MERKLE_PLACEHOLDER_HASH__";

/// One of the up to 16 below an inner node.
#[derive(Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) struct Child {
    pub(super) hash: [u8; 32],
    /// The version that wrote it.
    pub(super) version: u64,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, BorshSerialize, BorshDeserialize)]
pub(super) enum Kind {
    Leaf,
    Inner { leaves: u64 },
}

impl Child {
    pub(super) fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Leaf)
    }

    fn leaves(&self) -> u64 {
        match self.kind {
            Kind::Leaf => 1,
            Kind::Inner { leaves } => leaves,
        }
    }
}

/// An inner node: four levels of a binary tree, by the next four bits of the key's hash.
pub(super) type Children = [Option<Child>; 16];

/// How many leaves are below.
pub(super) fn leaves(children: &Children) -> u64 {
    children.iter().flatten().map(Child::leaves).fold(0, u64::saturating_add)
}

/// Hash of an inner node: of its two halves, in each of which a leaf that is alone, or what is not there, stands for its whole part.
pub(super) fn inner_hash(children: &Children) -> [u8; 32] {
    let (left, right) = children.split_at(8);
    pair_hash(&part_hash(left), &part_hash(right))
}

fn part_hash(part: &[Option<Child>]) -> [u8; 32] {
    let mut there = part.iter().flatten();
    match (there.next(), there.next()) {
        (None, _) => NOTHING,
        (Some(only), None) if part.len() == 1 || only.is_leaf() => only.hash,
        _ => {
            let (left, right) = part.split_at(part.len() / 2);
            pair_hash(&part_hash(left), &part_hash(right))
        }
    }
}

fn pair_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    // Their spelling: 16 bytes.
    Sha256::new().chain_update(b"JMT::IntrnalNode").chain_update(left).chain_update(right).finalize().into()
}

/// A leaf outside of its place, with the row that it has in any.
pub(super) struct Leaf {
    /// Hash of its key: its place.
    pub(super) key: [u8; 32],
    pub(super) hash: [u8; 32],
    pub(super) row: Vec<u8>,
}

impl Leaf {
    fn new(key: [u8; 32], value: [u8; 32], row: Vec<u8>) -> Self {
        let hasher = Sha256::new().chain_update(b"JMT::LeafNode").chain_update(key).chain_update(value);
        Self { key, hash: hasher.finalize().into(), row }
    }

    /// The leaf of a key, whose hash is `hash`, and a value.
    pub(super) fn of(hash: [u8; 32], key: &str, value: &[u8]) -> Result<Self, StoreError> {
        let value_hash: [u8; 32] = Sha256::digest(value).into();
        let row = borsh::to_vec(&(LEAF, hash, value_hash, key, value)).map_err(|error| corrupt(&error))?;
        Ok(Self::new(hash, value_hash, row))
    }
}

const NULL: u8 = 0;
const INNER: u8 = 1;
const LEAF: u8 = 2;

/// A node as it was stored.
pub(super) enum Stored {
    Null,
    Inner(Box<Children>),
    Leaf(Leaf),
}

impl Stored {
    pub(super) fn read(row: &[u8]) -> Result<Self, StoreError> {
        let mut bytes = row;
        let mut read = || match u8::deserialize(&mut bytes)? {
            NULL => Ok(Self::Null),
            INNER => Children::deserialize(&mut bytes).map(|children| Self::Inner(Box::new(children))),
            LEAF => {
                let (key, value) = <([u8; 32], [u8; 32])>::deserialize(&mut bytes)?;
                Ok(Self::Leaf(Leaf::new(key, value, row.to_vec())))
            }
            tag => Err(Error::new(ErrorKind::InvalidData, format!("a node of kind {tag}"))),
        };
        read().map_err(|error| corrupt(&error))
    }
}

/// The row of an inner node.
pub(super) fn inner_row(children: &Children) -> Result<Vec<u8>, StoreError> {
    let there = children.iter().flatten().count() as u64;
    borsh::to_vec(&(INNER, children, there, leaves(children))).map_err(|error| corrupt(&error))
}

/// The row of a tree in which nothing is.
pub(super) fn null_row() -> Vec<u8> {
    vec![NULL]
}

/// A key and its value.
pub(super) type Entry = (String, Vec<u8>);

/// The key and value that a leaf's row ends with, behind what `jmt` reads.
pub(super) fn entry(bytes: &[u8]) -> Result<Entry, StoreError> {
    borsh::from_slice(bytes).map_err(|error| corrupt(&error))
}

pub(super) fn corrupt(error: &Error) -> StoreError {
    StoreError::Corrupt(format!("tree node: {error}"))
}
