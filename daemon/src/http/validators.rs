//! Validators, and the stake behind them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRef, State};
use datanet_api::transactions::Sent;
use datanet_api::validators::{
    DelegationView, Delegations, InTheNameOf, NewValidator, Rewards, StakeChange, StakeMove, UnbondingView,
    ValidatorStatus, ValidatorView, Validators,
};
use datanet_ledger::component::staking::{self, Validator};
use datanet_ledger::state::StateRead;
use datanet_types::staking::{CreateValidator, Delegate, Redelegate, Undelegate, Unjail, WithdrawRewards};
use datanet_types::{Action, Address, ConsensusAddress};

use super::Services;
use super::epochs::key_of;
use super::extract::{Body, Segment};
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::{AccountKey, Identity, Keyring};

/// Validators and stakes listed at most.
const MAX_LISTED: usize = 1_000;
/// Validators that one transaction withdraws rewards of.
const AT_ONCE: usize = 64;

/// What it takes to send a transaction in the name of an account on this node.
#[derive(Clone)]
pub(super) struct Sender {
    chain: Chain,
    keyring: Keyring,
    identity: Identity,
}

impl FromRef<Services> for Sender {
    fn from_ref(services: &Services) -> Self {
        let Services { chain, keyring, identity, .. } = services;
        Self { chain: chain.clone(), keyring: keyring.clone(), identity: identity.clone() }
    }
}

impl Sender {
    /// The key of the account that is named, or the node's own.
    pub(super) fn key(&self, account: Option<&str>) -> ServiceResult<AccountKey> {
        key_of(account, &self.keyring, &self.identity)
    }

    /// Does it, and answers once it is on the ledger.
    pub(super) async fn send(&self, account: Option<&str>, action: Action) -> ServiceResult<Json<Sent>> {
        Ok(Json(self.chain.execute(&self.key(account)?, action).await?.into()))
    }
}

/// All validators, those with most behind them first.
#[utoipa::path(get, operation_id = "list_validators", path = "/v1/validators", tag = "validators", responses((status = 200, body = Validators)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Validators>> {
    let reader = chain.reader()?;
    let powers = powers(&reader)?;
    let mut found = staking::list(&reader, None, MAX_LISTED)?;
    found.sort_by_key(|validator| std::cmp::Reverse(validator.tokens));
    let views: ServiceResult<Vec<_>> = found.into_iter().map(|validator| view(&reader, validator, &powers)).collect();
    Ok(Json(Validators { validators: views? }))
}

/// One validator.
#[utoipa::path(get, operation_id = "get_validator", path = "/v1/validators/{id}", tag = "validators", params(("id" = String, Path)), responses((status = 200, body = ValidatorView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    Segment(id): Segment<ConsensusAddress>,
) -> ServiceResult<Json<ValidatorView>> {
    let reader = chain.reader()?;
    let Some(validator) = staking::get(&reader, &id)? else {
        let detail = format!("there is no validator {id}; GET /v1/validators names them");
        return Err(ServiceError::new(Code::UnknownValidator, detail));
    };
    Ok(Json(view(&reader, validator, &powers(&reader)?)?))
}

/// Makes this node's consensus key a validator, with a first stake of its operator's; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "create_validator", path = "/v1/validators", tag = "validators", request_body = NewValidator, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn create(State(sender): State<Sender>, Body(new): Body<NewValidator>) -> ServiceResult<Json<Sent>> {
    let (chain, secrets) = (sender.chain.id(), sender.identity.validator());
    let account = sender.key(new.account.as_deref())?.address();
    let key = secrets.consensus.consensus_key();
    let action = CreateValidator {
        key,
        proof: secrets.consensus.sign(&CreateValidator::sign_bytes(chain, &account, &key)),
        amount: new.amount,
        commission_bps: new.commission_bps,
        name: new.name.unwrap_or_else(|| sender.identity.name().to_owned()),
        beacon_key: secrets.beacon.key(),
        beacon_proof: secrets.beacon.prove(&CreateValidator::beacon_input(chain, &account, &key)),
    };
    sender.send(new.account.as_deref(), Action::CreateValidator(action)).await
}

/// Stakes on a validator: part of what it earns, and of what it is slashed.
#[utoipa::path(post, operation_id = "delegate", path = "/v1/validators/{id}/delegate", tag = "validators", params(("id" = String, Path)), request_body = StakeChange, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn delegate(
    State(sender): State<Sender>,
    Segment(validator): Segment<ConsensusAddress>,
    Body(StakeChange { account, amount }): Body<StakeChange>,
) -> ServiceResult<Json<Sent>> {
    let action = Action::Delegate(Delegate { validator, amount });
    sender.send(account.as_deref(), action).await
}

/// Takes stake back; it arrives after the chain's unbonding time, and answers for the validator until then.
#[utoipa::path(post, operation_id = "undelegate", path = "/v1/validators/{id}/undelegate", tag = "validators", params(("id" = String, Path)), request_body = StakeChange, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn undelegate(
    State(sender): State<Sender>,
    Segment(validator): Segment<ConsensusAddress>,
    Body(StakeChange { account, amount }): Body<StakeChange>,
) -> ServiceResult<Json<Sent>> {
    let action = Action::Undelegate(Undelegate { validator, amount });
    sender.send(account.as_deref(), action).await
}

/// Moves stake to another validator at once; it answers for both, and stays there, until the unbonding time is over.
#[utoipa::path(post, operation_id = "redelegate", path = "/v1/validators/{id}/redelegate", tag = "validators", params(("id" = String, Path)), request_body = StakeMove, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn redelegate(
    State(sender): State<Sender>,
    Segment(from): Segment<ConsensusAddress>,
    Body(StakeMove { account, amount, to }): Body<StakeMove>,
) -> ServiceResult<Json<Sent>> {
    let action = Action::Redelegate(Redelegate { from, to, amount });
    sender.send(account.as_deref(), action).await
}

/// Brings a validator back whose time in jail is over; for its operator.
#[utoipa::path(post, operation_id = "unjail_validator", path = "/v1/validators/{id}/unjail", tag = "validators", params(("id" = String, Path)), request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn unjail(
    State(sender): State<Sender>,
    Segment(validator): Segment<ConsensusAddress>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::Unjail(Unjail { validator })).await
}

/// An account's stakes on validators, and what is on its way back.
#[utoipa::path(get, operation_id = "list_delegations", path = "/v1/accounts/{address}/delegations", tag = "validators", params(("address" = String, Path)), responses((status = 200, body = Delegations)))]
pub(super) async fn delegations(
    State(chain): State<Chain>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<Delegations>> {
    let reader = chain.reader()?;
    let mut views = Vec::new();
    for (id, held) in staking::delegations(&reader, &address, None, MAX_LISTED)? {
        let Some(validator) = staking::get(&reader, &id)? else { continue };
        views.push(DelegationView {
            validator: id,
            amount: staking::worth(&validator, held.shares),
            moved: staking::worth(&validator, held.moved),
            earned: staking::earned(&reader, &validator, &address)?,
            name: validator.name,
        });
    }
    let leaving = staking::unbonding(&reader, &address, MAX_LISTED)?.into_iter();
    let unbonding =
        leaving.map(|part| UnbondingView { validator: part.validator, amount: part.amount, arrives: part.arrives });
    Ok(Json(Delegations { delegations: views, unbonding: unbonding.collect() }))
}

/// Pays out what an account's stakes have earned; its key must be on this node.
#[utoipa::path(post, operation_id = "withdraw_rewards", path = "/v1/accounts/{address}/rewards", tag = "validators", params(("address" = String, Path)), responses((status = 200, body = Rewards), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn withdraw(
    State(chain): State<Chain>,
    State(keyring): State<Keyring>,
    Segment(address): Segment<Address>,
) -> ServiceResult<Json<Rewards>> {
    let key = keyring.by_address(&address)?.ok_or_else(|| {
        ServiceError::new(Code::UnknownKey, format!("the key of account {address} is not on this node"))
    })?;
    let (mut validators, mut amount) = (Vec::new(), 0u64);
    let reader = chain.reader()?;
    for (id, _) in staking::delegations(&reader, &address, None, MAX_LISTED)? {
        let Some(validator) = staking::get(&reader, &id)? else { continue };
        let earned = staking::earned(&reader, &validator, &address)?;
        if earned > 0 && validators.len() < AT_ONCE {
            validators.push(id);
            amount = amount.saturating_add(earned);
        }
    }
    if validators.is_empty() {
        return Ok(Json(Rewards { amount: 0, tx: None }));
    }
    let committed = chain.execute(&key, Action::WithdrawRewards(WithdrawRewards { validators })).await?;
    Ok(Json(Rewards { amount, tx: Some(committed.hash) }))
}

fn powers<S: StateRead>(state: &S) -> ServiceResult<BTreeMap<ConsensusAddress, u64>> {
    Ok(staking::active(state)?.into_iter().map(|active| (active.key.address(), active.power)).collect())
}

fn view<S: StateRead>(
    state: &S,
    validator: Validator,
    powers: &BTreeMap<ConsensusAddress, u64>,
) -> ServiceResult<ValidatorView> {
    let id = validator.address();
    let power = powers.get(&id).copied().unwrap_or(0);
    let status = if validator.tombstoned {
        ValidatorStatus::Tombstoned
    } else if validator.jailed_until > 0 {
        ValidatorStatus::Jailed
    } else if power > 0 {
        ValidatorStatus::Active
    } else {
        ValidatorStatus::Waiting
    };
    Ok(ValidatorView {
        id,
        key: validator.key,
        operator: validator.operator,
        stake: validator.tokens,
        power,
        commission_bps: validator.commission_bps,
        status,
        jailed_until: (status == ValidatorStatus::Jailed).then_some(validator.jailed_until),
        missed: staking::missed(state, &id)?,
        name: validator.name,
    })
}
