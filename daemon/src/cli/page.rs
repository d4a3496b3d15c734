//! A model's page: what it is, what it learnt from, how it was measured, what it was made from.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::client::Client;
use super::measures::{Measures, print_attribution};
use super::output::{lines, short, table_if_any, text};
use super::people::People;
use crate::ppm;

/// Prints a model as `GET /v1/models/{id}` tells it, with the names of whoever and whatever is behind it.
pub(super) async fn print(client: &Client, model: &Value) -> Result<()> {
    let manifest = &model["manifest"];
    let mut people = People::here(client).await;
    people.behind(manifest);
    print_head(model, &people);
    if manifest.is_object() {
        let names = datanet_names(&client.get("/v1/datanets").await?);
        print_data(manifest, &people, &names);
        print_measures(manifest, &model["gate"]);
        table_if_any(
            &manifest["files"],
            &[
                ("file", &|file| text(&file["name"])),
                ("bytes", &|file| text(&file["size"])),
                ("blob", &|file| short(&file["blob"])),
            ],
        );
    }
    table_if_any(
        &model["lineage"],
        &[
            ("made from", &|model| text(&model["name"])),
            ("id", &|model| short(&model["model_id"])),
            ("owner", &|model| people.short(&model["owner"])),
            ("licence", &|model| text(&model["licence"])),
        ],
    );
    Ok(())
}

fn print_head(model: &Value, people: &People) {
    let manifest = &model["manifest"];
    let mut known = vec![("id", text(&model["model_id"])), ("name", text(&model["name"]))];
    known.extend((!model["owner"].is_null()).then(|| ("owner", people.full(&model["owner"]))));
    let deployed = model["deployed"] == true;
    known.push(("deployed", if deployed { format!("as {}", text(&model["names"])) } else { "no".to_owned() }));
    if manifest.is_object() {
        // The job is text within the manifest: its hash is part of the model's id.
        let job: Value = serde_json::from_str(manifest["job"].as_str().unwrap_or_default()).unwrap_or_default();
        known.push(("task", text(&manifest["task"])));
        known.push(("base", base(model, &job)));
        if job.is_object() {
            let quantised = job["quantise"].as_str().unwrap_or("none");
            let held = if quantised == "none" { "none: the base is held as floats" } else { quantised };
            known.push(("quantise", held.to_owned()));
            let served = if job["serve"] == "int8" { "8-bit integers" } else { "floats" };
            known.push(("serves", format!("in {served}")));
        }
        known.push(("licence", text(&manifest["licence"])));
        known.push(("labels", text(&manifest["labels"])));
    }
    for taint in model["ledger"]["taint"].as_array().into_iter().flatten() {
        let through = match taint["model"] == model["model_id"] {
            true => String::new(),
            false => format!(", which model {} behind it learnt from", short(&taint["model"])),
        };
        let by = format!("by {}{through}, revoked at height {}", text(&taint["contribution"]), text(&taint["height"]));
        known.push(("tainted", by));
    }
    lines(&known);
}

/// The base by the name that the job calls it, and its id.
fn base(model: &Value, job: &Value) -> String {
    let id = &model["manifest"]["base"];
    if id.is_null() {
        let how = if job.is_object() { "trained from nothing" } else { "put up as it is, exported by others" };
        return format!("none: {how}");
    }
    let mut lineage = model["lineage"].as_array().into_iter().flatten();
    let name = lineage.find(|ancestor| ancestor["model_id"] == *id).map_or(&job["base"], |ancestor| &ancestor["name"]);
    format!("{} {}", text(name), text(id))
}

fn datanet_names(datanets: &Value) -> BTreeMap<String, String> {
    let datanets = datanets["datanets"].as_array().into_iter().flatten();
    datanets.map(|datanet| (text(&datanet["id"]), text(&datanet["name"]))).collect()
}

fn print_data(manifest: &Value, people: &People, names: &BTreeMap<String, String>) {
    table_if_any(
        &manifest["snapshots"],
        &[
            ("datanet", &|data| names.get(&text(&data["datanet"])).cloned().unwrap_or_default()),
            ("id", &|data| short(&data["datanet"])),
            ("entries of its history", &|data| text(&data["count"])),
            ("digest", &|data| short(&data["digest"])),
        ],
    );
    let parts = |source: &Value| source["contributions"].as_array().cloned().unwrap_or_default();
    let records = |source: &Value| parts(source).iter().filter_map(|part| part["records"].as_u64()).sum::<u64>();
    table_if_any(
        &manifest["sources"],
        &[
            ("learnt from", &|source| people.full(&source["contributor"])),
            ("records", &|source| records(source).to_string()),
            ("contributions", &|source| {
                parts(source).iter().map(|part| short(&part["contribution"])).collect::<Vec<_>>().join(" ")
            }),
        ],
    );
}

/// What it was measured to do; the gate has the manifest's figures, and why it passed or not.
fn print_measures(manifest: &Value, said: &Value) {
    if manifest["evaluation"].as_array().is_some_and(|metrics| !metrics.is_empty()) {
        say!("evaluation");
        Measures::of_manifest(&manifest["evaluation"]).print();
    }
    print_attribution(said, ppm::WHOLE);
}
