//! A contribution as the ledger keeps it.

use datanet_types::amount::{BPS, mul_div};
use datanet_types::record::Format;
use datanet_types::{Address, Amount, BlobHash, ContributionId, DatanetId, Digest, NodeKey, Scores};

use crate::component::Params;

/// Where a contribution stands. `Storing -> Judging -> Final`; `Storing` and `Judging` may end as `Refused`, and its giver may turn
/// `Final` into `Revoked`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Status {
    /// Waits for as many nodes as its datanet wants to say that they keep it; nobody is drawn before.
    Storing = 0,
    /// A committee is at it.
    Judging = 1,
    /// Not good enough, not to be had, or nobody judged it.
    Refused = 2,
    /// Kept by enough nodes, and good enough: from here on it earns.
    Final = 3,
    /// Its giver took it back, or a second committee found it not good enough: it is not served, trained on or paid any more, and nodes drop
    /// its bytes.
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
    /// Base units locked until its verdict is final.
    #[prost(uint64, tag = "9")]
    pub bond: Amount,
    /// Base units for whoever judged it, once the verdict is final.
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
    /// The round that passed its verdict, or is to: 0, or 1 after a redraw; one more after a verdict that a second committee overturned to
    /// accept it. Whoever judged in it earns with it, so that it never changes once it is final.
    #[prost(uint32, tag = "16")]
    pub round: u32,
    /// Storage nodes that say they keep it; those that make up its datanet's quorum, and whoever came later.
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
    /// Whether it was refused because too few nodes said in time that they keep it.
    #[prost(bool, tag = "28")]
    pub unstored: bool,
    /// Block time up to which nodes can say so before it is judged, in seconds since 1970.
    #[prost(uint64, tag = "29")]
    pub store_by: u64,
    /// Block time up to which its verdict can be challenged, in seconds since 1970; 0 once it is final, or as long as there is none.
    #[prost(uint64, tag = "30")]
    pub challenge_until: u64,
    /// Whether its verdict is challenged, and a second committee is at it.
    #[prost(bool, tag = "31")]
    pub challenged: bool,
    /// The number of the datanet's held-out set that it is judged with, whichever committee does.
    #[prost(uint32, tag = "32")]
    #[serde(default)]
    pub holdout: u32,
}

impl Contribution {
    /// Whether it was refused because nobody judged what was there, which costs nothing.
    pub fn is_unjudged(&self) -> bool {
        self.status() == Status::Refused && self.scores.is_none() && !self.unavailable && !self.unstored
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
            None if self.unstored => "refused: not stored; too few nodes said in time that they keep the bytes, so nobody was drawn to judge \
                                      them; keep the node that has them reachable and give them again"
                .to_owned(),
            None => "refused: unjudged; too few validators revealed, nothing is lost, give it again".to_owned(),
        }
    }

    /// How many committees have refused these bytes of this giver, itself included.
    pub fn refusals_so_far(&self) -> u32 {
        self.refusals.saturating_add(u32::from(self.is_too_bad()))
    }

    /// Whether its scores are below what its datanet wanted.
    fn is_too_bad(&self) -> bool {
        self.scores.is_some_and(|scores| scores.combined() < self.wanted)
    }

    /// What its verdict takes of the bond: a part where it was not good enough; all where it was not to be had, for whoever makes others look
    /// for nothing pays for it.
    pub fn penalty(&self, params: &Params) -> Amount {
        match (self.unavailable, self.is_too_bad()) {
            (true, _) => self.bond,
            (false, true) => mul_div(self.bond, u64::from(params.bond_penalty_bps), BPS).unwrap_or(0),
            (false, false) => 0,
        }
    }

    /// The round that a committee is at, or was last: a challenge's comes behind the one that passed the verdict.
    pub fn judging_round(&self) -> u32 {
        self.round.saturating_add(u32::from(self.challenged))
    }

    /// Whether a committee is at it, or is to be drawn.
    pub fn is_before_judges(&self) -> bool {
        matches!(self.status(), Status::Storing | Status::Judging) || self.challenged
    }

    /// Whether it was refused, and that cannot change any more: nobody needs its bytes.
    pub fn is_refused_for_good(&self) -> bool {
        self.status() == Status::Refused && !self.is_disputable()
    }

    /// Whether it was final, and a second committee found that it should not be.
    pub fn is_overturned(&self) -> bool {
        self.status() == Status::Revoked && (self.unavailable || self.is_too_bad())
    }

    /// Whether its verdict can still become another.
    pub fn is_disputable(&self) -> bool {
        self.challenge_until != 0 || self.challenged
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

    /// Whether attestations or a verdict are still to come.
    pub fn is_open(&self) -> bool {
        matches!(self.status(), Status::Storing | Status::Judging)
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
    /// Its place among the contribution's, from 0: the first ones, up to the datanet's quorum, had it judged.
    #[prost(uint32, tag = "3")]
    pub place: u32,
}

/// A node whose word was one of those that had a contribution judged, and who answers for it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Keeper {
    /// Which node.
    #[prost(message, required, tag = "1")]
    pub node: NodeKey,
    /// Its account, which is the same for good.
    #[prost(message, required, tag = "2")]
    pub account: Address,
}
