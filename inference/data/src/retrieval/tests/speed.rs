use std::time::Instant;

use super::*;

/// Prints figures; run it alone: `cargo test -p datanet-inference retrieval_speed -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn retrieval_speed() {
    const WIDE: usize = 384;
    let dir = tempfile::tempdir().unwrap();
    let index = DatanetIndex::open(&config(dir.path(), WIDE)).unwrap();
    let mut draw = Draw(1);
    let vocabulary: Vec<String> = (0..20_000).map(|_| format!("w{:x}", draw.next() >> 40)).collect();
    let mut snapshot = Snapshot::default();
    for n in 0..50u8 {
        let documents: Vec<Document> = (0..1000)
            .map(|record| Document {
                contribution: id(n),
                record,
                text: (0..45)
                    .map(|_| &*vocabulary[draw.below(1 + record as usize * 19).min(draw.below(20_000))])
                    .collect::<Vec<_>>()
                    .join(" "),
                label: Some(format!("label {}", draw.below(6))),
                embedding: draw.unit(WIDE),
            })
            .collect();
        let start = Instant::now();
        index.add(id(n), documents).await.unwrap();
        if n % 10 == 9 {
            println!(
                "contribution {n}: {:.0} documents a second with its commit",
                1000.0 / start.elapsed().as_secs_f64()
            );
        }
        snapshot.contributions.push(id(n));
        if n == 9 || n == 49 {
            measure(&index, &snapshot, &vocabulary, &mut draw).await;
        }
    }
}

async fn measure(index: &DatanetIndex, snapshot: &Snapshot, vocabulary: &[String], draw: &mut Draw) {
    println!("{:?}", index.stats());
    let text = (0..45).map(|_| &*vocabulary[draw.below(20_000).min(draw.below(500))]).collect::<Vec<_>>().join(" ");
    let embedding = draw.unit(384);
    for mode in [Mode::Text, Mode::Semantic, Mode::Hybrid] {
        let start = Instant::now();
        for _ in 0..20 {
            let embedding = Some(embedding.clone());
            index.search(SearchRequest { mode, embedding, ..by_text(&text) }).await.unwrap();
        }
        println!("{mode:?}: {:.2} ms", start.elapsed().as_secs_f64() * 50.0);
    }
    let input = datanet_types::receipt::AskInput {
        text,
        classify: true,
        neighbours: 0,
        ..datanet_types::receipt::AskInput::default()
    };
    let question = Question { input, embedding, snapshot: snapshot.clone() };
    let start = Instant::now();
    for _ in 0..20 {
        index.answer(question.clone()).await.unwrap();
    }
    println!("answer: {:.2} ms", start.elapsed().as_secs_f64() * 50.0);
}
