//! A storage node's word that it keeps an epoch's statement.

use datanet_types::action::AttestStatement;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::{ensure, refuse};
use crate::component::nodes::Node;
use crate::component::settlement::{self, Epoch, StatementKeeper, Status, keepers, keeping};
use crate::component::{ActionError, ActionHandler, Event, TxContext, nodes, params};
use crate::state::{StateRead, StateWrite};

impl ActionHandler for AttestStatement {
    fn check_stateless(&self, _: &VerifiedTx) -> Result<(), ActionError> {
        Ok(())
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let node = nodes::require_keeper(state, &self.node, &ctx.tx.signer, &params::get(state)?)?;
        let mut epoch = require_epoch(state, self)?;
        check_wanted(&epoch, ctx)?;
        check_other(state, self, &node)?;
        let before = keepers(state, &self.serving, self.epoch)?;
        ensure(before.iter().all(|keeper| keeper.node != self.node), code::STATEMENT_ATTESTED, || {
            format!("node {} attested the statement of {} before; once is enough", self.node, named(self))
        })?;
        keeping::keep(state, &mut epoch, StatementKeeper { node: self.node, account: node.account })?;
        let event = Event::new("epoch.attested").with("node", self.serving).with("epoch", self.epoch);
        Ok(vec![event.with("keeper", self.node).with("attestations", epoch.attestations).with("quorum", epoch.quorum)])
    }
}

fn named(action: &AttestStatement) -> String {
    format!("epoch {} of node {}", action.epoch, action.serving)
}

fn require_epoch<S: StateRead>(state: &S, action: &AttestStatement) -> Result<Epoch, ActionError> {
    match settlement::epoch(state, &action.serving, action.epoch)? {
        Some(epoch) => Ok(epoch),
        None => refuse(
            code::STATEMENT_UNKNOWN,
            format!("{} is not settled, or is over and forgotten; nobody needs to keep its statement", named(action)),
        ),
    }
}

fn check_wanted(epoch: &Epoch, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    let (number, node, now) = (epoch.epoch, epoch.node, ctx.block.seconds());
    let closed = |why: String| refuse(code::STATEMENT_CLOSED, format!("epoch {number} of node {node} {why}"));
    match epoch.status() {
        Status::Final => closed("is final; it wants no more words".to_owned()),
        Status::Void => closed("is void; nobody needs to keep its statement".to_owned()),
        _ if epoch.is_kept() => closed(format!("has the {} words that it takes; it wants no more", epoch.quorum)),
        // Nobody is heard in the block that is the first behind the deadline either, at whose end it is void.
        Status::Open if now > epoch.attest_by => {
            let until = epoch.attest_by;
            closed(format!("was to be attested until block time {until} (seconds since 1970), and this is {now}"))
        }
        Status::Open | Status::Audited => Ok(()),
    }
}

/// What one's own account keeps is not kept by others.
fn check_other<S: StateRead>(state: &S, action: &AttestStatement, node: &Node) -> Result<(), ActionError> {
    let serving = nodes::expect(state, &action.serving)?;
    ensure(serving.account != node.account, code::STATEMENT_OWN, || {
        format!("{} is of the same account; a statement is attested by storage nodes of others", named(action))
    })
}
