//! A serving node in bad hands, people who pay it, and people who earn through it.

use bytes::Bytes;
use datanet_ledger::app::TxOutcome;
use datanet_ledger::code;
use datanet_ledger::component::accounts;
use datanet_ledger::component::settlement::escrow;
use datanet_types::action::{Claim, ClaimItem, OpenChannel, RegisterNode, SettleEpoch, role};
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::sum_tree::{SumNode, SumProof, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Amount, BlobHash, ChannelId, Digest, NodeKey, SignedTx};

use crate::support::{CHAIN, Chain, FEE, address, body, key, signed};

/// Owns the serving node.
pub const ATTACKER: u8 = 1;
/// The attacker's too: it pays for answers that nobody gave, and earns.
pub const ACCOMPLICE: u8 = 2;
/// Asks and pays.
pub const PAYER: u8 = 3;
/// Earn through the node.
pub const VICTIMS: [u8; 2] = [4, 5];
/// An onlooker.
pub const STRANGER: u8 = 6;

/// Fees of an epoch that `PAYER` pays.
pub const FEES: Amount = 100_000;

pub fn node() -> NodeKey {
    key(100).node_key()
}

/// What of so many fees is claimed with proofs.
pub fn claimable(fees: Amount) -> Amount {
    FeeShares::STANDARD.split(fees).claimable()
}

/// The leaves of what people earn in an epoch.
pub fn tree(epoch: u64, earned: &[(u8, Amount)]) -> Vec<SumNode> {
    let leaf = |(who, amount): &(u8, Amount)| EpochLeaf { account: address(*who), amount: *amount };
    earned.iter().map(|earned| leaf(earned).node(CHAIN, &node(), epoch)).collect()
}

/// A claim of one leaf, with this proof.
pub fn claim(who: u8, epoch: u64, amount: Amount, proof: SumProof) -> Claim {
    Claim { account: address(who), items: vec![ClaimItem { node: node(), epoch, amount, proof }] }
}

/// An honest claim of the leaf at `index`.
pub fn good_claim(epoch: u64, earned: &[(u8, Amount)], index: usize) -> Claim {
    let (who, amount) = earned[index];
    claim(who, epoch, amount, prove(&tree(epoch, earned), index).unwrap().unwrap())
}

/// A claim of several leaves of one account, in order.
pub fn several(claims: &[Claim]) -> Claim {
    let items = claims.iter().flat_map(|claim| claim.items.clone()).collect();
    Claim { account: claims[0].account, items }
}

pub struct Serving {
    pub chain: Chain,
    nonce: u64,
    epoch: u64,
}

impl Serving {
    /// The attacker's node is registered.
    pub fn new() -> Self {
        let mut serving = Self { chain: Chain::new(), nonce: 0, epoch: 0 };
        let (node, account) = (key(100), address(ATTACKER));
        let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &account, &node.node_key()));
        let (roles, name) = (role::SERVING, "n".to_owned());
        let register = RegisterNode { node: node.node_key(), proof, roles, stake: 0, name };
        serving.done(ATTACKER, Action::RegisterNode(register));
        serving
    }

    pub fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        signed(who, &body(action, 100, self.nonce))
    }

    /// A block with this alone.
    pub fn send(&mut self, who: u8, action: Action) -> TxOutcome {
        let tx = self.sign(who, action);
        self.chain.run(&[tx]).outcomes.remove(0)
    }

    /// A block with this alone, which must work.
    pub fn done(&mut self, who: u8, action: Action) {
        let outcome = self.send(who, action);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
    }

    /// A claim that must be refused with this code.
    pub fn refused(&mut self, who: u8, claim: Claim, code: u32) {
        let outcome = self.send(who, Action::Claim(claim));
        println!("refused: {}", outcome.log);
        assert_eq!(outcome.code, code, "{}", outcome.log);
    }

    /// A channel with a deposit, all of which will be charged.
    fn channel(&mut self, payer: u8, deposit: Amount) -> ChannelId {
        let open = OpenChannel { node: node(), deposit, expiry: 10_000 };
        let tx = self.sign(payer, Action::OpenChannel(open));
        assert_eq!(Chain::codes(&self.chain.run(std::slice::from_ref(&tx))), [code::OK]);
        SignedTx::verify(&tx, CHAIN).unwrap().channel_id()
    }

    /// `payer` pays `fees` for answers and the node settles them under any root. Returns the epoch's number.
    pub fn settle_as(&mut self, payer: u8, fees: Amount, root: Digest, accounts: u64, unearned: Amount) -> u64 {
        let channel = self.channel(payer, fees);
        self.epoch += 1;
        let split = FeeShares::STANDARD.split(fees);
        let settle = SettleEpoch {
            node: node(),
            epoch: self.epoch,
            root,
            totals: EpochTotals { answers: 1, fees, split, unearned },
            vouchers: vec![SignedVoucher::sign(CHAIN, channel, fees, &key(payer))],
            statement: BlobHash([9; 32]),
            accounts,
        };
        self.done(ATTACKER, Action::SettleEpoch(settle));
        self.epoch
    }

    /// `payer` pays `fees` for answers and the node settles them for `earned`, whatever that sums to.
    pub fn settle(&mut self, payer: u8, fees: Amount, earned: &[(u8, Amount)]) -> u64 {
        let root = root(&tree(self.epoch + 1, earned)).unwrap();
        self.settle_as(payer, fees, root.digest, earned.len() as u64, 0)
    }

    /// What the attacker has, under all its names.
    pub fn loot(&self) -> i128 {
        [ATTACKER, ACCOMPLICE].into_iter().map(|who| i128::from(self.chain.balance(who))).sum()
    }

    pub fn left(&self, epoch: u64) -> Amount {
        escrow::open(&self.chain.ledger.reader(), &node(), epoch).unwrap().map_or(0, |open| open.left)
    }

    pub fn treasury(&self) -> Amount {
        accounts::balance(&self.chain.ledger.reader(), &accounts::treasury()).unwrap()
    }

    /// Everybody who earned in an epoch claims, and is paid all of it.
    pub fn all_claim(&mut self, epoch: u64, earned: &[(u8, Amount)]) {
        for (index, (who, amount)) in earned.iter().enumerate() {
            let before = self.chain.balance(*who);
            self.done(*who, Action::Claim(good_claim(epoch, earned, index)));
            assert_eq!(self.chain.balance(*who), before + amount - FEE);
        }
        assert_eq!(self.left(epoch), 0);
    }
}

/// Says what an attack gave and cost, and that it did not pay.
pub fn verdict(attack: &str, before: i128, after: i128, others: i128) {
    println!("{attack}: the attacker had {before} and has {after} ({}), others lost {others}", after - before);
    assert!(after <= before, "it paid");
}
