//! What each check says of the facts: `Ok` with how it is, or `Err` with what is wrong and what to do.

use std::time::Duration;

use tokio::time::Instant;

use crate::workers::contributions::Progress;

/// How long consensus may take for a block that is due: several rounds, with proposers that do not answer.
const DUE: Duration = Duration::from_secs(20);
/// How long the contributions worker may take to look at a block.
const LOOK: Duration = Duration::from_secs(20);
/// Final contributions that may wait at a node that has caught up, however few are indexed.
const FEW: usize = 16;

type Said = Result<String, String>;

/// What is known of consensus.
#[derive(Debug, Clone, Default)]
pub(super) struct Consensus {
    /// Of the last block executed here.
    pub height: u64,
    /// How long ago that was.
    pub since_block: Duration,
    /// How often an idle chain makes a block.
    pub idle: Duration,
    /// Whether old blocks are still fetched.
    pub catching_up: bool,
    /// Transactions that wait for the next block, and how long they have waited for it.
    pub waiting: Option<(u64, Duration)>,
    /// When the network begins, if that is still to come.
    pub begins: Option<String>,
    /// Why CometBFT does not say how it is, if it doesn't.
    pub silent: Option<String>,
}

/// Consensus moves, or has nothing to do.
pub(super) fn consensus(facts: &Consensus) -> Said {
    let since = facts.since_block.as_secs();
    if let Some(reason) = facts.begins.as_ref().or(facts.silent.as_ref()) {
        return Err(reason.clone());
    }
    if facts.height == 0 {
        return Err("the ledger has no block yet; wait a moment".to_owned());
    }
    if facts.catching_up {
        return Err(format!("at height {} the ledger is catching up with its peers; wait a moment", facts.height));
    }
    let hint = "are more than two thirds of the validators there and connected?";
    if facts.since_block > facts.idle.saturating_add(DUE) {
        let due = facts.idle.as_secs_f64();
        return Err(format!("no block for {since} s, although one is due every {due} s; {hint}"));
    }
    match facts.waiting {
        Some((count, long)) if long > DUE => {
            Err(format!("{count} transactions have waited {} s for a block; {hint}", long.as_secs()))
        }
        _ => Ok(format!("height {}, {since} s ago", facts.height)),
    }
}

/// Since when transactions wait for one and the same block.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: Option<(u64, Instant)>,
}

impl Waiting {
    /// So many wait after the block at `height`: how long some have been seen to.
    pub(super) fn seen(&mut self, count: u64, height: u64, now: Instant) -> Option<(u64, Duration)> {
        let since = match self.since {
            _ if count == 0 => None,
            Some((at, since)) if at == height => Some(since),
            _ => Some(now),
        };
        self.since = since.map(|since| (height, since));
        since.map(|since| (count, now.duration_since(since)))
    }
}

/// Data can be had from others, unless there are none.
pub(super) fn peers(connected: usize, others: bool) -> Said {
    match (connected, others) {
        (0, false) => Ok("this node is alone".to_owned()),
        (0, true) => Err("no peer of the data network is connected, so nobody's bytes can be had; see p2p.bootstrap, \
                          p2p.listen and `datanet peers`"
            .to_owned()),
        (connected, _) => Ok(format!("{connected} connected")),
    }
}

/// Whether a node that has looked at all blocks has what was final when it started: all but a fifth that still waits,
/// and something of it. What nobody gives is not waited for, if others give theirs.
pub(super) fn has_caught_up(progress: &Progress) -> bool {
    progress.waiting <= progress.indexed / 4 && (progress.indexed > 0 || progress.failing == 0)
}

/// What is final can be searched.
pub(super) fn index(progress: &Progress, indexes: bool, caught_up: bool) -> Said {
    let Progress { indexed, waiting, failing, .. } = *progress;
    if !indexes {
        return Ok("without an embedding model nothing is indexed; see the model".to_owned());
    }
    let how = format!("{indexed} final contributions are indexed, {waiting} wait, {failing} could not be had");
    // Else strangers who give much at once would make nodes look unready that answer well.
    let within = if caught_up { waiting <= indexed.max(FEW) } else { has_caught_up(progress) };
    match within {
        true => Ok(how),
        false if indexed == 0 && waiting == 0 => Err(format!("{how}: is this node reachable, and are its peers?")),
        false => Err(format!("{how}; wait until they are")),
    }
}

/// The worker looks at every block.
pub(super) fn tasks(progress: &Progress, height: u64, since_block: Duration, stopping: bool) -> Said {
    if stopping {
        return Err("the node is shutting down".to_owned());
    }
    if progress.height < height && since_block > LOOK {
        let detail = "the log says why, or it hangs: start the node again";
        return Err(format!(
            "the contributions worker has looked at height {} and no further; {detail}",
            progress.height
        ));
    }
    Ok(format!("all run; the contributions worker has looked at height {}", progress.height))
}

/// There is room; both in bytes.
pub(super) fn disk(free: u64, min_free: u64) -> Said {
    let mib = |bytes: u64| bytes / (1024 * 1024);
    if free < min_free {
        let (free, least) = (mib(free), mib(min_free));
        return Err(format!("{free} MiB are free, at least {least} must be (health.min_free_mb); free some"));
    }
    Ok(format!("{} MiB are free", mib(free)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn moving() -> Consensus {
        Consensus { height: 7, idle: Duration::from_secs(5), ..Consensus::default() }
    }

    #[test]
    fn a_chain_that_has_stood_still_for_a_minute_is_not_ready() {
        assert!(consensus(&moving()).is_ok());
        let still = consensus(&Consensus { since_block: MINUTE, ..moving() }).unwrap_err();
        assert!(still.contains("no block for 60 s") && still.contains("two thirds"), "{still}");
    }

    #[test]
    fn a_chain_with_nothing_to_do_is_ready_until_something_waits() {
        let idle = Consensus { since_block: HOUR, idle: HOUR, ..moving() };
        assert!(consensus(&idle).is_ok());
        let just_now = Consensus { waiting: Some((1, Duration::from_secs(1))), ..idle.clone() };
        assert!(consensus(&just_now).is_ok());
        let stuck = consensus(&Consensus { waiting: Some((3, MINUTE)), ..idle }).unwrap_err();
        assert!(stuck.contains("3 transactions have waited 60 s"), "{stuck}");
    }

    #[test]
    fn a_chain_that_starts_fetches_or_does_not_answer_is_not_ready() {
        for (facts, says) in [
            (Consensus { height: 0, ..moving() }, "no block yet"),
            (Consensus { catching_up: true, ..moving() }, "catching up"),
            (Consensus { silent: Some("gone".into()), ..moving() }, "gone"),
            (Consensus { begins: Some("at noon".into()), silent: Some("gone".into()), ..moving() }, "at noon"),
        ] {
            let said = consensus(&facts).unwrap_err();
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn transactions_wait_since_they_were_first_seen_and_a_block_starts_anew() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        assert_eq!(waiting.seen(0, 1, now), None);
        assert_eq!(waiting.seen(2, 1, now), Some((2, Duration::ZERO)));
        assert_eq!(waiting.seen(3, 1, now + MINUTE), Some((3, MINUTE)));
        assert_eq!(waiting.seen(3, 2, now + MINUTE), Some((3, Duration::ZERO)));
        assert_eq!(waiting.seen(0, 2, now + MINUTE), None);
    }

    #[test]
    fn a_node_among_others_needs_one_of_them() {
        assert!(peers(0, false).is_ok() && peers(1, true).is_ok());
        assert!(peers(0, true).unwrap_err().contains("p2p.bootstrap"));
    }

    fn progress(indexed: usize, waiting: usize, failing: usize) -> Progress {
        Progress { height: 9, indexed, waiting, failing }
    }

    #[test]
    fn who_joins_is_ready_once_it_has_what_can_be_had() {
        for (found, ready) in [
            (progress(0, 0, 0), true),
            (progress(0, 1, 0), false),
            (progress(3, 1, 0), false),
            (progress(4, 1, 0), true),
            // Nobody gives anything: it is this node that cannot be reached.
            (progress(0, 0, 5), false),
            // What strangers gave and nobody has keeps nobody from being ready.
            (progress(1, 0, 50), true),
        ] {
            assert_eq!(index(&found, true, false).is_ok(), ready, "{found:?}");
        }
    }

    #[test]
    fn much_that_strangers_give_at_once_makes_no_node_unready_that_had_caught_up() {
        assert!(index(&progress(0, 16, 3), true, true).is_ok());
        assert!(index(&progress(200, 150, 1_000), true, true).is_ok());
        assert!(index(&progress(200, 250, 0), true, true).is_err());
        assert!(index(&progress(0, 100, 0), false, false).is_ok(), "without a model the model is what is missing");
    }

    #[test]
    fn a_worker_that_hangs_a_full_disk_and_a_node_that_stops_are_not_ready() {
        let second = Duration::from_secs(1);
        assert!(tasks(&progress(0, 0, 0), 10, second, false).is_ok(), "it has a moment");
        assert!(tasks(&progress(0, 0, 0), 9, MINUTE, false).is_ok());
        assert!(tasks(&progress(0, 0, 0), 10, MINUTE, false).unwrap_err().contains("height 9"));
        assert!(tasks(&progress(0, 0, 0), 9, second, true).unwrap_err().contains("shutting down"));
        assert!(disk(1 << 30, 1 << 29).is_ok() && disk(0, 0).is_ok());
        assert!(disk(1 << 29, 1 << 30).unwrap_err().contains("512 MiB are free, at least 1024"));
    }
}
