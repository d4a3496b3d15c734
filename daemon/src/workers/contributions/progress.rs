//! How far the worker is with what is final, for those who ask whether the node is ready.

use super::track::Track;

/// See the module.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last height whose state was looked at.
    pub height: u64,
    /// Final contributions that are done with.
    pub indexed: usize,
    /// Final contributions that are fetched or indexed now, or wait for that.
    pub waiting: usize,
    /// Final contributions of which the last try failed, mostly because nobody gave the bytes.
    pub failing: usize,
}

impl Progress {
    /// Of those that are not done with, at `height`.
    pub(super) fn of<'a>(height: u64, indexed: usize, tracks: impl Iterator<Item = &'a Track>) -> Self {
        let mut progress = Self { height, indexed, ..Self::default() };
        for track in tracks.filter(|track| track.side.is_some_and(|(_, side)| side.is_final)) {
            let count = if track.is_failing() { &mut progress.failing } else { &mut progress.waiting };
            *count = count.saturating_add(1);
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use datanet_types::{Address, ContributionId};

    use super::super::track::{LedgerSide, Step};
    use super::*;

    fn track(is_final: bool) -> Track {
        let side = LedgerSide { is_final, ..LedgerSide::default() };
        let mut track = Track::new(ContributionId::ZERO, Address([0; 20]));
        track.side = Some((5, side));
        track
    }

    #[test]
    fn only_what_is_final_counts_and_a_failed_try_is_told_apart_until_one_succeeds() {
        let mut tracks = [track(true), track(true), track(false), Track::new(ContributionId::ZERO, Address([0; 20]))];
        tracks[0].failed(Step::Fetch, Instant::now());
        let progress = |tracks: &[Track]| Progress::of(5, 3, tracks.iter());
        assert_eq!(progress(&tracks), Progress { height: 5, indexed: 3, waiting: 1, failing: 1 });
        tracks[0].succeeded(Step::Fetch);
        assert_eq!(progress(&tracks), Progress { height: 5, indexed: 3, waiting: 2, failing: 0 });
    }
}
