//! What is remembered of an executed transaction: a local index that no other node relies on.

use prost::Message;

use super::StoreError;
use crate::component::Event;

/// One attribute of an event.
#[derive(Clone, PartialEq, Eq, Message, serde::Serialize, serde::Deserialize)]
pub struct Attribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// An event of a transaction.
#[derive(Clone, PartialEq, Eq, Message, serde::Serialize, serde::Deserialize)]
pub struct EventRecord {
    /// What happened.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// To whom, how much.
    #[prost(message, repeated, tag = "2")]
    pub attributes: Vec<Attribute>,
}

/// The result of a transaction in a block.
#[derive(Clone, PartialEq, Eq, Message, serde::Serialize, serde::Deserialize)]
pub struct TxRecord {
    /// Height of the block.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// Zero, or one of [`crate::code`].
    #[prost(uint32, tag = "2")]
    pub code: u32,
    /// Why it failed; empty if it did not.
    #[prost(string, tag = "3")]
    pub log: String,
    /// What it did.
    #[prost(message, repeated, tag = "4")]
    pub events: Vec<EventRecord>,
    /// The gas that it took.
    #[prost(uint64, tag = "5")]
    pub gas_used: u64,
}

impl TxRecord {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::decode(bytes).map_err(|error| StoreError::Corrupt(format!("transaction result: {error}")))
    }
}

impl From<&Event> for EventRecord {
    fn from(event: &Event) -> Self {
        let attributes = event.attributes.iter();
        Self {
            kind: event.kind.clone(),
            attributes: attributes.map(|(key, value)| Attribute { key: key.clone(), value: value.clone() }).collect(),
        }
    }
}
