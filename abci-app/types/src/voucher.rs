//! What a caller signs to pay for answers: a promise of the cumulative amount, so that only the latest matters.

use crate::key::{BadSignature, PublicKey, Signature, SigningKey, sign_bytes};
use crate::{Amount, ChannelId};

/// A promise to pay `cumulative` in all from a channel.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SignedVoucher {
    /// The channel.
    #[prost(message, required, tag = "1")]
    pub channel: ChannelId,
    /// All base units promised so far; never goes back.
    #[prost(uint64, tag = "2")]
    pub cumulative: Amount,
    /// The payer's signature over [`SignedVoucher::sign_bytes`].
    #[prost(message, required, tag = "3")]
    pub signature: Signature,
}

impl SignedVoucher {
    /// What the payer signs.
    pub fn sign_bytes(chain_id: &str, channel: &ChannelId, cumulative: Amount) -> [u8; 32] {
        sign_bytes("datanet/voucher/v1", &[chain_id.as_bytes(), &channel.0, &cumulative.to_le_bytes()])
    }

    /// Signs a voucher.
    pub fn sign(chain_id: &str, channel: ChannelId, cumulative: Amount, key: &SigningKey) -> Self {
        let signature = key.sign(&Self::sign_bytes(chain_id, &channel, cumulative));
        Self { channel, cumulative, signature }
    }

    /// Checks the payer's signature.
    ///
    /// # Errors
    /// When the signature is not the payer's over this chain, channel and amount.
    pub fn verify(&self, chain_id: &str, payer: &PublicKey) -> Result<(), BadSignature> {
        payer.verify(&Self::sign_bytes(chain_id, &self.channel, self.cumulative), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voucher_is_for_one_chain_one_channel_one_amount() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let voucher = SignedVoucher::sign("c", ChannelId([2; 32]), 5, &key);
        assert!(voucher.verify("c", &key.public_key()).is_ok());
        assert!(voucher.verify("d", &key.public_key()).is_err());
        let more = SignedVoucher { cumulative: 6, ..voucher };
        assert!(more.verify("c", &key.public_key()).is_err());
    }
}
