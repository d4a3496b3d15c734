//! Whether a release's influence may be paid by, and what takes its place where it may not.

use serde::{Deserialize, Serialize};

use super::audit::{Faithfulness, Ground};

/// What a release's influence must reach to be called faithful.
///
/// On a transformer, Grad-Dot and DataInf reach an LDS of .36 to .61, damped Gauss-Newton influence .67 to .79, forward
/// replay .85 and more with an ordinary recipe but .69 with a hot one. So .6 is what no cheap method reaches reliably,
/// and well below what a good recipe gives. `who` ranks whole contributors, with the same figures slightly lower.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Least LDS.
    pub lds: f32,
    /// Least "who".
    pub who: f32,
    /// Fewest subsets that an LDS is believed from: with fewer, chance alone may pass.
    pub subsets: usize,
    /// Fewest contributors left out that "who" is required from: with three of them there are six orders. A release
    /// with fewer passes by its LDS.
    pub contributors: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { lds: 0.6, who: 0.5, subsets: 8, contributors: 5 }
    }
}

/// The result of an audit, published with a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// See [`Faithfulness::lds`].
    pub lds: Option<f32>,
    /// See [`Faithfulness::who`].
    pub who: Option<f32>,
    /// See [`Faithfulness::pay`].
    pub pay: Option<f32>,
    /// Retrainings with a part of the data removed.
    pub subsets: usize,
    /// Contributors left out.
    pub contributors: usize,
    /// Whether the influence may be paid by.
    pub passed: bool,
}

impl Gate {
    /// Holds what was found against the thresholds.
    pub fn new(found: Faithfulness, ground: &Ground, thresholds: &Thresholds) -> Self {
        let (subsets, contributors) = (ground.subsets.len(), ground.left_out.len());
        let ranked = subsets >= thresholds.subsets && found.lds.is_some_and(|lds| lds >= thresholds.lds);
        let known = contributors < thresholds.contributors || found.who.is_some_and(|who| who >= thresholds.who);
        let Faithfulness { lds, who, pay } = found;
        Self { lds, who, pay, subsets, contributors, passed: ranked && known }
    }

    /// What two methods are compared by: the mean of LDS and "who", of those that are known.
    pub fn merit(&self) -> f32 {
        match (self.lds, self.who) {
            (Some(lds), Some(who)) => (lds + who) / 2.0,
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => -1.0,
        }
    }
}

/// The way of valuing that a release ends up with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Forward replay: the table says it all.
    Replay,
    /// Damped Gauss-Newton influence with this damping, because replay did not pass and this is better.
    GaussNewton {
        /// l.
        damping: f32,
    },
}

/// Forward replay where it passes; else whichever of replay and the swept Gauss-Newton influence agrees better with
/// what really happened. The gate that comes back is of the choice, and may still say no.
pub fn choose(replay: Gate, swept: &[(f32, Gate)]) -> (Choice, Gate) {
    let best = swept.iter().max_by(|a, b| a.1.merit().total_cmp(&b.1.merit()));
    match best {
        Some((damping, gate)) if !replay.passed && (gate.passed || gate.merit() > replay.merit()) => {
            (Choice::GaussNewton { damping: *damping }, *gate)
        }
        _ => (Choice::Replay, replay),
    }
}
