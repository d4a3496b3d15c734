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
    /// The result at a place of the row of the block at `height`.
    pub(super) fn read_at(row: &[u8], at: u32, height: u64) -> Result<Self, StoreError> {
        let (_, bytes, _) = split(row.get(at as usize..).unwrap_or_default())?;
        let Stored { codespace, code, log, events, gas_used } =
            Stored::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
        let code = Code::new(&codespace, code).ok_or_else(|| corrupt(format!("no code {code} in {codespace:?}")))?;
        Ok(Self { height, code, log, events, gas_used })
    }

    /// Adds the result of the transaction `hash` to its block's row.
    pub(super) fn append(self, hash: &[u8; 32], row: &mut Vec<u8>) {
        let (codespace, code) = (self.code.codespace().to_owned(), self.code.number());
        let Self { log, events, gas_used, .. } = self;
        row.extend(hash);
        row.extend(Stored { codespace, code, log, events, gas_used }.encode_length_delimited_to_vec());
    }
}

/// The hashes of a row's transactions.
pub(super) fn hashes(mut row: &[u8]) -> Result<Vec<[u8; 32]>, StoreError> {
    let mut hashes = Vec::new();
    while !row.is_empty() {
        let (hash, _, rest) = split(row)?;
        hashes.push(*hash);
        row = rest;
    }
    Ok(hashes)
}

/// The first hash of a row, its result, and the rest.
type Split<'a> = (&'a [u8; 32], &'a [u8], &'a [u8]);

fn split(row: &[u8]) -> Result<Split<'_>, StoreError> {
    let cut = || corrupt("it is cut".to_owned());
    let (hash, mut rest) = row.split_first_chunk::<32>().ok_or_else(cut)?;
    let length = prost::decode_length_delimiter(&mut rest).map_err(|error| corrupt(error.to_string()))?;
    let (result, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    Ok((hash, result, rest))
}

fn corrupt(reason: String) -> StoreError {
    StoreError::Corrupt(format!("transaction result: {reason}"))
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
