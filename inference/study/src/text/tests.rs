use datanet_training::job::Scratch;
use datanet_training::recipe::Recipe;
use datanet_training::run::{Control, Setup, train};

use super::*;
use crate::halves::{self, Place};
use crate::testing::{base, prose, runtime, session, topics};

#[test]
fn a_small_text_task_is_studied() {
    let data = topics(48, 12, true);
    let mut job = Job::new("base", Task::Classify);
    (job.lora.rank, job.lora.alpha, job.lora.layers, job.max_tokens) = (4, 8.0, Some(vec![5]), 24);
    job.recipe = Recipe { batch: 16, epochs: 2, warmup: 3, ..Recipe::default() };
    let cache = tempfile::tempdir().unwrap();
    let mut task = TextTask::new(&data, &job, &base(), cache.path(), &runtime(), &session()).unwrap();
    let audit = AuditPlan { subsets: 8, contributors: 4, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &[Curvature::All, Curvature::TrueLabel],
        dampings: &[0.1],
        gauss_newton_rows: Curvature::All,
        peers: None,
        audit: &audit,
    };
    let report = task.run(&plan, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((report.rows.len(), report.steps), (7, 6));
    // Six steps are nearly linear, so replay is nearly the truth.
    assert!(report.rows[0].faithfulness.lds.unwrap() > 0.8, "{report:#?}");
}

/// Who is sure of one label says what that label's loss says.
#[test]
fn answers_by_their_probabilities_are_answers_where_these_are_one() {
    let data = topics(48, 12, true);
    let mut job = Job::new("base", Task::Classify);
    (job.lora.rank, job.lora.alpha, job.lora.layers, job.max_tokens) = (4, 8.0, Some(vec![5]), 24);
    job.recipe = Recipe { batch: 16, epochs: 1, warmup: 3, ..Recipe::default() };
    let cache = tempfile::tempdir().unwrap();
    let mut task = TextTask::new(&data, &job, &base(), cache.path(), &runtime(), &session()).unwrap();
    let theta = task.course.train(&mut task.network, &[]).unwrap();
    let classes = data.labels.len();
    let mut said = Rows::zeros(task.queries.len(), classes);
    for (at, query) in task.queries.iter().enumerate() {
        said.row_mut(at)[task.network.label(*query).unwrap()] = 1.0;
    }
    let table = Rows { rows: 1, columns: theta.len(), data: theta.iter().map(|x| x * 0.1 + 0.01).collect() };
    let places = [Place { theta, table }];
    let queries = task.queries.clone();
    let by_label = halves::values(&places, &mut task.network, &queries).unwrap();
    let by_probability = halves::expected(&places, &mut task.network, &queries, &said).unwrap();
    for (a, b) in by_label.iter().zip(&by_probability).flat_map(|(a, b)| a.data.iter().zip(&b.data)) {
        assert!((a - b).abs() <= 1e-4 * a.abs().max(1e-2), "{a} {b}");
    }
}

#[test]
fn a_small_decoder_is_studied_by_random_combinations() {
    let (data, folder) = (prose(64, 12), tempfile::tempdir().unwrap());
    let mut scratch = Job::new("", Task::Generate);
    let small = Scratch { hidden: 32, intermediate: 64, layers: 1, heads: 2, kv_heads: 1, ..Scratch::default() };
    (scratch.scratch, scratch.max_tokens) = (Some(small), 24);
    scratch.recipe = Recipe { learning_rate: 1e-2, epochs: 4, batch: 16, warmup: 2, ..Recipe::default() };
    let setup = Setup {
        job: &scratch,
        data: &data,
        snapshot: "root",
        memory: None,
        base: folder.path(),
        runtime: runtime(),
        session: session(),
        folder: folder.path(),
    };
    train(&setup, &mut |_| Control::Continue).unwrap();

    let mut job = Job::new("decoder", Task::Generate);
    (job.lora.rank, job.lora.alpha, job.max_tokens) = (4, 8.0, 24);
    job.recipe = Recipe { batch: 16, epochs: 2, warmup: 3, ..Recipe::default() };
    let (decoder, cache) = (folder.path().join("release"), tempfile::tempdir().unwrap());
    let mut task = TextTask::new(&data, &job, &decoder, cache.path(), &runtime(), &session()).unwrap();
    let audit = AuditPlan { subsets: 8, contributors: 4, ..AuditPlan::default() };
    let plan = TextPlan {
        curvatures: &[Curvature::Signs(8), Curvature::TrueLabel],
        dampings: &[],
        gauss_newton_rows: Curvature::Signs(2),
        peers: None,
        audit: &audit,
    };
    let report = task.run(&plan, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    // Besides, Grad-Dot and DataInf; nothing by vectors, which a decoder has none of.
    assert_eq!((report.rows.len(), report.steps, report.accuracy), (4, 8, None));
    // Eight steps are nearly linear.
    assert!(report.rows[0].faithfulness.lds.unwrap() > 0.7, "{report:#?}");
}
