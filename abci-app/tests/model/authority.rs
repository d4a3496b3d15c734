//! Who speaks for an account.

use std::collections::{BTreeMap, BTreeSet};

use datanet_types::action::{ActionSet, Counterparty, GrantKey, RecoverKeys, SetKeys};
use datanet_types::tx::VerifiedTx;
use datanet_types::{Action, Address, Amount, ConsensusAddress, PublicKey};

use super::ledger::{Done, Model, ensure, user};

#[derive(Debug, Clone)]
pub struct Owners {
    pub version: u64,
    pub keys: BTreeSet<PublicKey>,
    pub threshold: u32,
    /// Who recovers it, and how long that takes.
    pub guardian: Option<(Address, u64)>,
    /// Who owns it next, and from when on.
    pub next: Option<(BTreeSet<PublicKey>, u32, u64)>,
}

#[derive(Debug, Clone)]
pub struct Grant {
    version: u64,
    actions: ActionSet,
    with: Vec<Counterparty>,
    pub budget: Amount,
    period_seconds: u64,
    pub expires: u64,
    granted: u64,
    /// What was spent in which period.
    pub spent: (u64, Amount),
}

#[derive(Debug, Clone, Default)]
pub struct Authority {
    pub owners: BTreeMap<Address, Owners>,
    pub grants: BTreeMap<(Address, PublicKey), Grant>,
}

impl Model {
    /// An account's owners at the block's time; none where its address says who that is.
    pub fn owners(&self, account: &Address) -> Option<Owners> {
        let mut owners = self.authority.owners.get(account).cloned()?;
        if let Some((keys, threshold, _)) = owners.next.take_if(|(.., due)| *due <= self.now) {
            owners = Owners { version: owners.version + 1, keys, threshold, ..owners };
        }
        Some(owners)
    }

    /// Who speaks for an account, itself or an agent's owner, and how often its own sub-keys were ended beside.
    pub fn hand(&self, account: &Address) -> (Address, u64) {
        self.agents.hands.get(account).copied().unwrap_or((*account, 0))
    }

    fn version(&self, account: &Address) -> u64 {
        let (hand, ended) = self.hand(account);
        ended + self.owners(&hand).map_or(0, |owners| owners.version)
    }

    fn is_owner(&self, account: &Address, signed: &[PublicKey]) -> bool {
        let (hand, _) = self.hand(account);
        match self.owners(&hand) {
            Some(owners) => {
                signed.len() == owners.threshold as usize && signed.iter().all(|key| owners.keys.contains(key))
            }
            None => matches!(signed, [key] if Address::of(key) == hand),
        }
    }

    /// The sub-key that signed, if one did and it has not ended with who granted it.
    fn sub_key(&self, tx: &VerifiedTx) -> Option<&Grant> {
        let [key] = tx.keys.as_slice() else { return None };
        let grant = self.authority.grants.get(&(tx.signer, *key))?;
        (!self.is_owner(&tx.signer, &tx.keys) && grant.version == self.version(&tx.signer)).then_some(grant)
    }

    pub fn authorise(&self, tx: &VerifiedTx) -> Done {
        if self.is_owner(&tx.signer, &tx.keys) {
            return Ok(());
        }
        let grant = self.sub_key(tx).ok_or("these keys don't speak for the account")?;
        ensure(self.now < grant.expires, "the sub-key has expired")?;
        ensure(grant.actions.contains(tx.action.kind()), "no action of the sub-key's")?;
        let with = tx.action.counterparty().map(Counterparty::from);
        let free = grant.with.is_empty() || with.is_none_or(|with| grant.with.contains(&with));
        ensure(free, "no counterparty of the sub-key's")
    }

    /// Does `run`; what the account has less afterwards is of the budget of the sub-key that signed.
    pub fn metered(&mut self, tx: &VerifiedTx, run: impl FnOnce(&mut Self) -> Done) -> Done {
        let grant = self.sub_key(tx).cloned();
        let wealth = |model: &Self| model.owned(user(&tx.signer));
        let behind = |model: &Self| match &tx.action {
            Action::Undelegate(action) => model.stake_on(tx.signer, action.validator),
            Action::Redelegate(action) => model.stake_on(tx.signer, action.from),
            _ => 0,
        };
        let (money, stake) = (wealth(self), behind(self));
        run(self)?;
        let Some(mut grant) = grant else { return Ok(()) };
        let spent = money.saturating_sub(wealth(self)) + stake.saturating_sub(behind(self));
        let period = (self.now - grant.granted) / grant.period_seconds;
        let before = if grant.spent.0 == period { grant.spent.1 } else { 0 };
        ensure(before + spent <= grant.budget, "more than the sub-key's budget")?;
        grant.spent = (period, before + spent);
        self.authority.grants.insert((tx.signer, tx.keys[0]), grant);
        let now = self.now;
        let Some(purse) = self.agents.purses.get_mut(&tx.signer) else { return Ok(()) };
        let period = (now - purse.since).checked_div(purse.period_seconds).unwrap_or(0);
        let before = if purse.spent.0 == period { purse.spent.1 } else { 0 };
        ensure(before + spent <= purse.budget, "more than all sub-keys of the agent may spend")?;
        purse.spent = (period, before + spent);
        Ok(())
    }

    fn stake_on(&self, who: Address, validator: ConsensusAddress) -> Amount {
        self.staking.stakes.get(&(who, validator)).map_or(0, |stake| stake.amount)
    }

    pub fn set_keys(&mut self, who: Address, action: &SetKeys) -> Done {
        ensure(!self.agents.hands.contains_key(&who), "an agent has no owners of its own")?;
        let version = self.version(&who) + 1;
        let guardian = action.recovery.map(|recovery| (recovery.guardian, recovery.seconds));
        let keys = action.owners.iter().copied().collect();
        let owners = Owners { version, keys, threshold: action.threshold, guardian, next: None };
        self.authority.owners.insert(who, owners);
        Ok(())
    }

    pub fn recover_keys(&mut self, who: Address, action: &RecoverKeys) -> Done {
        let mut owners = self.owners(&action.account).ok_or("nobody guards it")?;
        let (_, seconds) = owners.guardian.filter(|(guardian, _)| *guardian == who).ok_or("not its guardian")?;
        let keys = action.owners.iter().copied().collect();
        owners.next = Some((keys, action.threshold, self.now + seconds));
        self.authority.owners.insert(action.account, owners);
        Ok(())
    }

    pub fn cancel_recovery(&mut self, who: Address) -> Done {
        let mut owners = self.owners(&who).ok_or("nobody recovers it")?;
        ensure(owners.next.take().is_some(), "nobody recovers it")?;
        self.authority.owners.insert(who, owners);
        Ok(())
    }

    pub fn grant_key(&mut self, who: Address, action: &GrantKey) -> Done {
        ensure(action.expires > self.now, "expired already")?;
        let (hand, _) = self.hand(&who);
        let owner = match self.owners(&hand) {
            Some(owners) => owners.keys.contains(&action.key),
            None => Address::of(&action.key) == hand,
        };
        ensure(!owner, "an owner")?;
        let (version, now) = (self.version(&who), self.now);
        let ended = |grant: &Grant| grant.version != version || grant.expires <= now;
        self.authority.grants.retain(|(account, _), grant| *account != who || !ended(grant));
        let grant = Grant {
            version,
            actions: ActionSet(action.actions),
            with: action.counterparties.clone(),
            budget: action.budget,
            period_seconds: action.period_seconds,
            expires: action.expires,
            granted: now,
            spent: (0, 0),
        };
        self.authority.grants.insert((who, action.key), grant);
        Ok(())
    }

    pub fn revoke_key(&mut self, who: Address, key: PublicKey) -> Done {
        self.authority.grants.remove(&(who, key)).map(drop).ok_or("no such sub-key")
    }
}
