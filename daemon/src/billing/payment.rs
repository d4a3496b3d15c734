//! How a caller pays for one answer: by a voucher it signed, or by a key that is in this node's keyring.

use datanet_ledger::component::channels::{self, Channel};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId, SigningKey};

use super::Billing;
use crate::error::{Code, ServiceError, ServiceResult};

/// Blocks before a channel's expiry in which it is no longer accepted: the node needs them to settle.
pub const SETTLE_MARGIN: u64 = 100;

/// What comes with a question.
#[derive(Debug, Clone)]
pub enum Payment {
    /// Nothing: good for datanets whose answers are free.
    None,
    /// A voucher for the channel's last amount plus the price.
    Voucher(SignedVoucher),
    /// An account of this node's keyring; the node signs the voucher on its open channel.
    Account(Box<SigningKey>),
}

/// A payment that will do, before the answer is computed.
#[derive(Debug, Clone)]
pub enum Checked {
    /// The answer is free.
    Free,
    /// The voucher that must follow the last one.
    Voucher(SignedVoucher),
    /// Signed when the answer is charged.
    Sign(ChannelId, Box<SigningKey>),
}

impl Billing {
    /// How a caller pays: by a voucher, by an account of this node, or not at all.
    pub fn payment(&self, voucher: Option<SignedVoucher>, account: Option<String>) -> ServiceResult<Payment> {
        match (voucher, account) {
            (Some(_), Some(_)) => Err(ServiceError::new(Code::TwoPayments, "send a voucher or an account, not both")),
            (Some(voucher), None) => Ok(Payment::Voucher(voucher)),
            (None, Some(name)) => Ok(Payment::Account(Box::new(self.keyring.get(&name)?))),
            (None, None) => Ok(Payment::None),
        }
    }

    /// Whether an account of this name can pay here.
    pub fn has_account(&self, name: &str) -> bool {
        self.keyring.get(name).is_ok()
    }

    /// Checks that `payment` covers `price`, so that nobody makes this node work for nothing.
    pub fn check_payment(&self, payment: Payment, price: Amount) -> ServiceResult<Checked> {
        if price == 0 {
            return Ok(Checked::Free);
        }
        match payment {
            Payment::None => Err(ServiceError::new(
                Code::PaymentRequired,
                format!(
                    "an answer costs {price} base units: open a channel with node {} (`datanet channel open`), then send a voucher or the name of the paying account",
                    self.identity.node_key()
                ),
            )),
            Payment::Voucher(voucher) => {
                let channel = self.usable_channel(&voucher.channel)?;
                voucher.verify(self.chain.id(), &channel.payer_key).map_err(|_| {
                    ServiceError::new(
                        Code::BadVoucher,
                        "the voucher is not signed by the channel's payer for this chain",
                    )
                })?;
                self.check_amount(&channel, voucher.cumulative, price)?;
                Ok(Checked::Voucher(voucher))
            }
            Payment::Account(key) => {
                let channel = self.channel_of(&key)?;
                let next = self.last_amount(&channel.id)?.saturating_add(price);
                self.check_amount(&channel, next, price)?;
                Ok(Checked::Sign(channel.id, key))
            }
        }
    }

    /// The voucher to record, and the amount it must stand at. Call with the charging lock held.
    pub(super) fn final_voucher(
        &self,
        checked: Checked,
        price: Amount,
    ) -> ServiceResult<Option<(SignedVoucher, Amount)>> {
        match checked {
            Checked::Free => Ok(None),
            Checked::Voucher(voucher) => {
                let channel = self.usable_channel(&voucher.channel)?;
                let expected = self.check_amount(&channel, voucher.cumulative, price)?;
                Ok(Some((voucher, expected)))
            }
            Checked::Sign(id, key) => {
                let channel = self.usable_channel(&id)?;
                let next = self.last_amount(&id)?.saturating_add(price);
                let expected = self.check_amount(&channel, next, price)?;
                Ok(Some((SignedVoucher::sign(self.chain.id(), id, next, &key), expected)))
            }
        }
    }

    /// What has been promised on a channel so far.
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
                    "the channel's deposit of {} does not cover {expected} ({last} spent, {price} for this answer); open another channel",
                    channel.deposit
                ),
            ));
        }
        if cumulative != expected {
            let how = if cumulative <= last { "goes backwards" } else { "is not for the price" };
            return Err(ServiceError::new(
                Code::WrongVoucherAmount,
                format!(
                    "the voucher of {cumulative} {how}: {last} is promised already and the answer costs {price}, so sign for {expected}"
                ),
            ));
        }
        Ok(expected)
    }

    /// A channel to this node that is open and not about to expire.
    fn usable_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
        let channel = channels::get(&self.chain.reader()?, id)?.ok_or_else(|| {
            ServiceError::new(
                Code::NoChannel,
                format!("there is no channel {id}; open one with `datanet channel open`"),
            )
        })?;
        if channel.node != self.identity.node_key() {
            return Err(ServiceError::new(
                Code::ForeignChannel,
                format!("channel {id} pays node {}, this is {}", channel.node, self.identity.node_key()),
            ));
        }
        if !is_usable(&channel, self.chain.height()) {
            return Err(ServiceError::new(
                Code::ChannelExpired,
                format!(
                    "channel {id} is closed or expires at height {} (this is {}); open another",
                    channel.expiry,
                    self.chain.height()
                ),
            ));
        }
        Ok(channel)
    }

    /// The open channel of an account with this node that has most left.
    fn channel_of(&self, key: &SigningKey) -> ServiceResult<Channel> {
        let (reader, height, node) = (self.chain.reader()?, self.chain.height(), self.identity.node_key());
        let all = channels::of_payer(&reader, &key.address(), None, usize::MAX)?;
        let usable = all.into_iter().filter(|channel| channel.node == node && is_usable(channel, height));
        let mut best: Option<(Amount, Channel)> = None;
        for channel in usable {
            let left = channel.deposit.saturating_sub(self.last_amount(&channel.id)?);
            if best.as_ref().is_none_or(|(most, _)| left > *most) {
                best = Some((left, channel));
            }
        }
        best.map(|(_, channel)| channel).ok_or_else(|| {
            ServiceError::new(
                Code::NoChannel,
                format!(
                    "account {} has no open channel with node {node}; open one with `datanet channel open`",
                    key.address()
                ),
            )
        })
    }
}

fn is_usable(channel: &Channel, height: u64) -> bool {
    channel.is_open() && height.saturating_add(SETTLE_MARGIN) < channel.expiry
}
