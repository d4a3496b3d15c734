//! What more names for the same records would earn, under the rule that is shipped and under one that knows names.

use std::ops::ControlFlow;

use datanet_training::attribution::groups::{self, Groups};
use datanet_training::attribution::rank::spearman;
use datanet_training::attribution::{AuditPlan, Belonging, Curvature, Rows, clip, gradients};
use datanet_training::random::Stream;
use datanet_training::run::{Following, Gradient};

use crate::{DigitsTask, Points, StudyError, losses};

/// A way to pay: shares of contributors.
type Rule<'a> = dyn Fn(&[usize]) -> Vec<f64> + 'a;

/// Positive values by contributor, answer by answer: what a rule that knows names would pay.
fn by_name(values: &Rows, contributors: &[usize]) -> Vec<f64> {
    let by = Belonging::by_record(contributors).by_contributors(values);
    let mut shares = vec![0.0; by.rows];
    for answer in 0..by.columns {
        let helped: Vec<f64> = by.iter().map(|row| f64::from(row[answer].max(0.0))).collect();
        let total: f64 = helped.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        shares.iter_mut().zip(helped).for_each(|(share, helped)| *share += helped / total / by.columns as f64);
    }
    shares
}

/// By how much a contributor's share grows with so many names, or with a second one for what harms on the whole: shares
/// after over shares before, all contributors added up, one attacker at a time.
fn gain(rule: &Rule<'_>, values: &Rows, contributors: &[usize], names: Option<usize>) -> f64 {
    let (before, fresh) = (rule(contributors), contributors.iter().max().unwrap() + 1);
    let after = |attacker: usize| {
        let own: Vec<usize> = (0..contributors.len()).filter(|record| contributors[*record] == attacker).collect();
        let order = Stream::new("names", 0, attacker as u64).permutation(own.len());
        let mut renamed = contributors.to_vec();
        for (at, place) in order.into_iter().enumerate() {
            let harms = || usize::from(values.row(own[place]).iter().sum::<f32>() < 0.0);
            let name = names.map_or_else(harms, |names| at % names);
            renamed[own[place]] = if name == 0 { attacker } else { fresh + name - 1 };
        }
        let after = rule(&renamed);
        after[attacker] + after[fresh.min(after.len())..].iter().sum::<f64>()
    };
    (0..fresh).map(after).sum::<f64>() / before.iter().sum::<f64>()
}

fn part(values: &Rows, from: usize, to: usize) -> Rows {
    let data = values.iter().flat_map(|row| row[from..to].to_vec()).collect();
    Rows { rows: values.rows, columns: to - from, data }
}

#[test]
#[ignore = "DATANET_DIGITS must name scikit-learn's digits.csv, unpacked"]
fn what_names_would_earn() {
    let path = std::env::var("DATANET_DIGITS").expect("DATANET_DIGITS names digits.csv");
    let points = Points::digits(&std::fs::read(path).unwrap()).unwrap();
    for noisy in [false, true] {
        let mut task = DigitsTask::new(&points, noisy, 0).unwrap();
        task.course.gradient = Gradient::ByRecord { bound: Some(clip::ORDINARY) };
        let own = task.contributors.clone();
        let columns: Vec<Option<usize>> = (0..own.len()).map(Some).collect();
        let following = Following { column_of: columns, columns: own.len(), curvature: Curvature::All };
        let followed = task.course.follow(&mut task.model, following).unwrap();
        let answers = gradients::all(&mut task.model, &followed.theta, &task.queries).unwrap();
        let data = (0..own.len()).flat_map(|column| followed.replay.column(column)).collect();
        let table = Rows { rows: own.len(), columns: followed.theta.len(), data };
        let mut values = gradients::product(&table, &answers);
        values.data.iter_mut().for_each(|value| *value = -*value);
        let half = values.columns / 2;
        let (held_out, asked) = (part(&values, 0, half), part(&values, half, values.columns));

        let plan = AuditPlan { subsets: 0, contributors: 20, ..AuditPlan::default() };
        let (course, model, queries) = (&task.course, &mut task.model, &task.queries[half..]);
        let mut retrain = |removed: &[bool]| {
            let theta = course.train(model, removed)?;
            Ok::<_, StudyError>(losses(model, &theta, queries)?)
        };
        let ground = plan.observe(&Belonging::by_record(&own), &mut retrain, &mut |_, _| ControlFlow::Continue(()));
        let ground = ground.unwrap().unwrap();
        let rises: Vec<f32> = ground.contributor_rises.iter().map(|row| row.iter().sum()).collect();
        let mut order: Vec<usize> = (0..rises.len()).collect();
        order.sort_by(|a, b| rises[*a].total_cmp(&rises[*b]));

        let of_size = |size: usize, contributors: &[usize]| {
            let count = contributors.iter().max().unwrap() + 1;
            let groups = match size {
                1 => Groups::by_record(contributors),
                size => Groups::of_size(contributors, count, size),
            };
            let summed = |values: &Rows| {
                let mut sums = Rows::zeros(groups.belonging.columns(), values.columns);
                for (record, column) in groups.belonging.column_of.iter().enumerate() {
                    let row = sums.row_mut(column.unwrap());
                    row.iter_mut().zip(values.row(record)).for_each(|(sum, value)| *sum += value);
                }
                sums
            };
            groups::shares(&groups.eligibility(&summed(&held_out)), &summed(&asked), contributors)
        };
        let rules: [(&str, &Rule<'_>); 6] = [
            ("by name", &|contributors| by_name(&asked, contributors)),
            ("records, all", &|contributors| {
                let all = Rows { rows: own.len(), columns: 1, data: vec![1.0; own.len()] };
                groups::shares(&Groups::by_record(contributors).eligibility(&all), &asked, contributors)
            }),
            ("records", &|contributors| of_size(1, contributors)),
            ("groups of 5", &|contributors| of_size(5, contributors)),
            ("groups of 10", &|contributors| of_size(10, contributors)),
            ("groups of 20", &|contributors| of_size(20, contributors)),
        ];
        for (name, rule) in rules {
            let gains = [Some(2), Some(10), Some(1000), None].map(|names| gain(rule, &asked, &own, names));
            let shares = rule(&own);
            let paid: Vec<f32> = ground.left_out.iter().map(|contributor| shares[*contributor] as f32).collect();
            let last: f64 = order[..5].iter().map(|at| shares[ground.left_out[*at]]).sum();
            println!(
                "noisy {noisy}, {name}: gain of 2, 10, all names and of sorting {gains:.2?}, pay {:.2?}, the last five {last:.3}",
                spearman(&paid, &rises)
            );
        }
    }
}
