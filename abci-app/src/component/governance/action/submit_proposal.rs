//! Putting something to the vote.

use datanet_types::action::{
    Binary, MAX_BINARIES, MAX_NUMBERS, MAX_PLATFORM, MAX_REASON, MAX_TITLE, Proposed, SubmitProposal, Upgrade,
};
use datanet_types::amount::display;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::agenda::Number;
use crate::component::error::{ensure, refuse};
use crate::component::governance::deciding::{event, put};
use crate::component::governance::{MAX_LIVE, Proposal, deposit, deposit_account, live, stakes, state_key, upgrade};
use crate::component::params::renumbered;
use crate::component::{
    ActionError, ActionHandler, Component, Event, Params, TxContext, accounts, breaker, params, treasury,
};
use crate::gas::Gas;
use crate::state::{StateRead, StateWrite};

/// Making all parameters anew out of a proposal's numbers and checking them, a tenth of a millisecond.
const RENUMBERING: Gas = 100_000;

impl ActionHandler for SubmitProposal {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure((1..=MAX_TITLE).contains(&self.title.len()), code::PROPOSAL_INVALID, || {
            format!("the title is {} bytes, 1 to {MAX_TITLE} are good", self.title.len())
        })?;
        ensure((1..=MAX_REASON).contains(&self.reason.len()), code::PROPOSAL_INVALID, || {
            format!("the reason is {} bytes, 1 to {MAX_REASON} are good; say why", self.reason.len())
        })?;
        match &self.proposed {
            None => refuse(code::PROPOSAL_INVALID, "nothing is proposed; say what is to be done, words alone included"),
            Some(Proposed::Params(new)) => {
                let ordered = new.numbers.is_sorted_by(|one, next| one.name < next.name);
                ensure(ordered && (1..=MAX_NUMBERS).contains(&new.numbers.len()), code::PROPOSAL_INVALID, || {
                    format!("a proposal changes 1 to {MAX_NUMBERS} parameters, in ascending order of their names")
                })
            }
            Some(Proposed::Spend(payment)) => ensure(payment.amount > 0, code::PROPOSAL_INVALID, || {
                "the amount is 0; pay at least 1 base unit".to_owned()
            }),
            Some(Proposed::Upgrade(upgrade)) => check_binaries(upgrade),
            Some(Proposed::Reset(restart)) => {
                let named = Component::of_name(&restart.component).filter(|component| !breaker::spares(*component));
                ensure(named.is_some(), code::PROPOSAL_INVALID, || {
                    format!("{:?} is no component that can stand still", restart.component)
                })
            }
            Some(Proposed::Text(_) | Proposed::RetireAuthority(_)) => Ok(()),
        }
    }

    fn work(&self) -> Gas {
        if matches!(self.proposed, Some(Proposed::Params(_))) { RENUMBERING } else { 0 }
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, proposer, now) = (params::get(state)?, ctx.tx.signer, ctx.block.seconds());
        ensure(live(state)?.len() < MAX_LIVE, code::PROPOSALS_FULL, || {
            format!("{MAX_LIVE} proposals are voted on or wait, as many as may be; wait until one is done")
        })?;
        check_possible(self.proposed.as_ref(), state, ctx, &params)?;
        let deposit = deposit(state, &params)?;
        ensure(deposit <= self.deposit, code::PROPOSAL_DEPOSIT, || {
            let (asked, offered) = (display(deposit), display(self.deposit));
            format!("the deposit is {asked} as things stand, and at most {offered} may be locked; allow more, or wait")
        })?;
        let number = state.get::<Number>(&state_key::last())?.unwrap_or_default().number.saturating_add(1);
        accounts::transfer(state, proposer, deposit_account(number), deposit)?;
        state.put(state_key::last(), &Number { number });
        stakes::enter(state, number)?;
        let ends = now.saturating_add(params.voting_seconds);
        let mark = ends.saturating_sub(Proposal::late_seconds(&params));
        let mut proposal = Proposal {
            number,
            proposer,
            title: self.title.clone(),
            reason: self.reason.clone(),
            deposit,
            height: ctx.block.height,
            mark,
            ends,
            proposed: self.proposed.clone(),
            ..Proposal::default()
        };
        put(state, &mut proposal, mark);
        Ok(vec![event("proposal.submitted", &proposal).with("account", proposer).with("ends", ends)])
    }
}

fn check_binaries(upgrade: &Upgrade) -> Result<(), ActionError> {
    let named = |binary: &Binary| {
        let good = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
        (1..=MAX_PLATFORM).contains(&binary.platform.len()) && binary.platform.bytes().all(good)
    };
    let ordered = upgrade.binaries.is_sorted_by(|one, next| one.platform < next.platform);
    ensure(
        ordered && upgrade.binaries.len() <= MAX_BINARIES && upgrade.binaries.iter().all(named),
        code::PROPOSAL_INVALID,
        || {
            format!(
                "an upgrade names up to {MAX_BINARIES} programs, in ascending order of their platforms, such as x86_64-linux, one for each"
            )
        },
    )
}

/// Refuses what could not be done now: most of it could not be done later either, and nobody should have to vote on it.
fn check_possible<S: StateRead>(
    proposed: Option<&Proposed>,
    state: &S,
    ctx: &TxContext<'_>,
    params: &Params,
) -> Result<(), ActionError> {
    let why_not = match proposed {
        Some(Proposed::Params(new)) => renumbered(params, &new.numbers).err(),
        Some(Proposed::Spend(payment)) => {
            let most = treasury::budget(state, ctx.block.seconds(), params)?.most;
            let more = || format!("{} are more than a period may spend, {}", display(payment.amount), display(most));
            (payment.amount > most).then(more)
        }
        Some(Proposed::Upgrade(planned)) => upgrade::check(ctx.block, params, planned).err(),
        Some(Proposed::RetireAuthority(_)) => {
            treasury::authority(state)?.is_none().then(|| "this chain has no authority".to_owned())
        }
        Some(Proposed::Reset(restart)) => {
            let named = Component::of_name(&restart.component);
            let tripped = named.map(|component| breaker::tripped(state, component)).transpose()?.flatten();
            tripped.is_none().then(|| format!("{} runs; there is nothing to reset", restart.component))
        }
        Some(Proposed::Text(_)) | None => None,
    };
    why_not.map_or(Ok(()), |why| refuse(code::PROPOSAL_INVALID, why))
}
