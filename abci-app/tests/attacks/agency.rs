//! An agent with sub-keys in bad hands, everything that they could spend money on, and who is after it.

use std::cell::RefCell;

use bytes::Bytes;
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::{accounts, authority};
use datanet_types::action::{
    ActionKind, ActionSet, CreatePool, GrantKey, IssueShares, OpenChannel, RegisterAgent, RegisterModel, RegisterNode,
    Transfer, UpdateAgent, role,
};
use datanet_types::amount::DNT;
use datanet_types::{Action, Address, AgentId, Amount, Asset, BlobHash, Digest, NodeKey, TxBody};

use crate::support::{CHAIN, Chain, address, body, genesis_of_validators, key, signed};

/// Owns the agent.
pub const OWNER: u8 = 3;
/// Has the agent's sub-keys, a node, a model with shares in a pool, and wants the agent's money.
pub const THIEF: u8 = 4;
/// The first of the keys that run the agent.
pub const RUNNER: u8 = 30;

/// What all sub-keys may spend together in [`PERIOD`] seconds.
pub const BUDGET: Amount = 10 * DNT;
pub const PERIOD: u64 = 1_000;
/// What the agent has.
pub const FUNDS: Amount = 500 * DNT;

pub struct Agency {
    pub chain: Chain,
    nonce: u64,
    /// All blocks so far, for other nodes.
    pub blocks: RefCell<Vec<Vec<Bytes>>>,
}

pub fn agent() -> RegisterAgent {
    let (card, suppliers, budget, period_seconds) = (BlobHash([1; 32]), Vec::new(), BUDGET, PERIOD);
    RegisterAgent { name: "owl".to_owned(), card, suppliers, budget, period_seconds, funds: FUNDS }
}

pub fn id() -> AgentId {
    agent().id(CHAIN, &address(OWNER))
}

pub fn account() -> Address {
    id().account()
}

pub fn update() -> UpdateAgent {
    let RegisterAgent { card, suppliers, budget, period_seconds, .. } = agent();
    UpdateAgent { agent: id(), card, suppliers, budget, period_seconds, end_keys: false }
}

pub fn node() -> NodeKey {
    key(100).node_key()
}

/// The thief's, of which there are shares in a pool.
pub fn asset() -> Asset {
    Asset::Model(model().id(&address(THIEF)))
}

fn model() -> RegisterModel {
    RegisterModel { manifest: Digest([7; 32]), name: "m".into(), licence: "MIT".into(), ..RegisterModel::default() }
}

/// Everything that a sub-key may ever do, for more than there is.
pub fn grant(runner: u8) -> GrantKey {
    let all = ActionKind::ALL.iter().copied();
    let may = all.filter(|kind| !kind.is_for_owners() && *kind != ActionKind::CreateValidator);
    let (actions, expires) = (may.collect::<ActionSet>().0, 10_000_000);
    let key = key(runner).public_key();
    GrantKey { key, actions, counterparties: Vec::new(), budget: u64::MAX, period_seconds: PERIOD, expires }
}

pub fn pay(to: u8, amount: Amount) -> Action {
    Action::Transfer(Transfer { to: address(to), amount })
}

pub fn open(deposit: Amount) -> Action {
    // The thief's own key signs the vouchers: whatever is in the channel is the thief's.
    let voucher_key = Some(key(THIEF).public_key());
    Action::OpenChannel(OpenChannel { node: node(), deposit, expires_at: 100_000, voucher_key })
}

impl Agency {
    /// An agent whose sub-keys, so many, may do everything.
    pub fn new(runners: u8) -> Self {
        let chain = Chain::empty();
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2])).unwrap();
        genesis["params"]["challenge_seconds"] = 0.into();
        chain.init_with(&serde_json::to_vec(&genesis).unwrap());
        let mut agency = Self { chain, nonce: 0, blocks: RefCell::default() };
        agency.done(OWNER, Action::RegisterAgent(agent()));
        for runner in RUNNER..RUNNER + runners {
            let granted = agency.sign(OWNER, Action::GrantKey(grant(runner)));
            assert_eq!(agency.run(&[granted]), [code::OK]);
        }
        let proof = key(100).sign(&RegisterNode::sign_bytes(CHAIN, &address(THIEF), &node()));
        let (roles, name) = (role::SERVING, "n".to_owned());
        let register = RegisterNode { node: node(), proof, roles, stake: 0, name };
        agency.done(THIEF, Action::RegisterNode(register));
        agency.done(THIEF, Action::RegisterModel(model()));
        let asset = Some(asset());
        agency.done(THIEF, Action::IssueShares(IssueShares { asset, supply: 1_000_000 }));
        agency.done(THIEF, Action::CreatePool(CreatePool { asset, shares: 500_000, amount: 10 * DNT }));
        agency
    }

    /// What a key signs for the agent's account.
    pub fn sign(&mut self, with: u8, action: Action) -> Bytes {
        self.sign_for(account(), with, action, 0)
    }

    pub fn sign_for(&mut self, account: Address, with: u8, action: Action, tip: Amount) -> Bytes {
        self.nonce += 1;
        let body = body(action, self.chain.next() + 200, self.nonce);
        let body = TxBody { account, tip, fee: body.fee + tip, ..body };
        body.sign(&key(with)).to_bytes().into()
    }

    /// What somebody does in his own name, which must work.
    pub fn done(&mut self, who: u8, action: Action) {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.chain.next() + 200, self.nonce));
        assert_eq!(self.run(&[tx]), [code::OK]);
    }

    /// A block; says what was refused.
    pub fn run(&self, txs: &[Bytes]) -> Vec<Code> {
        let block = self.chain.run(txs);
        self.blocks.borrow_mut().push(txs.to_vec());
        for outcome in block.outcomes.iter().filter(|outcome| !outcome.is_ok()) {
            println!("refused ({}): {}", outcome.code, outcome.log);
        }
        Chain::codes(&block)
    }

    /// What comes of it in a block of its own.
    pub fn send(&mut self, with: u8, action: Action) -> Code {
        let tx = self.sign(with, action);
        self.run(&[tx])[0]
    }

    pub fn money(&self) -> Amount {
        accounts::balance(&self.chain.ledger.reader(), account()).unwrap()
    }

    /// What all sub-keys have left together.
    pub fn left(&self) -> Amount {
        authority::purse(&self.chain.ledger.reader(), &account()).unwrap().unwrap().left_at(self.chain.now())
    }

    /// As after the process dies.
    pub fn restart(self) -> Self {
        Self { chain: self.chain.reopen(), ..self }
    }
}

/// Says what was spent, and that it was within so many budgets.
pub fn verdict(attack: &str, before: Amount, after: Amount, periods: u64) {
    let (spent, most) = (before.saturating_sub(after), BUDGET * periods);
    let over = spent.saturating_sub(most);
    println!("{attack}: {spent} of at most {most} base units left the agent's account, {over} over budget");
    assert_eq!(over, 0);
}
