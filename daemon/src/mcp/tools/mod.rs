//! The tools, one file a subject. Each is a few calls of the node's own interface and a view of what came back.

mod agents;
mod answers;
mod data;
mod giving;
mod models;
mod money;
mod owning;
mod receipts;
mod shares;
mod status;
mod training;
mod view;
mod votes;

use std::fmt::Display;
use std::str::FromStr;

use datanet_api::keys::Keys;
use datanet_api::status::NodeStatus;
use datanet_api::tokens::TokenInfo;
use datanet_types::{Address, Amount};
use rmcp::handler::server::tool::ToolRouter;

use super::call::Call;
use super::refusal::Refusal;
use super::server::Server;
use crate::quoted;

pub(super) use data::show as datanet;
pub(super) use giving::show as contribution;
pub(super) use receipts::show as receipt;

/// The name of the node's own account.
const OWN_ACCOUNT: &str = "node";

/// All of them.
pub(super) fn all() -> ToolRouter<Server> {
    let mut router = ToolRouter::new();
    let subjects = [
        agents::routes(),
        answers::routes(),
        data::routes(),
        giving::routes(),
        models::routes(),
        money::routes(),
        owning::routes(),
        receipts::routes(),
        shares::routes(),
        status::routes(),
        training::routes(),
        votes::routes(),
    ];
    subjects.into_iter().flatten().for_each(|route| router.add_route(route));
    router
}

/// Those that whoever comes without a token may have.
const STRANGERS: &[&str] =
    &["agent", "agents", "ask", "classify", "datanet", "datanets", "models", "receipt", "search", "sellers"];

/// Those of all that are for callers without a token.
pub(super) fn for_strangers() -> ToolRouter<Server> {
    let mut router = all();
    router.map.retain(|name, _| STRANGERS.contains(&name.as_ref()));
    router
}

/// The address of an account of this name on the node, or that is one; if none is named, the one that the caller's token acts for, or the node's own.
async fn address_of(call: &Call, account: Option<&str>) -> Result<String, Refusal> {
    let account = match account {
        Some(account) => account,
        None => &usual_account(call).await?,
    };
    if account.parse::<Address>().is_ok() {
        return Ok(account.to_owned());
    }
    let keys: Keys = call.get(&["keys"]).await?;
    let found = keys.keys.iter().find(|key| key.name == account).map(|key| key.address.to_string());
    found.ok_or_else(|| {
        let account = quoted::clean(account, 80);
        Refusal::argument(format!(
            "{account:?} is neither an address nor the name of an account on this node; `datanet keys list` shows them"
        ))
    })
}

/// The account of whoever names none: the one that the caller's token acts for, or the node's own.
async fn usual_account(call: &Call) -> Result<String, Refusal> {
    let token: TokenInfo = call.get(&["tokens", "current"]).await?;
    Ok(match token.accounts.as_slice() {
        [one] => one.to_string(),
        _ => OWN_ACCOUNT.to_owned(),
    })
}

/// What a transaction costs at least.
async fn fee(call: &Call) -> Result<Amount, Refusal> {
    Ok(call.get::<NodeStatus>(&["status"]).await?.fees.transaction)
}

/// An id as it is written everywhere.
fn id<T: FromStr<Err: Display> + Display>(name: &str, given: &str) -> Result<String, Refusal> {
    let read: Result<T, _> = given.parse();
    read.map(|id| id.to_string()).map_err(|error| Refusal::argument(format!("\"{name}\" is no id: {error}")))
}

/// `given`, or `usual` if nothing is; refused if it is not within 1 and `most`.
fn within(name: &str, given: Option<usize>, usual: usize, most: usize) -> Result<usize, Refusal> {
    let given = given.unwrap_or(usual);
    if (1..=most).contains(&given) {
        return Ok(given);
    }
    Err(Refusal::argument(format!("\"{name}\" is {given}; it takes 1 to {most}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::mcp::scope;

    fn listed() -> Vec<Value> {
        all().list_all().iter().map(|tool| serde_json::to_value(tool).unwrap()).collect()
    }

    #[test]
    fn the_list_of_tools_does_not_drift() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&listed()).unwrap());
    }

    #[test]
    fn tools_are_listed_by_name_and_every_one_has_its_row_of_scopes() {
        let names: Vec<String> = listed().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        let table: Vec<&str> = scope::TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names, table);
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            names.iter().collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_pays_is_never_called_reading_and_takes_the_most_that_it_may_cost() {
        for tool in listed() {
            let (name, pays) = (&tool["name"], tool["_meta"]["datanet/costsMoney"] == true);
            assert_eq!(tool["inputSchema"]["properties"]["max_price"].is_object(), pays, "{name}");
            assert!(!(pays && tool["annotations"]["readOnlyHint"] == true), "{name}");
            assert_eq!(
                tool["inputSchema"]["additionalProperties"], false,
                "{name} takes arguments that it does not know"
            );
            assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        }
    }

    #[test]
    fn whatever_has_words_of_strangers_says_so_before_them() {
        for tool in listed() {
            let quotes = tool["outputSchema"]["$defs"]["Quoted"].is_object();
            let notice = tool["outputSchema"]["properties"].as_object().unwrap().keys().next();
            assert_eq!(quotes, notice.is_some_and(|first| first == "notice"), "{}", tool["name"]);
            assert_eq!(quotes, tool["annotations"]["openWorldHint"] == true, "{}", tool["name"]);
        }
    }
}
