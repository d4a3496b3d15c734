//! How often each of many callers may do something, in bounded memory.
//!
//! A bucket each that fills at a steady rate, kept as the one time at which it will be full again (the generic cell rate algorithm). Whoever's
//! bucket is full is not kept at all, so that only those count who have asked lately. When there are too many of those, whoever is new shares
//! one bucket with all others that are new: strangers with many addresses take room from newcomers, and from nobody who is known.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many in a minute, at least 1.
    pub per_minute: u32,
    /// So many at once, at least 1.
    pub burst: u32,
}

impl Rate {
    fn each(self) -> Duration {
        Duration::from_secs(60).checked_div(self.per_minute.max(1)).unwrap_or(Duration::from_secs(60))
    }

    fn room(self) -> Duration {
        self.each().saturating_mul(self.burst.max(1))
    }
}

/// Buckets by whom they belong to.
#[derive(Debug)]
pub struct RateLimiter<K> {
    rate: Rate,
    most: usize,
    began: Instant,
    buckets: Mutex<Buckets<K>>,
}

#[derive(Debug)]
struct Buckets<K> {
    /// When each is full again, since the beginning. Strangers choose the keys, and this map's hashes are random.
    full_at: HashMap<K, Duration>,
    /// That of all who are new while there is no room.
    newcomers: Duration,
    /// When those were dropped last that are full.
    pruned: Duration,
}

impl<K: Eq + Hash + Clone> RateLimiter<K> {
    /// Buckets that fill at `rate`, for `most` at once.
    pub fn new(rate: Rate, most: usize) -> Self {
        let buckets = Buckets { full_at: HashMap::default(), newcomers: Duration::ZERO, pruned: Duration::ZERO };
        Self { rate, most, began: Instant::now(), buckets: Mutex::new(buckets) }
    }

    /// Takes `cost` out of the bucket of `who`.
    ///
    /// # Errors
    /// When it does not hold that much: seconds until it does.
    pub fn take(&self, who: &K, cost: u32) -> Result<(), u64> {
        self.take_at(who, cost, self.began.elapsed())
    }

    fn take_at(&self, who: &K, cost: u32, now: Duration) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // What costs more than a bucket holds costs all of it.
        let cost = self.rate.each().saturating_mul(cost.clamp(1, self.rate.burst.max(1)));
        let known = buckets.full_at.get(who).copied();
        let is_newcomer = known.is_none() && !buckets.has_room(self.most, now);
        let full_at = if is_newcomer { buckets.newcomers } else { known.unwrap_or_default() }.max(now);
        let next = full_at.saturating_add(cost);
        let wait = next.saturating_sub(now).saturating_sub(self.rate.room());
        if !wait.is_zero() {
            return Err(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX).max(1));
        }
        if is_newcomer {
            buckets.newcomers = next;
        } else {
            buckets.full_at.insert(who.clone(), next);
        }
        Ok(())
    }

    /// How many are kept.
    #[cfg(test)]
    fn kept(&self) -> usize {
        self.buckets.lock().unwrap().full_at.len()
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Whether one more can be kept: those that are full are nobody's. They are looked for once a second at most, since that looks at all.
    fn has_room(&mut self, most: usize, now: Duration) -> bool {
        if self.full_at.len() >= most && now.saturating_sub(self.pruned) >= Duration::from_secs(1) {
            self.pruned = now;
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.len() < most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_minute: 60, burst: 10 };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(100 + seconds)
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_as_fast_as_it_fills() {
        let limiter = RateLimiter::new(RATE, 100);
        for _ in 0..10 {
            limiter.take_at(&1, 1, at(0)).unwrap();
        }
        assert_eq!(limiter.take_at(&1, 1, at(0)), Err(1));
        assert_eq!(limiter.take_at(&1, 5, at(0)), Err(5));
        limiter.take_at(&2, 10, at(0)).expect("others have their own");
        limiter.take_at(&1, 3, at(3)).unwrap();
        assert_eq!(limiter.take_at(&1, 1, at(3)), Err(1));
        limiter.take_at(&1, 99, at(60)).expect("what costs more than fits costs all of it");
    }

    #[test]
    fn many_addresses_take_no_memory_and_nothing_from_who_is_known() {
        let limiter = RateLimiter::new(RATE, 1_000);
        limiter.take_at(&u64::MAX, 1, at(0)).unwrap();
        let through = (0..100_000_u64).filter(|n| limiter.take_at(n, 1, at(0)).is_ok()).count();
        assert_eq!(limiter.kept(), 1_000);
        assert_eq!(through, 999 + 10, "beyond the room there is one bucket for all");
        limiter.take_at(&u64::MAX, 9, at(0)).expect("who is known has his bucket still");
        limiter.take_at(&200_000, 1, at(2)).expect("room comes back as buckets fill");
        assert!(limiter.kept() <= 1_000);
    }
}
