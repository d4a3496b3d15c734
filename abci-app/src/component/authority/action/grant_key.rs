//! Letting a key speak for an account within limits.

use datanet_types::action::{ActionKind, ActionSet, GrantKey, MAX_COUNTERPARTIES};
use datanet_types::tx::VerifiedTx;
use datanet_types::{Address, PublicKey};

use super::set_keys::MAX_SECONDS;
use crate::code;
use crate::component::authority::{self, Grant, MAX_GRANTS, state_key};
use crate::component::error::ensure;
use crate::component::{ActionError, ActionHandler, Event, TxContext};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for GrantKey {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        let check = |good: bool, what: &dyn Fn() -> String| ensure(good, code::GRANT_INVALID, what);
        check(self.key.is_sound(), &|| format!("{} is no ed25519 public key; nobody could sign with it", self.key))?;
        check(Address::of(&self.key) != tx.signer, &|| {
            format!("{} is the key that this account's address was made of; make another for a sub-key", self.key)
        })?;
        let actions = ActionSet(self.actions);
        check(actions.0 != 0 && !actions.has_unknown(), &|| {
            "a sub-key may do one action at least, and no other than there are".to_owned()
        })?;
        let forbidden = actions.kinds().find(|kind| kind.is_for_owners());
        check(forbidden.is_none(), &|| {
            let name = forbidden.map_or("", |kind| kind.name());
            format!("a sub-key never decides who speaks for the account, or for the chain; leave {name} out")
        })?;
        // An account operates one validator ever, with keys that can't be changed.
        check(actions.kinds().all(|kind| kind != ActionKind::CreateValidator), &|| {
            "a sub-key makes no validator of its account; leave create_validator out".to_owned()
        })?;
        check(self.counterparties.len() <= MAX_COUNTERPARTIES, &|| {
            format!("{} counterparties are named, at most {MAX_COUNTERPARTIES} may be", self.counterparties.len())
        })?;
        let whole = self.counterparties.iter().all(|one| one.party.is_some());
        check(whole && self.counterparties.is_sorted_by(|one, next| one < next), &|| {
            "counterparties are accounts, nodes, datanets, then validators, each in ascending order and once".to_owned()
        })?;
        check(self.budget > 0, &|| "budget is 0; the sub-key could not even pay a fee".to_owned())?;
        check((1..=MAX_SECONDS).contains(&self.period_seconds), &|| {
            format!("a period is 1 to {MAX_SECONDS} seconds, not {}", self.period_seconds)
        })
    }

    fn work(&self) -> Gas {
        gas::POINT
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (account, now) = (ctx.tx.signer, ctx.block.seconds());
        let speakers = authority::speakers(state, &account, now)?;
        ensure(self.expires > now, code::GRANT_INVALID, || {
            format!("expires is {} seconds, this is {now}; name a later time", self.expires)
        })?;
        ensure(!speakers.include(&self.key), code::GRANT_INVALID, || {
            format!("{} is an owner, which needs no grant", self.key)
        })?;
        make_room(state, &account, &self.key, speakers.version, now)?;
        let grant = Grant {
            key: self.key,
            version: speakers.version,
            actions: self.actions,
            counterparties: self.counterparties.clone(),
            budget: self.budget,
            period_seconds: self.period_seconds,
            expires: self.expires,
            granted: now,
            spent: 0,
            period: 0,
        };
        state.put(state_key::grant(&account, &self.key), &grant);
        let event = Event::new("key.granted").with("account", account).with("key", grant.key);
        Ok(vec![event.with("budget", grant.budget).with("period", grant.period_seconds).with("expires", grant.expires)])
    }
}

/// Forgets what has ended. Refused if another sub-key would be one too many all the same.
fn make_room<S: StateWrite>(
    state: &mut S,
    account: &Address,
    key: &PublicKey,
    version: u64,
    now: u64,
) -> Result<(), ActionError> {
    let (good, ended): (Vec<Grant>, Vec<Grant>) = authority::grants(state, account)?
        .into_iter()
        .filter(|grant| grant.key != *key)
        .partition(|grant| grant.version == version && now < grant.expires);
    for grant in ended {
        state.delete(state_key::grant(account, &grant.key));
    }
    ensure(good.len() < MAX_GRANTS, code::GRANT_TOO_MANY, || {
        format!("account {account} has {MAX_GRANTS} sub-keys, the most there can be; revoke one first")
    })
}
