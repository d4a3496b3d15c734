//! LoRA training: ours against PyTorch with PEFT, same model, records, start, recipe and machine. Once over texts of
//! equal length, where nobody can gain by padding less, and once over the data's own texts, each side batching as it does.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use datanet_inference::runtime::{Runtime, SessionConfig};
use datanet_training::data::Example;
use datanet_training::job::{Job, Task};
use datanet_training::network::{HEAD_BIAS, HEAD_WEIGHT, Network, NetworkConfig};
use datanet_training::run::{Course, Gradient, Trainer};
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use datanet_setup::Toolbox;

use super::{Measure, median, qlora};
use crate::data::Dataset;
use crate::network;
use crate::peer::{Python, PythonPackages};
use crate::ui::Ui;

/// Records a step.
const BATCH: usize = 32;
/// Tokens of every record where all are equally long: they are cut from longer texts.
const TOKENS: usize = 64;
/// The longest of the data's own texts, in tokens; more is cut off, on both sides.
const LONGEST: usize = 256;
/// Steps before the clock counts.
const WARM: usize = 3;
/// The peer's program.
const PEFT: &str = include_str!("peers/train_peft.py");

/// What to measure.
#[derive(Debug, Clone)]
pub struct TrainBench {
    /// Steps, those that warm up included.
    pub steps: usize,
    /// Threads of both sides.
    pub threads: usize,
    /// A base in 4 bits against one in float instead.
    pub qlora: bool,
    /// Data in the demo's form instead of the demo's own.
    pub data: Option<std::path::PathBuf>,
}

/// The records of a run.
struct Records {
    examples: Vec<Example>,
    /// More tokens are cut off.
    tokens: usize,
}

/// What both sides train with.
struct Ground<'a> {
    tools: &'a Toolbox,
    classes: usize,
    bench: &'a TrainBench,
    python: &'a Python,
}

/// One side's run.
struct Run {
    seconds: Vec<f64>,
    forward: Vec<f64>,
    losses: Vec<f64>,
    peak_bytes: f64,
}

/// Measures.
///
/// # Errors
/// When a side fails, or the two do not learn the same.
pub async fn run(bench: &TrainBench, json: bool) -> Result<Vec<Measure>> {
    if bench.qlora {
        return qlora::run(bench, json).await;
    }
    let ui = Ui::new(json);
    ensure!(bench.steps > WARM, "--steps must be above {WARM}, which warm up");
    let (tools, _) = network::setup(&ui).await?;
    let step = ui.step(format!("the peer's packages ({})", PythonPackages::PEFT.packages.join(", ")));
    let python = match PythonPackages::PEFT.ready().await {
        Ok(python) => python,
        Err(error) => {
            step.failed(format!("{error:#}"));
            return Err(error.context("the peer cannot be installed, so there is nothing to compare with"));
        }
    };
    step.done("ready");
    let data = match &bench.data {
        Some(folder) => Dataset::from_folder(folder, 1)?,
        None => Dataset::from_registry(1)?,
    };
    let ground = Ground { tools: &tools, classes: data.labels.len(), bench, python: &python };
    let (ours, peer) = both(&ui, &ground, equal(&tools.model_dir, &data)?, "texts of equal length").await?;
    let mib = 1024.0 * 1024.0;
    let mut measures = vec![
        Measure::size(
            "a step of LoRA training, 32 x 64 tokens",
            "s",
            median(ours.seconds),
            median(peer.seconds),
            "PyTorch + PEFT",
            1.5,
        ),
        Measure::size("a forward pass of it", "s", median(ours.forward), median(peer.forward), "PyTorch", 1.0),
        Measure::size("peak memory", "MiB", ours.peak_bytes / mib, peer.peak_bytes / mib, "PyTorch + PEFT", 2.0),
    ];
    let (ours, peer) = both(&ui, &ground, own_texts(&data)?, "the data's own texts").await?;
    let rate = |run: &Run| (BATCH * run.seconds.len()) as f64 / run.seconds.iter().sum::<f64>();
    measures.push(Measure::rate(
        "training on the data's own texts",
        "samples/s",
        rate(&ours),
        rate(&peer),
        "PyTorch + PEFT, each batch padded to its longest",
        1.5,
    ));
    Ok(measures)
}

/// Trains on both sides; they must learn the same.
async fn both(ui: &Ui, ground: &Ground<'_>, records: Records, what: &str) -> Result<(Run, Run)> {
    let folder = tempfile::tempdir()?;
    let step = ui.step(format!("training on {what}, ours"));
    let ours = {
        let (model, library) = (ground.tools.model_dir.clone(), ground.tools.onnxruntime.clone());
        let (folder, bench, classes) = (folder.path().to_owned(), ground.bench.clone(), ground.classes);
        tokio::task::spawn_blocking(move || ours(&model, &library, &records, classes, &folder, &bench)).await??
    };
    step.done(format!("{:.2} s a step", median(ours.seconds.clone())));
    let step = ui.step(format!("training on {what}, PyTorch with PEFT"));
    let peer = peer(ground.python, folder.path(), ground.bench.threads).await?;
    step.done(format!("{:.2} s a step", median(peer.seconds.clone())));
    agree(&ours.losses, &peer.losses)?;
    Ok((ours, peer))
}

fn label_of(data: &Dataset, record: &crate::data::Record) -> Option<usize> {
    let label = record.label.as_ref()?;
    data.labels.iter().position(|known| known == label)
}

/// The records as they are.
fn own_texts(data: &Dataset) -> Result<Records> {
    let records = data.contributors.iter().flat_map(|contributor| &contributor.records);
    let examples: Vec<Example> = records
        .filter_map(|record| {
            let label = label_of(data, record)?;
            Some(Example { text: record.text.clone(), label: Some(label), pair: None, source: 0 })
        })
        .collect();
    ensure!(examples.len() >= BATCH, "{} records are too few for a batch of {BATCH}", examples.len());
    Ok(Records { examples, tokens: LONGEST })
}

/// Enough records of exactly [`TOKENS`] tokens or more, each with its label.
fn equal(model: &Path, data: &Dataset) -> Result<Records> {
    let tokenizer = tokenizer(model, TOKENS)?;
    let mut examples = Vec::new();
    for (at, name) in data.labels.iter().enumerate() {
        let mut text = String::new();
        let of_label =
            data.contributors.iter().flat_map(|c| &c.records).filter(|record| label_of(data, record) == Some(at));
        for record in of_label {
            text.push_str(&record.text);
            text.push(' ');
            let encoded = tokenizer.encode(text.as_str(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
            if encoded.get_ids().len() >= TOKENS {
                let text = std::mem::take(&mut text);
                examples.push(Example { text, label: Some(at), pair: None, source: 0 });
            }
        }
        ensure!(!examples.is_empty(), "the label {name} has too little text");
    }
    ensure!(examples.len() >= BATCH, "{} long records are too few for a batch of {BATCH}", examples.len());
    Ok(Records { examples, tokens: TOKENS })
}

/// The model's tokenizer, which cuts texts off.
pub(super) fn tokenizer(model: &Path, tokens: usize) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_file(model.join("tokenizer.json")).map_err(|e| anyhow::anyhow!("{e}"))?;
    tokenizer.with_padding(None);
    let truncation = tokenizers::TruncationParams { max_length: tokens, ..Default::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(tokenizer)
}

/// Trains here, and writes the same job for the peer into `folder`.
fn ours(
    model: &Path,
    library: &Path,
    records: &Records,
    classes: usize,
    folder: &Path,
    bench: &TrainBench,
) -> Result<Run> {
    let runtime = Runtime::init(library)?;
    let mut job = Job::new("minilm-l6", Task::Classify);
    job.max_tokens = records.tokens;
    job.recipe.batch = BATCH;
    // As many epochs as give the steps; the rest of the schedule is not run.
    job.recipe.epochs = bench.steps.div_ceil((records.examples.len() / BATCH).max(1));
    let session = SessionConfig { threads: bench.threads, ..SessionConfig::default() };
    let config = NetworkConfig { job: &job, base: model, classes, cache: folder, runtime: &runtime, session: &session };
    let mut network = Network::new(config)?;
    network.load(&records.examples.iter().collect::<Vec<_>>())?;
    let initial = network.layout().initial(job.recipe.seed);
    let mut course =
        Course { gradient: Gradient::Summed, ..Course::new(job.recipe.clone(), initial, records.examples.len()) };
    course.schedule.truncate(bench.steps);
    write_job(model, folder, &job, &network, &course.initial, &course.schedule, records)?;
    let mut trainer = Trainer::new(&mut network, &course, None)?;
    let (mut seconds, mut losses) = (Vec::new(), Vec::new());
    while trainer.unfinished() {
        let began = Instant::now();
        losses.push(f64::from(trainer.step()?));
        if losses.len() > WARM {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    let theta = trainer.end().theta;
    let peak_bytes = peak_memory();
    let mut forward = Vec::new();
    for batch in course.schedule.iter().take(5) {
        let began = Instant::now();
        network.forward(&theta, batch)?;
        forward.push(began.elapsed().as_secs_f64());
    }
    Ok(Run { seconds, forward, losses, peak_bytes })
}

/// The highest memory of this process so far, in bytes.
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib * 1024.0)
}

/// The job for the peer: the start, the batches as tokens, the rates.
fn write_job(
    model: &Path,
    folder: &Path,
    job: &Job,
    network: &Network,
    theta: &[f32],
    schedule: &[Vec<usize>],
    records: &Records,
) -> Result<()> {
    let tokenizer = tokenizer(model, records.tokens)?;
    let encode = |sample: &usize| -> Result<Vec<u32>> {
        let encoded =
            tokenizer.encode(records.examples[*sample].text.as_str(), true).map_err(|e| anyhow::anyhow!("{e}"))?;
        Ok(encoded.get_ids().to_vec())
    };
    let mut batches = Vec::new();
    for batch in schedule {
        let mut ids = batch.iter().map(encode).collect::<Result<Vec<_>>>()?;
        // As the usual collator of PyTorch's trainers has it: up to the longest of the batch.
        let longest = ids.iter().map(Vec::len).max().unwrap_or(0);
        let mask: Vec<Vec<u8>> =
            ids.iter().map(|ids| (0..longest).map(|at| u8::from(at < ids.len())).collect()).collect();
        ids.iter_mut().for_each(|ids| ids.resize(longest, 0));
        let labels: Vec<Option<usize>> = batch.iter().map(|&sample| records.examples[sample].label).collect();
        batches.push(json!({ "ids": ids, "mask": mask, "labels": labels }));
    }
    let rates: Vec<f32> = (0..schedule.len()).map(|step| job.recipe.rate(step, schedule.len())).collect();
    let text = json!({
        "model": model, "rank": job.lora.rank, "alpha": job.lora.alpha, "targets": network.targets(),
        "recipe": job.recipe, "rates": rates, "batches": batches,
    });
    std::fs::write(folder.join("job.json"), text.to_string())?;
    let wanted = |input: &str| input.ends_with(".A") || input == HEAD_WEIGHT || input == HEAD_BIAS;
    let parts = network.layout().parts().iter().filter(|part| wanted(&part.input));
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = parts
        .map(|part| {
            let numbers = theta[part.range.clone()].iter().flat_map(|number| number.to_le_bytes()).collect();
            (part.input.clone(), part.shape.clone(), numbers)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, data)| {
        // PyTorch keeps the head as [classes, hidden]; it starts at zero, so only the shape is turned.
        let shape = if name == HEAD_WEIGHT { shape.iter().rev().copied().collect() } else { shape.clone() };
        Ok((name.as_str(), TensorView::new(Dtype::F32, shape, data)?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    safetensors::serialize_to_file(views, None, &folder.join("init.safetensors"))?;
    Ok(())
}

async fn peer(python: &Python, folder: &Path, threads: usize) -> Result<Run> {
    let folder = folder.to_str().context("the temporary folder has a name that is not UTF-8")?;
    let told = python.run(PEFT, &[folder, &threads.to_string()]).await?;
    #[derive(Deserialize)]
    struct Told {
        seconds: Vec<f64>,
        forward: Vec<f64>,
        losses: Vec<f64>,
        peak_bytes: f64,
    }
    let Told { seconds, forward, losses, peak_bytes } = serde_json::from_value::<Told>(Value::clone(&told))?;
    Ok(Run { seconds: seconds.into_iter().skip(WARM).collect(), forward, losses, peak_bytes })
}

/// The two learn the same from the same start: their losses stay together, step by step.
fn agree(ours: &[f64], peer: &[f64]) -> Result<()> {
    ensure!(ours.len() == peer.len(), "{} steps here, {} at the peer", ours.len(), peer.len());
    for (step, (a, b)) in ours.iter().zip(peer).enumerate() {
        // Rounding grows with the steps; what differs in kind differs at once.
        let allowed = 0.002 + 0.004 * step as f64;
        ensure!((a - b).abs() <= allowed, "at step {step} the losses part: {a:.4} here, {b:.4} at the peer");
    }
    Ok(())
}
