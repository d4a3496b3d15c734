//! Commands that look: status, peers, transactions, datanets, search, embeddings.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use datanet_types::schema::Schema;
use serde_json::{Value, json};

use super::args::{CreateDatanetArgs, DatanetCommand, SearchArgs};
use super::client::Client;
use super::confirm::confirm;
use super::costs;
use super::debts;
use super::explain::{record, warn_of_taint};
use super::files::read_text;
use super::from_folder::FromFolder;
use super::given::columns_of;
use super::output::{Output, excerpt, fields, money, short, table, text};
use super::start::{join_value, say_join};

/// The licence of a datanet that is not told another.
const LICENCE: &str = "CC-BY-4.0";
/// Validators drawn for a contribution, where there are so many.
const COMMITTEE_SIZE: u32 = 3;
/// Storage attestations that have a contribution judged, where there are so many nodes.
const STORAGE_QUORUM: u32 = 2;

pub(super) async fn status(client: &Client, output: Output) -> Result<()> {
    let mut value = client.get("/v1/status").await?;
    value["join"] = join_value(client.join());
    if output.json {
        output.show(&value, |_| {});
        return Ok(());
    }
    let names = names_that_lead(client).await?;
    if let Some(deployed) = value["deployed"].as_array_mut() {
        // A model is one line, however many names lead to it.
        deployed.sort_by_key(|model| text(&model["id"]));
        deployed.dedup_by_key(|model| text(&model["id"]));
    }
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
            let names = names.get(&text(&model["id"])).cloned().unwrap_or_else(|| text(&model["name"]));
            say!("serves {names} {} ({})", short(&model["id"]), text(&model["provider"]));
        }
        for one in status["stopped"].as_array().into_iter().flatten() {
            let (component, height) = (text(&one["component"]), text(&one["height"]));
            say!(
                "stopped {component} since height {height}: the ledger contradicts itself under {}",
                text(&one["key"])
            );
        }
        if status["engine"] == "cometbft" {
            say_join(status);
        }
    });
    Ok(())
}

/// The models that answer here, and all names that lead to each.
async fn names_that_lead(client: &Client) -> Result<BTreeMap<String, String>> {
    let models = client.get_with("/v1/models", &[("deployed", "true".to_owned())]).await?;
    let models = models["data"].as_array().into_iter().flatten();
    let named = models.filter(|model| model["names"].as_array().is_some_and(|names| !names.is_empty()));
    let joined = |names: &Value| names.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    Ok(named.map(|model| (text(&model["model_id"]), joined(&model["names"]))).collect())
}

pub(super) async fn peers(client: &Client, output: Output) -> Result<()> {
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

pub(super) async fn tx(client: &Client, hash: &str, output: Output) -> Result<()> {
    let value = client.get(&format!("/v1/tx/{hash}")).await?;
    output.show(&value, |tx| {
        fields(tx, &["hash", "height", "codespace", "code", "log"]);
        for event in tx["events"].as_array().into_iter().flatten() {
            say!("event  {}", text(&event["kind"]));
        }
    });
    Ok(())
}

pub(super) async fn datanet(client: &Client, command: DatanetCommand, output: Output) -> Result<()> {
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
            let datanet = client.datanet(&datanet).await?;
            let value = client.get(&format!("/v1/datanets/{datanet}")).await?;
            output.show(&value, |datanet| {
                fields(
                    datanet,
                    &[
                        "name",
                        "id",
                        "description",
                        "licence",
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
                        "holdout_number",
                        "creator",
                    ],
                );
                if let Some(next) = datanet.get("next_holdout") {
                    say!("next_holdout {} from {}", text(&next["holdout"]), text(&next["from"]));
                }
                say!("price {}\nmin_bond {}", money(&datanet["price"]), money(&datanet["min_bond"]));
                say!("token_price {} a thousand", money(&datanet["token_price"]));
                say!("step_price {} a step of a training", money(&datanet["step_price"]));
                say!("deposit {}", money(&datanet["deposit"]));
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
            let quorums = Quorums::of(client, &args).await?;
            let account = args.account.as_ref().map(|name| client.leave(name));
            let (new, taken) = new_datanet(*args, &quorums)?;
            costs::of_datanet(client, &new, output).await?;
            let mut value = client.post("/v1/datanets", &new).await?;
            client.tell_account(account.as_deref(), output).await;
            if !taken.is_empty() {
                value["taken"] = json!(taken);
            }
            value["committee_size"] = quorums.committee_size.into();
            value["storage_quorum"] = quorums.storage_quorum.into();
            output.show(&value, |created| {
                fields(created, &["name", "id", "tx", "committee_size", "storage_quorum"]);
                say!("deposit {}", money(&created["deposit"]));
                taken.iter().for_each(|taken| say!("took {taken}"));
            });
        }
        DatanetCommand::Debts { datanet, releases } => debts::show(client, &datanet, releases, output).await?,
        DatanetCommand::Close { datanet, yes } => {
            let id = client.datanet(&datanet).await?;
            confirm(yes, &format!("Datanet {datanet} is to be closed; its id is not given again.")).await?;
            let value = client.post(&format!("/v1/datanets/{id}/close"), &Value::Null).await?;
            output.show(&value, |closed| {
                fields(closed, &["name", "id", "tx"]);
                say!("back {}, less what its id costs for good", money(&closed["deposit"]));
            });
        }
        DatanetCommand::RotateHoldout { datanet, file } => {
            let id = client.datanet(&datanet).await?;
            let new = json!({ "holdout": read_text(&file)? });
            let value = client.post(&format!("/v1/datanets/{id}/holdout"), &new).await?;
            output.show(&value, |rotated| fields(rotated, &["id", "number", "holdout", "from", "tx"]));
        }
    }
    Ok(())
}

/// How many nodes judge and keep a contribution.
struct Quorums {
    committee_size: u32,
    storage_quorum: u32,
}

impl Quorums {
    /// What was asked for; else what is usual, as far as the network has the nodes: with fewer than are wanted, no
    /// contribution would ever become final.
    async fn of(client: &Client, args: &CreateDatanetArgs) -> Result<Self> {
        let status = client.get("/v1/status").await?;
        let nodes = |peers: &str| -> u32 {
            let others = status[peers].as_u64().and_then(|peers| u32::try_from(peers).ok()).unwrap_or_default();
            others.saturating_add(1)
        };
        Ok(Self {
            committee_size: args.committee_size.unwrap_or_else(|| nodes("consensus_peers").min(COMMITTEE_SIZE)),
            storage_quorum: args.storage_quorum.unwrap_or_else(|| nodes("peers").min(STORAGE_QUORUM)),
        })
    }
}

/// The datanet to open, and what of a folder was taken for it.
fn new_datanet(args: CreateDatanetArgs, quorums: &Quorums) -> Result<(Value, Vec<String>)> {
    let columns = columns_of(&args.columns)?;
    if args.from.is_none() && !columns.is_plain() {
        bail!("--map and --ignore are for the columns of a folder; name it with --from");
    }
    let from = args.from.as_deref().map(|folder| FromFolder::open(folder, args.config.as_deref(), columns));
    let mut from = from.transpose()?;
    let licence = match (args.licence, &mut from) {
        (Some(licence), _) => licence,
        (None, from) => from.as_mut().map_or(Ok(None), FromFolder::licence)?.unwrap_or_else(|| LICENCE.to_owned()),
    };
    let schema = match (&args.schema, &mut from) {
        (Some(path), _) => serde_json::from_str(&read_text(path)?)?,
        (None, Some(from)) if args.labels.is_empty() => from.schema()?,
        _ => {
            let labels: Vec<&str> = args.labels.iter().map(String::as_str).collect();
            let mut schema = Schema::text_and_label(&labels);
            if labels.is_empty() {
                schema.fields.truncate(1);
            }
            schema
        }
    };
    let holdout = match (&args.holdout, &mut from) {
        (Some(path), _) => read_text(path)?,
        (None, Some(from)) => from.held_out(args.holdout_split.as_deref(), &schema)?,
        (None, None) => bail!("name the held-out set: --holdout FILE"),
    };
    let description = args.description.or_else(|| from.as_ref().and_then(FromFolder::description)).unwrap_or_default();
    let new = json!({
        "name": args.name, "description": description, "schema": schema, "licence": licence,
        "price": args.price, "token_price": args.token_price, "step_price": args.step_price, "accept_threshold": args.accept_threshold,
        "committee_size": quorums.committee_size, "storage_quorum": quorums.storage_quorum, "min_bond": args.min_bond, "account": args.account,
        "holdout": holdout,
    });
    Ok((new, from.map(|from| from.said).unwrap_or_default()))
}

pub(super) async fn search(client: &Client, args: SearchArgs, output: Output) -> Result<()> {
    let mut query = vec![("q", args.query), ("mode", args.mode), ("limit", args.limit.to_string())];
    if let Some(datanet) = args.datanet {
        query.push(("datanet", client.datanet(&datanet).await?));
    }
    let value = client.get_with("/v1/search", &query).await?;
    output.show(&value, |value| {
        table(
            &value["hits"],
            &[
                ("score", &|hit| format!("{:.3}", hit["score"].as_f64().unwrap_or_default())),
                ("label", &|hit| text(&hit["label"])),
                ("contribution", &record),
                ("text", &|hit| excerpt(&hit["text"], 200)),
            ],
        );
    });
    Ok(())
}

pub(super) async fn embed(client: &Client, texts: Vec<String>, model: Option<String>, output: Output) -> Result<()> {
    let mut body = json!({ "input": texts });
    if let Some(model) = model {
        body["model"] = client.model(&model).await?.into();
    }
    let value = client.post("/v1/embeddings", &body).await?;
    output.show(&value, |value| {
        for entry in value["data"].as_array().into_iter().flatten() {
            say!("{}", entry["embedding"]);
        }
        warn_of_taint(&value["datanet"], &value["model"]);
    });
    Ok(())
}
