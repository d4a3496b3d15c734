//! Contributes to a new datanet from Rust, and searches it.
//!
//! Needs `DATANET_URL` and `DATANET_TOKEN`; see `README.md`. Usage: `contribute NAME`.

use anyhow::{Context as _, Result};
use datanet_testnet::api::Client;
use futures::StreamExt as _;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    let set = |name: &str| std::env::var(name).with_context(|| format!("set {name}; see examples/README.md"));
    let client = Client::new(&set("DATANET_URL")?, &set("DATANET_TOKEN")?)?;
    let name = std::env::args_os().nth(1).and_then(|name| name.into_string().ok());
    let name = name.context("name a datanet that nobody has")?;
    let account = format!("{name}-giver");
    let key = client.key(&account).await?;
    client.transfer("node", &key.address, 5_000_000).await?;

    // What judges measure usefulness against: records that are not in any contribution.
    let holdout = lines(&[
        ("A barn owl hears mice under the snow.", "owl"),
        ("Ducklings follow their mother across the water.", "duck"),
    ]);
    let datanet = json!({
        "name": name,
        "description": "Sentences about birds",
        "licence": "CC0-1.0",
        "schema": { "fields": [
            { "name": "text", "kind": "string", "role": "text", "required": true },
            { "name": "label", "kind": "string", "role": "label", "required": true, "allowed": ["owl", "duck"] },
        ]},
        "price": 1_000,
        "accept_threshold": 3_000,
        "committee_size": 1,
        "storage_quorum": 1,
        "min_bond": 1_000_000,
        "holdout": holdout,
    });
    let datanet = client.create_datanet(&datanet).await?;

    let records = lines(&[
        ("The tawny owl calls through the forest after dark.", "owl"),
        ("Mallards dabble for plants at the surface of shallow lakes.", "duck"),
    ]);
    // The same key with the same bytes is the same contribution: a retry costs nothing.
    let retry = format!("{name}-1");
    let given = client.contribute(&datanet, &account, "application/x-ndjson", &retry, records).await?;
    let mut events = std::pin::pin!(client.contribution_events(&given.id).await?);
    while let Some(contribution) = events.next().await.transpose()? {
        println!("{:?}", contribution.state);
    }

    let found: Value = client.get(&format!("/v1/search?q=an+owl+in+the+dark&datanet={datanet}")).await?;
    for hit in found["hits"].as_array().into_iter().flatten() {
        println!("{} {}", hit["score"], hit["text"]);
    }
    Ok(())
}

fn lines(records: &[(&str, &str)]) -> String {
    records.iter().map(|(text, label)| format!("{}\n", json!({ "text": text, "label": label }))).collect()
}
