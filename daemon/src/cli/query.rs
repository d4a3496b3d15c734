//! Commands that look: status, peers, transactions, datanets, search, embeddings.

use anyhow::Result;
use datanet_types::schema::Schema;
use serde_json::{Value, json};

use super::args::{CreateDatanetArgs, DatanetCommand, SearchArgs};
use super::client::{Client, read_text};
use super::output::{Output, excerpt, fields, money, short, table, text};

pub async fn status(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/status").await?;
    output.show(&value, |status| {
        fields(
            status,
            &[
                "name",
                "chain_id",
                "height",
                "app_hash",
                "engine",
                "catching_up",
                "peers",
                "consensus_peers",
                "node_key",
                "account",
                "roles",
                "contributions_held",
                "p2p",
                "uptime_seconds",
            ],
        );
        say!("model  {} ({})", text(&status["model"]["name"]), text(&status["model"]["provider"]));
        for model in status["deployed"].as_array().into_iter().flatten() {
            say!("serves {} {} ({})", text(&model["name"]), short(&model["id"]), text(&model["provider"]));
        }
    });
    Ok(())
}

pub async fn peers(client: &Client, output: Output) -> Result<()> {
    let value = client.get("/v1/peers").await?;
    output.show(&value, |value| {
        table(
            &value["peers"],
            &[
                ("node", &|peer| short(&peer["node_key"])),
                ("name", &|peer| text(&peer["name"])),
                ("agent", &|peer| text(&peer["agent"])),
                ("addresses", &|peer| text(&peer["addrs"])),
            ],
        );
    });
    Ok(())
}

pub async fn tx(client: &Client, hash: &str, output: Output) -> Result<()> {
    let value = client.get(&format!("/v1/tx/{hash}")).await?;
    output.show(&value, |tx| {
        fields(tx, &["hash", "height", "code", "log"]);
        for event in tx["events"].as_array().into_iter().flatten() {
            say!("event  {}", text(&event["kind"]));
        }
    });
    Ok(())
}

pub async fn datanet(client: &Client, command: DatanetCommand, output: Output) -> Result<()> {
    match command {
        DatanetCommand::List => {
            let value = client.get("/v1/datanets").await?;
            output.show(&value, |value| {
                table(
                    &value["datanets"],
                    &[
                        ("name", &|datanet| text(&datanet["name"])),
                        ("id", &|datanet| short(&datanet["id"])),
                        ("final", &|datanet| {
                            format!("{} of {}", text(&datanet["final_contributions"]), text(&datanet["contributions"]))
                        }),
                        ("records", &|datanet| text(&datanet["records"])),
                        ("price", &|datanet| money(&datanet["price"])),
                        ("licence", &|datanet| text(&datanet["licence"])),
                        ("about", &|datanet| excerpt(&datanet["description"], 60)),
                    ],
                );
            });
        }
        DatanetCommand::Show { datanet } => {
            let value = client.get(&format!("/v1/datanets/{datanet}")).await?;
            output.show(&value, |datanet| {
                fields(
                    datanet,
                    &[
                        "name",
                        "id",
                        "description",
                        "licence",
                        "price",
                        "min_bond",
                        "accept_threshold",
                        "committee_size",
                        "storage_quorum",
                        "contributions",
                        "final_contributions",
                        "refused",
                        "revoked",
                        "records",
                        "bytes",
                        "holdout",
                        "creator",
                    ],
                );
                say!("schema");
                table(
                    &datanet["schema"]["fields"],
                    &[
                        ("field", &|field| text(&field["name"])),
                        ("kind", &|field| text(&field["kind"])),
                        ("role", &|field| text(&field["role"])),
                        ("required", &|field| text(&field["required"])),
                        ("allowed", &|field| text(&field["allowed"])),
                    ],
                );
            });
        }
        DatanetCommand::Create(args) => {
            let value = client.post("/v1/datanets", &new_datanet(args)?).await?;
            output.show(&value, |created| fields(created, &["name", "id", "tx"]));
        }
    }
    Ok(())
}

fn new_datanet(args: CreateDatanetArgs) -> Result<Value> {
    let schema = match &args.schema {
        Some(path) => serde_json::from_str(&read_text(path)?)?,
        None => {
            let labels: Vec<&str> = args.labels.iter().map(String::as_str).collect();
            let mut schema = Schema::text_and_label(&labels);
            if labels.is_empty() {
                schema.fields.truncate(1);
            }
            schema
        }
    };
    Ok(json!({
        "name": args.name, "description": args.description, "schema": schema, "licence": args.licence,
        "price": args.price, "accept_threshold": args.accept_threshold, "committee_size": args.committee_size,
        "storage_quorum": args.storage_quorum, "min_bond": args.min_bond, "account": args.account,
        "holdout": read_text(&args.holdout)?,
    }))
}

pub async fn search(client: &Client, args: SearchArgs, output: Output) -> Result<()> {
    let mut query = vec![("q", args.query), ("mode", args.mode), ("limit", args.limit.to_string())];
    query.extend(args.datanet.map(|datanet| ("datanet", datanet)));
    let value = client.get_with("/v1/search", &query).await?;
    output.show(&value, |value| {
        table(
            &value["hits"],
            &[
                ("score", &|hit| format!("{:.3}", hit["score"].as_f64().unwrap_or_default())),
                ("label", &|hit| text(&hit["label"])),
                ("contribution", &|hit| format!("{} #{}", short(&hit["contribution"]), text(&hit["record"]))),
                ("text", &|hit| excerpt(&hit["text"], 200)),
            ],
        );
    });
    Ok(())
}

pub async fn embed(client: &Client, texts: Vec<String>, output: Output) -> Result<()> {
    let value = client.post("/v1/embeddings", &json!({ "input": texts })).await?;
    output.show(&value, |value| {
        for entry in value["data"].as_array().into_iter().flatten() {
            say!("{}", entry["embedding"]);
        }
    });
    Ok(())
}
