//! The accounts whose keys are on this node, and who else speaks for them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::keys::{
    AccountKeys, BegunRecovery, GrantedKey, KeyInfo, Keys, NewKey, NewRecovery, NewSubKey, PendingKeys, RevokedKey,
    RotatedKey, Rotation, SubKey,
};
use datanet_api::transactions::Sent;
use datanet_ledger::component::authority::{self, Grant};
use datanet_types::Address;
use datanet_types::action::Recovery;

use super::extract::{Body, Segment};
use crate::authority::{Authority, Granted, Limits, party_text};
use crate::chain::{Chain, Committed};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Keyring;

/// Seconds of a recovery if nobody says: a week, in which whoever was away comes home.
const RECOVERY_SECONDS: u64 = 7 * 24 * 3_600;

/// The accounts whose keys are on this node.
#[utoipa::path(get, operation_id = "list_keys", path = "/v1/keys", tag = "accounts", responses((status = 200, body = Keys)))]
pub(super) async fn list(State(keyring): State<Keyring>) -> Json<Keys> {
    Json(Keys { keys: keyring.list() })
}

/// Makes a new key; its secret stays in the node's home. It has an account of its own, or signs for another's.
#[utoipa::path(post, operation_id = "add_key", path = "/v1/keys", tag = "accounts", request_body = NewKey, responses((status = 201, body = KeyInfo), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn add(
    State(keyring): State<Keyring>,
    Body(new): Body<NewKey>,
) -> ServiceResult<(StatusCode, Json<KeyInfo>)> {
    Ok((StatusCode::CREATED, Json(keyring.add(&new.name, new.account)?)))
}

/// Lets another key speak for the account of this one, within limits; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "grant_key", path = "/v1/keys/{name}/grants", tag = "accounts", params(("name" = String, Path, description = "the owner's key on this node")), request_body = NewSubKey, responses((status = 201, body = GrantedKey), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn grant(
    State(authority): State<Authority>,
    Segment(name): Segment<String>,
    Body(new): Body<NewSubKey>,
) -> ServiceResult<(StatusCode, Json<GrantedKey>)> {
    let NewSubKey { key, actions, counterparties, budget, period_seconds, lasts_seconds } = new;
    let limits = Limits { actions, counterparties, budget, period_seconds, lasts_seconds };
    let Granted { key, account, sent: Committed { hash: tx, height, .. } } =
        authority.grant(&name, &key, limits).await?;
    Ok((StatusCode::CREATED, Json(GrantedKey { key, account, tx, height })))
}

/// Ends a sub-key of this key's account at once.
#[utoipa::path(post, operation_id = "revoke_key", path = "/v1/keys/{name}/revoke", tag = "accounts", params(("name" = String, Path, description = "the owner's key on this node")), request_body = RevokedKey, responses((status = 200, body = Sent), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn revoke(
    State(authority): State<Authority>,
    Segment(name): Segment<String>,
    Body(revoked): Body<RevokedKey>,
) -> ServiceResult<Json<Sent>> {
    Ok(Json(authority.revoke(&name, &revoked.key).await?.into()))
}

/// Replaces a key that owns its account by a fresh one of the same name. Sub-keys of the account end.
#[utoipa::path(post, operation_id = "rotate_key", path = "/v1/keys/{name}/rotate", tag = "accounts", params(("name" = String, Path)), request_body = Rotation, responses((status = 200, body = RotatedKey), (status = 404, response = super::problem::Refusal), (status = 409, response = super::problem::Refusal)))]
pub(super) async fn rotate(
    State(authority): State<Authority>,
    Segment(name): Segment<String>,
    Body(how): Body<Rotation>,
) -> ServiceResult<Json<RotatedKey>> {
    let recovery = match (how.guardian, how.recovery_seconds) {
        (Some(guardian), seconds) => Some(Recovery { guardian, seconds: seconds.unwrap_or(RECOVERY_SECONDS) }),
        (None, None) => None,
        (None, Some(_)) => {
            let detail = "recovery_seconds is of a guardian; name that account too";
            return Err(ServiceError::new(Code::BadField, detail).about("recovery_seconds"));
        }
    };
    let rotated = authority.rotate(&name, recovery).await?;
    let tx = rotated.sent.map(|sent| sent.hash);
    Ok(Json(RotatedKey { address: rotated.account, public_key: rotated.public_key, tx }))
}

/// As an owner, ends the recovery of this key's account that its guardian has begun.
#[utoipa::path(delete, operation_id = "cancel_recovery", path = "/v1/keys/{name}/recovery", tag = "accounts", params(("name" = String, Path, description = "an owner's key on this node")), responses((status = 200, body = Sent), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn cancel_recovery(
    State(authority): State<Authority>,
    Segment(name): Segment<String>,
) -> ServiceResult<Json<Sent>> {
    Ok(Json(authority.cancel_recovery(&name).await?.into()))
}

/// As an account's guardian, names its next owners: they are after the delay that the account chose, unless its present ones object.
#[utoipa::path(post, operation_id = "recover_account", path = "/v1/accounts/{address}/recovery", tag = "accounts", params(("address" = String, Path)), request_body = NewRecovery, responses((status = 201, body = BegunRecovery), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn recover(
    State(authority): State<Authority>,
    Segment(address): Segment<Address>,
    Body(new): Body<NewRecovery>,
) -> ServiceResult<(StatusCode, Json<BegunRecovery>)> {
    let (due, sent) = authority.recover(address, &new.guardian, &new.owners).await?;
    Ok((StatusCode::CREATED, Json(BegunRecovery { due, tx: sent.hash })))
}

/// Who speaks for an account: its owners, who can replace them, and its sub-keys.
#[utoipa::path(get, operation_id = "get_account_keys", path = "/v1/accounts/{address}/keys", tag = "accounts", params(("address" = String, Path)), responses((status = 200, body = AccountKeys), (status = 400, response = super::problem::Refusal)))]
pub(super) async fn of_account(
    State(chain): State<Chain>,
    State(authority): State<Authority>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<AccountKeys>> {
    let (reader, now) = (chain.reader()?, authority.now()?);
    let keys = authority::keys(&reader, &address, now)?.unwrap_or_default();
    let version = authority::speakers(&reader, &address, now)?.version;
    let sub_keys = authority::grants(&reader, &address)?.into_iter().map(|grant| sub_key(&grant, version, now));
    Ok(Json(AccountKeys {
        address,
        version,
        threshold: keys.threshold.max(1),
        guardian: keys.recovery.map(|recovery| recovery.guardian),
        recovery_seconds: keys.recovery.map(|recovery| recovery.seconds),
        pending: keys.pending.map(|pending| PendingKeys {
            owners: pending.owners,
            threshold: pending.threshold,
            due: pending.due,
        }),
        owners: keys.owners,
        governor: keys.governor,
        sub_keys: sub_keys.collect(),
    }))
}

fn sub_key(grant: &Grant, version: u64, now: u64) -> SubKey {
    SubKey {
        key: grant.key,
        actions: grant.actions().kinds().map(|kind| kind.name().to_owned()).collect(),
        counterparties: grant.counterparties.iter().map(party_text).collect(),
        budget: grant.budget,
        left: grant.left_at(now),
        period_seconds: grant.period_seconds,
        expires: grant.expires,
        ended: grant.version != version || now >= grant.expires,
    }
}
