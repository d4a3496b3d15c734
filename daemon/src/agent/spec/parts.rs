//! The parts of a spec.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use datanet_api::tokens::Period;
use datanet_types::ChannelId;
use serde::Deserialize;

use super::money::{Money, Seconds};

/// The name of an account on the node.
pub type Account = String;

/// Which node an agent works with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    /// The node's home, whose run file says where it listens. Either this or `url`.
    pub home: Option<PathBuf>,
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: Option<String>,
    /// The file with the agent's token.
    pub token_file: PathBuf,
}

/// What an agent may spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSpec {
    /// In all of a period, fees included.
    pub amount: Money,
    /// By the clock in UTC.
    pub period: Period,
    /// By one decision.
    pub each: Money,
}

impl BudgetSpec {
    pub(super) fn check(&self) -> Result<()> {
        let (each, amount) = (self.each, self.amount);
        ensure!(amount.0 > 0, "[budget] amount = {amount}: nothing can be bought for nothing");
        ensure!(each <= amount, "[budget] each = {each} is more than amount = {amount}; one decision is a part of all");
        Ok(())
    }
}

/// Who chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    /// Which kind.
    #[serde(default)]
    pub kind: PolicyKind,
    /// `node`, or the address of an OpenAI-compatible interface (`https://…/v1`).
    pub endpoint: Option<String>,
    /// The model's name there.
    pub model: Option<String>,
    /// The file with the key of that interface.
    pub key_file: Option<PathBuf>,
    /// How it says what it wants.
    #[serde(default)]
    pub calls: Calls,
    /// Turns in which it may look before it must decide; 4 if not given.
    pub rounds: Option<u32>,
    /// What it is asked to bear in mind: the owner's words.
    #[serde(default)]
    pub instructions: String,
}

/// Which kind of policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// What is worth most beyond its cost.
    #[default]
    BestValue,
    /// A model.
    Model,
}

/// How a model says what it wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calls {
    /// By OpenAI's tool calls.
    #[default]
    Tools,
    /// By one JSON object, to which its answer is held: what the node's own models do.
    Json,
}

impl PolicySpec {
    /// Most turns.
    pub const MOST_ROUNDS: u32 = 16;

    pub(super) fn check(&self) -> Result<()> {
        let rounds = self.rounds.unwrap_or(1);
        ensure!((1..=Self::MOST_ROUNDS).contains(&rounds), "[policy] rounds = {rounds}: 1 to {}", Self::MOST_ROUNDS);
        if self.kind == PolicyKind::BestValue {
            let named = self.endpoint.is_some() || self.model.is_some() || self.key_file.is_some();
            ensure!(
                !named,
                "[policy] endpoint, model and key_file are a model's; write kind = \"model\", or leave them out"
            );
            return Ok(());
        }
        let endpoint = self.endpoint.as_deref().unwrap_or_default();
        let known = endpoint == "node" || endpoint.starts_with("http://") || endpoint.starts_with("https://");
        ensure!(known, "[policy] endpoint = {endpoint:?}: write \"node\", or an address such as \"https://…/v1\"");
        ensure!(
            self.model.as_ref().is_some_and(|model| !model.is_empty()),
            "[policy] model is missing: its name at the endpoint"
        );
        ensure!(
            endpoint != "node" || self.calls == Calls::Json,
            "[policy] the node's models answer in JSON by construction and know no tool calls; write calls = \"json\""
        );
        Ok(())
    }

    /// Turns in which it may look before it must decide.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(4)
    }
}

/// Where material comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaterialSpec {
    /// Folders, read with all that is below them.
    #[serde(default)]
    pub folders: Vec<PathBuf>,
    /// Pages and files of hosts that are on the list.
    #[serde(default)]
    pub feeds: Vec<FeedSpec>,
    /// The hosts from which feeds may come, redirects included.
    #[serde(default)]
    pub hosts: BTreeSet<String>,
    /// Most bytes of one file or feed; 16 MiB if not given.
    pub max_bytes: Option<u64>,
}

/// One feed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSpec {
    /// Its address.
    pub url: String,
}

impl MaterialSpec {
    /// Most bytes of one file or feed.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes.unwrap_or(16 << 20)
    }

    pub(super) fn check(&self) -> Result<()> {
        for host in &self.hosts {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
            ensure!(
                !host.is_empty() && host.chars().all(good),
                "[material] hosts has {host:?}: a host is its name in small letters, with its port if it is not the usual one"
            );
        }
        for feed in &self.feeds {
            crate::agent::web::checked(&feed.url, &self.hosts)
                .map_err(|error| anyhow::anyhow!("[[material.feeds]] url = {:?}: {error}", feed.url))?;
        }
        ensure!((1..=(1 << 30)).contains(&self.max_bytes()), "[material] max_bytes is 1 to a GiB");
        Ok(())
    }
}

/// A buyer's part.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyerSpec {
    /// JSONL, a question a line; `-` is standard input.
    pub questions: PathBuf,
    /// Where answers are written, JSONL.
    pub answers: PathBuf,
    /// What a right answer is worth, where its line does not say.
    pub worth: Money,
    /// What it says of sellers on the ledger, once what it paid them is settled.
    #[serde(default)]
    pub rate: RateBy,
    /// Who may be asked.
    pub sellers: Vec<SellerSpec>,
}

/// By what a buyer tells how good a seller was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RateBy {
    /// It says nothing.
    #[default]
    Never,
    /// By the passages whose label its owner knows.
    Known,
    /// And, where that is not known, by what most other sellers said to the same passage.
    Agreement,
}

/// Somebody who sells answers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SellerSpec {
    /// What it is called in journal and answers.
    pub name: String,
    /// The datanet that is asked. Either this or `model`.
    pub datanet: Option<String>,
    /// The model that classifies.
    pub model: Option<String>,
    /// The public face of another node; the agent's own node, if not given.
    pub url: Option<String>,
    /// The channel to that node, opened for this agent's voucher key.
    pub channel: Option<ChannelId>,
}

impl BuyerSpec {
    /// Most sellers.
    const MOST: usize = 64;

    pub(super) fn check(&self) -> Result<()> {
        let count = self.sellers.len();
        ensure!((1..=Self::MOST).contains(&count), "[buyer] has {count} [[buyer.sellers]]; name 1 to {}", Self::MOST);
        let mut names = BTreeSet::new();
        for seller in &self.sellers {
            let name = &seller.name;
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            ensure!(
                (1..=64).contains(&name.len()) && name.chars().all(good),
                "[[buyer.sellers]] name = {name:?}: 1 to 64 of a-z A-Z 0-9 - _ ."
            );
            ensure!(names.insert(name), "[[buyer.sellers]] name = {name:?} stands there twice");
            ensure!(
                seller.datanet.is_some() != seller.model.is_some(),
                "[[buyer.sellers]] {name}: name either a datanet or a model"
            );
            let url = seller.url.as_deref().map(reqwest::Url::parse);
            ensure!(
                url.is_none_or(|url| url.is_ok_and(|url| matches!(url.scheme(), "http" | "https"))),
                "[[buyer.sellers]] {name}: url = {:?} is no address such as https://owl.example:26690",
                seller.url.as_deref().unwrap_or_default()
            );
            ensure!(
                seller.url.is_some() == seller.channel.is_some(),
                "[[buyer.sellers]] {name}: url and channel belong together: another node is paid from a channel to it; \
                 leave both out for the agent's own node"
            );
        }
        Ok(())
    }
}

/// A curator's part.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CuratorSpec {
    /// To which datanet it gives.
    pub datanet: String,
    /// The licence that the owner has for the material: an SPDX expression, which must be the datanet's.
    pub licence: String,
    /// Records of one contribution, at most; 64 if not given.
    pub batch: Option<usize>,
    /// And at least; 8 if not given.
    pub least: Option<usize>,
    /// What the batch must score above the datanet's threshold, in basis points, before anything is paid; 500 if not given.
    pub margin_bps: Option<u32>,
    /// What one more held-out record answered rightly is worth.
    pub worth: Money,
    /// How long it waits between rounds; without it, it ends after one.
    pub every: Option<Seconds>,
}

impl CuratorSpec {
    /// Records of one contribution, at most.
    pub fn batch(&self) -> usize {
        self.batch.unwrap_or(64)
    }

    /// And at least.
    pub fn least(&self) -> usize {
        self.least.unwrap_or(8)
    }

    /// What the batch must score above the threshold.
    pub fn margin_bps(&self) -> u32 {
        self.margin_bps.unwrap_or(500)
    }

    pub(super) fn check(&self) -> Result<()> {
        let (least, batch) = (self.least(), self.batch());
        ensure!((1..=2_000).contains(&batch), "[curator] batch = {batch}: 1 to 2000 records");
        ensure!((1..=batch).contains(&least), "[curator] least = {least}: 1 to batch = {batch}");
        ensure!(self.margin_bps() <= 10_000, "[curator] margin_bps is at most 10000");
        Ok(())
    }
}

/// A judge's part.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeSpec {
    /// The datanets whose verdicts it reads.
    pub datanets: Vec<String>,
    /// How far beyond the threshold its own score must be before it doubts a verdict, in basis points; 1000 if not given.
    pub margin_bps: Option<u32>,
    /// What it takes its own opinion to be worth before it has a record: right so often in a hundred; 80 if not given.
    pub confidence: Option<u32>,
    /// How long it waits between rounds; without it, it ends after one.
    pub every: Option<Seconds>,
}

impl JudgeSpec {
    /// See the field.
    pub fn margin_bps(&self) -> u32 {
        self.margin_bps.unwrap_or(1_000)
    }

    /// See the field.
    pub fn confidence(&self) -> u32 {
        self.confidence.unwrap_or(80)
    }

    pub(super) fn check(&self) -> Result<()> {
        ensure!((1..=64).contains(&self.datanets.len()), "[judge] datanets: name 1 to 64");
        ensure!(self.confidence() <= 100, "[judge] confidence is 0 to 100");
        ensure!(self.margin_bps() <= 10_000, "[judge] margin_bps is at most 10000");
        Ok(())
    }
}
