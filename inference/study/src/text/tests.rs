use datanet_training::recipe::Recipe;

use super::*;
use crate::testing::{base, runtime, session, topics};

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
