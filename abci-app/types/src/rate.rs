//! What text costs by its length: so much an answer, and so much for every thousand tokens that are written.

use crate::Amount;

/// Prices of written text, in base units.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// For the answer, whatever its length.
    #[prost(uint64, tag = "1")]
    pub answer: Amount,
    /// For a thousand tokens of it, in proportion.
    #[prost(uint64, tag = "2")]
    #[serde(default)]
    pub thousand: Amount,
}

impl Rate {
    /// Base units that an answer of so many written tokens costs: those for its tokens are rounded up, once, to the next whole one.
    pub fn fee(&self, tokens: u32) -> Amount {
        let written = u128::from(self.thousand).saturating_mul(tokens.into()).div_ceil(1_000);
        Amount::try_from(written.saturating_add(self.answer.into())).unwrap_or(Amount::MAX)
    }

    /// The most tokens that cost no more than `budget`; none where not even an answer without any does.
    pub fn tokens_for(&self, budget: Amount) -> Option<u32> {
        let left = u128::from(budget.checked_sub(self.answer)?).saturating_mul(1_000);
        let tokens = left.checked_div(self.thousand.into()).unwrap_or(u128::MAX);
        Some(u32::try_from(tokens).unwrap_or(u32::MAX))
    }

    /// The dearer of two, price by price.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self { answer: self.answer.max(other.answer), thousand: self.thousand.max(other.thousand) }
    }

    /// Whether neither price is below the other's.
    pub fn covers(&self, floor: &Self) -> bool {
        self.answer >= floor.answer && self.thousand >= floor.thousand
    }

    /// Both prices, as they are signed: 8 bytes each, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.answer.to_le_bytes(), self.thousand.to_le_bytes()].concat()
    }
}

/// What an answer took, and at which prices: its fee is [`Rate::fee`] of it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// The prices.
    #[prost(message, required, tag = "1")]
    pub rate: Rate,
    /// Tokens written, without the one that ended the answer.
    #[prost(uint32, tag = "2")]
    pub tokens: u32,
}

impl Usage {
    /// Base units that it costs.
    pub fn fee(&self) -> Amount {
        self.rate.fee(self.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_paid_in_proportion_and_rounded_up_once() {
        let rate = Rate { answer: 100, thousand: 1_500 };
        let fees = [0, 1, 2, 3, 1_000, 1_001].map(|tokens| rate.fee(tokens));
        assert_eq!(fees, [100, 102, 103, 105, 1_600, 1_602]);
        assert_eq!(Rate { thousand: 0, ..rate }.fee(u32::MAX), 100);
        assert_eq!(Rate { answer: 1, thousand: Amount::MAX }.fee(u32::MAX), Amount::MAX, "and never wraps");
        assert_eq!(rate.tokens_for(99), None);
        assert_eq!(rate.tokens_for(100), Some(0));
        assert_eq!(Rate { thousand: 0, ..rate }.tokens_for(100), Some(u32::MAX));
    }

    proptest! {
        #[test]
        fn a_budget_buys_as_many_tokens_as_it_pays_for_and_not_one_more(
            answer in 0u64..1 << 40, thousand in 1u64..1 << 40, more in 0u64..1 << 40,
        ) {
            let (rate, budget) = (Rate { answer, thousand }, answer + more);
            let tokens = rate.tokens_for(budget).unwrap();
            prop_assert!(rate.fee(tokens) <= budget);
            if tokens < u32::MAX {
                prop_assert!(rate.fee(tokens + 1) > budget);
            }
        }

        #[test]
        fn a_dearer_rate_is_dearer_for_every_length(a in any::<[u32; 2]>(), b in any::<[u32; 2]>(), tokens: u32) {
            let of = |[answer, thousand]: [u32; 2]| Rate { answer: answer.into(), thousand: thousand.into() };
            let both = of(a).or(&of(b));
            prop_assert!(both.covers(&of(a)) && both.covers(&of(b)));
            prop_assert!(both.fee(tokens) >= of(a).fee(tokens).max(of(b).fee(tokens)));
        }
    }
}
