//! What a datanet locks for as long as it is there: for its name, which nobody else can have meanwhile, and for its record.
//!
//! ```text
//!   create_datanet ─► datanet/id ── close_datanet ─┬─► the creator
//!                          │                       └─► treasury: what the id costs, which is not given again
//!                          └── once anything of it was final: it stays, and so does its deposit
//! ```

use datanet_types::{Amount, DatanetId, ModuleAddress};

use super::{Closed, Datanet};
use crate::component::{Params, deposit};

/// Letters from which on a name is not short any more.
const LONG_NAME: usize = 5;

/// What a datanet of this name and record locks: `datanet_deposit`, doubled for each letter that its name is shorter than five, and
/// what its record costs, but for the number that says how much is locked.
pub fn deposit_of(params: &Params, datanet: &Datanet) -> Amount {
    let record = Datanet { deposit: 0, ..datanet.clone() };
    name_deposit(params, &datanet.name).saturating_add(deposit::of_record(params, &record))
}

fn name_deposit(params: &Params, name: &str) -> Amount {
    let missing = u32::try_from(LONG_NAME.saturating_sub(name.len())).unwrap_or(0);
    params.datanet_deposit.saturating_mul(1u64.checked_shl(missing).unwrap_or(u64::MAX))
}

/// What is kept of a deposit when its datanet is closed: the price of what stays, and no more than was locked.
pub(super) fn kept(params: &Params, datanet: &Datanet, closed: &Closed) -> Amount {
    deposit::of_record(params, closed).min(datanet.deposit)
}

/// The account that holds a datanet's deposit.
pub fn deposit_account(id: &DatanetId) -> ModuleAddress {
    ModuleAddress::of("datanet", &[&id.0])
}
