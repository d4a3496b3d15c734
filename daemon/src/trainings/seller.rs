//! An order from its job to its end: paid once the release is there, let go of where there is none.
//!
//! The payment is held all the while. When the node stops, or is killed, it stays held on disk for this very training; after the next start it is taken
//! up here before the job's end can be missed, and the engine sees to it that it pays once.

use std::time::Duration;

use datanet_types::release::Release;
use datanet_types::{ModelId, ReceiptId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Taken, Trainings};
use crate::billing::purchase::Held;
use crate::db::jobs::{JobRecord, JobState, OrderEnd, TrainingOrder};
use crate::db::now;
use crate::error::{Code, ErrorKind, ServiceError, ServiceResult};
use crate::failpoint;
use crate::models::wanted::ORDERED_SECONDS;

/// How often it is looked whether an order has time left, and a channel to be paid by.
const LOOK: Duration = Duration::from_secs(5);
/// How long it takes until what could not be done for now is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How long after its end an order may still be paid, where the ledger or a settlement stood in the way.
const PATIENCE: u64 = 600;
/// How often orders that are long over are forgotten.
const SWEEP: Duration = Duration::from_secs(3_600);

/// Sees all orders of a node to their end.
pub struct TrainingSeller {
    trainings: Trainings,
    /// Ends when the node stops.
    shutdown: CancellationToken,
}

/// Why nobody waits for a job any more.
enum Waited {
    /// It is over.
    Over(Box<JobRecord>),
    /// It is to be ended: nobody would pay for it.
    InVain(String),
    /// The node stops.
    NodeStops,
}

impl TrainingSeller {
    /// The seller of what is ordered at `trainings`, until `shutdown`.
    pub fn new(trainings: Trainings, shutdown: CancellationToken) -> Self {
        Self { trainings, shutdown }
    }

    /// Runs until the node stops.
    ///
    /// # Errors
    /// When the private store fails, so that what becomes of an order cannot be kept. An order that fails is no error.
    pub async fn run(self) -> anyhow::Result<()> {
        let receiver = self.trainings.receiver.lock().await.take();
        let Some(mut receiver) = receiver else { anyhow::bail!("orders have a seller already") };
        let mut open: JoinSet<()> = JoinSet::new();
        for job in self.trainings.training.jobs()?.into_iter().filter(is_open) {
            open.spawn(self.trainings.clone().sell(job.number, job.id, None, self.shutdown.clone()));
        }
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                Some(Taken { job, id, held }) = receiver.recv() => {
                    open.spawn(self.trainings.clone().sell(job, id, Some(held), self.shutdown.clone()));
                }
                Some(ended) = open.join_next() => ended?,
                _ = sweep.tick() => self.trainings.forget_old().await?,
            }
        }
        receiver.close();
        while let Ok(Taken { held, .. }) = receiver.try_recv() {
            held.leave();
        }
        while let Some(ended) = open.join_next().await {
            ended?;
        }
        Ok(())
    }
}

fn is_open(job: &JobRecord) -> bool {
    job.order.as_ref().is_some_and(TrainingOrder::is_open)
}

/// Whether it is worth trying again: the ledger is not there, a store is full or fails, something must be settled first, or another answer is under way
/// on the channel.
fn passes(error: &ServiceError) -> bool {
    let kind = error.kind();
    let stores = [Code::BlobStore, Code::LocalStore, Code::LedgerState, Code::Io];
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Overloaded | ErrorKind::StorageFull)
        || stores.contains(&error.code)
        || matches!(error.code, Code::Unsettled | Code::AnswerUnderWay)
}

/// Whether what an order failed of passes, and there is time left for it.
fn is_for_now(error: &ServiceError, order: &TrainingOrder) -> bool {
    passes(error) && now() < order.until.saturating_add(PATIENCE)
}

/// Waits before something is tried again; whether the node does not stop meanwhile.
async fn goes_on(shutdown: &CancellationToken) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(AGAIN) => true,
    }
}

impl Trainings {
    /// Sees one order to its end, however often a store has to be asked for it.
    async fn sell(self, number: u64, id: String, mut held: Option<Held>, shutdown: CancellationToken) {
        while let Err(error) = self.sell_once(number, &id, held.take(), &shutdown).await {
            tracing::warn!(%error, training = %id, "an order is taken up again in a moment");
            if !goes_on(&shutdown).await {
                return;
            }
        }
    }

    /// Sees one order to its end; without what pays, that is held first.
    async fn sell_once(
        &self,
        number: u64,
        id: &str,
        held: Option<Held>,
        shutdown: &CancellationToken,
    ) -> ServiceResult<()> {
        let order = match self.ordered(id) {
            Ok(JobRecord { order: Some(order), .. }) if order.is_open() => order,
            Err(error) if error.code != Code::UnknownJob => return Err(error),
            Ok(_) | Err(_) => return Ok(()),
        };
        let held = match held {
            Some(held) => held,
            None => match self.hold_again(&order, shutdown).await {
                Ok(Some(Ok(held))) => held,
                Ok(Some(Err(receipt))) => return self.paid(number, receipt).await,
                // The node stops.
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.end_job(id).await?;
                    return self.unpaid(number, error.detail);
                }
            },
        };
        match self.wait(id, &order, shutdown).await? {
            Waited::NodeStops => {
                held.leave();
                Ok(())
            }
            Waited::InVain(reason) => {
                self.end_job(id).await?;
                held.release().await;
                self.unpaid(number, reason)
            }
            Waited::Over(job) => match (job.state, &job.packed) {
                (JobState::Succeeded, Some(packed)) => {
                    failpoint::reached("trained");
                    let release = self.models.release(&packed.model).await;
                    self.deliver(number, &order, release, held, shutdown).await
                }
                (state, _) => {
                    held.release().await;
                    let why = job.failure.as_ref().map(|failure| failure.message.clone());
                    let ended = if state == JobState::Cancelled { "it was cancelled" } else { "it failed" };
                    self.unpaid(number, why.unwrap_or_else(|| ended.to_owned()))
                }
            },
        }
    }

    /// Waits until a job is over, as long as somebody would pay for it.
    async fn wait(&self, id: &str, order: &TrainingOrder, shutdown: &CancellationToken) -> ServiceResult<Waited> {
        let mut changes = self.training.changes();
        loop {
            changes.mark_unchanged();
            let job = self.training.job(id)?;
            if job.state.is_over() {
                return Ok(Waited::Over(Box::new(job)));
            }
            if now() >= order.until {
                let hours = self.config.training_hours;
                return Ok(Waited::InVain(format!(
                    "it was not done within {hours} hours, which is what it may take here"
                )));
            }
            // Closing or not, what is done can be paid; what is not begun or not done would be too late.
            if let Err(error) = self.billing.check_usable(&order.voucher.channel)
                && error.code == Code::ChannelExpired
            {
                return Ok(Waited::InVain(error.detail));
            }
            tokio::select! {
                () = shutdown.cancelled() => return Ok(Waited::NodeStops),
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Ends a job for which nobody pays.
    async fn end_job(&self, id: &str) -> ServiceResult<()> {
        match self.training.cancel_job(id).await {
            Err(error) if !matches!(error.code, Code::JobOver | Code::UnknownJob) => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Has an order's payment held, as soon as that can be done.
    async fn hold_again(
        &self,
        order: &TrainingOrder,
        shutdown: &CancellationToken,
    ) -> ServiceResult<Option<Result<Held, ReceiptId>>> {
        loop {
            match self.held_again(order).await {
                Err(error) if is_for_now(&error, order) => {
                    tracing::info!(%error, "what pays for a training is held as soon as that can be done");
                }
                other => return other.map(Some),
            }
            if !goes_on(shutdown).await {
                return Ok(None);
            }
        }
    }

    /// Takes what a release costs; only then it is given.
    async fn deliver(
        &self,
        number: u64,
        order: &TrainingOrder,
        release: ServiceResult<Release>,
        mut held: Held,
        shutdown: &CancellationToken,
    ) -> ServiceResult<()> {
        let release = match release {
            Ok(release) => release,
            Err(error) if is_for_now(&error, order) => {
                held.leave();
                return Err(error);
            }
            Err(error) => {
                held.release().await;
                return self.unpaid(number, error.detail);
            }
        };
        loop {
            // What stands in the way of taking it is waited for while it is held: nothing else is bought with it meanwhile.
            while let Err(error) = self.billing.renew(&mut held) {
                if !is_for_now(&error, order) {
                    held.release().await;
                    return self.unpaid(number, error.detail);
                }
                tracing::info!(%error, "a training that is done is paid as soon as that can be done");
                if !goes_on(shutdown).await {
                    held.leave();
                    return Ok(());
                }
            }
            let error = match self.captured(order, release.clone(), held).await {
                Ok(receipt) => return self.paid(number, receipt).await,
                Err(error) => error,
            };
            if !is_for_now(&error, order) {
                return self.unpaid(number, error.detail);
            }
            tracing::info!(%error, "a training that is done is paid as soon as that can be done");
            if !goes_on(shutdown).await {
                return Ok(());
            }
            held = match self.hold_again(order, shutdown).await {
                Ok(Some(Ok(held))) => held,
                Ok(Some(Err(receipt))) => return self.paid(number, receipt).await,
                Ok(None) => return Ok(()),
                Err(error) => return self.unpaid(number, error.detail),
            };
        }
    }

    async fn captured(&self, order: &TrainingOrder, release: Release, held: Held) -> ServiceResult<ReceiptId> {
        let base = release.base.unwrap_or_default();
        let known = self.models.registered_base(&base);
        let sold =
            |known: Option<ModelId>| self.billing.trained(release, order.rate, known.unwrap_or(base), order.height);
        match known.and_then(sold) {
            Ok(answer) => Ok(self.billing.capture(held, answer).await?.id()),
            Err(error) => {
                held.release().await;
                Err(error)
            }
        }
    }

    async fn paid(&self, number: u64, receipt: ReceiptId) -> ServiceResult<()> {
        failpoint::reached("paid");
        let fee = self.fee_of(&receipt).await?;
        self.training.end_order(number, OrderEnd::Paid { receipt, fee, at: now() }).map(drop)
    }

    fn unpaid(&self, number: u64, reason: String) -> ServiceResult<()> {
        tracing::info!(job = number, reason, "nothing is paid for a training");
        self.training.end_order(number, OrderEnd::Unpaid { reason, at: now() }).map(drop)
    }

    /// Forgets orders that are long over, with their jobs and what is kept here for nobody else: whoever bought something has its receipt.
    async fn forget_old(&self) -> ServiceResult<()> {
        let since = now().saturating_sub(ORDERED_SECONDS);
        for job in self.training.jobs()? {
            if job.state.is_over() && job.order.as_ref().is_some_and(|order| !order.is_remembered(since)) {
                if let Some(packed) = &job.packed
                    && let Err(error) = self.models.remove_files(&packed.model).await
                {
                    // Somebody else needs it, or it is gone.
                    tracing::debug!(%error, model = %packed.model, "the files of an old order stay");
                }
                self.db.forget_job(job.number)?;
            }
        }
        Ok(())
    }
}
