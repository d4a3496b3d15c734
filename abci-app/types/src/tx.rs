//! Signed transactions. They are unordered: instead of a sequence number each carries a random nonce and the height
//! at which it expires; the ledger remembers it until then. One client can so have many in flight.

use prost::Message;

use crate::action::Action;
use crate::codec::{CodecError, decode_canonical};
use crate::id::{fixed_bytes, hex_text};
use crate::key::{BadSignature, PublicKey, Signature, SigningKey, sign_bytes};
use crate::{Address, Amount, ChannelId};

/// Longest transaction in bytes.
pub const MAX_TX_BYTES: usize = 256 * 1024;
/// How many blocks ahead a transaction may expire at most.
pub const MAX_TTL: u64 = 1_000;

fixed_bytes!(
    /// SHA-256 of a signed transaction's bytes: the hash that CometBFT shows too.
    TxHash,
    32
);
hex_text!(TxHash);

/// What is signed.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct TxBody {
    /// The chain it is for.
    #[prost(string, tag = "1")]
    pub chain_id: String,
    /// The last height at which it may be executed; at most [`MAX_TTL`] ahead.
    #[prost(uint64, tag = "2")]
    pub expiry: u64,
    /// Base units paid for its execution, at least the ledger's minimum.
    #[prost(uint64, tag = "3")]
    pub fee: Amount,
    /// Random: makes two otherwise equal transactions differ.
    #[prost(fixed64, tag = "4")]
    pub nonce: u64,
    /// What it does.
    #[prost(
        oneof = "Action",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 30, 40, 41, 42, 43, 44, 45"
    )]
    pub action: Option<Action>,
}

/// A signed transaction, as it travels.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SignedTx {
    /// The canonical encoding of a [`TxBody`].
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex::serde")]
    pub body: Vec<u8>,
    /// Who signs and pays.
    #[prost(message, required, tag = "2")]
    pub public_key: PublicKey,
    /// Over [`TxBody::sign_bytes`].
    #[prost(message, required, tag = "3")]
    pub signature: Signature,
}

/// A transaction whose form and signature are good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTx {
    /// Hash of the whole transaction.
    pub hash: TxHash,
    /// Hash of the signed part and the signer: what replay protection remembers.
    pub id: [u8; 32],
    /// Account of the signer.
    pub signer: Address,
    /// Key of the signer: later vouchers of a channel are checked against it.
    pub public_key: PublicKey,
    /// The signed part.
    pub body: TxBody,
    /// What it does.
    pub action: Action,
    /// Its bytes as it travels.
    pub size: u64,
}

/// Why bytes are not a good transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// Not canonical protobuf, or too long.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Signed for another chain.
    #[error("transaction is for chain {theirs:?}, this is {ours:?}; sign it for this chain")]
    WrongChain {
        /// This chain.
        ours: String,
        /// The chain in the transaction.
        theirs: String,
    },
    /// Does nothing.
    #[error("transaction has no action")]
    NoAction,
    /// Wrong signature.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

/// SHA-256 of transaction bytes.
pub fn tx_hash(bytes: &[u8]) -> TxHash {
    use sha2::Digest;
    TxHash(sha2::Sha256::digest(bytes).into())
}

impl TxBody {
    /// What the key signs over a body's canonical bytes.
    pub fn sign_bytes(body: &[u8]) -> [u8; 32] {
        sign_bytes("datanet/tx/v1", &[body])
    }

    /// Encodes and signs.
    pub fn sign(&self, key: &SigningKey) -> SignedTx {
        let body = self.encode_to_vec();
        let signature = key.sign(&Self::sign_bytes(&body));
        SignedTx { body, public_key: key.public_key(), signature }
    }
}

impl SignedTx {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Decodes canonical bytes and checks chain and signature: everything that needs no state.
    ///
    /// # Errors
    /// When the bytes are not a canonical transaction of at most [`MAX_TX_BYTES`], it is for another chain, has no
    /// action, or its signature does not match.
    pub fn verify(bytes: &[u8], chain_id: &str) -> Result<VerifiedTx, TxError> {
        let tx: Self = decode_canonical(bytes, MAX_TX_BYTES)?;
        let body: TxBody = decode_canonical(&tx.body, MAX_TX_BYTES)?;
        if body.chain_id != chain_id {
            return Err(TxError::WrongChain { ours: chain_id.to_owned(), theirs: body.chain_id });
        }
        let action = body.action.clone().ok_or(TxError::NoAction)?;
        tx.public_key.verify(&TxBody::sign_bytes(&tx.body), &tx.signature)?;
        let signer = Address::of(&tx.public_key);
        let (hash, id) = (tx_hash(bytes), tx_id(&tx.body, &signer));
        Ok(VerifiedTx { hash, id, signer, public_key: tx.public_key, body, action, size: bytes.len() as u64 })
    }
}

fn tx_id(body: &[u8], signer: &Address) -> [u8; 32] {
    crate::id::tagged_hash("datanet/tx-id/v1", &[body, &signer.0])
}

impl VerifiedTx {
    /// The id of the channel that this transaction opens, if it opens one.
    pub fn channel_id(&self) -> ChannelId {
        ChannelId(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Transfer;
    use proptest::prelude::*;

    fn body(amount: u64, nonce: u64) -> TxBody {
        TxBody {
            chain_id: "test".into(),
            expiry: 9,
            fee: 10,
            nonce,
            action: Some(Action::Transfer(Transfer { to: Address([3; 20]), amount })),
        }
    }

    #[test]
    fn sign_bytes_and_wire_bytes_do_not_drift() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let tx = body(5, 7).sign(&key);
        insta::assert_snapshot!(hex::encode(TxBody::sign_bytes(&tx.body)));
        insta::assert_snapshot!(hex::encode(tx.to_bytes()));
    }

    #[test]
    fn a_good_transaction_verifies() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let tx = SignedTx::verify(&body(5, 7).sign(&key).to_bytes(), "test").unwrap();
        assert_eq!(tx.signer, key.address());
    }

    #[test]
    fn another_chain_is_refused() {
        let bytes = body(5, 7).sign(&SigningKey::from_bytes(&[1; 32])).to_bytes();
        assert!(matches!(SignedTx::verify(&bytes, "other"), Err(TxError::WrongChain { .. })));
    }

    #[test]
    fn a_changed_byte_is_refused() {
        let bytes = body(5, 7).sign(&SigningKey::from_bytes(&[1; 32])).to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(SignedTx::verify(&changed, "test").is_err(), "byte {at}");
        }
    }

    #[test]
    fn trailing_unknown_fields_are_not_canonical() {
        let mut bytes = body(5, 7).sign(&SigningKey::from_bytes(&[1; 32])).to_bytes();
        bytes.extend_from_slice(&[0x78, 0x01]);
        assert_eq!(SignedTx::verify(&bytes, "test"), Err(TxError::Codec(CodecError::NotCanonical)));
    }

    #[test]
    fn a_transaction_over_the_limit_is_refused_before_decoding() {
        let bytes = vec![0; MAX_TX_BYTES + 1];
        assert!(matches!(SignedTx::verify(&bytes, "test"), Err(TxError::Codec(CodecError::TooLong { .. }))));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            prop_assert!(SignedTx::verify(&bytes, "test").is_err());
        }

        #[test]
        fn encoding_round_trips(amount: u64, nonce: u64) {
            let body = body(amount, nonce);
            let again: TxBody = decode_canonical(&body.encode_to_vec(), MAX_TX_BYTES).unwrap();
            prop_assert_eq!(again, body);
        }
    }
}
