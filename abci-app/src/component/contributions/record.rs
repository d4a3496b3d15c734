//! A contribution as the ledger keeps it.

use datanet_types::record::Format;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, NodeKey, Scores};

/// Where a contribution stands. `Judging -> Accepted -> Final`, or `Judging -> Refused`; its giver may turn `Accepted` and
/// `Final` into `Revoked`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Status {
    /// A committee is at it.
    Judging = 0,
    /// Good enough; waits for storage attestations.
    Accepted = 1,
    /// Not good enough, or nobody judged it.
    Refused = 2,
    /// Accepted and kept by enough nodes: from here on it earns.
    Final = 3,
    /// Its giver took it back: it is not served, trained on or paid any more, and nodes drop its bytes.
    Revoked = 4,
}

datanet_types::enum_text!(status_text, super::Status);
datanet_types::enum_text!(format_text, datanet_types::record::Format);

/// A batch of records given to a datanet.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Contribution {
    /// Its id.
    #[prost(message, required, tag = "1")]
    pub id: ContributionId,
    /// The datanet it was given to.
    #[prost(message, required, tag = "2")]
    pub datanet: DatanetId,
    /// Who gave it.
    #[prost(message, required, tag = "3")]
    pub contributor: Address,
    /// BLAKE3 of the bytes.
    #[prost(message, required, tag = "4")]
    pub blob: BlobHash,
    /// Bytes.
    #[prost(uint64, tag = "5")]
    pub size: u64,
    /// How the bytes are written.
    #[prost(enumeration = "Format", tag = "6")]
    #[serde(with = "format_text")]
    pub format: i32,
    /// Records.
    #[prost(uint64, tag = "7")]
    pub records: u64,
    /// Merkle root over the records, keyed by the contributor ([`datanet_types::record::record_root`]).
    #[prost(message, required, tag = "8")]
    pub record_root: Digest,
    /// Base units locked until it is final or refused.
    #[prost(uint64, tag = "9")]
    pub bond: Amount,
    /// Base units paid to whoever judged it.
    #[prost(uint64, tag = "10")]
    pub review_fee: Amount,
    /// The node that held the bytes first.
    #[prost(message, required, tag = "11")]
    pub origin: NodeKey,
    /// Its number in its datanet, from 0: who came first.
    #[prost(uint64, tag = "12")]
    pub seq: u64,
    /// Height at which it was given.
    #[prost(uint64, tag = "13")]
    pub submitted_height: u64,
    /// Consensus time then, in seconds since 1970. For display.
    #[prost(int64, tag = "14")]
    pub submitted_time: i64,
    /// Where it stands.
    #[prost(enumeration = "Status", tag = "15")]
    #[serde(with = "status_text")]
    pub status: i32,
    /// Its present (or last) round of judging: 0, or 1 after a redraw.
    #[prost(uint32, tag = "16")]
    pub round: u32,
    /// Storage nodes that say they keep it.
    #[prost(uint32, tag = "17")]
    pub attestations: u32,
    /// The committee's scores, once tallied.
    #[prost(message, optional, tag = "18")]
    pub scores: Option<Scores>,
    /// The combined score that its datanet wanted when it was judged; 0 where it was not.
    #[prost(uint32, tag = "19")]
    pub wanted: u32,
    /// Height of the verdict; 0 before it.
    #[prost(uint64, tag = "20")]
    pub verdict_height: u64,
    /// Height from which it is final; 0 before that.
    #[prost(uint64, tag = "21")]
    pub final_height: u64,
    /// How often its giver gave the same bytes before.
    #[prost(uint32, tag = "22")]
    pub attempt: u32,
    /// Its place in the datanet's history where it became final, from 1; 0 before that.
    #[prost(uint64, tag = "23")]
    pub final_position: u64,
    /// Height of its revocation; 0 if there is none.
    #[prost(uint64, tag = "24")]
    pub revoked_height: u64,
    /// The place in the datanet's history where it was revoked; 0 if it was not, or was never final.
    #[prost(uint64, tag = "25")]
    pub revoked_position: u64,
    /// How many committees have refused the same bytes of the same giver before this one.
    #[prost(uint32, tag = "26")]
    pub refusals: u32,
    /// Whether it was refused because most of its judges could not get the bytes.
    #[prost(bool, tag = "27")]
    pub unavailable: bool,
    /// The number of the datanet's held-out set that it is judged with, whichever committee does.
    #[prost(uint32, tag = "28")]
    #[serde(default)]
    pub holdout: u32,
}

impl Contribution {
    /// Whether it was refused because nobody judged it, which costs nothing.
    pub fn is_unjudged(&self) -> bool {
        self.status() == Status::Refused && self.scores.is_none() && !self.unavailable
    }

    /// Why the verdict is what it is, in words; empty before it. State holds the numbers alone, from which the words are made.
    pub fn reason(&self) -> String {
        match self.scores {
            _ if self.verdict_height == 0 => String::new(),
            Some(scores) if scores.combined() >= self.wanted => format!(
                "accepted: the lowest score, {}, is {}; this datanet wants at least {}",
                scores.weakest(),
                scores.combined(),
                self.wanted
            ),
            Some(scores) => format!(
                "refused: {} is {}; this datanet wants at least {}",
                scores.weakest(),
                scores.combined(),
                self.wanted
            ),
            None if self.unavailable => {
                "refused: unavailable; judges with most of the seats could not get the bytes, keep the node \
                                         that has them reachable"
                    .to_owned()
            }
            None => "refused: unjudged; too few validators revealed, nothing is lost, give it again".to_owned(),
        }
    }

    /// How many committees have refused these bytes of this giver, itself included.
    pub fn refusals_so_far(&self) -> u32 {
        let judged = self.status() == Status::Refused && self.scores.is_some();
        self.refusals.saturating_add(u32::from(judged))
    }

    /// Whether it was final at `height`, whatever became of it later.
    pub fn was_final_at(&self, height: u64) -> bool {
        let before = self.final_height > 0 && self.final_height <= height;
        before && (self.revoked_height == 0 || height < self.revoked_height)
    }

    /// Whether nodes are to keep its bytes: it is neither refused nor revoked.
    pub fn is_wanted(&self) -> bool {
        !matches!(self.status(), Status::Refused | Status::Revoked)
    }

    /// Whether somebody earns by it, or may come to: it was final once, or can still be.
    pub fn may_earn(&self) -> bool {
        self.is_wanted() || self.final_height > 0
    }

    /// Whether a verdict or attestations are still to come.
    pub fn is_open(&self) -> bool {
        matches!(self.status(), Status::Judging | Status::Accepted)
    }
}

/// A storage node's word.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Attestation {
    /// Which node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// When.
    #[prost(uint64, tag = "2")]
    pub height: u64,
}
