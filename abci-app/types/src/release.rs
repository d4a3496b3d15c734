//! A trained model as it travels: the manifest of its files, of the data behind it and of how it was measured.
//!
//! The canonical bytes of a [`Release`] are a blob; the ledger has their BLAKE3 hash, and the model's id is made of that and
//! of its owner. So whoever knows the id can look the hash up, fetch the manifest from any holder, and from it every file.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::codec::{CodecError, decode_canonical};
use crate::id::tagged_hash;
use crate::ppm::{Ppm, SignedPpm};
use crate::receipt::{Credit, Influence, MAX_INFLUENCES, MAX_WORTH, influence_weights};
use crate::split::split;
use crate::{Address, BlobHash, ContributionId, DatanetId, Digest, ModelId};

/// Longest manifest in bytes.
pub const MAX_RELEASE_BYTES: usize = 16 * 1024 * 1024;
/// The version of manifests written now.
pub const RELEASE_VERSION: u32 = 4;
/// Most files of a release.
pub const MAX_FILES: usize = 64;
/// Most sources, and most contributions of one source.
pub const MAX_SOURCES: usize = 4_096;
/// Most labels.
pub const MAX_LABELS: usize = 1_024;
/// Most datanets a model is trained on.
pub const MAX_SNAPSHOTS: usize = 16;
/// Most numbers of an evaluation.
pub const MAX_METRICS: usize = 64;
/// Most methods of attribution that a release compares.
pub const MAX_COMPARED: usize = 8;
/// Most halves of its records that a release was trained on for what pays.
pub const MAX_HALVES: u32 = 64;
/// Longest name of a model, file, metric or label, and longest licence, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest label in bytes.
pub const MAX_LABEL_BYTES: usize = 256;
/// Longest job in bytes.
pub const MAX_JOB_BYTES: usize = 64 * 1024;

/// A place in a datanet's history: exactly the contributions that were final, and not revoked, when the history had
/// `count` entries. The ledger checks it with one look.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct DataSnapshot {
    /// The datanet.
    #[prost(message, required, tag = "1")]
    pub datanet: DatanetId,
    /// Entries in its history: each time something became final or was revoked is one.
    #[prost(uint64, tag = "2")]
    pub count: u64,
    /// The history's digest after them.
    #[prost(message, required, tag = "3")]
    pub digest: Digest,
}

impl DataSnapshot {
    /// The beginning of a datanet's history.
    pub fn start(datanet: DatanetId) -> Self {
        Self { datanet, count: 0, digest: Digest::ZERO }
    }

    /// The history with one more entry: `contribution` has become final, or (`revoked`) was taken back.
    #[must_use]
    pub fn then(&self, contribution: &ContributionId, revoked: bool) -> Self {
        let what: &[u8] = if revoked { b"revoked" } else { b"final" };
        let parts: [&[u8]; 4] = [&self.datanet.0, &self.digest.0, &contribution.0, what];
        let digest = Digest(tagged_hash("datanet/history/v1", &parts));
        Self { datanet: self.datanet, count: self.count.saturating_add(1), digest }
    }

    /// One digest over all data behind a model: what its receipts carry as snapshot.
    pub fn digest_of(snapshots: &[Self]) -> Digest {
        let encoded: Vec<Vec<u8>> = snapshots.iter().map(Message::encode_to_vec).collect();
        let parts: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        Digest(tagged_hash("datanet/model-data/v1", &parts))
    }
}

/// One number of an evaluation.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Metric {
    /// What was measured, such as `accuracy`; 1 to 64 bytes.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The value.
    #[prost(message, required, tag = "2")]
    pub value: SignedPpm,
}

/// What a model does.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Task {
    /// Gives a passage one of the labels.
    Classify = 0,
    /// Turns a text into a vector.
    Embed = 1,
    /// Continues a text.
    Generate = 2,
}

crate::enum_text!(task_text, super::Task);

/// Where a model comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
#[repr(i32)]
pub enum Origin {
    /// An adapter, trained over a base.
    Adapter = 0,
    /// Trained from nothing: it is its own base.
    Scratch = 1,
    /// Trained elsewhere by others, and put up as it is: nothing is known of its data, so it claims neither data nor a run, and
    /// credits nobody.
    Imported = 2,
}

crate::enum_text!(origin_text, super::Origin);

/// One file of a release.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct ReleaseFile {
    /// Its name: 1 to 64 of `a-z A-Z 0-9 . _ -`, not beginning with a dot.
    #[prost(string, tag = "1")]
    pub name: String,
    /// BLAKE3 of its bytes.
    #[prost(message, required, tag = "2")]
    pub blob: BlobHash,
    /// Bytes.
    #[prost(uint64, tag = "3")]
    pub size: u64,
}

/// A contribution's part in a source.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct SourcePart {
    /// The contribution.
    #[prost(message, required, tag = "1")]
    pub contribution: ContributionId,
    /// How many of its records were trained on; at least 1.
    #[prost(uint64, tag = "2")]
    pub records: u64,
}

/// A column of the influence table: whoever's data it stands for.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Source {
    /// Who gave the data and is paid.
    #[prost(message, required, tag = "1")]
    pub contributor: Address,
    /// Through which contributions, ordered by id.
    #[prost(message, repeated, tag = "2")]
    pub contributions: Vec<SourcePart>,
}

/// How answers are attributed, and how faithful that was found to be by real retraining.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Attribution {
    /// The method, such as `forward-replay` or `gauss-newton`; 1 to 64 bytes.
    #[prost(string, tag = "1")]
    pub method: String,
    /// Linear datamodelling score.
    #[prost(message, required, tag = "2")]
    pub lds: SignedPpm,
    /// Leave-one-out rank by answer: agreement over contributors left out, answer by answer.
    #[prost(message, required, tag = "3")]
    pub leave_one_out: SignedPpm,
    /// Agreement of the pay over contributors.
    #[prost(message, required, tag = "4")]
    pub pay: SignedPpm,
    /// Retrainings on random parts of the data that the score rests on.
    #[prost(uint32, tag = "5")]
    pub subsets: u32,
    /// Contributors left out for real.
    #[prost(uint32, tag = "6")]
    pub contributors: u32,
    /// Whether enough retrainings were made to judge it, and the numbers were good enough.
    #[prost(bool, tag = "7")]
    pub passed: bool,
    /// Every method that was held against the same retrainings, the one chosen among them; empty where nothing was
    /// retrained. At most [`MAX_COMPARED`].
    #[prost(message, repeated, tag = "8")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
    /// Between which `lds` lies with other retrainings and answers of the same kind, in 95 of 100 cases; absent where
    /// it says nothing.
    #[prost(message, optional, tag = "9")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lds_interval: Option<Interval>,
    /// The same of `leave_one_out`.
    #[prost(message, optional, tag = "10")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_one_out_interval: Option<Interval>,
    /// Trainings on random halves of the records, by whose mean answers pay; even, and at most [`MAX_HALVES`].
    #[prost(uint32, tag = "11")]
    pub halves: u32,
    /// The first-order error of forward replay, told along the run without retraining: the length of what it missed of how
    /// gradients change without some records, over that of the whole change; 0 or more. Absent where nothing was followed.
    #[prost(message, optional, tag = "12")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_order_error: Option<SignedPpm>,
}

/// Between which a figure lies in 95 of 100 cases.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The lower end.
    #[prost(message, required, tag = "1")]
    pub low: SignedPpm,
    /// The upper end, not below the lower.
    #[prost(message, required, tag = "2")]
    pub high: SignedPpm,
}

/// A method of attribution, and how faithful it was found to be.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Compared {
    /// The method, such as `forward-replay` or `gauss-newton`; 1 to 64 bytes.
    #[prost(string, tag = "1")]
    pub method: String,
    /// As [`Attribution::lds`].
    #[prost(message, required, tag = "2")]
    pub lds: SignedPpm,
    /// As [`Attribution::leave_one_out`].
    #[prost(message, required, tag = "3")]
    pub leave_one_out: SignedPpm,
    /// As [`Attribution::pay`].
    #[prost(message, required, tag = "4")]
    pub pay: SignedPpm,
    /// As [`Attribution::passed`].
    #[prost(bool, tag = "5")]
    pub passed: bool,
    /// As [`Attribution::lds_interval`].
    #[prost(message, optional, tag = "6")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lds_interval: Option<Interval>,
    /// As [`Attribution::leave_one_out_interval`].
    #[prost(message, optional, tag = "7")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_one_out_interval: Option<Interval>,
}

/// The manifest of a trained model. See the module.
#[derive(Clone, PartialEq, Eq, prost::Message, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Format, now [`RELEASE_VERSION`].
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// A name for people, 1 to 64 bytes.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What it does.
    #[prost(enumeration = "Task", tag = "3")]
    #[serde(with = "task_text")]
    pub task: i32,
    /// The model that an adapter adapts; nothing else has one.
    #[prost(message, optional, tag = "4")]
    pub base: Option<ModelId>,
    /// Its files, ordered by name.
    #[prost(message, repeated, tag = "5")]
    pub files: Vec<ReleaseFile>,
    /// The labels it gives, in the order of its outputs.
    #[prost(string, repeated, tag = "6")]
    pub labels: Vec<String>,
    /// What it was trained on, ordered by datanet.
    #[prost(message, repeated, tag = "7")]
    pub snapshots: Vec<DataSnapshot>,
    /// The columns of its influence table, in their order.
    #[prost(message, repeated, tag = "8")]
    pub sources: Vec<Source>,
    /// How it was measured.
    #[prost(message, repeated, tag = "9")]
    pub evaluation: Vec<Metric>,
    /// How its answers are attributed; absent if they are not.
    #[prost(message, optional, tag = "10")]
    pub attribution: Option<Attribution>,
    /// The job that made it, as JSON.
    #[prost(string, tag = "11")]
    pub job: String,
    /// SPDX expression of the model's own licence, 1 to 64 bytes.
    #[prost(string, tag = "12")]
    pub licence: String,
    /// Where it comes from.
    #[prost(enumeration = "Origin", tag = "13")]
    #[serde(with = "origin_text")]
    pub origin: i32,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not canonical, or too long.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Not the manifest asked for.
    #[error("the manifest's hash is {actual}, not {expected}")]
    Hash {
        /// The hash asked for.
        expected: Digest,
        /// The hash it has.
        actual: Digest,
    },
    /// Written by a newer version.
    #[error("release version {0} is not known here; update this node")]
    Version(u32),
    /// Written by an older version, whose answers paid by another rule.
    #[error(
        "release version {0} is of before {RELEASE_VERSION}, when answers paid by another rule; train the model again"
    )]
    Old(u32),
    /// A field is out of bounds.
    #[error("bad release: {0}")]
    Invalid(String),
}

fn check(good: bool, what: impl FnOnce() -> String) -> Result<(), ReleaseError> {
    if good { Ok(()) } else { Err(ReleaseError::Invalid(what())) }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&text.len())
}

/// Whether `name` may be a file's name everywhere: no folders, nothing hidden.
fn is_file_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    is_name(name) && !name.starts_with('.') && name.bytes().all(known)
}

fn ascending<T: Ord>(items: impl Iterator<Item = T> + Clone) -> bool {
    items.clone().zip(items.skip(1)).all(|(a, b)| a < b)
}

impl Release {
    /// The bytes stored as a blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// BLAKE3 of those bytes: with its owner it makes the model's id ([`ModelId::derive`]).
    pub fn manifest(&self) -> Digest {
        Digest(*blake3::hash(&self.to_bytes()).as_bytes())
    }

    /// The blob that is the manifest of this hash.
    pub fn blob_of(manifest: &Digest) -> BlobHash {
        BlobHash(manifest.0)
    }

    /// Decodes a manifest and checks its bounds.
    ///
    /// # Errors
    /// When the bytes are not a canonical manifest of at most [`MAX_RELEASE_BYTES`]; else as [`Release::validate`].
    pub fn decode_bytes(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let release: Self = decode_canonical(bytes, MAX_RELEASE_BYTES)?;
        release.validate()?;
        Ok(release)
    }

    /// Decodes the manifest whose hash is `manifest`.
    ///
    /// # Errors
    /// [`ReleaseError::Hash`] when the bytes have another hash; else as [`Release::decode_bytes`].
    pub fn verify(bytes: &[u8], manifest: &Digest) -> Result<Self, ReleaseError> {
        let actual = Digest(*blake3::hash(bytes).as_bytes());
        if actual != *manifest {
            return Err(ReleaseError::Hash { expected: *manifest, actual });
        }
        Self::decode_bytes(bytes)
    }

    /// Checks every bound. A manifest that passes is decoded by every node.
    ///
    /// # Errors
    /// [`ReleaseError::Version`] or [`ReleaseError::Old`] when the manifest is of another version,
    /// [`ReleaseError::Invalid`] with the first bound that it does not keep.
    pub fn validate(&self) -> Result<(), ReleaseError> {
        match self.version {
            RELEASE_VERSION => {}
            old if old < RELEASE_VERSION => return Err(ReleaseError::Old(old)),
            new => return Err(ReleaseError::Version(new)),
        }
        check(self.encoded_len() <= MAX_RELEASE_BYTES, || format!("a manifest is at most {MAX_RELEASE_BYTES} bytes"))?;
        check(is_name(&self.name), || "a model's name is 1 to 64 bytes long".into())?;
        check(is_name(&self.licence), || "the licence is an SPDX expression of 1 to 64 bytes".into())?;
        check(Task::try_from(self.task).is_ok(), || format!("task {} is not known", self.task))?;
        check(self.job.len() <= MAX_JOB_BYTES, || format!("the job is at most {MAX_JOB_BYTES} bytes long"))?;
        self.validate_origin()?;
        self.validate_files()?;
        self.validate_labels()?;
        validate_snapshots(&self.snapshots)?;
        validate_evaluation(&self.evaluation)?;
        self.validate_sources()?;
        self.attribution.as_ref().map_or(Ok(()), validate_attribution)
    }

    fn validate_origin(&self) -> Result<(), ReleaseError> {
        let origin = Origin::try_from(self.origin).ok();
        check(origin.is_some(), || format!("origin {} is not known", self.origin))?;
        let adapter = origin == Some(Origin::Adapter);
        check(self.base.is_some() == adapter, || "an adapter has a base, and nothing else has".into())?;
        let claims = !self.snapshots.is_empty()
            || !self.sources.is_empty()
            || !self.job.is_empty()
            || self.attribution.is_some();
        let imported = origin == Some(Origin::Imported);
        check(!(imported && claims), || "a model put up as it is claims data or a run that it cannot have".into())
    }

    fn validate_files(&self) -> Result<(), ReleaseError> {
        check((1..=MAX_FILES).contains(&self.files.len()), || format!("a release has 1 to {MAX_FILES} files"))?;
        for file in &self.files {
            check(is_file_name(&file.name), || format!("{:?} is no file name: letters, digits, . _ -", file.name))?;
            check(file.size > 0, || format!("file {} is empty", file.name))?;
        }
        check(ascending(self.files.iter().map(|file| &file.name)), || "files are ordered by name, once each".into())
    }

    fn validate_labels(&self) -> Result<(), ReleaseError> {
        check(self.labels.len() <= MAX_LABELS, || format!("a release has at most {MAX_LABELS} labels"))?;
        let each = |label: &String| (1..=MAX_LABEL_BYTES).contains(&label.len());
        check(self.labels.iter().all(each), || format!("a label is 1 to {MAX_LABEL_BYTES} bytes long"))?;
        let different = self.labels.iter().collect::<BTreeSet<_>>().len() == self.labels.len();
        check(different, || "labels differ from one another".into())
    }

    fn validate_sources(&self) -> Result<(), ReleaseError> {
        check(self.sources.len() <= MAX_SOURCES, || format!("a release has at most {MAX_SOURCES} sources"))?;
        let mut seen = BTreeSet::new();
        for source in &self.sources {
            let count = source.contributions.len();
            check((1..=MAX_SOURCES).contains(&count), || format!("a source has 1 to {MAX_SOURCES} contributions"))?;
            let ordered = ascending(source.contributions.iter().map(|part| part.contribution));
            check(ordered, || "a source's contributions are ordered by id, once each".into())?;
            for part in &source.contributions {
                check(part.records > 0, || format!("no record of contribution {} is used", part.contribution))?;
                check(seen.insert(part.contribution), || {
                    format!("contribution {} is in two sources", part.contribution)
                })?;
            }
        }
        Ok(())
    }

    /// The file called `name`.
    pub fn file(&self, name: &str) -> Option<&ReleaseFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// The contributions it was trained on, column by column.
    pub fn contributions(&self) -> impl Iterator<Item = &ContributionId> {
        self.sources.iter().flat_map(|source| &source.contributions).map(|part| &part.contribution)
    }

    /// Spreads the value of each column (parts per billion of the loss, positive = it helped) over its contributions, by
    /// records used, to the last unit; ordered by contribution, with what each is `worth`. What `is_revoked` names is left
    /// out: it is neither paid nor spoken of again; of more than [`MAX_INFLUENCES`] the strongest stay. Columns without a
    /// value count as zero.
    pub fn spread(
        &self,
        values: &[i64],
        worth: &BTreeMap<ContributionId, i64>,
        is_revoked: impl Fn(&ContributionId) -> bool,
    ) -> Vec<Influence> {
        let mut spread = Vec::new();
        for (source, value) in self.sources.iter().zip(values.iter().copied().chain(std::iter::repeat(0))) {
            let records: Vec<u64> = source.contributions.iter().map(|part| part.records).collect();
            for (part, share) in source.contributions.iter().zip(split(value.unsigned_abs(), &records)) {
                let share = i64::try_from(share).unwrap_or(i64::MAX);
                let value = if value < 0 { share.saturating_neg() } else { share };
                let worth = worth.get(&part.contribution).copied().unwrap_or(0).clamp(-MAX_WORTH, MAX_WORTH);
                spread.push(Influence { contribution: part.contribution, value, worth });
            }
        }
        spread.retain(|influence| !is_revoked(&influence.contribution));
        if spread.len() > MAX_INFLUENCES {
            // What counts for pay comes first, of either sign: harm that were left out would be forgiven.
            let strength = |one: &Influence| (Reverse(one.worth.unsigned_abs()), Reverse(one.value.unsigned_abs()));
            spread.sort_by_key(|influence| (strength(influence), influence.contribution));
            spread.truncate(MAX_INFLUENCES);
        }
        spread.sort_by_key(|influence| influence.contribution);
        spread
    }

    /// The credits of an answer with these influences: what of their worth is above zero shares the whole, see [`influence_weights`].
    pub fn credits(&self, influence: &[Influence]) -> Vec<Credit> {
        self.credited(influence_weights(influence))
    }

    /// The credits of contributions with these weights, as far as it learnt from them.
    pub(crate) fn credited(&self, weights: Vec<(ContributionId, Ppm)>) -> Vec<Credit> {
        let parts = |source: &Source| {
            let contributor = source.contributor;
            source.contributions.iter().map(move |part| (part.contribution, contributor)).collect::<Vec<_>>()
        };
        let givers: BTreeMap<ContributionId, Address> = self.sources.iter().flat_map(parts).collect();
        let credit = |(contribution, weight): (ContributionId, Ppm)| {
            Some(Credit { contribution, contributor: *givers.get(&contribution)?, weight })
        };
        weights.into_iter().filter_map(credit).collect()
    }
}

fn validate_attribution(attribution: &Attribution) -> Result<(), ReleaseError> {
    let compared = &attribution.compared;
    check(
        compared.len() <= MAX_COMPARED
            && compared.iter().all(|one| is_name(&one.method))
            && is_name(&attribution.method),
        || format!("an attribution method's name is 1 to 64 bytes long, and at most {MAX_COMPARED} are compared"),
    )?;
    let own = [attribution.lds_interval, attribution.leave_one_out_interval];
    let others = compared.iter().flat_map(|one| [one.lds_interval, one.leave_one_out_interval]);
    let ordered = own.into_iter().chain(others).flatten().all(|interval| interval.low <= interval.high);
    check(ordered, || "an interval ends below its beginning".into())?;
    let missed = attribution.first_order_error;
    check(missed.is_none_or(|error| error.0 >= 0), || "a first-order error is 0 or more".into())?;
    let halves = attribution.halves;
    check(halves <= MAX_HALVES && halves.is_multiple_of(2), || {
        format!("a release has an even number of halves, at most {MAX_HALVES}")
    })
}

/// Checks the data behind a model.
///
/// # Errors
/// When there are more than [`MAX_SNAPSHOTS`], they are not ordered by datanet with one for each, or one is empty.
pub fn validate_snapshots(snapshots: &[DataSnapshot]) -> Result<(), ReleaseError> {
    check(snapshots.len() <= MAX_SNAPSHOTS, || format!("a model is trained on at most {MAX_SNAPSHOTS} datanets"))?;
    let ordered = ascending(snapshots.iter().map(|snapshot| snapshot.datanet));
    check(ordered, || "snapshots are ordered by datanet, one for each".into())?;
    check(snapshots.iter().all(|snapshot| snapshot.count > 0), || "a snapshot of nothing: leave it out".into())
}

/// Checks an evaluation.
///
/// # Errors
/// When there are more than [`MAX_METRICS`] numbers, or a name is empty, longer than [`MAX_NAME_BYTES`] or given twice.
pub fn validate_evaluation(evaluation: &[Metric]) -> Result<(), ReleaseError> {
    check(evaluation.len() <= MAX_METRICS, || format!("an evaluation has at most {MAX_METRICS} numbers"))?;
    check(evaluation.iter().all(|metric| is_name(&metric.name)), || "a metric's name is 1 to 64 bytes long".into())?;
    let names: BTreeSet<&str> = evaluation.iter().map(|metric| metric.name.as_str()).collect();
    check(names.len() == evaluation.len(), || "an evaluation names each metric once".into())
}

#[cfg(test)]
mod tests;
