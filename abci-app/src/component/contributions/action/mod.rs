//! What can be done about contributions.

mod attest_storage;
mod contribute;
mod revoke;

pub(super) use revoke::{revoked_event, take_out};
