//! What the chain's authority pays out of the treasury.

use std::collections::BTreeMap;

use datanet_ledger::component::accounts::Account;
use datanet_types::action::SpendTreasury;
use datanet_types::{Address, Amount};

use super::ledger::{Done, Model, ensure, escrow, user};

const MOST_ANNOUNCED: usize = 64;

#[derive(Debug, Clone)]
pub struct Spend {
    pub to: Address,
    pub amount: Amount,
    pub due: u64,
    period: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Treasury {
    pub spends: BTreeMap<u64, Spend>,
    pub last: u64,
    /// When the period began, what it may spend, and has.
    pub period: Option<(u64, Amount, Amount)>,
}

fn held(number: u64) -> Account {
    escrow("treasury-spend", &[&number.to_le_bytes()])
}

impl Model {
    pub fn spend(&mut self, who: Address, action: &SpendTreasury) -> Done {
        ensure(self.rules.authority == Some(who), "not the authority")?;
        let (rules, now) = (self.rules.now().clone(), self.now);
        let (since, most, spent) = self.period();
        ensure(action.amount <= most - spent, "more than is left of the period")?;
        ensure(self.treasury.spends.len() < MOST_ANNOUNCED, "too many are announced")?;
        let number = self.treasury.last + 1;
        self.pay(Self::treasury(), held(number), action.amount)?;
        self.treasury.last = number;
        self.treasury.period = Some((since, most, spent + action.amount));
        let due = now + rules.authority_delay_seconds;
        self.treasury.spends.insert(number, Spend { to: action.to, amount: action.amount, due, period: since });
        Ok(())
    }

    /// When the period began, or begins now, what it may spend, and has.
    pub fn period(&self) -> (u64, Amount, Amount) {
        let (rules, now) = (self.rules.now(), self.now);
        let present = self.treasury.period.filter(|(since, ..)| now < since + rules.treasury_period_seconds);
        let share = u128::from(self.owned(Self::treasury())) * u128::from(rules.treasury_period_bps) / 10_000;
        present.unwrap_or((now, share as u64, 0))
    }

    pub fn cancel_spend(&mut self, who: Address, number: u64) -> Done {
        ensure(self.rules.authority == Some(who), "not the authority")?;
        self.take_spend_back(number)
    }

    pub fn take_spend_back(&mut self, number: u64) -> Done {
        let spend = self.treasury.spends.remove(&number).ok_or("no such payment")?;
        self.release(held(number), Self::treasury(), spend.amount);
        if let Some((since, _, spent)) = &mut self.treasury.period
            && *since == spend.period
        {
            *spent -= spend.amount;
        }
        Ok(())
    }

    pub fn pay_spends(&mut self) {
        let now = self.now;
        let due: BTreeMap<u64, Spend> = self.treasury.spends.extract_if(.., |_, spend| spend.due <= now).collect();
        for (number, spend) in due {
            self.release(held(number), user(&spend.to), spend.amount);
        }
    }
}
