//! The four ABCI services over one ledger.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tendermint::abci::request::{CheckTx, CheckTxKind, FinalizeBlock, PrepareProposal, ProcessProposal};
use tendermint::abci::response;
use tendermint::v0_38::abci::{
    ConsensusRequest, ConsensusResponse, InfoRequest, InfoResponse, MempoolRequest, MempoolResponse, SnapshotRequest,
    SnapshotResponse,
};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tower_abci::BoxError;

use super::convert;
use crate::app::{AppError, Block, InitChain, Verdict};
use crate::handle::LedgerHandle;
use crate::query::{self, Query};

/// Protocol version of the application: changes when blocks are executed differently.
const APP_VERSION: u64 = 1;

/// Answers ABCI requests; cheap to clone, all clones share the ledger.
#[derive(Debug, Clone)]
pub(super) struct AbciService {
    ledger: LedgerHandle,
    shutdown: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl AbciService {
    pub(super) fn new(ledger: LedgerHandle, shutdown: CancellationToken) -> Self {
        Self { ledger, shutdown, failure: Arc::default() }
    }

    /// Why the ledger failed, once it has.
    pub(super) fn failure(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.failure)
    }

    /// An answer, or for a failed ledger none at all: the node stops instead.
    fn answer<T: Send + 'static>(&self, result: Result<T, AppError>) -> Answer<T> {
        match result {
            Ok(answer) => Box::pin(std::future::ready(Ok(answer))),
            Err(error) => {
                tracing::error!(%error, "the ledger failed; stopping the node");
                let _ = self.failure.set(error.to_string());
                self.shutdown.cancel();
                Box::pin(std::future::pending())
            }
        }
    }

    fn consensus(&self, request: ConsensusRequest) -> Result<ConsensusResponse, AppError> {
        Ok(match request {
            ConsensusRequest::InitChain(request) => {
                let app_hash = self.ledger.init_chain(&InitChain {
                    chain_id: &request.chain_id,
                    initial_height: request.initial_height.value(),
                    app_state: &request.app_state_bytes,
                })?;
                let app_hash = convert::app_hash(&app_hash);
                ConsensusResponse::InitChain(response::InitChain { app_hash, ..Default::default() })
            }
            ConsensusRequest::PrepareProposal(request) => ConsensusResponse::PrepareProposal(self.prepare(&request)?),
            ConsensusRequest::ProcessProposal(request) => ConsensusResponse::ProcessProposal(self.process(&request)?),
            ConsensusRequest::FinalizeBlock(request) => ConsensusResponse::FinalizeBlock(self.finalize(&request)?),
            ConsensusRequest::Commit => {
                self.ledger.commit()?;
                ConsensusResponse::Commit(response::Commit::default())
            }
            ConsensusRequest::ExtendVote(_) => {
                ConsensusResponse::ExtendVote(response::ExtendVote { vote_extension: Default::default() })
            }
            ConsensusRequest::VerifyVoteExtension(request) => {
                // We extend no vote, so only an empty extension can be honest.
                let empty = request.vote_extension.is_empty();
                let (accept, reject) = (response::VerifyVoteExtension::Accept, response::VerifyVoteExtension::Reject);
                ConsensusResponse::VerifyVoteExtension(if empty { accept } else { reject })
            }
        })
    }

    fn prepare(&self, request: &PrepareProposal) -> Result<response::PrepareProposal, AppError> {
        let time_seconds = request.time.unix_timestamp();
        let block = Block { height: request.height.value(), time_seconds, txs: &request.txs };
        let max_bytes = u64::try_from(request.max_tx_bytes).unwrap_or(0);
        Ok(response::PrepareProposal { txs: self.ledger.prepare_proposal(&block, max_bytes)? })
    }

    fn process(&self, request: &ProcessProposal) -> Result<response::ProcessProposal, AppError> {
        let time_seconds = request.time.unix_timestamp();
        let block = Block { height: request.height.value(), time_seconds, txs: &request.txs };
        Ok(match self.ledger.process_proposal(&block)? {
            Verdict::Accept => response::ProcessProposal::Accept,
            Verdict::Reject(reason) => {
                tracing::warn!(height = block.height, reason, "rejected a proposed block");
                response::ProcessProposal::Reject
            }
        })
    }

    fn finalize(&self, request: &FinalizeBlock) -> Result<response::FinalizeBlock, AppError> {
        let time_seconds = request.time.unix_timestamp();
        let block = Block { height: request.height.value(), time_seconds, txs: &request.txs };
        Ok(convert::finalized(self.ledger.finalize_block(&block)?))
    }

    fn check(&self, request: &CheckTx) -> Result<response::CheckTx, AppError> {
        let recheck = request.kind == CheckTxKind::Recheck;
        Ok(convert::checked(self.ledger.check_tx(&request.tx, recheck)?))
    }

    fn info(&self, request: InfoRequest) -> Result<InfoResponse, AppError> {
        Ok(match request {
            InfoRequest::Echo(echo) => InfoResponse::Echo(response::Echo { message: echo.message }),
            InfoRequest::Info(_) => InfoResponse::Info(convert::info(&self.ledger.info(), APP_VERSION)),
            InfoRequest::Query(request) => {
                let query = Query {
                    path: &request.path,
                    data: &request.data,
                    height: request.height.value(),
                    prove: request.prove,
                };
                InfoResponse::Query(convert::answered(query::answer(&self.ledger.reader(), &query)?))
            }
        })
    }
}

/// No snapshots are offered or taken: a node that is far behind replays blocks.
fn snapshot(request: &SnapshotRequest) -> SnapshotResponse {
    match request {
        SnapshotRequest::ListSnapshots => SnapshotResponse::ListSnapshots(response::ListSnapshots::default()),
        SnapshotRequest::OfferSnapshot(_) => SnapshotResponse::OfferSnapshot(response::OfferSnapshot::Abort),
        SnapshotRequest::LoadSnapshotChunk(_) => {
            SnapshotResponse::LoadSnapshotChunk(response::LoadSnapshotChunk::default())
        }
        SnapshotRequest::ApplySnapshotChunk(_) => SnapshotResponse::ApplySnapshotChunk(response::ApplySnapshotChunk {
            result: response::ApplySnapshotChunkResult::Abort,
            ..Default::default()
        }),
    }
}

/// The work is done inside `call`, so answers keep the order of the requests on a connection.
macro_rules! service {
    ($request:ty, $response:ty, |$service:ident, $value:ident| $call:expr) => {
        impl Service<$request> for AbciService {
            type Response = $response;
            type Error = BoxError;
            type Future = Answer<$response>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, $value: $request) -> Self::Future {
                let $service = &*self;
                $service.answer($call)
            }
        }
    };
}

service!(ConsensusRequest, ConsensusResponse, |service, request| service.consensus(request));
service!(MempoolRequest, MempoolResponse, |service, request| {
    let MempoolRequest::CheckTx(request) = request;
    service.check(&request).map(MempoolResponse::CheckTx)
});
service!(InfoRequest, InfoResponse, |service, request| service.info(request));
service!(SnapshotRequest, SnapshotResponse, |service, request| Ok(snapshot(&request)));
