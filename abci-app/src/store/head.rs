//! The record of how far the chain is.

use prost::Message;

use super::StoreError;

/// [`Head::version`] before the first commit.
pub const NO_VERSION: u64 = u64::MAX;

/// Where the committed chain stands.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Head {
    /// Name of the chain; empty before the first commit.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// Last committed height; zero before the first commit.
    #[prost(uint64, tag = "2")]
    pub height: u64,
    /// Consensus time of that block in seconds since 1970.
    #[prost(int64, tag = "3")]
    pub time_seconds: i64,
    /// Root of the state tree, 32 bytes.
    #[prost(bytes = "vec", tag = "4")]
    root: Vec<u8>,
    /// Version of the state tree: how many blocks changed something, less one.
    #[prost(uint64, tag = "5")]
    pub version: u64,
    /// Hash of the last block, 32 bytes.
    #[prost(bytes = "vec", tag = "6")]
    block: Vec<u8>,
    /// Whether it was made from an export, and no block was committed since: its engine has none of the blocks before and begins anew.
    #[prost(bool, tag = "7")]
    pub imported: bool,
}

impl Head {
    /// A head to commit; the store sets its version.
    pub fn new(chain_id: &str, height: u64, time_seconds: i64, app_hash: [u8; 32], block_hash: [u8; 32]) -> Self {
        let (root, block) = (app_hash.to_vec(), block_hash.to_vec());
        Self { chain_id: chain_id.to_owned(), height, time_seconds, root, version: NO_VERSION, block, imported: false }
    }

    /// The head of an empty database.
    pub fn empty() -> Self {
        Self::new("", 0, 0, [0; 32], [0; 32])
    }

    /// Root of the state tree.
    pub fn app_hash(&self) -> [u8; 32] {
        self.root.as_slice().try_into().unwrap_or([0; 32])
    }

    /// Hash of the last block.
    pub fn block_hash(&self) -> [u8; 32] {
        self.block.as_slice().try_into().unwrap_or([0; 32])
    }

    /// The version after this one.
    pub fn next_version(&self) -> u64 {
        self.version.wrapping_add(1)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let head = Self::decode(bytes).map_err(|error| StoreError::Corrupt(format!("head record: {error}")))?;
        if head.root.len() != 32 {
            return Err(StoreError::Corrupt("head record has no app hash".into()));
        }
        Ok(head)
    }
}
