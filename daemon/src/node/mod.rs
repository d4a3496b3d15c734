//! A node: everything put together, started and stopped in order.
//!
//! [`spawn`] is the one way to run a node: the CLI, the tests and the testnet all use it.

mod core;
mod lock;
mod registrar;
mod spawn;
mod status;
mod supervise;

pub use self::core::{Core, CoreParts};
pub use spawn::{NodeOptions, Tools, spawn};
pub use status::{DeployedStatus, ModelStatus, NodeStatus};
pub use supervise::{NodeHandle, RunFile};
