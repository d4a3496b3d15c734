//! A node: everything put together, started and stopped in order.
//!
//! [`spawn`] is the one way to run a node: the CLI, the tests and the testnet all use it. [`spawn_until`] is the same for
//! whoever may be asked to stop before the node has started.

mod join;
mod lock;
mod services;
mod spawn;
mod supervise;

pub(crate) use lock::HomeLock;
pub use spawn::{NodeOptions, Stopped, Tools, spawn, spawn_until};
pub use supervise::NodeHandle;
