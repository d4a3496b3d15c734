//! x402, version 2: the payments of this node in the words of a protocol that clients elsewhere speak already, for callers without an account or a
//! token here.
//!
//! ```text
//!   request ──▶ 402, PAYMENT-REQUIRED: a quote for this very request, signed ([`offer`])
//!   request, PAYMENT-SIGNATURE ──read ([`present`])──▶ billing::Payment ──▶ reserve, serve, capture, or again
//!                              ◀── 200, PAYMENT-RESPONSE ([`settle`])
//! ```
//! No payment is decided on here: a payload becomes a payment of [`crate::billing`], whose machine holds, captures and repeats as for everybody.
//! Nothing that a payload names is fetched.

mod discovery;
mod facilitator;
mod network;
mod offer;
mod present;
mod served;
mod settle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::billing::Billing;
use crate::chain::Chain;
use crate::keyring::Identity;
use crate::models::Models;
use crate::sales::Sales;

pub use discovery::{MOST, Style};
pub use present::Presented;
pub(crate) use served::{Served, What};
pub use settle::Refused;

/// What is paid for, where that is not the address of a request: rides with it.
#[derive(Debug, Clone)]
pub struct Bought(pub String);

/// Longest header that is read, in bytes: a transaction in base64 in JSON in base64, twice over.
pub const MAX_HEADER: usize = 24 * 1024;

/// Speaks x402 for a node; clones are cheap.
#[derive(Clone)]
pub struct X402 {
    chain: Chain,
    billing: Billing,
    identity: Identity,
    models: Models,
    /// What agents sell here.
    sales: Option<Sales>,
    /// The chain, as x402 calls it.
    network: String,
    /// By which address strangers call this node, if that is not the one they write themselves.
    url: Option<String>,
}

impl X402 {
    /// Over these services; `url` is where strangers find the node, empty for where they say they do.
    pub fn new(chain: Chain, billing: Billing, identity: Identity, models: Models, url: &str) -> Self {
        let network = network::of(chain.id());
        let url = Some(url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty());
        Self { chain, billing, identity, models, sales: None, network, url }
    }

    /// The same, which tells what agents sell here, too.
    #[must_use]
    pub fn with_sales(self, sales: Sales) -> Self {
        Self { sales: Some(sales), ..self }
    }

    /// The address of `path`, for a caller who wrote this host.
    pub fn address(&self, host: &str, path: &str) -> String {
        match &self.url {
            Some(url) => format!("{url}{path}"),
            None => format!("http://{host}{path}"),
        }
    }
}

/// A header's value.
fn encoded(value: &impl Serialize) -> Option<axum::http::HeaderValue> {
    let json = serde_json::to_vec(value).ok()?;
    STANDARD.encode(json).parse().ok()
}
