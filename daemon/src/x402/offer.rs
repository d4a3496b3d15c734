//! What is asked for: the answer 402, and in it a quote for the very request that it answers.

use axum::http::HeaderValue;
use datanet_api::x402::{
    BATCH_SETTLEMENT, EXACT, OFFER_RECEIPT, PAYMENT_IDENTIFIER, PaymentRequired, Requirements, Resource, VERSION,
};
use datanet_ledger::component::channels;
use datanet_types::ChannelId;
use datanet_types::quote::SignedQuote;
use serde_json::{Value, json};

use super::network::ASSET;
use super::{X402, encoded};
use crate::billing::exchange::Told;
use crate::billing::price::Price;
use crate::billing::quote::QUOTE_SECONDS;
use crate::billing::reservation::Asked;
use crate::billing::transfer::{nonce_of, pays_for};
use crate::jws;

/// Blocks for which a client is advised to let its transaction be good.
const TX_BLOCKS: u64 = 300;
/// Gas that it is advised to allow: several times what a transfer, or opening a channel, takes. What is not taken is not paid.
const TX_GAS: u64 = 4_000_000;
/// Bytes of such a transaction, at most.
const TX_BYTES: u64 = 512;
/// Longest reason given in a header, in bytes.
const MAX_REASON: usize = 500;

impl X402 {
    /// The header of a 402 to a request for what was asked, or none where that is not known.
    pub(super) fn required(&self, url: &str, told: &Told, why: Option<&str>) -> Option<HeaderValue> {
        let (asked, price) = told.order?;
        let quote = self.billing.quote(asked.kind, asked.whom, price, Some(asked.payload));
        let accepts = self.accepts(&price, Some(&quote), told.channel.as_ref());
        let offers = self.offers(url, &accepts, quote.expires_at);
        let resource = Resource {
            url: url.to_owned(),
            description: Some(described(&asked)),
            mime_type: Some("application/json".to_owned()),
        };
        let extensions = json!({
            PAYMENT_IDENTIFIER: identifier_declared(),
            OFFER_RECEIPT: { "info": { "offers": offers } },
        });
        let error = why.map(|why| why.chars().take(MAX_REASON).collect());
        encoded(&PaymentRequired { x402_version: VERSION, error, resource, accepts, extensions })
    }

    /// The ways to pay `price`: for the answer that was quoted, or for whatever costs so much. What is counted may come to less than it, which a
    /// channel can be charged, and a transfer cannot.
    pub(super) fn accepts(
        &self,
        price: &Price,
        quote: Option<&SignedQuote>,
        channel: Option<&ChannelId>,
    ) -> Vec<Requirements> {
        let way = |scheme: &str, pay_to: String, extra: Value| Requirements {
            scheme: scheme.to_owned(),
            network: self.network.clone(),
            amount: price.most.to_string(),
            asset: ASSET.to_owned(),
            pay_to,
            max_timeout_seconds: QUOTE_SECONDS,
            extra,
        };
        let (mut voucher, mut exact) = (self.terms(), self.terms());
        if let Some(quote) = quote {
            voucher["quote"] = json!(quote);
            exact["quote"] = json!(quote);
            // As text: it may be more than JavaScript's numbers hold.
            exact["nonce"] = json!(nonce_of(quote, self.chain.id()).to_string());
        }
        if let Some(state) = channel.and_then(|channel| self.channel_state(channel, Some(price))) {
            voucher["channelState"] = state;
        }
        let mut ways = vec![way(BATCH_SETTLEMENT, self.identity.node_key().to_string(), voucher)];
        if quote.is_none_or(|quote| pays_for(&quote.kind)) {
            let till = self.billing.till_for(price.most).filter(|_| !price.is_metered());
            ways.extend(till.map(|till| way(EXACT, till.to_string(), exact)));
        }
        ways
    }

    /// What a client needs to write a transaction for this ledger, or to open a channel on it.
    pub(super) fn terms(&self) -> Value {
        let mut terms = json!({ "chainId": self.chain.id(), "expiry": self.chain.height().saturating_add(TX_BLOCKS) });
        if let Ok(params) = self.chain.params() {
            let gas = TX_GAS.min(params.tx_gas());
            let lasts = params.channel_min_seconds.saturating_mul(12).min(params.channel_max_seconds);
            terms["gasLimit"] = json!(gas);
            terms["fee"] = json!(params.fee_of(gas, TX_BYTES));
            terms["channelExpiresAt"] = json!(self.chain.block_seconds().saturating_add(lasts));
        }
        terms
    }

    /// How a channel stands, for whoever has signed on it. What is charged of it is what the next voucher is for beside its price; for the answer of
    /// a `price`, as much as has that voucher promise more than the one before.
    pub(super) fn channel_state(&self, id: &ChannelId, price: Option<&Price>) -> Option<Value> {
        let channel = channels::get(&self.chain.reader().ok()?, id).ok()??;
        let stands = self.billing.stands(id).ok()?;
        let charged = price.map_or(stands.taken, |price| stands.asked(price).saturating_sub(price.most));
        Some(json!({
            "channelId": id, "balance": channel.deposit.to_string(), "totalClaimed": channel.charged.to_string(),
            "chargedCumulativeAmount": charged.to_string(), "expiresAt": channel.expires_at,
        }))
    }

    fn offers(&self, url: &str, accepts: &[Requirements], until: u64) -> Vec<Value> {
        let offer = |(index, way): (usize, &Requirements)| {
            let terms = json!({
                "version": 1, "resourceUrl": url, "scheme": way.scheme, "network": way.network, "asset": way.asset,
                "payTo": way.pay_to, "amount": way.amount, "validUntil": until,
            });
            json!({ "format": "jws", "acceptIndex": index, "signature": jws::sign(&terms, self.identity.secret()) })
        };
        accepts.iter().enumerate().map(offer).collect()
    }
}

fn described(asked: &Asked) -> String {
    format!("one answer ({}), with a signed receipt", asked.kind.as_str())
}

/// The extension as it is offered: a name for the payment, if the client wants one.
pub(super) fn identifier_declared() -> Value {
    json!({
        "info": { "required": false },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "required": { "type": "boolean" },
                "id": { "type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[a-zA-Z0-9_-]+$" },
            },
            "required": ["required"],
        },
    })
}
