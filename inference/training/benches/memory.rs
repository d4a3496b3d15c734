//! What runs one after another leave behind in the memory of their process.
//!
//! `cargo bench --profile dev -p datanet-training --bench memory -- 8`: so many runs.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use datanet_training::job::{CurvatureRows, Job, Method, Task};
use datanet_training::recipe::Recipe;
use datanet_training::run::{Control, Setup, resident, train};
use datanet_training::{data, random};

#[expect(dead_code, reason = "tests use more of it")]
#[path = "../src/testing.rs"]
mod testing;

use testing::{base, runtime, session, topics};

fn main() {
    // Cargo adds `--bench`.
    let runs = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(8);
    let mut job = Job::new("minilm-l6", Task::Classify);
    (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![4, 5]), 48);
    job.recipe = Recipe { epochs: 1, batch: 32, ..Recipe::default() };
    (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::TrueLabel);
    let (data, base) = (topics(288, 60, true), base());
    let mut first = None;
    for run in 1..=runs {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, session, folder) = (runtime(), session(), folder.path());
        let setup =
            Setup { job: &job, data: &data, snapshot: "root", memory: None, base: &base, runtime, session, folder };
        train(&setup, &mut |_| Control::Continue).unwrap();
        let mib = resident() as f64 / f64::from(1 << 20);
        let times = mib / *first.get_or_insert(mib);
        println!("after run {run} {mib:>6.0} MiB resident, {times:.2} times what the first left");
    }
}
