//! Who speaks for the accounts of this node: sub-keys granted and revoked, keys rotated, accounts recovered.

use datanet_ledger::component::authority::{self, Keys};
use datanet_types::action::{
    ActionKind, ActionSet, CancelRecovery, Counterparty, GrantKey, Party, RecoverKeys, Recovery, RevokeKey, SetKeys,
};
use datanet_types::{Action, Address, Amount, PublicKey};

use crate::chain::{Chain, Committed};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::{AccountKey, Keyring};

/// Keys of this node and what the ledger says of them; clones share them.
#[derive(Clone)]
pub struct Authority {
    chain: Chain,
    keyring: Keyring,
}

/// Limits of a sub-key, as they are asked for.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Names of actions.
    pub actions: Vec<String>,
    /// An account's address, `node:KEY`, `datanet:ID` or `validator:ADDRESS` each.
    pub counterparties: Vec<String>,
    /// Base units a period.
    pub budget: Amount,
    /// Seconds of a period.
    pub period_seconds: u64,
    /// Seconds until it ends, from the last block on.
    pub lasts_seconds: u64,
}

/// A sub-key that was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    /// The sub-key.
    pub key: PublicKey,
    /// The account that it speaks for.
    pub account: Address,
    /// What made it so.
    pub sent: Committed,
}

/// A key that has taken another's place.
#[derive(Debug, Clone)]
pub struct Rotated {
    /// Whose owner it is.
    pub account: Address,
    /// The new key.
    pub public_key: PublicKey,
    /// What made it so; none where that had been done before, and only its answer was lost.
    pub sent: Option<Committed>,
}

impl Authority {
    /// Over the keys in `keyring`.
    pub fn new(chain: Chain, keyring: Keyring) -> Self {
        Self { chain, keyring }
    }

    /// Block time of the last block in seconds since 1970.
    ///
    /// # Errors
    /// When the ledger has no block yet or cannot be read.
    pub fn now(&self) -> ServiceResult<u64> {
        Ok(self.chain.reader()?.block_seconds())
    }

    /// Lets the key `sub_key`, a public key or the name of one here, speak for the account of the key called `owner`.
    ///
    /// # Errors
    /// When a key is not here ([`Code::UnknownKey`]), the sub-key is and signs for another account or a limit is no such thing
    /// ([`Code::BadField`]), or the ledger refuses it.
    pub async fn grant(&self, owner: &str, sub_key: &str, limits: Limits) -> ServiceResult<Granted> {
        self.grant_with(owner, self.keyring.get(owner)?, sub_key, limits).await
    }

    /// The same for the account of an agent of the key's account.
    ///
    /// # Errors
    /// As [`Authority::grant`].
    pub async fn grant_for(
        &self,
        owner: &str,
        agent: Address,
        sub_key: &str,
        limits: Limits,
    ) -> ServiceResult<Granted> {
        self.grant_with(owner, self.keyring.get(owner)?.speaking_for(agent), sub_key, limits).await
    }

    async fn grant_with(&self, owner: &str, key: AccountKey, sub_key: &str, limits: Limits) -> ServiceResult<Granted> {
        let sub_key = self.sub_key(owner, &key, sub_key)?;
        let action = GrantKey {
            key: sub_key,
            actions: actions(&limits.actions)?.0,
            counterparties: counterparties(&limits.counterparties)?,
            budget: limits.budget,
            period_seconds: limits.period_seconds,
            expires: self.now()?.saturating_add(limits.lasts_seconds),
        };
        let sent = self.chain.execute(&key, Action::GrantKey(action)).await?;
        Ok(Granted { key: sub_key, account: key.address(), sent })
    }

    /// A sub-key for the account of an owner's key. One of this node's keys that signs for another account would be good for nothing there.
    fn sub_key(&self, owner: &str, key: &AccountKey, sub_key: &str) -> ServiceResult<PublicKey> {
        let sub_key = self.keyring.public_key(sub_key)?;
        let here = self.keyring.list().into_iter().find(|one| one.public_key == sub_key);
        match here.filter(|here| here.address != key.address()) {
            None => Ok(sub_key),
            Some(here) => Err(ServiceError::new(
                Code::BadField,
                format!(
                    "key {:?} signs for account {}, and {owner:?} is of account {}; name an owner of the former (`--owner NAME`)",
                    here.name,
                    here.address,
                    key.address()
                ),
            )),
        }
    }

    /// Ends a sub-key of the account of the key called `owner`.
    ///
    /// # Errors
    /// When a key is not here ([`Code::UnknownKey`]), or the ledger refuses it: there is no such sub-key.
    pub async fn revoke(&self, owner: &str, sub_key: &str) -> ServiceResult<Committed> {
        self.revoke_with(self.keyring.get(owner)?, sub_key).await
    }

    /// The same for the account of an agent of the key's account.
    ///
    /// # Errors
    /// As [`Authority::revoke`].
    pub async fn revoke_for(&self, owner: &str, agent: Address, sub_key: &str) -> ServiceResult<Committed> {
        self.revoke_with(self.keyring.get(owner)?.speaking_for(agent), sub_key).await
    }

    /// Whatever the key signs for here: what the ledger lets it do is ended there.
    async fn revoke_with(&self, key: AccountKey, sub_key: &str) -> ServiceResult<Committed> {
        let action = RevokeKey { key: self.keyring.public_key(sub_key)? };
        self.chain.execute(&key, Action::RevokeKey(action)).await
    }

    /// Replaces the key called `name`, an owner of its account, by a fresh one under the same name; `recovery` replaces who can recover the
    /// account. Sub-keys end. Asked again after an answer was lost, it goes on where it stopped.
    ///
    /// # Errors
    /// When the key is not here ([`Code::UnknownKey`]), is no owner, or not alone ([`Code::NotAnOwner`]), the key file cannot be written, or
    /// the ledger refuses it.
    pub async fn rotate(&self, name: &str, recovery: Option<Recovery>) -> ServiceResult<Rotated> {
        let key = self.keyring.get(name)?;
        let (account, keys) = (key.address(), self.keys(&key.address())?);
        if key.next().is_some_and(|next| is_owner(keys.as_ref(), &account, &next.public_key())) {
            let public_key = self.keyring.rotated(name)?.public_key();
            return Ok(Rotated { account, public_key, sent: None });
        }
        let (old, threshold) = (key.public_key(), keys.as_ref().map_or(1, |keys| keys.threshold));
        alone(name, &key, keys.as_ref(), threshold)?;
        let next = self.keyring.rotating(name)?.next().map_or(old, |next| next.public_key());
        let mut owners = keys.as_ref().map_or_else(|| vec![old], |keys| keys.owners.clone());
        owners.iter_mut().filter(|owner| **owner == old).for_each(|owner| *owner = next);
        owners.sort_unstable();
        let recovery = recovery.or_else(|| keys.and_then(|keys| keys.recovery));
        let sent = self.chain.execute(&key, Action::SetKeys(SetKeys { owners, threshold, recovery })).await?;
        let public_key = self.keyring.rotated(name)?.public_key();
        Ok(Rotated { account, public_key, sent: Some(sent) })
    }

    /// As its guardian, names the next owners of `account`: all of them sign. Answers with the block time from which on they are.
    ///
    /// # Errors
    /// When a key is not here ([`Code::UnknownKey`]), or the ledger refuses it: the key called `guardian` is not of the account's guardian.
    pub async fn recover(
        &self,
        account: Address,
        guardian: &str,
        owners: &[String],
    ) -> ServiceResult<(u64, Committed)> {
        let key = self.keyring.get(guardian)?;
        let mut owners: Vec<PublicKey> =
            owners.iter().map(|owner| self.keyring.public_key(owner)).collect::<ServiceResult<_>>()?;
        owners.sort_unstable();
        let threshold = u32::try_from(owners.len()).unwrap_or(u32::MAX);
        let action = RecoverKeys { account, owners, threshold };
        let sent = self.chain.execute(&key, Action::RecoverKeys(action)).await?;
        let due = self.keys(&account)?.and_then(|keys| keys.pending).map_or(0, |pending| pending.due);
        Ok((due, sent))
    }

    /// As an owner, ends what the guardian has begun.
    ///
    /// # Errors
    /// When the key is not here ([`Code::UnknownKey`]), or the ledger refuses it: no recovery is under way.
    pub async fn cancel_recovery(&self, owner: &str) -> ServiceResult<Committed> {
        self.chain.execute(&self.keyring.get(owner)?, Action::CancelRecovery(CancelRecovery {})).await
    }

    fn keys(&self, account: &Address) -> ServiceResult<Option<Keys>> {
        Ok(authority::keys(&self.chain.reader()?, account, self.now()?)?)
    }
}

fn is_owner(keys: Option<&Keys>, account: &Address, key: &PublicKey) -> bool {
    keys.map_or_else(|| Address::of(key) == *account, |keys| keys.owners.contains(key))
}

/// Whether a key replaces itself: it must be an owner, and be enough.
fn alone(name: &str, key: &AccountKey, keys: Option<&Keys>, threshold: u32) -> ServiceResult<()> {
    let (account, public_key) = (key.address(), key.public_key());
    let wrong = match (is_owner(keys, &account, &public_key), threshold) {
        (true, 1) => return Ok(()),
        (true, _) => format!(
            "account {account} takes the signatures of {threshold} owners; have `set_keys` signed by so many and send it to /v1/tx"
        ),
        (false, _) => format!(
            "the key {name:?} ({public_key}) is no owner of account {account}; only owners are rotated, a sub-key is revoked and another granted"
        ),
    };
    Err(ServiceError::new(Code::NotAnOwner, wrong))
}

fn actions(names: &[String]) -> ServiceResult<ActionSet> {
    let kind = |name: &String| {
        ActionKind::named(name).ok_or_else(|| {
            let may = ActionKind::ALL.iter().filter(|kind| !kind.is_for_owners()).map(|kind| kind.name());
            let detail = format!("there is no action {name:?}; there are {}", may.collect::<Vec<_>>().join(", "));
            ServiceError::new(Code::BadField, detail).about("actions")
        })
    };
    names.iter().map(kind).collect()
}

fn counterparties(typed: &[String]) -> ServiceResult<Vec<Counterparty>> {
    let party = |text: &String| {
        let parsed = match text.split_once(':') {
            Some(("node", key)) => key.parse().map(Party::Node),
            Some(("datanet", id)) => id.parse().map(Party::Datanet),
            Some(("validator", address)) => address.parse().map(Party::Validator),
            _ => text.parse().map(Party::Account),
        };
        parsed.map(Counterparty::from).map_err(|error| {
            let detail = format!(
                "counterparty {text:?}: {error}; write an account's address, node:KEY, datanet:ID or validator:ADDRESS"
            );
            ServiceError::new(Code::BadField, detail).about("counterparties")
        })
    };
    let mut all: Vec<Counterparty> = typed.iter().map(party).collect::<ServiceResult<_>>()?;
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// As [`Limits::counterparties`] are written.
pub fn party_text(counterparty: &Counterparty) -> String {
    match counterparty.party {
        Some(Party::Account(address)) => address.to_string(),
        Some(Party::Node(node)) => format!("node:{node}"),
        Some(Party::Datanet(id)) => format!("datanet:{id}"),
        Some(Party::Validator(address)) => format!("validator:{address}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counterparties_are_written_as_they_are_read_and_come_in_order() {
        let (account, hex) = (Address([7; 20]).to_string(), "0a".repeat(32));
        let validator = format!("validator:{}", "0a".repeat(20));
        let typed =
            [validator.clone(), format!("datanet:{hex}"), format!("node:{hex}"), account.clone(), account.clone()];
        let parsed = counterparties(&typed).unwrap();
        assert!(parsed.is_sorted());
        let written: Vec<String> = parsed.iter().map(party_text).collect();
        assert_eq!(written, [account, format!("node:{hex}"), format!("datanet:{hex}"), validator]);
        for wrong in ["node:zz", "everybody", "shop:1"] {
            let told = counterparties(&[wrong.to_owned()]).unwrap_err().detail;
            assert!(told.contains(wrong) && told.contains("node:KEY"), "{told}");
        }
    }

    #[test]
    fn an_action_that_does_not_exist_is_told_with_those_that_do() {
        assert!(actions(&["transfer".into(), "claim".into()]).unwrap().contains(ActionKind::Claim));
        let told = actions(&["pay".into()]).unwrap_err().detail;
        assert!(told.contains("\"pay\"") && told.contains("transfer") && !told.contains("set_keys"), "{told}");
    }
}
