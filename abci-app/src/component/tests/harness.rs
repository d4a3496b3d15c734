//! A chain of one: signs, checks, charges and executes, and counts the supply after every block.

use std::sync::atomic::{AtomicU64, Ordering};

use datanet_types::action::{
    Action, AddLiquidity, AttestStatement, AttestStorage, BuyShares, CancelParams, CancelRecovery, CancelSpend,
    ChallengeEpoch, ChallengeVerdict, Claim, ClaimIncome, CloseChannel, CloseDatanet, CommitFinding, CommitScores,
    Contribute, CreateDatanet, CreatePool, Finding, GrantKey, IssueShares, OpenChannel, PayIncome, ProveForgery,
    RateSeller, RecoverKeys, RegisterAgent, RegisterModel, RegisterNode, RemoveLiquidity, ResetComponent, RetireAgent,
    RetireAuthority, RevealFinding, RevealScores, Revoke, RevokeKey, RotateHoldout, SellShares, SetKeys, SetParams,
    SettleEpoch, SpendTreasury, SubmitProposal, TopUpChannel, Transfer, TransferShares, UpdateAgent, VoteProposal,
    WithdrawIncome, role,
};
use datanet_types::amount::DNT;
use datanet_types::record::record_root;
use datanet_types::schema::Schema;
use datanet_types::scores::Commitment;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use datanet_types::tx::VerifiedTx;
use datanet_types::{
    Address, BlobHash, ChannelId, ContributionId, DatanetId, Digest, NodeKey, Scores, SignedTx, SigningKey, TxBody,
};

use crate::code::Code;
use crate::component::audits;
use crate::component::contributions::{self, Contribution, Status};
use crate::component::{
    ActionError, BlockContext, ConsensusInfo, Event, Genesis, GenesisAccount, Params, TxContext, ValidatorUpdate,
    accounts, beacon, begin_block, charge_fee_and_record, check_stateless, datanets, end_block, execute, init_genesis,
    migrations, validation,
};
use crate::state::{ChangeLog, MemoryState, StateWrite};

pub(crate) const CHAIN: &str = "test";
/// The most that a transaction may cost.
const FEE: u64 = 1_000_000;
/// More gas than any takes; here it is free, and only the application counts it.
pub(crate) const GAS: u64 = 50_000_000;
pub(crate) const BALANCE: u64 = 1_000 * DNT;
pub(crate) const STAKE: u64 = 100 * DNT;
pub(crate) const BOND: u64 = 10 * DNT;

pub(crate) struct Chain {
    pub state: MemoryState,
    pub block: BlockContext,
    /// Everything that happened in the present block.
    pub events: Vec<Event>,
    /// What the engine was told at the end of the last one, or at genesis.
    pub updates: Vec<ValidatorUpdate>,
    /// Whether the state is broken on purpose: else nothing may contradict anything.
    pub broken: bool,
}

/// The account key of person `n`.
pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n.wrapping_add(1); 32])
}

/// The node key of person `n`.
pub(crate) fn node_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n.wrapping_add(101); 32])
}

pub(crate) fn address(n: u8) -> Address {
    key(n).address()
}

pub(crate) fn node(n: u8) -> NodeKey {
    node_key(n).node_key()
}

pub(crate) fn all(score: u32) -> Scores {
    Scores::from_array([score; 4])
}

/// Twenty people with money each. Nobody has to keep statements: where that is what is tried, see [`super::keeping_statements`].
pub(crate) fn genesis(params: Params) -> Genesis {
    let person = |n| GenesisAccount { address: address(n), balance: BALANCE, name: Some(format!("person {n}")) };
    let params = Params { gas_price: 0, statement_quorum: 0, ..params };
    Genesis { params, accounts: (0..20).map(person).collect(), ..Genesis::default() }
}

impl Chain {
    /// Where epochs are final at the end of their block, and verdicts at once.
    pub(crate) fn new() -> Self {
        Self::with(Params { challenge_seconds: 0, verdict_challenge_seconds: 0, ..Params::default() })
    }

    pub(crate) fn with(params: Params) -> Self {
        Self::from_genesis(&genesis(params))
    }

    pub(crate) fn from_genesis(genesis: &Genesis) -> Self {
        let mut state = MemoryState::default();
        let updates = init_genesis(&mut state, genesis, CHAIN).unwrap();
        let block = BlockContext {
            chain_id: CHAIN.into(),
            height: 1,
            time_seconds: 1_700_000_000,
            app_hash: [1; 32],
            last_block_hash: [2; 32],
            beacon: Digest([3; 32]),
            moved: beacon::Moved { before: Digest([3; 32]), after: Digest([4; 32]), by: None },
            consensus: ConsensusInfo::default(),
            knows: migrations::Rules::default(),
        };
        let mut chain = Self { state, block, events: Vec::new(), updates, broken: false };
        begin_block(&mut chain.state, &chain.block).unwrap();
        chain
    }

    /// Signs a transaction of person `n`.
    pub(crate) fn tx(&self, n: u8, action: impl IntoAction) -> VerifiedTx {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        self.tx_body(n, |body| body, action.into_action(), NONCE.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn tx_body(&self, n: u8, change: impl Fn(TxBody) -> TxBody, action: Action, nonce: u64) -> VerifiedTx {
        let (chain_id, expiry, account) = (CHAIN.into(), self.block.height + 100, address(n));
        let (fee, gas_limit, action) = (FEE, GAS, Some(action));
        let body = TxBody { chain_id, expiry, fee, nonce, account, gas_limit, tip: 0, action };
        SignedTx::verify(&change(body).sign(&key(n)).to_bytes(), CHAIN).unwrap()
    }

    /// Runs a transaction as the application does: the fee stays when the action is refused.
    pub(crate) fn run(&mut self, tx: &VerifiedTx) -> Result<Vec<Event>, ActionError> {
        check_stateless(tx)?;
        let ctx = TxContext { block: &self.block, tx };
        self.state = forked(&self.state, |state| charge_fee_and_record(state, &ctx))?.0;
        let (state, events) = forked(&self.state, |state| execute(state, &ctx))?;
        self.state = state;
        self.events.extend(events.iter().cloned());
        Ok(events)
    }

    /// Person `n` does something, which must work.
    pub(crate) fn act(&mut self, n: u8, action: impl IntoAction) -> Vec<Event> {
        let tx = self.tx(n, action);
        self.run(&tx).unwrap()
    }

    /// Person `n` tries something that must be refused with `code`, for a reason that says `words`, and that changes
    /// nothing but the fee.
    pub(crate) fn refused(&mut self, n: u8, action: impl IntoAction, code: Code, words: &str) {
        let tx = self.tx(n, action);
        let before = self.state.clone();
        match self.run(&tx) {
            Err(ActionError::Refused { code: actual, message }) => {
                assert_eq!(actual, code, "{message}");
                assert!(message.contains(words), "{message:?} does not say {words:?}");
            }
            other => panic!("expected a refusal with code {code}, got {other:?}"),
        }
        let fees = accounts::state_key::balance(accounts::fees());
        for (key, value) in &self.state.0 {
            let fee = key.starts_with("derived/admission/") || key.starts_with("accounts/balance/") || *key == fees;
            assert!(fee || before.0.get(key) == Some(value), "{key} changed");
        }
    }

    /// The same, refused for its own fields: no state is looked at, and no fee is taken.
    pub(crate) fn refused_before_it_pays(&mut self, n: u8, action: impl IntoAction, code: Code, words: &str) {
        let before = self.balance(address(n));
        self.refused(n, action, code, words);
        assert_eq!(self.balance(address(n)), before);
    }

    /// Ends the block and begins the next one. Returns what happened in the whole block.
    pub(crate) fn next(&mut self) -> Vec<Event> {
        self.next_with(ConsensusInfo::default())
    }

    /// The same; the engine says `consensus` with the next block.
    pub(crate) fn next_with(&mut self, consensus: ConsensusInfo) -> Vec<Event> {
        let closed = end_block(&mut self.state, &self.block).unwrap();
        self.events.extend(closed.events);
        self.updates = closed.validator_updates;
        self.check_supply();
        self.block.height += 1;
        self.block.time_seconds += 1;
        self.block.app_hash = *blake3::hash(&self.block.app_hash).as_bytes();
        self.block.consensus = consensus;
        self.block.moved = beacon::step(&self.state, &self.block, None).unwrap().moved;
        self.block.beacon = self.block.moved.before;
        let ended = std::mem::take(&mut self.events);
        self.events = begin_block(&mut self.state, &self.block).unwrap();
        let wrong = ended.iter().chain(&self.events).find(|event| event.kind.starts_with("component."));
        assert!(self.broken || wrong.is_none(), "{wrong:?}");
        ended
    }

    pub(crate) fn skip_to(&mut self, height: u64) {
        while self.block.height < height {
            self.next();
        }
    }

    /// Block time, in seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.block.time_seconds).unwrap()
    }

    /// Makes blocks, one a second, until it is so late.
    pub(crate) fn skip_until(&mut self, seconds: u64) {
        while self.now() < seconds {
            self.next();
        }
    }

    pub(crate) fn check_supply(&self) {
        let supply = accounts::supply(&self.state).unwrap();
        assert_eq!(accounts::count_supply(&self.state).unwrap(), u128::from(supply));
    }

    pub(crate) fn balance(&self, account: impl Into<accounts::Account>) -> u64 {
        accounts::balance(&self.state, account).unwrap()
    }

    /// What the treasury has with the fees of this block.
    pub(crate) fn treasury(&self) -> u64 {
        self.balance(accounts::treasury()) + self.balance(accounts::fees())
    }

    /// Persons `0..count` run nodes with all roles.
    pub(crate) fn validators(&mut self, count: u8) {
        for n in 0..count {
            self.act(n, register(n, role::ALL, STAKE));
        }
    }

    /// A datanet of person 10's, with a committee of three and a quorum of two.
    pub(crate) fn datanet(&mut self) -> DatanetId {
        self.act(10, create_datanet("docs"));
        DatanetId::derive(CHAIN, &address(10), "docs")
    }

    /// The commitment of person `n`, who has a seat, to what it found of an epoch of node 0.
    pub(crate) fn commit_finding(&self, n: u8, epoch: u64, finding: Finding) -> CommitFinding {
        let audit = audits::get(&self.state, &node(0), epoch).unwrap().unwrap_or_default();
        let commitment = audit.commitment(CHAIN, &address(n), finding, &Digest([n; 32]));
        CommitFinding { node: node(0), epoch, commitment }
    }

    pub(crate) fn contribution(&self, id: &ContributionId) -> Contribution {
        contributions::get(&self.state, id).unwrap().unwrap()
    }

    /// Person `n` gives a batch whose bytes hash to `blob`; the first persons keep it, and its committee is drawn.
    pub(crate) fn give(&mut self, n: u8, datanet: DatanetId, blob: u8) -> ContributionId {
        let id = self.give_unkept(n, datanet, blob);
        self.store(&id);
        self.drawn();
        id
    }

    /// The same, and nobody keeps it yet.
    pub(crate) fn give_unkept(&mut self, n: u8, datanet: DatanetId, blob: u8) -> ContributionId {
        self.act(n, contribute_of(n, datanet, blob));
        ContributionId::derive(CHAIN, &datanet, &address(n), &BlobHash([blob; 32]), 0)
    }

    /// As many of the first persons as its datanet wants say that they keep it.
    pub(crate) fn store(&mut self, id: &ContributionId) {
        let datanet = datanets::get(&self.state, &self.contribution(id).datanet).unwrap().unwrap();
        for n in 0..u8::try_from(datanet.storage_quorum).unwrap() {
            self.act(n, attest(n, id));
        }
    }

    /// Waits until the committees of what has been given are drawn.
    pub(crate) fn drawn(&mut self) {
        self.skip_to(self.block.height + Params::default().draw_delay + 1);
    }

    /// Person `n` gives batches, from those whose bytes hash to `blob` on, until one has a committee of `members`.
    pub(crate) fn give_to(&mut self, n: u8, datanet: DatanetId, blob: u8, members: usize) -> ContributionId {
        for blob in blob..u8::MAX {
            let id = self.give(n, datanet, blob);
            if self.committee(&id).len() == members {
                return id;
            }
        }
        panic!("no committee of {members}")
    }

    /// The present round.
    pub(crate) fn round(&self, id: &ContributionId) -> validation::Round {
        validation::judging_round(&self.state, &self.contribution(id)).unwrap().expect("a round")
    }

    /// Lets so many seconds pass, and ends a block after them.
    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<Event> {
        self.block.time_seconds += i64::try_from(seconds).unwrap();
        self.next()
    }

    /// The persons on the committee of the present round, in the order drawn.
    pub(crate) fn committee(&self, id: &ContributionId) -> Vec<u8> {
        let round = self.round(id);
        let person = |member: &validation::Member| (0..20).find(|n| address(*n) == member.account).unwrap();
        round.committee.iter().map(person).collect()
    }

    pub(crate) fn commit(&self, n: u8, id: &ContributionId, scores: impl Into<Option<Scores>>) -> CommitScores {
        let scores = scores.into();
        let contribution = self.contribution(id);
        let commitment = Commitment {
            chain_id: CHAIN,
            datanet: &contribution.datanet,
            contribution: id,
            blob: &contribution.blob,
            validator: &address(n),
            scores: scores.as_ref(),
            report: &BlobHash([n; 32]),
            salt: &Digest([n; 32]),
        };
        CommitScores { contribution: *id, commitment: commitment.digest() }
    }

    /// The whole committee of the present round scores, once there is one, and the block ends.
    pub(crate) fn judge(&mut self, id: &ContributionId, scores: Scores) -> Vec<Event> {
        if self.contribution(id).status() == Status::Storing {
            self.store(id);
        }
        if self.committee(id).is_empty() {
            self.drawn();
        }
        let committee = self.committee(id);
        for n in &committee {
            self.act(*n, self.commit(*n, id, scores));
        }
        for n in &committee {
            self.act(*n, reveal(*n, id, scores));
        }
        self.next()
    }
}

/// Runs `change` on a fork: the new state if it works.
fn forked<T>(
    base: &MemoryState,
    change: impl FnOnce(&mut ChangeLog<'_, MemoryState>) -> Result<T, ActionError>,
) -> Result<(MemoryState, T), ActionError> {
    let mut fork = ChangeLog::new(base);
    let result = change(&mut fork)?;
    let changes = fork.into_changes();
    let mut state = base.clone();
    for (key, value) in changes {
        state.set_raw(key, value);
    }
    Ok((state, result))
}

pub(crate) fn register(n: u8, roles: u32, stake: u64) -> RegisterNode {
    let (node, account) = (node(n), address(n));
    let proof = node_key(n).sign(&RegisterNode::sign_bytes(CHAIN, &account, &node));
    RegisterNode { node, proof, roles, stake, name: format!("node {n}") }
}

pub(crate) fn create_datanet(name: &str) -> CreateDatanet {
    CreateDatanet {
        name: name.into(),
        description: "what crates say about themselves".into(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC-BY-4.0".into(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 3,
        storage_quorum: 2,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: BOND,
        token_price: 0,
        step_price: 0,
    }
}

pub(crate) fn contribute(datanet: DatanetId, blob: u8) -> Contribute {
    Contribute {
        datanet,
        blob: BlobHash([blob; 32]),
        size: 1_000,
        format: 0,
        records: 10,
        record_root: Digest([blob; 32]),
        bond: BOND,
        origin: node(0),
        attempt: 0,
    }
}

/// The plain Merkle root over the records in such a batch.
pub(crate) fn plain_root(blob: u8) -> Digest {
    Digest([blob; 32])
}

/// The same as person `n` gives it who has the records.
pub(crate) fn contribute_of(n: u8, datanet: DatanetId, blob: u8) -> Contribute {
    Contribute { record_root: record_root(&address(n), &plain_root(blob)), ..contribute(datanet, blob) }
}

pub(crate) fn attest(n: u8, id: &ContributionId) -> AttestStorage {
    AttestStorage { contribution: *id, node: node(n) }
}

pub(crate) fn reveal(n: u8, id: &ContributionId, scores: impl Into<Option<Scores>>) -> RevealScores {
    RevealScores { contribution: *id, scores: scores.into(), report: BlobHash([n; 32]), salt: Digest([n; 32]) }
}

/// What is behind [`Chain::commit_finding`].
pub(crate) fn reveal_finding(n: u8, epoch: u64, finding: Finding) -> RevealFinding {
    RevealFinding { node: node(0), epoch, finding: finding as i32, salt: Digest([n; 32]) }
}

pub(crate) fn open_channel(n: u8, deposit: u64, expires_at: u64) -> OpenChannel {
    OpenChannel { node: node(n), deposit, expires_at, voucher_key: None }
}

/// Closing without the node's word.
pub(crate) fn close_channel(channel: ChannelId) -> CloseChannel {
    CloseChannel { channel, statement: None }
}

/// Lets tests write `chain.act(1, transfer)` instead of `chain.act(1, Action::Transfer(transfer))`.
pub(crate) trait IntoAction {
    fn into_action(self) -> Action;
}

impl IntoAction for Action {
    fn into_action(self) -> Action {
        self
    }
}

macro_rules! into_action {
    ($($name:ident),*) => {
        $(impl IntoAction for $name {
            fn into_action(self) -> Action {
                Action::$name(self)
            }
        })*
    };
}
into_action!(
    Transfer,
    RegisterNode,
    CreateDatanet,
    CloseDatanet,
    RotateHoldout,
    Contribute,
    AttestStorage,
    CommitScores,
    RevealScores,
    ChallengeEpoch,
    ChallengeVerdict,
    CommitFinding,
    RevealFinding,
    ProveForgery,
    RegisterModel,
    OpenChannel,
    TopUpChannel,
    CloseChannel,
    SettleEpoch,
    AttestStatement,
    Claim,
    Revoke,
    CreateValidator,
    Delegate,
    Undelegate,
    Redelegate,
    WithdrawRewards,
    Unjail,
    SetKeys,
    RecoverKeys,
    CancelRecovery,
    GrantKey,
    RevokeKey,
    SpendTreasury,
    CancelSpend,
    SetParams,
    CancelParams,
    ResetComponent,
    SubmitProposal,
    VoteProposal,
    RetireAuthority,
    IssueShares,
    TransferShares,
    WithdrawIncome,
    ClaimIncome,
    PayIncome,
    CreatePool,
    AddLiquidity,
    RemoveLiquidity,
    BuyShares,
    SellShares,
    RegisterAgent,
    UpdateAgent,
    RetireAgent,
    RateSeller
);
