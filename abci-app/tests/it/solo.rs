//! The engine that needs no CometBFT.

use std::time::Duration;

use datanet_ledger::code;
use datanet_ledger::solo::{SoloConfig, SoloEngine, SoloError};
use tokio_util::sync::CancellationToken;

use crate::support::{BALANCE, CHAIN, Chain, genesis, transfer};

async fn spawn(chain: &Chain, config: SoloConfig) -> (SoloEngine, CancellationToken) {
    let shutdown = CancellationToken::new();
    let engine = SoloEngine::spawn(chain.ledger.clone(), config, shutdown.clone()).await.unwrap();
    (engine, shutdown)
}

#[tokio::test]
async fn a_submitted_transaction_is_in_a_block_at_once() {
    let chain = Chain::empty();
    let (engine, shutdown) = spawn(&chain, SoloConfig::on_demand(CHAIN, genesis())).await;
    let mut events = chain.ledger.events();
    let outcome = engine.handle().submit(transfer(1, 2, 5, 1)).await.unwrap();
    assert_eq!(outcome.code, code::OK);
    let block = events.recv().await.unwrap();
    assert_eq!(block.txs, [(outcome.hash, code::OK)]);
    assert_eq!(chain.balance(2), BALANCE + 5);
    assert_eq!(engine.handle().submit(transfer(1, 2, 5, 1)).await.unwrap().code, code::REPLAYED);
    shutdown.cancel();
    engine.join().await.unwrap();
}

#[tokio::test]
async fn blocks_are_executed_once_and_advance_on_demand() {
    let chain = Chain::empty();
    let (engine, _shutdown) = spawn(&chain, SoloConfig::on_demand(CHAIN, genesis())).await;
    let info = engine.handle().advance(5).await.unwrap();
    assert_eq!((info.height, info.time_seconds), (6, 6));
    assert_eq!(chain.ledger.app().executions(), 6);
}

#[tokio::test]
async fn an_engine_that_is_told_to_stop_does_not_make_the_blocks_that_were_asked_for_first() {
    let chain = Chain::empty();
    let (engine, shutdown) = spawn(&chain, SoloConfig::on_demand(CHAIN, genesis())).await;
    let handle = engine.handle().clone();
    let asked = tokio::spawn(async move { handle.advance(u64::MAX).await });
    chain.ledger.commits().wait_for(|info| info.height >= 3).await.unwrap();
    shutdown.cancel();
    engine.join().await.unwrap();
    assert!(matches!(asked.await.unwrap(), Err(SoloError::Stopped)));
}

#[tokio::test]
async fn empty_blocks_come_at_their_interval() {
    let chain = Chain::empty();
    let config =
        SoloConfig { empty_block_interval: Some(Duration::from_millis(5)), ..SoloConfig::on_demand(CHAIN, genesis()) };
    let (_engine, _shutdown) = spawn(&chain, config).await;
    let mut commits = chain.ledger.commits();
    commits.wait_for(|info| info.height >= 3).await.unwrap();
}

#[tokio::test]
async fn a_full_mempool_says_so_and_the_rest_waits_for_its_block() {
    let chain = Chain::empty();
    let config = SoloConfig {
        max_mempool_txs: 2,
        block_interval: Duration::from_secs(3600),
        max_block_bytes: transfer(1, 2, 5, 1).len() as u64 + 3,
        ..SoloConfig::on_demand(CHAIN, genesis())
    };
    let (engine, _shutdown) = spawn(&chain, config).await;
    let handle = engine.handle();
    assert_eq!(handle.submit(transfer(1, 2, 5, 1)).await.unwrap().code, code::OK);
    assert_eq!(handle.submit(transfer(1, 2, 5, 2)).await.unwrap().code, code::OK);
    assert_eq!(handle.submit(transfer(1, 2, 5, 3)).await.unwrap().code, code::MEMPOOL_FULL);
    handle.advance(1).await.unwrap();
    assert_eq!(chain.balance(2), BALANCE + 5);
    handle.advance(1).await.unwrap();
    assert_eq!(chain.balance(2), BALANCE + 10);
}

#[tokio::test]
async fn a_restarted_engine_goes_on_and_refuses_another_chain() {
    let chain = Chain::empty();
    let (engine, shutdown) = spawn(&chain, SoloConfig::on_demand(CHAIN, genesis())).await;
    let before = engine.handle().advance(2).await.unwrap();
    shutdown.cancel();
    engine.join().await.unwrap();
    let chain = chain.reopen();
    let (engine, _shutdown) = spawn(&chain, SoloConfig::on_demand(CHAIN, genesis())).await;
    assert_eq!(chain.ledger.info(), before);
    assert_eq!(engine.handle().advance(1).await.unwrap().height, before.height + 1);
    let other =
        SoloEngine::spawn(chain.ledger.clone(), SoloConfig::on_demand("other", genesis()), CancellationToken::new());
    assert!(matches!(other.await, Err(SoloError::OtherChain { .. })));
}

#[tokio::test]
async fn a_chain_that_begins_later_takes_nothing_before_and_then_goes_on_by_itself() {
    let chain = Chain::empty();
    let later = SoloConfig { begins_in: Duration::from_secs(3_600), ..SoloConfig::on_demand(CHAIN, genesis()) };
    let (engine, _shutdown) = spawn(&chain, later).await;
    assert_eq!(engine.handle().submit(transfer(1, 2, 5, 1)).await.unwrap().code, code::NOT_READY);
    assert_eq!(chain.ledger.info().height, 0);

    let chain = Chain::empty();
    let soon = SoloConfig { begins_in: Duration::from_millis(20), ..SoloConfig::on_demand(CHAIN, genesis()) };
    let (engine, _shutdown) = spawn(&chain, soon).await;
    chain.ledger.commits().wait_for(|info| info.height == 1).await.unwrap();
    assert_eq!(engine.handle().submit(transfer(1, 2, 5, 1)).await.unwrap().code, code::OK);
}
