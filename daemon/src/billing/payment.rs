//! How a caller pays for one answer: by a voucher it signed, or by a key that is in this node's keyring.

use datanet_types::Digest;
use datanet_types::quote::SignedQuote;
use datanet_types::receipt::sale;
use datanet_types::voucher::SignedVoucher;

use super::Billing;
use super::transfer::Tender;
use crate::caller::{self, Payer};
use crate::db::payments::PaymentId;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

/// What comes with a question: what pays, by what name, and what was quoted.
#[derive(Debug, Clone)]
pub struct Payment {
    pub(super) means: Means,
    /// By which its answer can be had again; a voucher has its channel and amount for a name.
    pub(super) name: Option<String>,
    pub(super) quote: Option<SignedQuote>,
    /// Until when it stays held for what is asked, in seconds since 1970, where that takes long; its channel must last as long.
    pub(super) until: Option<u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Means {
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
        Self { means, name: None, quote: None, until: None }
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

    /// The same, for what takes until then at most (in seconds since 1970), over which the node may be started again.
    #[must_use]
    pub fn held_until(self, until: u64) -> Self {
        Self { until: Some(until), ..self }
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
}
