//! Telling the ledger that a contribution's bytes are here, whole and what they were said to be.

use datanet_ledger::component::contributions::Contribution;
use datanet_types::Action;
use datanet_types::action::AttestStorage;

use crate::error::ServiceResult;
use crate::node::Core;

/// Attests after checking; bytes that are not what the ledger says are never attested, and the result is false.
pub async fn attest(core: &Core, contribution: &Contribution) -> ServiceResult<bool> {
    if let Err(reason) = super::fetch::verify(core, contribution).await? {
        tracing::info!(contribution = %contribution.id, %reason, "not attested");
        return Ok(false);
    }
    let action = AttestStorage { contribution: contribution.id, node: core.node_key() };
    core.chain.execute(&core.account_key()?, Action::AttestStorage(action)).await.map(|_| true)
}
