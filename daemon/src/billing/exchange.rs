//! What a request and its payment have to do with each other, where the payment does not come in the request's body: it rides with its caller
//! ([`crate::caller`]), so that the routes know nothing of it. Whoever let the request in lays down here what it pays with, and reads
//! afterwards what was asked, at which price, and what was bought.

use std::sync::{Mutex, PoisonError};

use datanet_types::{Address, Amount, ChannelId, ReceiptId};

use super::payment::Payment;
use super::price::Price;
use super::reservation::Asked;
use crate::caller;
use crate::error::{Code, ServiceError, ServiceResult};

/// One request's.
#[derive(Debug, Default)]
pub struct Exchange {
    /// What pays, if the body names nothing.
    pub(super) presented: Option<Payment>,
    told: Mutex<Told>,
}

/// What is known once the request is answered.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What was asked, and its price.
    pub order: Option<(Asked, Price)>,
    /// Who pays: his signature was good.
    pub payer: Option<Address>,
    /// The channel that he pays by.
    pub channel: Option<ChannelId>,
    /// The answer that was bought, now or before, and its fee.
    pub bought: Option<(ReceiptId, Amount)>,
}

impl Exchange {
    /// Of a request that comes with this payment, or with none.
    pub fn new(presented: Option<Payment>) -> Self {
        Self { presented, told: Mutex::default() }
    }

    /// What is known by now.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, note: impl FnOnce(&mut Told)) {
        // Nothing is left half done in what is written field by field.
        note(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Something is asked in the course of the present request. What comes with it pays for one answer.
///
/// # Errors
/// When another answer was asked for before, and the payment is the request's own ([`Code::BadParameter`]).
pub(super) fn ordered(asked: &Asked, price: Price) -> ServiceResult<()> {
    let Some(exchange) = caller::exchange() else { return Ok(()) };
    let other = exchange.told().order.is_some_and(|(before, _)| before != *asked);
    if other && exchange.presented.is_some() {
        let detail = "one payment pays for one answer; ask for one at a time";
        return Err(ServiceError::new(Code::BadParameter, detail));
    }
    if !other {
        exchange.note(|told| told.order = Some((*asked, price)));
    }
    Ok(())
}

/// Whether the present request brings its payment beside its body, as clients do that go on from a 402 and from nothing else.
pub(super) fn presents() -> bool {
    caller::exchange().is_some_and(|exchange| exchange.presented.is_some())
}

/// Somebody's signature under the payment was good.
pub(super) fn signed_by(payer: Address, channel: Option<ChannelId>) {
    if let Some(exchange) = caller::exchange() {
        exchange.note(|told| (told.payer, told.channel) = (Some(payer), channel));
    }
}

/// The answer is there, and paid.
pub(super) fn bought(receipt: ReceiptId, fee: Amount) {
    if let Some(exchange) = caller::exchange() {
        exchange.note(|told| told.bought = Some((receipt, fee)));
    }
}
