//! Transactions: submit signed bytes, follow them; and the everyday one, a transfer.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use datanet_api::transactions::{Encoded, Estimate, NewTransfer, Sent, Submitted, TxView};
use datanet_types::action::Transfer;
use datanet_types::{Action, Address, SignedTx, TxHash};
use serde_json::Value;

use super::extract::{Body, Raw, Segment, cut, object_in, read};
use crate::caller;
use crate::chain::{Chain, Committed};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;

impl From<Committed> for Sent {
    fn from(committed: Committed) -> Self {
        Self { tx: committed.hash, height: committed.height }
    }
}

/// Moves money; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "transfer", path = "/v1/transfers", tag = "accounts", request_body = NewTransfer, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal)))]
pub(super) async fn transfer(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    Body(new): Body<NewTransfer>,
) -> ServiceResult<Json<Sent>> {
    let key = keyring.get(&new.from)?;
    let to = receiver(&keyring, &new.to)?;
    let action = Action::Transfer(Transfer { to, amount: new.amount });
    let committed = chain.execute(&key, action).await?;
    Ok(Json(committed.into()))
}

/// An address, or the name of an account on this node.
fn receiver(keyring: &Keyring, to: &str) -> ServiceResult<Address> {
    let address = to.parse().map_err(|error: <Address as std::str::FromStr>::Err| error.to_string());
    address.or_else(|error| match keyring.address_of(to) {
        Ok(address) => Ok(address),
        Err(_) => {
            let detail = format!("\"to\" is {:?}: no account on this node (`datanet keys list`), and {error}", cut(to));
            Err(ServiceError::new(Code::BadField, detail).about("to"))
        }
    })
}

/// Takes a signed transaction: as bytes, or as JSON `{"tx": base64}`. It is in the mempool when this answers.
#[utoipa::path(post, operation_id = "submit_transaction", path = "/v1/tx", tag = "ledger", request_body(content((super::routes::Bytes = "application/octet-stream"), (Encoded = "application/json"))), responses((status = 202, body = Submitted), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn submit(
    State(chain): State<Chain>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> ServiceResult<(StatusCode, Json<Submitted>)> {
    let bytes = signed(&chain, &headers, &body)?;
    let hash = if caller::is_stranger() { chain.relay(bytes).await? } else { chain.submit(bytes).await? };
    Ok((StatusCode::ACCEPTED, Json(Submitted { hash })))
}

/// What a signed transaction would do if it were next, and the gas that it would take: how to find its limit. Its own limit, fee and
/// expiry do not matter, and nothing is sent.
#[utoipa::path(post, operation_id = "estimate_transaction", path = "/v1/tx/estimate", tag = "ledger", request_body(content((super::routes::Bytes = "application/octet-stream"), (Encoded = "application/json"))), responses((status = 200, body = Estimate), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn estimate(
    State(chain): State<Chain>,
    headers: HeaderMap,
    Raw(body): Raw,
) -> ServiceResult<Json<Estimate>> {
    let bytes = signed(&chain, &headers, &body)?;
    let (size, params) = (bytes.len() as u64, chain.params()?);
    let outcome = chain.estimate(bytes).await?;
    let events = serde_json::to_value(&outcome.events).map_err(|error| ServiceError::caused(Code::Events, error))?;
    Ok(Json(Estimate { gas_used: outcome.gas_used, fee: params.fee_of(outcome.gas_used, size), events }))
}

/// The bytes of a transaction of this chain that is signed.
fn signed(chain: &Chain, headers: &HeaderMap, body: &[u8]) -> ServiceResult<Vec<u8>> {
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let bytes = if json { decode(body)? } else { body.to_vec() };
    // Said here already, in full: the mempool would say it in a code.
    SignedTx::verify(&bytes, chain.id()).map_err(|error| ServiceError::caused(Code::BadTransaction, error))?;
    Ok(bytes)
}

fn decode(body: &[u8]) -> ServiceResult<Vec<u8>> {
    let encoded: Encoded = read(Value::Object(object_in(body)?), Code::BadField)?;
    base64::engine::general_purpose::STANDARD.decode(encoded.tx).map_err(|error| {
        let detail = format!("\"tx\" is no base64 ({error}); send the signed transaction's bytes so");
        ServiceError::new(Code::BadField, detail).about("tx")
    })
}

/// What became of a transaction; 404 as long as it is in no block.
#[utoipa::path(get, operation_id = "get_transaction", path = "/v1/tx/{hash}", tag = "ledger", params(("hash" = String, Path)), responses((status = 200, body = TxView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(State(chain): State<Chain>, Segment(hash): Segment<TxHash>) -> ServiceResult<Json<TxView>> {
    let status = chain.tx_status(&hash)?.ok_or_else(|| {
        ServiceError::new(
            Code::UnknownTransaction,
            format!("transaction {hash} is in no block that this node remembers"),
        )
    })?;
    let events = serde_json::to_value(&status.events).map_err(|error| ServiceError::caused(Code::Events, error))?;
    let (codespace, code) = (status.code.codespace().to_owned(), status.code.number());
    let (log, gas_used) = (status.log, status.gas_used);
    Ok(Json(TxView { hash, height: status.height, codespace, code, log, events, gas_used }))
}
