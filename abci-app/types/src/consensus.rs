//! Keys and addresses of the consensus engine's validators. They are keys of their own: what signs votes is kept apart from what
//! owns money.

use sha2::{Digest, Sha256};

use crate::id::{fixed_bytes, hex_text};
use crate::key::{BadSignature, Signature, verify};

fixed_bytes!(
    /// The ed25519 public key with which a validator signs proposals and votes.
    ConsensusKey,
    32
);
hex_text!(ConsensusKey);

fixed_bytes!(
    /// What CometBFT calls a validator: the first 20 bytes of the SHA-256 of its [`ConsensusKey`].
    ConsensusAddress,
    20
);
hex_text!(ConsensusAddress);

impl ConsensusKey {
    /// The address of this key.
    pub fn address(&self) -> ConsensusAddress {
        let digest: [u8; 32] = Sha256::digest(self.0).into();
        let (address, _) = digest.split_first_chunk().unwrap_or((&[0; 20], &[]));
        ConsensusAddress(*address)
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// When this is no valid key, or `signature` is not its own over `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        verify(&self.0, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_start_of_the_keys_hash() {
        let key = ConsensusKey([7; 32]);
        assert_eq!(key.address().0, Sha256::digest([7; 32])[..20]);
    }
}
