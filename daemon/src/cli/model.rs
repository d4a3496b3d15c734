//! Models: which there are, which serve here, and asking them.

use anyhow::Result;
use serde_json::{Value, json};

use super::args::ModelCommand;
use super::client::Client;
use super::confirm::confirm;
use super::explain::Explained;
use super::measures::Measures;
use super::model_files;
use super::output::{Output, fields, short, table, text};
use super::page;
use super::waiting::Waiting;

/// `model …`.
pub(super) async fn run(client: &Client, command: ModelCommand, output: Output) -> Result<()> {
    match command {
        ModelCommand::List { deployed } => {
            let query = deployed.then(|| ("deployed", "true".to_owned()));
            let value = client.get_with("/v1/models", &query.into_iter().collect::<Vec<_>>()).await?;
            output.show(&value, |value| {
                table(
                    &value["data"],
                    &[
                        ("name", &|model| text(&model["name"])),
                        ("id", &|model| short(&model["model_id"])),
                        ("datanets", &|model| short_list(&model["ledger"]["datanets"])),
                        ("evaluation", &|model| Measures::of_manifest(&model["ledger"]["evaluation"]).brief()),
                        ("deployed", &|model| deployed_as(model)),
                        ("tainted", &|model| if model["tainted"] == true { "yes" } else { "-" }.to_owned()),
                    ],
                );
            });
        }
        ModelCommand::Show { model } => {
            let model = client.model(&model).await?;
            let value = client.get(&format!("/v1/models/{model}")).await?;
            match output.json {
                true => output.show(&value, |_| {}),
                false => page::print(client, &value).await?,
            }
        }
        ModelCommand::Import { folder, name, licence, account } => {
            let account = account.map(|name| client.leave(&name));
            let body = json!({ "folder": folder, "name": name, "licence": licence, "account": account });
            let value = client.post("/v1/models/import", &body).await?;
            client.tell_account(account.as_deref(), output).await;
            output.show(&value, |value| {
                fields(value, &["model", "name", "task", "labels", "dimensions"]);
                say!("\nnext: datanet model deploy {}", text(&value["name"]));
            });
        }
        ModelCommand::Export(args) => model_files::export(client, args, output).await?,
        ModelCommand::Pull { model } => model_files::pull(client, &model, output).await?,
        ModelCommand::Rm { model, yes } => model_files::remove(client, &model, yes, output).await?,
        ModelCommand::Deploy { model, name } => {
            let model = client.model(&model).await?;
            let waiting = Waiting::new(output, "fetching, checking and loading the model");
            let (path, body) = (format!("/v1/models/{model}/deploy"), json!({ "name": name }));
            let value = waiting.during(client.post(&path, &body)).await?;
            output.show(&value, |value| fields(value, &["name", "model", "before"]));
        }
        ModelCommand::Undeploy { model, yes } => {
            let model = client.model(&model).await?;
            let question = format!("Model {model} is to be taken away here, with what its name led to before.");
            confirm(yes, &question).await?;
            let value = client.delete(&format!("/v1/models/{model}/deploy")).await?;
            output.show(&value, |value| fields(value, &["id", "names", "models"]));
        }
        ModelCommand::Rollback { name } => {
            let value = client.post(&format!("/v1/models/{name}/rollback"), &json!({})).await?;
            output.show(&value, |value| fields(value, &["name", "model", "before"]));
        }
    }
    Ok(())
}

fn short_list(value: &Value) -> String {
    value.as_array().into_iter().flatten().map(short).collect::<Vec<_>>().join(" ")
}

fn deployed_as(model: &Value) -> String {
    match (model["deployed"] == true, text(&model["names"])) {
        (false, _) => "-".to_owned(),
        (true, names) => names,
    }
}

/// `attribute`.
pub(super) async fn attribute(client: &Client, receipt: &str, output: Output) -> Result<()> {
    let receipt = client.receipt(receipt).await?;
    let explained = Explained::of(client, &receipt).await?;
    output.show(&explained.attribution, |_| explained.print());
    Ok(())
}
