//! Which material lies where a datanet is weak. A pure function of points.

use datanet_data::dot;

use crate::agent::bench::{Point, Spot};

/// A candidate lies at a spot if it is this near to one of its mistakes.
const NEAR: f32 = 0.2;

/// Places of candidates, those nearest to the worst mistakes first, at most `most`; `repeats` are left out. Labels are not looked at: whether they
/// are right is for the judging to say.
pub(super) fn pick(
    candidates: &[Point<'_>],
    repeats: &[bool],
    held_out: &[Point<'_>],
    spots: &[Spot],
    most: usize,
) -> Vec<usize> {
    let mistakes: Vec<(&[f32], f64)> = spots
        .iter()
        .flat_map(|spot| spot.wrong.iter().map(|place| (*place, spot.weakness())))
        .filter_map(|(place, weakness)| Some((held_out.get(place)?.vector, weakness)))
        .collect();
    let value = |point: &Point<'_>| {
        let near = mistakes
            .iter()
            .map(|(vector, weakness)| (dot(point.vector, vector), *weakness))
            .filter(|(cosine, _)| *cosine >= NEAR);
        near.map(|(cosine, weakness)| f64::from(cosine) * (0.1 + weakness)).fold(0.0, f64::max)
    };
    let mut ranked: Vec<(f64, usize)> = candidates
        .iter()
        .enumerate()
        .filter(|(place, _)| !repeats.get(*place).copied().unwrap_or(true))
        .map(|(place, point)| (value(point), place))
        .filter(|(value, _)| *value > 0.0)
        .collect();
    ranked.sort_by(|(a, at), (b, bt)| b.total_cmp(a).then(at.cmp(bt)));
    ranked.into_iter().take(most).map(|(_, place)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_near_the_worst_mistakes_is_picked_and_repeats_are_not() {
        let vectors: Vec<[f32; 2]> = [0.0f32, 0.1, 1.4, 1.5].iter().map(|angle| [angle.cos(), angle.sin()]).collect();
        let points: Vec<Point<'_>> = vectors.iter().map(|vector| Point { vector, label: None }).collect();
        let held_out = [points[0], points[3]];
        let spots = [Spot { members: vec![1], wrong: vec![1] }];
        assert_eq!(pick(&points, &[false; 4], &held_out, &spots, 9), [3, 2]);
        assert_eq!(pick(&points, &[false; 4], &held_out, &spots, 1), [3]);
        assert_eq!(pick(&points, &[false, false, false, true], &held_out, &spots, 9), [2]);
        assert!(pick(&points, &[false; 4], &held_out, &[], 9).is_empty());
    }
}
