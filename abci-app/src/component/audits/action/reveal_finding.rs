//! Showing what one found.

use datanet_types::action::{Finding, RevealFinding};
use datanet_types::tx::VerifiedTx;

use super::{require_phase, require_seat};
use crate::code;
use crate::component::audits::{Audit, Phase, Said, put, set_due};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for RevealFinding {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        finding(self).map(drop)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut audit = require_phase(state, &self.node, self.epoch, ctx, Phase::Reveal)?;
        let finding = finding(self)?;
        let digest = audit.commitment(&ctx.block.chain_id, &ctx.tx.signer, finding, &self.salt);
        let auditor = require_seat(&mut audit, &ctx.tx.signer)?;
        ensure(auditor.said() == Said::Nothing, code::AUDITED_BEFORE, || {
            "you have said what you found; that can't be changed".to_owned()
        })?;
        ensure(auditor.commitment == Some(digest), code::FINDING, || match auditor.commitment {
            None => "you committed to nothing on this committee, so there is nothing to reveal".to_owned(),
            Some(_) => "finding and salt do not give your commitment; reveal exactly what you committed to".to_owned(),
        })?;
        auditor.said = Said::from(finding) as i32;
        if is_all_said(&audit) {
            // Nobody else can reveal: the end of this block closes it.
            set_due(state, &mut audit, ctx.block.seconds());
        } else {
            put(state, &audit);
        }
        let event = Event::new("audit.revealed").with("node", self.node).with("epoch", self.epoch);
        Ok(vec![event.with("account", ctx.tx.signer).with("finding", finding.name())])
    }
}

fn is_all_said(audit: &Audit) -> bool {
    audit.committed().all(|auditor| auditor.said() != Said::Nothing)
}

fn finding(action: &RevealFinding) -> Result<Finding, ActionError> {
    match Finding::try_from(action.finding) {
        Ok(finding) => Ok(finding),
        Err(_) => refuse(
            code::FINDING,
            format!("finding is {}; it is 0 (correct), 1 (false), 2 (unavailable) or 3 (missing)", action.finding),
        ),
    }
}
