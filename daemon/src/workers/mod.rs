//! What a node does by itself, in tasks that stop with it.
//!
//! - [`steward`]: follows every contribution of the datanets it subscribes to, from the ledger to the index.
//! - [`gossip`]: announcements in and out.
//! - [`settler`]: settles what answers have earned, every so often.

pub mod gossip;
pub mod settler;
pub mod steward;
