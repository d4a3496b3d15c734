//! One payment, one answer: what of a channel is spoken for while answers are under way.
//!
//! A voucher is exclusive: while its answer is under way, nothing else on its channel is, and it is bound to that one
//! question on disk too. Accounts of this node sign when they are charged, so any number of their answers may be under
//! way as long as the deposit covers all of them. Channels know nothing of one another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datanet_types::{Amount, ChannelId, Digest};
use tokio::sync::watch;

use crate::error::{Code, ServiceError, ServiceResult};

/// How long a question that is asked again waits for the answer that is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hash of what was asked, as far as it decides the answer: the same payment for the same question is the same purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked(pub Digest);

impl Asked {
    /// The question to `whom` (a datanet or a model) of this `kind`, in canonical bytes.
    pub fn of(kind: &str, whom: &[u8; 32], question: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datanet question that is paid for v1");
        hasher.update(&(kind.len() as u64).to_le_bytes()).update(kind.as_bytes()).update(whom).update(question);
        Self(Digest(*hasher.finalize().as_bytes()))
    }
}

/// What is spoken for on one channel.
#[derive(Debug, Default)]
struct Spoken {
    /// The question whose voucher has the channel for itself.
    exclusive: Option<Asked>,
    /// What accounts of this node will be charged for what is under way.
    promised: Amount,
    /// Answers under way.
    count: usize,
}

/// All that is spoken for; clones share it.
#[derive(Debug, Clone)]
pub struct Reservations {
    channels: Arc<Mutex<BTreeMap<ChannelId, Spoken>>>,
    /// Changes whenever something is free again.
    freed: watch::Sender<u64>,
}

impl Default for Reservations {
    fn default() -> Self {
        Self { channels: Arc::default(), freed: watch::Sender::new(0) }
    }
}

/// Something that is spoken for until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    of: Reservations,
    channel: ChannelId,
    amount: Amount,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut channels = self.of.lock();
        if let Some(spoken) = channels.get_mut(&self.channel) {
            spoken.exclusive = None;
            spoken.promised = spoken.promised.saturating_sub(self.amount);
            spoken.count = spoken.count.saturating_sub(1);
            if spoken.count == 0 {
                channels.remove(&self.channel);
            }
        }
        drop(channels);
        self.of.freed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Reservations {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChannelId, Spoken>> {
        // Nothing is left half done in a map whose entries are whole.
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a channel for a voucher. The same question asked again meanwhile waits for the first; another is refused.
    pub(super) async fn exclusive(&self, channel: ChannelId, asked: Asked) -> ServiceResult<Reservation> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut freed = self.freed.subscribe();
        loop {
            freed.mark_unchanged();
            let same = match self.try_exclusive(channel, asked) {
                Ok(reservation) => return Ok(reservation),
                Err(other) => other == Some(asked),
            };
            if !same || tokio::time::timeout_at(deadline, freed.changed()).await.is_err() {
                return Err(ServiceError::new(
                    Code::AnswerUnderWay,
                    format!(
                        "an answer is under way on channel {channel}, and a voucher is good for one; ask again when it is there, or open another channel to ask side by side"
                    ),
                ));
            }
        }
    }

    /// The question that stands in the way, if it is another voucher's.
    fn try_exclusive(&self, channel: ChannelId, asked: Asked) -> Result<Reservation, Option<Asked>> {
        let mut channels = self.lock();
        if let Some(spoken) = channels.get(&channel) {
            return Err(spoken.exclusive);
        }
        channels.insert(channel, Spoken { exclusive: Some(asked), promised: 0, count: 1 });
        Ok(Reservation { of: self.clone(), channel, amount: 0 })
    }

    /// Reserves `amount` of a channel beside what else is promised on it; `left` is what the deposit has beyond what was
    /// charged.
    pub(super) fn shared(&self, channel: ChannelId, amount: Amount, left: Amount) -> ServiceResult<Reservation> {
        let mut channels = self.lock();
        let spoken = channels.entry(channel).or_default();
        let promised = spoken.promised.saturating_add(amount);
        if spoken.exclusive.is_some() {
            return Err(ServiceError::new(
                Code::AnswerUnderWay,
                format!("a voucher's answer is under way on channel {channel}; ask again when it is there"),
            ));
        }
        if promised > left {
            let under_way = spoken.promised;
            if spoken.count == 0 {
                channels.remove(&channel);
            }
            return Err(ServiceError::new(
                Code::ChannelExhausted,
                format!(
                    "channel {channel} has {left} left, {under_way} of it for answers under way, and this one costs {amount}; add to it with `datanet channel top-up {channel} --amount AMOUNT`, or open another"
                ),
            ));
        }
        spoken.promised = promised;
        spoken.count = spoken.count.saturating_add(1);
        Ok(Reservation { of: self.clone(), channel, amount })
    }

    /// What accounts are promised to be charged on a channel.
    pub(super) fn promised(&self, channel: &ChannelId) -> Amount {
        self.lock().get(channel).map_or(0, |spoken| spoken.promised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId([1; 32]);

    fn asked(n: u8) -> Asked {
        Asked::of("test", &[n; 32], b"?")
    }

    #[tokio::test]
    async fn a_voucher_has_its_channel_for_itself_and_the_same_question_waits_for_it() {
        let reservations = Reservations::default();
        let first = reservations.exclusive(CHANNEL, asked(1)).await.unwrap();
        assert_eq!(reservations.exclusive(CHANNEL, asked(2)).await.unwrap_err().code, Code::AnswerUnderWay);
        assert_eq!(reservations.shared(CHANNEL, 1, 100).unwrap_err().code, Code::AnswerUnderWay);
        let elsewhere = reservations.exclusive(ChannelId([2; 32]), asked(2)).await;
        assert!(elsewhere.is_ok(), "channels do not wait for one another");
        let again = tokio::spawn({
            let reservations = reservations.clone();
            async move { reservations.exclusive(CHANNEL, asked(1)).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!again.is_finished());
        drop(first);
        again.await.unwrap().unwrap();
        assert!(reservations.shared(CHANNEL, 1, 100).is_ok());
    }

    #[test]
    fn accounts_promise_no_more_than_is_left() {
        let reservations = Reservations::default();
        let held: Vec<_> = (0..3).map(|_| reservations.shared(CHANNEL, 40, 130).unwrap()).collect();
        assert_eq!(reservations.promised(&CHANNEL), 120);
        assert_eq!(reservations.shared(CHANNEL, 40, 130).unwrap_err().code, Code::ChannelExhausted);
        drop(held);
        assert_eq!(reservations.promised(&CHANNEL), 0);
        assert!(reservations.shared(CHANNEL, 130, 130).is_ok());
    }
}
