//! `classify`: passages from the command line, or the texts of a file, each an answer of its own with its own receipt.

mod lines;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::args::{ClassifyArgs, RowsAs, TextsFrom};
use super::client::{Client, Refused};
use super::costs;
use super::explain::{Explained, warn_of_taint};
use super::files::open;
use super::output::{self, Output, money, table_if_any, text};
use super::people::People;
use super::progress::EVERY;
use lines::{Line, form_of, lines};

/// Lines that are read ahead.
const AHEAD: usize = 64;
/// Times that a line is asked again while the node is busy, and the first and longest pause before that.
const RETRIES: u32 = 12;
const PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(4);

/// Codes of refusals that belong to one text; any other would meet all that follow too.
const OF_ONE_TEXT: [&str; 4] = ["context-too-long", "empty-text", "text-too-long", "bad-parameter"];
/// Codes of a node that has too much to do now.
const BUSY: [&str; 2] = ["model-busy", "too-many-requests"];

/// `classify`.
pub(super) async fn run(client: &Client, mut args: ClassifyArgs, output: Output) -> Result<()> {
    args.account = args.account.map(|account| client.leave(&account));
    match args.file.clone() {
        Some(file) => batch(client, args, &file, output).await,
        None => passages(client, args, output).await,
    }
}

async fn passages(client: &Client, args: ClassifyArgs, output: Output) -> Result<()> {
    let model = client.model(&args.model).await?;
    let priced = client.get(&format!("/v1/models/{model}")).await?;
    costs::of_answers(&priced, args.texts.len(), args.account.as_deref(), output);
    let mut body = json!({
        "model": model, "input": args.texts, "explain": args.explain, "counterfactual": args.counterfactual,
    });
    if let Some(account) = args.account {
        body["account"] = account.into();
    }
    let value = client.post("/v1/classify", &body).await?;
    if output.json {
        output.show(&value, |_| {});
        return Ok(());
    }
    let people = People::here(client).await;
    for answer in value["data"].as_array().into_iter().flatten() {
        print_answer(answer, &people);
        let receipt = text(&answer["receipt"]["id"]);
        if args.explain {
            Explained::of(client, &receipt).await?.print_parts();
        }
        say!("fee {}   receipt {receipt}", money(&answer["fee"]));
        warn_of_taint(answer, &value["model_id"]);
    }
    Ok(())
}

fn print_answer(answer: &Value, people: &People) {
    say!("{}", text(&answer["label"]));
    for probability in answer["probabilities"].as_array().into_iter().flatten() {
        say!("  {:24} {:.4}", text(&probability["label"]), probability["probability"].as_f64().unwrap_or_default());
    }
    table_if_any(
        &answer["counterfactual"],
        &[
            ("without", &|without| people.full(&without["contributor"])),
            ("it says", &|without| text(&without["label"])),
            ("surely", &|without| format!("{:.4}", best(without))),
        ],
    );
}

/// How probable the likeliest label is.
fn best(answer: &Value) -> f64 {
    let all = answer["probabilities"].as_array().into_iter().flatten();
    all.filter_map(|one| one["probability"].as_f64()).fold(0.0, f64::max)
}

/// Classifies the texts of a file and prints a row for each line, in their order.
async fn batch(client: &Client, args: ClassifyArgs, file: &Path, output: Output) -> Result<()> {
    let form = match args.from {
        Some(form) => form,
        None if file == Path::new("-") => TextsFrom::Txt,
        None => form_of(file)?,
    };
    let read = || -> Result<Box<dyn Iterator<Item = Line> + Send>> {
        match file == Path::new("-") {
            true => lines(std::io::stdin(), form, &args.field),
            false => lines(open(file)?, form, &args.field),
        }
        .with_context(|| format!("cannot read {}", file.display()))
    };
    let model = client.model(&args.model).await?;
    // What can be read but once is not counted before.
    let again = file != Path::new("-") && std::fs::metadata(file).is_ok_and(|found| found.is_file());
    let total = if again { Some(read()?.count() as u64) } else { None };
    tell_price(client, &model, total, output).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let asker = Asker { client, model, account: args.account };
    let mut answers = std::pin::pin!(
        fed(read()?, stop.clone()).map(|line| asker.answer(line)).buffered(usize::from(args.concurrency))
    );
    let mut rows = Rows::new(args.format, total, output);
    rows.head();
    let mut ended = None;
    loop {
        let answered = tokio::select! {
            answered = answers.next() => answered,
            _ = tokio::signal::ctrl_c() => {
                // What is asked is answered and paid for, so its rows are waited for.
                stop.store(true, Ordering::Relaxed);
                ended.get_or_insert_with(|| anyhow::anyhow!("stopped"));
                continue;
            }
        };
        match answered {
            None => break,
            Some((line, Ok(answer))) => rows.print(&line, answer.as_ref().map_err(String::as_str)),
            Some((line, Err(error))) => {
                stop.store(true, Ordering::Relaxed);
                ended.get_or_insert_with(|| {
                    error.context(format!("line {} and what follows is not classified", line.number))
                });
            }
        }
    }
    rows.end();
    if let Some(error) = ended {
        return Err(error);
    }
    ensure!(rows.refused == 0, "{} of {} lines were refused; the rows say why", rows.refused, rows.count());
    Ok(())
}

/// The lines as they are read, until somebody wants no more.
fn fed(lines: Box<dyn Iterator<Item = Line> + Send>, stop: Arc<AtomicBool>) -> ReceiverStream<Line> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::spawn(move || {
        for line in lines {
            if stop.load(Ordering::Relaxed) || sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// Says what is going to be paid, before it is.
async fn tell_price(client: &Client, model: &str, total: Option<u64>, output: Output) -> Result<()> {
    if output.json {
        return Ok(());
    }
    let priced = client.get(&format!("/v1/models/{model}")).await?;
    let Some(price) = priced["price"].as_u64() else { return Ok(()) };
    let each = money(&price.into());
    match total {
        _ if price == 0 => note!("answers of this model are free"),
        Some(total) => note!("{total} lines at {each} each: {} at most", money(&price.saturating_mul(total).into())),
        None => note!("each line costs {each}"),
    }
    Ok(())
}

/// Asks about one text after the other.
struct Asker<'a> {
    client: &'a Client,
    model: String,
    account: Option<String>,
}

/// The node's answer to one text, or why there is none.
type Answered = Result<Value, String>;

impl Asker<'_> {
    /// A line with its answer; an error for what would meet every line.
    async fn answer(&self, line: Line) -> (Line, Result<Answered>) {
        let answered = match &line.text {
            Ok(text) => self.ask(text).await,
            Err(reason) => Ok(Err(reason.clone())),
        };
        (line, answered)
    }

    async fn ask(&self, text: &str) -> Result<Answered> {
        let mut body = json!({ "model": self.model, "input": [text] });
        if let Some(account) = &self.account {
            body["account"] = account.as_str().into();
        }
        for attempt in 0.. {
            let error = match self.client.post("/v1/classify", &body).await {
                Ok(value) => return Ok(Ok(value["data"][0].clone())),
                Err(error) => error,
            };
            match error.downcast_ref::<Refused>().map(|refused| refused.code.as_str()) {
                Some(code) if OF_ONE_TEXT.contains(&code) => return Ok(Err(error.to_string())),
                Some(code) if BUSY.contains(&code) && attempt < RETRIES => {
                    // Nobody says when a place is free again.
                    tokio::time::sleep(PAUSE.saturating_mul(1 << attempt.min(8)).min(MAX_PAUSE)).await;
                }
                _ => return Err(error),
            }
        }
        Err(anyhow::anyhow!("the node stays busy"))
    }
}

/// Prints rows, and how far it is.
struct Rows {
    form: RowsAs,
    bar: ProgressBar,
    /// Whether a line now and then tells how far it is.
    quiet: bool,
    told: Instant,
    done: u64,
    refused: u64,
    fees: u64,
}

impl Rows {
    fn new(form: RowsAs, total: Option<u64>, output: Output) -> Self {
        let watched = !output.json && std::io::stderr().is_terminal();
        let bar = match (watched, total) {
            (false, _) => ProgressBar::hidden(),
            (true, Some(total)) => ProgressBar::new(total),
            (true, None) => ProgressBar::new_spinner(),
        };
        let style = ProgressStyle::with_template(match total {
            Some(_) => "{bar:30} {pos}/{len} {per_sec} {eta} {msg}",
            None => "{spinner} {pos} {per_sec} {msg}",
        });
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self { form, bar, quiet: watched || output.json, told: Instant::now(), done: 0, refused: 0, fees: 0 }
    }

    fn count(&self) -> u64 {
        self.done.saturating_add(self.refused)
    }

    fn head(&self) {
        if self.form == RowsAs::Csv {
            output::piece(&csv_row(&["line", "text", "label", "score", "receipt", "error"]));
        }
    }

    fn print(&mut self, line: &Line, answer: Result<&Value, &str>) {
        match answer {
            Ok(answer) => {
                self.done = self.done.saturating_add(1);
                self.fees = self.fees.saturating_add(answer["fee"].as_u64().unwrap_or_default());
            }
            Err(_) => self.refused = self.refused.saturating_add(1),
        }
        let row = match self.form {
            RowsAs::Jsonl => json_row(line, answer),
            RowsAs::Csv => {
                let number = line.number.to_string();
                let said = line.text.as_deref().unwrap_or_default();
                let (label, score, receipt, error) = match answer {
                    Ok(answer) => {
                        let [label, receipt] = [&answer["label"], &answer["receipt"]["id"]];
                        let [label, receipt] = [label, receipt].map(|value| value.as_str().unwrap_or_default());
                        (label, best(answer).to_string(), receipt, "")
                    }
                    Err(reason) => ("", String::new(), "", reason),
                };
                csv_row(&[&number, said, label, &score, receipt, error])
            }
        };
        self.bar.suspend(|| output::piece(&row));
        self.bar.inc(1);
        self.bar.set_message(if self.refused == 0 { String::new() } else { format!("{} refused", self.refused) });
        if !self.quiet && self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            note!("{} lines, {} refused", self.count(), self.refused);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
        note!("{} classified, {} refused, {} paid", self.done, self.refused, money(&self.fees.into()));
    }
}

fn json_row(line: &Line, answer: Result<&Value, &str>) -> Vec<u8> {
    let said = line.text.as_deref().ok();
    let row = match answer {
        Ok(answer) => json!({
            "line": line.number, "text": said, "label": answer["label"], "score": best(answer), "fee": answer["fee"],
            "tainted": answer["tainted"], "receipt": answer["receipt"]["id"],
        }),
        Err(reason) => json!({ "line": line.number, "text": said, "error": reason }),
    };
    format!("{row}\n").into_bytes()
}

fn csv_row(fields: &[&str]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory cannot fail.
    let _ = writer.write_record(fields);
    writer.into_inner().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_was_found_or_why_nothing_was() {
        let line = Line { number: 3, text: Ok("a, \"b\"\nc".to_owned()) };
        let probabilities = json!([{ "label": "x", "probability": 0.25 }, { "label": "y", "probability": 0.75 }]);
        let answer = json!({
            "label": "y", "probabilities": probabilities, "fee": 7, "tainted": false, "receipt": { "id": "ab" },
        });
        let row: Value = serde_json::from_slice(&json_row(&line, Ok(&answer))).unwrap();
        assert_eq!((&row["line"], &row["label"], &row["score"]), (&json!(3), &json!("y"), &json!(0.75)));
        assert_eq!((&row["fee"], &row["receipt"]), (&json!(7), &json!("ab")));
        let row: Value = serde_json::from_slice(&json_row(&line, Err("too long"))).unwrap();
        assert_eq!((&row["error"], row.get("label")), (&json!("too long"), None));
        assert_eq!(csv_row(&["3", "a, \"b\"\nc", "y"]), b"3,\"a, \"\"b\"\"\nc\",y\n");
    }
}
