//! Group commit: what is to be written at the same time becomes durable with one wait for the disk.

use tokio::sync::oneshot;

use super::LocalStore;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::group::Group;

/// Most writes of one transaction: so that the first of a crowd does not wait for all of it.
const MOST: usize = 256;

/// Writes that wait for the next transaction.
pub(super) type Writes = Group<Box<dyn Write>>;

/// An empty queue.
pub(super) fn writes() -> Writes {
    Group::new(MOST)
}

/// Something to be written. It may be run again, in another transaction, if the one that it was run in came to nothing.
pub(super) trait Write: Send {
    /// Whether somebody still waits for it.
    fn is_wanted(&self) -> bool;

    /// Writes.
    fn run(&mut self, tx: &redb::WriteTransaction) -> ServiceResult<()>;

    /// Tells whoever waits: it is durable, or it failed.
    fn told(self: Box<Self>, outcome: ServiceResult<()>);
}

struct Pending<T, F> {
    write: F,
    value: Option<T>,
    reply: oneshot::Sender<ServiceResult<T>>,
}

impl<T, F> Write for Pending<T, F>
where
    T: Send,
    F: Fn(&redb::WriteTransaction) -> ServiceResult<T> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run(&mut self, tx: &redb::WriteTransaction) -> ServiceResult<()> {
        self.value = Some((self.write)(tx)?);
        Ok(())
    }

    fn told(self: Box<Self>, outcome: ServiceResult<()>) {
        let Self { value, reply, .. } = *self;
        // Whoever has left meanwhile finds it in the store.
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(broke_off)));
    }
}

fn broke_off() -> ServiceError {
    ServiceError::new(Code::ShuttingDown, "the node is shutting down")
}

impl LocalStore {
    /// Runs `write` in a transaction that it shares with whatever else is to be written now; durable when this returns. An error leaves
    /// nothing of it behind, and fails none of the others.
    pub(super) async fn commit<T: Send + 'static>(
        &self,
        write: impl Fn(&redb::WriteTransaction) -> ServiceResult<T> + Send + 'static,
    ) -> ServiceResult<T> {
        let (reply, told) = oneshot::channel();
        let store = self.clone();
        let all = move |writes: Vec<Box<dyn Write>>| {
            let store = store.clone();
            async move {
                // It ends with the process only, and those who wait are told when it is dropped.
                let _ = tokio::task::spawn_blocking(move || store.write_all(writes)).await;
            }
        };
        self.writes.join(Box::new(Pending { write, value: None, reply }), all).await;
        told.await.map_err(|_| broke_off())?
    }

    fn write_all(&self, writes: Vec<Box<dyn Write>>) {
        let mut writes: Vec<_> = writes.into_iter().filter(|write| write.is_wanted()).collect();
        let together =
            writes.len() > 1 && self.write(|tx| writes.iter_mut().try_for_each(|write| write.run(tx))).is_ok();
        for mut write in writes {
            // One that is refused takes back what the others of its transaction wrote: so each is written by itself.
            let outcome = if together { Ok(()) } else { self.write(|tx| write.run(tx)) };
            write.told(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::super::accruals::tests::store;
    use super::*;
    use crate::db::payments::{Change, PaymentId, Standing};
    use datanet_types::Digest;

    fn held(n: u8) -> Change {
        Change::Put(Standing::Held { payload: Digest([n; 32]), at: 1 })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_refused_fails_alone_and_nothing_of_it_is_left() {
        let (_dir, store) = store();
        let one = |n: u8| {
            let store = store.clone();
            async move {
                let refuse = n.is_multiple_of(3);
                let written = store.commit(move |tx| {
                    // Written first, then refused: nothing of it may stay.
                    let held = Standing::Held { payload: Digest([n; 32]), at: 1 };
                    super::super::table::put(tx, redb::TableDefinition::new("payments"), &[n; 32], &held)?;
                    if refuse { Err(ServiceError::new(Code::Unsettled, "no")) } else { Ok(n) }
                });
                written.await
            }
        };
        let outcomes = join_all((0..100).map(one)).await;
        for (n, outcome) in (0_u8..).zip(outcomes) {
            let stands = store.payment(&PaymentId([n; 32])).unwrap().is_some();
            assert_eq!((outcome.is_ok(), stands), (!n.is_multiple_of(3), !n.is_multiple_of(3)), "{n}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_hundred_writes_at_once_wait_for_the_disk_a_few_times() {
        let (_dir, store) = store();
        let transactions = |store: &LocalStore| store.commits.load(std::sync::atomic::Ordering::Relaxed);
        let before = transactions(&store);
        let all = (0..100).map(|n| store.step_payment(PaymentId([n; 32]), move |_| (held(n), ())));
        assert!(join_all(all).await.iter().all(Result::is_ok));
        let took = transactions(&store) - before;
        assert!(took < 20, "{took} transactions for 100 writes");
        assert!((0..100).all(|n| store.payment(&PaymentId([n; 32])).unwrap().is_some()));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_not_written() {
        let (_dir, store) = store();
        let (reply, told) = oneshot::channel::<ServiceResult<()>>();
        drop(told);
        let write = |tx: &redb::WriteTransaction| {
            super::super::table::put(tx, redb::TableDefinition::new("payments"), &[1; 32], &())
        };
        store.write_all(vec![Box::new(Pending { write, value: None, reply })]);
        assert_eq!(store.payment(&PaymentId([1; 32])).unwrap(), None);
    }
}
