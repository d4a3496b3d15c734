//! Whether a release's influence may be paid by, and what takes its place where it may not.

use serde::{Deserialize, Serialize};

use super::audit::{Faithfulness, Ground};
use super::bootstrap::{Interval, Intervals};

/// What a release's influence must reach to be called faithful.
///
/// On a transformer, Grad-Dot and DataInf reach an LDS of .36 to .61, damped Gauss-Newton influence .67 to .79, forward
/// replay .85 and more with an ordinary recipe but .69 with a hot one. So .6 is what no cheap method reaches reliably,
/// and well below what a good recipe gives. The leave-one-out rank is of whole
/// contributors, with the same figures slightly lower.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Least LDS.
    pub lds: f32,
    /// Least leave-one-out rank by answer.
    pub leave_one_out: f32,
    /// Fewest subsets that an LDS is judged from: with fewer, chance alone may pass.
    pub subsets: usize,
    /// Fewest contributors left out that the leave-one-out rank is judged from: with three of them there are six orders.
    pub contributors: usize,
}

impl Thresholds {
    /// What releases are held against.
    pub const PUBLISHED: Self = Self { lds: 0.6, leave_one_out: 0.5, subsets: 8, contributors: 5 };

    /// Whether so many retrainings judge anything: by the LDS, by the leave-one-out rank, or by both.
    pub fn judge(&self, subsets: usize, contributors: usize) -> bool {
        subsets >= self.subsets || contributors >= self.contributors
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::PUBLISHED
    }
}

/// The result of an audit, published with a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// See [`Faithfulness::lds`].
    pub lds: Option<f32>,
    /// See [`Faithfulness::leave_one_out`].
    pub leave_one_out: Option<f32>,
    /// See [`Faithfulness::pay`].
    pub pay: Option<f32>,
    /// Between which the LDS lies with other retrainings and answers of the same kind, in 95 of 100 cases.
    #[serde(default)]
    pub lds_interval: Option<Interval>,
    /// The same of the leave-one-out rank.
    #[serde(default)]
    pub leave_one_out_interval: Option<Interval>,
    /// Retrainings with a part of the data removed.
    pub subsets: usize,
    /// Contributors left out.
    pub contributors: usize,
    /// Whether the influence was judged, and is faithful; [`Gate::finding`] says why not.
    pub passed: bool,
}

/// How an audit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// Every figure that was judged is high enough.
    Passed,
    /// A figure that was judged is too low.
    Failed,
    /// There were too few retrainings to judge any figure, or none.
    Unjudged,
}

/// What an audit says of a release's influence, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How it ended.
    pub verdict: GateVerdict,
    /// Why, in words.
    pub reason: String,
}

impl Gate {
    /// Holds what was found against the thresholds.
    pub fn new(found: Faithfulness, ground: &Ground, thresholds: &Thresholds) -> Self {
        let (subsets, contributors) = (ground.subsets.len(), ground.left_out.len());
        let Faithfulness { lds, leave_one_out, pay } = found;
        let gate = Self { lds, leave_one_out, pay, subsets, contributors, ..Self::default() };
        Self { passed: gate.finding(thresholds).verdict == GateVerdict::Passed, ..gate }
    }

    /// With the intervals of its figures.
    #[must_use]
    pub fn within(self, intervals: Intervals) -> Self {
        Self { lds_interval: intervals.lds, leave_one_out_interval: intervals.leave_one_out, ..self }
    }

    /// What the figures say. Each is judged where enough retrainings are behind it; one that is too low fails.
    pub fn finding(&self, thresholds: &Thresholds) -> Finding {
        let (subsets, contributors) = (self.subsets, self.contributors);
        let says = |verdict, reason: String| Finding { verdict, reason };
        if subsets == 0 && contributors == 0 {
            return says(GateVerdict::Unjudged, "not audited: the job asked for no retrainings".to_owned());
        }
        if !thresholds.judge(subsets, contributors) {
            let reason = format!(
                "too few retrainings to judge: {} subsets or {} contributors are needed, there were {subsets} and {contributors}",
                thresholds.subsets, thresholds.contributors
            );
            return says(GateVerdict::Unjudged, reason);
        }
        let lds = (subsets >= thresholds.subsets).then_some(("LDS", self.lds, thresholds.lds));
        let leave_one_out = (contributors >= thresholds.contributors).then_some((
            "leave-one-out rank",
            self.leave_one_out,
            thresholds.leave_one_out,
        ));
        let low =
            lds.into_iter().chain(leave_one_out).find(|(_, found, least)| found.is_none_or(|found| found < *least));
        match low {
            None => says(GateVerdict::Passed, "passed".to_owned()),
            Some((name, Some(found), least)) => {
                says(GateVerdict::Failed, format!("{name} {found:.3} is below {least}"))
            }
            Some((name, None, _)) => says(
                GateVerdict::Failed,
                format!("{name} is not defined: the retrainings changed no answer, or one diverged"),
            ),
        }
    }

    /// See [`Faithfulness::merit`]; below everything where nothing is known.
    pub fn merit(&self) -> f32 {
        let Self { lds, leave_one_out, pay, .. } = *self;
        Faithfulness { lds, leave_one_out, pay }.merit().unwrap_or(-1.0)
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

/// A way of valuing, and what an audit found of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Which.
    pub method: Choice,
    /// Its figures, by the same retrainings as those of the others.
    #[serde(flatten)]
    pub gate: Gate,
}

impl Choice {
    /// What releases call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Replay => REPLAY,
            Self::GaussNewton { .. } => GAUSS_NEWTON,
        }
    }
}

/// Forward replay, as releases call it.
pub const REPLAY: &str = "forward-replay";
/// Damped Gauss-Newton influence, as releases call it.
pub const GAUSS_NEWTON: &str = "gauss-newton";

/// A method as people call it.
pub fn title(method: &str) -> &str {
    match method {
        REPLAY => "forward replay",
        GAUSS_NEWTON => "Gauss-Newton influence",
        other => other,
    }
}

/// Why a release values by `chosen`, in words: what was compared, and what its own audit says.
pub fn why(chosen: &str, compared: &[&str], verdict: GateVerdict) -> String {
    let other = compared.iter().find(|method| **method != chosen).map(|method| title(method));
    match (chosen, other, verdict) {
        (REPLAY, _, GateVerdict::Passed) => "forward replay is used wherever it passes, and it passed".to_owned(),
        (REPLAY, Some(other), GateVerdict::Failed) => {
            format!("forward replay did not pass, and {other} does not agree better with the retrainings beyond chance")
        }
        (GAUSS_NEWTON, Some(other), _) => {
            format!("{other} did not pass, and Gauss-Newton influence agrees better with the retrainings beyond chance")
        }
        (GAUSS_NEWTON, None, _) => "the job asked for Gauss-Newton influence".to_owned(),
        _ => format!("{} is what a job has where too few retrainings say that another is better", title(chosen)),
    }
}

/// Gauss-Newton influence at one damping, and what an audit found of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swept {
    /// l.
    pub damping: f32,
    /// Its figures.
    pub gate: Gate,
    /// By how much it agrees better with the retrainings than forward replay, where there is one.
    pub lead: Option<Interval>,
}

/// Forward replay stands, unless it did not pass and Gauss-Newton influence agrees better with what really happened
/// beyond what chance explains: the best damping of those whose lead is above zero at its lower end. Without a replay,
/// the best damping. The gate that comes back is of the choice, and may still say no. None where there is neither.
pub fn choose(replay: Option<Gate>, swept: &[Swept]) -> Option<(Choice, Gate)> {
    let leads = |one: &&Swept| one.lead.is_some_and(|lead| lead.low > 0.0);
    let wanted = |one: &&Swept| replay.is_none_or(|replay| !replay.passed && leads(one));
    let best = swept.iter().filter(wanted).max_by(|a, b| a.gate.merit().total_cmp(&b.gate.merit()));
    let best = best.map(|best| (Choice::GaussNewton { damping: best.damping }, best.gate));
    best.or(replay.map(|gate| (Choice::Replay, gate)))
}
