//! A validator's judgement: four scores in basis points, or that there was nothing to judge, and the commitment that
//! hides it until the reveal.

use crate::id::{BlobHash, ContributionId, DatanetId, Digest, tagged_hash};
use crate::{Address, amount::BPS};

/// Scores in basis points, 0 to 10,000 each.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Scores {
    /// Share of records that fit the schema and the encoding.
    #[prost(uint32, tag = "1")]
    pub validity: u32,
    /// How well written and informative the records are.
    #[prost(uint32, tag = "2")]
    pub quality: u32,
    /// Share of records that nobody gave before.
    #[prost(uint32, tag = "3")]
    pub uniqueness: u32,
    /// How much the records help with the held-out set; 5,000 is what random labels would give.
    #[prost(uint32, tag = "4")]
    pub usefulness: u32,
}

impl Scores {
    /// Names of the dimensions, in the order of [`Scores::as_array`].
    pub const NAMES: [&'static str; 4] = ["validity", "quality", "uniqueness", "usefulness"];

    /// The four scores, in the order of [`Scores::NAMES`].
    pub fn as_array(&self) -> [u32; 4] {
        [self.validity, self.quality, self.uniqueness, self.usefulness]
    }

    /// The reverse of [`Scores::as_array`].
    pub fn from_array([validity, quality, uniqueness, usefulness]: [u32; 4]) -> Self {
        Self { validity, quality, uniqueness, usefulness }
    }

    /// Whether every score is within 0 to 10,000.
    pub fn in_range(&self) -> bool {
        self.as_array().iter().all(|score| u64::from(*score) <= BPS)
    }

    /// The combined score: the lowest of the four. A batch is as good as its weakest side: fine prose that
    /// somebody else wrote, or original text with wrong labels, must not pass on its strengths.
    pub fn combined(&self) -> u32 {
        self.as_array().into_iter().min().unwrap_or(0)
    }

    /// Name of the lowest score: why a batch that fails was refused.
    pub fn weakest(&self) -> &'static str {
        let weakest = self.as_array().into_iter().zip(Self::NAMES).min_by_key(|(score, _)| *score);
        weakest.map_or(Self::NAMES[0], |(_, name)| name)
    }
}

/// What a commitment binds.
#[derive(Debug, Clone, Copy)]
pub struct Commitment<'a> {
    /// The chain.
    pub chain_id: &'a str,
    /// The datanet judged for.
    pub datanet: &'a DatanetId,
    /// The contribution judged.
    pub contribution: &'a ContributionId,
    /// Its bytes.
    pub blob: &'a BlobHash,
    /// Who judges.
    pub validator: &'a Address,
    /// The scores; none says that the bytes were not to be had.
    pub scores: Option<&'a Scores>,
    /// The blob with the reasons.
    pub report: &'a BlobHash,
    /// 32 random bytes that hide the scores until the reveal.
    pub salt: &'a Digest,
}

impl Commitment<'_> {
    /// The 32 bytes put on the ledger before anybody reveals.
    pub fn digest(&self) -> Digest {
        // No scores are no bytes: each part is hashed with its length.
        let scores: Vec<u8> =
            self.scores.iter().flat_map(|scores| scores.as_array()).flat_map(u32::to_le_bytes).collect();
        Digest(tagged_hash(
            "datanet/score-commitment/v2",
            &[
                self.chain_id.as_bytes(),
                &self.datanet.0,
                &self.contribution.0,
                &self.blob.0,
                &self.validator.0,
                &scores,
                &self.report.0,
                &self.salt.0,
            ],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_combined_score_is_the_weakest() {
        let scores = Scores { validity: 10_000, quality: 8_000, uniqueness: 500, usefulness: 7_000 };
        assert_eq!(scores.combined(), 500);
        assert_eq!(scores.weakest(), "uniqueness");
    }

    #[test]
    fn a_commitment_belongs_to_one_validator_and_one_contribution() {
        let scores = Scores::default();
        let base = Commitment {
            chain_id: "c",
            datanet: &DatanetId([1; 32]),
            contribution: &ContributionId([2; 32]),
            blob: &BlobHash([3; 32]),
            validator: &Address([4; 20]),
            scores: Some(&scores),
            report: &BlobHash([5; 32]),
            salt: &Digest([6; 32]),
        };
        let other = Commitment { validator: &Address([9; 20]), ..base };
        assert_ne!(base.digest(), other.digest());
        let other = Commitment { contribution: &ContributionId([9; 32]), ..base };
        assert_ne!(base.digest(), other.digest());
        assert_ne!(base.digest(), Commitment { scores: None, ..base }.digest(), "worthless is not unavailable");
    }
}
