//! Blobs that are here and given to nobody yet.
//!
//! Whoever gives a contribution names its bytes in a transaction that everybody reads before it is in a block. Could
//! everybody also fetch them by that name, the bytes would prove nothing about who had them first. So what is kept as
//! [`TagKind::Pending`](super::TagKind::Pending) is served to nobody, under whatever other names it is kept, until
//! [`Blobs::serve`](super::Blobs::serve) says that it may be. The tags are on disk: what they name is withheld again
//! after a start. Giving such a tag up lifts nothing: what is let go of is to be collected, not to be handed out meanwhile.
//!
//! A request may read a blob as a list of other blobs and ask for those, or name many at once. No node of ours does
//! either, and it would be a way around this: only requests for one blob are answered.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh_blobs::protocol::GetRequest;
use iroh_blobs::provider::events::{
    AbortReason, ConnectMode, EventMask, EventResult, EventSender, ObserveMode, ProviderMessage, RequestMode,
    ThrottleMode,
};
use tokio::sync::mpsc;

use crate::Hash;

/// Requests of one connection that may wait for an answer.
const QUEUE: usize = 16;

/// What is asked for before it is served.
const ASKED: EventMask = EventMask {
    connected: ConnectMode::None,
    get: RequestMode::Intercept,
    get_many: RequestMode::Disabled,
    push: RequestMode::Disabled,
    observe: ObserveMode::Intercept,
    throttle: ThrottleMode::None,
};

/// The blobs that are withheld. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Withheld(Arc<Mutex<HashSet<Hash>>>);

impl Withheld {
    /// Nobody gets this blob any more.
    pub(super) fn add(&self, hash: Hash) {
        self.hashes().insert(hash);
    }

    /// Everybody may have it.
    pub(super) fn remove(&self, hash: &Hash) {
        self.hashes().remove(hash);
    }

    /// The asker for a connection, and what it asks, to be passed to [`Withheld::answer`].
    pub(super) fn asker() -> (EventSender, mpsc::Receiver<ProviderMessage>) {
        EventSender::channel(QUEUE, ASKED)
    }

    /// Answers what is asked over one connection, until it is gone.
    pub(super) async fn answer(&self, mut asked: mpsc::Receiver<ProviderMessage>) {
        while let Some(message) = asked.recv().await {
            // Who does not wait for the answer has hung up.
            let _ = match message {
                ProviderMessage::GetRequestReceived(get) => get.tx.send(self.may_get(&get.inner.request)).await,
                ProviderMessage::ObserveRequestReceived(observe) => {
                    observe.tx.send(self.may_have(observe.inner.request.hash.as_bytes())).await
                }
                ProviderMessage::GetManyRequestReceived(many) => many.tx.send(Err(AbortReason::Permission)).await,
                ProviderMessage::PushRequestReceived(push) => push.tx.send(Err(AbortReason::Permission)).await,
                _ => Ok(()),
            };
        }
    }

    fn may_get(&self, request: &GetRequest) -> EventResult {
        if request.ranges.is_blob() { self.may_have(request.hash.as_bytes()) } else { Err(AbortReason::Permission) }
    }

    fn may_have(&self, hash: &Hash) -> EventResult {
        if self.hashes().contains(hash) { Err(AbortReason::Permission) } else { Ok(()) }
    }

    fn hashes(&self) -> MutexGuard<'_, HashSet<Hash>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
