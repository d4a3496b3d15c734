//! A search over many datanets: what it opens and what it takes, against keeping every index open.
//!
//! `cargo bench --profile dev -p datanet-data --bench indexes -- 1000`

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement stops at what goes wrong")]

use std::path::Path;
use std::time::Instant;

use datanet_data::Embedding;
use datanet_data::retrieval::{DatanetIndex, Document, IndexConfig, IndexPool, Mode, PoolLimits, SearchRequest};
use datanet_types::{ContributionId, ModelId};

const DIMENSIONS: usize = 384;
/// Records of each datanet.
const RECORDS: u64 = 20;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Cargo adds `--bench`.
    let datanets = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200);
    let dir = tempfile::tempdir().unwrap();
    let pool = IndexPool::new(PoolLimits::default());
    let start = Instant::now();
    for n in 0..datanets {
        fill(&pool.get(&config(dir.path(), n)).await.unwrap(), n).await;
    }
    println!("{datanets} datanets of {RECORDS} records made, {:.1} ms each", millis(start, datanets));
    let mut costs = vec![Cost::now("before")];

    for round in ["pool, from closed", "pool, again"] {
        let start = Instant::now();
        for n in 0..datanets {
            search(&pool.get(&config(dir.path(), n)).await.unwrap()).await;
        }
        costs.push(Cost::now(round).taking(millis(start, datanets)));
    }
    drop(pool);

    let (start, mut kept) = (Instant::now(), Vec::new());
    for n in 0..datanets {
        let index = open(&config(dir.path(), n)).await;
        search(&index).await;
        kept.push(index);
    }
    costs.push(Cost::now("all kept open, from closed").taking(millis(start, datanets)));
    let start = Instant::now();
    for index in &kept {
        search(index).await;
    }
    costs.push(Cost::now("all kept open, again").taking(millis(start, datanets)));
    for cost in costs {
        println!("{cost}");
    }
}

fn config(directory: &Path, n: usize) -> IndexConfig {
    IndexConfig { directory: directory.join(n.to_string()), model: ModelId([7; 32]), dimensions: DIMENSIONS }
}

/// The pool that was dropped closes its indexes behind our back.
async fn open(config: &IndexConfig) -> DatanetIndex {
    loop {
        match DatanetIndex::open(config) {
            Err(datanet_data::retrieval::RetrievalError::Locked(_)) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

fn vector(seed: u64) -> Embedding {
    let numbers: Vec<f32> = (0..DIMENSIONS as u64).map(|i| ((seed * 31 + i * i) % 97) as f32 - 48.0).collect();
    Embedding::normalised(&numbers).expect("not all zero")
}

async fn fill(index: &DatanetIndex, n: usize) {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let contribution = ContributionId(id);
    let documents = (0..RECORDS).map(|record| Document {
        contribution,
        record,
        text: format!("record {record} of datanet {n} tells of rivers, stones and engines"),
        label: None,
        embedding: vector(record + n as u64),
    });
    index.add(contribution, documents.collect()).await.unwrap();
}

async fn search(index: &DatanetIndex) {
    let request = SearchRequest {
        text: "rivers and engines".to_owned(),
        embedding: Some(vector(5)),
        mode: Mode::Hybrid,
        limit: 10,
        snapshot: None,
    };
    assert_eq!(index.search(request).await.unwrap().len(), 10);
}

fn millis(start: Instant, parts: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0 / parts as f64
}

/// What the process holds.
struct Cost {
    what: &'static str,
    threads: usize,
    files: usize,
    resident_mib: u64,
    search_millis: Option<f64>,
}

impl Cost {
    fn now(what: &'static str) -> Self {
        let count = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
        Self { what, threads, files, resident_mib: kib / 1024, search_millis: None }
    }

    fn taking(self, millis: f64) -> Self {
        Self { search_millis: Some(millis), ..self }
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, threads, files, resident_mib, search_millis } = self;
        write!(f, "{what:<28} {threads:>6} threads {files:>6} files {resident_mib:>6} MiB")?;
        search_millis.map_or(Ok(()), |millis| write!(f, " {millis:>8.2} ms a datanet"))
    }
}
