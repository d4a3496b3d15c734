//! What an agent sold, and from whom it had what it is made of.
//!
//! ```text
//!   contribution ─► snapshot ─► model ─► receipt ─┐ named in
//!   contribution ─► snapshot ──────────► receipt ─┴────────► receipt of the agent's answer
//! ```
//! A supplier is an answer with a receipt of its own, paid by the agent's own channel. It was bought for this one sale: its payer called the payment by
//! the sale's order ([`Sale::order`]), and the node that gave it signed that name with the rest. So nobody names an answer that somebody else bought,
//! or that was bought for another question; and since an id is a hash, nothing is behind itself.

use super::{Method, Receipt, ReceiptError};
use crate::id::tagged_hash;
use crate::{AgentId, Amount, DatanetId, Digest, ModelId, NodeKey, ReceiptId};

/// Most suppliers of one answer: each is fetched and looked at by whoever checks it.
pub const MAX_SUPPLIED: usize = 8;
/// Most answers that may lie behind one another: an agent buys of agents.
pub const MAX_DEPTH: u32 = 4;
/// What the name of a payment begins with whose answer is bought for a sale.
const NAMED: &str = "sale-";

/// An answer that an agent bought to make its own from.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Supplied {
    /// Its receipt.
    #[prost(message, required, tag = "1")]
    pub receipt: ReceiptId,
    /// The node that gave it.
    #[prost(message, required, tag = "2")]
    pub node: NodeKey,
    /// Base units that the agent paid for it.
    #[prost(uint64, tag = "3")]
    pub fee: Amount,
}

/// See the module.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Sale {
    /// The agent.
    #[prost(message, required, tag = "1")]
    pub agent: AgentId,
    /// Its release at the receipt's height, whose suppliers have their floors of what it earns.
    #[prost(uint32, tag = "2")]
    pub release: u32,
    /// Tells it from other sales of the same question.
    #[prost(message, required, tag = "3")]
    pub nonce: Digest,
    /// How many answers lie behind one another, this one included: 1 if it is made of none.
    #[prost(uint32, tag = "4")]
    pub depth: u32,
    /// What it is made of, ordered by receipt.
    #[prost(message, repeated, tag = "5")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppliers: Vec<Supplied>,
}

/// Of which sale's question, of whom: all that an order is of.
#[derive(Debug, Clone, Copy)]
pub struct OrderOf<'a> {
    /// The chain.
    pub chain_id: &'a str,
    /// The node that sells.
    pub node: &'a NodeKey,
    /// The agent that sells.
    pub agent: &'a AgentId,
    /// BLAKE3 of the encoded question.
    pub input: &'a Digest,
    /// [`Sale::nonce`].
    pub nonce: &'a Digest,
}

impl OrderOf<'_> {
    /// The order: what everything that is bought for the sale is bought under.
    pub fn digest(&self) -> Digest {
        let Self { chain_id, node, agent, input, nonce } = self;
        Digest(tagged_hash("datanet/sale/order/v1", &[chain_id.as_bytes(), &node.0, &agent.0, &input.0, &nonce.0]))
    }
}

/// What a payment is called whose answer is bought under `order`; `step` tells several of one order apart.
pub fn payment_name(order: &Digest, step: &str) -> String {
    format!("{NAMED}{order}-{step}")
}

/// The order that a payment of this name is made under, if it is.
pub fn order_of(name: &str) -> Option<Digest> {
    let (order, step) = name.strip_prefix(NAMED)?.split_once('-')?;
    let plain = !step.is_empty() && order.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    order.parse().ok().filter(|_| plain)
}

impl Sale {
    /// The order of the sale that this receipt is of.
    pub fn order(&self, receipt: &Receipt) -> Digest {
        let (chain_id, node, input) = (receipt.chain_id.as_str(), &receipt.node, &receipt.input);
        OrderOf { chain_id, node, agent: &self.agent, input, nonce: &self.nonce }.digest()
    }

    /// Base units that its suppliers took.
    pub fn cost(&self) -> Amount {
        self.suppliers.iter().map(|one| one.fee).fold(0, Amount::saturating_add)
    }
}

/// What a receipt and its sale must be without a look at anything else.
///
/// # Errors
/// [`ReceiptError::Sale`], with what does not hold.
pub fn check(receipt: &Receipt) -> Result<(), ReceiptError> {
    let is_sale = receipt.method == Method::Composed as i32;
    let Some(sale) = &receipt.sale else {
        return if is_sale { Err(ReceiptError::Sale("names no agent")) } else { Ok(()) };
    };
    let check = |good: bool, what: &'static str| if good { Ok(()) } else { Err(ReceiptError::Sale(what)) };
    check(is_sale, "is said to be found otherwise")?;
    let bare = receipt.datanet == DatanetId::ZERO && receipt.model == ModelId::ZERO;
    check(bare && receipt.snapshot == Digest::ZERO, "names data or a model; its suppliers' receipts do")?;
    check(receipt.credits.is_empty(), "credits contributions; its suppliers' receipts do")?;
    check((1..=MAX_DEPTH).contains(&sale.depth), "has more answers behind one another than may be")?;
    check(sale.suppliers.len() <= MAX_SUPPLIED, "names more suppliers than may be")?;
    check((sale.depth == 1) == sale.suppliers.is_empty(), "has a depth that its suppliers do not give")?;
    let ordered = sale.suppliers.windows(2).all(|pair| matches!(pair, [a, b] if a.receipt < b.receipt));
    check(ordered, "names a supplier twice, or out of order")?;
    let cost: u128 = sale.suppliers.iter().map(|one| u128::from(one.fee)).sum();
    check(cost <= u128::from(receipt.fee), "costs less than its suppliers took")
}

#[cfg(test)]
mod tests {
    use super::super::{AnswerRecord, AskInput, AskOutput, Credit};
    use super::*;
    use crate::epoch::FeeShares;
    use crate::{ContributionId, Ppm, SigningKey};
    use proptest::prelude::*;

    fn supplied(n: u8, fee: Amount) -> Supplied {
        Supplied { receipt: ReceiptId([n; 32]), node: NodeKey([n; 32]), fee }
    }

    fn receipt(fee: Amount, suppliers: Vec<Supplied>) -> Receipt {
        let depth = if suppliers.is_empty() { 1 } else { 2 };
        let sale = Sale { agent: AgentId([7; 32]), release: 3, nonce: Digest([9; 32]), depth, suppliers };
        let split = FeeShares::STANDARD.split(fee);
        Receipt {
            chain_id: "c".into(),
            method: Method::Composed as i32,
            fee,
            split,
            sale: Some(sale),
            ..Receipt::default()
        }
    }

    fn signed(receipt: Receipt) -> Result<AnswerRecord, ReceiptError> {
        let key = SigningKey::from_bytes(&[5; 32]);
        let receipt = Receipt { node: key.node_key(), ..receipt };
        let output = AskOutput { answer: "an owl".into(), ..AskOutput::default() };
        AnswerRecord::verify(&AnswerRecord::sign(receipt, AskInput::default(), output, &key).to_bytes(), "c")
    }

    fn with(change: impl FnOnce(&mut Receipt, &mut Sale)) -> Result<AnswerRecord, ReceiptError> {
        let mut receipt = receipt(100, vec![supplied(1, 30), supplied(2, 50)]);
        let mut sale = receipt.sale.take().unwrap();
        change(&mut receipt, &mut sale);
        signed(Receipt { sale: Some(sale), ..receipt })
    }

    #[test]
    fn a_sale_names_its_agent_and_suppliers_once_each_and_costs_no_less_than_they_took() {
        let good = with(|_, _| {}).unwrap();
        assert_eq!(good.receipt.sale.as_ref().unwrap().cost(), 80);
        signed(receipt(100, vec![])).unwrap();
        signed(receipt(80, vec![supplied(1, 30), supplied(2, 50)])).unwrap();
        let refused = |what: Result<AnswerRecord, ReceiptError>, words: &str| {
            let error = what.unwrap_err();
            assert!(matches!(error, ReceiptError::Sale(_)) && error.to_string().contains(words), "{error}");
        };
        refused(signed(receipt(79, vec![supplied(1, 30), supplied(2, 50)])), "less than its suppliers took");
        refused(signed(receipt(100, vec![supplied(1, u64::MAX), supplied(2, u64::MAX)])), "less than its suppliers");
        refused(signed(receipt(100, vec![supplied(1, 1), supplied(1, 1)])), "twice");
        refused(signed(receipt(100, vec![supplied(2, 1), supplied(1, 1)])), "out of order");
        refused(signed(receipt(100, (0..9).map(|n| supplied(n, 1)).collect())), "more suppliers");
        refused(with(|_, sale| sale.depth = 1), "depth");
        refused(with(|_, sale| sale.depth = 0), "behind one another");
        refused(with(|_, sale| sale.depth = MAX_DEPTH + 1), "behind one another");
        refused(with(|receipt, _| receipt.method = Method::Retrieval as i32), "found otherwise");
        refused(with(|receipt, _| receipt.datanet = DatanetId([1; 32])), "names data or a model");
        refused(with(|receipt, _| receipt.model = ModelId([1; 32])), "names data or a model");
        refused(with(|receipt, _| receipt.snapshot = Digest([1; 32])), "names data or a model");
        let credit = Credit { contribution: ContributionId([1; 32]), weight: Ppm::ONE, ..Credit::default() };
        refused(with(|receipt, _| receipt.credits = vec![credit]), "credits contributions");
        refused(signed(Receipt { sale: None, ..receipt(100, vec![]) }), "names no agent");
    }

    #[test]
    fn what_is_bought_for_one_sale_is_bought_for_no_other() {
        let one = receipt(100, vec![]);
        let sale = one.sale.clone().unwrap();
        let order = sale.order(&one);
        let others = [
            sale.order(&Receipt { chain_id: "d".into(), ..one.clone() }),
            sale.order(&Receipt { node: NodeKey([1; 32]), ..one.clone() }),
            sale.order(&Receipt { input: Digest([1; 32]), ..one.clone() }),
            Sale { agent: AgentId([1; 32]), ..sale.clone() }.order(&one),
            Sale { nonce: Digest([1; 32]), ..sale.clone() }.order(&one),
        ];
        assert!(others.iter().all(|other| *other != order));
        // What is decided later does not change it: it is known before anything is bought.
        assert_eq!(Sale { suppliers: vec![supplied(1, 1)], release: 9, ..sale }.order(&one), order);
        let name = payment_name(&order, "search");
        assert!((16..=128).contains(&name.len()), "an x402 identifier");
        assert_eq!(order_of(&name), Some(order));
        for name in ["sale-", "sale-00-x", "order-7", "", &name[..name.len() - 7], &name.to_uppercase()] {
            assert_eq!(order_of(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_an_order_or_none(name in "\\PC{0,90}|sale-[0-9a-f]{64}-[a-z]{0,4}") {
            if let Some(order) = order_of(&name) {
                let prefix = format!("sale-{order}-");
                prop_assert!(name.starts_with(&prefix));
            }
        }
    }
}
