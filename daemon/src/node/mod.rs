//! A node: everything put together, started and stopped in order.
//!
//! [`spawn`] is the one way to run a node: the CLI, the tests and the testnet all use it.

mod join;
mod lock;
mod services;
mod spawn;
mod supervise;

pub use spawn::{NodeOptions, Tools, spawn};
pub use supervise::NodeHandle;
