//! What can be done about epochs that somebody doubts.

mod audit_epoch;
mod challenge_epoch;
mod prove_forgery;
