//! What a serving node signs to let a channel go: that it is owed nothing more than the ledger has charged.

use crate::key::{BadSignature, NodeKey, Signature, SigningKey, sign_bytes};
use crate::{Amount, ChannelId};

/// A serving node's word on one channel: its payer may have the rest at once. It is signed with the node's key, as receipts are; the
/// ledger takes it only as long as exactly `charged` is charged, so that whatever the node settles later makes it void.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosingStatement {
    /// The channel.
    #[prost(message, required, tag = "1")]
    pub channel: ChannelId,
    /// Base units that are charged on it, and all that ever will be.
    #[prost(uint64, tag = "2")]
    pub charged: Amount,
    /// The node key's signature over [`ClosingStatement::sign_bytes`].
    #[prost(message, required, tag = "3")]
    pub signature: Signature,
}

impl ClosingStatement {
    /// What the node signs.
    pub fn sign_bytes(chain_id: &str, channel: &ChannelId, charged: Amount) -> [u8; 32] {
        sign_bytes("datanet/closing/v1", &[chain_id.as_bytes(), &channel.0, &charged.to_le_bytes()])
    }

    /// Signs a statement.
    pub fn sign(chain_id: &str, channel: ChannelId, charged: Amount, key: &SigningKey) -> Self {
        let signature = key.sign(&Self::sign_bytes(chain_id, &channel, charged));
        Self { channel, charged, signature }
    }

    /// Checks the node's signature.
    ///
    /// # Errors
    /// When the signature is not the node's over this chain, channel and amount.
    pub fn verify(&self, chain_id: &str, node: &NodeKey) -> Result<(), BadSignature> {
        node.verify(&Self::sign_bytes(chain_id, &self.channel, self.charged), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voucher::SignedVoucher;

    #[test]
    fn a_statement_is_for_one_chain_one_channel_one_amount_and_no_voucher() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let (node, channel) = (key.node_key(), ChannelId([2; 32]));
        let statement = ClosingStatement::sign("c", channel, 5, &key);
        assert!(statement.verify("c", &node).is_ok());
        assert!(statement.verify("d", &node).is_err());
        assert!(ClosingStatement { charged: 6, ..statement.clone() }.verify("c", &node).is_err());
        assert!(ClosingStatement { channel: ChannelId([3; 32]), ..statement.clone() }.verify("c", &node).is_err());
        let signature = SignedVoucher::sign("c", channel, 5, &key).signature;
        assert!(ClosingStatement { signature, ..statement }.verify("c", &node).is_err(), "another purpose");
    }
}
