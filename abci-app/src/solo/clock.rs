//! Where the solo engine's block times come from.
//!
//! The engine stands outside of the deterministic part, like CometBFT: it puts a time into a block, and all who execute the
//! block read it there.

use std::sync::Arc;

/// Gives the time of a block, in seconds since 1970, from its height.
pub type Clock = Arc<dyn Fn(u64) -> i64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|_height| now())
}

#[expect(clippy::disallowed_methods, reason = "the engine proposes block times; execution reads them from the block")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
