//! The card by which agents find a node, in the words of the Agent2Agent protocol (A2A, version 1.0).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a node is and can do. Fields that A2A requires are there even where they are empty, others only where they say something: what is signed is
/// this, in the spelling of RFC 8785, without `signatures`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentCard {
    /// A name for people.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Where A2A itself is spoken: nowhere. What is spoken stands among the extensions.
    pub supported_interfaces: Vec<AgentInterface>,
    /// Version of the program.
    pub version: String,
    /// What it speaks beside.
    pub capabilities: AgentCapabilities,
    /// Media types of what it takes.
    pub default_input_modes: Vec<String>,
    /// Media types of what it gives.
    pub default_output_modes: Vec<String>,
    /// What it answers with, up to 200.
    pub skills: Vec<AgentSkill>,
    /// The node's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<AgentCardSignature>,
}

/// An address at which A2A is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentInterface {
    /// Where.
    pub url: String,
    /// In which form.
    pub protocol_binding: String,
    /// In which version.
    pub protocol_version: String,
}

/// What an agent speaks beside A2A.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCapabilities {
    /// Each with its address.
    pub extensions: Vec<AgentExtension>,
}

/// A protocol beside A2A.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentExtension {
    /// Its name.
    pub uri: String,
    /// What it is for.
    pub description: String,
    /// Where it is spoken.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
}

/// Something that an agent can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentSkill {
    /// What it is called by programs: `search`, or `ask:`, `classify:` or `complete:` and the id of a datanet or model.
    pub id: String,
    /// The same for people, with words of the owner of the datanet or model.
    pub name: String,
    /// How it is asked for, and what an answer costs.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
}

/// A detached JWS (RFC 7515) by EdDSA over the card in the spelling of RFC 8785, without `signatures`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentCardSignature {
    /// The header, in base64url: `alg`, `typ`, and `kid`, a `did:jwk` that holds the node's key.
    pub protected: String,
    /// The signature, in base64url.
    pub signature: String,
}
