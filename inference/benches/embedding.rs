//! What an embedder takes: its start, its memory, its time by length of the text, and what it does when idle.
//!
//! `cargo bench --profile dev -p datanet-inference --bench embedding -- threads=2 step=4 tokens=1024`: the threads of the
//! model, the multiple of tokens that texts are padded to, and the tokens of a batch.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::time::{Duration, Instant};

use datanet_inference::encoder::{EncoderConfig, EncoderService};
use datanet_inference::runtime::{Locations, Runtime};

const WORDS: [&str; 10] =
    ["peer", "data", "network", "model", "attributed", "tokens", "ledger", "blob", "vector", "quorum"];

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let places = Locations::from_env().unwrap();
    if let Err(missing) = places.check() {
        return println!("{missing}");
    }
    let usual = EncoderConfig::embedder(places.model);
    let config = EncoderConfig {
        max_batch_tokens: given("tokens").unwrap_or(usual.max_batch_tokens),
        length_step: given("step").unwrap_or(usual.length_step),
        threads: given("threads").unwrap_or(usual.threads),
        ..usual
    };
    let runtime = Runtime::init(&places.dylib).unwrap();
    println!("before    {}", memory());
    let start = Instant::now();
    let embedder = EncoderService::spawn(&runtime, config).unwrap();
    println!("ready     {}, after {:.2} s", memory(), start.elapsed().as_secs_f64());
    for (words, count) in [(6, 400), (30, 400), (126, 100), (254, 50)] {
        let texts: Vec<String> = (0..count).map(|i| format!("{} ", ["data", "net"][i % 2]).repeat(words)).collect();
        let start = Instant::now();
        let (_, usage) = embedder.embed(texts).await.unwrap();
        let rate = count as f64 / start.elapsed().as_secs_f64();
        println!("{:>4} tokens a text {rate:>6.0} texts/s", usage.tokens / count);
    }
    let start = Instant::now();
    embedder.embed_all(mixed(1_000)).await.unwrap();
    println!("1,000 texts of all lengths {:.2} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    for _ in 0..50 {
        embedder.embed(vec!["data ".repeat(30)]).await.unwrap();
    }
    println!("one text of 32 tokens at a time {:.1} ms", start.elapsed().as_secs_f64() * 1e3 / 50.0);
    let before = cpu_ticks();
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("idle for 3 s: {} ticks of 10 ms", cpu_ticks() - before);
    println!("after     {}", memory());
}

/// What stands behind `key=` among the arguments.
fn given(key: &str) -> Option<usize> {
    std::env::args().find_map(|argument| argument.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// Texts of all lengths, no two alike.
fn mixed(count: usize) -> Vec<String> {
    let word = |i: usize, j: usize| WORDS[(i * 31 + j * j + j) % WORDS.len()];
    (0..count).map(|i| (0..=(i * 7) % 90).map(|j| word(i, j)).collect::<Vec<_>>().join(" ")).collect()
}

fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    stat.split(' ').skip(13).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// What lies in memory of the process alone and of mapped files, and the most that ever did.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mib = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    format!("{:>4} MiB private, {:>4} of files, {:>4} at most", mib("RssAnon"), mib("RssFile"), mib("VmHWM"))
}
