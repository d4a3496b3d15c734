//! What the demo found, as one JSON object and as tables.

use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::api::Scores;
use crate::ui::{Ui, dnt};

/// The object that `--json` prints.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many nodes took part.
    pub nodes: usize,
    /// The height at which all were compared at the end.
    pub height: u64,
    /// Whether their states hash to the same there.
    pub app_hashes_equal: bool,
    /// Every contribution, in the order of the contributors.
    pub contributions: Vec<ContributionLine>,
    /// The questions.
    pub answers: Answers,
    /// The receipts.
    pub receipts: Receipts,
    /// The model trained on what was accepted; absent where the data has no labels.
    pub training: Option<Training>,
    /// How its answers are attributed, and how far that is to be trusted.
    pub attribution: Option<Attribution>,
    /// Contributors that were left out of a real retraining.
    pub left_out: Vec<LeftOut>,
    /// Who was paid.
    pub payouts: Vec<Payout>,
    /// The sum of all accounts, in base units.
    pub supply: Supply,
    /// How long each part took.
    pub seconds: Seconds,
    /// Whether a forged receipt was caught; `None` if none could be made.
    #[serde(skip)]
    pub forgery_caught: Option<bool>,
}

/// One contribution.
#[derive(Debug, Clone, Serialize)]
pub struct ContributionLine {
    /// Its id, hex.
    pub id: String,
    /// Whose it is.
    pub contributor: String,
    /// How many records.
    pub records: u64,
    /// `final` or `refused`.
    pub status: String,
    /// The tally's medians in basis points.
    pub scores: Option<Scores>,
    /// Why, in the judges' words.
    pub reason: String,
    /// In how many answers it was used.
    #[serde(skip)]
    pub credited: usize,
    /// How many answers of the fine-tuned model it is worth: the sum of its shares.
    pub influence: f64,
    /// By how much likelier it made that model's right answers beside all other data, on average, in per cent; - is less likely.
    /// Nothing of what was not learnt from.
    pub effect: Option<f64>,
    /// By how much it raised the odds of all that model's answers where half of the data is there, the same way: what pay follows.
    pub worth: Option<f64>,
}

/// The fine-tuned model.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Training {
    /// Steps.
    pub steps: u64,
    /// From the job to the release, the audit by retraining included.
    pub seconds: f64,
    /// Share of the questions that it answered rightly.
    pub accuracy: f64,
    /// Its accuracy on the datanet's held-out set.
    pub held_out: Option<f64>,
    /// The same, had it also been trained on what was refused.
    pub held_out_with_refused: f64,
    /// That of a vote of the nearest records by the base model's vectors.
    pub base_held_out: Option<f64>,
}

/// How answers are attributed.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Attribution {
    /// The method that pays.
    pub method: String,
    /// Linear datamodelling score of the release's audit.
    pub lds: Option<f64>,
    /// Agreement over contributors left out, answer by answer.
    pub leave_one_out: Option<f64>,
    /// Agreement of their order.
    pub pay: Option<f64>,
}

/// A contributor that was left out of a real retraining.
#[derive(Debug, Clone, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub contributor: String,
    /// How the mean held-out loss rose without it.
    pub actual: f64,
    /// How it should have risen, as the release's table says.
    pub predicted: f64,
}

/// How the questions went.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Answers {
    /// Questions asked.
    pub asked: usize,
    /// Answered with the right label.
    pub correct: usize,
    /// What always saying the most frequent label would have got right.
    pub majority_correct: usize,
}

impl Answers {
    fn share(self) -> f64 {
        self.correct as f64 / self.asked.max(1) as f64
    }
}

/// How the receipts stood up.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Receipts {
    /// One an answer.
    pub issued: usize,
    /// Recomputed by another node and found right.
    pub verified: usize,
    /// Recomputed by another node and found wrong.
    pub mismatched: usize,
}

/// One account's pay.
#[derive(Debug, Clone, Serialize)]
pub struct Payout {
    /// The account, `dn1…`.
    pub account: String,
    /// The contributor's name, or the node's.
    pub contributor: String,
    /// Base units.
    pub amount: u64,
    /// For what.
    pub why: String,
}

/// The sum of all accounts in base units.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Supply {
    /// Before anything was done.
    pub before: u64,
    /// After everything.
    pub after: u64,
}

/// Seconds of each part.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Seconds {
    /// Bringing what a machine lacks.
    pub setup: f64,
    /// From the first process to agreement.
    pub up: f64,
    /// Keys, money, the datanet, uploads.
    pub contribute: f64,
    /// From the last honest upload to the last verdict.
    pub judge: f64,
    /// All questions, a kill included.
    pub answer: f64,
    /// Training, comparing, deploying, and asking the model.
    pub train: f64,
    /// Verifying receipts, settling, claiming.
    pub settle: f64,
    /// From start to end, reading the data and stopping the nodes included.
    pub total: f64,
}

impl Report {
    /// Shows everything to a person.
    pub(super) fn show(&self, ui: &Ui, problems: &[String]) {
        ui.line(format!("\n{}", self.verdicts()));
        ui.line(format!("\n{}", self.pay()));
        ui.line(WHY_THEY_DIFFER);
        let Answers { asked, correct, majority_correct } = self.answers;
        ui.line(format!(
            "\nAnswers   {correct} of {asked} right ({}); always saying the most frequent label: {majority_correct} ({})",
            percent(correct, asked),
            percent(majority_correct, asked),
        ));
        self.show_training(ui);
        let Receipts { issued, verified, mismatched } = self.receipts;
        let forged = match self.forgery_caught {
            Some(true) => "; a forged one was caught",
            Some(false) => "; A FORGED ONE PASSED",
            None => "",
        };
        ui.line(format!("Receipts  {issued} issued; of a sample {verified} verified by another node, {mismatched} mismatched{forged}"));
        ui.line(format!("Supply    {} before, {} after", dnt(self.supply.before), dnt(self.supply.after)));
        let same = if self.app_hashes_equal { "the same state" } else { "DIFFERENT STATES" };
        ui.line(format!("Nodes     {} at height {} with {same}", self.nodes, self.height));
        let s = &self.seconds;
        ui.line(format!(
            "Seconds   setup {:.1}, up {:.1}, contribute {:.1}, judge {:.1}, answer {:.1}, train {:.1}, settle {:.1}, total {:.1}",
            s.setup, s.up, s.contribute, s.judge, s.answer, s.train, s.settle, s.total
        ));
        for problem in problems {
            ui.line(format!("\n✗ {problem}"));
        }
    }

    /// What training on the accepted data brought, and how far its attribution is to be trusted.
    fn show_training(&self, ui: &Ui) {
        let (Some(training), Some(attribution)) = (&self.training, &self.attribution) else { return };
        let share =
            |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0));
        let mut accuracy = table(&["right answers", "questions", "held out"]);
        for (what, questions, held_out) in [
            ("retrieval from the datanet", Some(self.answers.share()), None),
            ("base model: a vote of the nearest records", None, training.base_held_out),
            ("fine-tuned on what was accepted", Some(training.accuracy), training.held_out),
            ("fine-tuned on what was refused as well", None, Some(training.held_out_with_refused)),
        ] {
            accuracy.add_row(vec![Cell::new(what), right(share(questions)), right(share(held_out))]);
        }
        ui.line(format!("\n{accuracy}\n"));
        if !self.left_out.is_empty() {
            let mut left_out =
                table(&["trained again without", "its loss really rose by", "the release said", "earned"]);
            for LeftOut { contributor, actual, predicted } in &self.left_out {
                let earned = self.payouts.iter().find(|payout| payout.contributor == *contributor);
                left_out.add_row(vec![
                    Cell::new(contributor),
                    right(format!("{actual:+.4}")),
                    right(format!("{predicted:+.4}")),
                    right(dnt(earned.map_or(0, |payout| payout.amount))),
                ]);
            }
            ui.line(format!("{left_out}"));
            ui.line("The loss is the mean over the held-out records, a natural logarithm; what was earned is DNT for the questions asked above.");
            ui.line(
                "They differ because pay follows what data is worth where half of it is missing, over the answers to those questions: harm is taken from help, and what is left shares the fees.\n",
            );
        }
        let number = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), |number| format!("{number:.2}"));
        ui.line(format!(
            "Trust     {}; against real retraining: LDS {}, leave-one-out rank {}, pay {}",
            attribution.method,
            number(attribution.lds),
            number(attribution.leave_one_out),
            number(attribution.pay),
        ));
    }

    /// Who was judged how.
    fn verdicts(&self) -> Table {
        let mut table =
            table(&["contributor", "records", "verdict", "validity", "quality", "unique", "useful", "reason"]);
        for line in &self.contributions {
            let score =
                |get: fn(&Scores) -> i64| right(line.scores.as_ref().map(|s| get(s).to_string()).unwrap_or_default());
            table.add_row(vec![
                Cell::new(&line.contributor),
                right(line.records),
                Cell::new(&line.status),
                score(|s| s.validity),
                score(|s| s.quality),
                score(|s| s.uniqueness),
                score(|s| s.usefulness),
                Cell::new(&line.reason),
            ]);
        }
        table
    }

    /// Who earned what, and why.
    fn pay(&self) -> Table {
        let mut table = table(&["paid", "records", "verdict", "answers", "effect", "worth", "earned", "why"]);
        let percent =
            |change: Option<f64>| right(change.map_or_else(|| "–".to_owned(), |change| format!("{change:+.1} %")));
        for line in &self.contributions {
            let payout = self.payouts.iter().find(|p| p.contributor == line.contributor);
            table.add_row(vec![
                Cell::new(&line.contributor),
                right(line.records),
                Cell::new(&line.status),
                right(line.credited),
                percent(line.effect),
                percent(line.worth),
                right(dnt(payout.map_or(0, |p| p.amount))),
                Cell::new(payout.map_or_else(|| no_pay(line), |p| p.why.clone())),
            ]);
        }
        let contributes = |p: &Payout| self.contributions.iter().any(|c| c.contributor == p.contributor);
        for payout in self.payouts.iter().filter(|p| !contributes(p)) {
            let empty = || Cell::new("");
            table.add_row(vec![
                Cell::new(&payout.contributor),
                empty(),
                empty(),
                empty(),
                empty(),
                empty(),
                right(dnt(payout.amount)),
                Cell::new(&payout.why),
            ]);
        }
        table
    }
}

/// Below the table of pay.
const WHY_THEY_DIFFER: &str = "Effect: by how much likelier the model's right answers are with that data, beside all the other data. Worth: by how much it raised the odds of the answers that were given, where half of the data is missing.
The model's fees follow worth, summed over the answers of each node, and nobody is paid for less than nothing. Effect and worth differ because what others bring as well is hardly missed while they are all there, and because nobody knows which answers are right when they are paid for.";

fn no_pay(line: &ContributionLine) -> String {
    match line.status.as_str() {
        "refused" => "refused, so it earns nothing".to_owned(),
        _ if line.credited == 0 && line.influence == 0.0 => "no answer drew on it".to_owned(),
        _ => String::new(),
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    if !table.is_tty() {
        table.set_width(150);
    }
    table.set_header(header);
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn percent(part: usize, whole: usize) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.0} %", part as f64 * 100.0 / whole as f64) }
}
