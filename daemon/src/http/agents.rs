//! Agents: accounts that programs spend from within limits, in the hands of an owner.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use datanet_api::agents::{
    AgentView, Agents, AgentsParams, ChangedAgent, NewAgent, NewAgentKey, NewSupplier, PayeeView, RegisteredAgent,
    RevokedAgentKey, SupplierView,
};
use datanet_api::keys::GrantedKey;
use datanet_api::transactions::Sent;
use datanet_api::validators::InTheNameOf;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::agents::{self, Agent};
use datanet_ledger::component::{accounts, authority};
use datanet_ledger::state::StateError;
use datanet_types::action::{RegisterAgent, RetireAgent, Supplier, UpdateAgent};
use datanet_types::{Action, AgentId};

use super::extract::{Body, Query, Segment, within};
use super::shares::named;
use super::validators::Sender;
use crate::authority::{Authority, Granted, Limits};
use crate::caller;
use crate::chain::{Chain, Committed};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::NODE_ACCOUNT;

/// Agents listed at most.
const MAX_LISTED: usize = 1_000;
/// The same for strangers: each takes a few reads.
pub(super) const MAX_FOR_STRANGERS: usize = 100;

/// All agents, or those of an owner that are not retired; a page of them.
#[utoipa::path(get, operation_id = "list_agents", path = "/v1/agents", tag = "agents", params(AgentsParams), responses((status = 200, body = Agents)))]
pub(super) async fn list(
    State(chain): State<Chain>,
    Query(AgentsParams { owner, after, limit }): Query<AgentsParams>,
) -> ServiceResult<Json<Agents>> {
    let most = if caller::is_stranger() { MAX_FOR_STRANGERS } else { MAX_LISTED };
    let limit = within("limit", limit, most, 1..=most)?;
    let (reader, now) = (chain.reader()?, chain.block_seconds());
    let page = |after: Option<&AgentId>, limit| match &owner {
        Some(owner) => agents::of_owner(&reader, owner, after, limit),
        None => agents::list(&reader, after, limit),
    };
    let shown = shown((after, limit), page, |agent| !caller::is_denied(&agent.id.0))?;
    let views: ServiceResult<Vec<_>> = shown.into_iter().map(|agent| view(&reader, agent, now)).collect();
    Ok(Json(Agents { agents: views? }))
}

/// So many of those that are given out, from behind `after`: a page that is not full is the last.
fn shown(
    (mut after, limit): (Option<AgentId>, usize),
    page: impl Fn(Option<&AgentId>, usize) -> Result<Vec<Agent>, StateError>,
    given_out: impl Fn(&Agent) -> bool,
) -> ServiceResult<Vec<Agent>> {
    let mut shown = Vec::new();
    loop {
        let wanted = limit.saturating_sub(shown.len());
        let found = page(after.as_ref(), wanted)?;
        let is_last = found.len() < wanted;
        after = found.last().map(|agent| agent.id);
        shown.extend(found.into_iter().filter(&given_out));
        if is_last || shown.len() >= limit {
            return Ok(shown);
        }
    }
}

/// One agent.
#[utoipa::path(get, operation_id = "get_agent", path = "/v1/agents/{id}", tag = "agents", params(("id" = String, Path)), responses((status = 200, body = AgentView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(State(chain): State<Chain>, Segment(id): Segment<AgentId>) -> ServiceResult<Json<AgentView>> {
    let reader = chain.reader()?;
    let agent = find(&reader, &id)?;
    caller::refuse_denied([&id.0])?;
    Ok(Json(view(&reader, agent, chain.block_seconds())?))
}

/// Makes an account that no key of its own controls: whoever speaks for its owner speaks for it. Answers once it is on the ledger.
#[utoipa::path(post, operation_id = "register_agent", path = "/v1/agents", tag = "agents", request_body = NewAgent, responses((status = 201, body = RegisteredAgent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn register(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Body(new): Body<NewAgent>,
) -> ServiceResult<(StatusCode, Json<RegisteredAgent>)> {
    let key = sender.key(new.account.as_deref())?;
    let suppliers = suppliers(&new.suppliers)?;
    let NewAgent { name, card, budget, period_seconds, funds, .. } = new;
    let action = RegisterAgent { name, card, suppliers, budget, period_seconds, funds };
    let id = action.id(chain.id(), &key.address());
    let Committed { hash: tx, height, .. } = chain.execute(&key, Action::RegisterAgent(action)).await?;
    Ok((StatusCode::CREATED, Json(RegisteredAgent { id, account: id.account(), tx, height })))
}

/// Says anew what an agent is and may spend; what is left out stays. Another card or other suppliers are its next release.
#[utoipa::path(post, operation_id = "update_agent", path = "/v1/agents/{id}", tag = "agents", params(("id" = String, Path)), request_body = ChangedAgent, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn update(
    State(sender): State<Sender>,
    State(chain): State<Chain>,
    Segment(id): Segment<AgentId>,
    Body(changed): Body<ChangedAgent>,
) -> ServiceResult<Json<Sent>> {
    let ChangedAgent { account, card, suppliers: named, budget, period_seconds, end_keys } = changed;
    let action = {
        let reader = chain.reader()?;
        let agent = find(&reader, &id)?;
        let last = agents::release(&reader, &id, agent.release)?.unwrap_or_default();
        let purse = authority::purse(&reader, &agent.account)?.unwrap_or_default();
        let same = |one: &agents::Supply| Supplier { asset: one.asset, floor_bps: one.floor_bps };
        UpdateAgent {
            agent: id,
            card: card.unwrap_or(last.card),
            suppliers: match named {
                Some(named) => suppliers(&named)?,
                None => last.suppliers.iter().map(same).collect(),
            },
            budget: budget.unwrap_or(purse.budget),
            period_seconds: period_seconds.unwrap_or(purse.period_seconds),
            end_keys,
        }
    };
    sender.send(account.as_deref(), Action::UpdateAgent(action)).await
}

/// Ends an agent for good: its money goes to its owner, its sub-keys end, and none spends anything of it again.
#[utoipa::path(post, operation_id = "retire_agent", path = "/v1/agents/{id}/retire", tag = "agents", params(("id" = String, Path)), request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn retire(
    State(sender): State<Sender>,
    Segment(agent): Segment<AgentId>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::RetireAgent(RetireAgent { agent })).await
}

/// Lets a key run an agent, within limits of its own and within what all of them may spend together.
#[utoipa::path(post, operation_id = "grant_agent_key", path = "/v1/agents/{id}/keys", tag = "agents", params(("id" = String, Path)), request_body = NewAgentKey, responses((status = 201, body = GrantedKey), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn grant(
    State(authority): State<Authority>,
    Segment(id): Segment<AgentId>,
    Body(new): Body<NewAgentKey>,
) -> ServiceResult<(StatusCode, Json<GrantedKey>)> {
    let NewAgentKey { account, key, actions, counterparties, budget, period_seconds, lasts_seconds } = new;
    let limits = Limits { actions, counterparties, budget, period_seconds, lasts_seconds };
    let owner = account.as_deref().unwrap_or(NODE_ACCOUNT);
    let Granted { key, account, sent: Committed { hash: tx, height, .. } } =
        authority.grant_for(owner, id.account(), &key, limits).await?;
    Ok((StatusCode::CREATED, Json(GrantedKey { key, account, tx, height })))
}

/// Ends a key that runs an agent, at once.
#[utoipa::path(post, operation_id = "revoke_agent_key", path = "/v1/agents/{id}/keys/revoke", tag = "agents", params(("id" = String, Path)), request_body = RevokedAgentKey, responses((status = 200, body = Sent), (status = 404, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn revoke(
    State(authority): State<Authority>,
    Segment(id): Segment<AgentId>,
    Body(RevokedAgentKey { account, key }): Body<RevokedAgentKey>,
) -> ServiceResult<Json<Sent>> {
    let owner = account.as_deref().unwrap_or(NODE_ACCOUNT);
    Ok(Json(authority.revoke_for(owner, id.account(), &key).await?.into()))
}

fn find(reader: &LedgerReader, id: &AgentId) -> ServiceResult<Agent> {
    agents::get(reader, id)?.ok_or_else(|| {
        let detail = format!("there is no agent {id}; GET /v1/agents names those that there are");
        ServiceError::new(Code::UnknownAgent, detail)
    })
}

fn suppliers(named: &[NewSupplier]) -> ServiceResult<Vec<Supplier>> {
    let one = |supplier: &NewSupplier| {
        let asset = supplier.asset.parse();
        let asset = asset.map_err(|error: datanet_types::asset::NoAsset| {
            ServiceError::new(Code::BadField, error.to_string()).about("suppliers")
        })?;
        Ok(Supplier { asset: Some(asset), floor_bps: supplier.floor_bps })
    };
    named.iter().map(one).collect()
}

fn view(reader: &LedgerReader, agent: Agent, now: u64) -> ServiceResult<AgentView> {
    let release = agents::release(reader, &agent.id, agent.release)?.unwrap_or_default();
    let purse = authority::purse(reader, &agent.account)?.unwrap_or_default();
    let supplier =
        |one: agents::Supply| SupplierView { asset: named(one.asset), floor_bps: one.floor_bps, release: one.release };
    let payee = |one: agents::Payee| PayeeView { asset: named(one.asset), ppm: one.ppm };
    Ok(AgentView {
        id: agent.id,
        account: agent.account,
        owner: agent.owner,
        name: agent.name,
        card: release.card,
        release: agent.release,
        suppliers: release.suppliers.into_iter().map(supplier).collect(),
        payees: release.payees.into_iter().map(payee).collect(),
        balance: accounts::balance(reader, agent.account)?,
        budget: purse.budget,
        left: purse.left_at(now),
        period_seconds: purse.period_seconds,
        registered_height: agent.registered_height,
        retired_height: agent.retired_height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_full_unless_it_is_the_last_whatever_is_kept_back() {
        let page = |after: Option<&AgentId>, limit: usize| {
            let behind = after.map_or(0, |after| after.0[0]);
            Ok((behind + 1..=20).take(limit).map(|n| Agent { id: AgentId([n; 32]), ..Agent::default() }).collect())
        };
        let listed = |after: u8, limit| -> Vec<u8> {
            let after = Some(AgentId([after; 32])).filter(|_| after > 0);
            let found = shown((after, limit), page, |agent| !(3..=15).contains(&agent.id.0[0])).unwrap();
            found.iter().map(|agent| agent.id.0[0]).collect()
        };
        assert_eq!(listed(0, 2), [1, 2]);
        assert_eq!(listed(0, 4), [1, 2, 16, 17]);
        assert_eq!(listed(17, 4), [18, 19, 20]);
        assert_eq!(listed(2, 5), [16, 17, 18, 19, 20]);
        assert!(listed(20, 5).is_empty());
    }
}
