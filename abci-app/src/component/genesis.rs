//! The first state of a chain.

use std::collections::BTreeSet;

use datanet_types::{Address, Amount};

use super::error::{ensure, refuse};
use super::staking::GenesisValidator;
use super::{ActionError, Params, ValidatorUpdate, accounts, migrations, params, staking, treasury};
use crate::code;
use crate::state::StateWrite;

/// The application's part of the genesis file.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The chain's numbers; what is left out has its default.
    #[serde(default)]
    pub params: Params,
    /// Who owns what at the start. All the money there will ever be.
    pub accounts: Vec<GenesisAccount>,
    /// Who orders blocks at the start. None: the engine's own genesis says it, and no stake stands behind them.
    #[serde(default)]
    pub validators: Vec<GenesisValidator>,
    /// Who announces payments out of the treasury and other parameters ([`super::treasury`]), until votes do: an account, whose owners may be
    /// several. None: nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<Address>,
}

/// An account at the start.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Which.
    pub address: Address,
    /// Base units.
    pub balance: Amount,
    /// A name for people, up to 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Genesis {
    /// Checks parameters and accounts.
    ///
    /// # Errors
    /// Refused with [`code::GENESIS`] when the parameters do not make sense ([`Params::validate`]), an account is given
    /// twice or has a name over 64 bytes, or the balances sum to more than 64 bits hold.
    pub fn validate(&self) -> Result<(), ActionError> {
        self.params.validate()?;
        let (version, known) = (self.params.app_version, migrations::LATEST);
        ensure(version <= known, code::GENESIS, || {
            format!("genesis params: app_version is {version}, this program knows up to {known}; install a newer one")
        })?;
        let mut seen = BTreeSet::new();
        let mut supply: Amount = 0;
        for account in &self.accounts {
            let address = account.address;
            ensure(seen.insert(address), code::GENESIS, || format!("genesis: account {address} is given twice"))?;
            ensure(account.name.as_ref().is_none_or(|name| name.len() <= 64), code::GENESIS, || {
                format!("genesis: the name of account {address} is over 64 bytes")
            })?;
            supply = match supply.checked_add(account.balance) {
                Some(sum) => sum,
                None => return refuse(code::GENESIS, "genesis: the balances sum to more than 64 bits hold"),
            };
        }
        Ok(())
    }
}

/// Writes the first state.
pub(super) fn init<S: StateWrite>(
    state: &mut S,
    genesis: &Genesis,
    chain_id: &str,
) -> Result<Vec<ValidatorUpdate>, ActionError> {
    genesis.validate()?;
    params::put(state, &genesis.params, chain_id);
    for account in &genesis.accounts {
        accounts::mint(state, &account.address, account.balance, account.name.as_deref())?;
    }
    treasury::init(state, genesis.authority);
    staking::init(state, &genesis.validators, &genesis.params)?;
    Ok(staking::updates_at_genesis(state, &genesis.params)?)
}
