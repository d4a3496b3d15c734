//! What an export says of itself.

use super::components::COMPONENTS;
use super::{ExportError, MAX_HEADER};

/// The format that this version writes and reads.
pub const FORMAT: u64 = 1;

/// What a component's part holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The component.
    pub name: String,
    /// Entries.
    pub entries: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The second line of an export.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u64,
    /// The chain.
    pub chain_id: String,
    /// Height of the last block in it.
    pub height: u64,
    /// That block's time, in seconds since 1970.
    pub time_seconds: i64,
    /// That block's hash.
    #[serde(with = "hex::serde")]
    pub block_hash: [u8; 32],
    /// Root of the state.
    #[serde(with = "hex::serde")]
    pub app_hash: [u8; 32],
    /// The version of the ledger's rules that the state is of.
    pub app_version: u64,
    /// Its parts, one for each of [`COMPONENTS`] in order.
    pub components: Vec<Part>,
}

impl Header {
    /// The line, with its end.
    pub(super) fn to_line(&self) -> Result<Vec<u8>, ExportError> {
        let mut line = serde_json::to_vec(self).map_err(|error| ExportError::Header(error.to_string()))?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads the line without its end; there is one way to write it.
    pub(super) fn read(line: &[u8]) -> Result<Self, ExportError> {
        /// What every format has.
        #[derive(serde::Deserialize)]
        struct Any {
            format: u64,
        }
        let bad = |error: &dyn std::fmt::Display| ExportError::Header(error.to_string());
        let Any { format } = serde_json::from_slice(line).map_err(|error| bad(&error))?;
        if format != FORMAT {
            return Err(ExportError::Format(format));
        }
        let header: Self = serde_json::from_slice(line).map_err(|error| bad(&error))?;
        let mut written = header.to_line()?;
        written.pop();
        if written != line || line.len() > MAX_HEADER {
            return Err(bad(&"it is not written as this program writes it"));
        }
        let named: Vec<&str> = header.components.iter().map(|part| part.name.as_str()).collect();
        let known: Vec<&str> = COMPONENTS.iter().map(|component| component.name).collect();
        if named != known {
            return Err(bad(&format!(
                "its components are {}, those known here {}",
                named.join(", "),
                known.join(", ")
            )));
        }
        if header.height == 0 || header.chain_id.is_empty() {
            return Err(bad(&"it is of no chain, or of no height"));
        }
        Ok(header)
    }
}
