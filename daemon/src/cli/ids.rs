//! Ids as people type them: tables show the first characters, and those are enough wherever they tell one thing from
//! all others.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::client::Client;
use super::nearest::nearest;
use super::output::text;

/// Fewer characters than this are taken for a name.
const SHORTEST: usize = 6;
/// Characters of a whole one.
const WHOLE: usize = 64;
/// How many things with the same beginning an error names.
const NAMED: usize = 5;
/// What the ids of jobs begin with.
const JOB: &str = "ftjob-";

/// Something with an id, and every word that leads to it.
struct Known {
    id: String,
    names: Vec<String>,
}

impl Client {
    /// The id of a model, from the beginning of one. A name is left to the node.
    pub(super) async fn model(&self, typed: &str) -> Result<String> {
        if !is_beginning(typed) {
            return Ok(self.leave(typed));
        }
        let models = self.get("/v1/models").await?;
        let known: Vec<Known> = entries(&models["data"])
            .map(|model| Known { id: text(&model["model_id"]), names: words(&model["names"]) })
            .collect();
        if known.iter().any(|model| model.names.iter().any(|name| name == typed)) {
            return Ok(self.leave(typed));
        }
        pick("model", "datanet model list", typed, known)
    }

    /// The id of a job, from the beginning of one or from the name of the only job that has it.
    pub(super) async fn job(&self, typed: &str) -> Result<String> {
        let jobs = self.get_with("/v1/fine_tuning/jobs", &[("limit", "1000".to_owned())]).await?;
        let known: Vec<Known> =
            entries(&jobs["data"]).map(|job| Known { id: text(&job["id"]), names: vec![text(&job["name"])] }).collect();
        // One beyond the list is left to the node.
        if typed.len() > JOB.len() + SHORTEST && typed.starts_with(JOB) && !known.iter().any(|job| job.begins(typed)) {
            return Ok(typed.to_owned());
        }
        pick("job", "datanet jobs list", typed, known)
    }

    /// The id of a contribution, from the beginning of one.
    pub(super) async fn contribution(&self, typed: &str) -> Result<String> {
        if typed.len() == WHOLE {
            return Ok(typed.to_owned());
        }
        if !is_beginning(typed) {
            bail!(
                "{typed:?} is no contribution's id: type {SHORTEST} of its hexadecimal digits at least; `datanet contributions DATANET` shows them"
            );
        }
        let mut known = Vec::new();
        for datanet in entries(&self.get("/v1/datanets").await?["datanets"]) {
            let path = format!("/v1/datanets/{}/contributions", text(&datanet["id"]));
            let mut after = None;
            loop {
                let mut query = vec![("limit", "1000".to_owned())];
                query.extend(after.map(|after: u64| ("after", after.to_string())));
                let page = self.get_with(&path, &query).await?;
                let ids = entries(&page["contributions"]).map(|one| Known { id: text(&one["id"]), names: Vec::new() });
                known.extend(ids);
                after = page["next"].as_u64();
                if after.is_none() {
                    break;
                }
            }
        }
        pick("contribution", "datanet contributions DATANET", typed, known)
    }

    /// The id of a receipt, from the beginning of one that this node has issued lately; `latest` is the last of them.
    pub(super) async fn receipt(&self, typed: &str) -> Result<String> {
        if typed == "latest" {
            let receipts = self.get("/v1/receipts").await?;
            let id = receipts["receipts"][0]["id"].as_str().map(str::to_owned);
            return id.context("this node has issued no receipt yet; ask it something first");
        }
        if !is_beginning(typed) {
            return Ok(typed.to_owned());
        }
        let receipts = self.get("/v1/receipts").await?;
        let known =
            entries(&receipts["receipts"]).map(|one| Known { id: text(&one["id"]), names: Vec::new() }).collect();
        pick("receipt issued here lately", "datanet receipt list", typed, known)
    }

    /// The id of a datanet, from the beginning of one. A name is left to the node.
    pub(super) async fn datanet(&self, typed: &str) -> Result<String> {
        if !is_beginning(typed) {
            return Ok(self.leave(typed));
        }
        let datanets = self.get("/v1/datanets").await?;
        let known = entries(&datanets["datanets"])
            .map(|one| Known { id: text(&one["id"]), names: vec![text(&one["name"])] })
            .collect();
        pick("datanet", "datanet datanet list", typed, known)
    }

    /// The id of an epoch: from the beginning of its node's key, a dash and its number.
    pub(super) async fn epoch(&self, typed: &str) -> Result<String> {
        let Some((node, number)) = typed.rsplit_once('-').filter(|(node, _)| is_beginning(node)) else {
            return Ok(typed.to_owned());
        };
        let epochs = self.get("/v1/epochs").await?;
        let own = text(&self.get("/v1/status").await?["node_key"]);
        let listed = entries(&epochs["epochs"]).map(|one| text(&one["node"]));
        let mut nodes: Vec<String> = listed.chain([own]).collect();
        nodes.sort();
        nodes.dedup();
        let known = nodes.into_iter().map(|id| Known { id, names: Vec::new() }).collect();
        Ok(format!("{}-{number}", pick("node with open epochs", "datanet epoch list", node, known)?))
    }

    /// The address of a validator, from the beginning of one or from its name.
    pub(super) async fn validator(&self, typed: &str) -> Result<String> {
        let validators = self.get("/v1/validators").await?;
        let known = entries(&validators["validators"])
            .map(|one| Known { id: text(&one["id"]), names: vec![text(&one["name"])] })
            .collect();
        pick("validator", "datanet validator list", &typed.to_lowercase(), known)
    }

    /// The id of a channel, from the beginning of one that pays this node or is paid by an account here.
    pub(super) async fn channel(&self, typed: &str) -> Result<String> {
        if !is_beginning(typed) {
            return Ok(typed.to_owned());
        }
        let mut known = Vec::new();
        let accounts = self.get("/v1/keys").await?;
        let payers = entries(&accounts["keys"]).map(|key| vec![("account", text(&key["name"]))]);
        for query in std::iter::once(Vec::new()).chain(payers) {
            let channels = self.get_with("/v1/channels", &query).await?;
            known.extend(entries(&channels["channels"]).map(|one| text(&one["id"])));
        }
        known.sort();
        known.dedup();
        let known = known.into_iter().map(|id| Known { id, names: Vec::new() }).collect();
        pick("channel", "datanet channel list", typed, known)
    }
}

impl Known {
    fn begins(&self, typed: &str) -> bool {
        self.id.starts_with(typed) || self.id.strip_prefix(JOB).is_some_and(|rest| rest.starts_with(typed))
    }
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn words(list: &Value) -> Vec<String> {
    entries(list).map(text).collect()
}

/// Whether this may be the beginning of an id, but no whole one.
fn is_beginning(typed: &str) -> bool {
    (SHORTEST..WHOLE).contains(&typed.len()) && typed.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The one thing that `typed` is the name of or, failing that, the beginning of the id of.
fn pick(noun: &str, shown_by: &str, typed: &str, known: Vec<Known>) -> Result<String> {
    let long = typed.trim_start_matches(JOB).len() >= SHORTEST;
    let named = |one: &&Known| one.id == typed || one.names.iter().any(|name| name == typed);
    let mut found: Vec<&str> = known.iter().filter(named).map(|one| one.id.as_str()).collect();
    if found.is_empty() && long {
        found = known.iter().filter(|one| one.begins(typed)).map(|one| one.id.as_str()).collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => {
            let names = known.iter().flat_map(|one| one.names.iter().map(String::as_str));
            let meant = nearest(typed, names).map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
            bail!("no {noun} is called {typed:?} or has an id that begins so{meant}; `{shown_by}` shows them")
        }
        many => {
            let some = many.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
            let count = many.len();
            Err(anyhow::anyhow!("{typed:?} may be any of {count}: {some}")).context("write more of the id")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        let one = |id: &str, name: &str| Known { id: id.to_owned(), names: vec![name.to_owned()] };
        vec![one("ftjob-abcdef01", "owls"), one("ftjob-abcdef02", "ducks"), one("ftjob-77777777", "owls")]
    }

    fn picked(typed: &str) -> Result<String, String> {
        pick("job", "datanet jobs list", typed, known()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_beginning_or_a_name_leads_to_the_only_thing_that_has_it() {
        for typed in ["ftjob-77777777", "ftjob-777777", "777777", "7777777"] {
            assert_eq!(picked(typed).as_deref(), Ok("ftjob-77777777"), "{typed}");
        }
        assert_eq!(picked("ducks").as_deref(), Ok("ftjob-abcdef02"));
    }

    #[test]
    fn what_is_ambiguous_or_unknown_is_said_so() {
        assert!(picked("abcdef").unwrap_err().contains("any of 2: ftjob-abcdef01, ftjob-abcdef02"));
        assert!(picked("owls").unwrap_err().contains("any of 2"));
        assert!(picked("duks").unwrap_err().contains("did you mean \"ducks\"?"));
        for typed in ["77777", "ftjob-", "doves"] {
            assert!(picked(typed).unwrap_err().contains("`datanet jobs list` shows them"), "{typed}");
        }
    }

    #[test]
    fn whole_ids_and_names_are_no_beginnings() {
        assert!(is_beginning("0a1b2c") && is_beginning(&"a".repeat(63)));
        assert!(!is_beginning("0a1b2") && !is_beginning(&"a".repeat(64)) && !is_beginning("topics"));
    }
}
