//! What an account has paid and been paid, and what of a payment may have come back.
//!
//! Who has paid whom is kept for the partners that an account paid most, at most [`MAX_PARTNERS`]: a newcomer takes the place of the one with least, and
//! its amount along, with how much of that may be too much. So what was paid to somebody is never more than what is told of him, nor, where
//! nothing is, than the least that is told; and never less than that less what may be too much ("space saving", Metwally et al. 2005). Where it is not known exactly, what came back is taken as
//! the most that it may be, and what was paid as the least.

use datanet_types::amount::BPS;
use datanet_types::{Address, Amount};

/// Most accounts of which it is known what another has paid them.
pub const MAX_PARTNERS: usize = 16;
/// Seconds of block time after which all numbers are halved: ninety days, so that last year's word counts a sixteenth.
pub const HALVING_SECONDS: u64 = 7_776_000;
/// Halvings after which who did not trade is forgotten: two years, when less than a two-hundredth is left.
pub const LAPSE_HALVINGS: u64 = 8;

/// What an account has paid and been paid for answers, and how it was rated.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Trader {
    /// Halvings since 1970 that the numbers have been through.
    #[prost(uint64, tag = "1")]
    pub halvings: u64,
    /// Base units paid for answers, as far as they were settled.
    #[prost(uint64, tag = "2")]
    pub paid: Amount,
    /// Base units that others paid it for answers.
    #[prost(uint64, tag = "3")]
    pub earned: Amount,
    /// Whom it paid most, by account.
    #[prost(message, repeated, tag = "4")]
    pub partners: Vec<Partner>,
    /// Base units of payments with which it was rated, counted or not.
    #[prost(uint64, tag = "10")]
    pub rated: Amount,
    /// Of that, payments of its own owner's, which do not count.
    #[prost(uint64, tag = "11")]
    pub own: Amount,
    /// Of that, what may have come back to who paid, which does not count.
    #[prost(uint64, tag = "12")]
    pub circular: Amount,
    /// Of that, what counts.
    #[prost(uint64, tag = "13")]
    pub counted: Amount,
    /// Of what counts, as much as it was rated good.
    #[prost(uint64, tag = "14")]
    pub good: Amount,
    /// How often it was rated.
    #[prost(uint64, tag = "15")]
    pub ratings: u64,
}

/// Somebody who was paid.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Partner {
    /// Who.
    #[prost(message, required, tag = "1")]
    pub account: Address,
    /// Base units, at most.
    #[prost(uint64, tag = "2")]
    pub paid: Amount,
    /// Of that, what may be too much.
    #[prost(uint64, tag = "3")]
    pub over: Amount,
}

/// Halvings since 1970 at block time `now`.
fn halvings_at(now: u64) -> u64 {
    now / HALVING_SECONDS
}

impl Trader {
    /// The same at block time `now`: halved as often as that time has come meanwhile.
    #[must_use]
    pub(super) fn at(mut self, now: u64) -> Self {
        let due = halvings_at(now).saturating_sub(self.halvings);
        self.halvings = halvings_at(now).max(self.halvings);
        let times = u32::try_from(due).unwrap_or(u32::MAX);
        let halve = |number: &mut u64| *number = number.checked_shr(times).unwrap_or(0);
        let numbers = [
            &mut self.paid,
            &mut self.earned,
            &mut self.rated,
            &mut self.own,
            &mut self.circular,
            &mut self.counted,
            &mut self.good,
            &mut self.ratings,
        ];
        numbers.into_iter().for_each(halve);
        for partner in &mut self.partners {
            halve(&mut partner.paid);
            halve(&mut partner.over);
        }
        self.partners.retain(|partner| partner.paid > 0);
        self
    }

    /// Block time at which it is forgotten, if nothing changes.
    pub(super) fn lapses_at(&self) -> u64 {
        self.halvings.saturating_add(LAPSE_HALVINGS).saturating_mul(HALVING_SECONDS)
    }

    /// How good it is, in basis points of what counts; none where nothing counts.
    pub fn score_bps(&self) -> Option<u32> {
        let scaled = u128::from(self.good).saturating_mul(u128::from(BPS));
        scaled.checked_div(u128::from(self.counted)).and_then(|score| u32::try_from(score).ok())
    }

    /// It has paid somebody.
    pub(super) fn has_paid(&mut self, whom: &Address, amount: Amount) {
        self.paid = self.paid.saturating_add(amount);
        match self.partners.binary_search_by_key(whom, |partner| partner.account) {
            Ok(at) => {
                if let Some(partner) = self.partners.get_mut(at) {
                    partner.paid = partner.paid.saturating_add(amount);
                }
            }
            Err(_) => {
                let over = self.make_room();
                let paid = over.saturating_add(amount);
                let at = self.partners.partition_point(|partner| partner.account < *whom);
                self.partners.insert(at, Partner { account: *whom, paid, over });
            }
        }
    }

    /// Takes out who was paid least, if there are as many as there may be; how much that was.
    fn make_room(&mut self) -> Amount {
        if self.partners.len() < MAX_PARTNERS {
            return 0;
        }
        let least = self.partners.iter().enumerate().min_by_key(|(_, partner)| partner.paid).map(|(at, _)| at);
        least.map_or(0, |at| self.partners.remove(at).paid)
    }

    /// It was paid.
    pub(super) fn has_earned(&mut self, amount: Amount) {
        self.earned = self.earned.saturating_add(amount);
    }

    fn partner(&self, whom: &Address) -> Option<&Partner> {
        let at = self.partners.binary_search_by_key(whom, |partner| partner.account).ok()?;
        self.partners.get(at)
    }

    /// Base units that it has paid somebody, at most.
    fn paid_at_most(&self, whom: &Address) -> Amount {
        let least = || {
            let full = self.partners.len() >= MAX_PARTNERS;
            self.partners.iter().map(|partner| partner.paid).min().filter(|_| full).unwrap_or(0)
        };
        self.partner(whom).map_or_else(least, |partner| partner.paid)
    }

    /// Base units that it has paid somebody, at least.
    fn paid_at_least(&self, whom: &Address) -> Amount {
        self.partner(whom).map_or(0, |partner| partner.paid.saturating_sub(partner.over))
    }

    /// What of `amount`, which it has paid `seller`, may have come back to it, rounded up.
    ///
    /// Two things are looked at, and the larger counts. What the seller has paid it, of what it has paid the seller. And what may have gone round by
    /// others: no more than the part of its earnings that the seller pays out, and no more than the part of what this account pays that
    /// it has earned. In a ring both are all of it, however long it is; a seller who buys nothing, and a buyer who sells nothing, are in none.
    pub fn circular(&self, account: &Address, seller: (&Address, &Self), amount: Amount) -> Amount {
        let (who, other) = seller;
        // Without this very payment, of which nothing can have come back before it was made: else each lap of a ring would count a part.
        let rest = |sum: Amount| sum.saturating_sub(amount).max(amount);
        let back = part(amount, other.paid_at_most(account), rest(self.paid_at_least(who)));
        let passed_on = part(amount, other.paid, rest(other.earned));
        let earned = part(amount, self.earned, rest(self.paid));
        back.max(passed_on.min(earned))
    }

    /// A payment of `amount` rates it: as much of it as counts so good, of ten thousand.
    pub(super) fn is_rated(&mut self, amount: Amount, (own, circular): (Amount, Amount), score_bps: u32) {
        let counted = amount.saturating_sub(own).saturating_sub(circular);
        let good = u128::from(counted).saturating_mul(u128::from(score_bps)).checked_div(u128::from(BPS)).unwrap_or(0);
        self.rated = self.rated.saturating_add(amount);
        self.own = self.own.saturating_add(own);
        self.circular = self.circular.saturating_add(circular);
        self.counted = self.counted.saturating_add(counted);
        self.good = self.good.saturating_add(Amount::try_from(good).unwrap_or(counted));
        self.ratings = self.ratings.saturating_add(1);
    }
}

/// `amount x share / whole`, rounded up, and no more than `amount`. `whole` is not zero.
fn part(amount: Amount, share: Amount, whole: Amount) -> Amount {
    let product = u128::from(amount).saturating_mul(u128::from(share));
    let whole = u128::from(whole.max(1));
    Amount::try_from(product.div_ceil(whole)).unwrap_or(amount).min(amount)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn who(n: u8) -> Address {
        Address([n; 20])
    }

    /// What these have paid one another: payer, seller, amount.
    fn traders(paid: &[(u8, u8, u64)]) -> Vec<Trader> {
        let mut all = vec![Trader::default(); 64];
        for (payer, seller, amount) in paid {
            all[usize::from(*payer)].has_paid(&who(*seller), *amount);
            all[usize::from(*seller)].has_earned(*amount);
        }
        all
    }

    fn circular(all: &[Trader], payer: u8, seller: u8, amount: u64) -> u64 {
        all[usize::from(payer)].circular(&who(payer), (&who(seller), &all[usize::from(seller)]), amount)
    }

    #[test]
    fn what_two_pay_each_other_is_netted() {
        let all = traders(&[(1, 2, 100), (2, 1, 30)]);
        assert_eq!((circular(&all, 1, 2, 100), circular(&all, 2, 1, 30)), (30, 30));
        // In parts at least as much as in one.
        assert_eq!((0..10).map(|_| circular(&all, 1, 2, 10)).sum::<u64>(), 40);
        // Also where both have other customers, and other suppliers.
        let all = traders(&[(1, 2, 100), (2, 1, 100), (1, 3, 900), (4, 2, 900)]);
        assert_eq!(circular(&all, 1, 2, 100), 100);
    }

    #[test]
    fn a_ring_of_any_length_counts_nothing() {
        for length in [2u8, 3, 4, 40] {
            let ring: Vec<_> = (0..length).map(|n| (n, (n + 1) % length, 1_000)).collect();
            let all = traders(&ring);
            assert!((0..length).all(|n| circular(&all, n, (n + 1) % length, 1_000) == 1_000), "{length}");
            // Whoever begins the next lap has paid once more than he was paid.
            let next: Vec<_> = ring.iter().copied().chain([(0, 1, 1_000)]).collect();
            assert_eq!(circular(&traders(&next), 0, 1, 1_000), 1_000, "{length}");
        }
    }

    #[test]
    fn who_only_buys_and_who_only_sells_is_in_no_ring() {
        // 1 buys of 2, who buys of 3 for half of that, who buys nothing.
        let all = traders(&[(1, 2, 1_000), (2, 3, 500)]);
        assert_eq!((circular(&all, 1, 2, 1_000), circular(&all, 2, 3, 500)), (0, 0));
    }

    #[test]
    fn everything_halves_at_the_same_moments_and_goes_in_the_end() {
        let all = traders(&[(1, 2, 100), (1, 3, 1)]);
        let one = all[1].clone().at(3 * HALVING_SECONDS);
        assert_eq!((one.halvings, one.paid, one.partners.len()), (3, 12, 1));
        assert_eq!(one.clone().at(4 * HALVING_SECONDS - 1), one);
        assert_eq!(one.clone().at(4 * HALVING_SECONDS).paid, 6);
        assert_eq!(one.clone().at(2_000 * HALVING_SECONDS).paid, 0);
        assert_eq!(one.lapses_at(), 11 * HALVING_SECONDS);
        // Time never goes back; if it did, nothing would.
        assert_eq!(one.clone().at(0), one);
    }

    #[test]
    fn the_score_is_weighed_by_money() {
        let mut seller = Trader::default();
        assert_eq!(seller.score_bps(), None);
        seller.is_rated(100, (0, 0), 10_000);
        seller.is_rated(300, (0, 0), 0);
        seller.is_rated(1_000, (1_000, 0), 10_000);
        seller.is_rated(1_000, (0, 1_000), 10_000);
        assert_eq!((seller.score_bps(), seller.counted, seller.rated), (Some(2_500), 400, 2_400));
        assert_eq!(seller.rated, seller.own + seller.circular + seller.counted);
    }

    proptest! {
        #[test]
        fn what_is_told_of_a_partner_bounds_what_was_paid(paid in prop::collection::vec((0u8..40, 1u64..1_000), 0..300)) {
            let (mut trader, mut truth) = (Trader::default(), [0u64; 40]);
            for (whom, amount) in paid {
                trader.has_paid(&who(whom), amount);
                truth[usize::from(whom)] += amount;
                prop_assert!(trader.partners.len() <= MAX_PARTNERS);
                prop_assert!(trader.partners.is_sorted_by(|one, next| one.account < next.account));
            }
            for (whom, truth) in (0u8..).zip(truth) {
                prop_assert!(trader.paid_at_least(&who(whom)) <= truth && truth <= trader.paid_at_most(&who(whom)));
            }
        }
    }
}
