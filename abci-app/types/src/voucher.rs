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

    /// As docs/payments.md has them, for whoever writes a client.
    #[test]
    fn what_clients_sign_stays_what_it_is() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let channel = ChannelId([2; 32]);
        let hash = "ee58642e937fdec0b32b6f4ad9bf26f967b982d24e2f763b4e66b5c0aef814e7";
        let signature = "b81329bb7ca6ba06618842d8501104a77bf2c5ad49e81e77dab6175902273ff6\
            47ae26112d52ee538b522eb1b54f10a963aeab25aacab816bb1a243efa42c50b";
        assert_eq!(hex::encode(SignedVoucher::sign_bytes("c", &channel, 5)), hash);
        assert_eq!(hex::encode(key.public_key().0), "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
        assert_eq!(hex::encode(SignedVoucher::sign("c", channel, 5, &key).signature.0), signature);
    }
}
