//! What committee members do.

mod challenge_verdict;
mod commit_scores;
mod reveal_scores;

use datanet_types::{Address, ContributionId};

use super::{Phase, Round, judging_round};
use crate::code;
use crate::component::contributions::{self, Contribution};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, TxContext};
use crate::state::StateRead;

const ROUND_OVER: &str = "the round is over; nothing can be added to it";

/// The contribution and its round, which must be in `phase` with `signer` on its committee.
fn require_round<S: StateRead>(
    state: &S,
    id: &ContributionId,
    ctx: &TxContext<'_>,
    phase: Phase,
) -> Result<(Contribution, Round), ActionError> {
    let contribution = contributions::require(state, id)?;
    let Some(round) = judging_round(state, &contribution)? else {
        return refuse(code::WRONG_PHASE, ROUND_OVER);
    };
    let signer: &Address = &ctx.tx.signer;
    ensure(round.phase() != Phase::Draw, code::WRONG_PHASE, || {
        format!("the committee for contribution {id} is drawn at height {}; wait for it", round.draw_height)
    })?;
    ensure(round.member(signer).is_some(), code::NOT_IN_COMMITTEE, || {
        format!("account {signer} was not drawn to judge contribution {id}; only its committee scores it")
    })?;
    let deadline = if phase == Phase::Commit { round.commit_deadline } else { round.reveal_deadline };
    // Nobody is heard in the block that is the first behind a deadline either, at whose end the phase is closed.
    let now = ctx.block.seconds();
    ensure(round.phase() == phase && now <= deadline, code::WRONG_PHASE, || phase_message(&round, phase, now))?;
    Ok((contribution, round))
}

fn phase_message(round: &Round, wanted: Phase, now: u64) -> String {
    match (wanted, round.phase()) {
        (Phase::Reveal, Phase::Commit) => format!(
            "it is too early to reveal: {} of {} members have committed; wait for the rest, or until a block's time is {} (seconds since 1970)",
            round.committed,
            round.committee.len(),
            round.commit_deadline
        ),
        (Phase::Commit, Phase::Commit | Phase::Reveal) => {
            format!(
                "it is too late to commit: this is block time {now} (seconds since 1970), and commitments are closed; reveal if you committed"
            )
        }
        (_, Phase::Judged | Phase::Unjudged | Phase::Unavailable) => ROUND_OVER.to_owned(),
        _ => format!(
            "it is too late to reveal: reveals were taken until block time {} (seconds since 1970), and this is {now}",
            round.reveal_deadline
        ),
    }
}
