//! Attempts to be paid more for the same data, on the digits and on the texts: what each gains on the average.

use anyhow::{Result, ensure};
use datanet_inference::runtime::SessionConfig;
use datanet_study::attacked::{Defence, PointCorpus};
use datanet_study::attacked_text::TextCorpus;
use datanet_study::attacks::{ALL, Attack, Corpus, Gain, gain};
use datanet_study::{DigitsTask, Points};
use datanet_training::attribution::Curvature;
use datanet_training::network::{Network, NetworkConfig};

use super::Measure;
use super::attribution_text::Texts;
use crate::ui::{Step, Ui};

/// Attackers on the digits, spread over the contributors.
const ATTACKERS: usize = 4;
/// 1 / gain of an attack that gains nothing, less what adding up shares in another order rounds.
const GOAL: f64 = 1.0 - 1e-6;
/// 1 / gain of outliers, of which some are only unlike the others.
const GOAL_OUTLIER: f64 = 1.0 / 1.1;
/// The least gain that is divided by.
const LEAST: f64 = 0.01;

/// On the digits.
///
/// # Errors
/// When a training fails, or an attacker earns nothing before the attack.
pub(super) fn on_digits(points: &Points, clip: Option<f32>, ui: &Ui) -> Result<Vec<Measure>> {
    let task = DigitsTask::new(points, false, 0)?;
    let records: Vec<usize> = (0..task.contributors.len()).collect();
    let corpus = PointCorpus::new(task.model.points.pick(&records), task.contributors.clone());
    let queries = task.model.points.pick(&task.queries);
    let mut measure = |corpus: &PointCorpus| -> Result<Vec<f64>> {
        let (course, defence) = (&task.course, Defence { clip, ..Defence::default() });
        Ok(corpus.pay(&task.model.network, &course.initial, &course.recipe, &queries, defence)?)
    };
    let step = ui.bar("attacks on the digits", 1 + ALL.len() * ATTACKERS);
    mount("digits", &corpus, ATTACKERS, &mut measure, step)
}

/// On the texts.
///
/// # Errors
/// As on the digits.
pub(super) fn on_texts(texts: &Texts, attackers: usize, clip: Option<f32>, ui: &Ui) -> Result<Vec<Measure>> {
    let cache = tempfile::tempdir()?;
    let (job, session) = (texts.job(), SessionConfig::default());
    let mut network = Network::new(NetworkConfig {
        job: &job,
        base: &texts.model,
        classes: texts.data.labels.len(),
        cache: cache.path(),
        runtime: &texts.runtime,
        session: &session,
    })?;
    let corpus = TextCorpus::new(texts.data.clone());
    let mut measure = |corpus: &TextCorpus| -> Result<Vec<f64>> {
        let defence = Defence { clip, ..Defence::default() };
        Ok(corpus.pay(&mut network, &job.recipe, Curvature::TrueLabel, defence)?)
    };
    let step = ui.bar("attacks on the texts", 1 + ALL.len() * attackers);
    mount("texts", &corpus, attackers, &mut measure, step)
}

/// Every attack by each of `attackers`.
fn mount<C: Corpus>(
    task: &str,
    corpus: &C,
    attackers: usize,
    measure: &mut dyn FnMut(&C) -> Result<Vec<f64>>,
    step: Step,
) -> Result<Vec<Measure>> {
    let before = measure(corpus)?;
    step.one("without an attack");
    let paid: Vec<usize> = (0..before.len()).filter(|one| before[*one] > 0.0).collect();
    ensure!(!paid.is_empty(), "nobody is paid on the {task}, so nothing can be gained");
    let stride = paid.len().div_ceil(attackers);
    let mut measures = Vec::new();
    for attack in ALL {
        let mut gains = Vec::new();
        for attacker in paid.iter().step_by(stride) {
            let gained = gain(corpus, &before, *attacker, attack, 0, measure)?;
            step.one(format!("{}: {:.3}", name(attack), gained.gain));
            gains.push(gained);
        }
        measures.push(mean(task, attack, &gains));
    }
    step.done("");
    Ok(measures)
}

/// What an attack gains on the average over attackers, whose shares all count alike.
fn mean(task: &str, attack: Attack, gains: &[Gain]) -> Measure {
    let mean = |of: fn(&Gain) -> f64| gains.iter().map(of).sum::<f64>() / gains.len().max(1) as f64;
    let (before, after, gained) = (mean(|one| one.before), mean(|one| one.after), mean(|one| one.gain));
    let goal = if attack == Attack::Outlier { GOAL_OUTLIER } else { GOAL };
    let gain = |pick: fn(f64, f64) -> f64| gains.iter().map(|one| one.gain).reduce(pick).unwrap_or_default();
    let (least, most) = (gain(f64::min), gain(f64::max));
    let spread = if gains.len() > 1 { format!(" (gain {least:.2} to {most:.2})") } else { String::new() };
    let measure = format!("{task}: share with {}{spread}", name(attack));
    Measure::of(&measure, "share", after, before, "without the attack", 1.0 / gained.max(LEAST), goal)
}

fn name(attack: Attack) -> String {
    match attack {
        Attack::Split { names } => format!("{names} names"),
        Attack::Copy { times } => format!("{times} copies"),
        Attack::NearCopy { times } => format!("{times} near copies"),
        Attack::Steal => "another's records".to_owned(),
        Attack::Outlier => "outliers".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_fails_its_goal_and_none_reaches_it() {
        let of = |attack: Attack, gain: f64| {
            mean("digits", attack, &[Gain { attack, before: 0.1, after: gain / 10.0, gain }])
        };
        let reaches = |measure: Measure| measure.ratio >= measure.goal;
        assert!(reaches(of(Attack::Steal, 1.0)) && reaches(of(Attack::Steal, 0.0)));
        assert!(!reaches(of(Attack::Steal, 1.05)) && reaches(of(Attack::Outlier, 1.05)));
        assert!(!reaches(of(Attack::Outlier, 1.2)));
    }
}
