//! Stake behind who orders blocks, where nothing is earned and nobody is slashed: a share is a base unit.

use std::collections::{BTreeMap, BTreeSet};

use datanet_ledger::component::accounts::Account;
use datanet_types::amount::DNT;
use datanet_types::{Address, Amount, ConsensusAddress};

use super::ledger::{Done, Model, ensure, escrow, user};

/// What somebody has behind a validator, and how much of it was moved there and must stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stake {
    pub amount: Amount,
    pub moved: Amount,
}

#[derive(Debug, Clone, Default)]
pub struct Staking {
    /// Who operates which.
    pub operators: BTreeMap<ConsensusAddress, Address>,
    pub stakes: BTreeMap<(Address, ConsensusAddress), Stake>,
    /// By when it is home, from whom, whose.
    pub leaving: BTreeMap<(u64, ConsensusAddress, Address), Amount>,
    /// By when it is free, from whom, to whom, whose.
    pub moved: BTreeMap<(u64, ConsensusAddress, ConsensusAddress, Address), Amount>,
}

pub fn bonded(validator: &ConsensusAddress) -> Account {
    escrow("bonded", &[&validator.0])
}

fn batch(validator: &ConsensusAddress, home: u64) -> Account {
    escrow("leaving", &[&validator.0, &home.to_le_bytes()])
}

impl Model {
    /// What leaves now is home after the unbonding time, rounded up to a 64th of it.
    fn home(&self) -> u64 {
        let wait = self.rules.now().unbonding_seconds;
        let part = wait.div_ceil(64).max(1);
        (self.now + wait).div_ceil(part) * part
    }

    fn known(&self, validator: ConsensusAddress) -> Done {
        ensure(self.staking.operators.contains_key(&validator), "no such validator")
    }

    pub fn create_validator(&mut self, who: Address, validator: ConsensusAddress, amount: Amount) -> Done {
        let operators: BTreeSet<&Address> = self.staking.operators.values().collect();
        ensure(self.known(validator).is_err() && !operators.contains(&who), "one key, one operator")?;
        ensure(amount >= self.rules.now().min_validator_stake, "too little behind it")?;
        self.staking.operators.insert(validator, who);
        self.pay(user(&who), bonded(&validator), amount)?;
        self.staking.stakes.entry((who, validator)).or_default().amount += amount;
        Ok(())
    }

    pub fn delegate(&mut self, who: Address, validator: ConsensusAddress, amount: Amount) -> Done {
        self.known(validator)?;
        self.pay(user(&who), bonded(&validator), amount)?;
        self.staking.stakes.entry((who, validator)).or_default().amount += amount;
        Ok(())
    }

    /// Takes `amount` out of a stake, or all that is free; what would be too little to keep goes with it.
    fn take(&mut self, who: Address, validator: ConsensusAddress, amount: Amount) -> Result<Amount, &'static str> {
        self.known(validator)?;
        let stake = self.staking.stakes.get_mut(&(who, validator)).ok_or("no stake there")?;
        let free = stake.amount - stake.moved;
        ensure(amount > 0 && free > 0, "nothing to take")?;
        let mut taken = amount.min(free);
        ensure(amount >= DNT || taken == free, "at least a DNT, or all")?;
        if stake.moved == 0 && stake.amount - taken < DNT {
            taken = stake.amount;
        }
        stake.amount -= taken;
        if stake.amount == 0 {
            self.staking.stakes.remove(&(who, validator));
        }
        Ok(taken)
    }

    pub fn undelegate(&mut self, who: Address, validator: ConsensusAddress, amount: Amount) -> Done {
        let (taken, home) = (self.take(who, validator, amount)?, self.home());
        self.release(bonded(&validator), batch(&validator, home), taken);
        *self.staking.leaving.entry((home, validator, who)).or_default() += taken;
        Ok(())
    }

    pub fn redelegate(
        &mut self,
        who: Address,
        (from, to): (ConsensusAddress, ConsensusAddress),
        amount: Amount,
    ) -> Done {
        let (taken, free) = (self.take(who, from, amount)?, self.home());
        ensure(taken >= DNT, "less than a DNT")?;
        self.known(to)?;
        self.release(bonded(&from), bonded(&to), taken);
        let stake = self.staking.stakes.entry((who, to)).or_default();
        stake.amount += taken;
        stake.moved += taken;
        *self.staking.moved.entry((free, from, to, who)).or_default() += taken;
        Ok(())
    }

    /// There is nothing to withdraw, which is no fault.
    pub fn withdraw(&self, validators: &[ConsensusAddress]) -> Done {
        validators.iter().try_for_each(|validator| self.known(*validator))
    }

    pub fn release_delegations(&mut self) {
        let now = self.now;
        let home: Vec<_> = self.staking.leaving.extract_if(.., |(home, ..), _| *home <= now).collect();
        for ((home, validator, who), amount) in home {
            self.release(batch(&validator, home), user(&who), amount);
        }
    }

    pub fn free_moved(&mut self) {
        let now = self.now;
        let free: Vec<_> = self.staking.moved.extract_if(.., |(free, ..), _| *free <= now).collect();
        for ((_, _, to, who), amount) in free {
            self.staking.stakes.get_mut(&(who, to)).expect("it must stay").moved -= amount;
        }
    }
}
