//! Answers that agents sell at this node. An agent is a process of its own that asks for calls; the node does for its answer what it does for any:
//! quote, hold, serve, capture, give again. It signs nothing that it has not checked itself ([`crate::billing::sale`]).
//!
//! An agent is sold where it, or its owner, has registered the node: that node's stake stands behind what it says.

mod counter;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datanet_ledger::component::agents::{self, Agent};
use datanet_ledger::component::nodes;
use datanet_types::receipt::sale::{MAX_SUPPLIED, OrderOf};
use datanet_types::receipt::{
    AnswerRecord, AskInput, AskOutput, MAX_ANSWER_RECORD_BYTES, Method, Receipt, Sale, Supplied, message_digest,
};
use datanet_types::{Address, AgentId, Amount, BlobHash, Digest, ReceiptId};
use prost::Message as _;
use tokio::sync::oneshot;

pub use counter::{Call, Counter, LONGEST_WAIT, Outcome, Said, Terms, WORK};

use crate::billing::Billing;
use crate::billing::payment::Payment;
use crate::billing::purchase::{Answer, Order};
use crate::billing::reservation::{Asked, Kind};
use crate::blobs::BlobStore;
use crate::caller;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Identity;

/// How long an agent may take for an answer: some models are slow, and it may be started again meanwhile.
const PATIENCE: Duration = Duration::from_secs(100);
/// How long an agent waits to be told what came of its answer: it is written to the disk, and a transfer may have to be in a block.
const TOLD: Duration = Duration::from_secs(60);
/// Longest question in bytes.
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest answer in bytes.
pub const MAX_ANSWER: usize = 128 * 1024;
/// Longest description in bytes.
pub const MAX_DESCRIPTION: usize = 500;

/// See the module; clones share what waits.
#[derive(Clone)]
pub struct Sales {
    chain: Chain,
    blobs: BlobStore,
    billing: Billing,
    identity: Identity,
    counter: Counter,
}

/// Who tells the agent what came of its answer, once it is known.
type Teller = Arc<Mutex<Option<oneshot::Sender<Outcome>>>>;

/// A call with all that its receipt needs.
struct Sold {
    agent: AgentId,
    price: Amount,
    input: AskInput,
    nonce: Digest,
    order: Digest,
}

impl Sales {
    /// At this node.
    pub fn new(chain: Chain, blobs: BlobStore, billing: Billing, identity: Identity) -> Self {
        Self { chain, blobs, billing, identity, counter: Counter::default() }
    }

    /// What is sold here now.
    pub fn all(&self) -> Vec<(AgentId, Terms)> {
        let mut all = self.counter.all();
        all.retain(|(id, _)| !caller::is_denied(&id.0));
        all
    }

    /// What an agent sells here.
    ///
    /// # Errors
    /// When it sells nothing here now ([`Code::NotSold`]), or the operator keeps it from whoever asks ([`Code::Denied`]).
    pub fn terms(&self, id: &AgentId) -> ServiceResult<Terms> {
        caller::refuse_denied([&id.0])?;
        self.counter.terms(id).ok_or_else(|| counter::not_here(id))
    }

    /// The next call for an agent, which sells on these terms from now on; nothing if none comes for so long.
    ///
    /// # Errors
    /// When there is no such agent, or it was retired ([`Code::UnknownAgent`]); when the caller does not act for its account
    /// ([`Code::ForeignAccount`]); when this node is neither the agent's nor its owner's ([`Code::ForeignNode`]); when the price is too small, or the
    /// description too long ([`Code::BadField`]); when too many sell here ([`Code::TooManyRequests`]).
    pub async fn next(&self, id: &AgentId, terms: Terms, anew: bool, wait: Duration) -> ServiceResult<Option<Call>> {
        let agent = self.own(id)?;
        let least = self.chain.params()?.min_price;
        if terms.price < least {
            let detail = format!("the price is {} base units, and an answer costs at least {least}", terms.price);
            return Err(ServiceError::new(Code::BadField, detail).about("price"));
        }
        if terms.description.len() > MAX_DESCRIPTION {
            let detail = format!("the description has more than {MAX_DESCRIPTION} bytes; say it in fewer words");
            return Err(ServiceError::new(Code::BadField, detail).about("description"));
        }
        self.may_sell(&agent)?;
        self.counter.offer(*id, terms, anew)?;
        Ok(self.counter.next(id, wait).await)
    }

    /// What an agent says to a call: what came of it; none where nobody waits for it any more.
    ///
    /// # Errors
    /// When there is no such agent, or the caller does not act for it; when the answer is too long or names too many suppliers
    /// ([`Code::BadField`]).
    pub async fn said(&self, id: &AgentId, order: &Digest, said: Said) -> ServiceResult<Option<Outcome>> {
        self.own(id)?;
        if let Said::Answer(text, suppliers) = &said
            && (text.len() > MAX_ANSWER || suppliers.len() > MAX_SUPPLIED)
        {
            let detail = format!("an answer has at most {MAX_ANSWER} bytes and {MAX_SUPPLIED} suppliers");
            return Err(ServiceError::new(Code::BadField, detail).about("answer"));
        }
        let Some(told) = self.counter.said(id, order, said) else { return Ok(None) };
        Ok(tokio::time::timeout(TOLD, told).await.ok().and_then(Result::ok))
    }

    /// Asks an agent, for its price.
    ///
    /// # Errors
    /// When it sells nothing here ([`Code::NotSold`]), the payment will not do, too many calls wait for it ([`Code::TooManyRequests`]), it takes too
    /// long ([`Code::TookTooLong`]), gives no answer ([`Code::AgentRefused`]), or what it says is not so ([`Code::BadSale`]). Nothing is paid then.
    pub async fn ask(&self, id: &AgentId, text: String, payment: Payment) -> ServiceResult<AnswerRecord> {
        let input = AskInput { text, ..AskInput::default() };
        let asked = Asked::of(Kind::Agent, &id.0, &input.encode_to_vec());
        let terms = match self.terms(id) {
            Ok(terms) => terms,
            // What it has sold is given again, though it has ended since.
            Err(gone) if gone.code == Code::NotSold => {
                return self.billing.bought_already(&payment, &asked).await?.ok_or(gone);
            }
            Err(error) => return Err(error),
        };
        let (nonce, sent) = (payment.nonce()?, payment.clone());
        let (node, digest) = (self.identity.node_key(), message_digest(&input));
        let of = OrderOf { chain_id: self.chain.id(), node: &node, agent: id, input: &digest, nonce: &nonce };
        let sold = Sold { agent: *id, price: terms.price, order: of.digest(), input, nonce };
        let (sales, teller) = (self.clone(), Teller::default());
        let order = Order { payment, asked, price: terms.price.into() };
        let serve = {
            let (sales, teller) = (self.clone(), teller.clone());
            async move { sales.served(sold, &teller).await }
        };
        // In a task of its own: the agent is told what came of its answer, whoever leaves.
        let bought = caller::spawn(async move {
            let bought = sales.billing.purchase(order, serve).await;
            if let Some(teller) = teller.lock().unwrap_or_else(PoisonError::into_inner).take() {
                let outcome = bought.as_ref().map(|bought| (bought.record.id(), bought.record.receipt.fee));
                // It may have ended meanwhile, and asks then.
                let _ = teller.send(outcome.map_err(ToString::to_string));
            }
            bought
        });
        match bought.await.map_err(|error| ServiceError::caused(Code::Panic, error))? {
            Ok(bought) => Ok(bought.record),
            // So it is at another price than was quoted.
            Err(error) if error.code == Code::BadQuote => {
                self.billing.bought_already(&sent, &asked).await?.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    async fn served(&self, sold: Sold, teller: &Teller) -> ServiceResult<(Answer, ())> {
        let call = Call { order: sold.order, text: sold.input.text.clone(), price: sold.price };
        let answer = self.counter.place(&sold.agent, call)?;
        let agent = sold.agent;
        let (said, told) = match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(delivery)) => delivery,
            Ok(Err(_)) => {
                let detail =
                    format!("agent {agent} has too much to do, or has ended; nothing is paid, ask again in a moment");
                return Err(ServiceError::new(Code::TooManyRequests, detail).again_in(5));
            }
            Err(_) => {
                let detail = format!("agent {agent} gave no answer in {} s; nothing is paid", PATIENCE.as_secs());
                return Err(ServiceError::new(Code::TookTooLong, detail));
            }
        };
        *teller.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        match said {
            Said::Refused(why) => {
                Err(ServiceError::new(Code::AgentRefused, format!("the agent gave no answer: {why}")))
            }
            Said::Answer(text, suppliers) => Ok((self.answer(sold, text, suppliers).await?, ())),
        }
    }

    /// The receipt of what an agent said, if it can be one.
    async fn answer(&self, sold: Sold, text: String, suppliers: Vec<ReceiptId>) -> ServiceResult<Answer> {
        let bad = |detail: String| ServiceError::new(Code::BadSale, detail);
        let (mut named, mut deepest) = (Vec::with_capacity(suppliers.len()), 0);
        for id in suppliers {
            let record = self.supplier(&id).await?;
            deepest = record.receipt.sale.as_ref().map_or(1, |sale| sale.depth).max(deepest);
            named.push(Supplied { receipt: id, node: record.receipt.node, fee: record.receipt.fee });
        }
        named.sort_by_key(|one| one.receipt);
        let (release, height) = {
            let reader = self.chain.reader()?;
            let agent = agents::get(&reader, &sold.agent)?.ok_or_else(|| unknown(&sold.agent))?;
            let height = reader.height();
            (agents::in_force(&reader, &agent, height)?, height)
        };
        let depth = deepest.saturating_add(1);
        let sale = Sale { agent: sold.agent, release, nonce: sold.nonce, depth, suppliers: named };
        let cost = sale.cost();
        if cost > sold.price {
            let price = sold.price;
            return Err(bad(format!("its suppliers took {cost} base units, more than its price of {price}")));
        }
        let receipt = Receipt {
            chain_id: self.chain.id().to_owned(),
            node: self.identity.node_key(),
            height,
            method: Method::Composed as i32,
            input: message_digest(&sold.input),
            fee: sold.price,
            params: self.chain.params_version()?.number,
            sale: Some(sale),
            ..Receipt::default()
        };
        datanet_types::receipt::sale::check(&receipt).map_err(|error| bad(error.to_string()))?;
        let ours = {
            let reader = self.chain.reader()?;
            crate::billing::sale::of_sale(&reader, &receipt)?
        };
        if let Some(why) = match ours {
            Some(why) => Some(why),
            None => self.billing.sale_contradiction(&receipt, self.chain.height()).await?,
        } {
            return Err(bad(why));
        }
        Ok(Answer { receipt, input: sold.input, output: AskOutput { answer: text, ..AskOutput::default() } })
    }

    /// A supplier's record. It is this node's own, so that whoever checks the sale finds it where the sale is.
    async fn supplier(&self, id: &ReceiptId) -> ServiceResult<AnswerRecord> {
        let bad = |why: String| ServiceError::new(Code::BadSale, format!("supplier {id} {why}"));
        let (blob, limit) = (BlobHash(id.0), MAX_ANSWER_RECORD_BYTES as u64);
        if !self.blobs.has(&blob).await? {
            return Err(
                bad("is not here; an agent names answers that it bought at the node where it sells".to_owned()),
            );
        }
        let record = AnswerRecord::verify(&self.blobs.read(&blob, limit).await?, self.chain.id());
        let record = record.map_err(|error| bad(format!("is no good receipt: {error}")))?;
        if record.receipt.node != self.identity.node_key() {
            return Err(bad(
                "is another node's; an agent names answers that it bought at the node where it sells".to_owned()
            ));
        }
        Ok(record)
    }

    /// An agent that is there, and that the caller acts for.
    fn own(&self, id: &AgentId) -> ServiceResult<Agent> {
        let agent = agents::get(&self.chain.reader()?, id)?.filter(Agent::is_active).ok_or_else(|| unknown(id))?;
        caller::acts_for(&agent.account)?;
        Ok(agent)
    }

    fn may_sell(&self, agent: &Agent) -> ServiceResult<()> {
        let node = self.identity.node_key();
        let seller: Option<Address> = nodes::get(&self.chain.reader()?, &node)?.map(|node| node.account);
        if seller.is_some_and(|account| account == agent.account || account == agent.owner) {
            return Ok(());
        }
        let (id, owner) = (agent.id, agent.owner);
        let detail = format!(
            "agent {id} is sold at nodes of its own account or of its owner's, {owner}, whose stake stands behind it; this node is neither"
        );
        Err(ServiceError::new(Code::ForeignNode, detail))
    }
}

fn unknown(id: &AgentId) -> ServiceError {
    ServiceError::new(
        Code::UnknownAgent,
        format!("there is no agent {id} that runs; look its id up in the list of agents"),
    )
}
