//! Fixed-size byte identifiers that are protobuf messages of one `bytes` field.

/// Declares a fixed-size byte string: hex in text and JSON, `{ bytes value = 1; }` on the wire.
///
/// The decoder refuses any other length; a missing field decodes to zeros and is then caught as
/// non-canonical, because encoding always writes the field.
macro_rules! fixed_bytes {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// All zeros: the default, never a valid identifier of anything.
            pub const ZERO: Self = Self([0; $len]);

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Reads exactly `LEN` bytes.
            ///
            /// # Errors
            /// When there are fewer bytes or more: `IdError::Length`.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, $crate::id::IdError> {
                <[u8; $len]>::try_from(bytes).map(Self).map_err(|_| $crate::id::IdError::Length {
                    what: stringify!($name),
                    expected: $len,
                    actual: bytes.len(),
                })
            }

            /// Lower-case hex.
            pub fn to_hex(&self) -> String {
                hex::encode(self.0)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ZERO
            }
        }

        impl prost::Message for $name {
            fn encode_raw(&self, buf: &mut impl prost::bytes::BufMut) {
                prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, buf);
                prost::encoding::encode_varint($len, buf);
                buf.put_slice(&self.0);
            }

            fn merge_field(
                &mut self,
                tag: u32,
                wire_type: prost::encoding::WireType,
                buf: &mut impl prost::bytes::Buf,
                ctx: prost::encoding::DecodeContext,
            ) -> Result<(), prost::DecodeError> {
                if tag != 1 {
                    return prost::encoding::skip_field(wire_type, tag, buf, ctx);
                }
                let mut value = Vec::new();
                prost::encoding::bytes::merge(wire_type, &mut value, buf, ctx)?;
                *self = Self::from_slice(&value)
                    .map_err(|error| $crate::codec::decode_error(error.to_string()))?;
                Ok(())
            }

            fn encoded_len(&self) -> usize {
                let head = prost::encoding::key_len(1).saturating_add(prost::encoding::encoded_len_varint($len));
                head.saturating_add($len)
            }

            fn clear(&mut self) {
                *self = Self::ZERO;
            }
        }
    };
}

/// Adds hex `Display`, `FromStr` and serde to a [`fixed_bytes!`] type.
macro_rules! hex_text {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut text = [0; 2 * $name::LEN];
                // The buffer has room for two digits a byte, and digits are text.
                let _ = hex::encode_to_slice(self.0, &mut text);
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; Self::LEN];
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) => Ok(Self(bytes)),
                    Err(_) => Err($crate::id::IdError::text(stringify!($name), Self::LEN, text)),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {fixed_bytes, hex_text};

/// Why a text or byte string is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not so many hexadecimal digits.
    #[error("{what} is {digits} hexadecimal digits; {found}")]
    Text {
        /// What was wanted, in words.
        what: String,
        /// Digits wanted.
        digits: usize,
        /// What was given, and what is wrong with it.
        found: String,
    },
    /// Wrong number of bytes.
    #[error("{what} must be {expected} bytes, not {actual}")]
    Length {
        /// The type wanted.
        what: &'static str,
        /// Bytes wanted.
        expected: usize,
        /// Bytes given.
        actual: usize,
    },
    /// Not an address.
    #[error("not a datanet address: {0}; it starts with \"dn1\"")]
    Address(String),
    /// Not the address of a module's account.
    #[error("not the address of a module's account: {0}; it starts with \"dnmod1\"")]
    ModuleAddress(String),
}

impl IdError {
    /// The error of a `text` that is no identifier of type `name`, which has `bytes` bytes.
    pub(crate) fn text(name: &str, bytes: usize, text: &str) -> Self {
        /// Characters quoted at most.
        const QUOTED: usize = 80;
        let what = match name {
            "BlobHash" => "a blob's hash".to_owned(),
            "TxHash" => "a transaction's hash".to_owned(),
            "PublicKey" => "a public key".to_owned(),
            "NodeKey" => "a node's key".to_owned(),
            "AgentId" => "an agent's id".to_owned(),
            other => match other.strip_suffix("Id") {
                Some(thing) => format!("a {}'s id", thing.to_ascii_lowercase()),
                None => format!("a {}", other.to_ascii_lowercase()),
            },
        };
        let (digits, length) = (bytes.saturating_mul(2), text.chars().count());
        let quoted: String = text.chars().take(QUOTED).collect();
        let quoted = if length > QUOTED { format!("{quoted:?}…") } else { format!("{quoted:?}") };
        let wrong = if length == digits { "has other characters".to_owned() } else { format!("has {length}") };
        Self::Text { what, digits, found: format!("{quoted} {wrong}") }
    }
}

macro_rules! digest_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        $(fixed_bytes!($(#[$doc])* $name, 32); hex_text!($name);)*
    };
}

digest_ids! {
    /// Any BLAKE3 digest without a narrower meaning.
    Digest,
    /// BLAKE3 hash of a blob: its address in the blob store.
    BlobHash,
    /// A datanet: hash of its creator and name.
    DatanetId,
    /// A contribution: hash of datanet, contributor and blob.
    ContributionId,
    /// A model: hash of its owner and its manifest where it is on the ledger; a base model that is not, the hash over its
    /// files.
    ModelId,
    /// An agent: hash of its chain, owner and name.
    AgentId,
    /// A payment channel: hash of the transaction that opened it.
    ChannelId,
    /// A receipt: the hash of the answer record, which is also that blob's address.
    ReceiptId,
}

/// BLAKE3 over a domain tag and length-prefixed parts, so that no two lists of parts collide.
pub fn tagged_hash(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

impl DatanetId {
    /// The id of the datanet `name` created by `creator` on `chain_id`.
    pub fn derive(chain_id: &str, creator: &crate::Address, name: &str) -> Self {
        Self(tagged_hash("datanet/datanet-id/v1", &[chain_id.as_bytes(), &creator.0, name.as_bytes()]))
    }
}

impl ContributionId {
    /// The id of `contributor` giving `blob` to `datanet`, after it has given the same `attempt` times: known before
    /// the transaction is on the ledger, and the reason why two uploads of the same are one contribution.
    pub fn derive(
        chain_id: &str,
        datanet: &DatanetId,
        contributor: &crate::Address,
        blob: &BlobHash,
        attempt: u32,
    ) -> Self {
        let attempt = attempt.to_le_bytes();
        let parts = [chain_id.as_bytes(), &datanet.0, &contributor.0, &blob.0, &attempt];
        Self(tagged_hash("datanet/contribution-id/v2", &parts))
    }
}

impl ModelId {
    /// The id of the model that `owner` registers with `manifest`. It cannot be taken: whoever copies the registration out
    /// of the mempool registers another model.
    pub fn derive(owner: &crate::Address, manifest: &Digest) -> Self {
        Self(tagged_hash("datanet/model-id/v1", &[&owner.0, &manifest.0]))
    }
}

impl AgentId {
    /// The id of the agent `name` that `owner` registers on `chain_id`.
    pub fn derive(chain_id: &str, owner: &crate::Address, name: &str) -> Self {
        Self(tagged_hash("datanet/agent-id/v1", &[chain_id.as_bytes(), &owner.0, name.as_bytes()]))
    }

    /// Its account: of no key, as far as anybody can find one.
    pub fn account(&self) -> crate::Address {
        crate::Address::of_agent(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn an_id_of_the_wrong_length_does_not_decode() {
        let mut bytes = Vec::new();
        prost::encoding::bytes::encode(1, &vec![7u8; 31], &mut bytes);
        assert!(BlobHash::decode(bytes.as_slice()).is_err());
    }

    #[test]
    fn hex_text_round_trips_and_garbage_is_refused() {
        let id = BlobHash([0xab; 32]);
        assert_eq!(id.to_string().parse::<BlobHash>().unwrap(), id);
        assert!("zz".parse::<BlobHash>().is_err());
        assert!("ab".parse::<BlobHash>().is_err());
    }

    #[test]
    fn a_text_that_is_no_id_is_told_what_one_looks_like() {
        let said = |text: &str| text.parse::<ReceiptId>().unwrap_err().to_string();
        assert_eq!(said("faa920eb"), "a receipt's id is 64 hexadecimal digits; \"faa920eb\" has 8");
        assert!(said(&"g".repeat(64)).ends_with("\" has other characters"));
        assert!(said(&"é".repeat(1000)).ends_with("\"… has 1000"));
        assert!("x".parse::<BlobHash>().unwrap_err().to_string().starts_with("a blob's hash is 64"));
    }

    #[test]
    fn tagged_hashes_separate_their_parts() {
        assert_ne!(tagged_hash("d", &[b"ab", b"c"]), tagged_hash("d", &[b"a", b"bc"]));
        assert_ne!(tagged_hash("d", &[b"a"]), tagged_hash("e", &[b"a"]));
    }
}
