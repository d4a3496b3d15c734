//! What is sold by its length costs: so much an answer, so much for every thousand tokens that are written, so much for every step that is trained.

use crate::Amount;

/// Prices of what is counted, in base units.
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
    /// For each step of a training.
    #[prost(uint64, tag = "3")]
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub step: Amount,
}

/// What is left out where nothing of the kind is counted, so that what says nothing of it reads as it always has.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_nothing<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

impl Rate {
    /// Base units that so many written tokens and trained steps cost: `answer + ceil(thousand x tokens / 1000) + step x steps`. What tokens
    /// cost is rounded up, once, to the next whole one.
    fn of(&self, tokens: u32, steps: u32) -> Amount {
        let written = u128::from(self.thousand).saturating_mul(tokens.into()).div_ceil(1_000);
        let trained = u128::from(self.step).saturating_mul(steps.into());
        let all = written.saturating_add(trained).saturating_add(self.answer.into());
        Amount::try_from(all).unwrap_or(Amount::MAX)
    }

    /// Base units that an answer of so many written tokens costs.
    pub fn fee(&self, tokens: u32) -> Amount {
        self.of(tokens, 0)
    }

    /// Base units that a training of so many steps costs.
    pub fn fee_of_steps(&self, steps: u32) -> Amount {
        self.of(0, steps)
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
        Self {
            answer: self.answer.max(other.answer),
            thousand: self.thousand.max(other.thousand),
            step: self.step.max(other.step),
        }
    }

    /// Whether no price is below the other's.
    pub fn covers(&self, floor: &Self) -> bool {
        self.answer >= floor.answer && self.thousand >= floor.thousand && self.step >= floor.step
    }

    /// The prices as they are signed: 8 bytes each, little-endian; that of a step only where there is one.
    pub fn to_bytes(&self) -> Vec<u8> {
        let step = if self.step > 0 { self.step.to_le_bytes().to_vec() } else { Vec::new() };
        [self.answer.to_le_bytes().as_slice(), &self.thousand.to_le_bytes(), &step].concat()
    }
}

/// What an answer or a training took, and at which prices: its fee follows from it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// The prices.
    #[prost(message, required, tag = "1")]
    pub rate: Rate,
    /// Tokens written, without the one that ended the answer.
    #[prost(uint32, tag = "2")]
    #[serde(default)]
    pub tokens: u32,
    /// Steps trained, those of the trainings on halves included.
    #[prost(uint32, tag = "3")]
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub steps: u32,
}

impl Usage {
    /// Base units that it costs.
    pub fn fee(&self) -> Amount {
        self.rate.of(self.tokens, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_paid_in_proportion_and_rounded_up_once() {
        let rate = Rate { answer: 100, thousand: 1_500, step: 0 };
        let fees = [0, 1, 2, 3, 1_000, 1_001].map(|tokens| rate.fee(tokens));
        assert_eq!(fees, [100, 102, 103, 105, 1_600, 1_602]);
        assert_eq!(Rate { thousand: 0, ..rate }.fee(u32::MAX), 100);
        assert_eq!(Rate { answer: 1, thousand: Amount::MAX, step: 0 }.fee(u32::MAX), Amount::MAX, "and never wraps");
        assert_eq!(rate.tokens_for(99), None);
        assert_eq!(rate.tokens_for(100), Some(0));
        assert_eq!(Rate { thousand: 0, ..rate }.tokens_for(100), Some(u32::MAX));
    }

    #[test]
    fn steps_are_paid_each_and_what_says_nothing_of_them_is_signed_as_before() {
        let rate = Rate { answer: 100, thousand: 0, step: 30 };
        assert_eq!([0, 1, 7].map(|steps| rate.fee_of_steps(steps)), [100, 130, 310]);
        assert_eq!(Rate { step: Amount::MAX, ..rate }.fee_of_steps(2), Amount::MAX, "and never wraps");
        assert_eq!(Usage { rate, tokens: 0, steps: 7 }.fee(), 310);
        assert_eq!((rate.to_bytes().len(), Rate { step: 0, ..rate }.to_bytes().len()), (24, 16));
        assert!(!rate.covers(&Rate { step: 31, ..rate }) && rate.covers(&Rate { step: 30, ..rate }));
        assert!(!serde_json::to_string(&Rate { step: 0, ..rate }).unwrap().contains("step"));
    }

    proptest! {
        #[test]
        fn a_budget_buys_as_many_tokens_as_it_pays_for_and_not_one_more(
            answer in 0u64..1 << 40, thousand in 1u64..1 << 40, more in 0u64..1 << 40,
        ) {
            let (rate, budget) = (Rate { answer, thousand, step: 0 }, answer + more);
            let tokens = rate.tokens_for(budget).unwrap();
            prop_assert!(rate.fee(tokens) <= budget);
            if tokens < u32::MAX {
                prop_assert!(rate.fee(tokens + 1) > budget);
            }
        }

        #[test]
        fn a_dearer_rate_is_dearer_for_every_length(a in any::<[u32; 2]>(), b in any::<[u32; 2]>(), tokens: u32) {
            let of = |[answer, thousand]: [u32; 2]| Rate { answer: answer.into(), thousand: thousand.into(), step: 0 };
            let both = of(a).or(&of(b));
            prop_assert!(both.covers(&of(a)) && both.covers(&of(b)));
            prop_assert!(both.fee(tokens) >= of(a).fee(tokens).max(of(b).fee(tokens)));
        }
    }
}
