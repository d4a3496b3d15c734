use std::path::PathBuf;

use datanet_training::data::{Example, Source};
use datanet_training::job::Scratch;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Control, Event, Setup, train};

use super::*;
use crate::gauss_newton::DAMPINGS;
use crate::testing::{base, runtime, session, topics};

fn job(task: Task) -> Job {
    let mut job = Job::new("base", task);
    (job.lora.rank, job.lora.alpha, job.max_tokens) = (4, 8.0, 48);
    job
}

fn print(report: &Report) {
    println!(
        "accuracy {:?}, loss {:.3}, P {}, {} steps, a training {:.2} s, pay agrees with itself {:?}",
        report.accuracy, report.loss, report.parameters, report.steps, report.training_seconds, report.pay_agreement
    );
    for row in &report.rows {
        let [lds, rank, pay] = [row.faithfulness.lds, row.faithfulness.leave_one_out, row.faithfulness.pay]
            .map(|x| x.map_or("-".into(), |x| format!("{x:.3}")));
        println!("  {:<42} {lds:>7} {rank:>7} {pay:>7} {:>7.2} s", row.method, row.seconds);
    }
}

#[test]
fn a_small_text_task_is_studied() {
    let data = topics(48, 12, true);
    let mut job = job(Task::Classify);
    (job.lora.layers, job.max_tokens) = (Some(vec![5]), 24);
    job.recipe = Recipe { batch: 16, epochs: 2, warmup: 3, ..Recipe::default() };
    let cache = tempfile::tempdir().unwrap();
    let mut task = TextTask::new(&data, &job, &base(), cache.path(), &runtime(), &session()).unwrap();
    let audit = AuditPlan { subsets: 8, contributors: 4, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &[Curvature::All, Curvature::TrueLabel],
        dampings: &[0.1],
        gauss_newton_rows: Curvature::All,
        audit: &audit,
    };
    let report = task.run(&plan, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((report.rows.len(), report.steps), (7, 6));
    // Six steps are nearly linear, so replay is nearly the truth.
    assert!(report.rows[0].faithfulness.lds.unwrap() > 0.8, "{report:#?}");
}

/// The decoder in `folder`; where there is none, one is trained there from the texts that DATANET_STUDY_TEXTS lists
/// as JSON.
fn decoder(folder: PathBuf) -> PathBuf {
    let release = folder.join("release");
    if release.join("config.json").exists() {
        return release;
    }
    let texts = std::env::var("DATANET_STUDY_TEXTS").expect("DATANET_STUDY_TEXTS names a JSON list of texts");
    let texts: Vec<String> = serde_json::from_slice(&std::fs::read(texts).unwrap()).unwrap();
    let example = |text: &String| Example { text: text.clone(), label: None, pair: None, source: 0 };
    let (held_out, own) = texts.split_at(50);
    let data = Dataset {
        task: Task::Generate,
        labels: Vec::new(),
        train: own.iter().map(example).collect(),
        held_out: held_out.iter().map(example).collect(),
        sources: vec![Source { name: "passages".to_owned() }],
    };
    let mut job = Job::new("", Task::Generate);
    let small = Scratch {
        vocabulary: 1024,
        hidden: 128,
        intermediate: 512,
        layers: 2,
        heads: 4,
        kv_heads: 4,
        ..Scratch::default()
    };
    (job.scratch, job.max_tokens) = (Some(small), 65);
    job.recipe = Recipe { epochs: 34, batch: 64, warmup: 50, weight_decay: 0.05, ..Recipe::default() };
    let setup = Setup {
        job: &job,
        data: &data,
        snapshot: "texts",
        memory: None,
        base: &folder,
        runtime: runtime(),
        session: session(),
        folder: &folder,
    };
    let mut report = |event: Event| {
        if let Event::Step { step, steps, loss, .. } = event
            && step % 50 == 0
        {
            eprintln!("decoder: {step} of {steps}, loss {loss}");
        }
        Control::Continue
    };
    println!("decoder: {:?}", train(&setup, &mut report).unwrap().evaluation.measures);
    release
}

/// The environment names a data set as JSON and how to adapt its base.
#[test]
#[ignore = "minutes, and DATANET_STUDY must name a data set as JSON"]
fn a_text_task_of_ones_own() {
    let path = std::env::var("DATANET_STUDY").expect("DATANET_STUDY names a data set");
    let data: Dataset = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut job = job(data.task);
    let (base, curvatures, rows) = if data.task == Task::Classify {
        job.lora.layers = Some(vec![4, 5]);
        (base(), vec![Curvature::All, Curvature::TrueLabel, Curvature::Signs(2)], Curvature::All)
    } else {
        job.max_tokens = 65;
        job.lora.targets = ["q_proj", "v_proj", "o_proj", "up_proj", "gate_proj"].map(str::to_owned).to_vec();
        let base = std::env::var("DATANET_STUDY_BASE").expect("DATANET_STUDY_BASE names a decoder's folder");
        let base = decoder(base.into());
        let signs = [Curvature::TrueLabel, Curvature::Signs(2), Curvature::Signs(4), Curvature::Signs(8)];
        (base, signs.to_vec(), Curvature::Signs(4))
    };
    if let Ok(rate) = std::env::var("DATANET_STUDY_RATE") {
        job.recipe.learning_rate = rate.parse().unwrap();
    }
    let cache = tempfile::tempdir().unwrap();
    let started = std::time::Instant::now();
    let mut task = TextTask::new(&data, &job, &base, cache.path(), &runtime(), &session()).unwrap();
    println!("loaded in {:?}", started.elapsed());
    let audit = AuditPlan { contributors: 20, ..AuditPlan::default() };
    let plan = TextPlan { curvatures: &curvatures, dampings: &DAMPINGS, gauss_newton_rows: rows, audit: &audit };
    let report = task
        .run(&plan, &mut |done, total| {
            eprintln!("{done} of {total} after {:?}", started.elapsed());
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    print(&report);
}
