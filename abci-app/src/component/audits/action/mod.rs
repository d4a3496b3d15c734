//! What can be done about epochs that somebody doubts.

mod challenge_epoch;
mod commit_finding;
mod prove_forgery;
mod reveal_finding;

use datanet_types::{Address, NodeKey};

use super::{Audit, Auditor, Phase, require_epoch};
use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, TxContext};
use crate::state::StateRead;

/// The audit of an epoch, whose committee must be heard in `phase`.
fn require_phase<S: StateRead>(
    state: &S,
    node: &NodeKey,
    epoch: u64,
    ctx: &TxContext<'_>,
    phase: Phase,
) -> Result<Audit, ActionError> {
    require_epoch(state, node, epoch)?;
    let Some(audit) = super::get(state, node, epoch)? else {
        let message = format!("epoch {epoch} of node {node} is not challenged; challenge it first");
        return refuse(code::AUDIT_SEAT, message);
    };
    let deadline = if phase == Phase::Commit { audit.commit_deadline } else { audit.reveal_deadline };
    // Nobody is heard in the block that is the first behind a deadline either, at whose end the phase is closed.
    ensure(audit.phase() == phase && ctx.block.seconds() <= deadline, code::AUDIT_SEAT, || {
        let (is, wanted, now) = (audit.phase().name(), phase.name(), ctx.block.seconds());
        format!(
            "the audit is at {is:?}, and this is block time {now} (seconds since 1970); its committee does this while it is at {wanted:?}, \
             commits until block time {} and reveals until {}",
            audit.commit_deadline, audit.reveal_deadline
        )
    })?;
    Ok(audit)
}

/// The signer's seat on its committee.
fn require_seat<'a>(audit: &'a mut Audit, signer: &Address) -> Result<&'a mut Auditor, ActionError> {
    match audit.committee.iter_mut().find(|auditor| auditor.account == *signer) {
        Some(auditor) => Ok(auditor),
        None => refuse(code::AUDIT_SEAT, format!("account {signer} has no seat on this committee")),
    }
}
