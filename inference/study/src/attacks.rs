//! Attempts to be paid more for the same data, and what they gain.
//!
//! An attack is mounted on a data set, everything is then done as for any release (clusters, training on their first
//! records, values, pay), and the attacker's share under all its names is compared with what it was. A gain of 1 is
//! what it should be at most.

use datanet_training::random::Stream;
use serde::{Deserialize, Serialize};

/// A way to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attack {
    /// The attacker's records spread over so many names.
    Split {
        /// Number of names.
        names: usize,
    },
    /// Every record of the attacker again, so many times, under other names.
    Copy {
        /// Number of copies.
        times: usize,
    },
    /// As [`Attack::Copy`], each copy changed a little.
    NearCopy {
        /// Number of copies.
        times: usize,
    },
    /// The most valuable contributor's records, changed a little, under a new name of the attacker.
    Steal,
    /// A tenth of the attacker's records replaced by extreme ones, made for long gradients.
    Outlier,
}

/// The attacks that a bench tries.
pub const ALL: [Attack; 5] = [
    Attack::Split { names: 4 },
    Attack::Copy { times: 3 },
    Attack::NearCopy { times: 3 },
    Attack::Steal,
    Attack::Outlier,
];

/// Records in the order in which they became final, as an attacker sees them.
pub trait Corpus: Clone {
    /// The contributor of each record.
    fn contributors(&self) -> &[usize];

    /// Says that a record is another contributor's.
    fn rename(&mut self, record: usize, contributor: usize);

    /// Adds a copy of a record at the end, changed a little if `near`.
    fn copy(&mut self, record: usize, contributor: usize, near: bool, dice: &mut Stream);

    /// Makes a record extreme.
    fn distort(&mut self, record: usize, dice: &mut Stream);
}

/// What an attack brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// The attack.
    pub attack: Attack,
    /// The attacker's share of pay without it.
    pub before: f64,
    /// Its share under all its names with it.
    pub after: f64,
    /// after / before.
    pub gain: f64,
}

/// A corpus under attack.
#[derive(Clone, Debug)]
pub struct Mounted<C> {
    /// What the network sees.
    pub corpus: C,
    /// The attacker's names.
    pub names: Vec<usize>,
}

/// Mounts an attack. `victim` is whom [`Attack::Steal`] copies.
pub fn mount<C: Corpus>(corpus: &C, attacker: usize, victim: usize, attack: Attack, seed: u64) -> Mounted<C> {
    let mut dice = Stream::new("attack", seed, attacker as u64);
    let mut corpus = corpus.clone();
    let fresh = corpus.contributors().iter().max().map_or(0, |last| last + 1);
    let of = |corpus: &C, one: usize| -> Vec<usize> {
        (0..corpus.contributors().len()).filter(|record| corpus.contributors()[*record] == one).collect()
    };
    let own = of(&corpus, attacker);
    let mut names = vec![attacker];
    match attack {
        Attack::Split { names: parts } => {
            names.extend(fresh..fresh + parts.saturating_sub(1));
            own.iter().enumerate().for_each(|(at, record)| corpus.rename(*record, names[at % names.len()]));
        }
        Attack::Copy { times } | Attack::NearCopy { times } => {
            let near = matches!(attack, Attack::NearCopy { .. });
            for name in fresh..fresh + times {
                names.push(name);
                own.iter().for_each(|record| corpus.copy(*record, name, near, &mut dice));
            }
        }
        Attack::Steal => {
            names.push(fresh);
            of(&corpus, victim).iter().for_each(|record| corpus.copy(*record, fresh, true, &mut dice));
        }
        Attack::Outlier => {
            let count = own.len().div_ceil(10);
            dice.permutation(own.len())[..count].iter().for_each(|at| corpus.distort(own[*at], &mut dice));
        }
    }
    Mounted { corpus, names }
}

/// What an attack gains. `measure` gives every contributor's share of pay for a corpus; `before` is what it gave for
/// the corpus without the attack, and the contributor with the highest share is the one that is stolen from.
///
/// # Errors
/// Those of `measure`.
pub fn gain<C: Corpus, E>(
    corpus: &C,
    before: &[f64],
    attacker: usize,
    attack: Attack,
    seed: u64,
    measure: &mut dyn FnMut(&C) -> Result<Vec<f64>, E>,
) -> Result<Gain, E> {
    let others = (0..before.len()).filter(|one| *one != attacker);
    let victim = others.max_by(|a, b| before[*a].total_cmp(&before[*b])).unwrap_or(attacker);
    let mounted = mount(corpus, attacker, victim, attack, seed);
    let shares = measure(&mounted.corpus)?;
    let after = mounted.names.iter().map(|name| shares.get(*name).copied().unwrap_or_default()).sum();
    let before = before.get(attacker).copied().unwrap_or_default();
    let gain = if before > 0.0 {
        after / before
    } else if after > 0.0 {
        f64::INFINITY
    } else {
        1.0
    };
    Ok(Gain { attack, before, after, gain })
}
