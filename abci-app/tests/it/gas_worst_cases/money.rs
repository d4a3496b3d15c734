//! Transfers, owners, stakes, and what the chain's authority does, at their largest.

use bytes::Bytes;
use datanet_ledger::code;
use datanet_types::action::{
    ActionKind, ActionSet, CancelParams, CancelRecovery, CancelSpend, GrantKey, MAX_PARAM_CHANGES, Party, RecoverKeys,
    Recovery, ResetComponent, RevokeKey, SetKeys, SetParams, SpendTreasury, Transfer,
};
use datanet_types::amount::DNT;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use datanet_types::{Action, Address, BeaconSecret, Digest, SigningKey};

use super::Case;
use super::world::{ENGINE, World, address_of, engine_validator, person};
use crate::support::{CHAIN, key};

pub const AUTHORITY: u32 = 0;
const GUARDIAN: u32 = 3;
/// The first of those who have owners set: for what each of them is, see [`Money::set_up`].
const SHARED: u32 = 2_500;
const GRANTING: u32 = 2_520;
const CHANGING: u32 = 2_600;
const RECOVERED: u32 = 2_640;
const RECOVERING: u32 = 2_680;
const FULL: u32 = 2_720;
const STALE: u32 = 2_730;
const STAKING: u32 = 2_000;
const MOVED: u32 = 2_040;
const MOVING: u32 = 2_140;
pub const EARNING: u32 = 2_180;
const STARTING: u32 = 2_200;
/// How many of most kinds.
const MANY: u32 = 40;
const SPENDS: u32 = 32;

pub struct Money {
    /// Sixteen, in order.
    owners: Vec<SigningKey>,
}

/// The sub-key number `n`.
fn sub_key(n: u32) -> SigningKey {
    person(4_000_000 + n)
}

fn pay(to: Address) -> Action {
    Action::Transfer(Transfer { to, amount: 1 })
}

/// With as many counterparties as can be, the first of them an account.
fn grant(n: u32) -> Action {
    let party = |n: u32| Party::Account(address_of(n)).into();
    let mut counterparties: Vec<_> = (1_000..1_016).map(party).collect();
    counterparties.sort_unstable();
    Action::GrantKey(GrantKey {
        key: sub_key(n).public_key(),
        actions: ActionSet::from_iter([ActionKind::Transfer, ActionKind::OpenChannel]).0,
        counterparties,
        budget: 1_000_000 * DNT,
        period_seconds: 1_000_000,
        expires: 2_000_000_000,
    })
}

fn delegate(world: &World, who: u32, to: u8) -> Bytes {
    world.sign(who, Action::Delegate(Delegate { validator: engine_validator(to), amount: 10 * DNT }))
}

fn redelegate(world: &World, who: u32) -> Bytes {
    let (from, to) = (engine_validator(1), engine_validator(2));
    world.sign(who, Action::Redelegate(Redelegate { from, to, amount: 2 * DNT }))
}

fn spend(world: &World) -> Bytes {
    let (to, reason) = (address_of(7), Digest([1; 32]));
    world.sign(AUTHORITY, Action::SpendTreasury(SpendTreasury { to, amount: 1, reason }))
}

/// As much JSON as there may be.
fn set_params(world: &World) -> Bytes {
    let one = r#""min_fee":1002,"#;
    let changes = format!("{{{}{}}}", one.repeat(MAX_PARAM_CHANGES / one.len() - 1), r#""min_fee":1002"#);
    world.sign(AUTHORITY, Action::SetParams(SetParams { changes }))
}

impl Money {
    pub fn set_up(world: &mut World) -> Self {
        let mut owners: Vec<SigningKey> = (0..16).map(|n| person(2_000_000 + n)).collect();
        owners.sort_by_key(SigningKey::public_key);
        let money = Self { owners };
        let staking = (0..MANY).map(|n| delegate(world, STAKING + n, Self::proposer(n)));
        let moving = (MOVED..MOVED + 96).chain(MOVING..MOVING + 32).map(|n| delegate(world, n, 1));
        let earning = (EARNING..EARNING + 4).flat_map(|n| (1..=ENGINE).map(move |v| (n, v)));
        let earning = earning.map(|(n, v)| delegate(world, n, v));
        let txs: Vec<_> = staking.chain(moving).chain(earning).collect();
        world.block(&txs);
        let moved: Vec<_> = (MOVED..MOVED + 96).map(|n| redelegate(world, n)).collect();
        world.block(&moved);

        let shared = (SHARED..SHARED + 16).chain(CHANGING..CHANGING + MANY).map(|n| (n, 16));
        let alone = (GRANTING..GRANTING + MANY).chain(RECOVERED..RECOVERED + MANY).chain(RECOVERING..RECOVERING + MANY);
        let all = shared.chain(alone.map(|n| (n, 1)));
        let txs: Vec<_> = all.map(|(n, threshold)| world.sign(n, money.set_keys(threshold))).collect();
        world.block(&txs);
        let pending = (CHANGING..CHANGING + MANY).chain(RECOVERING..RECOVERING + MANY);
        let txs: Vec<_> = pending.map(|n| world.sign(GUARDIAN, money.recover(n))).collect();
        world.block(&txs);
        let granted = (GRANTING..GRANTING + MANY).map(|n| money.by_owner(world, n, grant(n)));
        let full = (0..4).flat_map(|n| (0..63).map(move |k| (FULL + n, k)));
        let stale = (0..4).flat_map(|n| (0..64).map(move |k| (STALE + n, k)));
        let many = full.chain(stale).map(|(n, k)| world.sign(n, grant(k)));
        let txs: Vec<_> = granted.chain(many).collect();
        world.block(&txs);
        let txs: Vec<_> = (STALE..STALE + 4).map(|n| world.sign(n, money.set_keys(1))).collect();
        world.block(&txs);
        let spends: Vec<_> = (0..SPENDS).map(|_| spend(world)).collect();
        world.block(&spends);
        money
    }

    fn proposer(n: u32) -> u8 {
        1 + (n % 32) as u8
    }

    fn publics(&self) -> Vec<datanet_types::PublicKey> {
        self.owners.iter().map(SigningKey::public_key).collect()
    }

    fn set_keys(&self, threshold: u32) -> Action {
        let recovery = Some(Recovery { guardian: address_of(GUARDIAN), seconds: 1_000_000 });
        Action::SetKeys(SetKeys { owners: self.publics(), threshold, recovery })
    }

    fn recover(&self, n: u32) -> Action {
        Action::RecoverKeys(RecoverKeys { account: address_of(n), owners: self.publics(), threshold: 16 })
    }

    /// Of an account one of whose owners is enough.
    fn by_owner(&self, world: &World, n: u32, action: Action) -> Bytes {
        world.signed_by(address_of(n), &[&self.owners[0]], action)
    }

    fn by_all_owners(&self, world: &World, n: u32, action: Action) -> Bytes {
        world.signed_by(address_of(n), &self.owners.iter().collect::<Vec<_>>(), action)
    }

    /// What everything else is compared with.
    pub fn plain(&self, world: &World) -> Case {
        Case::done(
            "between accounts that are there",
            (1_000..1_400).map(|n| world.sign(n, pay(address_of(n + 1_000)))).collect(),
        )
    }

    pub fn transfer(&self, world: &World) -> Vec<Case> {
        let new = |n: u32| pay(person(5_000_000 + n).address());
        let shared = (SHARED..SHARED + 16).map(|n| self.by_all_owners(world, n, pay(address_of(n + 1))));
        let by_sub_key = |n: u32| world.signed_by(address_of(n), &[&sub_key(n)], pay(address_of(1_000 + n % 16)));
        vec![
            self.plain(world),
            Case::done("to new accounts", (1_000..1_400).map(|n| world.sign(n, new(n))).collect()),
            Case::done("signed by 16 owners", shared.collect()),
            Case::done("by a sub-key with 16 counterparties", (GRANTING..GRANTING + MANY).map(by_sub_key).collect()),
        ]
    }

    pub fn set_keys_case(&self, world: &World) -> Vec<Case> {
        let sign = |n| self.by_all_owners(world, n, self.set_keys(16));
        vec![Case::done("16 owners, signed by 16, during a recovery", (CHANGING..CHANGING + MANY).map(sign).collect())]
    }

    pub fn recover_keys(&self, world: &World) -> Vec<Case> {
        let sign = |n| world.sign(GUARDIAN, self.recover(n));
        vec![Case::done("16 owners after 16", (RECOVERED..RECOVERED + MANY).map(sign).collect())]
    }

    pub fn cancel_recovery(&self, world: &World) -> Vec<Case> {
        let sign = |n| self.by_owner(world, n, Action::CancelRecovery(CancelRecovery {}));
        vec![Case::done("16 owners instead of 16", (RECOVERING..RECOVERING + MANY).map(sign).collect())]
    }

    pub fn grant_key(&self, world: &World) -> Vec<Case> {
        let last = (FULL..FULL + 4).map(|n| world.sign(n, grant(100))).collect();
        let first = (STALE..STALE + 4).map(|n| self.by_owner(world, n, grant(100))).collect();
        vec![Case::done("the last of 64", last), Case::done("64 that have ended are forgotten", first)]
    }

    pub fn revoke_key(&self, world: &World) -> Vec<Case> {
        let revoke = |n: u32| Action::RevokeKey(RevokeKey { key: sub_key(n).public_key() });
        let sign = |n| self.by_owner(world, n, revoke(n));
        vec![Case::done("by one of 16 owners", (GRANTING..GRANTING + MANY).map(sign).collect())]
    }

    pub fn create_validator(&self, world: &World) -> Vec<Case> {
        let create = |n: u32| {
            let (operator, own) = (address_of(n), person(3_000_000 + n));
            let beacon = BeaconSecret::from_bytes(&own.to_bytes());
            let key = own.consensus_key();
            let create = CreateValidator {
                key,
                proof: own.sign(&CreateValidator::sign_bytes(CHAIN, &operator, &key)),
                amount: 2_000 * DNT,
                commission_bps: 10_000,
                name: "v".repeat(64),
                beacon_key: beacon.key(),
                beacon_proof: beacon.prove(&CreateValidator::beacon_input(CHAIN, &operator, &key)),
            };
            world.sign(n, Action::CreateValidator(create))
        };
        vec![Case::done("", (STARTING..STARTING + MANY).map(create).collect())]
    }

    pub fn delegate(&self, world: &World) -> Vec<Case> {
        let more = (0..MANY).map(|n| delegate(world, STAKING + n, Self::proposer(n))).collect();
        vec![Case::done("more, with rewards", more)]
    }

    pub fn undelegate(&self, world: &World) -> Vec<Case> {
        let back = |n: u32| {
            let validator = engine_validator(Self::proposer(n));
            world.sign(STAKING + n, Action::Undelegate(Undelegate { validator, amount: DNT }))
        };
        vec![Case::done("a part, with rewards", (0..MANY).map(back).collect())]
    }

    pub fn redelegate(&self, world: &World) -> Vec<Case> {
        let txs = (MOVING..MOVING + 32).map(|n| redelegate(world, n)).collect();
        vec![Case::done("behind 96 others", txs)]
    }

    pub fn withdraw_rewards(&self, world: &World) -> Vec<Case> {
        let mut validators: Vec<_> = (1..=ENGINE).map(engine_validator).collect();
        validators.sort_unstable();
        let withdraw = |n| world.sign(n, Action::WithdrawRewards(WithdrawRewards { validators: validators.clone() }));
        vec![Case::done("64 validators", (EARNING..EARNING + 4).map(withdraw).collect())]
    }

    pub fn unjail(&self, world: &World) -> Vec<Case> {
        let unjail = |n: u8| world.signed(&key(n), Action::Unjail(Unjail { validator: engine_validator(n) }));
        vec![Case::done("", (33..=ENGINE).map(unjail).collect())]
    }

    pub fn spend_treasury(&self, world: &World) -> Vec<Case> {
        vec![Case::done("behind 32 others", (0..SPENDS).map(|_| spend(world)).collect())]
    }

    pub fn cancel_spend(&self, world: &World) -> Vec<Case> {
        let cancel = |spend: u64| world.sign(AUTHORITY, Action::CancelSpend(CancelSpend { spend }));
        vec![Case::done("", (1..=SPENDS.into()).map(cancel).collect())]
    }

    pub fn set_params(&self, world: &World) -> Vec<Case> {
        vec![Case::done("8 KiB of changes", (0..30).map(|_| set_params(world)).collect())]
    }

    pub fn cancel_params(&self, world: &World) -> Vec<Case> {
        let both = |_| [set_params(world), world.sign(AUTHORITY, Action::CancelParams(CancelParams {}))];
        vec![Case::done("after each set_params", (0..30).flat_map(both).collect())]
    }

    pub fn reset_component(&self, world: &World) -> Vec<Case> {
        let sign = |_| {
            let component = "contributions".to_owned();
            world.sign(AUTHORITY, Action::ResetComponent(ResetComponent { component }))
        };
        vec![Case::refused("of one that runs", (0..60).map(sign).collect(), code::NOT_TRIPPED)]
    }
}
