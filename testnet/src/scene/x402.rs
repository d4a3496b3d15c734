//! x402 as a stranger pays it over plain HTTP: a 402 with a price, the same request with a signed transfer, an answer.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datanet_api::x402::{
    EXACT, PaymentPayload, PaymentRequired, REQUIRED_HEADER, RESPONSE_HEADER, SIGNATURE_HEADER, SettleResponse, VERSION,
};
use datanet_types::action::Transfer;
use datanet_types::{Action, SigningKey, TxBody};
use reqwest::Response;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What was bought.
#[derive(Debug, Clone)]
pub struct Bought {
    /// The price that the node asked, in base units.
    pub price: u64,
    /// The hash of the transfer that paid it.
    pub transaction: String,
    /// The answer.
    pub answer: Value,
}

/// Buys one answer at the public face `face` by a transfer.
///
/// # Errors
/// When the node asks no price, or does not answer for it.
pub async fn buy(face: &str, key: &SigningKey, question: &Value) -> Result<Bought> {
    let http = datanet_api::loopback::client_builder()?.build()?;
    let request = || http.post(format!("{face}/v1/ask")).json(question);
    let response = request().send().await?;
    ensure!(response.status() == 402, "an answer without a payment: {}", response.status());
    let required: PaymentRequired = header(&response, REQUIRED_HEADER)?;
    let payment = transfer(&required, key)?;
    let sent = request().header(SIGNATURE_HEADER, BASE64.encode(serde_json::to_vec(&payment)?)).send().await?;
    let status = sent.status();
    if status != 200 {
        anyhow::bail!("paid, and refused with {status}: {}", sent.text().await?);
    }
    let settled: SettleResponse = header(&sent, RESPONSE_HEADER)?;
    ensure!(settled.success, "not settled: {settled:?}");
    let price = payment.accepted.amount.parse()?;
    Ok(Bought { price, transaction: settled.transaction, answer: sent.json().await? })
}

fn header<T: DeserializeOwned>(response: &Response, name: &str) -> Result<T> {
    let found = response.headers().get(name).with_context(|| format!("no header {name}"))?;
    Ok(serde_json::from_slice(&BASE64.decode(found.as_bytes())?)?)
}

/// A transfer on the terms of a 402.
fn transfer(required: &PaymentRequired, key: &SigningKey) -> Result<PaymentPayload> {
    let way = required.accepts.iter().find(|way| way.scheme == EXACT).context("no way to pay by a transfer")?;
    let number = |name: &str| way.extra[name].as_u64().with_context(|| format!("no {name} in the terms"));
    let nonce = way.extra["nonce"].as_str().context("no nonce in the terms")?.parse()?;
    let chain_id = way.extra["chainId"].as_str().context("no chain in the terms")?.to_owned();
    let (expiry, fee, gas_limit) = (number("expiry")?, number("fee")?, number("gasLimit")?);
    let action = Action::Transfer(Transfer { to: way.pay_to.parse()?, amount: way.amount.parse()? });
    let body = TxBody { chain_id, expiry, fee, nonce, account: key.address(), gas_limit, tip: 0, action: Some(action) };
    Ok(PaymentPayload {
        x402_version: VERSION,
        resource: Some(required.resource.clone()),
        accepted: way.clone(),
        payload: json!({ "transaction": BASE64.encode(body.sign(key).to_bytes()) }),
        extensions: required.extensions.clone(),
    })
}
