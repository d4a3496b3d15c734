//! Contributions that owe, for the owner of their datanet.

use anyhow::Result;
use serde_json::Value;

use super::client::Client;
use super::output::{Output, short, table, text};

/// Below the table.
const WHAT_IT_IS: &str = "owes: the fees of this node's answers times what the contribution made their odds worse by, help taken from harm, as `worth left` of `datanet earnings`.
Debts are the last statement's, and each release has begun without any; who owes by several in a row and is worth less than nothing for the held-out records
is left out of the next training. A job with data.leave_out = \"none\" learns from all.";

pub(super) async fn show(client: &Client, datanet: &str, releases: u8, output: Output) -> Result<()> {
    let id = client.datanet(datanet).await?;
    let value = client.get_with(&format!("/v1/datanets/{id}/debts"), &[("releases", releases.to_string())]).await?;
    output.show(&value, |value| {
        let owing = value["contributions"].as_array().map(Vec::as_slice).unwrap_or_default();
        if owing.is_empty() {
            say!("nobody owes by this node's answers");
            return;
        }
        table(
            &value["contributions"],
            &[
                ("contribution", &|one| short(&one["contribution"])),
                ("contributor", &|one| text(&one["contributor"])),
                ("by releases", &|one| by_releases(one)),
                ("owes", &|one| format!("{:.3}", one["owed"].as_f64().unwrap_or_default() / 1e6)),
                ("other nodes", &|one| text(&one["elsewhere"])),
                ("next training", &|one| if one["left_out"] == true { "left out" } else { "in" }.to_owned()),
            ],
        );
        for one in owing {
            say!("{}: {}", short(&one["contribution"]), text(&one["why"]));
        }
        say!("{WHAT_IT_IS}");
    });
    Ok(())
}

/// The releases by which it owes, newest first, and of how many.
fn by_releases(one: &Value) -> String {
    let releases = one["releases"].as_array().map(Vec::as_slice).unwrap_or_default();
    let owing: Vec<String> = releases
        .iter()
        .filter(|release| release["owed"].as_u64() > Some(0))
        .map(|release| text(&release["name"]))
        .collect();
    format!("{} of {}: {}", owing.len(), releases.len(), owing.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn releases_by_which_nothing_is_owed_are_counted_and_not_named() {
        let one = json!({ "releases": [{ "name": "owl-3", "owed": 5 }, { "name": "owl-2", "owed": 0 }, { "name": "owl-1", "owed": 7 }] });
        assert_eq!(by_releases(&one), "2 of 3: owl-3, owl-1");
    }
}
