//! An audit as the ledger keeps it.

use std::collections::BTreeSet;

use datanet_types::action::Finding;
use datanet_types::finding::FindingCommitment;
use datanet_types::id::tagged_hash;
use datanet_types::{Address, Amount, Digest, NodeKey};

use crate::component::settlement::Place;
use crate::component::{Params, params, settlement};
use crate::state::{StateError, StateRead};

/// Where an audit stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Phase {
    /// Waits for its committee to be drawn.
    Draw = 0,
    /// Its committee makes the epoch again and commits to what it found.
    Commit = 1,
    /// The epoch is right.
    Upheld = 2,
    /// The epoch is false.
    False = 3,
    /// The epoch could not be shown.
    Unavailable = 4,
    /// Too few said anything, in every round.
    Undecided = 5,
    /// Its committee shows what it committed to.
    Reveal = 6,
    /// The epoch's very statement was nowhere: those who attested it are fined.
    Missing = 7,
}

impl Phase {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draw => "draw",
            Self::Commit => "commit",
            Self::Reveal => "reveal",
            Self::Upheld => "upheld",
            Self::False => "false",
            Self::Unavailable => "unavailable",
            Self::Undecided => "undecided",
            Self::Missing => "missing",
        }
    }
}

/// What a seat holder said.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Said {
    /// Nothing, or nothing that anybody can see yet.
    Nothing = 0,
    /// [`Finding::Correct`].
    Correct = 1,
    /// [`Finding::False`].
    False = 2,
    /// [`Finding::Unavailable`].
    Unavailable = 3,
    /// [`Finding::Missing`].
    Missing = 4,
}

impl Said {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Correct => "correct",
            Self::False => "false",
            Self::Unavailable => "unavailable",
            Self::Missing => "missing",
        }
    }
}

impl From<Finding> for Said {
    fn from(finding: Finding) -> Self {
        match finding {
            Finding::Correct => Self::Correct,
            Finding::False => Self::False,
            Finding::Unavailable => Self::Unavailable,
            Finding::Missing => Self::Missing,
        }
    }
}

datanet_types::enum_text!(phase_text, super::Phase);
datanet_types::enum_text!(said_text, super::Said);

/// A member of the committee.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Auditor {
    /// Who audits.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Its node.
    #[prost(message, required, tag = "2")]
    pub node: NodeKey,
    /// How often it was drawn: each seat has one vote.
    #[prost(uint32, tag = "3")]
    pub seats: u32,
    /// What it found, once it has shown that.
    #[prost(enumeration = "Said", tag = "4")]
    #[serde(with = "said_text")]
    pub said: i32,
    /// What it was paid, in base units.
    #[prost(uint64, tag = "5")]
    pub reward: Amount,
    /// Hides what it found.
    #[prost(message, optional, tag = "6")]
    pub commitment: Option<Digest>,
}

/// The audit of an epoch.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Audit {
    /// Whose epoch.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its number.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Who doubts it.
    #[prost(message, required, tag = "3")]
    pub challenger: Address,
    /// What the challenger put up, in base units.
    #[prost(uint64, tag = "4")]
    pub deposit: Amount,
    /// Seats of its committee.
    #[prost(uint32, tag = "11")]
    pub seats: u32,
    /// What its committee was drawn from, and the answers that are computed again.
    #[prost(message, required, tag = "12")]
    pub seed: Digest,
    /// Answers that the challenger points at.
    #[prost(uint64, repeated, tag = "13")]
    pub suspects: Vec<u64>,
    /// Number of the committee, from 0.
    #[prost(uint32, tag = "5")]
    pub round: u32,
    /// Where it stands.
    #[prost(enumeration = "Phase", tag = "6")]
    #[serde(with = "phase_text")]
    pub phase: i32,
    /// The height at whose beginning the committee is drawn.
    #[prost(uint64, tag = "7")]
    pub draw_height: u64,
    /// Block time up to which commitments are taken, in seconds since 1970; 0 before the committee is drawn.
    #[prost(uint64, tag = "8")]
    pub commit_deadline: u64,
    /// Who audits, in the order drawn.
    #[prost(message, repeated, tag = "9")]
    pub committee: Vec<Auditor>,
    /// When the ledger looks at it next: a height before its committee is drawn, then a block time in seconds since 1970; 0 once it is over.
    #[prost(uint64, tag = "10")]
    pub due: u64,
    /// Block time up to which findings are shown; 0 as long as commitments are awaited.
    #[prost(uint64, tag = "14")]
    pub reveal_deadline: u64,
}

impl Audit {
    /// The answers of so many that every auditor computes again: those that the challenger points at, and `count` drawn by the seed, which
    /// nobody knew when the epoch was settled.
    pub fn sample(&self, answers: u64, count: u64) -> BTreeSet<u64> {
        let drawn = (0..count).filter_map(|at| {
            let hash = tagged_hash("datanet/audit-sample/v1", &[&self.seed.0, &at.to_le_bytes()]);
            let (half, _) = hash.split_first_chunk::<16>()?;
            u64::try_from(u128::from_le_bytes(*half).checked_rem(answers.into())?).ok()
        });
        self.suspects.iter().copied().filter(|at| *at < answers).chain(drawn).collect()
    }

    /// What hides that `auditor`, who has a seat, found this.
    pub fn commitment(&self, chain_id: &str, auditor: &Address, finding: Finding, salt: &Digest) -> Digest {
        let (node, epoch, committee) = (&self.node, self.epoch, &self.seed);
        FindingCommitment { chain_id, node, epoch, committee, auditor, finding, salt }.digest()
    }

    /// Who has committed.
    pub(super) fn committed(&self) -> impl Iterator<Item = &Auditor> {
        self.committee.iter().filter(|auditor| auditor.commitment.is_some())
    }

    /// The parameters that it goes by: those that its epoch was settled under.
    pub(super) fn params<S: StateRead>(&self, state: &S) -> Result<Params, StateError> {
        params::at(state, settlement::expect(state, &self.node, self.epoch)?.height)
    }

    pub(super) fn place(&self) -> Place {
        Place { node: self.node, epoch: self.epoch }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_auditor_computes_the_same_answers_again_and_those_that_are_pointed_at() {
        let audit = Audit { seed: Digest([5; 32]), suspects: vec![3, 7, 900], ..Audit::default() };
        let sample = audit.sample(100, 8);
        assert_eq!(sample, audit.sample(100, 8));
        assert!(sample.contains(&3) && sample.contains(&7), "{sample:?}");
        assert!(sample.iter().all(|at| *at < 100) && sample.len() > 6, "{sample:?}");
        assert_ne!(sample, Audit { seed: Digest([6; 32]), ..audit.clone() }.sample(100, 8));
        assert_eq!(audit.sample(0, 8).len(), 0);
    }
}
