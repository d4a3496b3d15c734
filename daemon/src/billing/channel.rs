//! What a channel to this node has, of it is taken and promised, and is still good for.

use datanet_ledger::component::Params;
use datanet_ledger::component::channels::{self, Channel};
use datanet_types::amount::display;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, ChannelId, SigningKey};

use super::Billing;
use super::price::Price;
use super::purchase::By;
use super::stands::Stands;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

/// Seconds before a channel's expiry in which it is no longer accepted, because the node needs them to settle: a fifth of what the chain says
/// that a node must have.
pub(super) fn settle_margin(params: &Params) -> u64 {
    (params.channel_min_seconds / 5).max(1)
}

impl Billing {
    /// The channel of a voucher that its payer has signed: whoever has not learns nothing of what it paid for.
    pub(super) fn voucher_channel(&self, voucher: &SignedVoucher) -> ServiceResult<Channel> {
        let channel = self.known_channel(&voucher.channel)?;
        voucher.verify(self.chain.id(), &channel.voucher_key).map_err(|_| {
            ServiceError::new(Code::BadVoucher, "the voucher is not signed by the channel's key for this chain")
        })?;
        Ok(channel)
    }

    /// The voucher to record for `fee`, and what its channel has been charged with it. Call with the channel's lane held.
    pub(super) fn final_voucher(
        &self,
        by: &By,
        price: &Price,
        fee: Amount,
    ) -> ServiceResult<Option<(SignedVoucher, Amount)>> {
        match by {
            By::Nothing => Ok(None),
            By::Voucher(hold) => {
                let channel = self.owing_channel(&hold.voucher.channel)?;
                self.covered(&channel, hold.voucher.cumulative, price)?;
                let taken = self.last_amount(&channel.id)?.saturating_add(fee);
                Ok(Some((hold.voucher.clone(), taken)))
            }
            By::Account(hold) => {
                let channel = self.owing_channel(&hold.channel)?;
                let last = self.last_amount(&channel.id)?;
                let taken = last.saturating_add(fee);
                if taken > channel.deposit {
                    return Err(exhausted(&channel, last, fee));
                }
                // What was paid ahead by a voucher and not used pays first.
                let before = self.db.voucher(&channel.id)?.filter(|voucher| voucher.cumulative >= taken);
                let sign = || SignedVoucher::sign(self.chain.id(), channel.id, taken, &hold.secret);
                Ok(Some((before.unwrap_or_else(sign), taken)))
            }
        }
    }

    /// What answers have taken of a channel so far.
    ///
    /// # Errors
    /// When the private store or the ledger cannot be read, or the ledger has no block yet.
    pub fn last_amount(&self, channel: &ChannelId) -> ServiceResult<Amount> {
        let settled = channels::get(&self.chain.reader()?, channel)?.map_or(0, |channel| channel.charged);
        Ok(self.db.taken(channel)?.max(settled))
    }

    /// The same, and what has been promised on it.
    ///
    /// # Errors
    /// As [`Billing::last_amount`].
    pub fn stands(&self, channel: &ChannelId) -> ServiceResult<Stands> {
        let taken = self.last_amount(channel)?;
        let promised = self.db.voucher(channel)?.map_or(0, |voucher| voucher.cumulative).max(taken);
        Ok(Stands { taken, promised })
    }

    /// What of an answer's price a voucher of so much pays for.
    pub(super) fn covered(&self, channel: &Channel, cumulative: Amount, price: &Price) -> ServiceResult<Price> {
        let stands = self.stands(&channel.id)?;
        if stands.least(price) > channel.deposit {
            return Err(used_up(channel, &stands, price.least));
        }
        let pays = stands.pays(cumulative, price);
        // Who counts what he has promised comes to more than there is, though what was not used would do.
        let fits = cumulative <= channel.deposit || stands.asked(price) > channel.deposit;
        let Some(paid) = pays.filter(|_| fits) else {
            let how = match pays {
                _ if cumulative <= stands.promised => "goes backwards",
                Some(_) => "is for more than the channel has",
                None => "is not for the price",
            };
            let (Stands { promised, .. }, asked) = (stands, stands.asked(price));
            let (costs, most) = (if price.is_metered() { "costs up to" } else { "costs" }, price.most);
            return Err(ServiceError::new(
                Code::WrongVoucherAmount,
                format!(
                    "the voucher of {cumulative} base units {how}: {promised} are promised already and the answer {costs} {most}, so sign for {asked}"
                ),
            ));
        };
        if cumulative > channel.deposit {
            return Err(exhausted(channel, stands.taken, paid.most));
        }
        Ok(paid)
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

    /// A channel to this node on which what was served is still paid: whether or not its payer takes it back meanwhile, it can be settled
    /// until it is closed.
    fn owing_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
        let channel = self.own_channel(id)?;
        if channel.is_open() {
            return Ok(channel);
        }
        let height = channel.closed_height;
        Err(ServiceError::new(
            Code::ChannelExpired,
            format!("channel {id} was closed at height {height}; open another"),
        ))
    }

    /// A channel to this node that is open, not being closed, and not about to expire.
    pub(super) fn usable_channel(&self, id: &ChannelId) -> ServiceResult<Channel> {
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

    /// Whether a channel is good for what takes until then: it must still be settled afterwards.
    pub(super) fn lasts_until(&self, channel: &Channel, until: u64) -> ServiceResult<()> {
        let needed = until.saturating_add(settle_margin(&self.chain.params()?));
        if channel.expires_at > needed {
            return Ok(());
        }
        let (id, seconds) = (channel.id, needed.saturating_sub(self.chain.block_seconds()).saturating_add(60));
        Err(ServiceError::new(
            Code::ChannelExpired,
            format!(
                "channel {id} expires at block time {}, and what it is to pay for may take until {until} and must be settled after that; make it last longer with `datanet channel top-up {id} --seconds {seconds}`, or open one that does",
                channel.expires_at
            ),
        ))
    }

    /// The open channel of a key's account with this node that has most left, of those that take this key's vouchers, and what signs them.
    pub(super) fn channel_of(&self, key: &AccountKey) -> ServiceResult<(Channel, SigningKey)> {
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

/// The next voucher must be for more than the channel has, of an answer that costs `price` at least.
fn used_up(channel: &Channel, stands: &Stands, price: Amount) -> ServiceError {
    if stands.taken.saturating_add(price) > channel.deposit {
        return exhausted(channel, stands.taken, price);
    }
    let (id, unused) = (channel.id, channel.deposit.saturating_sub(stands.taken));
    ServiceError::new(
        Code::ChannelExhausted,
        format!(
            "all of the channel's deposit of {} is promised, and the next voucher must promise more, though {} of it are not used; add to it with `datanet channel top-up {id} --amount AMOUNT`, or close it and have those back",
            display(channel.deposit),
            display(unused)
        ),
    )
}

pub(super) fn exhausted(channel: &Channel, spent: Amount, price: Amount) -> ServiceError {
    ServiceError::new(
        Code::ChannelExhausted,
        format!(
            "the channel's deposit of {} does not cover {} ({} spent, {} for this answer); add to it with `datanet channel top-up {} --amount AMOUNT`, or open another",
            display(channel.deposit),
            display(spent.saturating_add(price)),
            display(spent),
            display(price),
            channel.id
        ),
    )
}

fn is_usable(channel: &Channel, now: u64, params: &Params) -> bool {
    channel.is_open() && !channel.is_closing() && now.saturating_add(settle_margin(params)) < channel.expires_at
}
