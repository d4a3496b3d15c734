//! Staking on a consensus key of one's own.

use datanet_types::amount::display;
use datanet_types::staking::CreateValidator;
use datanet_types::tx::VerifiedTx;

use crate::code;
use crate::component::error::ensure;
use crate::component::staking::{self, GenesisValidator, genesis, state_key};
use crate::component::{ActionError, ActionHandler, Event, TxContext, params};
use crate::gas::{self, Gas};
use crate::state::StateWrite;

impl ActionHandler for CreateValidator {
    fn check_stateless(&self, tx: &VerifiedTx) -> Result<(), ActionError> {
        let signed = Self::sign_bytes(&tx.body.chain_id, &tx.signer, &self.key);
        ensure(self.key.verify(&signed, &self.proof).is_ok(), code::VALIDATOR_PROOF, || {
            format!("the proof is not key {}'s signature for account {}; make it with that key", self.key, tx.signer)
        })?;
        let input = Self::beacon_input(&tx.body.chain_id, &tx.signer, &self.key);
        ensure(self.beacon_key.verify(&input, &self.beacon_proof).is_some(), code::VALIDATOR_PROOF, || {
            let (key, operator) = (self.beacon_key, tx.signer);
            format!("the beacon proof is not beacon key {key}'s for account {operator}; make it with that key")
        })
    }

    fn work(&self) -> Gas {
        gas::SIGNATURE.saturating_add(gas::VRF_PROOF)
    }

    fn check_and_execute<S: StateWrite>(&self, state: &mut S, ctx: &TxContext<'_>) -> Result<Vec<Event>, ActionError> {
        let (params, operator) = (params::get(state)?, ctx.tx.signer);
        let address = self.key.address();
        ensure(staking::get(state, &address)?.is_none(), code::VALIDATOR_TAKEN, || {
            format!("validator {address} exists already; a key is used once")
        })?;
        let operates = state.get_raw(&state_key::of_operator(&operator))?.is_some();
        ensure(!operates, code::VALIDATOR_TAKEN, || {
            format!("account {operator} operates a validator already; use another account")
        })?;
        ensure(self.amount >= params.min_validator_stake, code::VALIDATOR_STAKE, || {
            let (own, least) = (display(self.amount), display(params.min_validator_stake));
            format!("stake is {own}, a validator begins with at least {least}")
        })?;
        let new = GenesisValidator {
            key: self.key,
            beacon_key: self.beacon_key,
            operator,
            stake: self.amount,
            commission_bps: self.commission_bps,
            name: self.name.clone(),
        };
        genesis::create(state, &new, ctx.block.height)?;
        let event = Event::new("staking.validator_created").with("validator", address).with("operator", operator);
        Ok(vec![event.with("amount", self.amount).with("name", &self.name)])
    }
}
