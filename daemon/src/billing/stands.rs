//! How a channel stands, and what the next voucher on it must say.
//!
//! ```text
//!   0 ────────── taken ────────── promised ─────────────── deposit
//!      answers took it   paid ahead    │ the next voucher is beyond this,
//!                        and not used  │ and covers its answer beyond `taken`
//! ```
//! Where each answer costs what was promised for it the two are one, and a voucher is for that and the price, to the unit. A text that is shorter
//! than was paid for leaves something; that pays for the next. Each voucher promises more than the one before, so that none is two payments.

use datanet_types::Amount;

use super::price::Price;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    /// Base units that answers took.
    pub taken: Amount,
    /// Base units that the latest voucher promises.
    pub promised: Amount,
}

impl Stands {
    fn beyond(&self) -> Amount {
        self.promised.saturating_add(1)
    }

    /// The least that a voucher for an answer of this price says.
    pub fn least(&self, price: &Price) -> Amount {
        self.taken.saturating_add(price.least).max(self.beyond())
    }

    /// What one says that pays for all that the answer may cost.
    pub fn asked(&self, price: &Price) -> Amount {
        self.taken.saturating_add(price.most).max(self.beyond())
    }

    /// What of the price a voucher of so much pays for; none if it is not for this answer: too little, or more than whoever counts what he has
    /// promised, and not what was taken of it, would sign for.
    pub fn pays(&self, cumulative: Amount, price: &Price) -> Option<Price> {
        let most = self.promised.saturating_add(price.most);
        let paid = cumulative.checked_sub(self.taken)?;
        let good = (self.least(price)..=most).contains(&cumulative);
        good.then_some(Price { most: price.most.min(paid), ..*price })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::rate::Rate;
    use proptest::prelude::*;

    const RATE: Rate = Rate { answer: 100, thousand: 1_000, step: 0 };

    #[test]
    fn where_all_is_used_a_voucher_is_for_the_price_to_the_unit() {
        let stands = Stands { taken: 300, promised: 300 };
        let price = Price::from(50);
        assert_eq!((stands.least(&price), stands.asked(&price)), (350, 350));
        let pays = [349, 350, 351, 300, 50, 0].map(|cumulative| stands.pays(cumulative, &price));
        assert_eq!(pays, [None, Some(price), None, None, None, None]);
    }

    #[test]
    fn what_was_not_used_pays_for_the_next_and_a_voucher_for_less_pays_for_fewer_tokens() {
        let stands = Stands { taken: 110, promised: 200 };
        let price = Price::of_text(RATE, 60);
        assert_eq!((stands.least(&price), stands.asked(&price)), (211, 270));
        assert_eq!(stands.pays(200, &price), None, "it has paid already");
        assert_eq!(stands.pays(210, &price), None, "not for one token");
        assert_eq!(stands.pays(211, &price).unwrap().tokens(), Some(1));
        assert_eq!(stands.pays(240, &price).unwrap().tokens(), Some(30));
        assert_eq!(stands.pays(270, &price).unwrap().tokens(), Some(60));
        assert_eq!(stands.pays(360, &price).unwrap().tokens(), Some(60), "as whoever counts promises signs");
        assert_eq!(stands.pays(361, &price), None);
        // Something cheap, of which the channel has been promised enough already.
        let cheap = Price::from(5);
        assert_eq!((stands.least(&cheap), stands.pays(201, &cheap)), (201, Some(cheap)));
    }

    proptest! {
        /// An asker and a node, answer by answer: texts of any length, stopped early or not, paid by either way of counting.
        #[test]
        fn no_more_is_taken_than_was_promised_and_no_more_left_over_than_one_answer_may_cost(
            answers in proptest::collection::vec((1u32..500, 0u32..500, any::<bool>(), any::<bool>()), 0..40),
        ) {
            let mut stands = Stands { taken: 0, promised: 0 };
            let mut dearest = 0;
            for (asked, written, metered, exact) in answers {
                let price = if metered { Price::of_text(RATE, asked) } else { Price::from(u64::from(asked)) };
                dearest = dearest.max(price.most);
                let cumulative = stands.asked(&price);
                let voucher = if exact { cumulative } else { stands.least(&price) };
                prop_assert!(voucher > stands.promised, "none is two payments");
                let paid = stands.pays(voucher, &price).unwrap();
                let fee = match (price.rate, paid.tokens()) {
                    (Some(rate), Some(tokens)) => rate.fee(written.min(tokens).min(asked)),
                    _ => paid.most,
                };
                prop_assert!(fee <= paid.most && fee <= price.most);
                stands = Stands { taken: stands.taken + fee, promised: voucher };
                prop_assert!(stands.taken <= stands.promised);
                prop_assert!(stands.promised - stands.taken <= dearest);
            }
        }
    }
}
