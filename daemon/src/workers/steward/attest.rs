//! Telling the ledger that a contribution's bytes are here, whole and what they were said to be.

use datanet_ledger::component::contributions::Contribution;
use datanet_types::Action;
use datanet_types::action::AttestStorage;

use crate::error::{ServiceError, ServiceResult};
use crate::node::Core;

/// Attests after checking; bytes that are not what the ledger says are never attested.
pub async fn attest(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    if let Err(reason) = super::fetch::verify(core, contribution).await? {
        return Err(ServiceError::unprocessable("not-attested", format!("not attested: {reason}")));
    }
    let action = AttestStorage { contribution: contribution.id, node: core.node_key() };
    core.chain.execute(&core.account_key()?, Action::AttestStorage(action)).await.map(|_| ())
}
