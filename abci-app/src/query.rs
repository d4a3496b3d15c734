//! Queries over ABCI: raw keys with proofs, and the chain's parameters. Everything else is read through
//! [`crate::reader::LedgerReader`].

use crate::code::{self, Code};
use crate::component::params;
use crate::reader::LedgerReader;
use crate::state::{StateError, StateRead};
use crate::store::{Proof, StoreError};

/// Longest key that a query may name, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// Letters of an unknown path that its refusal repeats.
const MAX_PATH_SHOWN: usize = 64;

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// `/store/key` (or `/store`): `data` is a state key. `/params`: the chain's parameters as JSON.
    pub path: &'a str,
    /// See `path`.
    pub data: &'a [u8],
    /// The height asked about; 0 for the latest. Only `/store/key` knows older ones.
    pub height: u64,
    /// Whether to prove the answer.
    pub prove: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryOutcome {
    /// Success, or why not.
    pub code: Code,
    /// What to ask instead, if refused.
    pub log: String,
    /// The key asked about.
    pub key: Vec<u8>,
    /// Its value; empty if there is none.
    pub value: Vec<u8>,
    /// The height of the answer.
    pub height: u64,
    /// An encoded `ics23.CommitmentProof` against the app hash after `height`.
    pub proof: Option<Vec<u8>>,
}

impl QueryOutcome {
    pub(crate) fn refused(code: Code, height: u64, log: impl Into<String>) -> Self {
        Self { code, log: log.into(), key: Vec::new(), value: Vec::new(), height, proof: None }
    }

    fn found(height: u64, key: &[u8], value: Option<Vec<u8>>) -> Self {
        let value = value.unwrap_or_default();
        Self { code: code::OK, log: String::new(), key: key.to_vec(), value, height, proof: None }
    }

    fn proved(proof: Proof, prove: bool) -> Self {
        let found = Self::found(proof.height, proof.key.as_bytes(), proof.value);
        Self { proof: prove.then_some(proof.ics23), ..found }
    }
}

/// Answers `query`. A bad question is an answer with a code.
///
/// # Errors
/// When the store cannot be read.
pub fn answer(reader: &LedgerReader, query: &Query<'_>) -> Result<QueryOutcome, StateError> {
    let height = reader.height();
    if height == 0 {
        return Ok(QueryOutcome::refused(code::NOT_READY, 0, "no block is committed yet"));
    }
    match query.path {
        "/store" | "/store/key" => store_key(reader, query),
        "/params" => {
            let params = params::get(reader)?;
            let json = serde_json::to_vec(&params).map_err(|error| StateError::Store(error.to_string()))?;
            Ok(QueryOutcome::found(height, b"", Some(json)))
        }
        path => {
            let path: String = path.chars().take(MAX_PATH_SHOWN).collect();
            let log = format!("unknown query path {path:?}; ask /store/key or /params");
            Ok(QueryOutcome::refused(code::QUERY, height, log))
        }
    }
}

fn store_key(reader: &LedgerReader, query: &Query<'_>) -> Result<QueryOutcome, StateError> {
    let height = reader.height();
    let key = match std::str::from_utf8(query.data) {
        Ok(key) if !key.is_empty() && key.len() <= MAX_KEY_BYTES => key,
        _ => {
            let log = format!("data must be a state key: UTF-8 text of 1 to {MAX_KEY_BYTES} bytes");
            return Ok(QueryOutcome::refused(code::QUERY, height, log));
        }
    };
    if !query.prove && (query.height == 0 || query.height == height) {
        return Ok(QueryOutcome::found(height, query.data, reader.get_raw(key)?));
    }
    match reader.prove(key, (query.height > 0).then_some(query.height)) {
        Ok(proof) => Ok(QueryOutcome::proved(proof, query.prove)),
        Err(error @ StoreError::NotInTree { .. }) => {
            Ok(QueryOutcome::refused(code::NOT_IN_TREE, height, error.to_string()))
        }
        Err(error @ StoreError::NoSuchHeight { .. }) => {
            Ok(QueryOutcome::refused(code::QUERY, height, error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}
