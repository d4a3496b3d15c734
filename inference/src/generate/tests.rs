//! The service with the real library and small decoders of random weights.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::testing::{SMALL, decoder_folder};
use super::*;
use crate::encoder::AdapterKey;
use crate::encoder::testing::{adapter, slots};
use crate::graph::adapt::LoraSlot;
use crate::graph::adapter::Adapter;
use crate::graph::build::{DecoderForm, ModelFolder, Storage};
use crate::graph::quantise::Precision;
use crate::runtime::Locations;
use crate::runtime::{Session, SessionConfig, Tensor};

fn runtime() -> Runtime {
    Runtime::init(&Locations::from_env().unwrap().dylib).unwrap()
}

fn small() -> TempDir {
    decoder_folder(None)
}

fn config(folder: &TempDir) -> GenerateConfig {
    GenerateConfig { max_context: 512, ..GenerateConfig::new(folder.path()) }
}

fn start(config: &GenerateConfig) -> GenerateHandle {
    GenerateService::spawn(&runtime(), config).unwrap()
}

fn request(prompt: Prompt, sampling: SamplingParams) -> GenerateRequest {
    GenerateRequest { prompt, adapter: None, sampling, claimed: None }
}

fn prompt(number: usize) -> Vec<u32> {
    (0..1 + (number * 13) % 40).map(|at| ((number * 31 + at * 7) % SMALL.vocabulary) as u32).collect()
}

fn greedy(number: usize, tokens: usize) -> GenerateRequest {
    request(Prompt::Tokens(prompt(number)), SamplingParams::greedy(tokens))
}

/// The tokens that follow greedily, computed without a cache and without company.
fn alone(folder: &Path, prompt: &[u32], count: usize) -> Vec<u32> {
    let opened = ModelFolder::open(folder).unwrap();
    let graph = opened.decoder(Storage::Inline, DecoderForm::Full).unwrap();
    let mut session = Session::load(&runtime(), &graph, &SessionConfig::default()).unwrap();
    let mut ids: Vec<i64> = prompt.iter().map(|&id| i64::from(id)).collect();
    for _ in 0..count {
        let shape = [1, ids.len()];
        let mask = Tensor::new(&shape, vec![1i64; ids.len()]).unwrap();
        let input = Tensor::new(&shape, ids.clone()).unwrap();
        let outputs = session.run(&[("input_ids", &input), ("attention_mask", &mask)], &["logits"]).unwrap();
        let logits = outputs[0].floats().unwrap();
        let last = &logits[logits.len() - opened.vocab_size()..];
        let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).unwrap();
        ids.push(best.0 as i64);
    }
    ids[prompt.len()..].iter().map(|&id| id as u32).collect()
}

#[tokio::test]
async fn a_continuous_batch_says_what_each_sequence_says_alone() {
    let folder = small();
    let tight = GenerateConfig { prefill_tokens: 16, max_sequences: 5, cache_tokens: 1_024, ..config(&folder) };
    let service = start(&tight);
    // Answers of different lengths, so that sequences come and go all the time.
    let streams: Vec<_> = (0..16).map(|number| service.complete(greedy(number, 5 + 3 * number))).collect();
    let mut answers = Vec::new();
    for answer in join_all(streams).await {
        answers.push(answer.unwrap());
    }
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer.ids, alone(folder.path(), &prompt(number), 5 + 3 * number), "sequence {number}");
        assert_eq!(answer.reason, FinishReason::Length);
        let usage = GenerateUsage { prompt_tokens: prompt(number).len(), completion_tokens: 5 + 3 * number };
        assert_eq!(answer.usage, usage);
    }
}

#[test]
fn logits_in_company_are_those_alone_but_for_rounding() {
    let folder = small();
    let mut decoder = decoder::Decoder::open(&runtime(), &config(&folder)).unwrap().decoder;
    let mut last = |prompts: &[Vec<u32>]| {
        let width = prompts.iter().map(Vec::len).max().unwrap();
        let padded = |prompt: &Vec<u32>| {
            let padding = std::iter::repeat_n(0, width - prompt.len());
            padding.chain(prompt.iter().map(|&id| i64::from(id))).collect::<Vec<i64>>()
        };
        let ids = prompts.iter().flat_map(padded).collect();
        let feed = decoder::Feed { ids, lengths: prompts.iter().map(Vec::len).collect(), tokens: width };
        let empty = cache::Cache::empty(decoder.shape, prompts.len()).unwrap();
        decoder.step(&empty, feed, &vec![None; prompts.len()]).unwrap().0
    };
    let prompts: Vec<Vec<u32>> = (0..12).map(prompt).collect();
    let together = last(&prompts);
    let (mut worst, mut largest) = (0.0f32, 0.0f32);
    for (prompt, together) in prompts.iter().zip(together.chunks_exact(SMALL.vocabulary)) {
        for (a, b) in last(std::slice::from_ref(prompt)).iter().zip(together) {
            worst = worst.max((a - b).abs());
            largest = largest.max(a.abs());
        }
    }
    eprintln!("largest difference of a logit alone and in company: {worst:e}, of logits up to {largest:.1}");
    assert!(worst < 1e-5 * largest, "{worst:e}");
}

#[test]
fn eight_bits_give_nearly_the_logits_of_floats() {
    let folder = small();
    let step = |precision| {
        let config = GenerateConfig { precision, ..config(&folder) };
        let mut decoder = decoder::Decoder::open(&runtime(), &config).unwrap().decoder;
        let ids: Vec<i64> = prompt(3).iter().map(|&id| i64::from(id)).collect();
        let feed = decoder::Feed { lengths: vec![ids.len()], tokens: ids.len(), ids };
        let (logits, cache) = decoder.step(&cache::Cache::empty(decoder.shape, 1).unwrap(), feed, &[None]).unwrap();
        let next = decoder::Feed { ids: vec![7], lengths: vec![cache.width + 1], tokens: 1 };
        [logits, decoder.step(&cache, next, &[None]).unwrap().0].concat()
    };
    let (float, small) = (step(Precision::Float), step(Precision::Int8));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosine = dot(&float, &small) / (dot(&float, &float) * dot(&small, &small)).sqrt();
    assert!(cosine > 0.99 && float != small, "{cosine}");
}

/// Runs futures at the same time; their results in order.
async fn join_all<T: Send + 'static>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in pinned.iter_mut().filter(|(_, result)| result.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        let done = pinned.iter().all(|(_, result)| result.is_some());
        if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pinned.into_iter().filter_map(|(_, result)| result).collect()
}

#[tokio::test]
async fn the_same_seed_gives_the_same_text_in_any_company() {
    let folder = small();
    let service = start(&config(&folder));
    let ask = |seed: Option<u64>| {
        let sampling = SamplingParams { temperature: 0.9, top_p: 0.9, seed, ..SamplingParams::greedy(30) };
        service.complete(request(Prompt::Text("A datanet is".to_owned()), sampling))
    };
    let first = ask(Some(7)).await.unwrap();
    let company = join_all((0..9).map(|at| ask(if at == 4 { Some(7) } else { Some(at) })).collect()).await;
    assert_eq!(company[4].as_ref().unwrap().text, first.text);
    assert_ne!(company[0].as_ref().unwrap().text, first.text);
    assert_ne!(ask(None).await.unwrap().text, ask(None).await.unwrap().text);
}

#[tokio::test]
async fn an_answer_ends_at_a_stop_string_or_at_the_models_end() {
    let folder = small();
    let service = start(&config(&folder));
    let whole = service.complete(greedy(3, 60)).await.unwrap();
    let middle = whole.text.char_indices().nth(whole.text.chars().count() / 2).unwrap().0;
    let stop: String = whole.text[middle..].chars().take(3).collect();
    let expected = &whole.text[..whole.text.find(&stop).unwrap()];
    let sampling = SamplingParams { stop: vec![stop, "never".to_owned()], ..SamplingParams::greedy(60) };
    let stopped = service.complete(request(Prompt::Tokens(prompt(3)), sampling)).await.unwrap();
    assert_eq!((stopped.text.as_str(), stopped.reason), (expected, FinishReason::Stop));
    assert!(stopped.usage.completion_tokens < 60);

    let end = whole.ids[10];
    let first = whole.ids.iter().position(|id| *id == end).unwrap();
    let ending = decoder_folder(Some(end));
    let ended = start(&config(&ending)).complete(greedy(3, 60)).await.unwrap();
    assert_eq!((ended.ids.as_slice(), ended.reason), (&whole.ids[..first], FinishReason::Stop));
    assert_eq!(ended.usage.completion_tokens, first);
}

#[tokio::test]
async fn the_pieces_of_a_stream_are_the_text_and_whole_characters() {
    let folder = small();
    let service = start(&config(&folder));
    let sampling = SamplingParams { temperature: 2.0, seed: Some(1), logprobs: Some(3), ..SamplingParams::greedy(200) };
    let ask = || service.submit(request(Prompt::Text("A node".to_owned()), sampling.clone()));
    let whole = ask().await.unwrap().complete().await.unwrap();
    let (mut stream, mut text, mut tokens) = (ask().await.unwrap(), String::new(), 0);
    while let Some(event) = stream.next().await {
        match event {
            GenerateEvent::Token { text: piece, logprobs, id } => {
                text.push_str(&piece);
                let told = logprobs.unwrap();
                assert_eq!((told.top.len(), tokens < 200), (3, true));
                assert!(told.logprob <= told.top[0].logprob && told.top[0].logprob <= 0.0);
                assert!((id as usize) < SMALL.vocabulary);
                tokens += 1;
            }
            GenerateEvent::Done { text: rest, usage, .. } => {
                text.push_str(&rest);
                assert_eq!(usage.completion_tokens, 200);
            }
            GenerateEvent::Failed(error) => panic!("{error}"),
        }
    }
    assert_eq!((text, tokens), (whole.text, 200));
}

#[tokio::test]
async fn a_reader_who_leaves_frees_the_place() {
    let folder = small();
    let service = start(&GenerateConfig { max_sequences: 1, ..config(&folder) });
    let mut endless = service.submit(greedy(1, 400)).await.unwrap();
    assert!(matches!(endless.next().await, Some(GenerateEvent::Token { .. })));
    drop(endless);
    assert_eq!(service.complete(greedy(2, 3)).await.unwrap().ids.len(), 3);
}

#[tokio::test]
async fn a_full_queue_is_an_overload_at_once() {
    let folder = small();
    let service = start(&GenerateConfig { max_sequences: 1, queue_depth: 1, ..config(&folder) });
    let _under_way = service.submit(greedy(1, 400)).await.unwrap();
    let waiting = service.submit(greedy(2, 400)).await.unwrap();
    let error = service.submit(greedy(3, 1)).await.unwrap_err();
    assert!(error.is_overload() && !error.is_fatal(), "{error}");
    drop((_under_way, waiting));
    while let Err(error) = service.submit(greedy(3, 1)).await {
        assert!(error.is_overload(), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_or_makes_no_sense_is_refused() {
    let folder = small();
    let service = start(&config(&folder));
    assert_eq!(service.model().context, 512);
    let ask = |prompt: Prompt, sampling: SamplingParams| service.submit(request(prompt, sampling));
    let long = ask(Prompt::Tokens(vec![1; 513]), SamplingParams::greedy(1)).await.unwrap_err();
    assert!(matches!(long, GenerateError::PromptTooLong { context: 512 }));
    let text = ask(Prompt::Text("word ".repeat(100_000)), SamplingParams::greedy(1)).await.unwrap_err();
    assert!(matches!(text, GenerateError::PromptTooLong { .. }), "{text}");
    let both = ask(Prompt::Tokens(vec![1; 500]), SamplingParams::greedy(13)).await.unwrap_err();
    assert!(matches!(both, GenerateError::ContextExceeded { prompt: 500, answer: 13, context: 512 }));
    assert!(ask(Prompt::Tokens(vec![1; 500]), SamplingParams::greedy(12)).await.is_ok());
    let read = |written: usize| {
        let prompt = PromptText { text: "some words".to_owned(), ..PromptText::default() };
        service.prompt_tokens(prompt, written)
    };
    let prompt = read(1).await.unwrap().len();
    assert_eq!(read(512 - prompt).await.unwrap().len(), prompt);
    let more = read(513 - prompt).await.unwrap_err();
    assert!(matches!(more, GenerateError::ContextExceeded { context: 512, .. }), "{more}");
    for empty in [Prompt::Tokens(Vec::new()), Prompt::Chat(Vec::new()), Prompt::Tokens(vec![320])] {
        assert!(matches!(ask(empty, SamplingParams::greedy(1)).await, Err(GenerateError::Prompt(_))));
    }
    let empty = ask(Prompt::Text(String::new()), SamplingParams::greedy(1)).await.unwrap_err();
    assert!(!empty.is_fatal() && !empty.is_overload(), "{empty}");
    let absurd = SamplingParams { temperature: f32::NAN, ..SamplingParams::default() };
    assert!(matches!(ask(Prompt::Tokens(vec![1]), absurd).await, Err(GenerateError::Sampling(_))));
    let unknown = GenerateRequest { adapter: Some(AdapterKey([9; 32])), ..greedy(1, 1) };
    assert!(matches!(service.submit(unknown).await, Err(GenerateError::Serve(_))));
    for bad in [
        GenerateConfig { max_context: 40_000, ..config(&folder) },
        GenerateConfig { max_sequences: 0, ..config(&folder) },
        GenerateConfig { folder: "/nowhere".into(), ..config(&folder) },
    ] {
        assert!(GenerateService::spawn(&runtime(), &bad).is_err());
    }
}

fn modules() -> Vec<LoraSlot> {
    slots(2, ["layers.{}.self_attn.q_proj", "layers.{}.mlp.down_proj"], [[32, 32], [64, 32]])
}

fn strong(rank: usize, seed: u64) -> Adapter {
    let mut strong = adapter(&modules(), rank, seed);
    strong.modules.values_mut().for_each(|pair| pair.b.iter_mut().for_each(|number| *number *= 10.0));
    strong
}

#[tokio::test]
async fn sequences_of_different_adapters_step_together() {
    let folder = small();
    let service = start(&GenerateConfig { bank_slots: 3, ..config(&folder) });
    for (number, rank) in [2, 8, 12, 4].into_iter().enumerate() {
        let strong = Arc::new(strong(rank, number as u64));
        service.load_adapter(AdapterKey([number as u8; 32]), strong).await.unwrap();
    }
    let ask = |at: usize| {
        let adapter = (at % 5 < 4).then_some(AdapterKey([(at % 5) as u8; 32]));
        service.complete(GenerateRequest { adapter, ..greedy(6, 20) })
    };
    let mut apart = Vec::new();
    for at in 0..5 {
        apart.push(ask(at).await.unwrap().ids);
    }
    assert_eq!(apart[4], alone(folder.path(), &prompt(6), 20));
    assert!((0..4).all(|at| apart[at] != apart[4]), "the adapters make a difference");
    for (at, answer) in join_all((0..15).map(ask).collect()).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap().ids, apart[at % 5], "sequence {at}");
    }
}

#[tokio::test]
async fn a_sequence_whose_numbers_explode_fails_alone() {
    let folder = small();
    let service = start(&config(&folder));
    let mut wild = strong(2, 1);
    wild.modules.values_mut().for_each(|pair| pair.b.iter_mut().for_each(|number| *number = 3e38));
    service.load_adapter(AdapterKey([1; 32]), Arc::new(wild)).await.unwrap();
    let requests = (0..6).map(|at| {
        let adapter = (at == 3).then_some(AdapterKey([1; 32]));
        service.complete(GenerateRequest { adapter, ..greedy(at, 10) })
    });
    for (at, answer) in join_all(requests.collect()).await.into_iter().enumerate() {
        match answer {
            Ok(answer) => assert_eq!(answer.ids, alone(folder.path(), &prompt(at), 10)),
            Err(error) => assert_eq!(at, 3, "{error}"),
        }
    }
}

#[tokio::test]
async fn a_conversation_is_answered_until_the_next_role() {
    let folder = small();
    let service = start(&config(&folder));
    let message = Message { role: Role::User, content: "What is a datanet?".to_owned() };
    let chat = Prompt::Chat(vec![message]);
    let answer = service.complete(request(chat, SamplingParams::greedy(20))).await.unwrap();
    let text = Prompt::Text("<|user|>\nWhat is a datanet?\n<|assistant|>\n".to_owned());
    let same = service.complete(request(text, SamplingParams::greedy(20))).await.unwrap();
    assert_eq!((answer.text, answer.usage.prompt_tokens), (same.text, same.usage.prompt_tokens));
}

#[tokio::test]
async fn the_service_ends_after_its_last_handle() {
    let folder = small();
    let service = start(&config(&folder));
    let stream = service.submit(greedy(1, 20)).await.unwrap();
    service.shutdown().await;
    assert_eq!(stream.complete().await.unwrap().ids.len(), 20, "what was queued is answered");
}

#[test]
fn a_step_that_fails_is_blamed_on_the_sequence_that_causes_it() {
    // Prompts are checked before they are queued, so the poison is put in behind the check.
    let folder = small();
    let opened = decoder::Decoder::open(&runtime(), &config(&folder)).unwrap();
    let (sender, commands) = tokio::sync::mpsc::channel(8);
    let room = Arc::new(tokio::sync::Semaphore::new(8));
    let prompts = Arc::new(opened.prompts);
    let mut receivers = BTreeMap::new();
    for at in 0..4 {
        let ids = if at == 2 { vec![1, 70_000, 2] } else { prompt(at) };
        let permit = room.clone().try_acquire_owned().unwrap();
        let params = SamplingParams::greedy(8);
        let (prompt_tokens, precision) = (ids.len(), Precision::Float);
        let (grammar, seed, max_tokens, adapter, claimed) = (None, 0, 8, None, None);
        let begun = sequence::Begun { params, grammar, seed, prompt_tokens, max_tokens, adapter, claimed, precision };
        let (sequence, events) = sequence::Sequence::new(begun, permit);
        let pending = prefill::Pending { sequence, prompt: ids, alone: false };
        sender.try_send(worker::GenerateCmd::Generate(Box::new(pending))).map_err(|_| "full").unwrap();
        receivers.insert(at, GenerateStream::new(events));
    }
    drop(sender);
    let guard = tokio_util::sync::CancellationToken::new().drop_guard();
    let limits = (&config(&folder)).into();
    worker::Worker::new(opened.decoder, prompts, Vec::new(), limits, commands, guard).run();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (at, stream) in receivers {
        match runtime.block_on(stream.complete()) {
            Ok(answer) => assert_eq!(answer.ids, alone(folder.path(), &prompt(at), 8)),
            Err(error) => assert_eq!(at, 2, "{error}"),
        }
    }
    assert_eq!(room.available_permits(), 8);
}

mod claimed;
mod special;
