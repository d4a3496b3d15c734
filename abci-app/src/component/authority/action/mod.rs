//! What can be done about who speaks for an account.

mod cancel_recovery;
mod grant_key;
mod recover_keys;
mod revoke_key;
mod set_keys;
