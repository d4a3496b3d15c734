//! The ledger alone, as CometBFT drives it: what a node runs, without the node around it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use datanet::init::beacon_secret;
use datanet_config::Home;
use datanet_ledger::LedgerHandle;
use datanet_ledger::abci::AbciServer;
use tokio::io::AsyncReadExt as _;
use tokio_util::sync::CancellationToken;

use crate::signals::interrupted;

/// Serves the ledger of `home` on its socket until its input ends, which the system sees to when whoever started it ends.
///
/// # Errors
/// When the ledger cannot be opened or served, or fails.
pub async fn run(home: &Path) -> Result<()> {
    let home = Home::new(home);
    let ledger = LedgerHandle::open_with(&home.ledger(), Arc::new(beacon_secret(&home)?))?;
    let stop = CancellationToken::new();
    let server = AbciServer::spawn(ledger, &home.abci_socket(), 0, stop.clone()).await?;
    let (mut input, mut nothing) = (tokio::io::stdin(), [0]);
    tokio::select! {
        () = interrupted() => {}
        _ = input.read(&mut nothing) => {}
        // The ledger has failed.
        () = stop.cancelled() => {}
    }
    stop.cancel();
    Ok(server.join().await?)
}
