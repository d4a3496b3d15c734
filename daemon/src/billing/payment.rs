//! How a caller pays for one answer: by a voucher it signed, or by a key that is in this node's keyring; and what makes that good.

use datanet_ledger::component::Params;
use datanet_ledger::component::channels::{self, Channel};
use datanet_ledger::component::params::versions::Version;
use datanet_types::amount::display;
use datanet_types::quote::SignedQuote;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES, sale};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Amount, BlobHash, ChannelId, Digest, ReceiptId, SigningKey};

use super::Billing;
use super::exchange;
use super::machine::{self, Decision};
use super::price::Price;
use super::purchase::{AccountHold, Admission, By, Held, VoucherHold};
use super::reservation::Asked;
use super::stands::Stands;
use super::transfer::{Due, Tender};
use crate::caller::{self, Payer};
use crate::db::accruals::params_changed;
use crate::db::now;
use crate::db::payments::{PaymentId, Standing};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::failpoint;
use crate::keyring::AccountKey;
use crate::tokens::Spender;

/// Seconds before a channel's expiry in which it is no longer accepted, because the node needs them to settle: a fifth of what the chain says
/// that a node must have.
pub fn settle_margin(params: &Params) -> u64 {
    (params.channel_min_seconds / 5).max(1)
}

/// What comes with a question: what pays, by what name, and what was quoted.
#[derive(Debug, Clone)]
pub struct Payment {
    means: Means,
    /// By which its answer can be had again; a voucher has its channel and amount for a name.
    name: Option<String>,
    pub(super) quote: Option<SignedQuote>,
}

#[derive(Debug, Clone)]
enum Means {
    /// Good for what is free.
    Nothing,
    /// What came cannot be taken, for this reason: good for what is free.
    Refused(Box<ServiceError>),
    /// For the channel's last amount plus the price; with the transaction that opens the channel or adds to it, if that is to be sent first.
    Voucher(Box<(SignedVoucher, Option<Tender>)>),
    /// Of the price, for one quote.
    Transfer(Box<Tender>),
    /// An account of this node's keyring; the node signs the voucher on its open channel.
    Account(Box<AccountKey>),
}

impl From<Means> for Payment {
    fn from(means: Means) -> Self {
        Self { means, name: None, quote: None }
    }
}

impl Payment {
    /// Nothing: good for what is free.
    pub fn none() -> Self {
        Means::Nothing.into()
    }

    /// What came cannot be taken, for this reason: good for what is free.
    pub fn refused(reason: ServiceError) -> Self {
        Means::Refused(Box::new(reason)).into()
    }

    /// A voucher for its channel's last amount plus the price.
    pub fn by_voucher(voucher: SignedVoucher) -> Self {
        Means::Voucher(Box::new((voucher, None))).into()
    }

    /// The same on a channel that this transaction opens or adds to first.
    pub fn by_deposit(voucher: SignedVoucher, deposit: Tender) -> Self {
        Means::Voucher(Box::new((voucher, Some(deposit)))).into()
    }

    /// A transfer of the price, made for the quote that comes with it.
    pub fn by_transfer(transfer: Tender) -> Self {
        Means::Transfer(Box::new(transfer)).into()
    }

    /// Whether it pays for one answer and no more.
    pub fn pays_once(&self) -> bool {
        matches!(self.means, Means::Voucher(_) | Means::Transfer(_))
    }

    /// Whether it is taken only once the answer is there: whoever had part of it before could keep that, and pay nothing.
    pub fn is_taken_last(&self) -> bool {
        matches!(self.means, Means::Transfer(_))
    }

    pub(super) fn voucher(&self) -> Option<&SignedVoucher> {
        match &self.means {
            Means::Voucher(paid) => Some(&paid.0),
            _ => None,
        }
    }

    pub(super) fn deposit(&self) -> Option<(&SignedVoucher, &Tender)> {
        match &self.means {
            Means::Voucher(paid) => Some((&paid.0, paid.1.as_ref()?)),
            _ => None,
        }
    }

    pub(super) fn transfer(&self) -> Option<&Tender> {
        match &self.means {
            Means::Transfer(transfer) => Some(transfer),
            _ => None,
        }
    }

    pub(super) fn quoted_at(&self) -> Option<&SignedQuote> {
        self.quote.as_ref()
    }

    /// An account of this node's keyring, on its open channel with this node.
    pub fn by_account(key: AccountKey) -> Self {
        Means::Account(Box::new(key)).into()
    }

    /// The same, called `name` by whoever pays: sent again by that name with the same question, it is given the same answer.
    ///
    /// # Errors
    /// When the name is empty or too long ([`Code::BadIdempotencyKey`]).
    pub fn named(self, name: Option<String>) -> ServiceResult<Self> {
        /// Longest name of a payment in bytes.
        const MAX_NAME: usize = 255;
        if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > MAX_NAME) {
            let detail = format!("Idempotency-Key is 1 to {MAX_NAME} bytes");
            return Err(ServiceError::new(Code::BadIdempotencyKey, detail));
        }
        Ok(Self { name: name.or(self.name), ..self })
    }

    /// The sale of an agent that its answer is bought for, where its name says so.
    pub(super) fn order(&self) -> Option<Digest> {
        self.name.as_deref().and_then(sale::order_of)
    }

    /// What is the same whenever this payment is sent again, and of no other payment; drawn where it has no name.
    ///
    /// # Errors
    /// When the system gives no randomness ([`Code::NoRandomness`]).
    pub fn nonce(&self) -> ServiceResult<Digest> {
        let id = match (&self.means, &self.name) {
            (Means::Voucher(paid), _) => PaymentId::of_voucher(&paid.0.channel, paid.0.cumulative),
            (Means::Transfer(transfer), _) => PaymentId::of_transfer(&transfer.hash()),
            (Means::Account(key), Some(name)) => PaymentId::of_account(&key.address(), name),
            (Means::Account(_) | Means::Nothing | Means::Refused(_), _) => {
                let mut drawn = [0; 32];
                getrandom::fill(&mut drawn).map_err(|error| {
                    ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}"))
                })?;
                PaymentId(drawn)
            }
        };
        Ok(Digest(id.0))
    }

    /// The payment for the answer of this index, of several that are bought by one request.
    #[must_use]
    pub fn numbered(&self, index: usize) -> Self {
        let name = self.name.as_ref().map(|name| if index == 0 { name.clone() } else { format!("{name}#{index}") });
        Self { name, ..self.clone() }
    }

    /// The same, at the price that was quoted.
    #[must_use]
    pub fn quoted(self, quote: Option<SignedQuote>) -> Self {
        Self { quote: quote.or(self.quote), ..self }
    }
}

/// What comes with the present request, and not in its body.
fn presented() -> Option<Payment> {
    caller::exchange()?.presented.clone()
}

/// A payment by one of its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub(super) id: PaymentId,
    /// What whoever pays calls such a name.
    pub(super) called: &'static str,
}

impl Named {
    /// It has paid for another question, whose receipt this is.
    fn spent(&self, receipt: &ReceiptId) -> ServiceError {
        let called = self.called;
        let detail =
            format!("this {called} has paid for another question, receipt {receipt}; send another with this one");
        ServiceError::new(Code::PaymentSpent, detail)
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
            (Some(_), None) if presented().is_some() => Err(ServiceError::new(
                Code::TwoPayments,
                "send a voucher in the body or a payment in the header, not both",
            )),
            (Some(voucher), None) => Ok(Payment::by_voucher(voucher)),
            (None, Some(name)) => Ok(Payment::by_account(self.keyring.get(&name)?)),
            (None, None) => match caller::payer() {
                Payer::Nobody => Ok(presented().unwrap_or_else(Payment::none)),
                Payer::Account(account) => {
                    let missing = || {
                        let detail =
                            format!("the key of account {account}, for which this token acts, is not on this node");
                        ServiceError::new(Code::UnknownKey, detail)
                    };
                    Ok(Payment::by_account(self.keyring.by_address(&account)?.ok_or_else(missing)?))
                }
                Payer::Configured => self.configured_payer(),
            },
        }
    }

    fn configured_payer(&self) -> ServiceResult<Payment> {
        match self.payer.as_deref() {
            Some(payer) => Ok(Payment::by_account(self.keyring.get(payer).map_err(|error| {
                ServiceError::new(error.code, format!("api.payer names who pays, but there is {}", error.detail))
            })?)),
            None => Ok(Payment::none()),
        }
    }

    /// Whether an account of this name can pay here.
    pub fn has_account(&self, name: &str) -> bool {
        self.keyring.get(name).is_ok()
    }

    /// Holds a payment of `price` for what is `asked`; if it is too `late` for its quote, only what it has bought before is given. In a task of its
    /// own, since it must not stop half-way.
    pub(super) async fn hold(
        &self,
        payment: Payment,
        price: Price,
        asked: Asked,
        late: Option<ServiceError>,
    ) -> ServiceResult<Admission> {
        let Payment { means, name, quote } = payment;
        match means {
            Means::Nothing => Err(late.unwrap_or_else(|| self.nothing_pays(price.most))),
            Means::Refused(reason) => Err(*reason),
            Means::Voucher(paid) => {
                let (voucher, deposit) = *paid;
                if let Some(deposit) = deposit.filter(|_| late.is_none()) {
                    self.make_deposit(&deposit, &voucher, price.least).await?;
                }
                self.hold_voucher((voucher, name), (price, asked), late).await
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

    /// The channel of a voucher that its payer has signed: whoever has not learns nothing of what it paid for.
    pub(super) fn voucher_channel(&self, voucher: &SignedVoucher) -> ServiceResult<Channel> {
        let channel = self.known_channel(&voucher.channel)?;
        voucher.verify(self.chain.id(), &channel.voucher_key).map_err(|_| {
            ServiceError::new(Code::BadVoucher, "the voucher is not signed by the channel's key for this chain")
        })?;
        Ok(channel)
    }

    async fn hold_voucher(
        &self,
        (voucher, name): (SignedVoucher, Option<String>),
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
        let price = self.covered(&channel, voucher.cumulative, &price)?;
        let (params, promise) = (self.params_of(&voucher.channel)?, self.promise(price.most)?);
        let step = self.db.step_payment(payment, move |standing| machine::decide(standing, &question, now()));
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

    /// The answer that a payment has bought to this very question, whatever that costs by now and whether or not anybody sells it still. Of
    /// vouchers and accounts: what was bought by a transfer has its quote's price.
    ///
    /// # Errors
    /// When its payer asks too often ([`Code::RateLimited`]), or the private store or the blob store fails.
    pub async fn bought_already(&self, payment: &Payment, asked: &Asked) -> ServiceResult<Option<AnswerRecord>> {
        let (payer, channel, voucher) = match &payment.means {
            Means::Voucher(paid) => {
                // Whoever has not signed it learns nothing of what it paid for.
                let Ok(channel) = self.voucher_channel(&paid.0) else { return Ok(None) };
                let id = PaymentId::of_voucher(&channel.id, paid.0.cumulative);
                (channel.payer, Some(channel.id), Some(id))
            }
            Means::Account(key) => (key.address(), None, None),
            Means::Transfer(_) | Means::Nothing | Means::Refused(_) => return Ok(None),
        };
        let named = payment.name.as_ref().map(|name| PaymentId::of_account(&payer, name));
        for id in voucher.into_iter().chain(named) {
            let Some(Standing::Spent { payload, receipt }) = self.db.payment(&id)? else { continue };
            if payload != asked.payload {
                continue;
            }
            caller::count_payer(&payer)?;
            if channel.is_some() {
                exchange::signed_by(payer, channel);
            }
            if let Admission::Again(record) = self.again(&receipt).await? {
                return Ok(Some(*record));
            }
        }
        Ok(None)
    }

    /// The answer that a payment has bought to this very question at prices for text that the node has no more; none if its quote is bad for another
    /// reason.
    pub(super) async fn bought_at_former_prices(
        &self,
        payment: &Payment,
        asked: &Asked,
    ) -> ServiceResult<Option<AnswerRecord>> {
        let is_own_word = |quote: &SignedQuote| self.honour_at(quote, asked, &Price::quoted(quote), 0).is_ok();
        if payment.quote.as_ref().is_some_and(is_own_word) {
            return self.bought_already(payment, asked).await;
        }
        Ok(None)
    }

    /// The answer that a payment has bought, if it has; an error if that was to another question.
    async fn bought_before(
        &self,
        payment: &PaymentId,
        question: &Digest,
        spent: &(dyn Fn(ReceiptId) -> ServiceResult<ServiceError> + Sync),
    ) -> ServiceResult<Option<Admission>> {
        match machine::decide(self.db.payment(payment)?.as_ref(), question, now()).1 {
            Decision::Replay(receipt) => self.again(&receipt).await.map(Some),
            Decision::SpentOnAnother(receipt) => Err(spent(receipt)?),
            Decision::Hold | Decision::HeldForAnother(_) => Ok(None),
        }
    }

    /// The answer that a payment of one of these names has bought, if one has.
    pub(super) async fn bought_by(&self, names: &[Named], asked: &Asked) -> ServiceResult<Option<Admission>> {
        for named in names {
            let known = self.bought_before(&named.id, &asked.payload, &|receipt| Ok(named.spent(&receipt))).await?;
            if known.is_some() {
                return Ok(known);
            }
        }
        Ok(None)
    }

    async fn again(&self, receipt: &ReceiptId) -> ServiceResult<Admission> {
        let bytes = self.blobs.read(&BlobHash(receipt.0), MAX_ANSWER_RECORD_BYTES as u64).await?;
        let record = AnswerRecord::verify(&bytes, self.chain.id())
            .map_err(|error| ServiceError::caused(Code::BadReceipt, error))?;
        exchange::bought(record.id(), record.receipt.fee);
        Ok(Admission::Again(Box::new(record)))
    }

    /// The parameters that an answer paid on a channel is given under: those that hold, which must be those of what it owes already.
    fn params_of(&self, channel: &ChannelId) -> ServiceResult<Version> {
        let present = self.chain.params_version()?;
        match self.db.accruing_under(channel)? {
            Some(former) if former != present.number => Err(params_changed()),
            _ => Ok(present),
        }
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

fn exhausted(channel: &Channel, spent: Amount, price: Amount) -> ServiceError {
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
