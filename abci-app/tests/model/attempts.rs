//! What people try: mostly what the rules allow as things stand, sometimes what they must not.

use std::collections::BTreeMap;

use datanet_ledger::component::governance::Status;
use datanet_types::action::{
    ActionKind, ActionSet, Binary, CancelParams, CancelRecovery, CancelSpend, Choice, Counterparty, GrantKey,
    NewNumber, NewNumbers, Party, Payment, Proposed, RecoverKeys, Recovery, RegisterNode, ResetComponent, Resolution,
    Restart, RetireAuthority, Retirement, RevokeKey, SetKeys, SetParams, SpendTreasury, SubmitProposal, Transfer,
    Upgrade, VoteProposal, role,
};
use datanet_types::amount::DNT;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use datanet_types::{Action, Address, ConsensusAddress, Digest, PublicKey};

use super::world::{AUTHORITY, PEOPLE, Step, World, weight};
use crate::support::{CHAIN, address, beacon_secret, key, validator};

/// Whose action, and which.
pub type Attempt = Option<(Address, Action)>;

impl World {
    /// The action of a step, in somebody's own name or as an agent of his; none where there is nothing yet that it could be about.
    pub fn attempt(&mut self, step: &Step) -> Attempt {
        let attempt = self.attempt_of(step)?;
        Some(self.as_agent(step, attempt))
    }

    fn attempt_of(&mut self, step: &Step) -> Attempt {
        let kinds = ActionKind::ALL.iter().flat_map(|kind| std::iter::repeat_n(*kind, weight(*kind)));
        let kinds: Vec<ActionKind> = kinds.collect();
        match kinds[usize::from(step.kind) % kinds.len()] {
            ActionKind::Transfer => self.transfer(step),
            ActionKind::RegisterNode => register(step),
            ActionKind::CreateDatanet => self.new_datanet(step),
            ActionKind::CloseDatanet => self.end_datanet(step),
            ActionKind::RotateHoldout => self.hold_out(step),
            ActionKind::Contribute => self.give(step),
            ActionKind::AttestStorage => self.keep(step),
            ActionKind::CommitScores => self.commit_some(step),
            ActionKind::RevealScores => self.reveal_some(step),
            ActionKind::RegisterModel => self.new_model(step),
            ActionKind::OpenChannel => self.open(step),
            ActionKind::CloseChannel => self.close(step),
            ActionKind::TopUpChannel => self.top_up(step),
            ActionKind::SettleEpoch => self.settle(step),
            ActionKind::AttestStatement => self.keep_statement(step),
            ActionKind::Claim => self.claim(step),
            ActionKind::Revoke => self.take_back(step),
            ActionKind::ChallengeEpoch => self.doubt(step),
            ActionKind::ChallengeVerdict => self.doubt_verdict(step),
            ActionKind::CommitFinding => self.find(step),
            ActionKind::RevealFinding => self.show_finding(step),
            ActionKind::ProveForgery => self.convict(step),
            ActionKind::CreateValidator => new_validator(step),
            ActionKind::Delegate => {
                let amount = if step.wrong(2).is_some() { step.part(DNT) } else { DNT + step.part(50 * DNT) };
                Some((step.person(), Action::Delegate(Delegate { validator: some_validator(step.pick), amount })))
            }
            ActionKind::Undelegate => self.undelegate(step),
            ActionKind::Redelegate => self.redelegate(step),
            ActionKind::WithdrawRewards => {
                let validators = vec![some_validator(step.pick)];
                Some((step.person(), Action::WithdrawRewards(WithdrawRewards { validators })))
            }
            ActionKind::Unjail => {
                Some((step.person(), Action::Unjail(Unjail { validator: some_validator(step.pick) })))
            }
            ActionKind::SetKeys => set_keys(step),
            ActionKind::RecoverKeys => self.recover(step),
            ActionKind::CancelRecovery => self.cancel_recovery(step),
            ActionKind::GrantKey => self.grant(step),
            ActionKind::RevokeKey => self.revoke_key(step),
            ActionKind::SpendTreasury => Some(spend(step)),
            ActionKind::CancelSpend => {
                let spends: Vec<u64> = self.model.treasury.spends.keys().copied().collect();
                let spend = step.of(&spends).copied().unwrap_or(99);
                Some((authority(step), Action::CancelSpend(CancelSpend { spend })))
            }
            ActionKind::SetParams => Some((authority(step), Action::SetParams(set_params(step)))),
            ActionKind::CancelParams => Some((authority(step), Action::CancelParams(CancelParams {}))),
            ActionKind::RegisterAgent => self.new_agent(step),
            ActionKind::UpdateAgent => self.change_agent(step),
            ActionKind::RetireAgent => self.end_agent(step),
            ActionKind::RateSeller => self.rate_some(step),
            ActionKind::IssueShares => self.issue(step),
            ActionKind::TransferShares => self.give_shares(step),
            ActionKind::WithdrawIncome => self.take_income(step),
            ActionKind::ClaimIncome => self.claim_for(step),
            ActionKind::PayIncome => self.hand_income(step),
            ActionKind::CreatePool => self.open_pool(step),
            ActionKind::AddLiquidity => self.provide(step),
            ActionKind::RemoveLiquidity => self.withdraw_liquidity(step),
            ActionKind::BuyShares => self.buy(step),
            ActionKind::SellShares => self.sell(step),
            // Nothing ever stands still here, or the rules are wrong.
            ActionKind::ResetComponent => {
                let component = "channels".to_owned();
                Some((authority(step), Action::ResetComponent(ResetComponent { component })))
            }
            ActionKind::SubmitProposal => Some((step.person(), Action::SubmitProposal(self.propose(step)))),
            ActionKind::VoteProposal => Some(self.vote(step)),
            // Seldom the one that may: nothing brings it back.
            ActionKind::RetireAuthority => {
                let who = if step.amount.is_multiple_of(8) { address(AUTHORITY) } else { address(PEOPLE) };
                Some((who, Action::RetireAuthority(RetireAuthority {})))
            }
        }
    }

    fn propose(&self, step: &Step) -> SubmitProposal {
        let height = if step.wrong(6) == Some(0) { self.height } else { 1_000_000 + u64::from(step.amount % 9) };
        let proposed = match step.pick % 8 {
            0 => Proposed::Text(Resolution {}),
            1 => {
                let amount = if step.wrong(6) == Some(1) { 0 } else { step.part(20_000) };
                Proposed::Spend(Payment { to: step.person(), amount })
            }
            2 => {
                let binaries = vec![Binary { platform: "x86_64-linux".into(), sha256: Digest([1; 32]) }];
                let version = if step.wrong(6) == Some(2) { 3 } else { 2 };
                Proposed::Upgrade(Upgrade { version, height, binaries })
            }
            3 if step.amount.is_multiple_of(4) => Proposed::RetireAuthority(Retirement {}),
            4 => Proposed::Reset(Restart { component: "channels".into() }),
            _ => {
                let changes: BTreeMap<String, u64> =
                    serde_json::from_str(&set_params(step).changes).expect("a name and a number");
                let mut numbers: Vec<NewNumber> =
                    changes.into_iter().map(|(name, value)| NewNumber { name, value }).collect();
                if step.amount.is_multiple_of(3) {
                    numbers.push(NewNumber { name: "quorum_bps".into(), value: 900 + u64::from(step.amount % 3_000) });
                    numbers.sort_by(|one, other| one.name.cmp(&other.name));
                }
                Proposed::Params(NewNumbers { numbers })
            }
        };
        SubmitProposal {
            title: if step.wrong(6) == Some(3) { String::new() } else { "a proposal".into() },
            reason: "because".into(),
            deposit: if step.wrong(6) == Some(4) { 1 } else { 100 * DNT },
            proposed: (step.wrong(6) != Some(5)).then_some(proposed),
        }
    }

    /// Mostly those with a validator, on what is open, and mostly for it.
    fn vote(&self, step: &Step) -> (Address, Action) {
        let open = self.model.governance.proposals.iter().filter(|(_, one)| one.status == Status::Voting);
        let open: Vec<u64> = open.map(|(number, _)| *number).collect();
        let proposal = if step.wrong(2) == Some(0) { 1 } else { step.of(&open).copied().unwrap_or(1) };
        let choice = match step.amount % 8 {
            0 => Choice::No,
            1 => Choice::Veto,
            2 => Choice::Abstain,
            _ => Choice::Yes,
        };
        let choice = if step.wrong(2) == Some(1) { 4 } else { choice as i32 };
        let staked: Vec<Address> = self.model.staking.stakes.keys().map(|(who, _)| *who).collect();
        let one = staked.get(usize::from(step.who) % staked.len().max(1));
        let who = if step.amount.is_multiple_of(11) { step.person() } else { *one.unwrap_or(&address(1)) };
        (who, Action::VoteProposal(VoteProposal { proposal, choice }))
    }

    fn transfer(&self, step: &Step) -> Attempt {
        let owned = self.model.owned(super::ledger::user(&step.person()));
        let amount = match step.wrong(3) {
            Some(0) => 0,
            Some(_) => owned.saturating_add(1),
            None => step.part(owned / 20),
        };
        let to = address(1 + (step.pick as u8) % (PEOPLE + 2));
        Some((step.person(), Action::Transfer(Transfer { to, amount })))
    }

    fn undelegate(&self, step: &Step) -> Attempt {
        let stakes: Vec<_> = self.model.staking.stakes.keys().copied().collect();
        let (who, validator) = *step.of(&stakes)?;
        let amount = match step.wrong(3) {
            Some(0) => 0,
            Some(_) => step.part(DNT),
            None if step.amount.is_multiple_of(5) => u64::MAX,
            None => DNT + step.part(20 * DNT),
        };
        Some((who, Action::Undelegate(Undelegate { validator, amount })))
    }

    fn redelegate(&self, step: &Step) -> Attempt {
        let stakes: Vec<_> = self.model.staking.stakes.keys().copied().collect();
        let (who, from) = *step.of(&stakes)?;
        let to = some_validator(step.pick / 7);
        let amount = if step.wrong(2).is_some() { step.part(DNT) } else { DNT + step.part(20 * DNT) };
        Some((who, Action::Redelegate(Redelegate { from, to, amount })))
    }

    /// Mostly its guardian.
    fn recover(&self, step: &Step) -> Attempt {
        let owners = &self.model.authority.owners;
        let guarded: Vec<_> = owners.iter().filter_map(|(account, one)| Some((*account, one.guardian?.0))).collect();
        let (account, guardian) = *step.of(&guarded)?;
        let who = if step.wrong(1).is_some() { step.person() } else { guardian };
        let owners = some_owners(step);
        Some((who, Action::RecoverKeys(RecoverKeys { account, owners, threshold: 1 })))
    }

    fn cancel_recovery(&self, step: &Step) -> Attempt {
        let owners = self.model.authority.owners.iter();
        let waiting: Vec<Address> = owners.filter(|(_, one)| one.next.is_some()).map(|(account, _)| *account).collect();
        let who = step.of(&waiting).copied().unwrap_or_else(|| step.person());
        Some((who, Action::CancelRecovery(CancelRecovery {})))
    }

    fn grant(&self, step: &Step) -> Attempt {
        let kinds = if step.wrong(3) == Some(0) {
            vec![ActionKind::GrantKey]
        } else {
            let owners_only = |kind: &&ActionKind| !kind.is_for_owners() && **kind != ActionKind::CreateValidator;
            let all: Vec<_> = ActionKind::ALL.iter().filter(owners_only).copied().collect();
            if step.pick.is_multiple_of(3) { vec![ActionKind::Transfer, ActionKind::Delegate] } else { all }
        };
        let expires = if step.wrong(3) == Some(1) { self.now } else { self.now + step.part(300) };
        let only = Counterparty::from(Party::Account(address(1 + (step.pick as u8) % PEOPLE)));
        let grant = GrantKey {
            key: key(200 + step.pick.to_le_bytes()[1] % 3).public_key(),
            actions: kinds.into_iter().collect::<ActionSet>().0,
            counterparties: if step.pick.is_multiple_of(5) { vec![only] } else { Vec::new() },
            budget: step.part(20 * DNT),
            period_seconds: step.part(60),
            expires,
        };
        Some((step.person(), Action::GrantKey(grant)))
    }

    fn revoke_key(&self, step: &Step) -> Attempt {
        let grants: Vec<_> = self.model.authority.grants.keys().copied().collect();
        let (account, key) = *step.of(&grants)?;
        let who = if step.wrong(1).is_some() { step.person() } else { account };
        Some((who, Action::RevokeKey(RevokeKey { key })))
    }
}

fn authority(step: &Step) -> Address {
    if step.wrong(2) == Some(0) { step.person() } else { address(AUTHORITY) }
}

/// Those of the first four, who may have one or not.
fn some_validator(pick: u16) -> ConsensusAddress {
    validator(1 + (pick % 4) as u8).address()
}

/// A node of each person's own. The first always judges, so that somebody does.
fn register(step: &Step) -> Attempt {
    let n = 1 + step.who % PEOPLE;
    let of = if step.wrong(3) == Some(0) { 1 + (n + 1) % PEOPLE } else { n };
    let node = key(of + 100);
    let signer = if step.wrong(3) == Some(1) { address(of + 1) } else { address(n) };
    let proof = node.sign(&RegisterNode::sign_bytes(CHAIN, &signer, &node.node_key()));
    let roles = if n == 1 || step.pick.is_multiple_of(2) { role::ALL } else { u32::from(step.pick) / 2 % 8 };
    let stake = if step.wrong(3) == Some(2) { step.part(10 * DNT) } else { 10 * DNT + step.part(60 * DNT) };
    let register = RegisterNode { node: node.node_key(), proof, roles, stake, name: format!("node {of}") };
    Some((address(n), Action::RegisterNode(register)))
}

fn new_validator(step: &Step) -> Attempt {
    let n = 3 + step.who % 2;
    let (operator, key) = (address(n), key(n + 50).consensus_key());
    let proof = crate::support::key(n + 50).sign(&CreateValidator::sign_bytes(CHAIN, &operator, &key));
    let beacon_proof = beacon_secret(n).prove(&CreateValidator::beacon_input(CHAIN, &operator, &key));
    let amount = if step.wrong(1).is_some() { 1 } else { DNT + step.part(20 * DNT) };
    let (commission_bps, name, beacon_key) = (0, format!("validator {n}"), beacon_secret(n).key());
    let create = CreateValidator { key, proof, amount, commission_bps, name, beacon_key, beacon_proof };
    Some((operator, Action::CreateValidator(create)))
}

/// One or two of the keys that a person may have, in order.
fn some_owners(step: &Step) -> Vec<PublicKey> {
    let n = 1 + step.who % PEOPLE;
    let mut keys = vec![key(n).public_key(), key(150 + n).public_key()];
    keys.sort_unstable();
    if step.pick.is_multiple_of(3) {
        keys.truncate(1);
    }
    keys
}

/// The chain's authority keeps its own.
fn set_keys(step: &Step) -> Attempt {
    let mut owners = some_owners(step);
    let mut threshold = if step.amount.is_multiple_of(2) { 1 } else { owners.len() as u32 };
    match step.wrong(3) {
        Some(0) => owners.reverse(),
        Some(1) => threshold = 3,
        _ => {}
    }
    let guardian = address(1 + step.who.wrapping_add(1) % PEOPLE);
    let recovery = step.pick.is_multiple_of(2).then_some(Recovery { guardian, seconds: step.part(300) });
    Some((step.person(), Action::SetKeys(SetKeys { owners, threshold, recovery })))
}

fn spend(step: &Step) -> (Address, Action) {
    let amount = if step.wrong(3) == Some(1) { 0 } else { step.part(20_000) };
    let (to, reason) = (step.person(), Digest([7; 32]));
    (authority(step), Action::SpendTreasury(SpendTreasury { to, amount, reason }))
}

fn set_params(step: &Step) -> SetParams {
    let value = u64::from(step.amount);
    let (name, value) = match (step.wrong(3), step.pick % 20) {
        (Some(1), 0..3) => ("treasury_period_bps", 1),
        (Some(1), 3..6) => ("unbonding_seconds", 500),
        (Some(1), 6..8) => ("voting_seconds", 41),
        (Some(1), _) => ("close_seconds", 9),
        (_, 0) => ("review_fee", 1 + value % 500_000),
        (_, 1) => ("bond_penalty_bps", value % 10_001),
        (_, 2) => ("challenge_seconds", value % 60),
        (_, 3) => ("audit_deposit", 1 + value % 2_000_000),
        (_, 4) => ("commit_seconds", 5 + value % 20),
        (_, 5) => ("close_seconds", 10 + value % 30),
        (_, 6) => ("serving_bond_bps", 10_000 + value % 20_000),
        (_, 9) => ("storing_seconds", 5 + value % 30),
        (_, 10) => ("min_storage_stake", 4_000_000 + value % 12_000_000),
        (_, 7) => ("reveal_seconds", 5 + value % 20),
        (_, 8) => ("verdict_challenge_seconds", value % 40),
        (_, 11) => ("datanet_deposit", value % 20_000_000),
        (_, 12) => ("state_byte_deposit", value % 100_000),
        (_, 15) => ("statement_quorum", value % 4),
        (_, 16) => ("statement_seconds", 5 + value % 60),
        (_, 17) => ("statement_fee", value % 10_000),
        (_, 13) => ("min_accept_threshold", 1 + value % 7_000),
        (_, 14) => ("income_seconds", value % 100),
        (_, 18) => ("pool_fee_bps", value % 1_001),
        _ => ("min_fee", 900 + value % 300),
    };
    SetParams { changes: format!("{{\"{name}\": {value}}}") }
}
