//! What accounts can do.

mod transfer;
