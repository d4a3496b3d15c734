//! Proposals, votes on them, and the rules that come.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use datanet_api::proposals::{
    Change, NewProposal, NewVote, PlannedUpgrade, ProposalKind, ProposalView, Proposals, TallyView, UpgradeView,
};
use datanet_api::transactions::Sent;
use datanet_api::validators::InTheNameOf;
use datanet_ledger::LedgerReader;
use datanet_ledger::component::governance::upgrade::planned;
use datanet_ledger::component::governance::{self, Proposal, Status, Tally};
use datanet_ledger::component::{Params, params};
use datanet_types::Action;
use datanet_types::action::{
    Binary, NewNumber, NewNumbers, Payment, Proposed, Resolution, Restart, RetireAuthority, Retirement, SubmitProposal,
    Upgrade, VoteProposal,
};

use super::extract::{Body, Segment};
use super::validators::Sender;
use crate::chain::Chain;
use crate::error::{Code, ServiceError, ServiceResult};

/// Proposals listed at most.
const MAX_LISTED: usize = 1_000;

/// Proposals that are voted on, wait, or are over and not forgotten yet.
#[utoipa::path(get, operation_id = "list_proposals", path = "/v1/proposals", tag = "governance", responses((status = 200, body = Proposals)))]
pub(super) async fn list(State(chain): State<Chain>) -> ServiceResult<Json<Proposals>> {
    let (reader, params) = (chain.reader()?, chain.params()?);
    let found = governance::list(&reader, None, MAX_LISTED)?.into_iter().rev();
    let proposals: ServiceResult<Vec<_>> = found.map(|one| view(&reader, &params, one)).collect();
    Ok(Json(Proposals { deposit: governance::deposit(&reader, &params)?, proposals: proposals? }))
}

/// One proposal, with what stake says of it.
#[utoipa::path(get, operation_id = "get_proposal", path = "/v1/proposals/{number}", tag = "governance", params(("number" = u64, Path)), responses((status = 200, body = ProposalView), (status = 404, response = super::problem::Refusal)))]
pub(super) async fn show(
    State(chain): State<Chain>,
    Segment(number): Segment<u64>,
) -> ServiceResult<Json<ProposalView>> {
    let (reader, params) = (chain.reader()?, chain.params()?);
    let Some(proposal) = governance::get(&reader, number)? else {
        let detail =
            format!("there is no proposal {number}, or it is forgotten; GET /v1/proposals names those there are");
        return Err(ServiceError::new(Code::UnknownProposal, detail));
    };
    Ok(Json(view(&reader, &params, proposal)?))
}

/// Puts something to the vote, and locks a deposit for it; answers once it is on the ledger.
#[utoipa::path(post, operation_id = "submit_proposal", path = "/v1/proposals", tag = "governance", request_body = NewProposal, responses((status = 200, body = Sent), (status = 402, response = super::problem::Refusal), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn submit(
    State(chain): State<Chain>,
    State(sender): State<Sender>,
    Body(new): Body<NewProposal>,
) -> ServiceResult<Json<Sent>> {
    let NewProposal { account, title, reason, deposit, change } = new;
    let deposit = match deposit {
        Some(deposit) => deposit,
        None => governance::deposit(&chain.reader()?, &chain.params()?)?,
    };
    let proposed = Some(proposed(change)?);
    sender.send(account.as_deref(), Action::SubmitProposal(SubmitProposal { title, reason, deposit, proposed })).await
}

/// Votes on a proposal with all stake that the account has behind validators; said again, it takes the place of the vote before.
#[utoipa::path(post, operation_id = "vote_proposal", path = "/v1/proposals/{number}/vote", tag = "governance", params(("number" = u64, Path)), request_body = NewVote, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn vote(
    State(sender): State<Sender>,
    Segment(proposal): Segment<u64>,
    Body(NewVote { account, choice }): Body<NewVote>,
) -> ServiceResult<Json<Sent>> {
    let action = VoteProposal { proposal, choice: choice as i32 };
    sender.send(account.as_deref(), Action::VoteProposal(action)).await
}

/// As the chain's authority, steps back for good: what it did is votes' alone from then on.
#[utoipa::path(post, operation_id = "retire_authority", path = "/v1/authority/retire", tag = "governance", request_body = InTheNameOf, responses((status = 200, body = Sent), (status = 422, response = super::problem::Refusal)))]
pub(super) async fn retire(
    State(sender): State<Sender>,
    Body(InTheNameOf { account }): Body<InTheNameOf>,
) -> ServiceResult<Json<Sent>> {
    sender.send(account.as_deref(), Action::RetireAuthority(RetireAuthority {})).await
}

/// The version of the rules, and the one that comes.
#[utoipa::path(get, operation_id = "get_upgrade", path = "/v1/upgrade", tag = "governance", responses((status = 200, body = UpgradeView)))]
pub(super) async fn upgrade(State(chain): State<Chain>) -> ServiceResult<Json<UpgradeView>> {
    let planned = planned(&chain.reader()?)?.map(|planned| PlannedUpgrade {
        proposal: planned.proposal,
        version: planned.version,
        height: planned.height,
        binaries: planned.binaries.into_iter().map(|binary| (binary.platform, binary.sha256)).collect(),
    });
    Ok(Json(UpgradeView { version: chain.params()?.app_version, knows: chain.knows(), planned }))
}

/// What the wire says, as the ledger takes it.
fn proposed(change: Change) -> ServiceResult<Proposed> {
    let Change { kind, numbers, to, amount, version, height, binaries, component } = change;
    let given = [
        ("numbers", numbers.is_some(), ProposalKind::Params),
        ("to", to.is_some(), ProposalKind::Spend),
        ("amount", amount.is_some(), ProposalKind::Spend),
        ("version", version.is_some(), ProposalKind::Upgrade),
        ("height", height.is_some(), ProposalKind::Upgrade),
        ("binaries", binaries.is_some(), ProposalKind::Upgrade),
        ("component", component.is_some(), ProposalKind::Reset),
    ];
    if let Some((field, ..)) = given.into_iter().find(|(_, given, of)| *given && *of != kind) {
        let detail = format!("{field} does not belong to a proposal of this kind; leave it out");
        return Err(ServiceError::new(Code::BadField, detail).about(format!("change.{field}")));
    }
    Ok(match kind {
        ProposalKind::Text => Proposed::Text(Resolution {}),
        ProposalKind::RetireAuthority => Proposed::RetireAuthority(Retirement {}),
        ProposalKind::Params => {
            let numbers = needed(numbers, "numbers")?.into_iter();
            Proposed::Params(NewNumbers { numbers: numbers.map(|(name, value)| NewNumber { name, value }).collect() })
        }
        ProposalKind::Spend => Proposed::Spend(Payment { to: needed(to, "to")?, amount: needed(amount, "amount")? }),
        ProposalKind::Upgrade => {
            let binaries = binaries.unwrap_or_default().into_iter();
            Proposed::Upgrade(Upgrade {
                version: needed(version, "version")?,
                height: needed(height, "height")?,
                binaries: binaries.map(|(platform, sha256)| Binary { platform, sha256 }).collect(),
            })
        }
        ProposalKind::Reset => Proposed::Reset(Restart { component: needed(component, "component")? }),
    })
}

fn needed<T>(field: Option<T>, name: &str) -> ServiceResult<T> {
    field.ok_or_else(|| {
        let detail = format!("change.{name} is missing; a proposal of this kind says it");
        ServiceError::new(Code::MissingField, detail).about(format!("change.{name}"))
    })
}

/// What is proposed, as the wire says it.
fn change(proposed: Option<Proposed>) -> Change {
    let empty = |kind| Change {
        kind,
        numbers: None,
        to: None,
        amount: None,
        version: None,
        height: None,
        binaries: None,
        component: None,
    };
    match proposed {
        None | Some(Proposed::Text(_)) => empty(ProposalKind::Text),
        Some(Proposed::RetireAuthority(_)) => empty(ProposalKind::RetireAuthority),
        Some(Proposed::Params(new)) => {
            let numbers: BTreeMap<_, _> = new.numbers.into_iter().map(|one| (one.name, one.value)).collect();
            Change { numbers: Some(numbers), ..empty(ProposalKind::Params) }
        }
        Some(Proposed::Spend(Payment { to, amount })) => {
            Change { to: Some(to), amount: Some(amount), ..empty(ProposalKind::Spend) }
        }
        Some(Proposed::Upgrade(Upgrade { version, height, binaries })) => {
            let binaries = binaries.into_iter().map(|binary| (binary.platform, binary.sha256)).collect();
            let (version, height, binaries) = (Some(version), Some(height), Some(binaries));
            Change { version, height, binaries, ..empty(ProposalKind::Upgrade) }
        }
        Some(Proposed::Reset(restart)) => Change { component: Some(restart.component), ..empty(ProposalKind::Reset) },
    }
}

fn view(reader: &LedgerReader, present: &Params, proposal: Proposal) -> ServiceResult<ProposalView> {
    let tally = match proposal.tally {
        Some(tally) => tally,
        None => governance::count(reader, present, proposal.number)?,
    };
    let passes = tally.outcome(&params::at(reader, proposal.height)?, proposal.is_strong()) == Status::Passed;
    let Tally { abstain, yes, no, veto, bonded } = tally;
    let status = proposal.status();
    Ok(ProposalView {
        number: proposal.number,
        status: status.name().to_owned(),
        title: proposal.title,
        reason: proposal.reason,
        proposer: proposal.proposer,
        deposit: proposal.deposit,
        height: proposal.height,
        change: change(proposal.proposed),
        mark: proposal.mark,
        ends: proposal.ends,
        extended: proposal.extended,
        due: (status == Status::Passed).then_some(proposal.due),
        tally: TallyView { yes, no, abstain, veto, bonded },
        passes,
    })
}
