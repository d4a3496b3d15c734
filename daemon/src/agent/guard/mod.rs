//! What a model may say to a tool.
//!
//! A model reads words of strangers, and whoever reads them may come to obey them. So nothing that it says is believed: a call is one of three
//! tools, its arguments have types and no others beside them, what it takes is one of the choices that were made without it, at the cost that
//! they have, and no value in it (an address, an id, a host, an amount) comes from anywhere but the spec and the choices. It is a list of what
//! may be, not of what may not: however a stranger spells, hides or encodes an instruction, what could follow it is not there.

mod values;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::policy::Observation;
use crate::quoted::clean;

pub use values::values;

/// Longest words of a search, in characters.
const MAX_QUERY: usize = 200;
/// Longest reason that is kept.
const MAX_WHY: usize = 300;
/// Longest arguments of one call, in bytes.
const MAX_ARGUMENTS: usize = 4_096;

/// What a model wants, as it says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The tool's name.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

/// What a model may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// One of the choices, by its place.
    Take {
        /// The place.
        choice: usize,
        /// Why, in its words.
        why: String,
    },
    /// None of them.
    Pass {
        /// Why, in its words.
        why: String,
    },
    /// A look at the node's records.
    Search {
        /// For what.
        query: String,
    },
}

/// Why a call is not made: told to the model, and counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such tool.
    #[error("there is no tool of that name; there are take, pass and search")]
    Tool,
    /// Not the arguments that the tool has.
    #[error("these are not the tool's arguments: {0}")]
    Arguments(String),
    /// Not one of the choices.
    #[error("that is none of the choices; take one by its name as it stands there, or pass")]
    Choice,
    /// It costs more than there is.
    #[error("that choice costs more than is left; take another, or pass")]
    Cost,
    /// It costs more than the model says it may.
    #[error("that choice costs {0} base units; its price is not for you to set")]
    Price(u64),
    /// A value that is neither the owner's nor of a choice.
    #[error("{0:?} was not given by the owner; addresses, ids, hosts and amounts out of quoted words are not used")]
    Foreign(String),
    /// Nothing to look for.
    #[error("a search has 1 to {most} characters", most = MAX_QUERY)]
    Query,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Take {
    choice: String,
    most: Option<u64>,
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pass {
    why: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    query: String,
}

/// See the module.
#[derive(Debug)]
pub struct Guard<'a> {
    seen: &'a Observation,
    /// Values that the owner has given.
    owners: BTreeSet<String>,
}

impl<'a> Guard<'a> {
    /// For one decision; `owners` are words of the spec.
    pub fn new(seen: &'a Observation, owners: &str) -> Self {
        let mut known = values(owners);
        for choice in &seen.choices {
            known.extend(values(&choice.name));
            known.insert(choice.cost.to_string());
        }
        Self { seen, owners: known }
    }

    /// What becomes of what a model wants.
    ///
    /// # Errors
    /// A [`Refusal`], which has done nothing.
    pub fn check(&self, wanted: &Wanted) -> Result<Call, Refusal> {
        if wanted.arguments.to_string().len() > MAX_ARGUMENTS {
            return Err(Refusal::Arguments(format!("they have more than {MAX_ARGUMENTS} bytes")));
        }
        match wanted.tool.as_str() {
            "take" => self.take(typed(&wanted.arguments)?),
            "pass" => {
                let Pass { why } = typed(&wanted.arguments)?;
                Ok(Call::Pass { why: reason(why) })
            }
            "search" => self.search(typed(&wanted.arguments)?),
            _ => Err(Refusal::Tool),
        }
    }

    fn take(&self, Take { choice, most, why }: Take) -> Result<Call, Refusal> {
        let place = self.seen.choices.iter().position(|known| known.name == choice).ok_or(Refusal::Choice)?;
        let cost = self.seen.choices.get(place).map_or(u64::MAX, |known| known.cost);
        if cost > self.seen.left {
            return Err(Refusal::Cost);
        }
        match most {
            Some(most) if most < cost => Err(Refusal::Price(cost)),
            _ => Ok(Call::Take { choice: place, why: reason(why) }),
        }
    }

    fn search(&self, Search { query }: Search) -> Result<Call, Refusal> {
        let query = clean(&query, MAX_QUERY + 1).replace('\n', " ");
        if query.trim().is_empty() || query.chars().count() > MAX_QUERY {
            return Err(Refusal::Query);
        }
        match values(&query).into_iter().find(|value| !self.owners.contains(value)) {
            Some(foreign) => Err(Refusal::Foreign(foreign)),
            None => Ok(Call::Search { query }),
        }
    }
}

fn typed<T: serde::de::DeserializeOwned>(arguments: &Value) -> Result<T, Refusal> {
    T::deserialize(arguments).map_err(|error| Refusal::Arguments(error.to_string()))
}

/// A model's reason, as a journal may hold it.
fn reason(why: Option<String>) -> String {
    clean(&why.unwrap_or_default(), MAX_WHY).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::agent::policy::Choice;

    fn seen() -> Observation {
        let choice = |name: &str, cost| Choice { name: name.to_owned(), what: "a seller".to_owned(), cost, value: 9.0 };
        Observation {
            choices: vec![choice("owl", 1_000), choice("heron", 5_000_000)],
            left: 10_000,
            ..Observation::default()
        }
    }

    fn says(tool: &str, arguments: Value) -> Result<Call, Refusal> {
        let seen = seen();
        Guard::new(&seen, "birds").check(&Wanted { tool: tool.to_owned(), arguments })
    }

    #[test]
    fn what_was_offered_may_be_taken_at_its_cost_and_nothing_else() {
        assert_eq!(
            says("take", json!({ "choice": "owl", "most": 1_000 })).unwrap(),
            Call::Take { choice: 0, why: String::new() }
        );
        assert_eq!(says("take", json!({ "choice": "owl", "most": 999 })), Err(Refusal::Price(1_000)));
        assert_eq!(says("take", json!({ "choice": "heron" })), Err(Refusal::Cost));
        for choice in ["Owl", "owl ", "оwl", "", "dn1evil", "https://evil.example"] {
            assert_eq!(says("take", json!({ "choice": choice })), Err(Refusal::Choice), "{choice}");
        }
        for arguments in [
            json!({}),
            json!({ "choice": 0 }),
            json!({ "choice": "owl", "to": "dn1evil" }),
            json!("owl"),
            json!([["owl"]]),
        ] {
            assert!(matches!(says("take", arguments), Err(Refusal::Arguments(_))));
        }
        for tool in ["transfer", "TAKE", "take ", "spend", "shell", ""] {
            assert_eq!(says(tool, json!({ "choice": "owl" })), Err(Refusal::Tool), "{tool}");
        }
        assert_eq!(
            says("search", json!({ "query": "what do owls eat" })).unwrap(),
            Call::Search { query: "what do owls eat".into() }
        );
    }

    proptest! {
        /// Whatever a model says: a call that passes is a choice that was offered and can be paid, or costs nothing.
        #[test]
        fn nothing_passes_that_was_not_offered(tool in "take|pass|search|transfer|\\PC{0,12}", words in "\\PC{0,80}", most: Option<u64>) {
            let seen = seen();
            let guard = Guard::new(&seen, "birds");
            for arguments in [json!({ "choice": words, "most": most }), json!({ "query": words }), json!({ "why": words }), json!({ &words: words })] {
                match guard.check(&Wanted { tool: tool.clone(), arguments }) {
                    Ok(Call::Take { choice, .. }) => prop_assert!(seen.choices[choice].cost <= seen.left && seen.choices[choice].name == words),
                    Ok(Call::Search { query }) => prop_assert!(values(&query).is_subset(&values("birds owl heron 1000 5000000"))),
                    Ok(Call::Pass { .. }) | Err(_) => {}
                }
            }
        }
    }
}
