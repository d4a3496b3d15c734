//! A serving node in bad hands, people who pay it, and people who earn through it.

use bytes::Bytes;
use datanet_ledger::app::TxOutcome;
use datanet_ledger::code::{self, Code};
use datanet_ledger::component::audits::Phase;
use datanet_ledger::component::settlement::{Status, escrow};
use datanet_ledger::component::{accounts, audits, nodes, settlement};
use datanet_types::action::{
    ChallengeEpoch, Claim, ClaimItem, CommitFinding, Finding, OpenChannel, RegisterNode, RevealFinding, SettleEpoch,
    role,
};
use datanet_types::amount::DNT;
use datanet_types::epoch::{EpochLeaf, EpochTotals, FeeShares};
use datanet_types::sum_tree::{SumNode, SumProof, prove, root};
use datanet_types::voucher::SignedVoucher;
use datanet_types::{Action, Amount, BlobHash, ChannelId, Digest, NodeKey, SignedTx};

use crate::support::{CHAIN, Chain, FEE, address, body, genesis_with, key, signed};

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

/// Judge, and audit what is challenged.
pub const AUDITORS: [u8; 3] = [7, 8, 9];
/// What a node has at stake.
pub const STAKE: Amount = 100 * DNT;

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
    let leaf = |(who, amount): &(u8, Amount)| EpochLeaf { account: address(*who).into(), amount: *amount };
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
    /// Bytes of all transactions so far.
    pub bytes: usize,
    /// Seconds that channels last.
    lasts: u64,
    /// The root of receipts of the next epoch.
    pub receipts: Digest,
    /// The version of the parameters that the next epoch names.
    pub params: u64,
}

impl Serving {
    /// The attacker's node is registered. Nothing can be challenged.
    pub fn new() -> Self {
        let mut serving = Self::of(Chain::new());
        serving.register(ATTACKER, 100, role::SERVING, 0);
        serving
    }

    /// The same, where channels last for a few seconds only.
    pub fn short() -> Self {
        let chain = Chain::empty();
        chain.init_with(&genesis_with(&serde_json::json!({ "challenge_seconds": 0, "channel_min_seconds": 5 })));
        let mut serving = Self::of(chain);
        serving.lasts = 100;
        serving.register(ATTACKER, 100, role::SERVING, 0);
        serving
    }

    /// The same on a chain of which `who` is the authority, with a delay of ten seconds.
    pub fn with_authority(who: u8) -> Self {
        let params = serde_json::json!({ "challenge_seconds": 0, "authority_delay_seconds": 10 });
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_with(&params)).unwrap();
        genesis["authority"] = serde_json::json!(address(who));
        let chain = Chain::empty();
        chain.init_with(&serde_json::to_vec(&genesis).unwrap());
        let mut serving = Self::of(chain);
        serving.register(ATTACKER, 100, role::SERVING, 0);
        serving
    }

    fn of(chain: Chain) -> Self {
        Self { chain, nonce: 0, epoch: 0, bytes: 0, lasts: 1_000_000, receipts: Digest([8; 32]), params: 0 }
    }

    /// The same with a stake, where epochs can be challenged for so many seconds and three others audit them.
    pub fn audited(challenge_seconds: u64) -> Self {
        let params = serde_json::json!({ "challenge_seconds": challenge_seconds, "audit_seconds": 10 });
        let chain = Chain::empty();
        chain.init_with(&genesis_with(&params));
        Self::with_auditors(chain)
    }

    fn with_auditors(chain: Chain) -> Self {
        let mut serving = Self::of(chain);
        serving.register(ATTACKER, 100, role::SERVING, STAKE);
        for (n, auditor) in AUDITORS.into_iter().enumerate() {
            serving.register(auditor, 101 + n as u8, role::VALIDATOR, STAKE);
        }
        serving
    }

    /// The same, where a statement must be kept by others so many seconds after that, at the latest.
    pub fn kept(challenge_seconds: u64, statement_seconds: u64) -> Self {
        let params = serde_json::json!({ "challenge_seconds": challenge_seconds, "audit_seconds": 10,
                                         "statement_quorum": 2, "statement_seconds": statement_seconds });
        let chain = Chain::empty();
        chain.init_with(&genesis_with(&params));
        Self::with_auditors(chain)
    }

    pub fn register(&mut self, who: u8, node: u8, roles: u32, stake: Amount) {
        let (node, account) = (key(node), address(who));
        let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &account, &node.node_key()));
        let register = RegisterNode { node: node.node_key(), proof, roles, stake, name: "n".to_owned() };
        self.done(who, Action::RegisterNode(register));
    }

    pub fn status(&self, epoch: u64) -> Status {
        settlement::epoch(&self.chain.ledger.reader(), &node(), epoch).unwrap().unwrap().status()
    }

    /// Somebody challenges, and each auditor with a seat finds what `found` says.
    pub fn audit(&mut self, who: u8, epoch: u64, found: impl Fn(u8) -> Finding) {
        self.done(who, Action::ChallengeEpoch(ChallengeEpoch { node: node(), epoch, suspects: Vec::new() }));
        let committee = loop {
            let audit = audits::get(&self.chain.ledger.reader(), &node(), epoch).unwrap().unwrap();
            if audit.phase() == Phase::Commit {
                break audit.committee;
            }
            self.chain.run(&[]);
        };
        let seated = AUDITORS.into_iter().filter(|n| committee.iter().any(|one| one.account == address(*n)));
        let seated: Vec<u8> = seated.collect();
        seated.iter().for_each(|auditor| self.commit_finding(*auditor, epoch, found(*auditor)));
        seated.iter().for_each(|auditor| self.reveal_finding(*auditor, epoch, found(*auditor)));
    }

    /// An auditor commits to what it found.
    pub fn commit_finding(&mut self, auditor: u8, epoch: u64, finding: Finding) {
        let audit = audits::get(&self.chain.ledger.reader(), &node(), epoch).unwrap().unwrap();
        let commitment = audit.commitment(CHAIN, &address(auditor), finding, &Digest([auditor; 32]));
        self.done(auditor, Action::CommitFinding(CommitFinding { node: node(), epoch, commitment }));
    }

    /// And shows it.
    pub fn reveal_finding(&mut self, auditor: u8, epoch: u64, finding: Finding) {
        let (finding, salt) = (finding as i32, Digest([auditor; 32]));
        self.done(auditor, Action::RevealFinding(RevealFinding { node: node(), epoch, finding, salt }));
    }

    /// What the attacker has at stake.
    pub fn stake(&self) -> Amount {
        nodes::get(&self.chain.ledger.reader(), &node()).unwrap().unwrap().stake
    }

    /// What the attacker has under all its names, stake included.
    pub fn wealth(&self) -> i128 {
        self.loot() + i128::from(self.stake())
    }

    pub fn sign(&mut self, who: u8, action: Action) -> Bytes {
        self.nonce += 1;
        let tx = signed(who, &body(action, self.chain.next() + 99, self.nonce));
        self.bytes += tx.len();
        tx
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
    pub fn refused(&mut self, who: u8, claim: Claim, code: Code) {
        let outcome = self.send(who, Action::Claim(claim));
        println!("refused: {}", outcome.log);
        assert_eq!(outcome.code, code, "{}", outcome.log);
    }

    /// The transaction that opens the next channel, if nothing else is signed before.
    pub fn next_channel(&mut self, payer: u8, deposit: Amount) -> Bytes {
        let tx = self.open(payer, deposit);
        self.nonce -= 1;
        tx
    }

    fn open(&mut self, payer: u8, deposit: Amount) -> Bytes {
        let expires_at = self.chain.now() + self.lasts;
        self.sign(payer, Action::OpenChannel(OpenChannel { node: node(), deposit, expires_at, voucher_key: None }))
    }

    /// A channel with a deposit.
    pub fn channel(&mut self, payer: u8, deposit: Amount) -> ChannelId {
        let tx = self.open(payer, deposit);
        assert_eq!(Chain::codes(&self.chain.run(std::slice::from_ref(&tx))), [code::OK]);
        SignedTx::verify(&tx, CHAIN).unwrap().channel_id()
    }

    /// `payer` pays `fees` for answers and the node settles them under any root. Returns the epoch's number.
    pub fn settle_as(&mut self, payer: u8, fees: Amount, root: Digest, accounts: u64, unearned: Amount) -> u64 {
        let outcome = self.send_settlement(payer, fees, root, accounts, unearned);
        assert_eq!(outcome.code, code::OK, "{}", outcome.log);
        self.epoch += 1;
        self.epoch
    }

    fn send_settlement(&mut self, payer: u8, fees: Amount, root: Digest, accounts: u64, unearned: Amount) -> TxOutcome {
        let channel = self.channel(payer, fees);
        let split = FeeShares::STANDARD.split(fees);
        let totals = EpochTotals { answers: 1, fees, split, unearned };
        let voucher = SignedVoucher::sign(CHAIN, channel, fees, &key(payer));
        let settle = self.settlement(totals, voucher, root, accounts);
        self.send(ATTACKER, Action::SettleEpoch(settle))
    }

    pub fn settlement(&self, totals: EpochTotals, voucher: SignedVoucher, root: Digest, accounts: u64) -> SettleEpoch {
        SettleEpoch {
            node: node(),
            epoch: self.epoch + 1,
            root,
            totals,
            vouchers: vec![voucher],
            statement: BlobHash([9; 32]),
            accounts,
            receipts: self.receipts,
            params: self.params,
            carries: None,
            taken: Vec::new(),
        }
    }

    /// What settles the promise of `payer` to pay `cumulative` in all on a channel, of which `charged` is; a victim earns.
    pub fn redeeming(&self, payer: u8, channel: ChannelId, charged: Amount, cumulative: Amount) -> SettleEpoch {
        let fees = cumulative - charged;
        let totals = EpochTotals { answers: 1, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 };
        let voucher = SignedVoucher::sign(CHAIN, channel, cumulative, &key(payer));
        let root = root(&tree(self.epoch + 1, &[(VICTIMS[0], claimable(fees))])).unwrap();
        self.settlement(totals, voucher, root.digest, 1)
    }

    /// The node does, and that must work.
    pub fn redeem(&mut self, payer: u8, channel: ChannelId, charged: Amount, cumulative: Amount) {
        let settle = self.redeeming(payer, channel, charged, cumulative);
        self.done(ATTACKER, Action::SettleEpoch(settle));
        self.epoch += 1;
    }

    /// The node tries to settle `fees` for `earned`.
    pub fn try_settle(&mut self, payer: u8, fees: Amount, earned: &[(u8, Amount)]) -> TxOutcome {
        let root = root(&tree(self.epoch + 1, earned)).unwrap();
        self.send_settlement(payer, fees, root.digest, earned.len() as u64, 0)
    }

    /// `payer` pays `fees` for answers and the node settles them for `earned`, whatever that sums to.
    pub fn settle(&mut self, payer: u8, fees: Amount, earned: &[(u8, Amount)]) -> u64 {
        let root = root(&tree(self.epoch + 1, earned)).unwrap();
        self.settle_as(payer, fees, root.digest, earned.len() as u64, 0)
    }

    /// The same from a channel that is there and of which nothing is charged.
    pub fn settle_on(&mut self, channel: ChannelId, payer: u8, fees: Amount, earned: &[(u8, Amount)]) -> u64 {
        let totals = EpochTotals { answers: 1, fees, split: FeeShares::STANDARD.split(fees), unearned: 0 };
        let voucher = SignedVoucher::sign(CHAIN, channel, fees, &key(payer));
        let root = root(&tree(self.epoch + 1, earned)).unwrap();
        let settle = self.settlement(totals, voucher, root.digest, earned.len() as u64);
        self.done(ATTACKER, Action::SettleEpoch(settle));
        self.epoch += 1;
        self.epoch
    }

    /// What the attacker has, under all its names.
    pub fn loot(&self) -> i128 {
        [ATTACKER, ACCOMPLICE].into_iter().map(|who| i128::from(self.chain.balance(who))).sum()
    }

    pub fn left(&self, epoch: u64) -> Amount {
        escrow::open(&self.chain.ledger.reader(), &node(), epoch).unwrap().map_or(0, |open| open.left)
    }

    pub fn treasury(&self) -> Amount {
        accounts::balance(&self.chain.ledger.reader(), accounts::treasury()).unwrap()
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
