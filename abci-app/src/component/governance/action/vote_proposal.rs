//! Voting.

use datanet_types::action::{Choice, VoteProposal};
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::governance::{Proposal, Status, Vote, get, stakes, state_key, vote};
use crate::component::{ActionError, ActionHandler, Event, TxContext, staking};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for VoteProposal {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(Choice::try_from(self.choice).is_ok(), code::PROPOSAL_INVALID, || {
            format!("{} is no choice; vote yes, no, abstain or veto", self.choice)
        })
    }

    /// Whoever has stake behind a thousand validators makes nobody walk over them for nothing.
    fn admit<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
        open(state, ctx, self.proposal).map(drop)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (proposal, voter) = (open(state, ctx, self.proposal)?, ctx.tx.signer);
        let before = vote(state, proposal.number, &voter)?;
        let leads = ctx.block.seconds() < proposal.mark;
        let lead = if leads { Some(self.choice) } else { before.and_then(|vote| vote.lead) };
        let now = Vote { choice: self.choice, lead };
        stakes::count(state, proposal.number, &voter, (before.map(|vote| vote.own()), now.own()))?;
        state.put(state_key::vote(proposal.number, &voter), &now);
        let event = Event::new("proposal.voted").with("proposal", proposal.number).with("account", voter);
        Ok(vec![event.with("choice", now.own().name())])
    }
}

/// The proposal, which must be one that the signer can vote on.
fn open<S: StateRead>(state: &S, ctx: &TxContext<'_>, number: u64) -> Result<Proposal, ActionError> {
    let Some(proposal) = get(state, number)? else {
        return refuse(
            code::PROPOSAL_UNKNOWN,
            format!("there is no proposal {number}, or it is forgotten; `datanet proposal list` names those there are"),
        );
    };
    let is_open = proposal.status() == Status::Voting && ctx.block.seconds() < proposal.ends;
    ensure(is_open, code::PROPOSAL_CLOSED, || format!("the vote on proposal {number} is over"))?;
    let voter = ctx.tx.signer;
    let staked = !staking::delegations(state, &voter, None, 1)?.is_empty();
    ensure(staked, code::VOTE_STAKE, || {
        format!(
            "account {voter} has no stake behind a validator, which is what votes; `datanet validator delegate` puts some there"
        )
    })?;
    Ok(proposal)
}
