//! What state costs that is kept for ever: so much a byte, paid or locked when it is written.
//!
//! A fee pays for the bytes of a transaction, which a node may leave out with old blocks. A record stays with every node, is hashed into the tree, and is
//! in every snapshot: it costs by itself. What can be taken out of state again has its money back then ([`super::datanets`]); what cannot,
//! as a model, has paid it to the treasury.

use datanet_types::{Address, Amount};
use prost::Message;

use super::{ActionError, Params, accounts};
use crate::state::StateWrite;

/// What an entry takes beside its record: 219 bytes of tree, as docs/ledger.md measures under "Growth", and 80 of key.
const ENTRY_BYTES: u64 = 300;

/// What a record in an entry of its own costs.
pub fn of_record<M: Message>(params: &Params, record: &M) -> Amount {
    let bytes = ENTRY_BYTES.saturating_add(record.encoded_len() as u64);
    bytes.saturating_mul(params.state_byte_deposit)
}

/// Pays for a record that nobody can take out of state again.
pub(super) fn pay_for_good<S: StateWrite, M: Message>(
    state: &mut S,
    params: &Params,
    from: &Address,
    record: &M,
) -> Result<(), ActionError> {
    accounts::transfer(state, from, accounts::treasury(), of_record(params, record))
}
