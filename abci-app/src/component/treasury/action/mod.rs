//! What the authority does with the treasury.

mod cancel_spend;
mod spend_treasury;
