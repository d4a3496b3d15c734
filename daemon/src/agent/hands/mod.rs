//! The one place that acts. Everything here is done under the intention's own name, or looked up before it is done, so that whoever does it again
//! does nothing twice.

mod ask;
mod challenge;
mod contribute;
mod rate;
mod sell;
mod supply;
mod voucher;

use std::path::{Path, PathBuf};

use anyhow::Result;
use datanet_api::ClientError;
use datanet_types::Amount;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::journal::{Deed, Outcome};
use super::node::Node;
use super::purse::{Done, Intention};
use super::spec::{Account, Spec};
use crate::db;
use crate::quoted::clean;

pub(in crate::agent) use contribute::cost as contribution_cost;
pub(in crate::agent) use rate::{cost as rating_cost, open as open_ratings};
pub use voucher::VoucherKey;

/// For how long a payment can be had again by its name is seven days: what was left for longer is not tried again.
const LASTS_SECONDS: u64 = 6 * 86_400;
/// Tries of another node: whoever sells and does not answer holds up nobody for long.
const TRIES: u32 = 4;
/// Longest words of a node that are kept.
const MAX_SAID: usize = 400;

/// What came of one try.
#[derive(Debug)]
pub enum Act {
    /// It is over.
    Done(Done),
    /// It is done, and what comes of it is not known yet.
    UnderWay,
    /// It could not be done now, and may be again under the same name.
    NotNow {
        /// Why.
        why: String,
        /// Whether it may have been done all the same.
        doubtful: bool,
    },
}

/// One try of an intention.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// What is to be done.
    pub intention: &'a Intention,
    /// Whether it may have been done before.
    pub repeated: bool,
    /// Which try of this process it is, from 0.
    pub number: u32,
    /// Cancelled when the agent is asked to stop.
    pub stop: &'a CancellationToken,
}

/// See the module.
#[derive(Debug)]
pub struct Hands {
    account: Account,
    /// The agent's folder.
    state: PathBuf,
    /// Sellers' addresses by their names in the spec.
    sellers: std::collections::BTreeMap<String, String>,
    /// Made when there is a seller who is paid by it.
    voucher: Option<VoucherKey>,
    web: reqwest::Client,
}

impl Hands {
    /// For the agent of a spec, whose folder is `state`.
    ///
    /// # Errors
    /// When the voucher key cannot be read or made, or an HTTP client not be set up.
    pub fn new(spec: &Spec, state: &Path) -> Result<Self> {
        let others = spec.buyer.iter().flat_map(|buyer| &buyer.sellers);
        let sellers: std::collections::BTreeMap<String, String> =
            others.filter_map(|seller| Some((seller.name.clone(), seller.url.clone()?))).collect();
        let voucher = if sellers.is_empty() { None } else { Some(VoucherKey::of(state)?) };
        let web = super::web::client_builder()?.build()?;
        Ok(Self { account: spec.account.clone(), state: state.to_owned(), sellers, voucher, web })
    }

    /// The agent's folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Does what is intended.
    pub async fn act(&self, node: &Node, tried: Try<'_>) -> Act {
        let intention = tried.intention;
        if tried.repeated && matches!(intention.deed, Deed::Ask(_) | Deed::Supply(_) | Deed::Think { .. }) {
            let age = db::now().saturating_sub(intention.at);
            if age > LASTS_SECONDS {
                let why = "it was left for longer than a payment can be had again; it may have been paid";
                return Act::Done(unknown(intention.reserved, why));
            }
        }
        match &intention.deed {
            Deed::Ask(ask) => self.ask(node, ask, tried).await,
            Deed::Contribute { .. } => self.contribute(node, tried).await,
            Deed::Challenge { contribution, .. } => self.challenge(node, contribution, tried).await,
            Deed::Rate(rate) => self.rate(node, rate, tried).await,
            Deed::Supply(supply) => self.supply(node, supply, tried).await,
            Deed::Sell(sell) => self.sell(node, sell, tried).await,
            Deed::Think { body } => self.think(node, body, tried).await,
        }
    }
}

/// A refusal before anything was paid.
fn refused(code: &str, why: &str) -> Done {
    let detail = json!({ "code": code, "why": clean(why, MAX_SAID) });
    Done { outcome: Outcome::Refused, captured: 0, detail }
}

/// What nobody can tell any more: it counts at the most that it may have cost.
fn unknown(reserved: Amount, why: &str) -> Done {
    Done { outcome: Outcome::Unknown, captured: reserved, detail: json!({ "why": clean(why, MAX_SAID) }) }
}

/// What a failed call means for a payment that was reserved.
fn failed(error: &ClientError, tried: Try<'_>) -> Act {
    let code = error.problem().map_or("", |problem| problem.code.as_str());
    let under_way = matches!(code, "answer-under-way" | "busy" | "shutting-down" | "not-ready");
    let said = clean(&error.to_string(), MAX_SAID);
    if error.is_transient() || under_way || error.status().is_some_and(|status| status >= 500) {
        // Whoever is not reached, or is busy, has done nothing.
        let clear = matches!(error, ClientError::Unreachable { .. }) || matches!(error.status(), Some(429 | 503));
        return Act::NotNow { why: said, doubtful: !clear };
    }
    match (error, tried.repeated) {
        (ClientError::Refused(_), false) => Act::Done(refused(code, &said)),
        // What was sent before may have been paid; a refusal of the same again does not say.
        _ => Act::Done(unknown(tried.intention.reserved, &said)),
    }
}
