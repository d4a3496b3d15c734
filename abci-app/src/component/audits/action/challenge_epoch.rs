//! Doubting an epoch.

use datanet_types::action::ChallengeEpoch;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::audits::{Audit, deposit_account, next_challenge, require_unpaid, start_round};
use crate::component::error::{ensure, refuse};
use crate::component::settlement::{self, Status};
use crate::component::{ActionError, ActionHandler, Event, TxContext, accounts, nodes, params};
use crate::state::StateWrite;

/// Answers that a challenger may point at.
const MAX_SUSPECTS: usize = 8;

impl ActionHandler for ChallengeEpoch {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        let ordered = self.suspects.is_sorted_by(|a, b| a < b);
        ensure(ordered && self.suspects.len() <= MAX_SUSPECTS, code::AUDIT_SUSPECTS, || {
            format!("suspects are up to {MAX_SUSPECTS} places among the epoch's receipts, in order, each once")
        })
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let mut epoch = require_unpaid(state, &self.node, self.epoch)?;
        let answers = epoch.totals.answers;
        ensure(self.suspects.iter().all(|at| *at < answers), code::AUDIT_SUSPECTS, || {
            format!("the epoch has {answers} receipts; suspects are places among them, from 0")
        })?;
        let params = params::at(state, epoch.height)?;
        let next = next_challenge(&epoch, &params).filter(|_| epoch.status() == Status::Open);
        let Some((deposit, seats)) = next else {
            let state = match epoch.status() {
                Status::Audited => "is audited already; wait for what is found".to_owned(),
                _ => format!("was challenged {} times and found right; that is enough", epoch.challenges),
            };
            return refuse(code::AUDIT_CLOSED, format!("epoch {} of node {} {state}", self.epoch, self.node));
        };
        ensure(nodes::any_validator(state)?, code::NO_VALIDATORS, || "nobody is there to audit it".to_owned())?;
        accounts::transfer(state, ctx.tx.signer, deposit_account(&self.node, self.epoch), deposit)?;
        settlement::hold(state, &mut epoch)?;
        let (node, epoch, challenger) = (self.node, self.epoch, ctx.tx.signer);
        let suspects = self.suspects.clone();
        let mut audit = Audit { node, epoch, challenger, deposit, seats, suspects, ..Audit::default() };
        start_round(state, ctx.block, &mut audit, &params);
        let event = Event::new("audit.begun").with("node", self.node).with("epoch", self.epoch);
        Ok(vec![event.with("challenger", challenger).with("deposit", deposit)])
    }
}
