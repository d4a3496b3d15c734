//! What those who paid say of sellers: whoever paid whom how much, one by one, since the beginning.

use std::collections::{BTreeMap, BTreeSet};

use datanet_types::action::RateSeller;
use datanet_types::{Address, Amount, NodeKey};

use super::ledger::{Done, Model, ensure};

/// Who may rate an epoch.
#[derive(Debug, Clone)]
pub struct Rights {
    pub seller: Address,
    pub payers: BTreeMap<Address, Amount>,
    pub until: u64,
}

/// What was said of a seller: of payments, of his own, of those that came back, what counts, how much of that is good, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rated {
    pub all: Amount,
    pub own: Amount,
    pub circular: Amount,
    pub counted: Amount,
    pub good: Amount,
    pub times: u64,
}

#[derive(Debug, Clone, Default)]
pub struct Ratings {
    /// Payer, seller, and how much.
    pub paid: BTreeMap<(Address, Address), Amount>,
    pub rated: BTreeMap<Address, Rated>,
    pub rights: BTreeMap<(NodeKey, u64), Rights>,
}

/// So much of `amount`, rounded up, and no more than all of it.
fn part(amount: Amount, share: Amount, whole: Amount) -> Amount {
    let part = (u128::from(amount) * u128::from(share)).div_ceil(u128::from(whole.max(1)));
    part.min(u128::from(amount)) as Amount
}

impl Ratings {
    /// Everybody who has traded.
    pub fn traders(&self) -> BTreeSet<Address> {
        self.paid.keys().flat_map(|(payer, seller)| [*payer, *seller]).collect()
    }

    pub fn spent(&self, who: &Address) -> Amount {
        self.paid.iter().filter(|((payer, _), _)| payer == who).map(|(_, amount)| amount).sum()
    }

    pub fn earned(&self, who: &Address) -> Amount {
        self.paid.iter().filter(|((_, seller), _)| seller == who).map(|(_, amount)| amount).sum()
    }

    fn between(&self, payer: &Address, seller: &Address) -> Amount {
        self.paid.get(&(*payer, *seller)).copied().unwrap_or(0)
    }

    fn circular(&self, payer: &Address, seller: &Address, amount: Amount) -> Amount {
        let before = |sum: Amount| sum.saturating_sub(amount).max(amount);
        let back = part(amount, self.between(seller, payer), before(self.between(payer, seller)));
        let passed_on = part(amount, self.spent(seller), before(self.earned(seller)));
        let own_means = part(amount, self.earned(payer), before(self.spent(payer)));
        back.max(passed_on.min(own_means))
    }
}

impl Model {
    pub fn traded(&mut self, seller: Address, paid: &[(Address, Amount)]) {
        for (payer, amount) in paid {
            *self.ratings.paid.entry((*payer, seller)).or_default() += amount;
        }
    }

    pub fn open_ratings(&mut self, place: (NodeKey, u64), seller: Address, paid: &[(Address, Amount)], forget: u64) {
        let mut payers = BTreeMap::new();
        for (payer, amount) in paid {
            *payers.entry(*payer).or_default() += amount;
        }
        self.ratings.rights.insert(place, Rights { seller, payers, until: self.now + forget });
    }

    /// Whether somebody speaks for both.
    fn are_one(&self, one: &Address, other: &Address) -> bool {
        let owners = |who: &Address| -> (Address, BTreeSet<Address>) {
            let (hand, _) = self.hand(who);
            let keys = self.owners(&hand).map(|owners| owners.keys.iter().map(Address::of).collect());
            (hand, keys.unwrap_or_else(|| BTreeSet::from([hand])))
        };
        let (ours, theirs) = (owners(one), owners(other));
        one == other || ours.0 == theirs.0 || !ours.1.is_disjoint(&theirs.1)
    }

    pub fn rate(&mut self, who: Address, action: &RateSeller) -> Done {
        let place = (action.node, action.epoch);
        let rights = self.ratings.rights.get_mut(&place).ok_or("nothing to rate")?;
        ensure(self.now <= rights.until, "too late")?;
        let amount = rights.payers.remove(&who).ok_or("nothing of one's own to rate")?;
        let seller = rights.seller;
        if rights.payers.is_empty() {
            self.ratings.rights.remove(&place);
        }
        let (own, circular) =
            if self.are_one(&who, &seller) { (amount, 0) } else { (0, self.ratings.circular(&who, &seller, amount)) };
        let counted = amount - own - circular;
        let rated = self.ratings.rated.entry(seller).or_default();
        rated.all += amount;
        rated.own += own;
        rated.circular += circular;
        rated.counted += counted;
        rated.good += (u128::from(counted) * u128::from(action.score_bps) / 10_000) as Amount;
        rated.times += 1;
        Ok(())
    }

    pub fn lapse_ratings(&mut self) {
        let now = self.now;
        self.ratings.rights.retain(|_, rights| rights.until > now);
    }
}
