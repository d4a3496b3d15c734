//! Saying what one found.

use datanet_types::action::{AuditEpoch, Finding};
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::audits::{self, Phase, Said, require_epoch, set_due};
use crate::component::error::{ensure, refuse};
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::state::StateWrite;

impl ActionHandler for AuditEpoch {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        ensure(Finding::try_from(self.finding).is_ok(), code::AUDIT_SEAT, || {
            format!("finding is {}; it is 0 (correct), 1 (false) or 2 (unavailable)", self.finding)
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        require_epoch(state, &self.node, self.epoch)?;
        let Some(mut audit) = audits::get(state, &self.node, self.epoch)? else {
            return refuse(
                code::AUDIT_SEAT,
                format!("epoch {} of node {} is not challenged; challenge it first", self.epoch, self.node),
            );
        };
        ensure(audit.phase() == Phase::Vote && ctx.block.seconds() <= audit.deadline, code::AUDIT_SEAT, || {
            let (phase, now) = (audit.phase().name(), ctx.block.seconds());
            format!(
                "the audit is at {phase:?}, and this is block time {now} (seconds since 1970); its committee is heard while it is at vote, \
                 until block time {}",
                audit.deadline
            )
        })?;
        let account = ctx.tx.signer;
        let Some(auditor) = audit.committee.iter_mut().find(|auditor| auditor.account == account) else {
            return refuse(code::AUDIT_SEAT, format!("account {account} has no seat on this committee"));
        };
        ensure(auditor.said() == Said::Nothing, code::AUDITED_BEFORE, || {
            "you have said what you found; that can't be changed".to_owned()
        })?;
        let finding = Finding::try_from(self.finding).unwrap_or(Finding::Unavailable);
        auditor.said = Said::from(finding) as i32;
        let all_said = audit.committee.iter().all(|auditor| auditor.said() != Said::Nothing);
        // Nobody else is waited for: the end of this block closes it.
        let due = if all_said { ctx.block.seconds() } else { audit.due };
        set_due(state, &mut audit, due);
        let event = Event::new("audit.said").with("node", self.node).with("epoch", self.epoch);
        Ok(vec![event.with("account", account).with("finding", finding.name())])
    }
}
