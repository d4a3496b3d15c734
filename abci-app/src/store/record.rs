//! What is remembered of an executed transaction: a local index that no other node relies on.

use prost::Message;

use super::StoreError;
use crate::code::Code;
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TxRecord {
    /// Height of the block.
    pub height: u64,
    /// Success, or why not.
    pub code: Code,
    /// The same in words: what to do instead.
    pub log: String,
    /// What it did.
    pub events: Vec<EventRecord>,
    /// The gas that it took.
    pub gas_used: u64,
}

/// The same on the disk.
#[derive(Clone, PartialEq, Eq, Message)]
struct Stored {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(string, tag = "2")]
    codespace: String,
    #[prost(uint32, tag = "3")]
    code: u32,
    #[prost(string, tag = "4")]
    log: String,
    #[prost(message, repeated, tag = "5")]
    events: Vec<EventRecord>,
    #[prost(uint64, tag = "6")]
    gas_used: u64,
}

impl TxRecord {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |reason: String| StoreError::Corrupt(format!("transaction result: {reason}"));
        let Stored { height, codespace, code, log, events, gas_used } =
            Stored::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
        let code = Code::new(&codespace, code).ok_or_else(|| corrupt(format!("no code {code} in {codespace:?}")))?;
        Ok(Self { height, code, log, events, gas_used })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (codespace, code) = (self.code.codespace().to_owned(), self.code.number());
        let Self { height, log, events, gas_used, .. } = self.clone();
        Stored { height, codespace, code, log, events, gas_used }.encode_to_vec()
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
