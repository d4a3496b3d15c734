//! Whose turn it is to propose, as CometBFT 0.38 counts it (`types/validator_set.go`).
//!
//! ```text
//!   each step: everybody's priority grows by its power; who has most proposes, and its priority falls by all power together
//!   before it: priorities are brought within twice all power of one another, and around zero
//!   who comes: -1.125 times all power, so that nobody leaves and comes back to the front
//! ```
//!
//! It is held against CometBFT itself: `tests/it/rotation`. Ties go to the lower address, and the order of a set decides nothing.

use datanet_types::ConsensusAddress;

/// Rounds of a height that are counted through, at most: nobody sees so many.
const MOST_ROUNDS: u32 = 1_000;

/// A validator of a set.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Place {
    /// Who.
    #[prost(message, required, tag = "1")]
    pub validator: ConsensusAddress,
    /// Its voting power.
    #[prost(int64, tag = "2")]
    pub power: i64,
    /// How near its turn is.
    #[prost(sint64, tag = "3")]
    pub priority: i64,
}

/// A validator's power from some height on; 0 takes it out.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Change {
    /// Who.
    #[prost(message, required, tag = "1")]
    pub validator: ConsensusAddress,
    /// Its voting power.
    #[prost(int64, tag = "2")]
    pub power: i64,
}

impl Change {
    /// As the engine is told; no power reaches what 63 bits hold.
    pub fn new(validator: ConsensusAddress, power: u64) -> Self {
        Self { validator, power: i64::try_from(power).unwrap_or(i64::MAX) }
    }
}

/// The set of a height, with whose turn it is.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Rotation {
    /// By address.
    #[prost(message, repeated, tag = "1")]
    places: Vec<Place>,
    /// Whose turn it is in round 0.
    #[prost(message, required, tag = "2")]
    first: ConsensusAddress,
}

impl Rotation {
    /// Of an engine that begins with this set.
    pub fn begin(set: &[Change]) -> Self {
        let mut rotation = Self::default();
        rotation.change(set);
        rotation.advance();
        rotation
    }

    /// Its validators, by address.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whose turn it is in round 0.
    pub fn first(&self) -> ConsensusAddress {
        self.first
    }

    fn find(&self, validator: &ConsensusAddress) -> Result<usize, usize> {
        self.places.binary_search_by(|place| place.validator.cmp(validator))
    }

    fn total(&self) -> i64 {
        self.places.iter().fold(0, |sum, place| sum.saturating_add(place.power))
    }

    /// Other powers, those who come and those who go.
    pub fn change(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let mut come = Vec::new();
        for change in changes.iter().filter(|change| change.power > 0) {
            match self.find(&change.validator).ok().and_then(|at| self.places.get_mut(at)) {
                Some(place) => place.power = change.power,
                None => come.push(Place { validator: change.validator, power: change.power, priority: 0 }),
            }
        }
        // With those who are about to go.
        let total = come.iter().fold(self.total(), |sum, place| sum.saturating_add(place.power));
        let behind = total.saturating_add(total >> 3).saturating_neg();
        self.places.extend(come.into_iter().map(|place| Place { priority: behind, ..place }));
        let goes = |place: &Place| changes.iter().any(|one| one.power == 0 && one.validator == place.validator);
        self.places.retain(|place| !goes(place));
        self.places.sort_unstable_by_key(|place| place.validator);
        self.normalise();
    }

    /// The next height: normalised, and one step on.
    pub fn advance(&mut self) {
        self.normalise();
        self.first = self.step().unwrap_or_default();
    }

    /// How far priorities are apart, and how far they may be.
    fn spread(&self) -> (i64, i64) {
        let priorities = || self.places.iter().map(|place| place.priority);
        let (least, most) = (priorities().min().unwrap_or(0), priorities().max().unwrap_or(0));
        (most.saturating_sub(least), self.total().saturating_mul(2))
    }

    /// The mean of all priorities, rounded down.
    fn mean(&self) -> i64 {
        let sum: i128 = self.places.iter().fold(0, |sum, place| sum.saturating_add(place.priority.into()));
        let count = i128::try_from(self.places.len()).unwrap_or(1);
        sum.checked_div_euclid(count).and_then(|mean| i64::try_from(mean).ok()).unwrap_or(0)
    }

    /// Brings priorities near one another and around zero.
    fn normalise(&mut self) {
        let (spread, most) = self.spread();
        if spread > most && most > 0 {
            let ratio = spread.saturating_add(most).saturating_sub(1).checked_div(most).unwrap_or(1);
            for place in &mut self.places {
                place.priority = place.priority.checked_div(ratio).unwrap_or(0);
            }
        }
        let mean = self.mean();
        for place in &mut self.places {
            place.priority = place.priority.saturating_sub(mean);
        }
    }

    fn is_normal(&self) -> bool {
        let (spread, most) = self.spread();
        spread <= most && self.mean() == 0
    }

    /// A step on: whose turn it is then.
    fn step(&mut self) -> Option<ConsensusAddress> {
        let total = self.total();
        for place in &mut self.places {
            place.priority = place.priority.saturating_add(place.power);
        }
        let rank = |place: &&mut Place| (place.priority, std::cmp::Reverse(place.validator));
        let next = self.places.iter_mut().max_by_key(rank)?;
        next.priority = next.priority.saturating_sub(total);
        Some(next.validator)
    }

    /// Whether it was `validator`'s turn in one of the rounds from 0 to `last`: what is decided in a later round may be what was proposed in
    /// an earlier one. Where nodes that skip rounds count otherwise than those that go through all of them, anybody's turn may have been.
    pub fn had_turn(&self, validator: &ConsensusAddress, last: u32) -> bool {
        if self.first == *validator || last > MOST_ROUNDS {
            return true;
        }
        let mut ahead = self.clone();
        ahead.normalise();
        for round in 0..last {
            if round > 0 && !ahead.is_normal() {
                return true;
            }
            if ahead.step().as_ref() == Some(validator) {
                return true;
            }
        }
        false
    }

    /// Whether its validators are these, with these powers.
    pub fn is_of(&self, mut set: impl ExactSizeIterator<Item = (ConsensusAddress, u64)>) -> bool {
        let has = |(validator, power): (ConsensusAddress, u64)| {
            let place = self.find(&validator).ok().and_then(|at| self.places.get(at));
            place.is_some_and(|place| u64::try_from(place.power) == Ok(power))
        };
        set.len() == self.places.len() && set.all(has)
    }
}
