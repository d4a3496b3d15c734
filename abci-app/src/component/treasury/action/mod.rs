//! What the authority does with the treasury.

mod cancel_spend;
mod retire_authority;
mod spend_treasury;
