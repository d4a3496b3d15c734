//! Every method of attribution against real retraining, on a decoder and texts of one's own. (On texts to be classified
//! `cargo testnet bench attribution --only texts --data DIR` does the same.)
//!
//! `DATANET_STUDY=/path/of/data.json DATANET_STUDY_BASE=/path/of/folder cargo bench --profile dev -p datanet-study --bench decoder`
//!
//! The data are a [`Dataset`] to generate from, as JSON. The folder holds the decoder; where there is none yet, one is
//! trained there from the JSON list of texts that `DATANET_STUDY_TEXTS` names. `DATANET_STUDY_RATE` is another learning rate.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement stops at what goes wrong")]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use datanet_inference::runtime::{Locations, Runtime, SessionConfig};
use datanet_study::gauss_newton::DAMPINGS;
use datanet_study::{Report, TextPlan, TextTask};
use datanet_training::attribution::{AuditPlan, Curvature};
use datanet_training::data::{Dataset, Example, Source};
use datanet_training::job::{Job, Scratch, Task};
use datanet_training::recipe::Recipe;
use datanet_training::run::{Control, Event, Setup, train};

/// Texts that the base is asked, of those it is made from.
const HELD_OUT: usize = 50;
/// Tokens of a text that are read.
const TOKENS: usize = 65;
const CURVATURES: [Curvature; 4] =
    [Curvature::TrueLabel, Curvature::Signs(2), Curvature::Signs(4), Curvature::Signs(8)];

fn main() {
    let given = |key: &str| std::env::var_os(key).map(PathBuf::from);
    let (Some(data), Some(folder)) = (given("DATANET_STUDY"), given("DATANET_STUDY_BASE")) else {
        return println!(
            "give DATANET_STUDY, a data set as JSON, and DATANET_STUDY_BASE, a folder with or for a decoder"
        );
    };
    let runtime = Runtime::init(&Locations::from_env().unwrap().dylib).unwrap();
    let data: Dataset = serde_json::from_slice(&std::fs::read(data).unwrap()).unwrap();
    assert_eq!(data.task, Task::Generate, "DATANET_STUDY is no data set to generate from");
    let base = decoder(&folder, &runtime);
    let mut job = Job::new("base", Task::Generate);
    (job.lora.rank, job.lora.alpha, job.max_tokens) = (4, 8.0, TOKENS);
    job.lora.targets = ["q_proj", "v_proj", "o_proj", "up_proj", "gate_proj"].map(str::to_owned).to_vec();
    if let Ok(rate) = std::env::var("DATANET_STUDY_RATE") {
        job.recipe.learning_rate = rate.parse().unwrap();
    }
    let cache = tempfile::tempdir().unwrap();
    let mut task = TextTask::new(&data, &job, &base, cache.path(), &runtime, &SessionConfig::default()).unwrap();
    let audit = AuditPlan { contributors: 20, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &CURVATURES,
        dampings: &DAMPINGS,
        gauss_newton_rows: Curvature::Signs(4),
        peers: None,
        audit: &audit,
    };
    let start = Instant::now();
    let report = task.run(&plan, &mut |done, all| {
        eprintln!("retraining {done} of {all} after {:.0} s", start.elapsed().as_secs_f64());
        ControlFlow::Continue(())
    });
    print(&report.unwrap());
}

/// The decoder in `folder`, trained there if there is none.
fn decoder(folder: &Path, runtime: &Runtime) -> PathBuf {
    let release = folder.join("release");
    if release.join("config.json").exists() {
        return release;
    }
    let texts = std::env::var_os("DATANET_STUDY_TEXTS").expect("DATANET_STUDY_TEXTS names a JSON list of texts");
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts).unwrap()).unwrap();
    let example = |text: &String| Example { text: text.clone(), label: None, pair: None, source: 0 };
    let (held_out, own) = texts.split_at(HELD_OUT);
    let data = Dataset {
        task: Task::Generate,
        labels: Vec::new(),
        train: own.iter().map(example).collect(),
        held_out: held_out.iter().map(example).collect(),
        sources: vec![Source { name: "texts".to_owned() }],
        parts: Vec::new(),
    };
    let small = Scratch {
        vocabulary: 1024,
        hidden: 128,
        intermediate: 512,
        layers: 2,
        heads: 4,
        kv_heads: 4,
        ..Scratch::default()
    };
    let mut job = Job::new("", Task::Generate);
    (job.scratch, job.max_tokens) = (Some(small), TOKENS);
    job.recipe = Recipe { epochs: 34, batch: 64, warmup: 50, weight_decay: 0.05, ..Recipe::default() };
    let setup = Setup {
        job: &job,
        data: &data,
        snapshot: "texts",
        memory: None,
        base: folder,
        runtime: runtime.clone(),
        session: SessionConfig::default(),
        folder,
    };
    let mut report = |event: Event| {
        if let Event::Step { step, steps, loss, .. } = event
            && step % 50 == 0
        {
            eprintln!("decoder: step {step} of {steps}, loss {loss}");
        }
        Control::Continue
    };
    println!("decoder: {:?}", train(&setup, &mut report).unwrap().evaluation.measures);
    release
}

fn print(report: &Report) {
    let Report { loss, parameters, steps, training_seconds, .. } = report;
    println!("loss {loss:.3}, {parameters} parameters, {steps} steps, {training_seconds:.2} s a training");
    println!("{:<42} {:>7} {:>7} {:>7}", "", "LDS", "rank", "pay");
    for row in &report.rows {
        let scores = [row.faithfulness.lds, row.faithfulness.leave_one_out, row.faithfulness.pay];
        let [lds, rank, pay] = scores.map(|score| score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}")));
        println!("{:<42} {lds:>7} {rank:>7} {pay:>7} {:>7.2} s", row.method, row.seconds);
    }
}
