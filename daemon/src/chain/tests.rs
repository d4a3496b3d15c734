//! Submitting through a real CometBFT with a mempool for two.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use datanet_config::{Home, NodeConfig};
use datanet_ledger::LedgerHandle;
use datanet_ledger::abci::AbciServer;
use datanet_setup::{Part, SetupOptions, SilentProgress, ensure_part};
use datanet_types::action::Transfer;
use datanet_types::tx::tx_hash;
use datanet_types::{Action, Address};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cometbft::{CometBft, CometHome, CometSettings, CometSpec, ProxyApp};
use crate::error::ErrorKind;
use crate::init::{beacon_secret, init_home, own_genesis, own_params};
use crate::keyring::Keyring;

/// The rest after a block, in which what is submitted waits.
const REST: Duration = Duration::from_secs(6);

#[tokio::test]
async fn a_transaction_sent_twice_and_a_full_mempool_are_told_apart_from_silence() {
    let options = SetupOptions::from_env().unwrap();
    let program = match ensure_part(Part::Cometbft, &options, Arc::new(SilentProgress)).await {
        Ok(program) => program,
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => return eprintln!("SKIPPED, because there is no CometBFT: {error}"),
    };
    let (dir, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let home = Home::new(dir.path());
    let outcome = init_home(&home, &NodeConfig::default()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let genesis = own_genesis("test", &outcome, "only", own_params(), now);
    let beacon = std::sync::Arc::new(beacon_secret(&home).unwrap());
    let ledger = LedgerHandle::open_with(&home.ledger(), beacon).unwrap();
    home.make_sockets().unwrap();
    let abci = AbciServer::spawn(ledger.clone(), &home.abci_socket(), 0, stop.clone()).await.unwrap();
    let comet_home = CometHome::open(home.cometbft()).unwrap();
    comet_home.write_genesis(&genesis.to_comet().unwrap()).unwrap();
    let mut settings = CometSettings::local("only", ProxyApp::Unix(home.abci_socket()));
    (settings.mempool_size, settings.timing.commit) = (2, REST);
    let (rpc_socket, start_timeout) = (home.rpc_socket(), Duration::from_secs(60));
    let spec = CometSpec { program, home: comet_home, rpc_socket, settings, start_timeout, sleeps: false };
    let comet = CometBft::start(spec, CancellationToken::new()).await.unwrap();
    let chain = Chain::new("test".into(), ledger, Engine::CometBft(comet.rpc().clone()), Beginning::PAST);
    let key = Keyring::open(&home.keys()).unwrap().by_address(&outcome.account).unwrap().unwrap();

    let mut commits = chain.commits();
    commits.wait_for(|commit| commit.height > 0).await.unwrap();
    let sign = |amount| {
        chain.sign(&key, Action::Transfer(Transfer { to: Address([7; 20]), amount })).unwrap().bytes().to_vec()
    };
    let first = sign(1);
    let committed = chain.execute_bytes(first.clone()).await.unwrap();

    // Now the chain rests, and what is submitted waits.
    let second = sign(2);
    assert_eq!(chain.submit(second.clone()).await.unwrap(), tx_hash(&second));
    assert_eq!(chain.submit(second.clone()).await.unwrap(), tx_hash(&second), "it waits already");
    assert_eq!(chain.execute_bytes(first).await.unwrap().height, committed.height, "it was in a block");
    let third = sign(3);
    chain.submit(third.clone()).await.unwrap();
    let full = chain.submit(sign(4)).await.unwrap_err();
    assert_eq!((full.code, full.kind()), (Code::MempoolFull, ErrorKind::Overloaded), "{full}");
    assert!(full.detail.contains("try again after the next block"), "{full}");
    for bytes in [second, third] {
        let status = chain.wait(&tx_hash(&bytes), chain.height() + 100).await.unwrap();
        assert_eq!((status.code.is_ok(), status.height > committed.height), (true, true));
    }
    chain.submit(sign(4)).await.expect("after the next block there is room");

    comet.stop().await.unwrap();
    let silent = chain.submit(sign(5)).await.unwrap_err();
    assert_eq!((silent.code, silent.kind()), (Code::ConsensusUnreachable, ErrorKind::Unavailable), "{silent}");
    stop.cancel();
    abci.join().await.unwrap();
}
