//! A payment is held for a question: what makes each means good, before any work is done.

use datanet_ledger::component::params::versions::Version;
use datanet_types::amount::display;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId, ReceiptId};

use super::Billing;
use super::bought::Named;
use super::exchange;
use super::machine::{self, Decision};
use super::payment::{Means, Payment};
use super::price::Price;
use super::purchase::{AccountHold, Admission, By, Held, VoucherHold};
use super::reservation::Asked;
use super::transfer::Due;
use crate::caller;
use crate::db::accruals::params_changed;
use crate::db::now;
use crate::db::payments::PaymentId;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::failpoint;
use crate::keyring::AccountKey;
use crate::tokens::Spender;

impl Billing {
    /// Holds a payment of `price` for what is `asked`; if it is too `late` for its quote, only what it has bought before is given. In a task of its
    /// own, since it must not stop half-way.
    pub(super) async fn hold(
        &self,
        payment: Payment,
        price: Price,
        asked: Asked,
        late: Option<ServiceError>,
    ) -> ServiceResult<Admission> {
        let Payment { means, name, quote, until } = payment;
        match means {
            Means::Nothing => Err(late.unwrap_or_else(|| self.nothing_pays(price.most))),
            Means::Refused(reason) => Err(*reason),
            Means::Voucher(paid) => {
                let (voucher, deposit) = *paid;
                if let Some(deposit) = deposit.filter(|_| late.is_none()) {
                    self.make_deposit(&deposit, &voucher, price.least).await?;
                }
                self.hold_voucher((voucher, name, until), (price, asked), late).await
            }
            Means::Transfer(transfer) => {
                self.hold_transfer((*transfer, name), quote.as_ref(), (price, asked), late).await
            }
            Means::Account(key) => {
                let id = name.map(|name| PaymentId::of_account(&key.address(), &name));
                let names: Vec<Named> = id.map(|id| Named { id, called: "Idempotency-Key" }).into_iter().collect();
                if let Some(late) = late
                    && self.bought_by(&names, &asked).await?.is_none()
                {
                    return Err(late);
                }
                self.hold_account(&key, names, (price, asked), None).await
            }
        }
    }

    fn nothing_pays(&self, price: Amount) -> ServiceError {
        ServiceError::new(
            Code::PaymentRequired,
            format!(
                "an answer costs {} ({price} base units) and nothing says who pays: open a channel with node {} (`datanet channel open --account NAME --deposit AMOUNT`), then send the paying account's name as \"account\" (OpenAI's clients: as \"user\", or in extra_body), or a voucher; api.payer in the node's configuration names whoever pays for callers that name nobody",
                display(price),
                self.identity.node_key()
            ),
        )
        .about("account")
    }

    async fn hold_voucher(
        &self,
        (voucher, name, until): (SignedVoucher, Option<String>, Option<u64>),
        (price, asked): (Price, Asked),
        late: Option<ServiceError>,
    ) -> ServiceResult<Admission> {
        let (question, payment) = (asked.payload, PaymentId::of_voucher(&voucher.channel, voucher.cumulative));
        let channel = self.voucher_channel(&voucher)?;
        caller::count_payer(&channel.payer)?;
        exchange::signed_by(channel.payer, Some(channel.id));
        let spent = |receipt: ReceiptId| {
            let next = self.stands(&voucher.channel)?.asked(&price);
            let paid = voucher.cumulative;
            let code = if exchange::presents() { Code::WrongVoucherAmount } else { Code::VoucherSpent };
            Ok(ServiceError::new(
                code,
                format!(
                    "the voucher of {paid} base units has paid for another question, receipt {receipt}; sign for {next} to ask this one"
                ),
            ))
        };
        // What it is called beside its channel and amount: a client that signs anew for the same gets the same, and keeps its voucher.
        let id = name.map(|name| PaymentId::of_account(&channel.payer, &name));
        let names: Vec<Named> = id.map(|id| Named { id, called: "Idempotency-Key" }).into_iter().collect();
        if let Some(known) = self.bought_before(&payment, &question, &spent).await? {
            return Ok(known);
        }
        if let Some(known) = self.bought_by(&names, &asked).await? {
            return Ok(known);
        }
        if let Some(late) = late {
            return Err(late);
        }
        let reservation = self.reservations.exclusive(voucher.channel, question).await?;
        // Looked up again: whoever had the channel before may have asked the very same.
        if let Some(known) = self.bought_before(&payment, &question, &spent).await? {
            return Ok(known);
        }
        let channel = self.usable_channel(&voucher.channel)?;
        if let Some(until) = until {
            self.lasts_until(&channel, until)?;
        }
        let price = self.covered(&channel, voucher.cumulative, &price)?;
        let (params, promise) = (self.params_of(&voucher.channel)?, self.promise(price.most)?);
        let step =
            self.db.step_payment(payment, move |standing| machine::decide_until(standing, &question, now(), until));
        match step.await? {
            Decision::Hold => failpoint::reached("held"),
            Decision::Replay(receipt) => return self.again(&receipt).await,
            Decision::SpentOnAnother(receipt) => return Err(spent(receipt)?),
            Decision::HeldForAnother(seconds) => {
                let detail = format!(
                    "this voucher was sent for another question, over which the node stopped; send that one again, or wait {seconds} seconds"
                );
                return Err(ServiceError::new(Code::AnswerUnderWay, detail));
            }
        }
        let (reservation, held_in) = (Some(reservation), Some(self.db.clone()));
        let names = names.iter().map(|named| named.id).collect();
        let hold = VoucherHold {
            voucher,
            payer: channel.payer,
            payment,
            names,
            question,
            reservation,
            _promise: promise,
            held_in,
        };
        Ok(Admission::Charge(Box::new(Held { price, params, by: By::Voucher(Box::new(hold)), order: None })))
    }

    /// Holds what an account of this node has on its channel; `due` is what that account is paid for it.
    pub(super) async fn hold_account(
        &self,
        key: &AccountKey,
        names: Vec<Named>,
        (price, asked): (Price, Asked),
        due: Option<Due>,
    ) -> ServiceResult<Admission> {
        let question = asked.payload;
        let mut reservations = Vec::new();
        if let Some(known) = self.bought_by(&names, &asked).await? {
            return Ok(known);
        }
        for named in &names {
            reservations.push(self.reservations.named(named.id, question).await?);
        }
        // Looked up again: whoever had the name before may have asked the very same.
        if let Some(known) = self.bought_by(&names, &asked).await? {
            return Ok(known);
        }
        let (channel, secret) = self.channel_of(key)?;
        let left = channel.deposit.saturating_sub(self.last_amount(&channel.id)?);
        reservations.push(self.reservations.shared(channel.id, price.most, left)?);
        // Looked at again: its end may have come in between.
        self.usable_channel(&channel.id)?;
        let (params, promise) = (self.params_of(&channel.id)?, self.promise(price.most)?);
        let names = names.iter().map(|named| named.id).collect();
        let spend = |spender: &Spender| spender.spend("an answer", key.address(), price.most, Some(channel.id));
        let spending = key.spender().map(spend).transpose()?;
        let hold = AccountHold {
            channel: channel.id,
            payer: channel.payer,
            secret,
            names,
            question,
            due,
            _reservations: reservations,
            _promise: promise,
            spending,
        };
        Ok(Admission::Charge(Box::new(Held { price, params, by: By::Account(Box::new(hold)), order: None })))
    }

    /// Puts a hold under the parameters that hold now: what took long is given under those of its end, since what was given under others must be
    /// settled while the ledger still takes those.
    ///
    /// # Errors
    /// When the channel owes under former parameters, which is settled first ([`Code::Unsettled`]), or the ledger cannot be read.
    pub fn renew(&self, held: &mut Held) -> ServiceResult<()> {
        held.params = match &held.by {
            By::Nothing => self.chain.params_version()?,
            By::Voucher(hold) => self.params_of(&hold.voucher.channel)?,
            By::Account(hold) => self.params_of(&hold.channel)?,
        };
        Ok(())
    }

    /// The parameters that an answer paid on a channel is given under: those that hold, which must be those of what it owes already.
    fn params_of(&self, channel: &ChannelId) -> ServiceResult<Version> {
        let present = self.chain.params_version()?;
        match self.db.accruing_under(channel)? {
            Some(former) if former != present.number => Err(params_changed()),
            _ => Ok(present),
        }
    }
}
