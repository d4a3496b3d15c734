//! What the halves cost a run, in time and memory, by records and contributors: the demo's adapters and curvature.
//!
//! `cargo bench --profile dev -p datanet-training --bench halves -- 1000 10000`: so many records each.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::time::Instant;

use datanet_training::data::Source;
use datanet_training::job::{CurvatureRows, Job, Method, Task};
use datanet_training::recipe::Recipe;
use datanet_training::run::{Control, Event, Setup, resident, train};
use datanet_training::{data, random};

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../src/testing.rs"]
mod testing;

use testing::{base, runtime, session, topics};

const CONTRIBUTORS: [usize; 2] = [20, 200];

fn main() {
    // Cargo adds `--bench`.
    let mut records: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if records.is_empty() {
        records.push(1_000);
    }
    for records in records {
        for contributors in CONTRIBUTORS {
            run(records, contributors);
        }
    }
}

/// One epoch: a run has as many times of each as it has epochs.
fn run(records: usize, contributors: usize) {
    let mut job = Job::new("minilm-l6", Task::Classify);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![4, 5]), 48);
    job.recipe = Recipe { epochs: 1, batch: 32, ..Recipe::default() };
    (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::Signs(2));
    let mut data = topics(records, 60, false);
    data.sources = (0..contributors).map(|one| Source { name: one.to_string() }).collect();
    data.train.iter_mut().enumerate().for_each(|(at, one)| one.source = at * contributors / records);
    let (base, folder) = (base(), tempfile::tempdir().unwrap());
    let (runtime, session, folder) = (runtime(), session(), folder.path());
    let setup = Setup { job: &job, data: &data, snapshot: "root", memory: None, base: &base, runtime, session, folder };
    let (mut phase, mut begun, mut most) = ("preparing", Instant::now(), 0);
    let (mut told, mut peaks) = (Vec::new(), Vec::new());
    let mut next = |name: &'static str, most: &mut u64| {
        told.push(format!("{phase} {:.1} s", begun.elapsed().as_secs_f64()));
        peaks.push(format!("{phase} {} MiB", *most >> 20));
        (phase, begun, *most) = (name, Instant::now(), 0);
    };
    train(&setup, &mut |event| {
        most = most.max(resident());
        match event {
            Event::Started { .. } => next("training", &mut most),
            Event::Phase { name } => next(name, &mut most),
            Event::Finished { .. } => next("", &mut most),
            _ => {}
        }
        Control::Continue
    })
    .unwrap();
    let halves = job.attribution.halves;
    println!("{records} records of {contributors}, {halves} halves: {}; at most {}", told.join(", "), peaks.join(", "));
}
