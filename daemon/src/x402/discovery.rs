//! What is sold here, for clients that look before they ask. Whatever costs nothing is not in it.

use datanet_api::x402::{Discovered, Discovery, DiscoveryParams, EXACT, Pagination, VERSION};
use serde_json::{Value, json};

use super::{Served, What, X402};
use crate::billing::price::Price;
use crate::db::now;
use crate::error::ServiceResult;

/// Most that is shown at once.
pub const MOST: usize = 100;

/// How the address of something is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A text, as a facilitator's list has it.
    Listed,
    /// An object, as the manifest of an origin has it.
    Manifest,
}

struct Sold {
    /// Whether a transfer pays for it, too.
    by_transfer: bool,
    path: String,
    description: String,
    body: Value,
    price: Price,
}

impl X402 {
    /// A part of what is sold, for a caller who wrote this host.
    ///
    /// # Errors
    /// When the ledger or the private store cannot be read.
    pub fn discovery(&self, host: &str, params: &DiscoveryParams, style: Style) -> ServiceResult<Discovery> {
        let all = self.all_sold()?;
        let offered = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|wanted| wanted == given);
        let limit = params.limit.unwrap_or(MOST).min(MOST);
        let offset = params.offset.unwrap_or(0);
        let mut items = Vec::new();
        let shown = offered(&params.kind, "http") && offered(&params.network, &self.network);
        let all = if shown { all } else { Vec::new() };
        let total = all.len();
        for sold in all.into_iter().skip(offset).take(limit) {
            let mut accepts = self.accepts(&sold.price, None, None);
            accepts.retain(|way| offered(&params.scheme, &way.scheme) && (sold.by_transfer || way.scheme != EXACT));
            let (url, mime) = (self.address(host, &sold.path), "application/json");
            let resource = match style {
                Style::Listed => json!(url),
                Style::Manifest => json!({ "url": url, "description": sold.description, "mimeType": mime }),
            };
            items.push(Discovered {
                resource,
                kind: "http".to_owned(),
                x402_version: VERSION,
                accepts,
                last_updated: now(),
                input: json!({ "method": "POST", "routeTemplate": sold.path, "bodyType": "json", "body": sold.body }),
            });
        }
        let pagination = Pagination { limit, offset, total };
        Ok(Discovery { x402_version: VERSION, last_updated: now(), items, pagination })
    }

    fn all_sold(&self) -> ServiceResult<Vec<Sold>> {
        let served = self.served(usize::MAX)?.into_iter().filter(|one| one.price.most > 0);
        Ok(served.map(Sold::from).collect())
    }
}

impl From<Served> for Sold {
    fn from(Served { what, id, name, description, price }: Served) -> Self {
        let (model, by_transfer) = (format!("answers by the model {name}"), what != What::Agent);
        let (path, description, body) = match what {
            What::Datanet => {
                let body = json!({ "datanet": id, "question": "…" });
                ("/v1/ask".to_owned(), format!("answers from the datanet {name}"), body)
            }
            What::Classifier => ("/v1/classify".to_owned(), model, json!({ "model": id, "input": "…" })),
            What::Decoder => {
                let body = json!({ "model": id, "messages": [{ "role": "user", "content": "…" }] });
                ("/v1/chat/completions".to_owned(), model, body)
            }
            What::Agent => {
                let description = format!("answers by the agent {id}: {}", description);
                (format!("/v1/agents/{id}/ask"), description, json!({ "text": "…" }))
            }
        };
        Self { by_transfer, path, description, body, price }
    }
}
