//! Dealing the harvested sentences. Large projects contribute, each by itself. Of the small ones two thirds, chosen by the seed, are
//! kept for judging, and the others contribute together. Held-out set and questions come from projects that do not contribute;
//! what gets wrong labels is what large projects have beyond what they give.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use super::contract::PARTS;
use super::dice::Dice;
use super::registry::{Harvest, Passage};
use super::{Contributor, Dataset, Kind, Record, bad};

/// Honest contributors.
const CONTRIBUTORS: usize = 13;
/// Passages of one contributor: enough to be judged, not enough to dominate.
const CONTRIBUTION: std::ops::RangeInclusive<usize> = 50..=100;
/// Passages a label of the held-out set and of the questions.
const NEEDS: [usize; 2] = [60, 24];
/// Passages with labels drawn at random.
const SHUFFLED: usize = 100;
/// Passages with exchanged labels: about two thirds of what the honest have of those two parts. A third of that, or labels that are
/// wrong each in another way, a training shrugs off (`cargo testnet bench learning`).
const SWAPPED: usize = 300;
/// Share of the small projects that is kept for judging, in percent.
const KEPT_BACK: usize = 65;
/// Most passages of one project and label in either of these: many projects judge, not one.
const PER_PROJECT: usize = 20;

/// Deals everything.
///
/// # Errors
/// When the registry holds too few passages for a fair demo.
pub(super) fn deal(harvest: &Harvest, seed: u64) -> Result<Dataset> {
    let mut projects = BTreeMap::<&str, Vec<&Passage>>::new();
    for passage in &harvest.passages {
        projects.entry(&passage.owner).or_default().push(passage);
    }
    let (judging, giving): (Vec<_>, Vec<_>) = projects.into_iter().partition(|project| is_kept_back(project, seed));
    let is_large = |(_, passages): &&(&str, Vec<&Passage>)| passages.len() >= *CONTRIBUTION.start();
    let large: Vec<&Passage> = giving.iter().filter(is_large).flat_map(|(_, passages)| passages.clone()).collect();
    let mut contributors = contributors(giving, seed);
    ensure!(
        contributors.len() >= 8,
        "cargo's registry holds only enough for {} contributors with {} passages: build the whole workspace first, or give your own data with --data",
        contributors.len(),
        CONTRIBUTION.start()
    );
    let [holdout, questions] = deal_rest(judging, seed);
    ensure!(
        questions.len() >= 100 && holdout.len() >= 200,
        "cargo's registry holds too few other crates to judge with: build the whole workspace first"
    );
    let given: BTreeSet<&str> = contributors.iter().flat_map(|one| &one.records).map(|r| r.text.as_str()).collect();
    let mut spare: Vec<Record> =
        large.iter().map(|passage| record(passage)).filter(|record| !given.contains(record.text.as_str())).collect();
    Dice::new(seed, "spare").shuffle(&mut spare);
    let may_be_swapped =
        |record: &mut Record| record.label.as_deref().is_some_and(|label| bad::SWAPPED.contains(&label));
    let swapped = spare.extract_if(.., may_be_swapped).take(SWAPPED).collect();
    spare.truncate(SHUFFLED);
    contributors.push(bad::shuffled_labels(spare, seed));
    contributors.push(bad::swapped_labels(swapped));
    contributors.push(bad::light_edits(&contributors[0], seed));
    contributors.push(bad::boilerplate(&harvest.boilerplate, seed));
    Ok(Dataset { contributors, holdout, questions, labels: PARTS.map(str::to_owned).to_vec() })
}

/// A passage as a record.
fn record(passage: &Passage) -> Record {
    Record { text: passage.text.clone(), label: Some(PARTS[passage.part].to_owned()) }
}

/// Whether a project is kept for judging: what large ones give is worth more to learn from.
fn is_kept_back((owner, passages): &(&str, Vec<&Passage>), seed: u64) -> bool {
    passages.len() < *CONTRIBUTION.start() && Dice::new(seed, owner).below(100) < KEPT_BACK
}

/// The large projects, one contributor each, and the small ones in groups.
fn contributors(giving: Vec<(&str, Vec<&Passage>)>, seed: u64) -> Vec<Contributor> {
    // Those with most of what is rarest among all first.
    let all = giving.iter().flat_map(|(_, passages)| passages);
    let mut counts = [0; PARTS.len()];
    all.for_each(|passage| counts[passage.part] += 1);
    let mut rare: Vec<usize> = (0..PARTS.len()).collect();
    rare.sort_by_key(|part| counts[*part]);
    let rarest = |passages: &[&Passage]| passages.iter().filter(|passage| rare[..2].contains(&passage.part)).count();

    let mut givers: Vec<(String, Vec<&Passage>)> = Vec::new();
    let mut small: Vec<Vec<&Passage>> = Vec::new();
    for (owner, passages) in giving {
        let balanced = balanced(&passages, *CONTRIBUTION.end());
        if balanced.len() >= *CONTRIBUTION.start() {
            givers.push((owner.to_owned(), balanced));
        } else {
            small.push(balanced);
        }
    }
    Dice::new(seed, "groups of small projects").shuffle(&mut small);
    givers.extend(groups(small));
    givers.sort_by_key(|(name, passages)| (std::cmp::Reverse(rarest(passages)), name.clone()));
    givers.truncate(CONTRIBUTORS);
    let contributor = |(name, passages): (String, Vec<&Passage>)| Contributor {
        name,
        records: passages.into_iter().map(record).collect(),
        kind: Kind::Honest,
    };
    givers.into_iter().map(contributor).collect()
}

/// Small projects together, as whoever collects for several of them would give it.
fn groups(small: Vec<Vec<&Passage>>) -> Vec<(String, Vec<&Passage>)> {
    let mut groups: Vec<(usize, Vec<&Passage>)> = Vec::new();
    for passages in small {
        match groups.last_mut() {
            Some((projects, group)) if group.len() + passages.len() <= *CONTRIBUTION.end() => {
                *projects += 1;
                group.extend(passages);
            }
            _ => groups.push((1, passages)),
        }
    }
    groups.retain(|(_, group)| group.len() >= *CONTRIBUTION.start());
    let named = |(at, (projects, group)): (usize, (usize, Vec<_>))| {
        let letter = char::from(b'a' + u8::try_from(at % 26).unwrap_or_default());
        (format!("collection-{letter}-{projects}-projects"), group)
    };
    groups.into_iter().enumerate().map(named).collect()
}

/// One passage of each label in turn, of each crate in turn, up to `most`.
fn balanced<'a>(passages: &[&'a Passage], most: usize) -> Vec<&'a Passage> {
    let mut kinds = BTreeMap::<usize, BTreeMap<&str, Vec<&Passage>>>::new();
    for passage in passages {
        kinds.entry(passage.part).or_default().entry(&passage.krate).or_default().push(passage);
    }
    let kinds = kinds.into_values().map(|crates| in_turn(crates.into_values().collect())).collect();
    let mut all = in_turn(kinds);
    all.truncate(most);
    all
}

/// One of each list in turn.
fn in_turn(lists: Vec<Vec<&Passage>>) -> Vec<&Passage> {
    let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
    (0..longest).flat_map(|i| lists.iter().filter_map(move |list| list.get(i).copied())).collect()
}

/// Gives each project that is kept back to the set that lacks most of what it has.
fn deal_rest(projects: Vec<(&str, Vec<&Passage>)>, seed: u64) -> [Vec<Record>; 2] {
    let mut projects: Vec<Vec<&Passage>> = projects.into_iter().map(|(_, passages)| passages).collect();
    Dice::new(seed, "projects for judging").shuffle(&mut projects);
    let mut sets: [Vec<Record>; 2] = Default::default();
    let mut missing = NEEDS.map(|need| [need; PARTS.len()]);
    for passages in projects {
        let useful = |missing: &[usize; PARTS.len()]| {
            let of = |part: usize| passages.iter().filter(|passage| passage.part == part).count().min(PER_PROJECT);
            (0..PARTS.len()).map(|part| of(part).min(missing[part])).sum::<usize>()
        };
        // By share, so that what runs short runs short everywhere alike.
        let share = |set: &usize| useful(&missing[*set]) * 1000 / NEEDS[*set];
        let Some(set) = (0..sets.len()).filter(|set| share(set) > 0).max_by_key(share) else { continue };
        let mut taken = [0; PARTS.len()];
        for passage in passages {
            let part = passage.part;
            if missing[set][part] > 0 && taken[part] < PER_PROJECT {
                (missing[set][part], taken[part]) = (missing[set][part] - 1, taken[part] + 1);
                sets[set].push(record(passage));
            }
        }
    }
    for (set, name) in sets.iter_mut().zip(["held out", "questions"]) {
        Dice::new(seed, name).shuffle(set);
    }
    sets
}
