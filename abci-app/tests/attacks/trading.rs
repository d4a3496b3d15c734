//! People with serving nodes who pay one another for answers that nobody gave, and rate one another for it.

use std::collections::BTreeMap;

use datanet_ledger::app::TxOutcome;
use datanet_ledger::code;
use datanet_ledger::component::ratings::{self, Trader};
use datanet_types::action::{Claim, ClaimItem, OpenChannel, RateSeller, RegisterNode, SettleEpoch, role};
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::sum_tree::prove;
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Amount, BlobHash, Digest, NodeKey, SignedTx};

use crate::support::{CHAIN, Chain, address, body, key, signed};

/// Has what everybody earns who is not named: it is all one person's money.
pub struct Trading {
    pub chain: Chain,
    nonce: u64,
    epochs: BTreeMap<u8, u64>,
}

pub fn node(who: u8) -> NodeKey {
    key(100 + who).node_key()
}

impl Trading {
    /// Each of these has a serving node.
    pub fn new(sellers: &[u8]) -> Self {
        let mut trading = Self { chain: Chain::new(), nonce: 0, epochs: BTreeMap::new() };
        for who in sellers {
            let proof = key(100 + who).sign(&RegisterNode::sign_bytes(CHAIN, &address(*who), &node(*who)));
            let (roles, name) = (role::SERVING, "n".to_owned());
            trading.done(*who, Action::RegisterNode(RegisterNode { node: node(*who), proof, roles, stake: 0, name }));
        }
        trading
    }

    pub fn send(&mut self, who: u8, action: Action) -> TxOutcome {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.chain.next() + 99, self.nonce));
        self.chain.run(&[tx]).outcomes.remove(0)
    }

    pub fn done(&mut self, who: u8, action: Action) {
        let outcome = self.send(who, action);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
    }

    /// `payer` pays `seller`, who settles it; all that somebody earns by it is `earner`'s. The epoch's number.
    pub fn pay(&mut self, payer: u8, seller: u8, fees: Amount, earner: u8) -> u64 {
        let expires_at = self.chain.now() + 1_000_000;
        let open = OpenChannel { node: node(seller), deposit: fees, expires_at, voucher_key: None };
        self.nonce += 1;
        let tx = signed(payer, &body(Action::OpenChannel(open), self.chain.next() + 99, self.nonce));
        let channel = SignedTx::verify(&tx, CHAIN).unwrap().channel_id();
        assert_eq!(Chain::codes(&self.chain.run(&[tx])), [code::OK]);
        let epoch = self.epochs.get(&seller).copied().unwrap_or(0) + 1;
        self.epochs.insert(seller, epoch);
        let split = FeeShares::STANDARD.split(fees);
        let amount = split.claimable();
        let leaf = EpochLeaf { account: address(earner).into(), amount }.node(CHAIN, &node(seller), epoch);
        let settle = SettleEpoch {
            node: node(seller),
            epoch,
            root: leaf.digest,
            totals: EpochTotals { answers: 1, fees, split, unearned: 0 },
            vouchers: vec![SignedVoucher::sign(CHAIN, channel, fees, &key(payer))],
            statement: BlobHash([9; 32]),
            accounts: 1,
            receipts: Digest([8; 32]),
            params: 0,
            carries: None,
            taken: Vec::new(),
        };
        self.done(seller, Action::SettleEpoch(settle));
        let proof = prove(&[leaf], 0).unwrap().unwrap();
        let items = vec![ClaimItem { node: node(seller), epoch, amount, proof }];
        self.done(earner, Action::Claim(Claim { account: address(earner), items }));
        epoch
    }

    pub fn rate(&mut self, payer: u8, seller: u8, epoch: u64, score_bps: u32) -> TxOutcome {
        self.send(payer, Action::RateSeller(RateSeller { node: node(seller), epoch, score_bps }))
    }

    /// Pays and rates.
    pub fn praise(&mut self, payer: u8, seller: u8, fees: Amount, earner: u8) {
        let epoch = self.pay(payer, seller, fees, earner);
        let outcome = self.rate(payer, seller, epoch, 10_000);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
    }

    pub fn record(&self, who: u8) -> Trader {
        let reader = self.chain.ledger.reader();
        ratings::trader(&reader, &address(who), reader.block_seconds()).unwrap()
    }

    /// What these have together.
    pub fn money(&self, whose: &[u8]) -> Amount {
        whose.iter().map(|who| self.chain.balance(*who)).sum()
    }
}
