//! The node's stake.

use axum::Json;
use axum::extract::State;
use datanet_api::accounts::NewStake;
use datanet_api::transactions::Sent;
use datanet_ledger::component::nodes;
use datanet_types::Action;
use datanet_types::action::RegisterNode;
use datanet_types::amount::display;

use super::extract::Body;
use crate::billing::Billing;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Identity;

/// Changes what this node's account has at stake; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "set_stake", path = "/v1/stake", tag = "accounts", request_body = NewStake, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn set(
    State(chain): State<Chain>,
    State(identity): State<Identity>,
    State(billing): State<Billing>,
    Body(new): Body<NewStake>,
) -> ServiceResult<Json<Sent>> {
    let (key, node) = (identity.account_key()?, identity.node_key());
    let Some(former) = nodes::get(&chain.reader()?, &node)? else {
        let detail =
            "this node is not registered on the ledger yet; it registers itself once its account can pay for it";
        return Err(ServiceError::new(Code::UnknownKey, detail));
    };
    let least = billing.least_stake()?;
    if new.stake < least {
        let detail = format!(
            "{} would be at stake, and {} answer for answers that are not settled or not final; settle (`datanet settle`), and take the rest back once it is final",
            display(new.stake),
            display(least)
        );
        return Err(ServiceError::new(Code::Unsettled, detail));
    }
    let proof = identity.secret().sign(&RegisterNode::sign_bytes(chain.id(), &key.address(), &node));
    let action = RegisterNode { node, proof, roles: former.roles, stake: new.stake, name: former.name };
    let committed = chain.execute(&key, Action::RegisterNode(action)).await?;
    Ok(Json(committed.into()))
}
