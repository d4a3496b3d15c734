//! Canonical protobuf: one value, one byte string.

use prost::Message;

/// Why bytes are not a canonical message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Longer than this kind of message may be.
    #[error("message of {actual} bytes is over the limit of {limit}")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
        /// The length given.
        actual: usize,
    },
    /// Not protobuf of this shape.
    #[error("not a valid message: {0}")]
    Malformed(String),
    /// Decodes, but is not what encoding the value gives: unknown, repeated, reordered or missing fields.
    #[error("encoding is not canonical: encode the fields once each, in order, without unknown fields")]
    NotCanonical,
}

/// Decodes `bytes` from the canonical encoding and no other, so that a signed value has exactly one hash.
///
/// # Errors
/// When there are more than `limit` bytes, or they are not the one canonical encoding of an `M`.
pub fn decode_canonical<M: Message + Default>(bytes: &[u8], limit: usize) -> Result<M, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLong { limit, actual: bytes.len() });
    }
    let value = M::decode(bytes).map_err(|error| CodecError::Malformed(error.to_string()))?;
    if value.encode_to_vec() != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// A decode error with our own words: prost offers no public constructor that takes a message.
pub(crate) fn decode_error(message: String) -> prost::DecodeError {
    #[expect(deprecated, reason = "the only constructor that keeps the reason")]
    prost::DecodeError::new(message)
}
