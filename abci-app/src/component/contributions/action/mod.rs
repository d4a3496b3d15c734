//! What can be done about contributions.

mod attest_storage;
mod contribute;
mod revoke;
