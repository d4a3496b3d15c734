//! Signed transactions. They are unordered: instead of a sequence number each carries a random nonce and the height
//! at which it expires; the ledger remembers it until then. One client can so have many in flight.
//!
//! A transaction names the account that it acts for and carries the signatures of one or several keys. Whether each signature
//! is good is seen from the bytes alone ([`SignedTx::verify`]); whether these keys speak for that account is the ledger's to say.

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
/// Most signatures of a transaction: as many as an account has owners at most.
pub const MAX_SIGNATURES: usize = crate::action::MAX_OWNERS;

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
    /// The most base units that it may cost, tip included. It costs what its bytes and the gas that it takes are worth on that chain.
    #[prost(uint64, tag = "3")]
    pub fee: Amount,
    /// Random: makes two otherwise equal transactions differ.
    #[prost(fixed64, tag = "4")]
    pub nonce: u64,
    /// The account that acts and pays.
    #[prost(message, required, tag = "5")]
    pub account: Address,
    /// The most gas that it may take. What it does not take is not paid.
    #[prost(uint64, tag = "6")]
    pub gas_limit: u64,
    /// Base units added to its price, for a place before others.
    #[prost(uint64, tag = "7")]
    pub tip: Amount,
    /// What it does.
    #[prost(
        oneof = "Action",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 28, 29, 30, 31, 32, 33, 40, 41, 42, 43, 44, 45, 50, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63, 64, 70, 71, 72, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89"
    )]
    pub action: Option<Action>,
}

/// One key's signature of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct TxSignature {
    /// Whose.
    #[prost(message, required, tag = "1")]
    pub public_key: PublicKey,
    /// Over [`TxBody::sign_bytes`].
    #[prost(message, required, tag = "2")]
    pub signature: Signature,
}

/// A signed transaction, as it travels.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SignedTx {
    /// The canonical encoding of a [`TxBody`].
    #[prost(bytes = "vec", tag = "1")]
    #[serde(with = "hex::serde")]
    pub body: Vec<u8>,
    /// 1 to [`MAX_SIGNATURES`], in ascending order of their keys, one for each.
    #[prost(message, repeated, tag = "2")]
    pub signatures: Vec<TxSignature>,
}

/// A transaction whose form and signatures are good. Whether its keys speak for its account is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTx {
    /// Hash of the whole transaction.
    pub hash: TxHash,
    /// Hash of the signed part: what replay protection remembers.
    pub id: [u8; 32],
    /// The account that acts and pays.
    pub signer: Address,
    /// The keys that signed, in ascending order.
    pub keys: Vec<PublicKey>,
    /// The signed part.
    pub body: TxBody,
    /// What it does.
    pub action: Action,
    /// Its bytes as it travels.
    pub size: u64,
}

/// A transaction whose form is good; its signatures are not verified yet, which is what takes time.
#[derive(Debug, Clone)]
pub struct UnverifiedTx {
    tx: VerifiedTx,
    signed: [u8; 32],
    signatures: Vec<TxSignature>,
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
    /// No signature, or too many.
    #[error("transaction has {0} signatures; it carries 1 to {MAX_SIGNATURES}, one for each key that signs")]
    SignatureCount(usize),
    /// The same signatures in another order, or twice, would be another transaction with the same meaning.
    #[error("signatures must be in ascending order of their public keys, one for each key")]
    SignatureOrder,
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
    /// What each key signs over a body's canonical bytes.
    pub fn sign_bytes(body: &[u8]) -> [u8; 32] {
        sign_bytes("datanet/tx/v2", &[body])
    }

    /// Encodes and signs with one key.
    pub fn sign(&self, key: &SigningKey) -> SignedTx {
        self.sign_with(&[key])
    }

    /// Encodes and signs with each of these keys.
    pub fn sign_with(&self, keys: &[&SigningKey]) -> SignedTx {
        let tx = SignedTx { body: self.encode_to_vec(), signatures: Vec::new() };
        keys.iter().fold(tx, |tx, key| tx.signed_by(key))
    }
}

impl SignedTx {
    /// The bytes that travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The same with the signature of one more key, in its place: whoever signs second needs no more than what the first one sent.
    #[must_use]
    pub fn signed_by(mut self, key: &SigningKey) -> Self {
        let public_key = key.public_key();
        let signature = key.sign(&TxBody::sign_bytes(&self.body));
        self.signatures.retain(|other| other.public_key != public_key);
        self.signatures.push(TxSignature { public_key, signature });
        self.signatures.sort_unstable_by_key(|one| one.public_key);
        self
    }

    /// Decodes canonical bytes and checks chain and form: everything that needs neither state nor much time.
    ///
    /// # Errors
    /// When the bytes are not a canonical transaction of at most [`MAX_TX_BYTES`], it is for another chain, has no
    /// action, or its signatures are not 1 to [`MAX_SIGNATURES`] in ascending order of their keys.
    pub fn read(bytes: &[u8], chain_id: &str) -> Result<UnverifiedTx, TxError> {
        let tx: Self = decode_canonical(bytes, MAX_TX_BYTES)?;
        if !(1..=MAX_SIGNATURES).contains(&tx.signatures.len()) {
            return Err(TxError::SignatureCount(tx.signatures.len()));
        }
        if !tx.signatures.is_sorted_by(|one, next| one.public_key < next.public_key) {
            return Err(TxError::SignatureOrder);
        }
        let body: TxBody = decode_canonical(&tx.body, MAX_TX_BYTES)?;
        if body.chain_id != chain_id {
            return Err(TxError::WrongChain { ours: chain_id.to_owned(), theirs: body.chain_id });
        }
        let action = body.action.clone().ok_or(TxError::NoAction)?;
        let (hash, id, signed) = (tx_hash(bytes), tx_id(&tx.body), TxBody::sign_bytes(&tx.body));
        let keys = tx.signatures.iter().map(|one| one.public_key).collect();
        let (signer, size) = (body.account, bytes.len() as u64);
        let tx_of = VerifiedTx { hash, id, signer, keys, body, action, size };
        Ok(UnverifiedTx { tx: tx_of, signed, signatures: tx.signatures })
    }

    /// As [`SignedTx::read`], and checks every signature: everything that needs no state.
    ///
    /// # Errors
    /// As [`SignedTx::read`], and when a signature does not match.
    pub fn verify(bytes: &[u8], chain_id: &str) -> Result<VerifiedTx, TxError> {
        Self::read(bytes, chain_id)?.verify()
    }
}

impl UnverifiedTx {
    /// What it says, of which nothing is proven: who is to act, by which keys, and what is to be done.
    pub fn says(&self) -> (&Address, &[PublicKey], &Action) {
        (&self.tx.signer, &self.tx.keys, &self.tx.action)
    }

    /// Checks every signature, up to the first that is bad.
    ///
    /// # Errors
    /// When a signature does not match.
    pub fn verify(self) -> Result<VerifiedTx, TxError> {
        for one in &self.signatures {
            one.public_key.verify(&self.signed, &one.signature)?;
        }
        Ok(self.tx)
    }
}

/// The body names its account, so that nobody else's transaction has the same id.
fn tx_id(body: &[u8]) -> [u8; 32] {
    crate::id::tagged_hash("datanet/tx-id/v2", &[body])
}

impl VerifiedTx {
    /// The id of the channel that this transaction opens, if it opens one.
    pub fn channel_id(&self) -> ChannelId {
        ChannelId(self.id)
    }
}

#[cfg(test)]
mod tests;
