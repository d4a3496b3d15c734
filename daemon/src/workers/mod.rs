//! What a node does by itself, in tasks that stop with it.
//!
//! - [`auditor`]: audits epochs where it has a seat, and challenges those of others that are false.
//! - [`contributions`]: follows every contribution of the datanets that it subscribes to, from the ledger to the index.
//! - [`keeper`]: keeps and attests what other nodes settle.
//! - [`gossip`]: announcements in.
//! - [`settler`]: settles what answers have earned, every so often.
//! - [`reconciler`]: lets go of bytes that there is no reason for any more.
//! - [`registrar`]: puts the node on the ledger as soon as it can pay for it.

pub mod auditor;
pub mod contributions;
pub mod gossip;
pub mod keeper;
pub mod reconciler;
pub mod registrar;
pub mod settler;
