//! Audits where this node has a seat, and a look at what other nodes settle.
//!
//! - [`seats`]: an epoch that is challenged is made again, for as long as the ledger hears its committee.
//! - [`watch`]: whoever settles knows that validators make the epoch again, at once: what does not follow from its receipts is challenged, and so
//!   is what cannot be had by the middle of the time in which it can be challenged.
//!
//! Neither waits for the other.

mod seats;
mod watch;

use std::time::Duration;

use datanet_types::{NodeKey, TxHash};
use tokio_util::sync::CancellationToken;

use crate::audits::Audits;
use crate::db::LocalStore;
use crate::error::{Code, ServiceError, ServiceResult};
use crate::keyring::Identity;

/// How long a transaction's block is waited for: one that somebody else's has made vain is in none.
const BLOCK: Duration = Duration::from_secs(30);

/// An epoch, by node and number.
pub(in crate::workers) type Place = (NodeKey, u64);

/// See the module. Clones share nothing but what they are made of.
#[derive(Clone)]
pub struct Auditor {
    /// What it does.
    pub audits: Audits,
    /// Where findings wait to be revealed.
    pub db: LocalStore,
    /// In whose name.
    pub identity: Identity,
    /// Whether it looks at what nobody has challenged.
    pub watches: bool,
    /// Ends when the node stops.
    pub shutdown: CancellationToken,
}

impl Auditor {
    /// Runs until the node stops.
    ///
    /// # Errors
    /// None: what cannot be done now is told, and tried again after the next block.
    pub async fn run(self) -> anyhow::Result<()> {
        let watching = async {
            if self.watches {
                self.watch().await;
            }
            self.shutdown.cancelled().await;
        };
        tokio::join!(self.sit(), watching);
        Ok(())
    }

    /// Waits for the next block; `false` if the node stops.
    async fn next_block(&self, commits: &mut tokio::sync::watch::Receiver<datanet_ledger::CommitInfo>) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            changed = commits.changed() => changed.is_ok(),
        }
    }
}

/// What became of a transaction, if it is in a block soon.
pub(in crate::workers) async fn soon(sent: impl Future<Output = ServiceResult<TxHash>>) -> ServiceResult<TxHash> {
    let late = |_| {
        let detail = format!("its transaction was in no block within {} s", BLOCK.as_secs());
        ServiceError::new(Code::TransactionExpired, detail)
    };
    tokio::time::timeout(BLOCK, sent).await.map_err(late)?
}
