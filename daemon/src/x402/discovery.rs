//! What is sold here, for clients that look before they ask. Whatever costs nothing is not in it.

use datanet_api::x402::{Discovered, Discovery, DiscoveryParams, Pagination, VERSION};
use datanet_ledger::component::datanets;
use datanet_types::Amount;
use datanet_types::release::Task;
use serde_json::{Value, json};

use super::X402;
use crate::billing::terms::terms;
use crate::caller;
use crate::db::now;
use crate::error::ServiceResult;
use crate::mcp::quoted::{LINE, clean};
use crate::sales::Sales;

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
    path: String,
    description: String,
    body: Value,
    price: Amount,
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
            let mut accepts = self.accepts(sold.price, None, None);
            accepts.retain(|way| offered(&params.scheme, &way.scheme));
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
        let reader = self.chain.reader()?;
        let mut all = Vec::new();
        for datanet in datanets::list(&reader, None, usize::MAX)? {
            if datanet.price > 0 && !caller::is_denied(&datanet.id.0) {
                all.push(Sold {
                    path: "/v1/ask".to_owned(),
                    description: format!("answers from the datanet {}", datanet.name),
                    body: json!({ "datanet": datanet.id, "question": "…" }),
                    price: datanet.price,
                });
            }
        }
        for deployment in self.models.deployments()? {
            let name = deployment.model.to_hex();
            let (served, task) = match self.models.served_model(&name, Task::Classify) {
                Ok(served) => (served, Task::Classify),
                Err(_) => match self.models.served_model(&name, Task::Generate) {
                    Ok(served) => (served, Task::Generate),
                    // It does neither, or is not loaded now.
                    Err(_) => continue,
                },
            };
            let price = terms(&reader, &served.model)?.price;
            if price == 0 || caller::is_denied(&served.model.id.0) {
                continue;
            }
            let (path, body) = match task {
                Task::Classify => ("/v1/classify", json!({ "model": name, "input": "…" })),
                _ => {
                    ("/v1/chat/completions", json!({ "model": name, "messages": [{ "role": "user", "content": "…" }] }))
                }
            };
            let description = format!("answers by the model {}", served.model.name);
            all.push(Sold { path: path.to_owned(), description, body, price });
        }
        for (agent, terms) in self.sales.iter().flat_map(Sales::all) {
            let (path, body) = (format!("/v1/agents/{agent}/ask"), json!({ "text": "…" }));
            let description = format!("answers by the agent {agent}: {}", clean(&terms.description, LINE));
            all.push(Sold { path, description, body, price: terms.price });
        }
        Ok(all)
    }
}
