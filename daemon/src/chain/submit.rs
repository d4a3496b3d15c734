//! Sending transactions and waiting for their blocks.

use datanet_ledger::app::AppError;
use datanet_ledger::component::Event;
use datanet_ledger::{LedgerHandle, TxOutcome, code};
use datanet_types::tx::{TxBody, tx_hash};
use datanet_types::{Action, Amount, ChannelId, TxHash};

use super::{Chain, Engine};
use crate::cometbft::{BroadcastOutcome, RpcError};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::AccountKey;
use crate::tokens::Hold;

/// Blocks a transaction of this node may wait before it expires.
pub const TTL_BLOCKS: u64 = 300;

/// A transaction that is in a block and did what it said.
#[derive(Debug, Clone)]
pub struct Committed {
    /// Its hash.
    pub hash: TxHash,
    /// The block.
    pub height: u64,
    /// Hash of the signed part: the id of a channel it opened.
    pub id: [u8; 32],
}

/// What became of a transaction.
#[derive(Debug, Clone, serde::Serialize)]
pub struct TxStatus {
    /// Its hash.
    pub hash: TxHash,
    /// The block.
    pub height: u64,
    /// Success if it did what it said.
    pub code: code::Code,
    /// Why not.
    pub log: String,
    /// What happened.
    pub events: Vec<Event>,
    /// The gas that it took.
    pub gas_used: u64,
}

/// A transaction that is signed, and what is taken of the limit of the token that has it signed.
pub struct Signed {
    /// As it is sent.
    bytes: Vec<u8>,
    hold: Option<Hold>,
    fee: Amount,
    /// What it pays into which channel; one that it opens has no id yet.
    pays_in: Option<(Option<ChannelId>, Amount)>,
}

impl Signed {
    /// As it is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What an action pays into a channel.
fn pays_in(action: &Action) -> Option<(Option<ChannelId>, Amount)> {
    match action {
        Action::OpenChannel(open) => Some((None, open.deposit)),
        Action::TopUpChannel(more) => Some((Some(more.channel), more.amount)),
        _ => None,
    }
}

impl Chain {
    /// Signs `action` with `key` for its account, with a fresh nonce, and the gas that it takes if it is tried out now, twice over: what it
    /// does not take in its block is not paid. Where a token has it signed, what it takes from the account is taken of that one's limit first, its
    /// whole fee with it: nothing is signed for one beside this and the vouchers of `billing`.
    ///
    /// # Errors
    /// When the ledger would refuse it, has no block yet or cannot be read, or the system gives no randomness ([`Code::NoRandomness`]); when it
    /// is more than the token's limit ([`Code::TokenLimit`]).
    pub fn sign(&self, key: &AccountKey, action: Action) -> ServiceResult<Signed> {
        let (what, pays_in) = (action.kind().name(), pays_in(&action));
        let (bytes, fee, taken) = self.signed_bytes(key, action)?;
        let hold = match key.spender() {
            Some(spender) => {
                // Not yet sent, it would be given back if it did not go on.
                Some(spender.spend(what, key.address(), taken.saturating_add(fee), None)?)
            }
            None => None,
        };
        Ok(Signed { bytes, hold, fee, pays_in })
    }

    /// The signed bytes, their fee, and what the action takes from the account beside.
    fn signed_bytes(&self, key: &AccountKey, action: Action) -> ServiceResult<(Vec<u8>, Amount, Amount)> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| {
            ServiceError::new(Code::NoRandomness, format!("the system gives no randomness: {error}"))
        })?;
        let params = self.params()?;
        let mut body = TxBody {
            chain_id: self.id().to_owned(),
            expiry: self.height().saturating_add(TTL_BLOCKS),
            fee: params.min_fee,
            nonce: u64::from_le_bytes(nonce),
            account: key.address(),
            gas_limit: 0,
            tip: 0,
            action: Some(action),
        };
        let (tried, taken) = self.ledger().appraise(&body.sign(key.secret()).to_bytes())?;
        let tried = unless_refused(tried)?;
        body.gas_limit = tried.gas_used.saturating_mul(2).min(params.tx_gas());
        // A higher fee may take a byte more to write.
        loop {
            let bytes = body.sign(key.secret()).to_bytes();
            let least = params.fee_of(body.gas_limit, bytes.len() as u64);
            if body.fee >= least {
                return Ok((bytes, body.fee, taken));
            }
            body.fee = least;
        }
    }

    /// Hands signed bytes to the mempool; the answer says only that they may enter a block. Bytes that wait there already,
    /// or that were in a block a short while ago, are taken as they were the first time.
    ///
    /// # Errors
    /// When the ledger refuses it ([`Code::TransactionRefused`], [`Code::InsufficientFunds`],
    /// [`Code::TransactionReplayed`], [`Code::ComponentStopped`]) or has no block yet ([`Code::NoBlocks`]), the mempool has no room for it
    /// ([`Code::MempoolFull`], [`Code::TransactionTooLarge`]), or the engine does not answer
    /// ([`Code::ConsensusUnreachable`]).
    pub async fn submit(&self, bytes: Vec<u8>) -> ServiceResult<TxHash> {
        self.try_out(bytes.clone()).await?;
        self.relay(bytes).await
    }

    /// The same for strangers: what it would do is not tried out, which would be work for nothing.
    ///
    /// # Errors
    /// As [`Chain::submit`], less what only its action is refused for.
    pub async fn relay(&self, bytes: Vec<u8>) -> ServiceResult<TxHash> {
        let hash = tx_hash(&bytes);
        let (code, log) = match self.engine() {
            Engine::CometBft(rpc) => match rpc.broadcast_tx_sync(&bytes).await {
                Ok(reply) => (told(&reply)?, reply.log),
                Err(RpcError::AlreadySubmitted) => return Ok(hash),
                Err(error) => return Err(not_taken(&error)),
            },
            Engine::Solo(solo) => {
                let outcome = solo.submit(bytes).await.map_err(|error| {
                    ServiceError::new(
                        Code::ConsensusUnreachable,
                        format!("the solo engine did not take the transaction: {error}"),
                    )
                })?;
                (outcome.code, outcome.log)
            }
        };
        if code.is_ok() { Ok(hash) } else { Err(refused(code, &log)) }
    }

    /// What signed bytes would do if they were next, and the gas that they would take, whatever their own limit, fee and expiry are.
    ///
    /// # Errors
    /// When the ledger would refuse them or cannot be read.
    pub async fn estimate(&self, bytes: Vec<u8>) -> ServiceResult<TxOutcome> {
        unless_refused(self.asked(move |ledger| ledger.estimate(&bytes)).await?)
    }

    /// What the ledger answers, without keeping others waiting meanwhile.
    async fn asked(
        &self,
        ask: impl FnOnce(&LedgerHandle) -> Result<TxOutcome, AppError> + Send + 'static,
    ) -> ServiceResult<TxOutcome> {
        let ledger = self.ledger().clone();
        let answered = tokio::task::spawn_blocking(move || ask(&ledger)).await;
        Ok(answered.map_err(|error| ServiceError::caused(Code::ShuttingDown, error))??)
    }

    /// Whether the ledger would take it if it were next: not what it has taken before.
    ///
    /// # Errors
    /// Why it would not; when the ledger cannot be read.
    pub async fn would_take(&self, bytes: Vec<u8>) -> ServiceResult<()> {
        unless_refused(self.asked(move |ledger| ledger.simulate(&bytes)).await?).map(drop)
    }

    /// Refuses at once and for nothing what the ledger would refuse in a block for a fee.
    async fn try_out(&self, bytes: Vec<u8>) -> ServiceResult<()> {
        let outcome = self.asked(move |ledger| ledger.simulate(&bytes)).await?;
        // What waits for a block already, or was in one, is told apart by the engine.
        if outcome.code == code::REPLAYED { Ok(()) } else { unless_refused(outcome).map(drop) }
    }

    /// Signs, submits and waits until the transaction is in a block.
    ///
    /// # Errors
    /// As [`Chain::sign`] and [`Chain::execute_bytes`].
    pub async fn execute(&self, key: &AccountKey, action: Action) -> ServiceResult<Committed> {
        let signed = self.sign(key, action)?;
        self.execute_signed(signed).await
    }

    /// Submits what was signed here, and waits until it is in a block.
    ///
    /// # Errors
    /// As [`Chain::execute_bytes`].
    pub async fn execute_signed(&self, signed: Signed) -> ServiceResult<Committed> {
        let Signed { bytes, hold, fee, pays_in } = signed;
        // On its way it may come into a block whoever still waits for it.
        let hold = hold.map(Hold::kept);
        let done = self.execute_bytes(bytes).await;
        let Some(hold) = hold else { return done };
        match (&done, pays_in) {
            (Ok(committed), Some((channel, amount))) => {
                hold.settle_into(&channel.unwrap_or(ChannelId(committed.id)), amount);
            }
            (Ok(_), None) => hold.settle(),
            // It may have paid its fee.
            (Err(error), _) if error.is_ledgers_verdict() => hold.settle_at(fee),
            (Err(_), _) => {}
        }
        done
    }

    /// Like [`Chain::execute`], for bytes already signed.
    ///
    /// # Errors
    /// When they are no transaction of this chain ([`Code::BadTransaction`]), as [`Chain::submit`] and [`Chain::wait`],
    /// and when it was refused in its block, with the codes of a refusal there.
    pub async fn execute_bytes(&self, bytes: Vec<u8>) -> ServiceResult<Committed> {
        let verified = datanet_types::SignedTx::verify(&bytes, self.id())
            .map_err(|error| ServiceError::caused(Code::BadTransaction, error))?;
        let hash = tx_hash(&bytes);
        match self.submit(bytes).await {
            Ok(_) => {}
            // These very bytes were in a block: what became of them is what is asked for.
            Err(error) if error.code == Code::TransactionReplayed && self.tx_status(&hash)?.is_some() => {}
            Err(error) => return Err(error),
        }
        let status = self.wait(&hash, verified.body.expiry).await?;
        if !status.code.is_ok() {
            return Err(refused(status.code, &status.log));
        }
        Ok(Committed { hash, height: status.height, id: verified.id })
    }

    /// The transaction's fate, once it is in a block.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn tx_status(&self, hash: &TxHash) -> ServiceResult<Option<TxStatus>> {
        let found = self.ledger().tx_result(hash)?;
        Ok(found.map(|result| TxStatus {
            hash: *hash,
            height: result.height,
            code: result.code,
            log: result.log,
            events: result.events.iter().map(event).collect(),
            gas_used: result.gas_used,
        }))
    }

    /// Waits until `hash` is in a block, or can't be any more because `expiry` has passed.
    ///
    /// # Errors
    /// When `expiry` passes first ([`Code::TransactionExpired`]), the node stops ([`Code::ShuttingDown`]), or the
    /// ledger cannot be read.
    pub async fn wait(&self, hash: &TxHash, expiry: u64) -> ServiceResult<TxStatus> {
        let mut commits = self.commits();
        loop {
            // Marked as seen before looking, so that a block that lands in between wakes us again.
            let height = commits.borrow_and_update().height;
            if let Some(status) = self.tx_status(hash)? {
                return Ok(status);
            }
            if height > expiry {
                return Err(ServiceError::new(
                    Code::TransactionExpired,
                    format!("transaction {hash} was in no block up to height {expiry}; send it again"),
                ));
            }
            if commits.changed().await.is_err() {
                return Err(ServiceError::new(Code::ShuttingDown, "the node is shutting down"));
            }
        }
    }
}

fn event(record: &datanet_ledger::store::EventRecord) -> Event {
    let attributes = record.attributes.iter().map(|attribute| (attribute.key.clone(), attribute.value.clone()));
    Event { kind: record.kind.clone(), attributes: attributes.collect() }
}

/// Why CometBFT did not take a transaction, with what can be mended told apart.
fn not_taken(error: &RpcError) -> ServiceError {
    match error {
        RpcError::MempoolFull => ServiceError::new(Code::MempoolFull, error.to_string()),
        RpcError::TooLarge { .. } => ServiceError::new(Code::TransactionTooLarge, error.to_string()),
        other => {
            let detail = format!("CometBFT did not take the transaction: {other}");
            ServiceError::new(Code::ConsensusUnreachable, detail)
        }
    }
}

/// The ledger's code as CometBFT passes it on: its own ledger's, which is this one.
fn told(reply: &BroadcastOutcome) -> ServiceResult<code::Code> {
    code::Code::new(&reply.codespace, reply.code).ok_or_else(|| {
        let (codespace, code, log) = (&reply.codespace, reply.code, &reply.log);
        let detail = format!("CometBFT passed on a code that this ledger does not have: {codespace}/{code} ({log})");
        ServiceError::new(Code::ConsensusUnreachable, detail)
    })
}

/// What would be done, or the ledger's refusal.
fn unless_refused(outcome: TxOutcome) -> ServiceResult<TxOutcome> {
    if outcome.is_ok() { Ok(outcome) } else { Err(refused(outcome.code, &outcome.log)) }
}

/// The ledger's refusal as an error of the request.
fn refused(code: code::Code, log: &str) -> ServiceError {
    let why = match code {
        code::FUNDS | code::FEE => Code::InsufficientFunds,
        code::REPLAYED => Code::TransactionReplayed,
        code::MEMPOOL_FULL => Code::MempoolFull,
        code::NOT_READY => Code::NoBlocks,
        code::TRIPPED | code::CONTRADICTION => Code::ComponentStopped,
        _ => Code::TransactionRefused,
    };
    ServiceError::new(why, format!("{log} (code {code})"))
}
