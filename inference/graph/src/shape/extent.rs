//! Sizes that depend on symbols: polynomials with integer coefficients, in one canonical form, so that equal sizes
//! compare equal however they were computed (`past+seq` from a concatenation, `batch*seq` from a reshape).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Terms that an extent may have; more are not worth following.
const MAX_TERMS: usize = 32;

/// Product of symbols, sorted; empty is the constant term.
type Monomial = Vec<Arc<str>>;

/// An integer polynomial in symbols. No term has the coefficient 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Extent(BTreeMap<Monomial, i64>);

impl Extent {
    /// A number.
    pub(super) fn known(number: i64) -> Self {
        Self((number != 0).then_some((Vec::new(), number)).into_iter().collect())
    }

    /// One symbol, whatever characters it has.
    pub(super) fn atom(symbol: &str) -> Self {
        Self(BTreeMap::from([(vec![symbol.into()], 1)]))
    }

    /// A symbolic size as models declare it: sums and products of symbols and numbers are understood
    /// (`past_length + length`), anything else is one symbol.
    pub(super) fn parse(text: &str) -> Self {
        Self::parse_sum(text).unwrap_or_else(|| Self::atom(text))
    }

    /// The number, if no symbol is left.
    pub(super) fn number(&self) -> Option<i64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&Vec::new()).copied(),
            _ => None,
        }
    }

    /// Whether it is at least 0 for all sizes that symbols can stand for.
    pub(super) fn is_size(&self) -> bool {
        self.0.values().all(|&coefficient| coefficient > 0)
    }

    /// Itself where it can't fall below 0, given that declared symbols are 1 or more: a range clamps to what is there,
    /// so that `a-3` is only the size of a range over `a` where `a` is known to reach 3.
    pub(super) fn if_size(self) -> Option<Self> {
        let mut above = Self::known(0);
        for (monomial, &coefficient) in &self.0 {
            let mut term = Self::known(coefficient);
            for symbol in monomial {
                let least = Self::known(i64::from(!symbol.starts_with('?')));
                term = term.mul(&Self::atom(symbol).add(&least)?)?;
            }
            above = above.add(&term)?;
        }
        above.is_size().then_some(self)
    }

    pub(super) fn add(&self, other: &Self) -> Option<Self> {
        let mut sum = self.0.clone();
        for (monomial, coefficient) in &other.0 {
            let entry = sum.entry(monomial.clone()).or_insert(0);
            *entry = entry.checked_add(*coefficient)?;
        }
        Self::bounded(sum)
    }

    pub(super) fn neg(&self) -> Option<Self> {
        self.mul(&Self::known(-1))
    }

    pub(super) fn sub(&self, other: &Self) -> Option<Self> {
        self.add(&other.neg()?)
    }

    pub(super) fn mul(&self, other: &Self) -> Option<Self> {
        let mut product = BTreeMap::new();
        for (left, a) in &self.0 {
            for (right, b) in &other.0 {
                let mut monomial: Monomial = left.iter().chain(right).cloned().collect();
                monomial.sort_unstable();
                let entry = product.entry(monomial).or_insert(0i64);
                *entry = entry.checked_add(a.checked_mul(*b)?)?;
            }
        }
        Self::bounded(product)
    }

    /// The quotient where nothing is left over; `None` otherwise, also for a divisor of 0.
    pub(super) fn div(&self, divisor: &Self) -> Option<Self> {
        let (lead, by) = divisor.leading()?;
        let (mut rest, mut quotient) = (self.clone(), Self::known(0));
        for _ in 0..=MAX_TERMS {
            let Some((monomial, coefficient)) = rest.leading() else { return Some(quotient) };
            if coefficient.checked_rem(by)? != 0 {
                return None;
            }
            let term = Self(BTreeMap::from([(without(monomial, lead)?, coefficient.checked_div(by)?)]));
            rest = rest.sub(&term.mul(divisor)?)?;
            quotient = quotient.add(&term)?;
        }
        None
    }

    /// The product of sizes.
    pub(super) fn product<'a>(sizes: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        sizes.into_iter().try_fold(Self::known(1), |product, size| product.mul(size))
    }

    /// Whether two integers are equal, where that can be told for all sizes.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        let difference = self.sub(other)?;
        match difference.number() {
            Some(number) => Some(number == 0),
            // A sum of sizes and something positive is not 0, whatever the sizes are.
            None => {
                let positive = |x: &Self| x.is_size() && x.0.contains_key(&Vec::new());
                (positive(&difference) || positive(&difference.neg()?)).then_some(false)
            }
        }
    }

    fn leading(&self) -> Option<(&Monomial, i64)> {
        let (monomial, coefficient) = self.0.iter().max_by_key(|(monomial, _)| (monomial.len(), *monomial))?;
        Some((monomial, *coefficient))
    }

    fn bounded(mut terms: BTreeMap<Monomial, i64>) -> Option<Self> {
        terms.retain(|_, coefficient| *coefficient != 0);
        let small = terms.len() <= MAX_TERMS && terms.keys().all(|monomial| monomial.len() <= MAX_TERMS);
        small.then_some(Self(terms))
    }

    fn parse_sum(text: &str) -> Option<Self> {
        let spaced = text.replace('-', "+-");
        let terms = spaced.strip_prefix('+').unwrap_or(&spaced).split('+');
        terms.map(|term| Self::parse_product(term.trim())).try_fold(Self::known(0), |sum, term| sum.add(&term?))
    }

    fn parse_product(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest.trim()),
            None => (false, text),
        };
        let factor = |text: &str| match text.parse::<i64>() {
            Ok(number) => Some(Self::known(number)),
            Err(_) => is_name(text).then(|| Self::atom(text)),
        };
        let product = text
            .split('*')
            .map(|part| factor(part.trim()))
            .try_fold(Self::known(1), |product, part| product.mul(&part?))?;
        if negative { product.neg() } else { Some(product) }
    }
}

/// Letters, digits and what may stand in a name, not beginning with a digit.
fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '?' | '/' | ':');
    text.chars().all(inner) && text.starts_with(|c: char| inner(c) && !c.is_numeric())
}

/// `monomial / divisor`; `None` where it does not divide.
fn without(monomial: &Monomial, divisor: &Monomial) -> Option<Monomial> {
    let mut rest = monomial.clone();
    for symbol in divisor {
        let at = rest.iter().position(|other| other == symbol)?;
        rest.remove(at);
    }
    Some(rest)
}

impl fmt::Display for Extent {
    /// The constant comes last: `past+seq-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        let constant = self.0.get(&Vec::new()).map(|number| (Vec::new(), *number));
        let symbolic = self.0.iter().filter(|(monomial, _)| !monomial.is_empty());
        let terms = symbolic.map(|(monomial, coefficient)| (monomial.clone(), *coefficient)).chain(constant);
        for (position, (monomial, coefficient)) in terms.enumerate() {
            if position > 0 && coefficient >= 0 {
                f.write_str("+")?;
            }
            let product = monomial.join("*");
            match (coefficient, product.is_empty()) {
                (number, true) => write!(f, "{number}")?,
                (1, false) => f.write_str(&product)?,
                (-1, false) => write!(f, "-{product}")?,
                (number, false) => write!(f, "{number}*{product}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Extent {
        Extent::parse(text)
    }

    #[test]
    fn sizes_have_one_form_however_they_are_written() {
        assert_eq!(parse("past + seq"), parse("seq+past"));
        assert_eq!(parse("seq - 1").to_string(), "seq-1");
        assert_eq!(parse("2*a*b+b*a").to_string(), "3*a*b");
        assert_eq!(parse("a-a").number(), Some(0));
        assert_eq!(parse("any text (here)").to_string(), "any text (here)");
    }

    #[test]
    fn differences_are_sizes_where_nothing_can_fall_below_zero() {
        for (text, holds) in
            [("a-1", true), ("a-2", false), ("a*b-b", true), ("3*b-3", true), ("?x-1", false), ("?x", true)]
        {
            assert_eq!(parse(text).if_size().is_some(), holds, "{text}");
        }
    }

    #[test]
    fn division_is_exact_or_nothing() {
        let area = parse("past+seq").mul(&parse("4*heads")).unwrap();
        assert_eq!(area.div(&parse("past+seq")), Some(parse("4*heads")));
        assert_eq!(area.div(&parse("2*heads")), Some(parse("2*past+2*seq")));
        assert_eq!(area.div(&parse("3")), None);
        assert_eq!(area.div(&parse("0")), None);
        assert_eq!(parse("a").div(&parse("b")), None);
    }

    #[test]
    fn sizes_are_told_from_negative_markers() {
        assert_eq!(parse("seq").equals(&Extent::known(-1)), Some(false));
        assert_eq!(parse("seq").equals(&parse("seq")), Some(true));
        assert_eq!(parse("seq").equals(&Extent::known(1)), None);
        assert_eq!(parse("seq+2").equals(&parse("seq")), Some(false));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(a in -5i64..6, b in -5i64..6, c in -5i64..6) {
            let x = parse("x").mul(&Extent::known(a)).unwrap();
            let xy = parse("x*y").mul(&Extent::known(b)).unwrap();
            let sum = x.add(&xy).unwrap().add(&Extent::known(c)).unwrap();
            prop_assert_eq!(Extent::parse(&sum.to_string()), sum);
        }

        #[test]
        fn any_text_is_a_size(text in ".{0,40}") {
            let parsed = Extent::parse(&text);
            let _ = parsed.div(&parsed);
            let _ = parsed.to_string();
        }
    }
}
