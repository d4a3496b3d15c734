//! Payments that bring a transaction with them, which the caller has signed: a transfer that pays for one answer, and the deposit of the channel
//! that a voucher is on.
//!
//! ```text
//!   deposit:   checked ──▶ sent, in a block ──▶ the voucher is as any other
//!   transfer:  checked ──▶ held ──▶ served ──▶ sent, in a block ──▶ captured
//! ```
//! A transfer goes to the till, an account of this node, which buys the answer on its own channel with this node: whoever earns of an answer
//! earns of this one. It is sent once the answer is there, so that what fails is not paid; and the answer is given once it is in a block. Whoever
//! sends the same again after this node has died in between has it, for as long as [`GRACE_SECONDS`] says: what was paid is served.
//!
//! An agent is not paid so ([`pays_for`]): it buys what its answer is made of while the transfer is in nobody's block, and whoever spends that money
//! elsewhere meanwhile has others paid at the agent's cost, for a fee.

use std::time::Duration;

use datanet_ledger::component::channels::Channel;
use datanet_types::amount::display;
use datanet_types::quote::SignedQuote;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES};
use datanet_types::tx::VerifiedTx;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Address, Amount, BlobHash, PublicKey, ReceiptId, SignedTx, TxHash};

use super::Billing;
use super::bought::Named;
use super::channel::settle_margin;
use super::exchange;
use super::payment::Payment;
use super::price::Price;
use super::purchase::Admission;
use super::reservation::{Asked, Kind, Reservation};
use crate::caller;
use crate::db::now;
use crate::db::payments::PaymentId;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;

/// Seconds after its quote's end for which a transfer that is in a block buys the answer that it was for. Much less than an answer can be had
/// again for, or the same transfer could buy a second one.
pub const GRACE_SECONDS: u64 = 600;
/// How long a transaction is waited for. Sent again, the request finds it in its block.
const LANDING: Duration = Duration::from_secs(60);
/// How long a transfer that was executed a moment ago is waited for until it can be looked up.
const JUST_TAKEN: Duration = Duration::from_secs(5);
/// Blocks that a transaction may be valid for at most: nobody keeps this node waiting for one that stays behind all others.
pub const LONGEST_WAIT: u64 = 600;

/// A transaction that comes with a payment, whose signatures are good.
#[derive(Debug, Clone)]
pub struct Tender {
    bytes: Vec<u8>,
    tx: VerifiedTx,
}

impl Tender {
    /// Reads a transaction of this chain.
    ///
    /// # Errors
    /// When it is none, or its signatures are not good ([`Code::BadTransfer`]).
    pub fn read(bytes: Vec<u8>, chain_id: &str) -> ServiceResult<Self> {
        let tx = SignedTx::verify(&bytes, chain_id).map_err(|error| bad(error.to_string()))?;
        Ok(Self { bytes, tx })
    }

    /// The transaction's hash.
    pub fn hash(&self) -> TxHash {
        self.tx.hash
    }

    /// Whose transaction it is.
    pub fn payer(&self) -> Address {
        self.tx.signer
    }

    /// What names it as a payment: all of its bytes, since whoever has not signed it can sign the same body with a key of his own, which the ledger
    /// takes for nothing.
    fn payment(&self) -> PaymentId {
        PaymentId::of_transfer(&self.tx.hash)
    }

    /// Base units that it puts into a channel.
    pub fn deposit(&self) -> Amount {
        match &self.tx.action {
            Action::OpenChannel(open) => open.deposit,
            Action::TopUpChannel(more) => more.amount,
            _ => 0,
        }
    }
}

fn bad(detail: impl Into<String>) -> ServiceError {
    ServiceError::new(Code::BadTransfer, detail)
}

/// Whether a transfer pays for what a quote of this kind is for.
pub fn pays_for(kind: &str) -> bool {
    kind != Kind::Agent.as_str()
}

/// The nonce of a transfer that pays for what `quote` is for: whoever finds the transfer in a block cannot buy anything else with it.
pub fn nonce_of(quote: &SignedQuote, chain_id: &str) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = quote.sign_bytes(chain_id);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Billing {
    /// The same, with the account that takes transfers and buys for them; an empty name is none.
    #[must_use]
    pub fn with_till(self, till: &str) -> Self {
        Self { till: Some(till.to_owned()).filter(|till| !till.is_empty()), ..self }
    }

    /// Who takes transfers, if an answer of `price` could be paid by one now.
    pub fn till_for(&self, price: Amount) -> Option<Address> {
        let till = self.till().ok()?;
        let (channel, _) = self.channel_of(&till).ok()?;
        let left = channel.deposit.saturating_sub(self.last_amount(&channel.id).ok()?);
        (left.saturating_sub(self.reservations.promised(&channel.id)) >= price).then(|| till.address())
    }

    fn till(&self) -> ServiceResult<AccountKey> {
        let Some(till) = &self.till else {
            return Err(bad("this node takes no transfers for answers (public.till); pay by a voucher on a channel"));
        };
        // The node's own affair, whoever has set it off: nobody but the till is paid from.
        self.keyring.own(till)
    }

    /// Holds a transfer for what is asked. `late`: why nothing new is bought with its quote any more.
    pub(super) async fn hold_transfer(
        &self,
        (tender, name): (Tender, Option<String>),
        quote: Option<&SignedQuote>,
        (price, asked): (Price, Asked),
        late: Option<ServiceError>,
    ) -> ServiceResult<Admission> {
        let till = self.till()?;
        let quote = quote.ok_or_else(|| bad("a transfer pays for what was quoted, and no quote came with it"))?;
        // Whatever the time is: all else that the quote says holds.
        self.honour_at(quote, &asked, &price, 0)?;
        self.check_transfer(&tender, &till, quote)?;
        let payer = tender.payer();
        let mut names = vec![Named { id: tender.payment(), called: "transfer" }];
        // What has bought something was on the ledger. Of all else the ledger says whether those who signed may: before that, nothing is done in the
        // payer's name, nor counted against him.
        let known = self.bought_by(&names, &asked).await?;
        if known.is_none() {
            self.check_standing(&tender, quote, late.clone()).await?;
        }
        caller::count_payer(&payer)?;
        exchange::signed_by(payer, None);
        if let Some(known) = known {
            return Ok(known);
        }
        names.extend(name.map(|name| Named { id: PaymentId::of_account(&payer, &name), called: "payment identifier" }));
        if let Some(known) = self.bought_by(&names, &asked).await? {
            return Ok(known);
        }
        // One at a time: what an account has is enough for each of many, and for one of them.
        let alone = self.reservations.named(PaymentId::of_payer(&payer), asked.payload).await?;
        if let Some(known) = self.bought_by(&names, &asked).await? {
            return Ok(known);
        }
        // What was there may be spent by whoever was first.
        self.check_standing(&tender, quote, late).await?;
        self.hold_account(&till, names, (price, asked), Some((tender, alone))).await
    }

    /// That it is a transfer of what was quoted to the till, for this very quote.
    fn check_transfer(&self, tender: &Tender, till: &AccountKey, quote: &SignedQuote) -> ServiceResult<()> {
        let Action::Transfer(transfer) = &tender.tx.action else {
            return Err(bad("the transaction is no transfer; sign one of the price to the account in payTo"));
        };
        if !pays_for(&quote.kind) {
            return Err(bad(
                "an agent buys for its answer before that is paid, and takes no transfer; pay by a voucher on a channel",
            ));
        }
        if transfer.to != till.address() {
            return Err(bad(format!("the transfer goes to {}, and {} is to be paid", transfer.to, till.address())));
        }
        if transfer.amount != quote.price {
            let (paid, price) = (display(transfer.amount), display(quote.price));
            return Err(bad(format!("the transfer is of {paid}, and the answer costs {price}; sign for that")));
        }
        let nonce = nonce_of(quote, self.chain.id());
        if tender.tx.body.nonce != nonce {
            return Err(bad(format!(
                "the transfer is for another quote: its nonce is {}, and this one's is {nonce}",
                tender.tx.body.nonce
            )));
        }
        if tender.payer() == till.address() {
            return Err(bad("the account that is to be paid cannot pay itself"));
        }
        Ok(())
    }

    /// That it will be in a block, or is: in time, and with effect.
    async fn check_standing(
        &self,
        tender: &Tender,
        quote: &SignedQuote,
        late: Option<ServiceError>,
    ) -> ServiceResult<()> {
        match (self.chain.tx_status(&tender.hash())?, late) {
            (Some(status), _) if !status.code.is_ok() => {
                Err(bad(format!("the ledger refused the transfer in its block: {}; sign another", status.log)))
            }
            (Some(_), Some(late)) if quote.expires_at.saturating_add(GRACE_SECONDS) < now() => Err(late),
            (Some(_), _) => Ok(()),
            (None, Some(late)) => Err(late),
            (None, None) => self.check_will_land(tender).await,
        }
    }

    /// That the ledger would take it now, or has just done so.
    async fn check_will_land(&self, tender: &Tender) -> ServiceResult<()> {
        let Err(refused) = self.check_would_be_taken(tender).await else { return Ok(()) };
        let hash = tender.hash();
        let status = match refused.code {
            // The block that has it may still be on its way to where it is looked up.
            Code::TransactionReplayed => {
                let landed = self.chain.wait(&hash, tender.tx.body.expiry);
                tokio::time::timeout(JUST_TAKEN, landed).await.ok().transpose()?
            }
            _ => self.chain.tx_status(&hash)?,
        };
        match (status, refused.code) {
            (Some(status), _) if status.code.is_ok() => Ok(()),
            (_, Code::TransactionRefused | Code::TransactionReplayed) => Err(bad(refused.detail)),
            _ => Err(refused),
        }
    }

    async fn check_would_be_taken(&self, tender: &Tender) -> ServiceResult<()> {
        let (height, expiry) = (self.chain.height(), tender.tx.body.expiry);
        if expiry <= height || expiry > height.saturating_add(LONGEST_WAIT) {
            return Err(bad(format!(
                "the transaction is good up to height {expiry}, and the ledger is at {height}; let it be good for 1 to {LONGEST_WAIT} blocks"
            )));
        }
        self.chain.would_take(tender.bytes.clone()).await
    }

    /// Sends it, and returns once it is in a block, has been before, or is refused there.
    pub(super) async fn collect(&self, tender: &Tender) -> ServiceResult<()> {
        let sent = tokio::time::timeout(LANDING, self.chain.execute_bytes(tender.bytes.clone())).await;
        let landed = sent.map_err(|_| {
            let detail = format!("the transaction was in no block within {} s; send the same again", LANDING.as_secs());
            ServiceError::new(Code::TookTooLong, detail)
        })?;
        landed.map(drop)
    }

    /// Sends the deposit that a voucher came with, unless it is there, once it is known that the voucher will be good for `price` on it.
    pub(super) async fn make_deposit(
        &self,
        tender: &Tender,
        voucher: &SignedVoucher,
        price: Amount,
    ) -> ServiceResult<()> {
        self.check_deposit(tender, voucher, price)?;
        if self.chain.tx_status(&tender.hash())?.is_none() {
            if tender.tx.body.expiry < self.chain.height() {
                // It was in a block that is forgotten, or will be in none: the channel says which.
                return Ok(());
            }
            self.check_lasts(tender)?;
            self.check_will_land(tender).await?;
            // Now it is known that those who signed may.
            caller::count_payer(&tender.payer())?;
        }
        self.collect(tender).await?;
        exchange::signed_by(tender.payer(), Some(voucher.channel));
        Ok(())
    }

    /// That a channel that is opened lasts long enough to be used.
    fn check_lasts(&self, tender: &Tender) -> ServiceResult<()> {
        let Action::OpenChannel(open) = &tender.tx.action else { return Ok(()) };
        let margin = settle_margin(&self.chain.params()?);
        if open.expires_at > self.chain.block_seconds().saturating_add(margin) {
            return Ok(());
        }
        Err(bad("the channel would expire too soon to be used; let it last longer"))
    }

    /// That the voucher is signed for the channel that the transaction opens or adds to, and that this is one to this node.
    pub(super) fn check_deposit(&self, tender: &Tender, voucher: &SignedVoucher, price: Amount) -> ServiceResult<()> {
        let key = self.deposited_key(tender, voucher, price)?;
        voucher.verify(self.chain.id(), &key).map_err(|_| {
            ServiceError::new(Code::BadVoucher, "the voucher is not signed by the channel's key for this chain")
        })
    }

    fn deposited_key(&self, tender: &Tender, voucher: &SignedVoucher, price: Amount) -> ServiceResult<PublicKey> {
        let node = self.identity.node_key();
        match &tender.tx.action {
            Action::OpenChannel(open) => {
                let id = tender.tx.channel_id();
                if id != voucher.channel {
                    return Err(bad(format!("the transaction opens channel {id}, and the voucher is on another")));
                }
                if open.node != node {
                    return Err(bad(format!("the channel would pay node {}, and this is {node}", open.node)));
                }
                if open.deposit < price {
                    let (deposit, price) = (display(open.deposit), display(price));
                    return Err(bad(format!("a deposit of {deposit} does not cover an answer of {price}")));
                }
                match (open.voucher_key, tender.tx.keys.as_slice()) {
                    (Some(key), _) => Ok(key),
                    (None, [key]) => Ok(*key),
                    (None, _) => Err(bad("name the key that signs vouchers: several sign the transaction")),
                }
            }
            Action::TopUpChannel(more) => {
                if more.channel != voucher.channel {
                    return Err(bad(format!("the transaction adds to channel {}, not the voucher's", more.channel)));
                }
                let Channel { voucher_key, .. } = self.own_channel(&more.channel)?;
                Ok(voucher_key)
            }
            _ => Err(bad("the transaction neither opens a channel nor adds to one")),
        }
    }

    /// Sends a voucher's deposit without an answer: it is its payer's still. Returns what was deposited.
    ///
    /// # Errors
    /// As [`Billing::would_pay`], and when the ledger does not take it.
    pub async fn deposit(&self, payment: &Payment) -> ServiceResult<Option<Amount>> {
        let Some((voucher, tender)) = payment.deposit() else { return Ok(None) };
        self.make_deposit(tender, voucher, 0).await?;
        Ok(Some(tender.deposit()))
    }
}

impl Billing {
    /// Whether a payment would do for an answer of `price` now; who pays. Nothing is held for it.
    ///
    /// # Errors
    /// Why it would not do.
    pub async fn would_pay(&self, payment: &Payment, price: Amount) -> ServiceResult<Address> {
        let mut asked = Price::from(price);
        if let Some(quote) = payment.quoted_at() {
            self.own_word(quote, price)?;
            asked = Price::quoted(quote);
        }
        if let Some((voucher, tender)) = payment.deposit() {
            self.check_deposit(tender, voucher, asked.least)?;
            if self.chain.tx_status(&tender.hash())?.is_none() {
                self.check_lasts(tender)?;
                self.check_will_land(tender).await?;
                caller::count_payer(&tender.payer())?;
                return Ok(tender.payer());
            }
        }
        if let Some(voucher) = payment.voucher() {
            let channel = self.voucher_channel(voucher)?;
            caller::count_payer(&channel.payer)?;
            let channel = self.usable_channel(&channel.id)?;
            self.covered(&channel, voucher.cumulative, &asked)?;
            return Ok(channel.payer);
        }
        if let Some(tender) = payment.transfer() {
            let quote = payment.quoted_at().ok_or_else(|| bad("a transfer pays for what was quoted"))?;
            self.check_transfer(tender, &self.till()?, quote)?;
            self.check_standing(tender, quote, None).await?;
            caller::count_payer(&tender.payer())?;
            return Ok(tender.payer());
        }
        Err(ServiceError::new(Code::PaymentRequired, "nothing pays"))
    }

    /// What a receipt of this node took.
    ///
    /// # Errors
    /// When it is not here, or the blob store fails.
    pub async fn fee_of(&self, receipt: &ReceiptId) -> ServiceResult<Amount> {
        let bytes = self.blobs.read(&BlobHash(receipt.0), MAX_ANSWER_RECORD_BYTES as u64).await?;
        let record = AnswerRecord::verify(&bytes, self.chain.id());
        Ok(record.map_err(|error| ServiceError::caused(Code::BadReceipt, error))?.receipt.fee)
    }

    /// The answer that a payment has bought, if it has bought one.
    ///
    /// # Errors
    /// When the payment is not its payer's, or the private store fails.
    pub fn bought_with(&self, payment: &Payment) -> ServiceResult<Option<Sold>> {
        use crate::db::payments::Standing;
        let (id, payer) = match (payment.voucher(), payment.transfer()) {
            (Some(voucher), _) => {
                let channel = self.voucher_channel(voucher)?;
                (PaymentId::of_voucher(&voucher.channel, voucher.cumulative), channel.payer)
            }
            (None, Some(tender)) => (tender.payment(), tender.payer()),
            (None, None) => return Ok(None),
        };
        Ok(match self.db.payment(&id)? {
            Some(Standing::Spent { receipt, .. }) => Some(Sold { receipt, payer }),
            _ => None,
        })
    }
}

/// An answer that a payment has bought.
#[derive(Debug, Clone, Copy)]
pub struct Sold {
    /// Its receipt.
    pub receipt: ReceiptId,
    /// Who paid.
    pub payer: Address,
}

/// What is sent when an answer is captured, and that its payer has no other under way.
pub(super) type Due = (Tender, Reservation);
