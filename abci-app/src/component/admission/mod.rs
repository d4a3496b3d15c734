//! What every transaction passes before its action: expiry, replay, whose signatures it has, fee.

pub mod state_key;

use datanet_types::tx::MAX_TTL;

use super::error::ensure;
use super::{ActionError, TxContext, accounts, authority, params};
use crate::code;
use crate::state::{StateError, StateRead, StateWrite};

/// How many memories of expired transactions one block drops at most. Leftovers do no harm: an expired transaction
/// is refused for its expiry already.
const FORGET_PER_BLOCK: usize = 1_000;

/// That a transaction was executed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Executed {
    #[prost(uint64, tag = "1")]
    height: u64,
}

/// Whether the transaction with this id and expiry was executed and has not expired since.
///
/// # Errors
/// When the store cannot be read.
pub fn is_recorded<S: StateRead>(state: &S, expiry: u64, id: &[u8; 32]) -> Result<bool, StateError> {
    Ok(state.get_raw(&state_key::executed(expiry, id))?.is_some())
}

/// Checks expiry, replay, who signed, and fee; takes the fee and remembers the transaction.
pub(super) fn charge<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>) -> Result<(), ActionError> {
    let (height, body, id) = (ctx.block.height, &ctx.tx.body, &ctx.tx.id);
    ensure(body.expiry >= height, code::EXPIRED, || {
        format!("transaction expired at height {}, this is {height}; sign it again with a later expiry", body.expiry)
    })?;
    let latest = height.saturating_add(MAX_TTL);
    ensure(body.expiry <= latest, code::EXPIRED, || {
        format!("transaction expires at height {}; {latest} is the latest now, sign it again", body.expiry)
    })?;
    let memory = state_key::executed(body.expiry, id);
    ensure(state.get_raw(&memory)?.is_none(), code::REPLAYED, || {
        "transaction was executed before; to do it again, sign it with another nonce".to_owned()
    })?;
    let tx = ctx.tx;
    authority::authorise(state, &tx.signer, &tx.keys, &tx.action, ctx.block.seconds())?;
    let least = params::get(state)?.fee_of(tx.size);
    ensure(body.fee >= least, code::FEE, || {
        format!("fee is {}, the least for {} bytes is {least}", body.fee, tx.size)
    })?;
    authority::metered(state, ctx, |state| accounts::transfer(state, &tx.signer, &accounts::fees(), body.fee))?;
    state.put(memory, &Executed { height });
    Ok(())
}

/// Forgets transactions that expired before `height`.
pub(super) fn forget_expired<S: StateWrite>(state: &mut S, height: u64) -> Result<(), StateError> {
    let first_alive = state_key::executed(height, &[0; 32]);
    for (key, _) in state.scan(&state_key::all_executed(), None, FORGET_PER_BLOCK)? {
        if key >= first_alive {
            break;
        }
        state.delete(key);
    }
    Ok(())
}
