//! A paid answer in the tree of receipts that its epoch is settled with.

use crate::id::tagged_hash;
use crate::merkle::leaf_hash;
use crate::receipt::{AnswerRecord, ReceiptHead};
use crate::sum_tree::SumNode;
use crate::{Amount, ChannelId, Digest, NodeKey, ReceiptId};

/// Most answers of an epoch: as many as an auditor reads.
pub const MAX_ANSWERS: u64 = 1 << 16;

/// See the module. Ordered by channel and amount, one for each answer.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SettledReceipt {
    /// The channel that paid.
    #[prost(message, required, tag = "1")]
    pub channel: ChannelId,
    /// The voucher's amount after this answer.
    #[prost(uint64, tag = "2")]
    pub cumulative: Amount,
    /// Base units charged for it.
    #[prost(uint64, tag = "3")]
    pub fee: Amount,
    /// The blob with question, answer and receipt.
    #[prost(message, required, tag = "4")]
    pub receipt: ReceiptId,
    /// [`ReceiptHead::digest`] of its receipt.
    #[prost(message, required, tag = "5")]
    pub digest: Digest,
}

impl SettledReceipt {
    /// An answer's place among those that are settled; none if it was free.
    pub fn of(record: &AnswerRecord) -> Option<Self> {
        let ReceiptHead { channel, cumulative, fee, digest } = ReceiptHead::of(&record.receipt);
        Some(Self { channel: channel?, cumulative, fee, receipt: record.id(), digest })
    }

    /// What the node says it signed.
    pub fn head(&self) -> ReceiptHead {
        ReceiptHead { channel: Some(self.channel), cumulative: self.cumulative, fee: self.fee, digest: self.digest }
    }

    /// The leaf in the tree of `node`'s epoch `number` on `chain_id`: good there and nowhere else. Its amount is the fee.
    pub fn node(&self, chain_id: &str, node: &NodeKey, number: u64) -> SumNode {
        let epoch: [&[u8]; 3] = [chain_id.as_bytes(), &node.0, &number.to_le_bytes()];
        let (cumulative, fee) = (self.cumulative.to_le_bytes(), self.fee.to_le_bytes());
        let own: [&[u8]; 5] = [&self.channel.0, &cumulative, &fee, &self.receipt.0, &self.digest.0];
        let digest = leaf_hash(&tagged_hash("datanet/settled-receipt/v1", &[epoch.as_slice(), &own].concat()));
        SumNode { digest, sum: self.fee }
    }

    /// Where it stands among those of its epoch.
    pub fn order(&self) -> (ChannelId, Amount) {
        (self.channel, self.cumulative)
    }
}
