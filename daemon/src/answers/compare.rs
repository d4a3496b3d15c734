//! Whether two nodes find the same answer: what was claimed beside what is found here.

use std::collections::BTreeMap;

use datanet_data::retrieval::TOLERANCE;
use datanet_inference::generate::Apart;
use datanet_inference::graph::quantise::Precision;
use datanet_types::receipt::{AskOutput, Influence, influence_weights, span_weights};
use datanet_types::{ContributionId, Ppm};

use crate::error::ServiceResult;
use crate::ppm;

/// How far the probabilities of two nodes may lie apart, all together, where a model computes in these numbers: in 8 bits an activation on the edge
/// of two steps is rounded to another on another machine.
fn tolerance(precision: Precision) -> Ppm {
    match precision {
        Precision::Float => Ppm(10_000),
        Precision::Int8 => Ppm(100_000),
    }
}

/// Whether an answer may have been this label elsewhere, by the probabilities that are found here: the likeliest may, and one that is so near to it
/// that machines may differ by more.
pub(super) fn may_be(claimed: usize, probabilities: &[f32], precision: Precision) -> bool {
    let best = probabilities.iter().copied().fold(0.0, f32::max);
    // Both move, the one up and the other down, by half of what all may together.
    let most = ppm::real(tolerance(precision));
    probabilities.get(claimed).is_some_and(|found| f64::from(best - found) <= most)
}

/// Why a text cannot have been drawn from the model that it names, by how far its tokens lie from what is drawn here.
pub(super) fn drawn_otherwise(apart: &Apart) -> Option<String> {
    let Apart { tokens, others, most, .. } = *apart;
    (!apart.passes()).then(|| {
        format!(
            "of {tokens} tokens {others} are others than are drawn here, by up to {most:.4} of the probability: another model, adapter or precision, or another seed"
        )
    })
}

/// What following a text's tokens has shown, where the model can have drawn them, in words.
pub(super) fn drawn_alike(apart: &Apart) -> String {
    let (Apart { tokens, others, most, .. }, may) = (*apart, apart.tolerance());
    format!(
        "{tokens} tokens followed with the receipt's seed: {others} are others than are drawn here, by up to {most:.6} of the probability, where machines may differ by {may}"
    )
}

/// How an answer compares with the same computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Equal to the bit.
    Same,
    /// The same answer; so much of the weight lies elsewhere.
    Within(Ppm),
    /// Something else, in words.
    Other(String),
}

/// Compares what was `claimed` with what was `found` here, by a model that computes in such numbers. `is_revoked` says which contributions were taken back, since
/// they may be missing on either side.
pub(super) fn compare(
    claimed: &AskOutput,
    found: &AskOutput,
    precision: Precision,
    is_revoked: impl Fn(&ContributionId) -> ServiceResult<bool>,
) -> ServiceResult<Comparison> {
    if claimed == found {
        return Ok(Comparison::Same);
    }
    if claimed.label != found.label || claimed.answer != found.answer || claimed.completion != found.completion {
        let (claimed, found) = (excerpt(&claimed.answer), excerpt(&found.answer));
        return Ok(Comparison::Other(format!("the answer says {claimed:?}, this node finds {found:?}")));
    }
    if claimed.label.is_some() && !is_likeliest(claimed) {
        return Ok(Comparison::Other("its label is not the likeliest by its own probabilities".to_owned()));
    }
    if let Some(what) = other_scores(claimed, found, precision) {
        return Ok(Comparison::Other(what));
    }
    let (mut theirs, mut ours) = (weights(claimed), weights(found));
    for id in theirs.keys().chain(ours.keys()).copied().collect::<Vec<_>>() {
        if theirs.contains_key(&id) != ours.contains_key(&id) && is_revoked(&id)? {
            theirs.remove(&id);
            ours.remove(&id);
        }
    }
    let difference = distance(&theirs, &ours);
    if difference > TOLERANCE {
        return Ok(Comparison::Other(format!("{difference} of the weight lie elsewhere")));
    }
    let done = other_values(claimed, found, |one| one.value, &is_revoked)?;
    let worth = other_values(claimed, found, |one| one.worth, &is_revoked)?;
    let other = match (done, worth) {
        (true, _) => Some("the contributions did not do what the answer says of them".to_owned()),
        (_, true) => Some("the contributions are not worth what the answer says of them".to_owned()),
        _ => None,
    };
    Ok(other.map_or(Comparison::Within(difference), Comparison::Other))
}

/// Whether what is said of each contribution is not so, within the tolerance: what it did, which people read, and what it is worth, harm included, from which
/// pay follows.
fn other_values(
    claimed: &AskOutput,
    found: &AskOutput,
    said: impl Fn(&Influence) -> i64,
    is_revoked: &impl Fn(&ContributionId) -> ServiceResult<bool>,
) -> ServiceResult<bool> {
    let values = |output: &AskOutput| -> BTreeMap<ContributionId, i64> {
        output.influence.iter().map(|influence| (influence.contribution, said(influence))).collect()
    };
    let (theirs, ours) = (values(claimed), values(found));
    let (mut apart, mut all) = (0u64, 0u64);
    for id in theirs.keys().chain(ours.keys().filter(|id| !theirs.contains_key(*id))) {
        if theirs.contains_key(id) != ours.contains_key(id) && is_revoked(id)? {
            continue;
        }
        let of = |values: &BTreeMap<ContributionId, i64>| values.get(id).copied().unwrap_or(0);
        apart = apart.saturating_add(of(&theirs).abs_diff(of(&ours)));
        all = all.saturating_add(of(&ours).unsigned_abs());
    }
    // A billionth a contribution is rounding.
    let rounding = theirs.len().max(ours.len()) as u64;
    Ok(apart > TOLERANCE.of(all).saturating_add(rounding))
}

/// Whether an answer's label is the one that it calls likeliest itself: what machines may differ by is no choice between two.
fn is_likeliest(answer: &AskOutput) -> bool {
    let most = answer.scores.iter().map(|score| score.probability).max();
    let own = answer.scores.iter().find(|score| Some(&score.label) == answer.label.as_ref());
    own.map(|score| score.probability) == most
}

fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

fn other_scores(claimed: &AskOutput, found: &AskOutput, precision: Precision) -> Option<String> {
    let labels = |output: &AskOutput| output.scores.iter().map(|score| score.label.clone()).collect::<Vec<_>>();
    if labels(claimed) != labels(found) {
        return Some("the labels are not the model's".to_owned());
    }
    let pairs = claimed.scores.iter().zip(&found.scores);
    let apart = pairs.map(|(a, b)| a.probability.abs_diff(b.probability)).sum::<Ppm>();
    (apart > tolerance(precision)).then(|| format!("the probabilities lie {apart} apart"))
}

fn weights(output: &AskOutput) -> BTreeMap<ContributionId, Ppm> {
    let weights =
        if output.spans.is_empty() { influence_weights(&output.influence) } else { span_weights(&output.spans) };
    weights.into_iter().collect()
}

/// How much of the weight lies elsewhere, after what is left is scaled to the whole on both sides.
fn distance(a: &BTreeMap<ContributionId, Ppm>, b: &BTreeMap<ContributionId, Ppm>) -> Ppm {
    let sum = |weights: &BTreeMap<ContributionId, Ppm>| weights.values().copied().sum::<Ppm>();
    let (of_a, of_b) = (sum(a), sum(b));
    if of_a == Ppm::ZERO || of_b == Ppm::ZERO {
        return if of_a == of_b { Ppm::ZERO } else { Ppm::ONE };
    }
    let scaled = |weight: Option<&Ppm>, of: Ppm| Ppm::ratio(weight.map_or(0, |weight| weight.0), of.0);
    let ids: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let apart = ids.into_iter().map(|id| scaled(a.get(id), of_a).abs_diff(scaled(b.get(id), of_b)));
    Ppm(apart.sum::<Ppm>().0 / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::receipt::LabelScore;

    fn output(values: &[(u8, i64)], probability: u64) -> AskOutput {
        let influence =
            |(n, value): &(u8, i64)| Influence { contribution: ContributionId([*n; 32]), value: *value, worth: *value };
        AskOutput {
            label: Some("a".into()),
            answer: "a".into(),
            scores: vec![LabelScore { label: "a".into(), probability: Ppm(probability) }],
            influence: values.iter().map(influence).collect(),
            ..AskOutput::default()
        }
    }

    fn verdict(claimed: &AskOutput, found: &AskOutput) -> Comparison {
        compare(claimed, found, Precision::Float, |id| Ok(id.0[0] == 9)).unwrap()
    }

    #[test]
    fn what_following_shows_is_told_either_way() {
        let apart = |most: f64| Apart { tokens: 12, others: 1, sum: most, most, ..Apart::default() };
        assert!(drawn_otherwise(&apart(1e-5)).is_none() && drawn_alike(&apart(1e-5)).contains("by up to 0.000010"));
        assert!(drawn_otherwise(&apart(0.02)).is_some_and(|what| what.contains("of 12 tokens 1 are others")));
    }

    #[test]
    fn small_differences_are_within_and_large_ones_are_not() {
        let claimed = output(&[(1, 500), (2, 500)], 900_000);
        assert_eq!(verdict(&claimed, &claimed), Comparison::Same);
        assert_eq!(verdict(&claimed, &output(&[(1, 505), (2, 495)], 900_010)), Comparison::Within(Ppm(5_000)));
        let shifted = verdict(&claimed, &output(&[(1, 600), (2, 400)], 900_000));
        assert!(matches!(shifted, Comparison::Other(what) if what.contains("100000 parts")));
        let bolder = verdict(&claimed, &output(&[(1, 500), (2, 500)], 800_000));
        assert!(matches!(bolder, Comparison::Other(what) if what.contains("probabilities")));
        let other = AskOutput { answer: "b".into(), ..claimed.clone() };
        assert!(matches!(verdict(&claimed, &other), Comparison::Other(what) if what.contains("finds \"b\"")));
    }

    #[test]
    fn in_8_bits_probabilities_may_tip_and_with_them_the_label() {
        let (claimed, tipped) = (output(&[(1, 500)], 500_000), output(&[(1, 500)], 530_000));
        assert!(matches!(verdict(&claimed, &tipped), Comparison::Other(_)));
        let in_8_bits = |found| compare(&claimed, found, Precision::Int8, |_| Ok(false)).unwrap();
        assert_eq!(in_8_bits(&tipped), Comparison::Within(Ppm::ZERO));
        assert!(matches!(in_8_bits(&output(&[(1, 500)], 650_000)), Comparison::Other(_)));

        assert!(may_be(1, &[0.44, 0.43, 0.13], Precision::Int8) && !may_be(1, &[0.44, 0.42, 0.14], Precision::Float));
        assert!(!may_be(2, &[0.44, 0.43, 0.13], Precision::Int8) && !may_be(3, &[0.5, 0.5], Precision::Int8));
    }

    #[test]
    fn what_was_revoked_meanwhile_may_be_missing() {
        let claimed = output(&[(1, 500), (2, 500), (9, 800)], 900_000);
        let found = output(&[(1, 500), (2, 500)], 900_000);
        assert_eq!(verdict(&claimed, &found), Comparison::Within(Ppm::ZERO));
        let hidden = output(&[(1, 500)], 900_000);
        assert!(
            matches!(verdict(&hidden, &found), Comparison::Other(_)),
            "a contributor that is not revoked is missing"
        );
    }

    #[test]
    fn what_contributions_did_is_checked_beside_what_they_earned() {
        let claimed = output(&[(1, 500), (2, -500)], 900_000);
        let mut found = claimed.clone();
        found.influence[1].value = -510;
        assert_eq!(verdict(&claimed, &found), Comparison::Within(Ppm::ZERO));
        found.influence[1].worth = -5_000;
        assert!(matches!(verdict(&claimed, &found), Comparison::Other(what) if what.contains("not worth")));
        found.influence[1].value = -50_000;
        assert!(matches!(verdict(&claimed, &found), Comparison::Other(what) if what.contains("did not do")));
    }

    #[test]
    fn nothing_helped_is_an_answer_too() {
        let harmed = output(&[(1, -5)], 900_000);
        assert_eq!(verdict(&harmed, &output(&[(1, -6)], 900_000)), Comparison::Within(Ppm::ZERO));
        assert!(matches!(verdict(&harmed, &output(&[(1, 6)], 900_000)), Comparison::Other(_)));
    }
}
