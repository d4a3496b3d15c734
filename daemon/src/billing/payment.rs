//! How a caller pays for one answer: by a voucher it signed, or by a key that is in this node's keyring.

use datanet_ledger::component::Params;
use datanet_ledger::component::channels::{self, Channel};
use datanet_types::amount::display;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, BlobHash, ChannelId, SigningKey};

use super::Billing;
use super::cover::Promise;
use super::reservation::{Asked, Reservation};
use crate::caller::{self, Payer};
use crate::db::LocalStore;
use crate::db::reservations::PaidAnswer;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::tokens::{Hold, Spender};

/// Seconds before a channel's expiry in which it is no longer accepted, because the node needs them to settle: a fifth of what the chain says
/// that a node must have.
pub fn settle_margin(params: &Params) -> u64 {
    (params.channel_min_seconds / 5).max(1)
}

/// What comes with a question.
#[derive(Debug, Clone)]
pub enum Payment {
    /// Nothing: good for datanets whose answers are free.
    None,
    /// A voucher for the channel's last amount plus the price.
    Voucher(SignedVoucher),
    /// An account of this node's keyring; the node signs the voucher on its open channel.
    Account(Box<AccountKey>),
}

/// What comes of a payment before the answer is computed.
pub enum Admission {
    /// It will do: the answer is computed, then charged.
    Charge(Checked),
    /// It has paid for this very question before: this is the answer, at no further cost.
    Again(Box<AnswerRecord>),
}

/// A payment that will do; what it needs of its channel is spoken for until it is charged or dropped.
pub enum Checked {
    /// The answer is free.
    Free,
    /// The voucher that must follow the last one.
    Voucher(Box<VoucherHold>),
    /// Signed when the answer is charged; with what is taken of the limit of the token that asks.
    Sign(ChannelId, Box<SigningKey>, Reservation, Promise, Option<Box<Hold>>),
}

impl Checked {
    /// Whether the answer costs something: then it is written to its end, whether or not the caller stays.
    pub fn is_paid(&self) -> bool {
        !matches!(self, Self::Free)
    }
}

/// A voucher that is bound to one question: by its channel's reservation, and on disk.
pub struct VoucherHold {
    pub(super) voucher: SignedVoucher,
    pub(super) asked: Asked,
    _reservation: Reservation,
    /// Of the node: that its stake covers the answer.
    _promise: Promise,
    /// Where it is bound; nothing once it is charged.
    pub(super) bound: Option<LocalStore>,
}

impl Drop for VoucherHold {
    fn drop(&mut self) {
        // Its answer has failed: it is good for any question again.
        if let Some(db) = self.bound.take()
            && let Err(error) = db.unbind_voucher(&self.voucher.channel)
        {
            tracing::warn!(%error, channel = %self.voucher.channel, "a voucher stays bound to its question for a while");
        }
    }
}

impl Billing {
    /// How a caller pays: by a voucher, by an account of this node, or not at all, which leaves it to `api.payer`. Whoever
    /// calls has the node's token, and could name that account too.
    ///
    /// # Errors
    /// When both are given ([`Code::TwoPayments`]), or no key of that name is here ([`Code::UnknownKey`]).
    pub fn payment(&self, voucher: Option<SignedVoucher>, account: Option<String>) -> ServiceResult<Payment> {
        match (voucher, account) {
            (Some(_), Some(_)) => Err(ServiceError::new(Code::TwoPayments, "send a voucher or an account, not both")),
            (Some(voucher), None) => Ok(Payment::Voucher(voucher)),
            (None, Some(name)) => Ok(Payment::Account(Box::new(self.keyring.get(&name)?))),
            (None, None) => match caller::payer() {
                Payer::Nobody => Ok(Payment::None),
                Payer::Account(account) => {
                    let missing = || {
                        let detail =
                            format!("the key of account {account}, for which this token acts, is not on this node");
                        ServiceError::new(Code::UnknownKey, detail)
                    };
                    Ok(Payment::Account(Box::new(self.keyring.by_address(&account)?.ok_or_else(missing)?)))
                }
                Payer::Configured => self.configured_payer(),
            },
        }
    }

    fn configured_payer(&self) -> ServiceResult<Payment> {
        match self.payer.as_deref() {
            Some(payer) => Ok(Payment::Account(Box::new(self.keyring.get(payer).map_err(|error| {
                ServiceError::new(error.code, format!("api.payer names who pays, but there is {}", error.detail))
            })?))),
            None => Ok(Payment::None),
        }
    }

    /// Whether an account of this name can pay here.
    pub fn has_account(&self, name: &str) -> bool {
        self.keyring.get(name).is_ok()
    }

    /// Checks that `payment` covers `price` and reserves it for what is `asked`, so that nobody makes this node work for
    /// nothing, and no payment buys two answers.
    ///
    /// # Errors
    /// When nothing is paid ([`Code::PaymentRequired`]); when the channel is not there, another node's, closed or about
    /// to expire, or used up ([`Code::NoChannel`], [`Code::ForeignChannel`], [`Code::ChannelExpired`],
    /// [`Code::ChannelExhausted`]); when another answer is under way on it ([`Code::AnswerUnderWay`]); when the voucher
    /// is not its payer's, has paid for another question, or is for another amount ([`Code::BadVoucher`],
    /// [`Code::VoucherSpent`], [`Code::WrongVoucherAmount`]); when the ledger, the blob store or the private store
    /// fails.
    pub async fn admit(&self, payment: Payment, price: Amount, asked: Asked) -> ServiceResult<Admission> {
        if price == 0 {
            return Ok(Admission::Charge(Checked::Free));
        }
        match payment {
            Payment::None => Err(ServiceError::new(
                Code::PaymentRequired,
                format!(
                    "an answer costs {} ({price} base units) and nothing says who pays: open a channel with node {} (`datanet channel open --account NAME --deposit AMOUNT`), then send the paying account's name as \"account\" (OpenAI's clients: as \"user\", or in extra_body), or a voucher; api.payer in the node's configuration names whoever pays for callers that name nobody",
                    display(price),
                    self.identity.node_key()
                ),
            )
            .about("account")),
            Payment::Voucher(voucher) => self.admit_voucher(voucher, price, asked).await,
            Payment::Account(key) => {
                let (channel, secret) = self.channel_of(&key)?;
                let left = channel.deposit.saturating_sub(self.last_amount(&channel.id)?);
                let reservation = self.reservations.shared(channel.id, price, left)?;
                let promise = self.promise(price)?;
                let spend = |spender: &Spender| spender.spend("an answer", key.address(), price, Some(channel.id));
                let hold = key.spender().map(spend).transpose()?.map(Box::new);
                Ok(Admission::Charge(Checked::Sign(channel.id, Box::new(secret), reservation, promise, hold)))
            }
        }
    }

    async fn admit_voucher(&self, voucher: SignedVoucher, price: Amount, asked: Asked) -> ServiceResult<Admission> {
        let channel = self.known_channel(&voucher.channel)?;
        voucher.verify(self.chain.id(), &channel.voucher_key).map_err(|_| {
            ServiceError::new(Code::BadVoucher, "the voucher is not signed by the channel's key for this chain")
        })?;
        caller::count_payer(&channel.payer)?;
        if let Some(paid) = self.db.paid_answer(&voucher.channel, voucher.cumulative)? {
            return self.paid_before(&voucher, price, asked, &paid).await;
        }
        let reservation = self.reservations.exclusive(voucher.channel, asked).await?;
        // Looked up again: whoever had the channel before may have asked the very same.
        if let Some(paid) = self.db.paid_answer(&voucher.channel, voucher.cumulative)? {
            return self.paid_before(&voucher, price, asked, &paid).await;
        }
        let channel = self.usable_channel(&voucher.channel)?;
        self.check_amount(&channel, voucher.cumulative, price)?;
        let promise = self.promise(price)?;
        if self.db.bind_voucher(&voucher.channel, voucher.cumulative, asked.0)?.is_err() {
            return Err(ServiceError::new(
                Code::AnswerUnderWay,
                "this voucher was sent for another question, over which the node stopped; send that one again, or wait ten minutes",
            ));
        }
        let bound = Some(self.db.clone());
        let hold = VoucherHold { voucher, asked, _reservation: reservation, _promise: promise, bound };
        Ok(Admission::Charge(Checked::Voucher(Box::new(hold))))
    }

    /// The answer that a voucher has paid, if it was for the same question.
    async fn paid_before(
        &self,
        voucher: &SignedVoucher,
        price: Amount,
        asked: Asked,
        paid: &PaidAnswer,
    ) -> ServiceResult<Admission> {
        if paid.asked != asked.0 {
            let next = self.last_amount(&voucher.channel)?.saturating_add(price);
            return Err(ServiceError::new(
                Code::VoucherSpent,
                format!(
                    "the voucher of {} base units has paid for another question, receipt {}; sign for {next} to ask this one",
                    voucher.cumulative, paid.receipt
                ),
            ));
        }
        let bytes = self.blobs.read(&BlobHash(paid.receipt.0), MAX_ANSWER_RECORD_BYTES as u64).await?;
        let record = AnswerRecord::verify(&bytes, self.chain.id())
            .map_err(|error| ServiceError::caused(Code::BadReceipt, error))?;
        Ok(Admission::Again(Box::new(record)))
    }

    /// The voucher to record, and the amount it must stand at. Call with the channel's lock held.
    pub(super) fn final_voucher(
        &self,
        checked: &Checked,
        price: Amount,
    ) -> ServiceResult<Option<(SignedVoucher, Amount)>> {
        match checked {
            Checked::Free => Ok(None),
            Checked::Voucher(hold) => {
                let channel = self.usable_channel(&hold.voucher.channel)?;
                let expected = self.check_amount(&channel, hold.voucher.cumulative, price)?;
                Ok(Some((hold.voucher.clone(), expected)))
            }
            Checked::Sign(id, key, ..) => {
                let channel = self.usable_channel(id)?;
                let next = self.last_amount(id)?.saturating_add(price);
                let expected = self.check_amount(&channel, next, price)?;
                Ok(Some((SignedVoucher::sign(self.chain.id(), *id, next, key), expected)))
            }
        }
    }

    /// What has been promised on a channel so far.
    ///
    /// # Errors
    /// When the private store or the ledger cannot be read, or the ledger has no block yet.
    pub fn last_amount(&self, channel: &ChannelId) -> ServiceResult<Amount> {
        let local = self.db.voucher(channel)?.map_or(0, |voucher| voucher.cumulative);
        let settled = channels::get(&self.chain.reader()?, channel)?.map_or(0, |channel| channel.charged);
        Ok(local.max(settled))
    }

    fn check_amount(&self, channel: &Channel, cumulative: Amount, price: Amount) -> ServiceResult<Amount> {
        let last = self.last_amount(&channel.id)?;
        let expected = last.saturating_add(price);
        if expected > channel.deposit {
            return Err(ServiceError::new(
                Code::ChannelExhausted,
                format!(
                    "the channel's deposit of {} does not cover {} ({} spent, {} for this answer); add to it with `datanet channel top-up {} --amount AMOUNT`, or open another",
                    display(channel.deposit),
                    display(expected),
                    display(last),
                    display(price),
                    channel.id
                ),
            ));
        }
        if cumulative != expected {
            let how = if cumulative <= last { "goes backwards" } else { "is not for the price" };
            return Err(ServiceError::new(
                Code::WrongVoucherAmount,
                format!(
                    "the voucher of {cumulative} base units {how}: {last} are promised already and the answer costs {price}, so sign for {expected}"
                ),
            ));
        }
        Ok(expected)
    }

    /// A channel on the ledger.
    fn known_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
        channels::get(&self.chain.reader()?, id)?.ok_or_else(|| {
            ServiceError::new(
                Code::NoChannel,
                format!(
                    "there is no channel {id}; open one with `datanet channel open --account NAME --deposit AMOUNT`"
                ),
            )
        })
    }

    /// A channel to this node, open or not.
    pub(super) fn own_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
        let channel = self.known_channel(id)?;
        if channel.node != self.identity.node_key() {
            return Err(ServiceError::new(
                Code::ForeignChannel,
                format!("channel {id} pays node {}, this is {}", channel.node, self.identity.node_key()),
            ));
        }
        Ok(channel)
    }

    /// A channel to this node that is open, not being closed, and not about to expire.
    fn usable_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
        let channel = self.own_channel(id)?;
        if channel.is_open() && channel.is_closing() {
            return Err(ServiceError::new(
                Code::ChannelExpired,
                format!("channel {id} is being closed by its payer; open another"),
            ));
        }
        if !is_usable(&channel, self.chain.block_seconds(), &self.chain.params()?) {
            return Err(ServiceError::new(
                Code::ChannelExpired,
                format!(
                    "channel {id} is closed or expires at block time {} (this is {}, in seconds since 1970); open another, or make it last longer in time with `datanet channel top-up {id} --seconds N`",
                    channel.expires_at,
                    self.chain.block_seconds()
                ),
            ));
        }
        Ok(channel)
    }

    /// The open channel of a key's account with this node that has most left, of those that take this key's vouchers, and what signs them.
    fn channel_of(&self, key: &AccountKey) -> ServiceResult<(Channel, SigningKey)> {
        let (reader, node) = (self.chain.reader()?, self.identity.node_key());
        let (now, params) = (reader.block_seconds(), self.chain.params()?);
        let all = channels::of_payer(&reader, &key.address(), None, usize::MAX)?;
        let usable = all.into_iter().filter(|channel| channel.node == node && is_usable(channel, now, &params));
        let mut best: Option<(Amount, Channel, SigningKey)> = None;
        for channel in usable {
            let Some(secret) = key.secret_of(&channel.voucher_key).cloned() else { continue };
            let spoken_for = self.last_amount(&channel.id)?.saturating_add(self.reservations.promised(&channel.id));
            let left = channel.deposit.saturating_sub(spoken_for);
            if best.as_ref().is_none_or(|(most, ..)| left > *most) {
                best = Some((left, channel, secret));
            }
        }
        best.map(|(_, channel, secret)| (channel, secret)).ok_or_else(|| {
            ServiceError::new(
                Code::NoChannel,
                format!(
                    "account {} has no open channel with node {node} that takes this key's vouchers; open one with `datanet channel open --account NAME --deposit AMOUNT`",
                    key.address()
                ),
            )
        })
    }
}

fn is_usable(channel: &Channel, now: u64, params: &Params) -> bool {
    channel.is_open() && !channel.is_closing() && now.saturating_add(settle_margin(params)) < channel.expires_at
}
