//! Who is behind an address or a contribution, as far as this node can tell.

use std::collections::BTreeMap;

use serde_json::Value;

use super::client::Client;
use super::output::text;

/// Characters of an address that tables have room for.
const SHORT: usize = 12;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct People {
    /// Addresses whose keys are on this node, and what they are called.
    names: BTreeMap<String, String>,
    /// Contributions, and the addresses of those who gave them.
    givers: BTreeMap<String, String>,
}

impl People {
    /// Those whose keys are on the node.
    pub(super) async fn here(client: &Client) -> Self {
        // Names are a courtesy: an answer is shown without them too.
        let keys = client.get("/v1/keys").await.unwrap_or_default();
        let keys = keys["keys"].as_array().into_iter().flatten();
        let names = keys.map(|key| (text(&key["address"]), text(&key["name"]))).collect();
        Self { names, givers: BTreeMap::new() }
    }

    /// Learns from a release's manifest who gave what it was trained on.
    pub(super) fn behind(&mut self, manifest: &Value) {
        for source in manifest["sources"].as_array().into_iter().flatten() {
            for part in source["contributions"].as_array().into_iter().flatten() {
                self.givers.insert(text(&part["contribution"]), text(&source["contributor"]));
            }
        }
    }

    /// The address, behind the name it has here.
    pub(super) fn full(&self, address: &Value) -> String {
        let address = text(address);
        self.names.get(&address).map_or_else(|| address.clone(), |name| format!("{name} {address}"))
    }

    /// The name it has here, or enough of the address to tell it from others.
    pub(super) fn short(&self, address: &Value) -> String {
        let address = text(address);
        let shortened = || match address.chars().count() > SHORT {
            true => address.chars().take(SHORT).chain(['…']).collect(),
            false => address.clone(),
        };
        self.names.get(&address).cloned().unwrap_or_else(shortened)
    }

    /// Who gave a contribution: as it is said beside it, or as the manifest says.
    pub(super) fn giver(&self, part: &Value) -> String {
        match part["contributor"].is_null() {
            false => self.full(&part["contributor"]),
            true => self
                .givers
                .get(&text(&part["contribution"]))
                .map_or_else(|| "-".to_owned(), |giver| self.full(&giver.as_str().into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_has_no_share_is_known_from_the_manifest() {
        let names = BTreeMap::from([("dn1aaaaaaaaaaaaaaaa".to_owned(), "alice".to_owned())]);
        let mut people = People { names, givers: BTreeMap::new() };
        people.behind(&json!({ "sources": [{ "contributor": "dn1aaaaaaaaaaaaaaaa", "contributions": [{ "contribution": "5e" }] }] }));
        assert_eq!(people.giver(&json!({ "contribution": "5e", "contributor": null })), "alice dn1aaaaaaaaaaaaaaaa");
        assert_eq!(people.giver(&json!({ "contribution": "77" })), "-");
        assert_eq!(people.short(&"dn1bbbbbbbbbbbbbbbb".into()), "dn1bbbbbbbbb…");
    }
}
