//! Who said it first: exact, near and paraphrased duplicates.

use std::collections::HashMap;

use datanet_types::id::{ContributionId, Digest};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::clusters::Clusters;
use super::minhash::{self, band_keys};
use super::usefulness::Labelled;
use super::vector::cosine;
use super::words::{SHINGLE, jaccard, pairs_per_word, shingles, word_hashes, word_set};
use crate::Scripts;
use crate::corpus::Record;

/// Near duplicates share at least this part of their shingles.
pub const NEAR: f64 = 0.75;
/// Paraphrases have at least this cosine.
pub const PARAPHRASE: f32 = 0.95;
/// Records that are not as close as paraphrases, but this close, and of the same words, are near duplicates: words left
/// out and exchanged, which breaks many shingles of a short text.
const CLOSE: f32 = 0.85;
/// The share of common words, in any order, that makes them the same words.
const SAME_WORDS: f64 = 0.9;
/// Texts that their embeddings say nothing about, and texts without blanks, whose edits break many pairs of characters,
/// are near duplicates from this share of common words (there: of pairs) on. Lightly edited ones have half and more in
/// common, different ones a tenth at most (docs/adr/0026).
const LOOSELY_NEAR: f64 = 0.45;
/// Most members of one bucket that are compared: a flood of copies must not cost the square of its size. The earliest
/// are kept, and they are the ones that own.
const BUCKET: usize = 64;

/// Stands for the held-out set where a contribution is named: no contribution has this id, which is that of no transaction.
pub const HELD_OUT: ContributionId = ContributionId([0; 32]);

/// Which record, of which contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordRef {
    /// The contribution.
    pub contribution: ContributionId,
    /// Index of the record in it, from 0.
    pub record: u64,
}

/// How alike two records are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum DuplicateKind {
    /// The same canonical record.
    Exact,
    /// Nearly the same words.
    Near {
        /// Share of common 5-word shingles, [`NEAR`] to 1; or of common words where their order was changed, and where
        /// embeddings say nothing.
        jaccard: f64,
    },
    /// The same said otherwise.
    Paraphrase {
        /// Cosine of the embeddings, [`PARAPHRASE`] to 1.
        cosine: f32,
    },
}

/// An earlier record that a record repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DuplicateOf {
    /// The earlier record.
    #[serde(flatten)]
    pub of: RecordRef,
    /// How alike they are.
    #[serde(flatten)]
    pub kind: DuplicateKind,
}

/// Everything accepted into one datanet so far, in order of acceptance: for finding duplicates, and as the neighbours
/// among which usefulness is measured. About 2.5 KB a record with 384-dimensional embeddings.
#[derive(Debug, Clone, Default)]
pub struct DuplicateIndex {
    entries: Vec<Entry>,
    places: HashMap<RecordRef, usize>,
    leaves: HashMap<Digest, usize>,
    buckets: HashMap<u64, Vec<usize>>,
    clusters: Clusters,
    /// Scripts that the model of the embeddings knows.
    scripts: Scripts,
}

/// An accepted record.
#[derive(Debug, Clone)]
struct Entry {
    at: RecordRef,
    leaf: Digest,
    label: Option<String>,
    embedding: Box<[f32]>,
    shingles: Box<[u64]>,
    words: Box<[u64]>,
    is_loose: bool,
    keys: Vec<u64>,
    /// The entry that it repeats, if any: what the clusters are made of.
    repeats: Option<usize>,
}

/// A record as the search needs it.
struct Probe<'a> {
    leaf: Digest,
    shingles: Vec<u64>,
    words: Vec<u64>,
    /// Whether [`LOOSELY_NEAR`] is near enough.
    is_loose: bool,
    keys: Vec<u64>,
    /// Empty where the model does not know the text's script.
    embedding: &'a [f32],
}

impl<'a> Probe<'a> {
    fn new(record: &Record, embedding: &'a [f32], scripts: &Scripts) -> Self {
        let text = record.text();
        let hashes = word_hashes(text);
        let (shingles, words) = (shingles(text, &hashes, SHINGLE), word_set(&hashes));
        let is_read = scripts.read(text);
        let is_loose = !is_read || pairs_per_word(text) > 1;
        let mut keys = band_keys(&shingles, minhash::CLOSE);
        if is_loose {
            keys.extend(band_keys(&words, minhash::LOOSE));
        }
        let embedding = if is_read { embedding } else { &[] };
        Self { leaf: record.leaf(), keys, shingles, words, is_loose, embedding }
    }

    /// Whether another text is of nearly the same words.
    fn near(&self, shingles: &[u64], words: &[u64], is_loose: bool) -> Option<DuplicateKind> {
        let by_shingles = jaccard(&self.shingles, shingles);
        if by_shingles >= NEAR {
            return Some(DuplicateKind::Near { jaccard: by_shingles });
        }
        let by_words = if self.is_loose && is_loose { jaccard(&self.words, words) } else { 0.0 };
        (by_words >= LOOSELY_NEAR).then_some(DuplicateKind::Near { jaccard: by_words })
    }
}

impl DuplicateIndex {
    /// Nothing accepted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing accepted yet, and embeddings of a model that knows these scripts: about texts in others they say nothing.
    pub fn reading(scripts: Scripts) -> Self {
        Self { scripts, ..Self::default() }
    }

    /// A datanet's held-out records, under [`HELD_OUT`].
    pub fn of_held_out<E: AsRef<[f32]> + Sync>(records: &[(u64, Record)], embeddings: &[E], scripts: Scripts) -> Self {
        let mut index = Self::reading(scripts);
        index.add(HELD_OUT, records, embeddings);
        index
    }

    /// The scripts that the model of the embeddings knows.
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }

    /// Records in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The accepted records that have a label and an embedding that says something, in order of acceptance.
    pub(crate) fn labelled(&self) -> impl Iterator<Item = Labelled<'_>> {
        self.entries.iter().filter(|entry| !entry.embedding.is_empty()).filter_map(|entry| {
            Some(Labelled { embedding: &entry.embedding, label: entry.label.as_deref()?, leaf: entry.leaf })
        })
    }

    /// Adds the records (position and record) of an accepted contribution, each with its embedding, a unit vector.
    /// Contributions are added in order of acceptance; one that is there already is replaced.
    pub fn add<E: AsRef<[f32]> + Sync>(
        &mut self,
        contribution: ContributionId,
        records: &[(u64, Record)],
        embeddings: &[E],
    ) {
        self.remove(&contribution);
        let found = self.search(records, embeddings);
        let places: HashMap<u64, usize> =
            records.iter().enumerate().map(|(i, (position, _))| (*position, self.entries.len() + i)).collect();
        for (((position, record), embedding), found) in records.iter().zip(embeddings).zip(found) {
            let probe = Probe::new(record, embedding.as_ref(), &self.scripts);
            let repeats = found.and_then(|found| match found {
                Found::Earlier(entry, _) => Some(entry),
                Found::Batch(position, _) => places.get(&position).copied(),
            });
            self.insert(Entry {
                at: RecordRef { contribution, record: *position },
                leaf: probe.leaf,
                label: record.label().map(str::to_owned),
                embedding: probe.embedding.into(),
                shingles: probe.shingles.into(),
                words: probe.words.into(),
                is_loose: probe.is_loose,
                keys: probe.keys,
                repeats,
            });
        }
    }

    /// Removes a contribution (revoked, or no longer final). What it owned passes to the next that said it.
    pub fn remove(&mut self, contribution: &ContributionId) {
        if !self.entries.iter().any(|entry| entry.at.contribution == *contribution) {
            return;
        }
        let empty = Self::reading(self.scripts.clone());
        let old = std::mem::replace(self, empty);
        // Members of a cluster whose leader goes are tied to the first of them that stays.
        let mut heirs: HashMap<usize, usize> = HashMap::new();
        for (place, mut entry) in old.entries.into_iter().enumerate() {
            if entry.at.contribution == *contribution {
                continue;
            }
            let next = self.entries.len();
            let heir = *heirs.entry(old.clusters.leader(place)).or_insert(next);
            entry.repeats = (heir != next).then_some(heir);
            self.insert(entry);
        }
    }

    /// The first record that said what this one says: itself, or the earliest of its cluster of duplicates, who owns
    /// the cluster's share. `None` if there is no such record.
    pub fn owner(&self, at: &RecordRef) -> Option<RecordRef> {
        let place = *self.places.get(at)?;
        Some(self.entries[self.clusters.leader(place)].at)
    }

    fn insert(&mut self, entry: Entry) {
        let place = self.clusters.grow();
        if let Some(earlier) = entry.repeats {
            self.clusters.join(place, earlier);
        }
        self.places.insert(entry.at, place);
        self.leaves.entry(entry.leaf).or_insert(place);
        for key in &entry.keys {
            let bucket = self.buckets.entry(*key).or_default();
            if bucket.len() < BUCKET {
                bucket.push(place);
            }
        }
        self.entries.push(entry);
    }

    /// For each record (position and record; embeddings are unit vectors) of a batch of `contribution`, the earlier
    /// record that it repeats: an accepted one, or an earlier one of the batch itself. An exact match goes before a
    /// near one, a near one before a paraphrase, the earliest before later ones.
    pub fn check<E: AsRef<[f32]> + Sync>(
        &self,
        contribution: ContributionId,
        records: &[(u64, Record)],
        embeddings: &[E],
    ) -> Vec<Option<DuplicateOf>> {
        let name = |found: Found| match found {
            Found::Earlier(entry, kind) => DuplicateOf { of: self.entries[entry].at, kind },
            Found::Batch(record, kind) => DuplicateOf { of: RecordRef { contribution, record }, kind },
        };
        self.search(records, embeddings).into_iter().map(|found| found.map(name)).collect()
    }

    fn search<E: AsRef<[f32]> + Sync>(&self, records: &[(u64, Record)], embeddings: &[E]) -> Vec<Option<Found>> {
        let probes: Vec<Probe<'_>> =
            records.par_iter().zip(embeddings).map(|((_, r), e)| Probe::new(r, e.as_ref(), &self.scripts)).collect();
        let batch = BatchTables::new(&probes);
        let found: Vec<Option<Match>> =
            (0..probes.len()).into_par_iter().map(|i| self.find(&probes, i, &batch)).collect();
        found.into_iter().map(|found| found.map(|found| found.named(records))).collect()
    }

    /// The best match of probe `i` among the entries and the probes before it.
    fn find(&self, probes: &[Probe<'_>], i: usize, batch: &BatchTables) -> Option<Match> {
        let probe = &probes[i];
        if let Some(entry) = self.leaves.get(&probe.leaf) {
            return Some(Match { place: Place::Entry(*entry), kind: DuplicateKind::Exact });
        }
        if let Some(first) = batch.leaves.get(&probe.leaf).filter(|first| **first < i) {
            return Some(Match { place: Place::Probe(*first), kind: DuplicateKind::Exact });
        }
        let entries = candidates(&self.buckets, &probe.keys, usize::MAX);
        let by_words = entries.into_iter().find_map(|at| {
            let Entry { shingles, words, is_loose, .. } = &self.entries[at];
            Some(Match { place: Place::Entry(at), kind: probe.near(shingles, words, *is_loose)? })
        });
        if by_words.is_some() {
            return by_words;
        }
        let earlier = candidates(&batch.buckets, &probe.keys, i);
        let by_words = earlier.into_iter().find_map(|at| {
            let Probe { shingles, words, is_loose, .. } = &probes[at];
            Some(Match { place: Place::Probe(at), kind: probe.near(shingles, words, *is_loose)? })
        });
        by_words.or_else(|| self.paraphrased(probes, i))
    }

    fn paraphrased(&self, probes: &[Probe<'_>], i: usize) -> Option<Match> {
        let embedding = probes[i].embedding;
        if embedding.is_empty() {
            return None;
        }
        let close = |place: Place, other: &[f32], words: &[u64]| {
            let cosine = cosine(embedding, other).min(1.0);
            let jaccard = if cosine < CLOSE { 0.0 } else { jaccard(&probes[i].words, words) };
            let kind = match (jaccard >= SAME_WORDS, cosine >= PARAPHRASE) {
                (true, _) => DuplicateKind::Near { jaccard },
                (false, true) => DuplicateKind::Paraphrase { cosine },
                (false, false) => return None,
            };
            Some(Match { place, kind })
        };
        let mut entries = self.entries.iter().enumerate();
        let among_entries = entries.find_map(|(at, e)| close(Place::Entry(at), &e.embedding, &e.words));
        let earlier = |other: usize| close(Place::Probe(other), probes[other].embedding, &probes[other].words);
        among_entries.or_else(|| (0..i).find_map(earlier))
    }
}

/// A match, by place.
struct Match {
    place: Place,
    kind: DuplicateKind,
}

#[derive(Clone, Copy)]
enum Place {
    Entry(usize),
    Probe(usize),
}

/// A match, by entry or by position in the batch.
enum Found {
    Earlier(usize, DuplicateKind),
    Batch(u64, DuplicateKind),
}

impl Match {
    fn named(self, records: &[(u64, Record)]) -> Found {
        match self.place {
            Place::Entry(entry) => Found::Earlier(entry, self.kind),
            Place::Probe(i) => Found::Batch(records[i].0, self.kind),
        }
    }
}

/// The batch's own leaves and buckets, each with the probes in order.
struct BatchTables {
    leaves: HashMap<Digest, usize>,
    buckets: HashMap<u64, Vec<usize>>,
}

impl BatchTables {
    fn new(probes: &[Probe<'_>]) -> Self {
        let (mut leaves, mut buckets) = (HashMap::new(), HashMap::<u64, Vec<usize>>::new());
        for (i, probe) in probes.iter().enumerate() {
            if *leaves.entry(probe.leaf).or_insert(i) != i {
                continue;
            }
            for key in &probe.keys {
                let bucket = buckets.entry(*key).or_default();
                if bucket.len() < BUCKET {
                    bucket.push(i);
                }
            }
        }
        Self { leaves, buckets }
    }
}

/// Members before `end` that share a key, the earliest first.
fn candidates(buckets: &HashMap<u64, Vec<usize>>, keys: &[u64], end: usize) -> Vec<usize> {
    let members = keys.iter().filter_map(|key| buckets.get(key)).flatten().copied();
    let mut members: Vec<usize> = members.filter(|member| *member < end).collect();
    members.sort_unstable();
    members.dedup();
    members
}

#[cfg(test)]
mod tests;
