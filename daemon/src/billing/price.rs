//! What an answer may cost: a price, or what its length makes of one.

use datanet_types::Amount;
use datanet_types::quote::SignedQuote;
use datanet_types::rate::Rate;

/// What is asked for an answer, before it is known how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Base units that must be paid ahead at least: those of a single token, where tokens are paid.
    pub least: Amount,
    /// Base units that it costs at most.
    pub most: Amount,
    /// The prices that it is counted by; none if it costs `most`, whatever its length.
    pub rate: Option<Rate>,
}

impl From<Amount> for Price {
    fn from(amount: Amount) -> Self {
        Self { least: amount, most: amount, rate: None }
    }
}

impl Price {
    /// Of a text of up to so many tokens.
    pub fn of_text(rate: Rate, tokens: u32) -> Self {
        if rate.thousand == 0 {
            return rate.answer.into();
        }
        Self { least: rate.fee(1), most: rate.fee(tokens.max(1)), rate: Some(rate) }
    }

    /// Of a training of up to so many steps. All of it is paid ahead: half of a training is none.
    pub fn of_training(rate: Rate, steps: u32) -> Self {
        let most = rate.fee_of_steps(steps);
        Self { least: most, most, rate: Some(rate) }
    }

    /// What a quote says.
    pub fn quoted(quote: &SignedQuote) -> Self {
        match quote.rate {
            Some(rate) => Self { least: rate.fee(1).min(quote.price), most: quote.price, rate: Some(rate) },
            None => quote.price.into(),
        }
    }

    /// Whether it is not known before the answer is there.
    pub fn is_metered(&self) -> bool {
        self.rate.is_some()
    }

    /// Tokens that it pays for; none if they are not counted.
    pub fn tokens(&self) -> Option<u32> {
        self.rate.and_then(|rate| rate.tokens_for(self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_costs_what_its_length_makes_of_it_and_an_answer_without_a_price_for_tokens_what_it_always_costs() {
        let rate = Rate { answer: 100, thousand: 500, step: 0 };
        let price = Price::of_text(rate, 64);
        assert_eq!((price.least, price.most, price.tokens()), (101, 132, Some(64)));
        assert_eq!(Price::of_text(rate, 0).most, 101, "no text is asked for that has no token");
        let plain = Price::of_text(Rate { thousand: 0, ..rate }, 64);
        assert_eq!((plain, plain.tokens()), (Price::from(100), None));
        let quote = SignedQuote { price: 132, rate: Some(rate), ..SignedQuote::default() };
        assert_eq!(Price::quoted(&quote), price);
        assert_eq!(Price::quoted(&SignedQuote { rate: None, ..quote }), Price::from(132));
    }
}
