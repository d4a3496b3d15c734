//! Texts that one service has drawn, followed token by token by another, as whoever checks a receipt does: the same model on other kernels must
//! pass, and what it is not must not. The decoder is a trained one, which is surer of its words than one of random numbers, so that a wrong
//! model is harder to tell.

mod rate;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use datanet_inference::encoder::AdapterKey;
use datanet_inference::generate::{
    Alternative, Apart, Completion, DRAW_TOLERANCE, GenerateConfig, GenerateError, GenerateHandle, GenerateRequest,
    GenerateService, MAX_TOP_LOGPROBS, Prompt, SamplingParams, TokenLogprobs,
};
use datanet_inference::graph::adapter::{Adapter, peft};
use datanet_inference::graph::quantise::Precision;
use datanet_inference::runtime::{Device, Runtime};
use futures::future::try_join_all;

use self::rate::at_most;
use super::Measure;
use super::language::{self, Sentences};
use super::tuned::Tuned;
use crate::network;
use crate::ui::Ui;

/// Records of each contributor that an adapter learns from.
const RECORDS: usize = 30;
/// The adapters' highest learning rate.
const RATE: f32 = 2e-3;
/// Words of a prompt.
const WORDS: usize = 3;
/// What an adapter is called.
const KEY: AdapterKey = AdapterKey([7; 32]);
/// Of answers by what is not the model, how many must be refused.
const GOAL_REFUSED: f64 = 0.9;
/// How many times as far the probabilities may drift as other kernels make them: in floats, and in 8 bits, where a token in two hundred is tipped.
const GOAL_DRIFT: [f64; 2] = [10.0, 3.0];
/// Seeds of answers that were drawn with another than they name.
const OTHER_SEEDS: u64 = 1 << 32;

/// What to measure.
#[derive(Debug, Clone)]
pub struct FollowBench {
    /// Answers of each service.
    pub answers: usize,
    /// Most tokens of an answer.
    pub tokens: usize,
    /// Width of the decoder.
    pub hidden: usize,
    /// A GPU whose answers the processor follows.
    pub cuda: Option<u32>,
}

/// What is served.
#[derive(Debug, Clone)]
struct Made {
    /// The decoder, one from another seed, and one of half its width: all of the same texts, with the same tokens.
    decoders: [PathBuf; 3],
    /// Over the first; the second learnt from other people.
    adapters: [Arc<Adapter>; 2],
}

/// Measures.
///
/// # Errors
/// When a training or a service fails.
pub async fn run(bench: &FollowBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    ensure!(bench.answers > 0 && bench.tokens > 0, "--answers and --tokens must be above 0");
    let (tools, _) = network::setup(&ui).await?;
    let runtime = Runtime::init(&tools.onnxruntime)?;
    let (sentences, folder) = (Sentences::read(None, RECORDS)?, tempfile::tempdir()?);
    let asked = Asked::new(&sentences, bench);
    let made = {
        let (runtime, hidden, folder, ui) = (runtime.clone(), bench.hidden, folder.path().to_owned(), ui.clone());
        // Trainings of minutes, which no asynchronous thread should be kept by.
        tokio::task::spawn_blocking(move || make(&sentences, hidden, &runtime, &folder, &ui)).await??
    };
    let mut measures = same(&runtime, &made, &asked, bench.cuda, &ui).await?;
    measures.extend(others(&runtime, &made, &asked, &ui).await?);
    Ok(measures)
}

fn make(sentences: &Sentences, hidden: usize, runtime: &Runtime, folder: &Path, ui: &Ui) -> Result<Made> {
    let prose = language::prose(&sentences.others);
    let decoder = |name: &str, hidden: usize, seed: u64| -> Result<PathBuf> {
        let (step, folder) = (ui.step(name), folder.join(name));
        let made = language::made((&language::scratch(hidden, seed), &prose), &folder, runtime, &folder, &step)?;
        step.done("");
        Ok(made)
    };
    let decoders = [
        decoder("a decoder", hidden, 0)?,
        decoder("a decoder from another seed", hidden, 1)?,
        decoder("a decoder of half the width", hidden / 2, 0)?,
    ];
    let adapter = |name: &str, rest: usize| -> Result<Arc<Adapter>> {
        let (step, folder) = (ui.step(name), folder.join(name));
        let (job, data) = (language::job(Tuned { rate: Some(RATE), ..Tuned::default() }), sentences.every_second(rest));
        let release = language::made((&job, &data), &decoders[0], runtime, &folder, &step)?;
        step.done("");
        Ok(Arc::new(peft::read(&release)?))
    };
    let adapters = [adapter("an adapter", 0)?, adapter("an adapter of other people's data", 1)?];
    Ok(Made { decoders, adapters })
}

/// What is asked of every service.
#[derive(Debug)]
struct Asked {
    prompts: Vec<String>,
    answers: usize,
    tokens: usize,
}

impl Asked {
    fn new(sentences: &Sentences, bench: &FollowBench) -> Self {
        let begun = |text: &str| text.split(' ').take(WORDS).collect::<Vec<_>>().join(" ");
        let prompts = sentences.given.held_out.iter().map(|example| begun(&example.text)).collect();
        Self { prompts, answers: bench.answers, tokens: bench.tokens }
    }

    /// Question `number`, half of them with all words and half with the likeliest.
    fn request(&self, number: usize, adapter: Option<AdapterKey>) -> GenerateRequest {
        let prompt = self.prompts.get(number % self.prompts.len().max(1)).cloned().unwrap_or_default();
        let sampling = SamplingParams {
            max_tokens: Some(self.tokens),
            top_p: if number.is_multiple_of(2) { 1.0 } else { 0.9 },
            seed: Some(number as u64),
            logprobs: Some(MAX_TOP_LOGPROBS),
            ..SamplingParams::default()
        };
        GenerateRequest { prompt: Prompt::Text(prompt), adapter, sampling, claimed: None }
    }
}

/// A model that answers, and how.
#[derive(Clone)]
struct Server<'a> {
    runtime: &'a Runtime,
    config: GenerateConfig,
    adapter: Option<&'a Arc<Adapter>>,
}

impl<'a> Server<'a> {
    /// Twelve at a time on two threads.
    fn crowded(runtime: &'a Runtime, folder: &Path, adapter: Option<&'a Arc<Adapter>>) -> Self {
        let config =
            GenerateConfig { threads: 2, max_sequences: 12, prefill_tokens: 16, ..GenerateConfig::new(folder) };
        Self { runtime, config, adapter }
    }

    fn with(mut self, change: impl FnOnce(&mut GenerateConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// On one thread, prompts read at once: with one question at a time, nothing is computed as above.
    fn apart(self) -> Self {
        self.with(|config| (config.threads, config.prefill_tokens) = (1, 512))
    }

    fn key(&self) -> Option<AdapterKey> {
        self.adapter.map(|_| KEY)
    }

    async fn start(&self, waiting: usize) -> Result<GenerateHandle> {
        let (runtime, mut config) = (self.runtime.clone(), self.config.clone());
        config.queue_depth = config.queue_depth.max(waiting);
        let handle = tokio::task::spawn_blocking(move || GenerateService::spawn(&runtime, &config)).await??;
        if let Some(why) = handle.provider().fallback {
            bail!("the service does not run where it was asked to, so there is nothing to compare: {why}");
        }
        if let Some(adapter) = self.adapter {
            handle.load_adapter(KEY, adapter.clone()).await?;
        }
        Ok(handle)
    }

    /// Its answers, side by side.
    async fn answers(&self, asked: &Asked) -> Result<Vec<Completion>> {
        let service = self.start(asked.answers).await?;
        let all = (0..asked.answers).map(|number| service.complete(asked.request(number, self.key())));
        let answers = try_join_all(all).await?;
        service.shutdown().await;
        Ok(answers)
    }

    /// What it makes of answers that were `given`, one by one, as if they were drawn with seeds that are so much larger than theirs.
    async fn follow(&self, asked: &Asked, given: &[Completion], seeds: u64) -> Result<Found> {
        let service = self.start(1).await?;
        let mut found = Found::default();
        for (number, answer) in given.iter().enumerate() {
            let mut request = asked.request(number, self.key());
            request.sampling.seed = request.sampling.seed.map(|seed| seed + seeds);
            request.claimed = Some(answer.ids.iter().copied().chain(answer.end).collect());
            match service.complete(request).await {
                Ok(followed) => found.add(answer, &followed)?,
                Err(GenerateError::Claimed(_)) => found.refuse(),
                Err(error) => return Err(error.into()),
            }
        }
        service.shutdown().await;
        Ok(found)
    }
}

/// What came of following.
#[derive(Debug, Default)]
struct Found {
    answers: usize,
    /// Answers that cannot have been drawn from the model.
    refused: usize,
    tokens: usize,
    /// Tokens that are others than are drawn here.
    others: usize,
    /// The largest distance of one.
    most: f64,
    /// The largest distance of the probabilities of a token's likeliest alternatives.
    drift: f64,
    /// Tokens at which they lie further apart than floats ever do.
    tipped: usize,
    /// The last answer's, for what it may be.
    apart: Apart,
}

impl Found {
    fn refuse(&mut self) {
        self.answers += 1;
        self.refused += 1;
    }

    fn add(&mut self, given: &Completion, followed: &Completion) -> Result<()> {
        let apart = followed.apart.context("an answer that was followed says nothing of how far it lies")?;
        self.answers += 1;
        self.refused += usize::from(!apart.passes());
        self.tokens += apart.tokens;
        self.others += apart.others;
        self.most = self.most.max(apart.most);
        for drift in given.logprobs.iter().zip(&followed.logprobs).map(|(a, b)| drift(a, b)) {
            self.drift = self.drift.max(drift);
            self.tipped += usize::from(drift > DRAW_TOLERANCE);
        }
        self.apart = apart;
        Ok(())
    }

    fn share(&self, of: usize) -> f64 {
        of as f64 / self.answers.max(1) as f64
    }
}

/// The distance in total variation of two distributions, as far as both tell of the same tokens.
fn drift(a: &TokenLogprobs, b: &TokenLogprobs) -> f64 {
    let probability = |logprob: f32| f64::from(logprob).exp();
    let apart = |one: &Alternative| {
        let other = b.top.iter().find(|other| other.id == one.id)?;
        Some((probability(one.logprob) - probability(other.logprob)).abs())
    };
    a.top.iter().filter_map(apart).sum::<f64>() / 2.0
}

/// The same model elsewhere.
async fn same(runtime: &Runtime, made: &Made, asked: &Asked, cuda: Option<u32>, ui: &Ui) -> Result<Vec<Measure>> {
    let model = Server::crowded(runtime, &made.decoders[0], Some(&made.adapters[0]));
    let small = model.clone().with(|config| config.precision = Precision::Int8);
    let mut pairs = vec![
        ("the same model", model.clone(), model.clone().apart()),
        ("the same model in 8 bits", small.clone(), small.apart()),
    ];
    if let Some(id) = cuda {
        let gpu = model.clone().with(|config| config.device = Device::Cuda { id });
        pairs.push(("the same model on a GPU", gpu, model.apart()));
    }
    let (step, mut measures) = (ui.bar("the same model elsewhere", pairs.len()), Vec::new());
    for (name, here, there) in pairs {
        let found = there.follow(asked, &here.answers(asked).await?, 0).await?;
        step.one(said(&found));
        measures.extend(passing(name, &found));
    }
    step.done("");
    Ok(measures)
}

/// What is not the model, in its place.
async fn others<'a>(runtime: &'a Runtime, made: &'a Made, asked: &Asked, ui: &Ui) -> Result<Vec<Measure>> {
    let [own, other] = &made.adapters;
    let [decoder, reseeded, half] = &made.decoders;
    let model = Server::crowded(runtime, decoder, Some(own));
    let impostors = [
        ("8 bits for floats", model.clone().with(|config| config.precision = Precision::Int8), 0),
        ("another adapter", Server::crowded(runtime, decoder, Some(other)), 0),
        ("no adapter", Server::crowded(runtime, decoder, None), 0),
        ("another decoder", Server::crowded(runtime, reseeded, None), 0),
        ("a decoder of half the width", Server::crowded(runtime, half, None), 0),
        ("another seed", model.clone(), OTHER_SEEDS),
    ];
    let (step, mut measures) = (ui.bar("what is not the model", 2 * impostors.len() - 1), Vec::new());
    let checking = model.apart();
    for (name, impostor, seeds) in impostors {
        // The same in the place of a model that is served in 8 bits, where what is checked is in 8 bits too.
        for in_8_bits in [false, true] {
            let small = |server: &Server<'a>| server.clone().with(|config| config.precision = Precision::Int8);
            let (name, pair) = match in_8_bits {
                false => (name.to_owned(), [impostor.clone(), checking.clone()]),
                true if impostor.config.precision == Precision::Int8 => continue,
                true => (format!("{name}, in 8 bits"), [small(&impostor), small(&checking)]),
            };
            let found = pair[1].follow(asked, &pair[0].answers(asked).await?, seeds).await?;
            step.one(said(&found));
            measures.extend(refused(&name, &found));
        }
    }
    step.done("");
    Ok(measures)
}

fn said(found: &Found) -> String {
    let Found { answers, refused, tokens, others, most, .. } = found;
    format!("{refused} of {answers} refused; {others} of {tokens} tokens others, by up to {most:.5}")
}

/// Of what must pass: whether it does, how rarely it can fail to, and how far below the tolerance it stays.
fn passing(name: &str, found: &Found) -> [Measure; 5] {
    let pass = found.share(found.answers - found.refused);
    let (alarms, otherwise) = (at_most(found.refused, found.answers), at_most(found.others, found.tokens));
    let (may, in_8_bits) = (found.apart.tolerance(), found.apart.precision == Precision::Int8);
    let (margin, tipped) = (may / found.drift.max(f64::EPSILON), at_most(found.tipped, found.tokens));
    let of = |what: &str| format!("{name}: {what}");
    [
        Measure::of(&of("answers that pass"), "share", pass, 1.0, "all", pass, 1.0),
        Measure::of(&of("answers refused, at most (95 %)"), "%", 100.0 * alarms, 0.0, "none", 0.0, 0.0),
        Measure::of(&of("tokens drawn otherwise, at most (95 %)"), "‰", 1e3 * otherwise, 0.0, "none", 0.0, 0.0),
        Measure::of(
            &of("drift of the probabilities"),
            "millionths",
            1e6 * found.drift,
            1e6 * may,
            "the tolerance",
            margin,
            GOAL_DRIFT[usize::from(in_8_bits)],
        ),
        Measure::of(&of("tokens tipped, at most (95 %)"), "‰", 1e3 * tipped, 0.0, "none", 0.0, 0.0),
    ]
}

/// Of what must not pass: how much is refused, and how much of it is drawn otherwise.
fn refused(name: &str, found: &Found) -> [Measure; 2] {
    let (refused, otherwise) = (found.share(found.refused), found.others as f64 / found.tokens.max(1) as f64);
    let of = |what: &str| format!("{name}: {what}");
    [
        Measure::of(&of("answers that are refused"), "share", refused, 1.0, "all", refused, GOAL_REFUSED),
        Measure::of(&of("tokens drawn otherwise"), "share", otherwise, 0.0, "none", 0.0, 0.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(of: &[(u32, f64)]) -> TokenLogprobs {
        let top = of.iter().map(|&(id, p)| Alternative { id, bytes: Vec::new(), logprob: p.ln() as f32 }).collect();
        TokenLogprobs { bytes: Vec::new(), logprob: 0.0, top }
    }

    #[test]
    fn drift_is_of_what_both_tell() {
        let (a, b) = (told(&[(1, 0.6), (2, 0.3)]), told(&[(2, 0.4), (1, 0.5), (9, 0.1)]));
        assert!((drift(&a, &b) - 0.1).abs() < 1e-6 && drift(&a, &a) == 0.0);
    }

    #[test]
    fn what_passes_and_what_is_refused_are_judged_by_different_goals() {
        let found = |refused, drift| {
            let (answers, tokens) = (10, 1_000);
            Found { answers, refused, tokens, others: refused, most: 0.1, drift, ..Found::default() }
        };
        assert!(passing("same", &found(0, 1e-6)).iter().all(|measure| measure.ratio >= measure.goal));
        assert!(passing("same", &found(1, 1e-6))[0].ratio < 1.0, "one false alarm is one too many");
        assert!(passing("same", &found(0, 5e-4))[3].ratio < GOAL_DRIFT[0], "and so is a drift of half the tolerance");
        assert!(refused("other", &found(9, 0.1)).iter().all(|measure| measure.ratio >= measure.goal));
        assert!(refused("other", &found(8, 0.1))[0].ratio < GOAL_REFUSED);
    }
}
