//! Dealing the harvested passages. Crates are split first: a third of them, chosen by the seed, is kept for judging; the
//! others are what their owners contribute. Held-out set, questions and the spare slice come from the crates kept back and from
//! everybody who does not contribute.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use super::dice::Dice;
use super::registry::{Harvest, Passage};
use super::topics::TOPICS;
use super::{Contributor, Dataset, Kind, Record, bad};

/// Honest contributors.
const CONTRIBUTORS: usize = 13;
/// Passages of one contributor: enough to be judged, not enough to dominate.
const CONTRIBUTION: std::ops::RangeInclusive<usize> = 50..=74;
/// Passages a topic of the held-out set, of the questions, and of the slice that gets wrong labels.
const NEEDS: [usize; 3] = [51, 20, 11];
/// Share of the crates that is kept for judging, in percent.
const KEPT_BACK: usize = 33;
/// Most passages of one crate in any of these three: many crates judge, not one.
const PER_CRATE: usize = 12;

/// Deals everything.
///
/// # Errors
/// When the registry holds too few passages for a fair demo.
pub(super) fn deal(harvest: &Harvest, seed: u64) -> Result<Dataset> {
    let kept_back = |passage: &Passage| is_kept_back(passage, seed);
    let owners = by_owner(harvest.passages.iter().filter(|passage| !kept_back(passage)));
    let chosen = choose(&owners, &harvest.passages);
    ensure!(
        chosen.len() >= 8,
        "cargo's registry holds only {} owners with {} passages: build the whole workspace first, or give your own data with --data",
        chosen.len(),
        CONTRIBUTION.start()
    );
    let mut contributors: Vec<Contributor> = chosen
        .iter()
        .map(|owner| Contributor {
            name: (*owner).to_owned(),
            records: owners[owner].iter().map(|p| record(p)).collect(),
            kind: Kind::Honest,
        })
        .collect();
    let [holdout, questions, spare] = deal_rest(&harvest.passages, &chosen, seed);
    ensure!(
        questions.len() >= 100 && holdout.len() >= 200,
        "cargo's registry holds too few other crates to judge with: build the whole workspace first"
    );
    contributors.push(bad::shuffled_labels(spare, seed));
    contributors.push(bad::light_edits(&contributors[0], seed));
    contributors.push(bad::boilerplate(&harvest.boilerplate, seed));
    Ok(Dataset { contributors, holdout, questions, topics: TOPICS.iter().map(|t| (*t).to_owned()).collect() })
}

/// A passage as a record.
pub(super) fn record(passage: &Passage) -> Record {
    Record { text: passage.text.clone(), label: Some(TOPICS[passage.topic].to_owned()) }
}

/// Whether the passage's crate is kept for judging.
fn is_kept_back(passage: &Passage, seed: u64) -> bool {
    Dice::new(seed, &passage.krate).below(100) < KEPT_BACK
}

/// What each owner would contribute: its crates in turn, one passage each, until the cap.
fn by_owner<'a>(passages: impl Iterator<Item = &'a Passage>) -> BTreeMap<&'a str, Vec<&'a Passage>> {
    let mut crates = BTreeMap::<&str, BTreeMap<&str, Vec<&Passage>>>::new();
    for passage in passages {
        crates.entry(&passage.owner).or_default().entry(&passage.krate).or_default().push(passage);
    }
    crates
        .into_iter()
        .map(|(owner, crates)| (owner, in_turn(crates.into_values().collect(), *CONTRIBUTION.end())))
        .collect()
}

/// One of each list in turn, up to `most`.
fn in_turn(lists: Vec<Vec<&Passage>>, most: usize) -> Vec<&Passage> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).flat_map(|i| lists.iter().filter_map(move |list| list.get(i).copied())).take(most).collect()
}

/// The contributors: again and again the owner that gives most to the topic that has least so far, unless that would
/// leave too little of a topic for judging.
fn choose<'a>(owners: &BTreeMap<&'a str, Vec<&'a Passage>>, all: &[Passage]) -> Vec<&'a str> {
    let mut chosen = Vec::new();
    let mut counts = [0_usize; TOPICS.len()];
    let mut left = judging_share(all);
    let mut closed = BTreeSet::new();
    while chosen.len() < CONTRIBUTORS && closed.len() < TOPICS.len() {
        let Some(topic) = (0..TOPICS.len()).filter(|t| !closed.contains(t)).min_by_key(|t| counts[*t]) else { break };
        let candidate = owners
            .iter()
            .filter(|(owner, passages)| passages.len() >= *CONTRIBUTION.start() && !chosen.contains(*owner))
            .filter(|(_, passages)| leaves_enough(&left, passages))
            .map(|(owner, passages)| (passages.iter().filter(|p| p.topic == topic).count(), *owner))
            .filter(|(count, _)| *count > 0)
            .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(a.1)));
        let Some((_, owner)) = candidate else {
            closed.insert(topic);
            continue;
        };
        for passage in &owners[owner] {
            counts[passage.topic] += 1;
        }
        for (left, taken) in left.iter_mut().zip(judging_share(owners[owner].iter().copied())) {
            *left -= taken;
        }
        chosen.push(owner);
    }
    chosen
}

/// How many passages of each topic these would give to judging.
fn judging_share<'a>(passages: impl IntoIterator<Item = &'a Passage>) -> [usize; TOPICS.len()] {
    let mut per_crate = BTreeMap::<(&str, usize), usize>::new();
    for passage in passages {
        *per_crate.entry((&passage.krate, passage.topic)).or_default() += 1;
    }
    let mut share = [0; TOPICS.len()];
    for ((_, topic), count) in per_crate {
        share[topic] += count.min(PER_CRATE);
    }
    share
}

fn leaves_enough(left: &[usize; TOPICS.len()], passages: &[&Passage]) -> bool {
    // A crate goes wholly to one of the three sets, so more than the bare sum must be left.
    let need = NEEDS.iter().sum::<usize>() + PER_CRATE;
    left.iter()
        .zip(judging_share(passages.iter().copied()))
        .all(|(left, taken)| taken == 0 || left.saturating_sub(taken) >= need)
}

/// Gives each crate that nobody contributes to the set that lacks most of its topic.
fn deal_rest(passages: &[Passage], chosen: &[&str], seed: u64) -> [Vec<Record>; 3] {
    let mut crates = BTreeMap::<(usize, &str), Vec<&Passage>>::new();
    let is_free = |p: &&Passage| is_kept_back(p, seed) || !chosen.contains(&p.owner.as_str());
    for passage in passages.iter().filter(is_free) {
        crates.entry((passage.topic, &passage.krate)).or_default().push(passage);
    }
    let mut order: Vec<(usize, Vec<&Passage>)> = crates.into_iter().map(|((topic, _), p)| (topic, p)).collect();
    Dice::new(seed, "crates for judging").shuffle(&mut order);
    let mut sets: [Vec<Record>; 3] = Default::default();
    let mut missing = [NEEDS; TOPICS.len()];
    for (topic, passages) in order {
        let missing = &mut missing[topic];
        // By share, so that a topic that runs short runs short everywhere alike.
        let Some(set) = (0..3).filter(|s| missing[*s] > 0).max_by_key(|s| missing[*s] * 1000 / NEEDS[*s]) else {
            continue;
        };
        let take = passages.len().min(PER_CRATE).min(missing[set]);
        sets[set].extend(passages[..take].iter().map(|p| record(p)));
        missing[set] -= take;
    }
    for (set, name) in sets.iter_mut().zip(["held out", "questions", "spare"]) {
        Dice::new(seed, name).shuffle(set);
    }
    sets
}
