//! Who chooses. What can be chosen is made by the kinds, each with its cost and with what it is worth; a policy takes one or none.

pub mod endpoint;
mod model;
mod prompt;
#[cfg(test)]
mod strangers;

use anyhow::Result;
use datanet_types::Amount;
use datanet_types::amount::display;

use super::desk::Desk;
use super::spec::{PolicyKind, Spec};
pub use model::ModelPolicy;

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What it is taken by: a name out of the spec, or a number.
    pub name: String,
    /// What it is, in our words.
    pub what: String,
    /// The most that it costs, in base units.
    pub cost: Amount,
    /// What it is worth, in base units.
    pub value: f64,
}

/// Words of strangers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// What they are, in our words.
    pub what: String,
    /// The words.
    pub text: String,
}

/// What is decided on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// What it is about, in our words.
    pub what: String,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// What strangers wrote of it.
    pub quotes: Vec<Quote>,
    /// Base units that one decision may cost now.
    pub left: Amount,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A choice, by its place.
    Take {
        /// The place.
        choice: usize,
        /// Why.
        why: String,
    },
    /// None.
    Pass {
        /// Why.
        why: String,
    },
}

/// See the module.
#[derive(Debug)]
pub enum Policy {
    /// What is worth most beyond its cost.
    BestValue,
    /// A model behind the guard.
    Model(Box<ModelPolicy>),
}

impl Policy {
    /// As a spec says.
    ///
    /// # Errors
    /// When a model's key cannot be read, or its client not be made.
    pub fn of(spec: &Spec) -> Result<Self> {
        Ok(match spec.policy.kind {
            PolicyKind::BestValue => Self::BestValue,
            PolicyKind::Model => Self::Model(Box::new(ModelPolicy::of(spec)?)),
        })
    }

    /// Chooses, or does not.
    ///
    /// # Errors
    /// When the journal cannot be written; a model that does not answer, or says nothing that may be, has passed.
    pub async fn decide(&self, desk: &mut Desk, seen: &Observation) -> Result<Decision> {
        match self {
            Self::BestValue => Ok(best(seen)),
            Self::Model(model) => model.decide(desk, seen).await,
        }
    }
}

/// The choice that is worth most beyond its cost, of those that can be paid; the cheaper of equals, and of these the first by name.
pub fn best(seen: &Observation) -> Decision {
    let gain = |choice: &Choice| choice.value - choice.cost as f64;
    let good = seen.choices.iter().enumerate().filter(|(_, choice)| choice.cost <= seen.left && gain(choice) > 0.0);
    let best = good.min_by(|(_, a), (_, b)| {
        gain(b).total_cmp(&gain(a)).then(a.cost.cmp(&b.cost)).then_with(|| a.name.cmp(&b.name))
    });
    match best {
        Some((place, choice)) => Decision::Take {
            choice: place,
            why: format!(
                "{} is worth {} beyond its cost of {}",
                choice.name,
                units(gain(choice)),
                display(choice.cost)
            ),
        },
        None => Decision::Pass { why: why_none(seen) },
    }
}

fn why_none(seen: &Observation) -> String {
    let cheapest = seen.choices.iter().map(|choice| choice.cost).min();
    match cheapest {
        None => "there is nothing to choose".to_owned(),
        Some(cost) if cost > seen.left => {
            format!("the cheapest costs {}, and {} is left for a decision now", display(cost), display(seen.left))
        }
        Some(_) => "nothing that can be paid is worth more than it costs".to_owned(),
    }
}

/// A value in words; floats stay out of everything that is paid.
fn units(value: f64) -> String {
    display(value.clamp(0.0, 1e15) as Amount)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choice(name: &str, cost: u64, value: f64) -> Choice {
        Choice { name: name.to_owned(), what: String::new(), cost, value }
    }

    #[test]
    fn the_best_value_is_taken_and_nothing_that_is_worth_less_than_it_costs() {
        let seen = |left, choices: Vec<Choice>| Observation { choices, left, ..Observation::default() };
        let all = || {
            vec![choice("dear", 90, 100.0), choice("good", 20, 80.0), choice("cheap", 1, 30.0), choice("bad", 10, 5.0)]
        };
        let taken = |seen: &Observation| match best(seen) {
            Decision::Take { choice, .. } => Some(seen.choices[choice].name.clone()),
            Decision::Pass { .. } => None,
        };
        assert_eq!(taken(&seen(100, all())).as_deref(), Some("good"));
        assert_eq!(taken(&seen(19, all())).as_deref(), Some("cheap"));
        assert_eq!(taken(&seen(0, all())), None);
        assert_eq!(taken(&seen(100, vec![choice("bad", 10, 5.0), choice("none", 1, f64::NAN)])), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_can_be_paid_gains_and_no_other_gains_more(
            left: u32, offers in proptest::collection::vec((any::<u32>(), any::<f64>()), 0..12),
        ) {
            let choices: Vec<Choice> =
                offers.iter().enumerate().map(|(n, (cost, value))| choice(&format!("s{n}"), u64::from(*cost), *value)).collect();
            let seen = Observation { choices, left: left.into(), ..Observation::default() };
            let gain = |choice: &Choice| choice.value - choice.cost as f64;
            let payable = seen.choices.iter().filter(|choice| choice.cost <= seen.left);
            match best(&seen) {
                Decision::Take { choice, .. } => {
                    let taken = &seen.choices[choice];
                    prop_assert!(taken.cost <= seen.left && gain(taken) > 0.0);
                    prop_assert!(payable.filter(|other| !other.value.is_nan()).all(|other| gain(other) <= gain(taken)));
                }
                Decision::Pass { .. } => prop_assert!(!payable.map(gain).any(|gain| gain > 0.0)),
            }
            // The order in which offers come decides nothing.
            let mut turned = seen.clone();
            turned.choices.reverse();
            let name = |seen: &Observation| match best(seen) {
                Decision::Take { choice, .. } => Some(seen.choices[choice].name.clone()),
                Decision::Pass { .. } => None,
            };
            prop_assert_eq!(name(&seen), name(&turned));
        }
    }
}
