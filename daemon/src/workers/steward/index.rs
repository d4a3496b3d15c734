//! Putting a final contribution into its datanet's index.

use datanet_ledger::component::contributions::Contribution;

use crate::error::ServiceResult;
use crate::node::Core;

/// Indexes it; one that is there already is left alone.
pub async fn index(core: &Core, contribution: &Contribution) -> ServiceResult<()> {
    core.index_contribution(contribution).await
}
