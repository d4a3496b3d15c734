//! Whose money something is.

use datanet_types::{Address, ModuleAddress};

/// A user's account, which keys speak for, or a module's, which the ledger's rules alone move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Of 20 bytes: the hash of a key.
    User(Address),
    /// Of 32 bytes: no key's.
    Module(ModuleAddress),
}

impl From<&Address> for Account {
    fn from(address: &Address) -> Self {
        Self::User(*address)
    }
}

impl From<&ModuleAddress> for Account {
    fn from(address: &ModuleAddress) -> Self {
        Self::Module(*address)
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(address) => address.fmt(f),
            Self::Module(address) => address.fmt(f),
        }
    }
}
