//! All of consensus state in one file, and a store made from it.
//!
//! ```text
//!   datanet-ledger-export\n
//!   {"format":1,"chain_id":...,"height":...,"app_hash":...,"components":[{"name":"params","entries":1,"bytes":..}, ...]}\n
//!   each component's entries, in the order of the list and of their keys:
//!     length of the key, the key, length of the value, the value            (lengths: 4 bytes, big-endian)
//!   SHA-256 of everything before
//! ```
//!
//! The file is a function of the state: two nodes write the same bytes at the same height, so that its hash can be compared. What is in the
//! tree leads to the app hash that the file names, or it is refused; what is derived is bound by nothing but the file's own hash and the
//! digest that goes on from it ([`crate::component::derived`]), so a file is as good as whom it is from, or as those who name the same hash.
//! Not in it, since it is no part of the state: the past that proofs need, and the results of transactions.
//!
//! A store that was made from it goes on at the next height, with the same app hashes as the chain that was left.

mod components;
mod header;
mod read;
mod write;

use crate::store::StoreError;

pub use components::{COMPONENTS, Component, owner};
pub use header::{FORMAT, Header, Part};
pub use read::{import, read_header};
pub use write::{Exported, export};

/// First line of a file.
const MAGIC: &[u8] = b"datanet-ledger-export\n";
/// Longest header, in bytes.
const MAX_HEADER: usize = 64 * 1024;
/// Longest key, in bytes.
const MAX_KEY: usize = 1_024;
/// Longest value, in bytes.
const MAX_VALUE: usize = 64 * 1024 * 1024;

/// Why nothing was exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file cannot be read or written.
    #[error("the export cannot be read or written: {0}; check the path, its permissions and free disk space")]
    Io(std::io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is nothing to export.
    #[error("the ledger has no block yet, so that there is nothing to export; start the node first")]
    Empty,
    /// A key that no component owns.
    #[error("state holds {0:?}, which belongs to no component; report this as a bug")]
    Foreign(String),
    /// It is no export.
    #[error("this is no export of a ledger: it does not begin with {:?}", "datanet-ledger-export")]
    Magic,
    /// It ends too early.
    #[error("the export is cut short: it ends within {0}; copy it again")]
    Cut(String),
    /// The header is none.
    #[error("the export's header is none: {0}")]
    Header(String),
    /// Another format.
    #[error(
        "the export has format {0}, this version reads format {FORMAT}; import it with the version that wrote it or a later one"
    )]
    Format(u64),
    /// It is of a later version of the rules.
    #[error(
        "the export is of version {theirs} of the ledger's rules, this program knows up to {ours}; install a newer one"
    )]
    Newer {
        /// The version in the file.
        theirs: u64,
        /// The latest known here.
        ours: u64,
    },
    /// An entry that cannot be there.
    #[error("component {component:?} of the export is damaged: {reason}; copy the file again")]
    Entry {
        /// Which component's.
        component: String,
        /// What is wrong.
        reason: String,
    },
    /// Its hash is another.
    #[error("the export is damaged: its bytes do not have the SHA-256 that it ends with; copy it again")]
    Checksum,
    /// Something follows its end.
    #[error("the export is damaged: something follows its end; copy it again")]
    Trailing,
    /// What is in the tree is not what the file says.
    #[error("the export's entries lead to app hash {actual}, and it names {expected}; do not use it")]
    AppHash {
        /// What the header says.
        expected: String,
        /// What the entries give.
        actual: String,
    },
    /// The store is in use.
    #[error("the ledger holds chain {chain_id:?} at height {height} already; import into a new --home")]
    Taken {
        /// Its chain.
        chain_id: String,
        /// Its height.
        height: u64,
    },
}

impl From<std::io::Error> for ExportError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
