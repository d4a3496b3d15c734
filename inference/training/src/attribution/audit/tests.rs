use std::ops::ControlFlow;

use super::*;
use crate::attribution::bootstrap::Interval;
use crate::attribution::why;

/// Records whose loss contributions simply add up: leaving a record out raises answer q's loss by worth[record][q].
fn worth() -> Rows {
    let mut dice = Stream::new("audit test", 0, 0);
    Rows { rows: 40, columns: 6, data: (0..240).map(|_| dice.normal()).collect() }
}

fn owners() -> Vec<usize> {
    (0..40).map(|record| record / 4).collect()
}

fn ground(plan: &AuditPlan, belonging: &Belonging) -> Ground {
    let worth = worth();
    let mut retrain = |removed: &[bool]| {
        let mut losses = vec![1.0; 6];
        for (record, _) in removed.iter().enumerate().filter(|(_, removed)| **removed) {
            losses.iter_mut().zip(worth.row(record)).for_each(|(loss, worth)| *loss += worth);
        }
        Ok::<_, std::convert::Infallible>(losses)
    };
    let mut calls = Vec::new();
    let ground = plan.observe(belonging, &mut retrain, &mut |done, total| {
        calls.push((done, total));
        ControlFlow::Continue(())
    });
    let ground = ground.unwrap().unwrap();
    assert_eq!(calls.last(), Some(&(calls.len(), calls.len())));
    ground
}

#[test]
fn the_truth_is_perfectly_faithful() {
    let belonging = Belonging::by_record(&owners());
    let plan = AuditPlan { contributors: 100, ..AuditPlan::default() };
    let ground = ground(&plan, &belonging);
    assert_eq!((ground.subsets.len(), ground.left_out.len()), (20, 10));
    assert!(ground.subsets.iter().all(|subset| subset.len() == 4));
    let found = ground.judge(&belonging, &worth());
    assert!(
        found.lds.unwrap() > 0.999 && found.leave_one_out.unwrap() > 0.999 && found.pay.unwrap() > 0.999,
        "{found:?}"
    );
    assert!(Gate::new(found, &ground, &Thresholds::default()).passed);
    let mut wrong = worth();
    wrong.data.iter_mut().for_each(|x| *x = -*x);
    assert!(ground.judge(&belonging, &wrong).lds.unwrap() < -0.999);
}

#[test]
fn columns_of_contributors_are_audited_as_such() {
    let belonging = Belonging::by_contributor(&owners(), 10);
    let ground = ground(&AuditPlan { removed: 0.2, ..AuditPlan::default() }, &belonging);
    assert!(ground.subsets.iter().all(|subset| subset.len() == 2));
    let values = Belonging::by_record(&owners()).by_contributors(&worth());
    assert!(ground.judge(&belonging, &values).lds.unwrap() > 0.999);
}

#[test]
fn an_audit_is_the_same_for_everybody_and_another_with_another_seed() {
    let plan = AuditPlan::default();
    assert_eq!(plan.draw_subsets(50), plan.draw_subsets(50));
    assert_ne!(plan.draw_subsets(50), AuditPlan { seed: 1, ..plan.clone() }.draw_subsets(50));
    assert_eq!(plan.draw_contributors(3), [0, 1, 2]);
    assert!(plan.draw_subsets(0).iter().all(Vec::is_empty));
    assert!(plan.draw_subsets(3).iter().all(|subset| subset.len() == 1));
}

#[test]
fn a_gate_wants_enough_evidence() {
    let belonging = Belonging::by_record(&owners());
    let few = ground(&AuditPlan { subsets: 3, contributors: 2, ..AuditPlan::default() }, &belonging);
    let found = Faithfulness { lds: Some(0.9), leave_one_out: Some(-1.0), pay: None };
    assert!(!Gate::new(found, &few, &Thresholds::default()).passed);
    // With two contributors, the rank is chance and not required.
    assert!(Gate::new(found, &few, &Thresholds { subsets: 3, ..Thresholds::default() }).passed);
    let many = ground(&AuditPlan::default(), &belonging);
    assert!(!Gate::new(found, &many, &Thresholds::default()).passed);
    assert!(!Gate::new(Faithfulness::default(), &many, &Thresholds::default()).passed);
}

#[test]
fn a_gate_says_why() {
    let says = |subsets, contributors, lds, rank| {
        let gate = Gate { lds: Some(lds), leave_one_out: Some(rank), subsets, contributors, ..Gate::default() };
        let finding = gate.finding(&Thresholds::default());
        (finding.verdict, finding.reason)
    };
    let few = "too few retrainings to judge: 8 subsets or 5 contributors are needed, there were 2 and 2";
    assert_eq!(says(2, 2, 1.0, 0.9), (GateVerdict::Unjudged, few.to_owned()));
    assert_eq!(says(0, 0, 0.0, 0.0).0, GateVerdict::Unjudged);
    assert_eq!(says(8, 2, 0.41, -1.0), (GateVerdict::Failed, "LDS 0.410 is below 0.6".to_owned()));
    assert_eq!(says(8, 5, 0.9, 0.3), (GateVerdict::Failed, "leave-one-out rank 0.300 is below 0.5".to_owned()));
    assert_eq!(says(8, 2, 0.9, -1.0).0, GateVerdict::Passed);
    // Contributors alone judge too.
    assert_eq!((says(2, 5, -1.0, 0.8).0, says(2, 5, 1.0, 0.2).0), (GateVerdict::Passed, GateVerdict::Failed));
    let none = Gate { subsets: 8, ..Gate::default() }.finding(&Thresholds::default());
    assert!(none.verdict == GateVerdict::Failed && none.reason.contains("not defined"), "{none:?}");
}

#[test]
fn replay_is_left_only_for_something_better_beyond_chance() {
    let gate = |lds: f32, passed: bool| Gate { lds: Some(lds), leave_one_out: Some(lds), passed, ..Gate::default() };
    let swept = |damping, lds: f32, low: f32| {
        let lead = Some(Interval { low, high: 1.0 });
        Swept { damping, gate: gate(lds, lds > 0.6), lead }
    };
    let all = [swept(0.03, 0.5, -0.2), swept(0.1, 0.7, -0.01), swept(0.3, 0.65, 0.02)];
    let chosen = |replay, swept: &[Swept]| choose(replay, swept).map(|(choice, _)| choice);
    assert_eq!(chosen(Some(gate(0.61, true)), &all), Some(Choice::Replay), "it passed");
    assert_eq!(chosen(Some(gate(0.4, false)), &all), Some(Choice::GaussNewton { damping: 0.3 }));
    assert_eq!(chosen(Some(gate(0.4, false)), &all[..2]), Some(Choice::Replay), "higher by chance alone");
    assert_eq!(chosen(None, &all), Some(Choice::GaussNewton { damping: 0.1 }));
    assert_eq!((chosen(None, &[]), choose(Some(gate(0.4, false)), &[]).unwrap().1.passed), (None, false));
}

#[test]
fn a_choice_says_why_it_was_made() {
    let both = ["forward-replay", "gauss-newton"];
    let says = |chosen, compared: &[&str], verdict| why(chosen, compared, verdict);
    let replaced = says("gauss-newton", &both, GateVerdict::Passed);
    assert!(
        replaced.ends_with("Gauss-Newton influence agrees better with the retrainings beyond chance"),
        "{replaced}"
    );
    let kept = says("forward-replay", &both, GateVerdict::Failed);
    assert!(
        kept.ends_with("Gauss-Newton influence does not agree better with the retrainings beyond chance"),
        "{kept}"
    );
    assert!(says("forward-replay", &both, GateVerdict::Passed).ends_with("and it passed"));
    assert!(says("gauss-newton", &both[1..], GateVerdict::Failed).starts_with("the job asked"));
    assert!(says("forward-replay", &[], GateVerdict::Unjudged).contains("too few retrainings"));
}
