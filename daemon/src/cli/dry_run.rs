//! What would become of a contribution: everything is read, nothing is given.

use anyhow::{Result, bail};
use datanet_api::datanets::DatanetRecord;
use datanet_data::corpus::{CorpusError, Limits};
use datanet_data::review::{Noted, Place, Review, Reviews};
use datanet_types::amount;
use datanet_types::schema::Schema;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::client::Client;
use super::costs::Fees;
use super::given::Given;
use super::output::{Output, lines, table_if_any, text};

/// What else would be said with a contribution.
pub(super) struct Terms {
    /// Why its licence is not the datanet's, if so.
    pub licence_refusal: Option<String>,
    /// What would be locked, if the datanet's minimum is not enough.
    pub bond: Option<u64>,
    /// Who would give it.
    pub account: String,
}

pub(super) async fn run(
    client: &Client,
    given: Given,
    terms: Terms,
    datanet: DatanetRecord,
    output: Output,
) -> Result<()> {
    let status = client.get("/v1/status").await?;
    let fees = Fees::said(&status);
    let giver = client.address(&terms.account).await?;
    let balance = client.get(&format!("/v1/accounts/{giver}")).await?["balance"].as_u64().unwrap_or_default();
    let files: Vec<String> = given.files.iter().map(|file| file.name.clone()).collect();
    let (taken, schema) = (given.taken.clone(), datanet.schema.clone());
    let spinner = if output.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    spinner.enable_steady_tick(std::time::Duration::from_millis(120));
    spinner.set_message("reading");
    let mut reviews = tokio::task::spawn_blocking(move || read(&given, &schema)).await?;
    spinner.finish_and_clear();
    let bond = terms.bond.unwrap_or(datanet.min_bond);
    let needed = fees.needed(bond, reviews.bytes());
    if balance < needed {
        let (account, has, needed) = (&terms.account, amount::display(balance), amount::display(needed));
        let reason = format!("account {account} has {has}, and giving this takes about {needed}; send it more");
        reviews.object("funds", reason);
    }
    let review = finish(reviews, terms, bond, &datanet, &status);
    let mut value = serde_json::to_value(&review)?;
    value["dry_run"] = true.into();
    value["good"] = review.is_good().into();
    value["datanet"] = json!(datanet.id);
    value["files"] = json!(files);
    value["taken"] = json!(taken);
    value["licence"] = json!(datanet.licence);
    value["bond"] = bond.into();
    value["fees"] = status["fees"].clone();
    output.show(&value, |value| show(value, &review, &fees.contribution(bond, Some(review.bytes))));
    match review.problems.iter().map(|problem| problem.count).sum::<u64>() {
        0 => Ok(()),
        1 => bail!("one problem keeps it from being given; nothing was contributed"),
        many => bail!("{many} problems keep it from being given; nothing was contributed"),
    }
}

fn read(given: &Given, schema: &Schema) -> Reviews {
    let mut reviews = Reviews::default();
    let is_one = given.files.len() == 1;
    for file in &given.files {
        let name = (!is_one).then_some(file.name.as_str());
        match file.source() {
            Ok(source) => reviews.read(name, file.format, source, schema, &given.columns, Limits::default()),
            Err(error) => reviews.broken(name, &CorpusError::Io(std::io::Error::other(format!("{error:#}")))),
        }
    }
    reviews
}

/// Adds what is wrong with the contribution as a whole.
fn finish(mut reviews: Reviews, terms: Terms, bond: u64, datanet: &DatanetRecord, status: &Value) -> Review {
    if let Some(refusal) = terms.licence_refusal {
        reviews.object("licence", refusal);
    }
    if bond < datanet.min_bond {
        let (bond, least) = (amount::display(bond), amount::display(datanet.min_bond));
        reviews.object("bond", format!("the bond is {bond}, and the datanet wants {least} at least"));
    }
    let (bytes, most) = (reviews.bytes(), status["max_contribution_bytes"].as_u64().unwrap_or(u64::MAX));
    if bytes > most {
        let reason = format!("as JSONL it is {bytes} bytes, and a contribution may have {most}; split it");
        reviews.object("too-many-bytes", reason);
    }
    reviews.finish()
}

fn show(value: &Value, review: &Review, cost: &str) {
    let mut said = vec![("records", review.records.to_string()), ("fitting", review.fitting.to_string())];
    said.push(("bytes", format!("{} as JSONL", review.bytes)));
    said.extend(value["taken"].as_str().map(|taken| ("of", taken.to_owned())));
    said.push(("too short", noted(&review.too_short)));
    said.push(("copies in it", noted(&review.copies)));
    said.push(("licence", text(&value["licence"])));
    lines(&said);
    say!("{cost}");
    if review.is_good() {
        say!(
            "nothing is wrong with it by itself; without --dry-run it is given, and judged beside what the datanet has"
        );
        return;
    }
    if review.is_cut {
        say!("not everything could be read: more may be wrong behind what is listed");
    }
    table_if_any(
        &value["problems"],
        &[
            ("problem", &|problem| text(&problem["kind"])),
            ("field", &|problem| text(&problem["field"])),
            ("count", &|problem| text(&problem["count"])),
            ("first at", &|problem| places(&problem["first"])),
            ("such as", &|problem| text(&problem["example"])),
        ],
    );
}

fn noted(noted: &Noted) -> String {
    match noted.first.first() {
        Some(Place { file, record: Some(record), .. }) => {
            let file = file.as_ref().map(|file| format!(" of {file}")).unwrap_or_default();
            format!("{}, the first is record {record}{file}", noted.count)
        }
        _ => noted.count.to_string(),
    }
}

fn places(first: &Value) -> String {
    let places = first.as_array().into_iter().flatten();
    let said = places.filter_map(|place| {
        let line = place["line"].as_u64().map(|line| format!("line {line}"));
        match (place["file"].as_str(), line) {
            (Some(file), Some(line)) => Some(format!("{file} {line}")),
            (Some(file), None) => Some(file.to_owned()),
            (None, line) => line,
        }
    });
    said.collect::<Vec<_>>().join(", ")
}
