//! Where a datanet is weak: which held-out records its own records answer wrongly, and where these lie together. Pure functions of points.

use std::collections::BTreeMap;

use datanet_data::dot;

/// Neighbours that vote: as many as a judge asks.
const NEIGHBOURS: usize = 10;
/// A held-out passage without a label is reached where a record lies this near.
const NEAR: f32 = 0.5;
/// Rounds in which clusters settle.
const ROUNDS: usize = 12;

/// A record as a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// A unit vector.
    pub vector: &'a [f32],
    /// Its label.
    pub label: Option<&'a str>,
}

/// Held-out records that lie together.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    /// Their places in the held-out set.
    pub members: Vec<usize>,
    /// Those of them that are answered wrongly.
    pub wrong: Vec<usize>,
}

impl Spot {
    /// The share that is wrong, as the lower end of what it may be (Wilson, 95 %): one mistake among two says little.
    pub fn weakness(&self) -> f64 {
        let (n, p) = (self.members.len() as f64, self.wrong.len() as f64 / self.members.len().max(1) as f64);
        if n == 0.0 {
            return 0.0;
        }
        let z = 1.96f64;
        let centre = p + z * z / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
        ((centre - spread) / (1.0 + z * z / n)).max(0.0)
    }
}

/// Which held-out records are answered rightly out of `known`: by the vote of the nearest, or without labels, where something lies near.
pub fn right(held_out: &[Point<'_>], known: &[Point<'_>]) -> Vec<bool> {
    held_out.iter().map(|asked| is_right(asked, known)).collect()
}

fn is_right(asked: &Point<'_>, known: &[Point<'_>]) -> bool {
    let mut near: Vec<(f32, usize)> =
        known.iter().enumerate().map(|(place, point)| (dot(asked.vector, point.vector), place)).collect();
    let Some(label) = asked.label else { return near.iter().any(|(cosine, _)| *cosine >= NEAR) };
    near.sort_by(|(a, at), (b, bt)| b.total_cmp(a).then(at.cmp(bt)));
    let mut votes = BTreeMap::<&str, f32>::new();
    for (cosine, place) in near.iter().take(NEIGHBOURS) {
        if let Some(voted) = known.get(*place).and_then(|point| point.label) {
            *votes.entry(voted).or_default() += cosine.max(0.0);
        }
    }
    let best = votes.iter().max_by(|(a, x), (b, y)| x.total_cmp(y).then(b.cmp(a)));
    best.is_some_and(|(voted, _)| *voted == label)
}

/// The held-out set in clusters, the weakest first; those without a mistake are left out. The same points give the same clusters.
pub fn weak(held_out: &[Point<'_>], right: &[bool]) -> Vec<Spot> {
    let wanted = (held_out.len() as f64).sqrt().ceil() as usize;
    let places = clusters(held_out, wanted.clamp(1, 64));
    let mut spots = BTreeMap::<usize, Spot>::new();
    for (place, cluster) in places.iter().enumerate() {
        let spot = spots.entry(*cluster).or_insert_with(|| Spot { members: Vec::new(), wrong: Vec::new() });
        spot.members.push(place);
        if !right.get(place).copied().unwrap_or(true) {
            spot.wrong.push(place);
        }
    }
    let mut weak: Vec<Spot> = spots.into_values().filter(|spot| !spot.wrong.is_empty()).collect();
    weak.sort_by(|a, b| b.weakness().total_cmp(&a.weakness()).then_with(|| a.members.cmp(&b.members)));
    weak
}

/// Spherical k-means from the farthest-first traversal that begins at the first point: no dice.
fn clusters(points: &[Point<'_>], wanted: usize) -> Vec<usize> {
    let Some(first) = points.first() else { return Vec::new() };
    let mut centres: Vec<Vec<f32>> = vec![first.vector.to_vec()];
    let mut nearest: Vec<f32> = points.iter().map(|point| dot(point.vector, first.vector)).collect();
    while centres.len() < wanted.min(points.len()) {
        let farthest = nearest.iter().enumerate().min_by(|(i, a), (j, b)| a.total_cmp(b).then(i.cmp(j)));
        let Some(point) = farthest.and_then(|(place, _)| points.get(place)) else { break };
        for (near, other) in nearest.iter_mut().zip(points) {
            *near = near.max(dot(other.vector, point.vector));
        }
        centres.push(point.vector.to_vec());
    }
    let assign = |centres: &[Vec<f32>]| -> Vec<usize> {
        let best = |point: &Point<'_>| {
            let near = centres.iter().enumerate().map(|(n, centre)| (n, dot(point.vector, centre)));
            near.max_by(|(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i))).map_or(0, |(n, _)| n)
        };
        points.iter().map(best).collect()
    };
    let mut places = assign(&centres);
    for _ in 0..ROUNDS {
        for (number, centre) in centres.iter_mut().enumerate() {
            let members = points.iter().zip(&places).filter(|(_, place)| **place == number);
            let mut sum = vec![0.0f32; centre.len()];
            for (point, _) in members {
                sum.iter_mut().zip(point.vector).for_each(|(sum, value)| *sum += value);
            }
            let length = dot(&sum, &sum).sqrt();
            if length > 1e-6 {
                sum.iter_mut().for_each(|value| *value /= length);
                *centre = sum;
            }
        }
        let moved = assign(&centres);
        if moved == places {
            break;
        }
        places = moved;
    }
    places
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(angle: f32) -> [f32; 2] {
        [angle.cos(), angle.sin()]
    }

    #[test]
    fn what_lies_among_its_like_is_right_and_where_mistakes_lie_together_is_weak() {
        let angles: Vec<(f32, &str)> =
            (0..20).map(|n| (n as f32 * 0.01, "a")).chain((0..20).map(|n| (1.5 + n as f32 * 0.01, "b"))).collect();
        let vectors: Vec<[f32; 2]> = angles.iter().map(|(angle, _)| at(*angle)).collect();
        let held: Vec<Point<'_>> =
            angles.iter().zip(&vectors).map(|((_, label), vector)| Point { vector, label: Some(label) }).collect();
        let only_a: Vec<Point<'_>> = held.iter().filter(|point| point.label == Some("a")).copied().collect();
        let answered = right(&held, &only_a);
        assert_eq!(answered.iter().filter(|right| **right).count(), 20);
        let spots = weak(&held, &answered);
        assert!(spots.iter().flat_map(|spot| &spot.members).all(|place| *place >= 20), "{spots:?}");
        assert_eq!(spots.iter().map(|spot| spot.wrong.len()).sum::<usize>(), 20);
        assert!(right(&held, &held).iter().all(|right| *right));
        assert!(weak(&held, &right(&held, &held)).is_empty());
    }

    #[test]
    fn many_mistakes_of_many_are_weaker_than_one_of_one() {
        let spot = |members: usize, wrong: usize| Spot { members: (0..members).collect(), wrong: (0..wrong).collect() };
        assert!(spot(20, 18).weakness() > spot(1, 1).weakness());
        assert!(spot(20, 18).weakness() > spot(20, 5).weakness());
        assert_eq!(spot(0, 0).weakness(), 0.0);
    }

    proptest! {
        #[test]
        fn every_held_out_record_that_is_wrong_lies_in_one_spot(angles in proptest::collection::vec((0.0f32..6.2, any::<bool>()), 0..60)) {
            let vectors: Vec<[f32; 2]> = angles.iter().map(|(angle, _)| at(*angle)).collect();
            let held: Vec<Point<'_>> = vectors.iter().map(|vector| Point { vector, label: None }).collect();
            let answered: Vec<bool> = angles.iter().map(|(_, right)| *right).collect();
            let spots = weak(&held, &answered);
            let mut wrong: Vec<usize> = spots.iter().flat_map(|spot| spot.wrong.clone()).collect();
            wrong.sort_unstable();
            let expected: Vec<usize> = (0..held.len()).filter(|place| !answered[*place]).collect();
            prop_assert_eq!(wrong, expected);
            prop_assert!(spots.windows(2).all(|pair| pair[0].weakness() >= pair[1].weakness()));
        }
    }
}
