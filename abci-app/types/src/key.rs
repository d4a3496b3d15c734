//! Ed25519 keys and signatures, verified strictly and one by one: batch verification accepts signatures that
//! single verification rejects, which would let two nodes disagree about a block.

use crate::id::{fixed_bytes, hex_text, tagged_hash};

fixed_bytes!(
    /// An account's ed25519 public key.
    PublicKey,
    32
);
hex_text!(PublicKey);

fixed_bytes!(
    /// A node's ed25519 public key: its libp2p peer id and its iroh endpoint id are this key.
    NodeKey,
    32
);
hex_text!(NodeKey);

fixed_bytes!(
    /// An ed25519 signature.
    Signature,
    64
);
hex_text!(Signature);

/// The signature does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("signature does not match the key and the signed bytes; sign again with the right key and chain id")]
pub struct BadSignature;

/// What is actually signed: a hash over the purpose and the parts, so that a signature for one purpose is
/// worthless for every other.
pub fn sign_bytes(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    tagged_hash(domain, parts)
}

pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(message, &signature).map_err(|_| BadSignature)
}

impl PublicKey {
    /// Whether somebody can have its secret: it is a point of the curve, and none of the few under which anybody's signature would be
    /// good for anything.
    pub fn is_sound(&self) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// When this is no valid key, or `signature` is not its own over `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(&self.0, message, signature)
    }
}

impl NodeKey {
    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// When this is no valid key, or `signature` is not its own over `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(&self.0, message, signature)
    }
}

/// A secret key. It never prints itself and is wiped when dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// From 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(secret))
    }

    /// The 32 secret bytes, for storing the key.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The account key of this secret.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The node key of this secret.
    pub fn node_key(&self) -> NodeKey {
        NodeKey(self.0.verifying_key().to_bytes())
    }

    /// The consensus key of this secret.
    pub fn consensus_key(&self) -> crate::ConsensusKey {
        crate::ConsensusKey(self.0.verifying_key().to_bytes())
    }

    /// The address of the account of this secret.
    pub fn address(&self) -> crate::Address {
        crate::Address::of(&self.public_key())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> Signature {
        use ed25519_dalek::Signer;
        Signature(self.0.sign(message).to_bytes())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey(public {})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_message_only() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = key.sign(b"pay");
        assert!(key.public_key().verify(b"pay", &signature).is_ok());
        assert!(key.public_key().verify(b"pays", &signature).is_err());
        assert!(SigningKey::from_bytes(&[8; 32]).public_key().verify(b"pay", &signature).is_err());
    }

    #[test]
    fn a_secret_key_does_not_print_itself() {
        let text = format!("{:?}", SigningKey::from_bytes(&[7; 32]));
        assert!(!text.contains(&hex::encode([7u8; 32])));
    }
}
