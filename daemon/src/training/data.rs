//! The records behind a snapshot of the ledger, ready to be learnt from.
//!
//! Order, labels and held-out records follow from the ledger and the blobs alone, so every node gathers the same. Of
//! records that say the same only the first is learnt from, and counts for whoever said it: a copy makes neither its
//! own giver nor the first one richer.

use std::collections::{BTreeMap, BTreeSet};

use datanet_data::Embedding;
use datanet_data::corpus::Record;
use datanet_data::judge::{DuplicateIndex, RecordRef};
use datanet_ledger::component::contributions::Contribution;
use datanet_training::data::{Dataset, Example, Part, Source as Column};
use datanet_training::job::{Job, Task};
use datanet_types::release::{DataSnapshot, MAX_SOURCES, Source, SourcePart};
use datanet_types::{Address, ContributionId};

use super::Training;
use super::shape::{Shape, pair_by_label};
use crate::error::{Code, ServiceError, ServiceResult};

/// Records up to which paraphrases are looked for too: that costs the square of their number.
const MAX_PARAPHRASED: usize = 20_000;

/// Records to learn from, and where they come from.
#[derive(Debug, Clone)]
pub struct Gathered {
    /// For training.
    pub dataset: Dataset,
    /// For the release: who holds each column, by which contributions.
    pub sources: Vec<Source>,
    /// Which record each training example is.
    pub records: Vec<RecordRef>,
}

/// The records of one contribution, with vectors to find paraphrases by.
struct ContributionRecords {
    contribution: Contribution,
    shape: Shape,
    records: Vec<(u64, Record)>,
    embeddings: Vec<Vec<f32>>,
    /// Whether the job leaves it out. What it said first is nobody else's to say again.
    is_out: bool,
}

/// How far the gathering is.
struct Reading<'a> {
    told: &'a mut (dyn FnMut(u64, u64) + Send),
    done: u64,
    total: u64,
}

impl Reading<'_> {
    fn more(&mut self) {
        self.done = self.total.min(self.done.saturating_add(1));
        (self.told)(self.done, self.total);
    }

    /// What was taken back, or is beyond the most records, was counted and not read.
    fn end(&mut self) {
        (self.told)(self.total, self.total);
    }
}

impl Training {
    /// Gathers the records of these snapshots for `job`. Brings what is not here. What was taken back since makes a
    /// snapshot unusable: the model would be flagged from its first day. `told` hears how far that is, and of how much.
    ///
    /// # Errors
    /// When a contribution was taken back since ([`Code::ContributionRevoked`]), a licence allows no training
    /// ([`Code::LicenceForbids`]), records cannot be had, there is nothing in them that the task can learn from
    /// ([`Code::BadData`]), or too many contributors are behind them ([`Code::TooManyContributors`]).
    pub async fn gather(
        &self,
        snapshots: &[DataSnapshot],
        job: &Job,
        told: &mut (dyn FnMut(u64, u64) + Send),
    ) -> ServiceResult<Gathered> {
        let (mut contributions, mut held_out) = (Vec::new(), Vec::new());
        let out: BTreeSet<ContributionId> = job.data.without.iter().copied().collect();
        // Each is read, and then compared with all others.
        let members = snapshots.iter().map(|snapshot| snapshot.count).fold(0, u64::saturating_add);
        let mut meter = Reading { told, done: 0, total: members.saturating_mul(2) };
        for snapshot in snapshots {
            let limit = job.data.max_records as u64;
            let data = self.records.training_records_telling(snapshot, limit, &out, &mut || meter.more()).await?;
            if let Some(id) = data.revoked.first() {
                return Err(ServiceError::new(
                    Code::ContributionRevoked,
                    format!("contribution {id} was taken back by its contributor; create the job again without it"),
                ));
            }
            let shape = Shape::of(job, &data.datanet.schema);
            // The set that the last of them was judged with: it follows from the snapshot, whatever is announced later.
            let number = data.contributions.last().map_or(0, |last| last.holdout);
            let records = self.records.held_out_records(&data.datanet, number).await?;
            held_out.extend(records.iter().filter_map(|record| shape.piece(record)));
            let mut records: BTreeMap<ContributionId, Vec<(u64, Record)>> = BTreeMap::new();
            for record in data.records {
                records.entry(record.contribution).or_default().push((record.index, record.record));
            }
            for contribution in data.contributions {
                let records = records.remove(&contribution.id).unwrap_or_default();
                contributions.push(ContributionRecords {
                    is_out: out.contains(&contribution.id),
                    contribution,
                    shape: shape.clone(),
                    records,
                    embeddings: Vec::new(),
                });
            }
        }
        // Whoever was first, over all datanets.
        contributions
            .sort_by_key(|given| (given.contribution.final_height, given.contribution.datanet, given.contribution.seq));
        self.add_embeddings(&mut contributions, &mut meter).await?;
        meter.end();
        let job = job.clone();
        let made = tokio::task::spawn_blocking(move || assemble(contributions, held_out, &job)).await;
        made.map_err(|error| ServiceError::caused(Code::Gather, error))?
    }

    /// Vectors for finding paraphrases, where there are few enough records and there is a model. Words are compared anyway.
    async fn add_embeddings(
        &self,
        contributions: &mut [ContributionRecords],
        meter: &mut Reading<'_>,
    ) -> ServiceResult<()> {
        let total = contributions.iter().map(|given| given.records.len()).fold(0, usize::saturating_add);
        let wanted = total <= MAX_PARAPHRASED && self.embedder.engine().is_ok();
        for given in contributions {
            given.embeddings = vec![Vec::new(); given.records.len()];
            if wanted {
                let embeddings = self.records.embeddings(&given.contribution.blob, &given.records).await?;
                // A vector of a text in a script that the model does not know says nothing: its words alone count.
                let vector = |(embedding, (_, record)): (&Embedding, &(u64, Record))| {
                    let is_read = self.embedder.scripts().read(record.text());
                    if is_read { embedding.as_slice().to_vec() } else { Vec::new() }
                };
                given.embeddings = embeddings.iter().zip(&given.records).map(vector).collect();
            }
            meter.more();
        }
        Ok(())
    }
}

/// What a task takes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub label: Option<String>,
    pub pair: Option<String>,
}

/// Makes examples, columns and labels of what was read.
fn assemble(contributions: Vec<ContributionRecords>, mut held_out: Vec<Piece>, job: &Job) -> ServiceResult<Gathered> {
    let mut duplicates = DuplicateIndex::new();
    for given in &contributions {
        duplicates.add(given.contribution.id, &given.records, &given.embeddings);
    }
    let mut columns = Columns::default();
    let (mut pieces, mut places, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let wanted = held_out.is_empty() && job.data.held_out > 0.0;
    // What a model is measured with it does not learn from, whoever gave it and when.
    let asked: BTreeSet<String> = held_out.iter().map(|piece| piece.text.trim().to_owned()).collect();
    for given in contributions.iter().filter(|given| !given.is_out) {
        for (position, record) in &given.records {
            if pieces.len() == job.data.max_records {
                break;
            }
            let Some(piece) = given.shape.piece(record) else { continue };
            let at = RecordRef { contribution: given.contribution.id, record: *position };
            if duplicates.owner(&at).is_some_and(|first| first != at) || asked.contains(piece.text.trim()) {
                continue;
            }
            if wanted && is_held_out(record, job.data.held_out) {
                held_out.push(piece);
                continue;
            }
            places.push(columns.place(given.contribution.contributor, at.contribution));
            pieces.push(piece);
            records.push(at);
        }
    }
    let labels: BTreeSet<_> = pieces.iter().filter_map(|piece| piece.label.as_ref()).collect();
    if job.task == Task::Embed && job.data.pair.is_none() && labels.len() == 1 {
        let detail = "task embed pairs records by label and tells labels apart; all records here have the same one";
        return Err(ServiceError::new(Code::BadData, detail));
    }
    let dataset = Dataset { parts: parts(&records), ..dataset(pieces, places, held_out, &columns, job) };
    check_pairs(&dataset, job)?;
    dataset.check().map_err(|error| ServiceError::caused(Code::BadData, error))?;
    Ok(Gathered { dataset, sources: columns.finish()?, records })
}

/// Whether a record is among the `share` kept out where the datanet brings no records that ask: by its hash, so that it is the same one in every run and on every node.
fn is_held_out(record: &Record, share: f32) -> bool {
    let place = record.leaf().0.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    f64::from(place) < f64::from(share) * f64::from(u32::MAX)
}

fn dataset(pieces: Vec<Piece>, places: Vec<usize>, held_out: Vec<Piece>, columns: &Columns, job: &Job) -> Dataset {
    let named: BTreeSet<&String> = pieces.iter().chain(&held_out).filter_map(|piece| piece.label.as_ref()).collect();
    let labels: Vec<String> = match job.task {
        Task::Classify => named.into_iter().cloned().collect(),
        Task::Embed | Task::Generate => Vec::new(),
    };
    let (pieces, held_out) = match (job.task, &job.data.pair) {
        (Task::Embed, None) => (pair_by_label(pieces), pair_by_label(held_out)),
        _ => (pieces, held_out),
    };
    let example = |(piece, source): (Piece, usize)| Example {
        label: piece.label.and_then(|label| labels.binary_search(&label).ok()),
        text: piece.text,
        pair: piece.pair,
        source,
    };
    let mut train: Vec<Example> = pieces.into_iter().zip(places).map(example).collect();
    let mut held_out: Vec<Example> = held_out.into_iter().map(|piece| example((piece, 0))).collect();
    if job.task == Task::Embed {
        // Alone with its label, a record means the same as nothing else.
        held_out.retain(|example| example.pair.is_some());
        train
            .iter_mut()
            .filter(|example| example.pair.is_none())
            .for_each(|example| example.pair = Some(example.text.clone()));
    }
    Dataset { task: job.task, train, held_out, sources: columns.named(), labels, parts: Vec::new() }
}

/// What each contribution gave, in the order of the records: they follow one another.
fn parts(records: &[RecordRef]) -> Vec<Part> {
    let given = records.chunk_by(|a, b| a.contribution == b.contribution);
    given.map(|records| Part { name: records[0].contribution.to_string(), records: records.len() }).collect()
}

/// Records whose only pair is themselves teach an embedding nothing.
fn check_pairs(dataset: &Dataset, job: &Job) -> ServiceResult<()> {
    let paired = |example: &Example| example.pair.as_ref().is_some_and(|pair| *pair != example.text);
    if job.task != Task::Embed || dataset.train.iter().any(paired) {
        return Ok(());
    }
    let why = match &job.data.pair {
        Some(field) => format!("in every record the field {field:?} is missing or repeats the text"),
        None => "no two records have the same label".to_owned(),
    };
    let detail = format!("task embed needs data.pair = FIELD, or labels to pair records by: {why}");
    Err(ServiceError::new(Code::BadData, detail))
}

/// Columns in the order in which their holders first appear.
#[derive(Default)]
struct Columns {
    places: BTreeMap<Address, usize>,
    holders: Vec<(Address, BTreeMap<ContributionId, u64>)>,
}

impl Columns {
    /// The column of a record that `giver` holds by `contribution`.
    fn place(&mut self, giver: Address, contribution: ContributionId) -> usize {
        let next = self.holders.len();
        let place = *self.places.entry(giver).or_insert(next);
        if place == next {
            self.holders.push((giver, BTreeMap::new()));
        }
        if let Some((_, parts)) = self.holders.get_mut(place) {
            let records = parts.entry(contribution).or_default();
            *records = records.saturating_add(1);
        }
        place
    }

    fn named(&self) -> Vec<Column> {
        self.holders.iter().map(|(giver, _)| Column { name: giver.to_string() }).collect()
    }

    fn finish(self) -> ServiceResult<Vec<Source>> {
        if self.holders.len() > MAX_SOURCES {
            return Err(ServiceError::new(
                Code::TooManyContributors,
                format!(
                    "{} contributors are behind this data; a release names at most {MAX_SOURCES}",
                    self.holders.len()
                ),
            ));
        }
        let part = |(contribution, records)| SourcePart { contribution, records };
        let source = |(contributor, parts): (Address, BTreeMap<ContributionId, u64>)| Source {
            contributor,
            contributions: parts.into_iter().map(part).collect(),
        };
        Ok(self.holders.into_iter().map(source).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(n: u8, giver: u8, lines: &[(&str, &str)]) -> ContributionRecords {
        let schema = datanet_types::schema::Schema::text_and_label(&["a", "b"]);
        let record = |(text, label): &(&str, &str)| {
            let json = serde_json::json!({ "text": text, "label": label }).to_string();
            Record::from_json(&json, &schema).unwrap()
        };
        let contribution = Contribution {
            id: ContributionId([n; 32]),
            contributor: Address([giver; 20]),
            seq: u64::from(n),
            ..Contribution::default()
        };
        let records: Vec<_> = (0..).zip(lines.iter().map(record)).collect();
        let job = Job::new("m", Task::Classify);
        ContributionRecords {
            contribution,
            shape: Shape::of(&job, &schema),
            embeddings: vec![Vec::new(); records.len()],
            records,
            is_out: false,
        }
    }

    const LONG: &str = "the quick brown fox jumps over the lazy dog and runs far away from here";

    #[test]
    fn what_was_said_before_is_not_learnt_from_again() {
        let contributions = vec![
            given(1, 1, &[(LONG, "a"), ("an entirely different sentence about owls", "b")]),
            given(2, 2, &[(LONG, "a"), ("something new about rivers and lakes in spring", "b")]),
            given(3, 1, &[("a second contribution of the first contributor", "a")]),
            given(4, 4, &[(LONG, "a")]),
        ];
        let held_out = vec![Piece { text: "x".into(), label: Some("a".into()), pair: None }];
        let gathered = assemble(contributions, held_out, &Job::new("m", Task::Classify)).unwrap();
        let sources: Vec<usize> = gathered.dataset.train.iter().map(|example| example.source).collect();
        assert_eq!(sources, [0, 0, 1, 0]);
        let part = |n, records| SourcePart { contribution: ContributionId([n; 32]), records };
        assert_eq!(gathered.sources[0].contributions, [part(1, 2), part(3, 1)]);
        assert_eq!(gathered.sources[1].contributions, [part(2, 1)]);
        let paid = |n: u8, records| Part { name: ContributionId([n; 32]).to_string(), records };
        assert_eq!(gathered.dataset.parts, [paid(1, 2), paid(2, 1), paid(3, 1)]);
        assert_eq!(
            (gathered.sources.len(), gathered.records[2].contribution.0[0], gathered.dataset.labels),
            (2, 2, vec!["a".to_owned(), "b".into()])
        );
    }

    #[test]
    fn what_is_left_out_is_not_learnt_from_under_another_name_either() {
        let out = ContributionRecords {
            is_out: true,
            ..given(1, 1, &[(LONG, "a"), ("an entirely different sentence about owls", "b")])
        };
        let contributions = vec![
            out,
            given(2, 2, &[(LONG, "a"), ("something new about rivers and lakes in spring", "b")]),
            given(3, 3, &[("a third one about ducks", "a"), ("herons and their nests in the reeds", "b")]),
            given(4, 4, &[("the fifth tells of swans in winter", "a")]),
        ];
        let held_out = vec![Piece { text: "x".into(), label: Some("a".into()), pair: None }];
        let gathered = assemble(contributions, held_out, &Job::new("m", Task::Classify)).unwrap();
        let learnt: Vec<(u8, u64)> = gathered.records.iter().map(|at| (at.contribution.0[0], at.record)).collect();
        assert_eq!(learnt, [(2, 1), (3, 0), (3, 1), (4, 0)]);
        assert_eq!(gathered.sources.iter().map(|source| source.contributor.0[0]).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn what_the_model_is_measured_with_is_not_learnt_from() {
        let lines = [
            (LONG, "a"),
            ("an entirely different sentence about owls", "b"),
            ("a third one about ducks", "a"),
            ("something new about rivers and lakes in spring", "b"),
            ("the fifth tells of herons and their nests", "a"),
        ];
        let held_out = vec![Piece { text: format!("{LONG}\n"), label: Some("a".into()), pair: None }];
        let gathered = assemble(vec![given(1, 1, &lines)], held_out, &Job::new("m", Task::Classify)).unwrap();
        let texts: Vec<&str> = gathered.dataset.train.iter().map(|example| example.text.as_str()).collect();
        assert_eq!(texts, [lines[1].0, lines[2].0, lines[3].0, lines[4].0]);
        assert_eq!(gathered.records.len(), 4, "and nobody is credited for it");
    }

    #[test]
    fn a_share_is_held_out_where_the_datanet_brings_no_records_that_ask() {
        let texts: Vec<String> =
            (0..200).map(|n| format!("passage number {n} about {}", "abcdef".repeat(n % 7))).collect();
        let lines: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), ["a", "b"][text.len() % 2])).collect();
        let gathered =
            |held_out| assemble(vec![given(1, 1, &lines)], held_out, &Job::new("m", Task::Classify)).unwrap();
        let cut = gathered(Vec::new());
        let (learnt, kept_out) = (cut.dataset.train.len(), cut.dataset.held_out.len());
        assert!((8..35).contains(&kept_out) && learnt + kept_out == 200 && cut.records.len() == learnt, "{kept_out}");
        let brought = gathered(vec![Piece { text: "x".into(), label: Some("a".into()), pair: None }]);
        assert_eq!((brought.dataset.train.len(), brought.dataset.held_out.len()), (200, 1));
    }

    #[test]
    fn embeddings_are_not_learnt_from_records_without_a_pair() {
        let lines = [("the first text of all", "a"), ("some other words here", "b")];
        let job = Job::new("m", Task::Embed);
        let error = assemble(vec![given(1, 1, &lines)], Vec::new(), &job).unwrap_err();
        assert!(error.detail.contains("data.pair = FIELD") && error.detail.contains("same label"), "{error}");
        let lines: Vec<(&str, &str)> = lines.iter().map(|(text, _)| (*text, "a")).collect();
        let error = assemble(vec![given(1, 1, &lines)], Vec::new(), &job).unwrap_err();
        assert!(error.detail.contains("the same one"), "{error}");
    }

    #[test]
    fn one_class_is_a_clear_error() {
        let contributions =
            vec![given(1, 1, &[("one", "a"), ("two", "a"), ("three", "a"), ("four", "a"), ("five", "a")])];
        let held_out = vec![Piece { text: "x".into(), label: Some("a".into()), pair: None }];
        let error = assemble(contributions, held_out, &Job::new("m", Task::Classify)).unwrap_err();
        assert!(error.code == Code::BadData && error.detail.contains("at least two"), "{error}");
        let mut all = Job::new("m", Task::Classify);
        all.data.held_out = 0.0;
        let few = assemble(vec![given(1, 1, &[("one", "a"), ("two", "b")])], Vec::new(), &all);
        assert!(few.unwrap_err().detail.contains("2 records"));
    }
}
