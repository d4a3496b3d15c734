//! What a serving node signs of an answer: short, whatever the receipt is long, so that it fits into a transaction.

use prost::Message;

use super::Receipt;
use crate::key::{BadSignature, Signature, sign_bytes};
use crate::{Amount, ChannelId, Digest, NodeKey};

/// Which money of a channel an answer took, and the digest of everything that its receipt says.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ReceiptHead {
    /// The channel that paid; none if the answer was free.
    #[prost(message, optional, tag = "1")]
    pub channel: Option<ChannelId>,
    /// The voucher's amount after the answer.
    #[prost(uint64, tag = "2")]
    pub cumulative: Amount,
    /// Base units charged.
    #[prost(uint64, tag = "3")]
    pub fee: Amount,
    /// BLAKE3 of the encoded [`Receipt`].
    #[prost(message, required, tag = "4")]
    pub digest: Digest,
}

impl ReceiptHead {
    /// Of a receipt.
    pub fn of(receipt: &Receipt) -> Self {
        let digest = Digest(*blake3::hash(&receipt.encode_to_vec()).as_bytes());
        Self { channel: receipt.channel, cumulative: receipt.cumulative, fee: receipt.fee, digest }
    }

    /// What the node signs.
    pub fn sign_bytes(&self, chain_id: &str) -> [u8; 32] {
        sign_bytes("datanet/receipt/v2", &[chain_id.as_bytes(), &self.encode_to_vec()])
    }

    /// Checks the node's signature.
    ///
    /// # Errors
    /// When it is not `node`'s.
    pub fn verify(&self, chain_id: &str, node: &NodeKey, signature: &Signature) -> Result<(), BadSignature> {
        node.verify(&self.sign_bytes(chain_id), signature)
    }

    /// The channel's amount before the answer.
    pub fn start(&self) -> Amount {
        self.cumulative.saturating_sub(self.fee)
    }

    /// Whether the other takes some of the same money for another answer. A node that signed both has contradicted itself:
    /// each answer on a channel has a stretch of its money to itself.
    pub fn contradicts(&self, other: &Self) -> bool {
        let overlaps = self.start() < other.cumulative && other.start() < self.cumulative;
        self.channel.is_some() && self.channel == other.channel && overlaps && self.digest != other.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(channel: u8, cumulative: Amount, fee: Amount, digest: u8) -> ReceiptHead {
        ReceiptHead { channel: Some(ChannelId([channel; 32])), cumulative, fee, digest: Digest([digest; 32]) }
    }

    #[test]
    fn another_receipt_for_the_same_money_contradicts_and_its_own_does_not() {
        let one = head(1, 300, 100, 1);
        assert!(!one.contradicts(&one));
        assert!(one.contradicts(&head(1, 300, 100, 2)), "the same stretch");
        assert!(one.contradicts(&head(1, 250, 100, 2)), "part of it");
        assert!(one.contradicts(&head(1, 1_000, 1_000, 2)), "all of it and more");
        assert!(!one.contradicts(&head(1, 200, 100, 2)), "the one before");
        assert!(!one.contradicts(&head(1, 400, 100, 2)), "the one behind");
        assert!(!one.contradicts(&head(2, 300, 100, 2)), "another channel");
        let free = ReceiptHead { channel: None, ..one };
        assert!(!free.contradicts(&ReceiptHead { digest: Digest([9; 32]), ..free }), "free answers take no money");
    }

    proptest! {
        /// An honest node: each voucher is larger than the one before by what the answer costs.
        #[test]
        fn answers_one_after_the_other_never_contradict(fees in prop::collection::vec(1u64..1_000, 2..30)) {
            let mut cumulative = 0;
            let heads: Vec<ReceiptHead> = fees.iter().zip(1..).map(|(fee, number)| {
                cumulative += fee;
                head(1, cumulative, *fee, number)
            }).collect();
            for one in &heads {
                prop_assert!(heads.iter().all(|other| !one.contradicts(other)));
            }
        }
    }
}
