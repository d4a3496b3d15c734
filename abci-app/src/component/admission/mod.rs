//! What every transaction passes before its action: expiry, replay, whose signatures it has, gas limit, fee. It pays for all the gas that it
//! may take, and gets back what it did not take.

pub mod state_key;

use datanet_types::Amount;
use datanet_types::tx::{MAX_TTL, VerifiedTx};

use super::error::ensure;
use super::{ActionError, Params, TxContext, accounts, authority, intrinsic_gas, params};
use crate::code;
use crate::gas::Gas;
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

/// Checks expiry, replay, who signed, gas limit and fee; takes the price of all its gas and remembers the transaction.
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
    let params = params::get(state)?;
    check_gas_limit(tx, &params)?;
    let most = price(tx, &params, body.gas_limit);
    ensure(body.fee >= most, code::FEE, || {
        format!(
            "fee is {}, the least for {} bytes, {} gas and a tip of {} is {most}; what of the gas is not taken is not paid",
            body.fee, tx.size, body.gas_limit, body.tip
        )
    })?;
    authority::metered(state, ctx, |state| accounts::transfer(state, tx.signer, accounts::fees(), most))?;
    state.put(memory, &Executed { height });
    Ok(())
}

fn check_gas_limit(tx: &VerifiedTx, params: &Params) -> Result<(), ActionError> {
    let (limit, least) = (tx.body.gas_limit, intrinsic_gas(tx));
    ensure(limit >= least, code::GAS_LIMIT, || {
        format!("gas_limit is {limit}; the transaction takes {least} before it is executed: sign it with more")
    })?;
    let most = params.tx_gas();
    ensure(limit <= most, code::GAS_LIMIT, || {
        format!(
            "gas_limit is {limit}; a transaction may take {most}, a quarter of what a block holds: sign it with less"
        )
    })
}

/// What a transaction costs that takes so much gas.
fn price(tx: &VerifiedTx, params: &Params, gas: Gas) -> Amount {
    params.fee_of(gas, tx.size).saturating_add(tx.body.tip)
}

/// Gives back what a charged transaction paid for gas that it did not take.
pub(super) fn give_back<S: StateWrite>(state: &mut S, ctx: &TxContext<'_>, used: Gas) -> Result<(), StateError> {
    let (tx, params) = (ctx.tx, params::get(state)?);
    let (paid, due) = (price(tx, &params, tx.body.gas_limit), price(tx, &params, used));
    let rest = paid.saturating_sub(due);
    if rest == 0 {
        return Ok(());
    }
    accounts::release(state, &accounts::fees(), tx.signer, rest)?;
    authority::give_back(state, ctx, rest)
}

/// Forgets transactions that expired before `height`.
pub(super) fn forget_expired<S: StateWrite>(state: &mut S, height: u64) -> Result<(), StateError> {
    let first_alive = state_key::executed(height, &[0; 32]);
    let all = state_key::all_executed();
    // In most blocks none has expired: the first of them tells.
    if state.scan(&all, None, 1)?.first().is_none_or(|(key, _)| *key >= first_alive) {
        return Ok(());
    }
    for (key, _) in state.scan(&all, None, FORGET_PER_BLOCK)? {
        if key >= first_alive {
            break;
        }
        state.delete(key);
    }
    Ok(())
}
