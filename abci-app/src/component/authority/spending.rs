//! What a sub-key's transaction costs its account: whatever the account is poorer by, so that no action can be forgotten, and the stake
//! that it takes away from where it is.

use datanet_types::{Action, Address, Amount};

use super::{Grant, grant, purse, speakers, state_key};
use crate::component::{ActionError, TxContext, accounts, staking};
use crate::state::{StateError, StateRead, StateWrite};

/// Does `run`; where a sub-key has signed, what the account owns less afterwards is taken from its budget. Refused if that
/// is more than is left: drop the changes then. What `run` brings in is no budget.
pub(in crate::component) fn metered<S: StateWrite, T>(
    state: &mut S,
    ctx: &TxContext<'_>,
    run: impl FnOnce(&mut S) -> Result<T, ActionError>,
) -> Result<T, ActionError> {
    let Some(Signed { grant, governed }) = signed_by_sub_key(state, ctx)? else { return run(state) };
    let (account, now) = (&ctx.tx.signer, ctx.block.seconds());
    let (done, spent) = measured(state, ctx, run)?;
    let grant = grant.after(spent, now)?;
    state.put(state_key::grant(account, &grant.key), &grant);
    if governed && let Some(purse) = purse(state, account)? {
        let purse = purse.after(spent, now, || format!("agent {account} with all its sub-keys together has"))?;
        state.put(state_key::purse(account), &purse);
    }
    Ok(done)
}

/// Does `run`, and says what the account owns less afterwards: the same measure for whoever limits a key outside of the ledger.
pub(crate) fn measured<S: StateRead, T, E: From<StateError>>(
    state: &mut S,
    ctx: &TxContext<'_>,
    run: impl FnOnce(&mut S) -> Result<T, E>,
) -> Result<(T, Amount), E> {
    let account = &ctx.tx.signer;
    let (money, behind) = (accounts::balance(state, account)?, behind(state, ctx)?);
    let done = run(state)?;
    let spent = money.saturating_sub(accounts::balance(state, account)?);
    Ok((done, spent.saturating_add(behind.saturating_sub(self::behind(state, ctx)?))))
}

/// Gives a sub-key that has signed `amount` of its budget back, which the account has again. Nothing where the transaction ended the sub-key.
pub(in crate::component) fn give_back<S: StateWrite>(
    state: &mut S,
    ctx: &TxContext<'_>,
    amount: Amount,
) -> Result<(), StateError> {
    if let Some(Signed { mut grant, governed }) = signed_by_sub_key(state, ctx)? {
        let account = &ctx.tx.signer;
        grant.spent = grant.spent.saturating_sub(amount);
        state.put(state_key::grant(account, &grant.key), &grant);
        if governed && let Some(purse) = purse(state, account)? {
            state.put(state_key::purse(account), &purse.given_back(amount));
        }
    }
    Ok(())
}

/// A sub-key that has signed.
struct Signed {
    grant: Grant,
    /// Whether it is of an agent's account.
    governed: bool,
}

/// The sub-key that signed, if one did, of a transaction that is authorised. The key that an address was made of is never one: so nothing
/// is looked up for most accounts.
fn signed_by_sub_key<S: StateRead>(state: &S, ctx: &TxContext<'_>) -> Result<Option<Signed>, StateError> {
    let account = &ctx.tx.signer;
    match ctx.tx.keys.as_slice() {
        [key] if Address::of(key) != *account => {
            let speakers = speakers(state, account, ctx.block.seconds())?;
            let grant = grant(state, account, key)?;
            // One that has ended may be of a key that is an owner now.
            let grant = grant.filter(|grant| grant.version == speakers.version);
            Ok(grant.map(|grant| Signed { grant, governed: speakers.governed }))
        }
        _ => Ok(None),
    }
}

/// What stands behind the balance where an action moves stake: the stake where it is taken away, which leaves one's hands though no money
/// moves; and the rewards that staking more pays out, which would hide what is spent.
fn behind<S: StateRead>(state: &S, ctx: &TxContext<'_>) -> Result<Amount, StateError> {
    let from = match &ctx.tx.action {
        Action::Delegate(delegate) => {
            return accounts::balance(state, staking::rewards_account(&delegate.validator));
        }
        Action::Undelegate(undelegate) => &undelegate.validator,
        Action::Redelegate(redelegate) => &redelegate.from,
        _ => return Ok(0),
    };
    let held = staking::delegation(state, from, &ctx.tx.signer)?;
    Ok(staking::get(state, from)?.map_or(0, |validator| staking::worth(&validator, held.shares)))
}
