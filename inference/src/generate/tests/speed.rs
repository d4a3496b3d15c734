//! How fast text is generated; run with `--ignored --nocapture` on a quiet machine.

use std::time::{Duration, Instant};

use super::super::cache::Cache;
use super::super::decoder::{Decoder, Feed};
use super::super::testing::Size;
use super::*;

const TOKENS: usize = 96;
const ROUNDS: usize = 12;
const STREAMS: usize = 16;

/// 11 million parameters: what a machine of two cores trains from nothing.
const SIZE: Size = Size { vocabulary: 8_192, hidden: 256, inner: 1_024, layers: 6, heads: 8, shared_heads: 4 };

/// One sequence in the barest way: step, argmax, step.
fn bare(decoder: &mut Decoder, prompt: &[u32]) -> Duration {
    let start = Instant::now();
    let mut cache = Cache::empty(decoder.shape, 1).unwrap();
    let mut ids: Vec<i64> = prompt.iter().map(|&id| i64::from(id)).collect();
    for _ in 0..TOKENS {
        let feed = Feed { lengths: vec![cache.width + ids.len()], tokens: ids.len(), ids };
        let (logits, longer) = decoder.step(&cache, feed, &[None]).unwrap();
        cache = longer;
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
        ids = vec![best as i64];
    }
    start.elapsed()
}

#[test]
#[ignore = "measures; wants a quiet machine"]
fn continuous_batches_cost_little_and_gain_much() {
    let folder = decoder_folder(SIZE, None);
    let config = config(&folder);
    let mut decoder = decoder::Decoder::open(&runtime(), &config).unwrap().decoder;
    let service = start(&config);
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let prompt = |number: usize| -> Vec<u32> { (0..32).map(|at| ((number * 31 + at * 7) % 320) as u32).collect() };
    let ask = |number: usize| service.complete(request(Prompt::Tokens(prompt(number)), SamplingParams::greedy(TOKENS)));
    let (mut alone, mut single, mut many) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        alone = alone.min(bare(&mut decoder, &prompt(0)));
        let start = Instant::now();
        tokio.block_on(ask(0)).unwrap();
        single = single.min(start.elapsed());
        let start = Instant::now();
        for answer in tokio.block_on(join_all((0..STREAMS).map(ask).collect())) {
            assert_eq!(answer.unwrap().ids.len(), TOKENS);
        }
        many = many.min(start.elapsed());
    }
    let rate = |streams: usize, time: Duration| (streams * TOKENS) as f64 / time.as_secs_f64();
    eprintln!("bare loop:      {:8.1} tokens/s", rate(1, alone));
    eprintln!(
        "one stream:     {:8.1} tokens/s, {:.3} of the bare loop",
        rate(1, single),
        rate(1, single) / rate(1, alone)
    );
    eprintln!(
        "{STREAMS} streams: {:8.1} tokens/s, {:.2} times the bare loop",
        rate(STREAMS, many),
        rate(STREAMS, many) / rate(1, alone)
    );
}
