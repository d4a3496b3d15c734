//! How fast records are indexed, searched and answered from.
//!
//! `cargo bench --profile dev -p datanet-data --bench retrieval -- 50`: so many contributions of 1,000 records, searched
//! after the tenth and after the last.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

#[path = "../src/retrieval/tests/draw.rs"]
mod draw;

use std::time::Instant;

use datanet_data::Embedding;
use datanet_data::retrieval::{DatanetIndex, Document, IndexConfig, Mode, Question, SearchRequest, Snapshot};
use datanet_types::receipt::AskInput;
use datanet_types::{ContributionId, ModelId};

use self::draw::Draw;

const DIMENSIONS: usize = 384;
/// Records of each contribution.
const RECORDS: u64 = 1_000;
/// Words of a record, and of a question.
const WORDS: usize = 45;
/// Different words there are.
const VOCABULARY: usize = 20_000;
/// Searches that are timed together.
const ROUNDS: u32 = 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Cargo adds `--bench`.
    let contributions: u8 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(50);
    let directory = tempfile::tempdir().unwrap();
    let config =
        IndexConfig { directory: directory.path().join("index"), model: ModelId([7; 32]), dimensions: DIMENSIONS };
    let index = DatanetIndex::open(&config).unwrap();
    let mut draw = Draw(1);
    let vocabulary: Vec<String> = (0..VOCABULARY).map(|_| format!("w{:x}", draw.next() >> 40)).collect();
    let mut snapshot = Snapshot::default();
    for n in 1..=contributions {
        let id = ContributionId([n; 32]);
        let documents = (0..RECORDS).map(|record| document(id, record, &vocabulary, &mut draw)).collect();
        let start = Instant::now();
        index.add(id, documents).await.unwrap();
        if n % 10 == 0 {
            let rate = RECORDS as f64 / start.elapsed().as_secs_f64();
            println!("contribution {n:<3} {rate:>8.0} records/s, its commit included");
        }
        snapshot.contributions.push(id);
        if n == 10 || n == contributions {
            measure(&index, &snapshot, &vocabulary, &mut draw).await;
        }
    }
}

/// Words come the more often the earlier they are in the vocabulary, as in language.
fn document(contribution: ContributionId, record: u64, vocabulary: &[String], draw: &mut Draw) -> Document {
    let mut word = || draw.below(1 + record as usize * 19).min(draw.below(VOCABULARY));
    let text = (0..WORDS).map(|_| &*vocabulary[word()]).collect::<Vec<_>>().join(" ");
    let label = Some(format!("label {}", draw.below(6)));
    Document { contribution, record, text, label, embedding: draw.unit(DIMENSIONS) }
}

async fn measure(index: &DatanetIndex, snapshot: &Snapshot, vocabulary: &[String], draw: &mut Draw) {
    let mut word = || draw.below(VOCABULARY).min(draw.below(500));
    let text = (0..WORDS).map(|_| &*vocabulary[word()]).collect::<Vec<_>>().join(" ");
    let embedding = draw.unit(DIMENSIONS);
    let documents = index.stats().documents;
    for mode in [Mode::Text, Mode::Semantic, Mode::Hybrid] {
        let request =
            SearchRequest { text: text.clone(), embedding: Some(embedding.clone()), mode, limit: 10, snapshot: None };
        let start = Instant::now();
        for _ in 0..ROUNDS {
            index.search(request.clone()).await.unwrap();
        }
        print(documents, &format!("{mode:?}"), start);
    }
    let input = AskInput { text, classify: true, neighbours: 0, ..AskInput::default() };
    let question = Question { input, embedding, snapshot: snapshot.clone() };
    let start = Instant::now();
    for _ in 0..ROUNDS {
        index.answer(question.clone()).await.unwrap();
    }
    print(documents, "an answer", start);
}

fn print(documents: u64, what: &str, start: Instant) {
    let millis = (start.elapsed() / ROUNDS).as_secs_f64() * 1e3;
    println!("{documents:>6} records  {what:<10} {millis:>7.2} ms");
}
