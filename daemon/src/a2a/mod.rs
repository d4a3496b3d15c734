//! The card by which agents elsewhere find this node, in the words of the Agent2Agent protocol (A2A, version 1.0), signed with the node's key.
//!
//! It says what is there and no more. A2A itself is not spoken, so that its list of interfaces is empty; what is spoken (MCP, x402, HTTP) stands
//! among the extensions, each with its address, none of which anybody is required to know.

use datanet_api::a2a::{AgentCapabilities, AgentCard, AgentCardSignature, AgentExtension, AgentSkill};
use datanet_ledger::component::{agents, nodes};
use datanet_types::SigningKey;
use datanet_types::amount::display;
use serde_json::{Map, Value, json};

use crate::billing::price::Price;
use crate::chain::Chain;
use crate::embedder::Embedder;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::jcs::canonical;
use crate::jws::{self, Detached};
use crate::keyring::Identity;
use crate::quoted::{LINE, clean};
use crate::x402::{Served, What, X402};

/// Datanets that are looked at for what can be asked, and models that are named beside them.
const MOST: usize = 100;

/// What a card is made of.
pub(crate) struct Facts<'a> {
    pub(crate) chain: &'a Chain,
    pub(crate) identity: &'a Identity,
    pub(crate) embedder: &'a Embedder,
    pub(crate) x402: &'a X402,
    /// The host that the caller wrote.
    pub(crate) host: &'a str,
}

/// The card of this node, signed.
pub(crate) fn card(facts: &Facts<'_>) -> ServiceResult<AgentCard> {
    let mut card = unsigned(facts)?;
    card.signatures = vec![signed(&card, facts.identity.secret())?];
    Ok(card)
}

fn unsigned(facts: &Facts<'_>) -> ServiceResult<AgentCard> {
    let (node, agent) = (node(facts), agent(facts)?);
    let name = match &agent {
        Some((name, _)) => name.clone(),
        None => format!("Datanet node {}", node["key"].as_str().unwrap_or_default().get(..12).unwrap_or_default()),
    };
    let mut extensions = vec![
        spoken(
            "urn:datanet:mcp",
            "Tools for agents without a token, by the Model Context Protocol over HTTP.",
            &[("url", facts.address(crate::mcp::PATH))],
        ),
        spoken(
            "urn:datanet:x402",
            "Answers are paid by x402, version 2, beside their request; the manifest names prices and ways to pay.",
            &[("manifest", facts.address("/.well-known/x402.json")), ("supported", facts.address("/x402/supported"))],
        ),
        spoken("urn:datanet:http", "The interface for strangers.", &[("openapi", facts.address("/openapi.json"))]),
        AgentExtension {
            uri: "urn:datanet:node".to_owned(),
            description: "Who it is on the chain's ledger. The key is the one that signs this card.".to_owned(),
            params: node,
        },
    ];
    extensions.extend(agent.map(|(_, extension)| extension));
    Ok(AgentCard {
        name,
        description: "Answers from pools of judged, licensed records, each with a signed receipt that says whose data made it and who is paid."
            .to_owned(),
        supported_interfaces: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: AgentCapabilities { extensions },
        default_input_modes: vec!["application/json".to_owned()],
        default_output_modes: vec!["application/json".to_owned()],
        skills: skills(facts)?,
        signatures: Vec::new(),
    })
}

impl Facts<'_> {
    fn address(&self, path: &str) -> String {
        self.x402.address(self.host, path)
    }
}

fn spoken(uri: &str, description: &str, params: &[(&str, String)]) -> AgentExtension {
    let params = params.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    AgentExtension { uri: uri.to_owned(), description: description.to_owned(), params }
}

/// Who the node is on the ledger.
fn node(facts: &Facts<'_>) -> Map<String, Value> {
    let key = facts.identity.node_key().to_string();
    Map::from_iter([
        ("chain".to_owned(), json!(facts.chain.id())),
        ("key".to_owned(), json!(key)),
        ("ledger".to_owned(), json!(facts.address("/v1/agents"))),
    ])
}

/// The agent on the ledger for which this node answers: the one whose account it is registered for.
fn agent(facts: &Facts<'_>) -> ServiceResult<Option<(String, AgentExtension)>> {
    let reader = facts.chain.reader()?;
    let Some(node) = nodes::get(&reader, &facts.identity.node_key())? else { return Ok(None) };
    let Some(agent) = agents::of_account(&reader, &node.account)?.filter(|agent| agent.retired_height == 0) else {
        return Ok(None);
    };
    let card = agents::release(&reader, &agent.id, agent.release)?.unwrap_or_default().card;
    let params = [
        ("id", agent.id.to_string()),
        ("account", agent.account.to_string()),
        ("owner", agent.owner.to_string()),
        ("card", card.to_string()),
        ("said", facts.address(&format!("/v1/sellers/{}", agent.account))),
    ];
    let about =
        "The agent on the ledger that this node answers for: what it is made from, and what those who paid say of it.";
    Ok(Some((line(&agent.name), spoken("urn:datanet:agent", about, &params))))
}

fn skills(facts: &Facts<'_>) -> ServiceResult<Vec<AgentSkill>> {
    let mut skills = vec![AgentSkill {
        id: "search".to_owned(),
        name: "Search records".to_owned(),
        description: "Previews of records by words or by meaning, for nothing: GET /v1/search, or the tool search."
            .to_owned(),
        tags: tags(&["search", "data"]),
    }];
    // Datanets are answered for by the node's own model.
    let answers = facts.embedder.engine().is_ok();
    let served = facts.x402.served(MOST)?.into_iter().filter(|one| answers || one.what != What::Datanet);
    let (datanets, others): (Vec<Served>, Vec<Served>) = served.partition(|one| one.what == What::Datanet);
    skills.extend(datanets.into_iter().chain(others.into_iter().take(2 * MOST - 1)).map(skill));
    Ok(skills)
}

fn skill(one: Served) -> AgentSkill {
    let Served { what, id, name, description, price } = one;
    let agents = format!("POST /v1/agents/{id}/ask");
    let (prefix, says, how, about) = match what {
        What::Datanet => ("ask", "Ask", "POST /v1/ask, or the tool ask", ["ask", "datanet"]),
        What::Classifier => {
            ("classify", "Classify by", "POST /v1/classify, or the tool classify", ["classify", "model"])
        }
        What::Decoder => ("complete", "Write by", "POST /v1/chat/completions", ["complete", "model"]),
        What::Agent => ("agent", "Ask", agents.as_str(), ["ask", "agent"]),
    };
    AgentSkill {
        id: format!("{prefix}:{id}"),
        name: format!("{says} {}", line(&name)),
        description: described(&description, price, how),
        tags: tags(&about),
    }
}

/// What a stranger says of it, what it costs, and how it is asked for.
fn described(said: &str, price: Price, how: &str) -> String {
    let price = match price.most {
        0 => "nothing".to_owned(),
        most if price.is_metered() => format!("up to {}", display(most)),
        most => display(most),
    };
    let said = line(said);
    let gap = if said.is_empty() { "" } else { " " };
    format!("{said}{gap}An answer costs {price}: {how}.")
}

fn tags(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Words of strangers, in a card that others read.
fn line(words: &str) -> String {
    clean(words, LINE).replace('\n', " ")
}

/// The signature of a card, over all of it but its signatures.
fn signed(card: &AgentCard, key: &SigningKey) -> ServiceResult<AgentCardSignature> {
    let mut value = serde_json::to_value(card).map_err(|error| ServiceError::caused(Code::Json, error))?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("signatures");
    }
    let Detached { protected, signature } = jws::detached(canonical(&value).as_bytes(), key);
    Ok(AgentCardSignature { protected, signature })
}
