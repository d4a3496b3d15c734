//! One payment, one answer: what is spoken for in memory while answers are under way.
//!
//! A voucher is exclusive: while its answer is under way, nothing else on its channel is, and it is held for that one
//! question on disk too. Accounts of this node sign when they are charged, so any number of their answers may be under
//! way as long as the deposit covers all of them; a payment that an account has named is exclusive by its name. Channels know nothing of
//! one another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use datanet_types::{Amount, ChannelId, Digest};
use tokio::sync::watch;

use crate::db::payments::PaymentId;
use crate::error::{Code, ServiceError, ServiceResult};

/// How long a question that is asked again waits for the answer that is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer from a datanet's records.
    Ask,
    /// A classification by a model.
    Classify,
    /// Text by a model.
    Complete,
    /// What an agent makes of answers that it buys.
    Agent,
    /// An adapter that is trained on a datanet.
    Train,
}

impl Kind {
    /// Its name in quotes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Classify => "classify",
            Self::Complete => "complete",
            Self::Agent => "agent",
            Self::Train => "train",
        }
    }
}

/// What was asked, as far as it decides the answer: the same payment for the same question is the same purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What is asked for.
    pub kind: Kind,
    /// The datanet that is asked, or the model.
    pub whom: [u8; 32],
    /// Hash of all of it.
    pub payload: Digest,
}

impl Asked {
    /// The question to `whom` (a datanet or a model) of this `kind`, in canonical bytes.
    pub fn of(kind: Kind, whom: &[u8; 32], question: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("datanet question that is paid for v2");
        let name = kind.as_str().as_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name).update(whom).update(question);
        Self { kind, whom: *whom, payload: Digest(*hasher.finalize().as_bytes()) }
    }
}

/// What may be under way once at a time: a channel's voucher, or a payment that an account has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Channel(ChannelId),
    Named(PaymentId),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Channel(id) => write!(f, "on channel {id}, and a voucher is good for one"),
            Self::Named(_) => f.write_str("for this Idempotency-Key, and it is good for one"),
        }
    }
}

/// Who has a key for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Question(Digest),
    /// The channel's end is written down.
    Closing,
}

/// What is spoken for.
#[derive(Debug, Default)]
struct Spoken {
    exclusive: Option<Holder>,
    /// What accounts of this node will be charged for what is under way.
    promised: Amount,
    /// Answers under way.
    count: usize,
}

/// All that is spoken for; clones share it.
#[derive(Debug, Clone)]
pub struct Reservations {
    keys: Arc<Mutex<BTreeMap<Key, Spoken>>>,
    /// Changes whenever something is free again.
    freed: watch::Sender<u64>,
}

impl Default for Reservations {
    fn default() -> Self {
        Self { keys: Arc::default(), freed: watch::Sender::new(0) }
    }
}

/// Something that is spoken for until this is dropped.
#[derive(Debug)]
pub struct Reservation {
    of: Reservations,
    key: Key,
    amount: Amount,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut keys = self.of.lock();
        if let Some(spoken) = keys.get_mut(&self.key) {
            spoken.exclusive = None;
            spoken.promised = spoken.promised.saturating_sub(self.amount);
            spoken.count = spoken.count.saturating_sub(1);
            if spoken.count == 0 {
                keys.remove(&self.key);
            }
        }
        drop(keys);
        self.of.freed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Reservations {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Spoken>> {
        // Nothing is left half done in a map whose entries are whole.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves a channel for a voucher. The same question asked again meanwhile waits for the first; another is refused.
    pub(super) async fn exclusive(&self, channel: ChannelId, question: Digest) -> ServiceResult<Reservation> {
        self.question(Key::Channel(channel), question).await
    }

    /// Reserves a payment that an account has named. The same question asked again meanwhile waits for the first; another is refused.
    pub(super) async fn named(&self, payment: PaymentId, question: Digest) -> ServiceResult<Reservation> {
        self.question(Key::Named(payment), question).await
    }

    async fn question(&self, key: Key, question: Digest) -> ServiceResult<Reservation> {
        let holder = Holder::Question(question);
        self.wait_for(key, holder, |other| other == Some(holder)).await.ok_or_else(|| {
            ServiceError::new(
                Code::AnswerUnderWay,
                format!(
                    "an answer is under way {key}; ask again when it is there, or open another channel to ask side by side"
                ),
            )
        })
    }

    /// Reserves a channel for its end: waits for the answers that are under way on it, and lets no other begin.
    pub(super) async fn closing(&self, channel: ChannelId) -> ServiceResult<Reservation> {
        self.wait_for(Key::Channel(channel), Holder::Closing, |_| true).await.ok_or_else(|| {
            ServiceError::new(
                Code::AnswerUnderWay,
                format!("an answer is under way on channel {channel}, which is paid first; ask again when it is there"),
            )
        })
    }

    /// Takes a key for `holder` alone, if need be as soon as it is free; nothing if `waits` says not to wait for who has it, or it takes long.
    async fn wait_for(&self, key: Key, holder: Holder, waits: impl Fn(Option<Holder>) -> bool) -> Option<Reservation> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut freed = self.freed.subscribe();
        loop {
            freed.mark_unchanged();
            match self.try_take(key, holder) {
                Ok(reservation) => return Some(reservation),
                Err(other) if !waits(other) => return None,
                Err(_) => {}
            }
            tokio::time::timeout_at(deadline, freed.changed()).await.ok()?.ok()?;
        }
    }

    /// Who stands in the way, if it has the key for itself.
    fn try_take(&self, key: Key, holder: Holder) -> Result<Reservation, Option<Holder>> {
        let mut keys = self.lock();
        if let Some(spoken) = keys.get(&key) {
            return Err(spoken.exclusive);
        }
        keys.insert(key, Spoken { exclusive: Some(holder), promised: 0, count: 1 });
        Ok(Reservation { of: self.clone(), key, amount: 0 })
    }

    /// Reserves `amount` of a channel beside what else is promised on it; `left` is what the deposit has beyond what was
    /// charged.
    pub(super) fn shared(&self, channel: ChannelId, amount: Amount, left: Amount) -> ServiceResult<Reservation> {
        let key = Key::Channel(channel);
        let mut keys = self.lock();
        let spoken = keys.entry(key).or_default();
        let promised = spoken.promised.saturating_add(amount);
        if let Some(holder) = spoken.exclusive {
            let what = if holder == Holder::Closing { "the end of it" } else { "a voucher's answer" };
            return Err(ServiceError::new(
                Code::AnswerUnderWay,
                format!("{what} is under way on channel {channel}; ask again when it is there, or open another"),
            ));
        }
        if promised > left {
            let under_way = spoken.promised;
            if spoken.count == 0 {
                keys.remove(&key);
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
        Ok(Reservation { of: self.clone(), key, amount })
    }

    /// What accounts are promised to be charged on a channel.
    pub(super) fn promised(&self, channel: &ChannelId) -> Amount {
        self.lock().get(&Key::Channel(*channel)).map_or(0, |spoken| spoken.promised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId([1; 32]);

    fn asked(n: u8) -> Digest {
        Asked::of(Kind::Ask, &[n; 32], b"?").payload
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

    #[tokio::test]
    async fn a_channel_ends_once_what_is_under_way_on_it_is_paid_and_nothing_new_begins() {
        let reservations = Reservations::default();
        let under_way = [reservations.shared(CHANNEL, 1, 100).unwrap(), reservations.shared(CHANNEL, 1, 100).unwrap()];
        let end = tokio::spawn({
            let reservations = reservations.clone();
            async move { reservations.closing(CHANNEL).await }
        });
        for held in under_way {
            tokio::task::yield_now().await;
            assert!(!end.is_finished());
            drop(held);
        }
        let end = end.await.unwrap().unwrap();
        assert_eq!(reservations.exclusive(CHANNEL, asked(1)).await.unwrap_err().code, Code::AnswerUnderWay);
        assert_eq!(reservations.shared(CHANNEL, 1, 100).unwrap_err().code, Code::AnswerUnderWay);
        drop(end);
        assert!(reservations.exclusive(CHANNEL, asked(1)).await.is_ok());
    }

    #[tokio::test]
    async fn a_named_payment_is_for_one_question_at_a_time() {
        let reservations = Reservations::default();
        let (one, other) = (PaymentId([1; 32]), PaymentId([2; 32]));
        let _first = reservations.named(one, asked(1)).await.unwrap();
        assert_eq!(reservations.named(one, asked(2)).await.unwrap_err().code, Code::AnswerUnderWay);
        assert!(reservations.named(other, asked(2)).await.is_ok());
    }
}
