//! What the chain's authority does with its parameters.

mod cancel_params;
mod set_params;
