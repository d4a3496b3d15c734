//! How fast mixed batches are; run with `--ignored --nocapture` on a quiet machine.

use std::time::{Duration, Instant};

use super::*;

const TEXTS: usize = 64;
const ROUNDS: usize = 7;

/// One network, and a text of so many tokens as rows of adapters.
struct Bench {
    network: Network,
    text: Vec<u32>,
}

impl Bench {
    fn new(adapters: &[Arc<Adapter>], tokens: usize) -> Option<Self> {
        let (config, runtime) = config()?;
        let opened = source::open(&config).unwrap();
        let (mut network, tokenizer, _) = Network::load(&runtime, opened, &config).unwrap();
        for adapter in adapters {
            network.session.cover(adapter).unwrap();
        }
        let text = tokenizer.encode(&"word ".repeat(tokens - 2), Long::Cut).unwrap();
        Some(Self { network, text })
    }

    fn run(&mut self, rows: &[Option<&Loaded>]) -> Duration {
        let start = Instant::now();
        self.network.run(&vec![self.text.as_slice(); rows.len()], rows).unwrap();
        start.elapsed()
    }
}

/// The fastest round of each job, the rounds interleaved: what the machine does when nobody disturbs it.
#[expect(clippy::type_complexity, reason = "named closures, of one test")]
fn fastest(jobs: &mut [(&str, Box<dyn FnMut() -> Duration + '_>)]) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; jobs.len()];
    for _ in 0..ROUNDS {
        for ((_, job), best) in jobs.iter_mut().zip(&mut best) {
            *best = (*best).min(job());
        }
    }
    for ((name, _), best) in jobs.iter().zip(&best) {
        eprintln!("{name:>28}: {:7.1} ms for {TEXTS} texts", best.as_secs_f64() * 1e3);
    }
    best
}

#[test]
#[ignore = "measures; wants a quiet machine"]
fn mixed_adapters_cost_hardly_more_than_none() {
    for tokens in [8, 64] {
        eprintln!("\ntexts of {tokens} tokens");
        measure(tokens);
    }
}

fn measure(tokens: usize) {
    let adapters: Vec<Arc<Adapter>> = (0..TEXTS as u64).map(|seed| random(8, seed)).collect();
    let loaded: Vec<Loaded> = adapters.iter().map(|adapter| Loaded::new(adapter.clone()).unwrap()).collect();
    let (Some(plain), Some(bank)) = (Bench::new(&[], tokens), Bench::new(&adapters, tokens)) else { return };
    let (plain, bank) = (std::cell::RefCell::new(plain), std::cell::RefCell::new(bank));
    let mixed: Vec<Option<&Loaded>> = loaded.iter().map(Some).collect();
    let same: Vec<Option<&Loaded>> = vec![Some(&loaded[0]); TEXTS];
    let best = fastest(&mut [
        ("base, plain graph", Box::new(|| plain.borrow_mut().run(&[None; TEXTS]))),
        ("base, graph with slots", Box::new(|| bank.borrow_mut().run(&[None; TEXTS]))),
        ("one adapter", Box::new(|| bank.borrow_mut().run(&same))),
        ("64 adapters mixed", Box::new(|| bank.borrow_mut().run(&mixed))),
        ("64 adapters one by one", Box::new(|| mixed.iter().map(|row| bank.borrow_mut().run(&[*row])).sum())),
    ]);
    let ratio = |a: usize, b: usize| best[a].as_secs_f64() / best[b].as_secs_f64();
    eprintln!("mixed against one adapter: {:.3} of its throughput", ratio(2, 3));
    eprintln!("mixed against the plain base: {:.3} of its throughput", ratio(0, 3));
    eprintln!("mixed against one by one: {:.2} times its throughput", ratio(4, 3));
}
