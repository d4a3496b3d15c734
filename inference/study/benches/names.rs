//! What more names for the same records would earn on handwritten digits, under the rule that is shipped and under others.
//!
//! `DATANET_DIGITS=/path/of/digits.csv cargo bench --profile dev -p datanet-study --bench names`: scikit-learn's file,
//! unpacked.

#![expect(clippy::unwrap_used, reason = "a measurement stops at what goes wrong")]

use std::ops::ControlFlow;

use datanet_study::{DigitsTask, Points, StudyError, losses};
use datanet_training::attribution::groups::{self, Groups};
use datanet_training::attribution::rank::spearman;
use datanet_training::attribution::{AuditPlan, Belonging, Curvature, Ground, Rows, clip, gradients};
use datanet_training::random::Stream;
use datanet_training::run::{Following, Gradient};

fn main() {
    let Some(path) = std::env::var_os("DATANET_DIGITS") else {
        return println!("DATANET_DIGITS names no file; give scikit-learn's digits.csv, unpacked");
    };
    let points = Points::digits(&std::fs::read(path).unwrap()).unwrap();
    for noisy in [false, true] {
        let mut task = DigitsTask::new(&points, noisy, 0).unwrap();
        task.course.gradient = Gradient::ByRecord { bound: Some(clip::ORDINARY) };
        let values = valued(&mut task);
        let half = values.columns / 2;
        let paid = Paid {
            held_out: part(&values, 0, half),
            asked: part(&values, half, values.columns),
            own: task.contributors.clone(),
            ground: left_out(&mut task, half),
        };
        paid.print(if noisy { "noisy" } else { "clean" });
    }
}

/// What each record does for each query.
fn valued(task: &mut DigitsTask) -> Rows {
    let count = task.contributors.len();
    let following = Following { column_of: (0..count).map(Some).collect(), columns: count, curvature: Curvature::All };
    let followed = task.course.follow(&mut task.model, following).unwrap();
    let answers = gradients::all(&mut task.model, &followed.theta, &task.queries).unwrap();
    let data = (0..count).flat_map(|column| followed.replay.column(column)).collect();
    let table = Rows { rows: count, columns: followed.theta.len(), data };
    let mut values = gradients::product(&table, &answers);
    values.data.iter_mut().for_each(|value| *value = -*value);
    values
}

/// Every contributor left out for real; the queries from `half` on are asked.
fn left_out(task: &mut DigitsTask, half: usize) -> Ground {
    let plan = AuditPlan { subsets: 0, contributors: 20, ..AuditPlan::default() };
    let (course, model, queries) = (&task.course, &mut task.model, &task.queries[half..]);
    let mut retrain = |removed: &[bool]| {
        let theta = course.train(model, removed)?;
        Ok::<_, StudyError>(losses(model, &theta, queries)?)
    };
    let belonging = Belonging::by_record(&task.contributors);
    plan.observe(&belonging, &mut retrain, &mut |_, _| ControlFlow::Continue(())).unwrap().unwrap()
}

/// What records are worth, by what is held out and by what is asked; whose they are; and what leaving these out does.
struct Paid {
    held_out: Rows,
    asked: Rows,
    own: Vec<usize>,
    ground: Ground,
}

impl Paid {
    fn print(&self, labels: &str) {
        let rises: Vec<f32> = self.ground.contributor_rises.iter().map(|row| row.iter().sum()).collect();
        let mut order: Vec<usize> = (0..rises.len()).collect();
        order.sort_by(|a, b| rises[*a].total_cmp(&rises[*b]));
        let rules: [(&str, &Rule<'_>); 6] = [
            ("by name", &|contributors| by_name(&self.asked, contributors)),
            ("records, all", &|contributors| self.all_eligible(contributors)),
            ("records", &|contributors| self.of_size(1, contributors)),
            ("groups of 5", &|contributors| self.of_size(5, contributors)),
            ("groups of 10", &|contributors| self.of_size(10, contributors)),
            ("groups of 20", &|contributors| self.of_size(20, contributors)),
        ];
        for (name, rule) in rules {
            let gains = [Some(2), Some(10), Some(1000), None].map(|names| gain(rule, &self.asked, &self.own, names));
            let shares = rule(&self.own);
            let left_out = &self.ground.left_out;
            let paid: Vec<f32> = left_out.iter().map(|contributor| shares[*contributor] as f32).collect();
            let last: f64 = order[..5].iter().map(|at| shares[left_out[*at]]).sum();
            let pay = spearman(&paid, &rises).map_or_else(|| "-".to_owned(), |rank| format!("{rank:.2}"));
            println!(
                "{labels} {name:<12} gain of 2, 10, all names and of sorting {gains:.2?}, pay {pay}, the last five {last:.3}"
            );
        }
    }

    /// Records earn, and all may.
    fn all_eligible(&self, contributors: &[usize]) -> Vec<f64> {
        let all = Rows { rows: self.own.len(), columns: 1, data: vec![1.0; self.own.len()] };
        groups::shares(&Groups::by_record(contributors).eligibility(&all), &self.asked, contributors)
    }

    /// Groups of so many records earn, where what is held out says so.
    fn of_size(&self, size: usize, contributors: &[usize]) -> Vec<f64> {
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
        groups::shares(&groups.eligibility(&summed(&self.held_out)), &summed(&self.asked), contributors)
    }
}

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
