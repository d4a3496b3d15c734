//! A purchase from its payment to its answer: the one way in for whatever sells something, over HTTP or otherwise.
//!
//! ```text
//!   order ──reserve──▶ held ──serve──▶ answer ──capture──▶ record
//!     │                  └──release, when the answer fails: nothing is paid
//!     └──▶ again: the record of the answer that this payment has paid for
//! ```
//! What can happen to a payment is in [`super::machine`]; what makes a payment good, in [`super::payment`].

use datanet_ledger::component::params::versions::Version;
use datanet_types::receipt::{AnswerRecord, AskInput, AskOutput, Receipt};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Address, ChannelId, Digest, SigningKey};
use tokio::runtime::Handle;
use tokio::task::JoinError;

use super::Billing;
use super::cover::Promise;
use super::exchange;
use super::machine;
use super::payment::Payment;
use super::price::Price;
use super::reservation::{Asked, Reservation};
use super::transfer::Due;
use crate::caller;
use crate::db::LocalStore;
use crate::db::payments::PaymentId;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::failpoint;
use crate::tokens::Hold;

/// What is bought, and how it is paid.
#[derive(Debug, Clone)]
pub struct Order {
    /// What pays.
    pub payment: Payment,
    /// What is asked.
    pub asked: Asked,
    /// What its answer costs.
    pub price: Price,
}

/// An answer that is to be captured.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it claims, but for hashes, channel, amount, number, split and version of the parameters.
    pub receipt: Receipt,
    /// What was asked.
    pub input: AskInput,
    /// What was answered.
    pub output: AskOutput,
}

/// What comes of a purchase.
#[derive(Debug, Clone)]
pub struct Bought<X> {
    /// The answer with its proof.
    pub record: AnswerRecord,
    /// What was found beside it, which no record holds; nothing where the answer was bought before.
    pub more: Option<X>,
}

/// What comes of an order before the answer is computed.
pub enum Admission {
    /// The payment will do: the answer is computed, then captured.
    Charge(Box<Held>),
    /// It has paid for this very question before: this is the answer, at no further cost.
    Again(Box<AnswerRecord>),
}

/// A payment that will do. What it needs of its channel is spoken for until it is captured or released, and released it is when this is
/// dropped.
pub struct Held {
    /// What its answer costs, of which no more than the payment pays for.
    pub(super) price: Price,
    /// The chain's parameters that its answer is given under.
    pub(super) params: Version,
    pub(super) by: By,
    /// The sale of an agent that its answer is bought for, if it is.
    pub(super) order: Option<Digest>,
}

impl By {
    /// Whose money it is.
    pub(super) fn payer(&self) -> Option<Address> {
        match self {
            Self::Nothing => None,
            Self::Voucher(hold) => Some(hold.payer),
            Self::Account(hold) => Some(hold.payer),
        }
    }
}

impl Held {
    /// Whether the answer costs something: then it is computed to its end, whether or not the caller stays.
    pub fn is_paid(&self) -> bool {
        !matches!(self.by, By::Nothing)
    }

    /// Tokens that are paid for; none if they are not counted.
    pub fn tokens(&self) -> Option<u32> {
        self.price.tokens()
    }

    /// The node stops over what is held for long: the payment stays held on disk, and is taken up after the next start.
    pub fn leave(mut self) {
        if let By::Voucher(hold) = &mut self.by {
            hold.held_in = None;
        }
    }

    /// The answer has failed: nothing is paid, and the payment is good for any question again once this returns.
    pub async fn release(self) {
        if let By::Voucher(mut hold) = self.by {
            hold.release().await;
        }
    }
}

/// What pays.
pub(super) enum By {
    /// Nobody: the answer is free.
    Nothing,
    /// The voucher that must follow the last one.
    Voucher(Box<VoucherHold>),
    /// Signed when the answer is captured.
    Account(Box<AccountHold>),
}

/// A voucher that is held for one question: by its channel's reservation, and on disk.
pub(super) struct VoucherHold {
    pub(super) voucher: SignedVoucher,
    /// Whose channel it is of.
    pub(super) payer: Address,
    pub(super) payment: PaymentId,
    /// By which its answer can be had beside.
    pub(super) names: Vec<PaymentId>,
    pub(super) question: Digest,
    pub(super) reservation: Option<Reservation>,
    /// Of the node: that its stake covers the answer.
    pub(super) _promise: Promise,
    /// Where it is held; nothing once it is captured or let go of.
    pub(super) held_in: Option<LocalStore>,
}

impl VoucherHold {
    /// Lets go of it on disk, and only then of its channel.
    fn let_go(&mut self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let (db, reservation) = (self.held_in.take()?, self.reservation.take());
        let (payment, question, channel) = (self.payment, self.question, self.voucher.channel);
        Some(async move {
            let step = db.step_payment(payment, move |standing| (machine::let_go(standing, &question), ()));
            if let Err(error) = step.await {
                tracing::warn!(%error, %channel, "a voucher stays bound to its question for a while");
            }
            drop(reservation);
        })
    }

    pub(super) async fn release(&mut self) {
        if let Some(letting_go) = self.let_go() {
            letting_go.await;
        }
    }
}

impl Drop for VoucherHold {
    fn drop(&mut self) {
        // Without a runtime the process ends: the hold lapses by itself.
        if let (Some(letting_go), Ok(runtime)) = (self.let_go(), Handle::try_current()) {
            runtime.spawn(letting_go);
        }
    }
}

/// An account of this node that pays.
pub(super) struct AccountHold {
    pub(super) channel: ChannelId,
    /// Whose channel that is.
    pub(super) payer: Address,
    pub(super) secret: SigningKey,
    /// The payment's names, by which its answer can be had again.
    pub(super) names: Vec<PaymentId>,
    /// The hash of what is asked.
    pub(super) question: Digest,
    /// What the account is paid for it, before it is charged.
    pub(super) due: Option<Due>,
    pub(super) _reservations: Vec<Reservation>,
    pub(super) _promise: Promise,
    /// What is taken of the limit of the token that asks; given back when this is dropped.
    pub(super) spending: Option<Hold>,
}

impl Billing {
    /// Buys an answer: holds the payment, has the answer made by `serve`, and captures it; or gives the answer that the payment has bought
    /// before. What is paid for goes on to its end if the caller leaves: asked again with the same payment, it is there.
    ///
    /// # Errors
    /// As [`Billing::reserve`], `serve` and [`Billing::capture`]; nothing is paid then.
    pub async fn purchase<X: Send + 'static>(
        &self,
        order: Order,
        serve: impl Future<Output = ServiceResult<(Answer, X)>> + Send + 'static,
    ) -> ServiceResult<Bought<X>> {
        let held = match self.reserve(order).await? {
            Admission::Again(record) => return Ok(Bought { record: *record, more: None }),
            Admission::Charge(held) => *held,
        };
        if !held.is_paid() {
            return self.served(held, serve).await;
        }
        let billing = self.clone();
        caller::spawn(async move { billing.served(held, serve).await }).await.map_err(|error| broke_off(&error))?
    }

    async fn served<X>(
        &self,
        held: Held,
        serve: impl Future<Output = ServiceResult<(Answer, X)>> + Send,
    ) -> ServiceResult<Bought<X>> {
        match serve.await {
            Ok((answer, more)) => {
                failpoint::reached("served");
                Ok(Bought { record: self.capture(held, answer).await?, more: Some(more) })
            }
            Err(error) => {
                held.release().await;
                Err(error)
            }
        }
    }

    /// Checks that the payment covers the price and holds it for what is asked, so that nobody makes this node work for
    /// nothing, and no payment buys two answers.
    ///
    /// # Errors
    /// When the quote is not good ([`Code::BadQuote`], [`Code::QuoteExpired`]); when nothing is paid ([`Code::PaymentRequired`]); when the
    /// channel is not there, another node's, closed or about to expire, or used up ([`Code::NoChannel`], [`Code::ForeignChannel`],
    /// [`Code::ChannelExpired`], [`Code::ChannelExhausted`]); when another answer is under way on it ([`Code::AnswerUnderWay`]); when the
    /// payment is not its payer's, has paid for another question, or is for another amount ([`Code::BadVoucher`], [`Code::VoucherSpent`],
    /// [`Code::PaymentSpent`], [`Code::WrongVoucherAmount`]); when what is owed must be settled first ([`Code::Unsettled`]); when the ledger,
    /// the blob store or the private store fails.
    pub async fn reserve(&self, order: Order) -> ServiceResult<Admission> {
        let Order { payment, asked, price } = order;
        let order = payment.order();
        exchange::ordered(&asked, price)?;
        let late = match payment.quote.as_ref().map(|quote| self.honour(quote, &asked, &price)) {
            // What was bought in time is given again later, too.
            Some(Err(error)) if error.code == Code::QuoteExpired && price.most > 0 => Some(error),
            // As is what was bought before the node had other prices for text.
            Some(Err(error)) if error.code == Code::BadQuote => {
                let bought = self.bought_at_former_prices(&payment, &asked).await?;
                return bought.map(|record| Admission::Again(Box::new(record))).ok_or(error);
            }
            Some(Err(error)) => return Err(error),
            Some(Ok(())) | None => None,
        };
        if price.is_metered() && payment.is_taken_last() {
            let detail = "a transfer pays for what has one price, and this text is paid by its tokens; pay by a voucher on a channel";
            return Err(ServiceError::new(Code::BadTransfer, detail));
        }
        if price.most == 0 {
            let held = Held { price, params: self.chain.params_version()?, by: By::Nothing, order };
            return Ok(Admission::Charge(Box::new(held)));
        }
        let billing = self.clone();
        // In a task of its own: a caller who leaves meanwhile leaves nothing half held.
        let held = caller::spawn(async move { billing.hold(payment, price, asked, late).await });
        let mut admission = held.await.map_err(|error| broke_off(&error))??;
        if let Admission::Charge(held) = &mut admission {
            held.order = order;
        }
        Ok(admission)
    }
}

fn broke_off(error: &JoinError) -> ServiceError {
    if error.is_panic() {
        return ServiceError::new(
            Code::Panic,
            "the node failed on this answer, which is not charged; its log says more",
        );
    }
    ServiceError::new(Code::ShuttingDown, "the node is shutting down")
}
