//! Whether an agent's answer was sold by whom it may be, and made from what it says: the same for the node before it signs, for auditors, and for
//! whoever verifies a receipt.
//!
//! | who says | and what holds it |
//! |---|---|
//! | this agent sold it | its node is the agent's or its owner's: nobody else's node names it |
//! | it has this from that node | a receipt of that node, whose price and credits the ledger does not contradict |
//! | the agent paid for that | the channel that paid is the agent's, to that node, with as much in it |
//! | for this sale | the supplier's node signed this sale's order; within an epoch no other answer names it |
//! | nothing is behind itself | a receipt's id is a hash of what it names, and the depth is one more than the deepest supplier's |

use datanet_ledger::component::{agents, channels, nodes};
use datanet_ledger::state::StateRead;
use datanet_types::receipt::{AnswerRecord, MAX_ANSWER_RECORD_BYTES, Receipt, ReceiptError, Sale};
use datanet_types::{BlobHash, ChannelId, ReceiptId};

use super::{Billing, grounds};
use crate::error::{Code, ServiceError, ServiceResult};

/// Why the agent that a receipt names cannot have sold it there; none if nothing on the ledger contradicts it. It says nothing of suppliers.
///
/// # Errors
/// When the ledger cannot be read.
pub fn of_sale<S: StateRead>(state: &S, receipt: &Receipt) -> ServiceResult<Option<String>> {
    let Some(sale) = &receipt.sale else { return Ok(Some("it names no agent".to_owned())) };
    let (id, height) = (sale.agent, receipt.height);
    let Some(agent) = agents::get(state, &id)?.filter(|agent| agent.registered_height <= height) else {
        return Ok(Some(format!("there was no agent {id} at height {height}")));
    };
    if !agent.is_active() && agent.retired_height <= height {
        return Ok(Some(format!("agent {id} was retired at height {}", agent.retired_height)));
    }
    let seller = nodes::get(state, &receipt.node)?.map(|node| node.account);
    if seller.is_none_or(|account| account != agent.account && account != agent.owner) {
        return Ok(Some(format!("node {} is neither agent {id}'s nor its owner's", receipt.node)));
    }
    let release = agents::in_force(state, &agent, height)?;
    if release != sale.release {
        return Ok(Some(format!("it names release {} of agent {id}, which had {release} then", sale.release)));
    }
    grounds::before_its_channel(state, receipt)
}

/// Why a sale's suppliers cannot be those; `records` are theirs, in the order in which it names them. They are good records of this chain.
///
/// # Errors
/// When the ledger cannot be read.
pub fn contradiction<S: StateRead>(
    state: &S,
    receipt: &Receipt,
    records: &[AnswerRecord],
    settled_height: u64,
) -> ServiceResult<Option<String>> {
    let Some(sale) = &receipt.sale else { return Ok(None) };
    let named = sale.suppliers.iter().map(|one| (one.receipt, one.node, one.fee));
    if !named.eq(records.iter().map(|record| (record.id(), record.receipt.node, record.receipt.fee))) {
        return Ok(Some("its suppliers' nodes or fees are not those of their receipts".to_owned()));
    }
    let deepest = records.iter().map(|record| record.receipt.sale.as_ref().map_or(1, |sale| sale.depth)).max();
    if sale.depth != deepest.unwrap_or(0).saturating_add(1) {
        let deepest = deepest.unwrap_or(0);
        return Ok(Some(format!("its depth is {}, and its deepest supplier's {deepest}", sale.depth)));
    }
    for record in records {
        if let Some(why) = of_supplier(state, (receipt, sale), record, settled_height)? {
            return Ok(Some(format!("supplier {}: {why}", record.id())));
        }
    }
    Ok(None)
}

fn of_supplier<S: StateRead>(
    state: &S,
    (receipt, sale): (&Receipt, &Sale),
    record: &AnswerRecord,
    settled_height: u64,
) -> ServiceResult<Option<String>> {
    let supplier = &record.receipt;
    if supplier.order != Some(sale.order(receipt)) {
        return Ok(Some("it was not bought for this answer".to_owned()));
    }
    if nodes::get(state, &supplier.node)?.is_none() {
        return Ok(Some(format!("node {} is not registered", supplier.node)));
    }
    // The rules may change once while an answer is made.
    if supplier.params.abs_diff(receipt.params) > 1 {
        let (its, ours) = (supplier.params, receipt.params);
        return Ok(Some(format!("it was given under version {its} of the parameters, and the answer under {ours}")));
    }
    if let Some(why) = unpaid(state, sale, supplier, receipt.height)? {
        return Ok(Some(why));
    }
    // What found nothing costs nothing, and has no price to be held against.
    if supplier.fee == 0 && supplier.credits.is_empty() {
        return Ok(None);
    }
    grounds::contradiction(state, record, settled_height)
}

/// Why a supplier is not paid by the agent.
fn unpaid<S: StateRead>(state: &S, sale: &Sale, supplier: &Receipt, height: u64) -> ServiceResult<Option<String>> {
    let Some(id) = supplier.channel else {
        return Ok((supplier.fee > 0).then(|| "it cost something, and no channel paid it".to_owned()));
    };
    let Some(channel) = channels::get(state, &id)? else {
        return Ok(Some(format!("channel {id}, which paid it, is not on the ledger")));
    };
    let agent = agents::get(state, &sale.agent)?.map(|agent| agent.account);
    if Some(channel.payer) != agent {
        return Ok(Some(format!("channel {id}, which paid it, is {}'s and not the agent's", channel.payer)));
    }
    if channel.node != supplier.node || channel.deposit < supplier.cumulative {
        return Ok(Some(format!("channel {id} pays another node, or holds less than it took")));
    }
    Ok((channel.opened_height > height)
        .then(|| format!("channel {id} was opened at height {}, after the answer", channel.opened_height)))
}

/// A channel that paid a supplier and that the ledger knows no more, if there is one: whose it was, those could see who audited the sale's epoch.
fn forgotten<S: StateRead>(state: &S, records: &[AnswerRecord]) -> ServiceResult<Option<ChannelId>> {
    for id in records.iter().filter_map(|record| record.receipt.channel) {
        if channels::get(state, &id)?.is_none() {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

impl Billing {
    /// The records of a sale's suppliers, in the order in which it names them; the inner error says why one of them is none.
    async fn all_supplied(&self, receipt: &Receipt) -> ServiceResult<Result<Vec<AnswerRecord>, String>> {
        let mut records = Vec::new();
        for one in receipt.sale.iter().flat_map(|sale| &sale.suppliers) {
            match self.supplied(receipt, one.receipt).await? {
                Ok(record) => records.push(record),
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(records))
    }

    /// Why nobody can tell any more whether a sale's suppliers were paid, if that is so: channels are forgotten some time after their end.
    ///
    /// # Errors
    /// As [`Billing::sale_contradiction`].
    pub async fn sale_is_old(&self, receipt: &Receipt) -> ServiceResult<Option<String>> {
        let Ok(records) = self.all_supplied(receipt).await? else { return Ok(None) };
        let channel = forgotten(&self.chain.reader()?, &records)?;
        Ok(channel.map(|id| {
            format!("the ledger knows no channel {id}, which paid a supplier; it forgets channels some time after their end, and whose this was is seen by who audits in time")
        }))
    }

    /// A supplier's record, from here or from whoever has it; the inner error says why it is none.
    async fn supplied(&self, receipt: &Receipt, id: ReceiptId) -> ServiceResult<Result<AnswerRecord, String>> {
        let (blob, limit) = (BlobHash(id.0), MAX_ANSWER_RECORD_BYTES as u64);
        let named = receipt.sale.iter().flat_map(|sale| &sale.suppliers).find(|one| one.receipt == id);
        let from: Vec<_> = named.map(|one| one.node).into_iter().chain([receipt.node]).collect();
        let _held = self.blobs.bring(&blob, None, limit, &from).await?;
        match AnswerRecord::verify(&self.blobs.read(&blob, limit).await?, self.chain.id()) {
            Ok(record) => Ok(Ok(record)),
            // Of a later version: others may know it.
            Err(error @ ReceiptError::Method(_)) => Err(ServiceError::caused(Code::BadReceipt, error)),
            Err(error) => Ok(Err(format!("supplier {id} is no good receipt: {error}"))),
        }
    }

    /// Why a sale cannot have been made from what it says; none if nothing contradicts it, or the receipt is of no sale. Brings what is not here.
    ///
    /// # Errors
    /// When a supplier's receipt cannot be had ([`Code::BlobUnavailable`]) or is of a later version ([`Code::BadReceipt`]), and when the ledger or
    /// the blob store here fails: that says nothing of the sale.
    pub async fn sale_contradiction(&self, receipt: &Receipt, settled_height: u64) -> ServiceResult<Option<String>> {
        let records = match self.all_supplied(receipt).await? {
            Ok(records) => records,
            Err(why) => return Ok(Some(why)),
        };
        let (chain, receipt) = (self.chain.clone(), receipt.clone());
        // Look-ups for each contribution that a supplier names.
        let looked =
            tokio::task::spawn_blocking(move || contradiction(&chain.reader()?, &receipt, &records, settled_height));
        looked.await.map_err(|error| ServiceError::caused(Code::Statement, error))?
    }
}

#[cfg(test)]
mod tests;
