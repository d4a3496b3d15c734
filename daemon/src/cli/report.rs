//! A contributor's report: which records help, which harm, which are copies or badly written; and what nobody knows.

use anyhow::Result;
use serde_json::Value;

use super::client::Client;
use super::output::{Output, excerpt, money, short, table_if_any, text};
use super::people::People;

/// One, in the parts per billion of an influence.
const PPB: f64 = 1e9;

/// `contribution report`.
pub(super) async fn show(client: &Client, id: &str, output: Output) -> Result<()> {
    let value = client.get(&format!("/v1/contributions/{id}/report")).await?;
    let people = if output.json { People::default() } else { People::here(client).await };
    output.show(&value, |report| print(report, &people));
    Ok(())
}

fn print(report: &Value, people: &People) {
    let (records, judged) = (text(&report["records"]), text(&report["judged"]));
    say!("contribution {} of {}: {}", text(&report["id"]), people.full(&report["contributor"]), text(&report["state"]));
    say!("records  {records}, of which a judge looked at {judged}");
    if report["value"].is_object() {
        let value = &report["value"];
        say!(
            "worth    {} help to answer the held-out questions, {} harm, of {} measured",
            text(&value["help"]),
            text(&value["harm"]),
            text(&value["measured"])
        );
        table_if_any(
            &value["best"],
            &[
                ("helps most", &|one| excerpt(&one["excerpt"], 100)),
                ("record", &|one| text(&one["record"])),
                ("value", &worth),
            ],
        );
    }
    table_if_any(
        &report["copies"],
        &[
            ("copies of", &|one| match &one["contribution"] {
                Value::Null => "the held-out set".to_owned(),
                own if *own == report["id"] => "others in it".to_owned(),
                other => short(other),
            }),
            ("given by", &|one| people.short(&one["contributor"])),
            ("records", &|one| text(&one["records"])),
            ("exact", &|one| text(&one["exact"])),
            ("near", &|one| text(&one["near"])),
            ("paraphrased", &|one| text(&one["paraphrased"])),
        ],
    );
    table_if_any(&report["flaws"], &[("flaw", &|one| text(&one["words"])), ("records", &|one| text(&one["records"]))]);
    table_if_any(
        &report["named"],
        &[
            ("record", &|one| text(&one["record"])),
            ("against it", &|one| against(one, &report["id"])),
            ("value", &worth),
            ("it begins", &|one| excerpt(&one["excerpt"], 80)),
        ],
    );
    if report["named_is_cut"] == true {
        say!("and more; these are the most serious");
    }
    let answers = &report["answers"];
    say!(
        "answers  credited in {} of the newest {} of this node, for {}; by influence it helped {} and harmed {}, {:+.6} of loss in all; its worth, which is what pays, was {:+.6} of log-odds",
        text(&answers["credited"]),
        text(&answers["read"]),
        money(&answers["pay"]),
        text(&answers["helped"]),
        text(&answers["harmed"]),
        answers["influence"].as_f64().unwrap_or_default() / PPB,
        answers["worth"].as_f64().unwrap_or_default() / PPB,
    );
    table_if_any(
        &report["audits"],
        &[
            ("trained again without its contributor", &|one| text(&one["name"])),
            ("model", &|one| short(&one["model"])),
            ("its loss rose by", &|one| format!("{:+.4}", one["actual"].as_f64().unwrap_or_default())),
            ("the release said", &|one| format!("{:+.4}", one["predicted"].as_f64().unwrap_or_default())),
        ],
    );
    for unknown in report["unknown"].as_array().into_iter().flatten() {
        say!("unknown  {}", text(unknown));
    }
}

fn worth(one: &Value) -> String {
    one["value"].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:+.2}"))
}

/// Everything that is held against a record.
fn against(one: &Value, own: &Value) -> String {
    let mut said = Vec::new();
    said.extend(one["invalid"].as_str().map(|why| format!("does not fit: {why}")));
    let copy = &one["copy_of"];
    if copy.is_object() {
        let record = text(&copy["record"]);
        let of = match &copy["contribution"] {
            Value::Null => format!("held-out record {record}"),
            id if id == own => format!("record {record}"),
            id => format!("{} #{record}", short(id)),
        };
        let kind = match copy["kind"].as_str() {
            Some("exact") => "copy",
            Some("near") => "near copy",
            _ => "paraphrase",
        };
        said.push(format!("{kind} of {of}"));
    }
    said.extend(one["flaws"].as_array().into_iter().flatten().map(|flaw| text(flaw).replace('-', " ")));
    if said.is_empty() && one["value"].as_f64().is_some_and(|value| value < 0.0) {
        said.push("misleads".to_owned());
    }
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_held_against_a_record_is_said_in_words() {
        let own = json!("aa");
        let copy = json!({ "copy_of": { "contribution": "5e5e5e5e5e5e", "record": 7, "kind": "near" }, "flaws": ["too-short"] });
        assert_eq!(against(&copy, &own), "near copy of 5e5e5e5e #7, too short");
        let inside = json!({ "copy_of": { "contribution": "aa", "record": 1, "kind": "exact" } });
        assert_eq!(against(&inside, &own), "copy of record 1");
        let asked = json!({ "copy_of": { "contribution": null, "record": 3, "kind": "exact" } });
        assert_eq!(against(&asked, &own), "copy of held-out record 3");
        assert_eq!(against(&json!({ "value": -0.5 }), &own), "misleads");
    }
}
