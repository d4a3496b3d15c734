//! How long the labels of a batch take to be valued (exact KNN-Shapley), on one core.
//!
//! `cargo bench --profile dev -p datanet-data --bench valuing`

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../src/retrieval/tests/draw.rs"]
mod draw;

use std::time::{Duration, Instant};

use datanet_data::Embedding;
use datanet_data::judge::{Labelled, value_labels};
use datanet_types::id::Digest;

use self::draw::Draw;

const DIMENSIONS: usize = 384;
const LABELS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Records accepted before, of the batch, and held out.
const SIZES: [usize; 3] = [1_000, 100, 300];
const ROUNDS: usize = 5;

fn main() {
    let mut draw = Draw(1);
    // Every distance is computed and all are sorted, whatever lies near: vectors without classes take as long.
    let [corpus, batch, held_out] = SIZES.map(|size| (0..size).map(|_| draw.unit(DIMENSIONS)).collect::<Vec<_>>());
    let [corpus, batch, held_out] = [&corpus, &batch, &held_out].map(|vectors| labelled(vectors));
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        one.install(|| std::hint::black_box(value_labels(&corpus, &batch, &held_out)));
        fastest = fastest.min(start.elapsed());
    }
    let [accepted, batch, held_out] = SIZES;
    let millis = fastest.as_secs_f64() * 1e3;
    println!("{accepted} + {batch} records, {held_out} held out, {DIMENSIONS} dimensions, one core: {millis:.0} ms");
}

fn labelled(vectors: &[Embedding]) -> Vec<Labelled<'_>> {
    vectors
        .iter()
        .enumerate()
        .map(|(at, vector)| Labelled {
            embedding: vector.as_slice(),
            label: LABELS[at % LABELS.len()],
            leaf: Digest(*blake3::hash(&at.to_le_bytes()).as_bytes()),
        })
        .collect()
}
