//! A chain and the model of it, and random people who know the model and not the chain.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::component::Params;
use datanet_types::action::{ActionKind, Finding};
use datanet_types::settled_receipt::SettledReceipt;
use datanet_types::{Account, Action, Address, Amount, Digest, PublicKey, Scores, SignedTx, TxBody};
use tempfile::TempDir;

use super::committee::Drawn;
use super::ledger::{Model, user};
use super::staking::{Stake, bonded};
use super::{compare, invariants};
use crate::support::{BALANCE, CHAIN, MOST, address, genesis_of_validators, key, validator};

/// They have money from the start; the first two have a validator each.
pub const PEOPLE: u8 = 9;
/// The chain's authority.
pub const AUTHORITY: u8 = 1;
const GAS: u64 = 20_000_000;
/// Block time before the first block.
const START: u64 = 1_700_000_000;

/// What somebody tries, at random: each kind of action reads the numbers in its own way.
#[derive(Debug, Clone)]
pub struct Step {
    /// A kind, by its weight.
    pub kind: u16,
    pub who: u8,
    pub pick: u16,
    pub amount: u32,
    /// One in eight does something wrong on purpose.
    pub odd: u8,
}

impl Step {
    /// What is wrong with it on purpose: one of so many things, or nothing.
    pub fn wrong(&self, ways: u8) -> Option<u8> {
        self.odd.is_multiple_of(8).then_some(self.odd / 8 % ways)
    }

    /// One of a list that is not empty.
    pub fn of<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(usize::from(self.pick) % all.len().max(1))
    }

    pub fn person(&self) -> Address {
        address(1 + self.who % PEOPLE)
    }

    /// A part of an amount, at least a unit.
    pub fn part(&self, of: Amount) -> Amount {
        1 + u64::from(self.amount) % of.max(1)
    }
}

pub struct World {
    pub ledger: LedgerHandle,
    _dir: TempDir,
    pub model: Model,
    nonce: u64,
    /// Height and time of the block that is made up.
    pub height: u64,
    pub now: u64,
    /// What is behind each commitment.
    pub secrets: BTreeMap<Digest, (Option<Scores>, Digest)>,
    /// What auditors committed to.
    pub findings: BTreeMap<Digest, (Finding, Digest)>,
    /// The leaves under an epoch's root, and its receipts.
    pub leaves: BTreeMap<Digest, Vec<(Account, Amount)>>,
    pub receipts: BTreeMap<Digest, Vec<SettledReceipt>>,
    /// Everything that was ever sent.
    sent: Vec<Bytes>,
    /// How many of a kind were done, and refused.
    pub tally: BTreeMap<&'static str, (u32, u32)>,
}

fn genesis() -> (Vec<u8>, Params) {
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_of_validators(&[1, 2])).unwrap();
    genesis["authority"] = serde_json::json!(address(AUTHORITY));
    let windows = serde_json::json!({
        "commit_seconds": 12, "reveal_seconds": 10, "audit_seconds": 12, "challenge_seconds": 40, "verdict_challenge_seconds": 20,
        "forget_seconds": 60,
        "close_seconds": 20, "holdout_delay_seconds": 15, "channel_min_seconds": 10, "channel_max_seconds": 400, "unbonding_seconds": 600,
        "evidence_seconds": 400, "evidence_blocks": 80, "authority_delay_seconds": 30, "treasury_period_seconds": 90,
        "audit_deposit": 1_000_000, "audit_seats": 3, "min_stake": 10_000_000,
        "statement_quorum": 2, "statement_seconds": 30, "min_storage_stake": 5_000_000, "storing_seconds": 15,
        "agenda_work": 1_000_000, "proposal_deposit": 1_000_000, "voting_seconds": 40, "timelock_seconds": 20,
        "income_seconds": 30,
    });
    for (name, value) in windows.as_object().unwrap() {
        genesis["params"][name] = value.clone();
    }
    (serde_json::to_vec(&genesis).unwrap(), serde_json::from_value(genesis["params"].clone()).unwrap())
}

impl World {
    pub fn new() -> Self {
        let (genesis, params) = genesis();
        let dir = tempfile::tempdir().unwrap();
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb")).unwrap();
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &genesis }).unwrap();
        let mut model = Model::new(CHAIN, params);
        model.rules.authority = Some(address(AUTHORITY));
        model.money.extend((1..=PEOPLE).map(|n| (user(&address(n)), BALANCE)));
        for n in [1, 2] {
            let (operator, validator) = (address(n), validator(n).address());
            model.release(user(&operator), bonded(&validator), BALANCE / 2);
            model.staking.operators.insert(validator, operator);
            model.staking.stakes.insert((operator, validator), Stake { amount: BALANCE / 2, moved: 0 });
        }
        Self {
            ledger,
            _dir: dir,
            model,
            nonce: 0,
            height: 0,
            now: START,
            secrets: BTreeMap::new(),
            findings: BTreeMap::new(),
            leaves: BTreeMap::new(),
            receipts: BTreeMap::new(),
            sent: Vec::new(),
            tally: BTreeMap::new(),
        }
    }

    /// A block later by so many seconds: those with duties do most of them, others do `steps`. Then chain and model are held together.
    pub fn block(&mut self, seconds: u64, diligence: u64, steps: &[Step]) {
        (self.height, self.now) = (self.height + 1, self.now + seconds);
        let mut txs: Vec<Bytes> = Vec::new();
        for (who, action) in self.duties(diligence) {
            txs.push(self.sign(who, action, &Step { kind: 0, who: 0, pick: 0, amount: 0, odd: 1 }));
        }
        for step in steps {
            match self.sent.get(usize::from(step.pick) % self.sent.len().max(1)) {
                Some(again) if matches!(step.odd, 8 | 136) => txs.push(again.clone()),
                _ => {
                    let tx = self.attempt(step).map(|(who, action)| self.sign(who, action, step));
                    txs.extend(tx);
                }
            }
        }
        self.run(&txs);
    }

    pub fn run(&mut self, txs: &[Bytes]) {
        let time = i64::try_from(self.now).unwrap();
        let block = Block::alone(self.height, time, *blake3::hash(&self.height.to_le_bytes()).as_bytes(), txs);
        let finalized = self.ledger.finalize_block(&block).unwrap();
        self.ledger.commit().unwrap();
        let reader = self.ledger.reader();
        self.model.begin(self.height, self.now, &Drawn(&reader));
        for (tx, outcome) in txs.iter().zip(&finalized.outcomes) {
            let tx = SignedTx::verify(tx, CHAIN).expect("well signed");
            let (done, name) = (self.model.execute(&tx), tx.action.name());
            let log = &outcome.log;
            assert_eq!(done.is_ok(), outcome.is_ok(), "{name} at height {}: {done:?}, {log:?}\n{tx:?}", self.height);
            let tally = self.tally.entry(name).or_default();
            *(if done.is_ok() { &mut tally.0 } else { &mut tally.1 }) += 1;
        }
        self.model.end();
        let happened = finalized.outcomes.iter().flat_map(|outcome| &outcome.events).chain(&finalized.events);
        let happened: Vec<_> = happened.collect();
        for status in
            happened.iter().filter(|event| event.kind == "proposal.decided").filter_map(|one| one.get("status"))
        {
            let told = ["passed", "done", "rejected", "no_quorum", "vetoed", "lapsed", "failed"];
            let told = told.into_iter().find(|one| *one == status).expect("one of these");
            self.tally.entry(told).or_default().0 += 1;
        }
        let broken: Vec<_> = happened.into_iter().filter(|event| event.kind.starts_with("component.")).collect();
        assert!(broken.is_empty(), "{broken:?}");
        compare::same(&mut self.model, &reader);
        invariants::hold(&reader);
        self.sent.extend(txs.iter().cloned());
    }

    /// Signs for `who`: with its owners' keys; where the step says so with a sub-key, or with somebody else's.
    fn sign(&mut self, who: Address, action: Action, step: &Step) -> Bytes {
        let keys = all_keys();
        let (hand, _) = self.model.hand(&who);
        let owned = match self.owners_in_this_block(&hand) {
            Some((owners, threshold)) => owners.into_iter().take(threshold as usize).collect(),
            None => keys.keys().filter(|key| Address::of(key) == hand).copied().collect::<Vec<_>>(),
        };
        let subs: Vec<PublicKey> =
            self.model.authority.grants.keys().filter(|(account, _)| *account == who).map(|(_, key)| *key).collect();
        let signers: Vec<PublicKey> = match step.odd {
            16 => vec![key(1 + step.who.wrapping_add(1) % PEOPLE).public_key()],
            odd if odd % 16 == 3 && !subs.is_empty() => vec![*step.of(&subs).expect("one of some")],
            _ => owned,
        };
        self.nonce += 1;
        let expiry = if step.odd == 24 { self.height - 1 } else { self.height + 100 };
        let tip = if step.odd % 16 == 5 { 7 } else { 0 };
        let fee = if step.odd == 32 { 999 } else { MOST };
        let (chain_id, nonce, action) = (CHAIN.to_owned(), self.nonce, Some(action));
        let body = TxBody { chain_id, expiry, fee, nonce, account: who, gas_limit: GAS, tip, action };
        let signers: Vec<_> = signers.iter().map(|signer| key(keys[signer])).collect();
        body.sign_with(&signers.iter().collect::<Vec<_>>()).to_bytes().into()
    }

    /// Who owns an account in the block that is made up.
    pub fn owners_in_this_block(&self, who: &Address) -> Option<(BTreeSet<PublicKey>, u32)> {
        let owners = self.model.authority.owners.get(who)?;
        Some(match &owners.next {
            Some((keys, threshold, due)) if *due <= self.now => (keys.clone(), *threshold),
            _ => (owners.keys.clone(), owners.threshold),
        })
    }
}

/// All keys that anybody here has, by their seeds.
pub fn all_keys() -> &'static BTreeMap<PublicKey, u8> {
    static KEYS: std::sync::OnceLock<BTreeMap<PublicKey, u8>> = std::sync::OnceLock::new();
    KEYS.get_or_init(|| (1..=u8::MAX).map(|seed| (key(seed).public_key(), seed)).collect())
}

/// How often a kind is tried among all: a new one must be thought of here.
pub fn weight(kind: ActionKind) -> usize {
    match kind {
        ActionKind::SettleEpoch | ActionKind::Claim => 9,
        ActionKind::Contribute | ActionKind::OpenChannel => 6,
        ActionKind::CommitScores | ActionKind::RevealScores | ActionKind::AttestStorage => 5,
        ActionKind::AttestStatement => 5,
        ActionKind::CommitFinding | ActionKind::RevealFinding | ActionKind::ChallengeVerdict => 3,
        ActionKind::Revoke | ActionKind::RegisterNode => 3,
        ActionKind::TopUpChannel | ActionKind::CloseChannel | ActionKind::Transfer => 3,
        ActionKind::ChallengeEpoch
        | ActionKind::ProveForgery
        | ActionKind::Delegate
        | ActionKind::Undelegate
        | ActionKind::Redelegate => 2,
        ActionKind::SetKeys | ActionKind::GrantKey | ActionKind::SpendTreasury | ActionKind::SetParams => 2,
        ActionKind::CreateDatanet | ActionKind::CloseDatanet | ActionKind::RotateHoldout => 2,
        ActionKind::RegisterModel | ActionKind::CreateValidator => 1,
        ActionKind::WithdrawRewards | ActionKind::Unjail => 1,
        ActionKind::RecoverKeys | ActionKind::CancelRecovery => 2,
        ActionKind::RevokeKey | ActionKind::CancelSpend | ActionKind::CancelParams | ActionKind::ResetComponent => 1,
        ActionKind::VoteProposal => 9,
        ActionKind::SubmitProposal => 4,
        ActionKind::RetireAuthority => 1,
        ActionKind::RegisterAgent => 3,
        ActionKind::UpdateAgent => 2,
        ActionKind::RetireAgent => 1,
        ActionKind::RateSeller => 5,
        ActionKind::ClaimIncome | ActionKind::CreatePool => 3,
        ActionKind::BuyShares | ActionKind::SellShares | ActionKind::WithdrawIncome | ActionKind::PayIncome => 2,
        ActionKind::IssueShares | ActionKind::TransferShares => 2,
        ActionKind::AddLiquidity | ActionKind::RemoveLiquidity => 2,
    }
}
