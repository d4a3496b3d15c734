//! How a training is ordered: what pays is held first, then the job is written down with it, in this order, so that nothing is trained that nobody pays.

use datanet_types::quote::SignedQuote;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{ChannelId, Digest, ReceiptId};

use super::wish::Wish;
use super::{Taken, Trainings};
use crate::billing::payment::Payment;
use crate::billing::price::Price;
use crate::billing::purchase::{Admission, Held, Order};
use crate::billing::reservation::{Asked, Kind};
use crate::caller;
use crate::db::jobs::{JobRecord, OrderEnd, TrainingOrder};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

/// Orders on a channel that may have come to nothing within the days that orders are remembered.
const MOST_FAILURES: usize = 3;

/// That not all that is ordered on a channel comes to nothing, which costs this node work and whoever orders nothing.
fn check_failures(jobs: &[JobRecord], channel: &ChannelId) -> ServiceResult<()> {
    let of_channel = jobs.iter().filter_map(|job| job.order.as_ref()).filter(|order| order.voucher.channel == *channel);
    let failed = of_channel.filter(|order| order.is_unpaid()).count();
    if failed < MOST_FAILURES {
        return Ok(());
    }
    let detail = format!(
        "{failed} trainings that were ordered on channel {channel} came to nothing; order on another channel, or another job in some days"
    );
    Err(ServiceError::new(Code::TooManyJobs, detail).again_in(24 * 3_600))
}

impl Trainings {
    /// Orders a training, or finds the one that this voucher has ordered before, whatever that costs by now and whether or not anything is sold here still.
    ///
    /// # Errors
    /// As [`Trainings::priced`] and [`crate::billing::Billing::reserve`]; when the voucher pays for another training ([`Code::AnswerUnderWay`]), its
    /// channel does not last long enough ([`Code::ChannelExpired`]), or too many are ordered here ([`Code::TooManyJobs`]). Nothing is held then.
    pub async fn order(
        &self,
        wish: Wish,
        voucher: SignedVoucher,
        quote: Option<SignedQuote>,
    ) -> ServiceResult<JobRecord> {
        let trainings = self.clone();
        // In a task of its own: a caller who leaves meanwhile leaves no job that nobody sells.
        let ordered = caller::spawn(async move { trainings.taken(wish, voucher, quote).await });
        ordered.await.map_err(|error| ServiceError::caused(Code::ShuttingDown, error))?
    }

    async fn taken(&self, wish: Wish, voucher: SignedVoucher, quote: Option<SignedQuote>) -> ServiceResult<JobRecord> {
        self.billing.check_signed(&voucher)?;
        let _lane = self.channels.hold(&voucher.channel.0).await;
        let asked = wish.asked();
        if let Some(job) = self.ordered_by(&voucher, &asked.payload)? {
            return Ok(job);
        }
        let (rate, most_steps, count) = self.priced(&wish).await?;
        let jobs = self.training.jobs()?;
        self.training.check_orders(&jobs)?;
        check_failures(&jobs, &voucher.channel)?;
        let until = now().saturating_add(self.seconds());
        let payment = Payment::by_voucher(voucher.clone()).held_until(until).quoted(quote);
        let price = Price::of_training(rate, most_steps);
        let held = match self.billing.reserve(Order { payment, asked, price }).await? {
            Admission::Again(record) => return self.paid_by(&record.id()),
            Admission::Charge(held) => *held,
        };
        let (payload, datanet, height) = (asked.payload, wish.datanet.id, self.chain.height());
        let order = TrainingOrder { voucher, payload, datanet, height, rate, most_steps, until, end: None };
        let job = match self.training.create_order(wish.of_data(count), order).await {
            Ok(job) => job,
            Err(error) => {
                held.release().await;
                return Err(error);
            }
        };
        if let Err(unsent) = self.sender.send(Taken { job: job.number, id: job.id.clone(), held }).await {
            // The node stops: it is taken up after the next start.
            unsent.0.held.leave();
        }
        Ok(job)
    }

    /// What was ordered by this voucher and is not over without being paid.
    fn ordered_by(&self, voucher: &SignedVoucher, payload: &Digest) -> ServiceResult<Option<JobRecord>> {
        for job in self.training.jobs()? {
            let Some(order) = &job.order else { continue };
            let same = (order.voucher.channel, order.voucher.cumulative) == (voucher.channel, voucher.cumulative);
            if !same || order.is_unpaid() {
                continue;
            }
            if order.payload == *payload {
                return Ok(Some(job));
            }
            if order.is_open() {
                let detail = format!(
                    "this voucher pays for another training, which is not over; send the request that it was ordered by, or a voucher on another channel. It is held until {}",
                    order.until
                );
                return Err(ServiceError::new(Code::AnswerUnderWay, detail));
            }
        }
        Ok(None)
    }

    /// The job whose training this receipt has paid for.
    fn paid_by(&self, paid: &ReceiptId) -> ServiceResult<JobRecord> {
        let is_it = |job: &JobRecord| {
            let end = job.order.as_ref().and_then(|order| order.end.as_ref());
            matches!(end, Some(OrderEnd::Paid { receipt, .. }) if receipt == paid)
        };
        self.training.jobs()?.into_iter().find(is_it).ok_or_else(|| {
            let detail = format!("this voucher has paid for that training long ago, and it is not here any more; GET /v1/receipts/{paid} has its manifest");
            ServiceError::new(Code::UnknownJob, detail)
        })
    }

    /// Holds again what pays for an order, after the node was started again; or the receipt, if it was paid already.
    pub(super) async fn held_again(&self, order: &TrainingOrder) -> ServiceResult<Result<Held, ReceiptId>> {
        let payment = Payment::by_voucher(order.voucher.clone()).held_until(order.until);
        let asked = Asked { kind: Kind::Train, whom: order.datanet.0, payload: order.payload };
        let price = Price::of_training(order.rate, order.most_steps);
        Ok(match self.billing.reserve(Order { payment, asked, price }).await? {
            Admission::Again(record) => Err(record.id()),
            Admission::Charge(held) => Ok(*held),
        })
    }
}
