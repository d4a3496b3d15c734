//! What can be owned in shares: a datanet, a model, or an agent.

use crate::action::Party;
use crate::id::IdError;
use crate::{AgentId, DatanetId, ModelId, ModuleAddress};

/// Something that earns. Its text is `datanet:`, `model:` or `agent:` and the id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Oneof, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asset {
    /// A datanet.
    #[prost(message, tag = "1")]
    Datanet(DatanetId),
    /// A model.
    #[prost(message, tag = "2")]
    Model(ModelId),
    /// An agent.
    #[prost(message, tag = "3")]
    Agent(AgentId),
}

impl Asset {
    /// What kind it is, as in its text.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Datanet(_) => "datanet",
            Self::Model(_) => "model",
            Self::Agent(_) => "agent",
        }
    }

    /// Its id's bytes.
    pub fn id(&self) -> &[u8; 32] {
        match self {
            Self::Datanet(id) => &id.0,
            Self::Model(id) => &id.0,
            Self::Agent(id) => &id.0,
        }
    }

    /// The account that stands for its owners wherever it earns: no key's. Whoever claims for it has the money go to whom it belongs at
    /// that time, one owner or the holders of its shares. So what a receipt says of it stays true, whoever owns it later.
    pub fn income_account(&self) -> ModuleAddress {
        self.account("income")
    }

    /// The account that is for `name`, of this asset.
    pub fn account(&self, name: &str) -> ModuleAddress {
        ModuleAddress::of(name, &[self.kind().as_bytes(), self.id()])
    }

    /// Whom a sub-key deals with that buys shares of it or pays it income.
    pub fn party(&self) -> Option<Party> {
        match self {
            Self::Datanet(id) => Some(Party::Datanet(*id)),
            Self::Model(_) => None,
            Self::Agent(id) => Some(Party::Account(id.account())),
        }
    }
}

impl std::fmt::Display for Asset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Datanet(id) => write!(f, "datanet:{id}"),
            Self::Model(id) => write!(f, "model:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
        }
    }
}

/// A text that names no asset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAsset {
    /// Another kind, or none.
    #[error("an asset reads like datanet:ID, model:ID or agent:ID; {0:?} does not")]
    Kind(String),
    /// The id is none.
    #[error(transparent)]
    Id(#[from] IdError),
}

impl std::str::FromStr for Asset {
    type Err = NoAsset;

    fn from_str(text: &str) -> Result<Self, NoAsset> {
        match text.split_once(':') {
            Some(("datanet", id)) => Ok(Self::Datanet(id.parse()?)),
            Some(("model", id)) => Ok(Self::Model(id.parse()?)),
            Some(("agent", id)) => Ok(Self::Agent(id.parse()?)),
            _ => Err(NoAsset::Kind(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_asset_reads_back_and_another_is_told_what_one_looks_like() {
        for asset in
            [Asset::Datanet(DatanetId([3; 32])), Asset::Model(ModelId([3; 32])), Asset::Agent(AgentId([3; 32]))]
        {
            assert_eq!(asset.to_string().parse(), Ok(asset));
            let json = serde_json::to_value(asset).unwrap();
            assert_eq!(json[asset.kind()], asset.to_string().split_once(':').unwrap().1);
        }
        assert!("node:03".parse::<Asset>().unwrap_err().to_string().contains("datanet:ID, model:ID or agent:ID"));
        assert!("model:03".parse::<Asset>().unwrap_err().to_string().contains("64 hexadecimal digits"));
    }

    #[test]
    fn a_datanet_and_a_model_of_the_same_bytes_have_different_accounts() {
        let (datanet, model) = (Asset::Datanet(DatanetId([3; 32])), Asset::Model(ModelId([3; 32])));
        assert_ne!(datanet.income_account(), model.income_account());
        assert_ne!(datanet.income_account(), datanet.account("pool"));
    }
}
