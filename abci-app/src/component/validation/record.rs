//! A round of judging as the ledger keeps it.

use datanet_types::{Address, Amount, BlobHash, ContributionId, Digest, NodeKey, Scores};

/// Where a round stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Phase {
    /// Members judge and commit.
    Commit = 0,
    /// Members reveal.
    Reveal = 1,
    /// Tallied.
    Judged = 2,
    /// Too few revealed, or they did not agree whether there was anything to judge.
    Unjudged = 3,
    /// Waits for its committee to be drawn.
    Draw = 4,
    /// Most of those who revealed could not get the bytes.
    Unavailable = 5,
}

datanet_types::enum_text!(phase_text, super::Phase);

/// A committee member, as it was when it was drawn.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Member {
    /// Who judges.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Its node.
    #[prost(message, required, tag = "2")]
    pub node: NodeKey,
    /// Its stake then, in base units.
    #[prost(uint64, tag = "3")]
    pub stake: Amount,
    /// Its reputation then, in basis points.
    #[prost(uint32, tag = "4")]
    pub reputation_bps: u32,
    /// How close its scores were, in basis points; none before the tally, or if it did not reveal.
    #[prost(uint32, optional, tag = "5")]
    pub accuracy_bps: Option<u32>,
    /// What it was paid, in base units.
    #[prost(uint64, tag = "6")]
    pub reward: Amount,
    /// Its seats: how often it was drawn. Each has one vote.
    #[prost(uint32, tag = "7")]
    pub seats: u32,
    /// Whether it revealed in time; set once the round is over, and kept when what it revealed is forgotten.
    #[prost(bool, tag = "8")]
    pub revealed: bool,
}

/// A round of judging: one committee, one chance.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Round {
    /// What is judged.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// Its number: 0, or 1 for the redraw.
    #[prost(uint32, tag = "2")]
    pub number: u32,
    /// What the committee was drawn from.
    #[prost(message, required, tag = "3")]
    pub seed: Digest,
    /// Who judges, in the order drawn.
    #[prost(message, repeated, tag = "4")]
    pub committee: Vec<Member>,
    /// Where the round stands.
    #[prost(enumeration = "Phase", tag = "5")]
    #[serde(with = "phase_text")]
    pub phase: i32,
    /// Block time up to which commitments are taken, in seconds since 1970; 0 as long as the committee is not drawn.
    #[prost(uint64, tag = "6")]
    pub commit_deadline: u64,
    /// Block time up to which reveals are taken; 0 as long as commitments are awaited.
    #[prost(uint64, tag = "7")]
    pub reveal_deadline: u64,
    /// Members that committed.
    #[prost(uint32, tag = "8")]
    pub committed: u32,
    /// Members that revealed.
    #[prost(uint32, tag = "9")]
    pub revealed: u32,
    /// When the ledger looks at it next: a height before its committee is drawn, then a block time in seconds since 1970; 0 once it is over.
    #[prost(uint64, tag = "10")]
    pub due: u64,
    /// The tally.
    #[prost(message, optional, tag = "11")]
    pub scores: Option<Scores>,
    /// The height at whose beginning the committee is drawn.
    #[prost(uint64, tag = "12")]
    pub draw_height: u64,
}

impl Round {
    /// The member that speaks through `account`.
    pub fn member(&self, account: &Address) -> Option<&Member> {
        self.committee.iter().find(|member| member.account == *account)
    }

    /// All seats.
    pub fn seats(&self) -> u32 {
        self.committee.iter().fold(0, |sum, member| sum.saturating_add(member.seats))
    }
}

/// A commitment as stored.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Committed {
    /// The commitment.
    #[prost(message, required, tag = "1")]
    pub commitment: Digest,
    /// When.
    #[prost(uint64, tag = "2")]
    pub height: u64,
}

/// A member's judgement.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Reveal {
    /// Who judged.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// The scores; none if it could not get the bytes.
    #[prost(message, optional, tag = "2")]
    pub scores: Option<Scores>,
    /// Blob of the report with the reasons.
    #[prost(message, required, tag = "3")]
    pub report: BlobHash,
    /// When.
    #[prost(uint64, tag = "4")]
    pub height: u64,
}
