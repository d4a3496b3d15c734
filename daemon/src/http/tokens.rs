//! API keys: made, listed, ended, and what was done with them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::tokens::{CreatedToken, LogParams, NewToken, TokenInfo, TokenLog, Tokens as Listed};
use datanet_types::Address;

use super::extract::{Body, Query, Segment, within};
use crate::caller::{self, Caller};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;
use crate::tokens::Tokens;

/// Most entries of the log that are read at once.
const MAX_ENTRIES: usize = 1_000;

/// Makes a token for a program: what it is good for, in whose name, for how much, and until when. Its secret is in this answer and nowhere else.
#[utoipa::path(post, operation_id = "create_token", path = "/v1/tokens", tag = "node", request_body = NewToken, responses((status = 201, body = CreatedToken), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn create(
    State(tokens): State<Tokens>,
    State(keyring): State<Keyring>,
    Body(new): Body<NewToken>,
) -> ServiceResult<(StatusCode, Json<CreatedToken>)> {
    let mut accounts: Vec<Address> =
        new.accounts.iter().map(|account| account_here(&keyring, account)).collect::<ServiceResult<_>>()?;
    accounts.sort_unstable();
    accounts.dedup();
    let (record, secret) = tokens.create(&new, accounts)?;
    Ok((StatusCode::CREATED, Json(CreatedToken { secret, token: tokens.info(&record)? })))
}

/// An account whose key is on this node: for others a token could sign nothing.
fn account_here(keyring: &Keyring, account: &str) -> ServiceResult<Address> {
    let Ok(address) = account.parse::<Address>() else { return keyring.address_of(account) };
    if keyring.has(&address) {
        return Ok(address);
    }
    let detail = format!("the key of account {address} is not on this node; `datanet keys list` shows those that are");
    Err(ServiceError::new(Code::UnknownKey, detail).about("accounts"))
}

/// All tokens but the operator's, without their secrets.
#[utoipa::path(get, operation_id = "list_tokens", path = "/v1/tokens", tag = "node", responses((status = 200, body = Listed)))]
pub(super) async fn list(State(tokens): State<Tokens>) -> ServiceResult<Json<Listed>> {
    let all: ServiceResult<Vec<TokenInfo>> = tokens.list().iter().map(|record| tokens.info(record)).collect();
    Ok(Json(Listed { tokens: all? }))
}

/// The token that this request comes with: what it may do, and what is left of its limit.
#[utoipa::path(get, operation_id = "get_current_token", path = "/v1/tokens/current", tag = "node", responses((status = 200, body = TokenInfo)))]
pub(super) async fn current(State(tokens): State<Tokens>) -> ServiceResult<Json<TokenInfo>> {
    Ok(Json(match caller::current() {
        Some(Caller::Token(spender)) => tokens.info(spender.token())?,
        _ => Tokens::operators(),
    }))
}

/// Ends a token, at once and for good.
#[utoipa::path(delete, operation_id = "revoke_token", path = "/v1/tokens/{id}", tag = "node", params(("id" = String, Path, description = "id or name")), responses((status = 200, body = TokenInfo), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn revoke(
    State(tokens): State<Tokens>,
    Segment(id): Segment<String>,
) -> ServiceResult<Json<TokenInfo>> {
    let record = tokens.revoke(&id)?;
    Ok(Json(tokens.info(&record)?))
}

/// What was done with tokens, and what was refused to them, the latest first.
#[utoipa::path(get, operation_id = "get_token_log", path = "/v1/tokens/log", tag = "node", params(LogParams), responses((status = 200, body = TokenLog)))]
pub(super) async fn log(
    State(tokens): State<Tokens>,
    Query(params): Query<LogParams>,
) -> ServiceResult<Json<TokenLog>> {
    let limit = within("limit", params.limit, 100, 1..=MAX_ENTRIES)?;
    Ok(Json(TokenLog { entries: tokens.log(params.before, limit)? }))
}
