//! Answers to ABCI requests.

use std::sync::{Arc, OnceLock};

use tendermint::abci::request::{
    CheckTx, CheckTxKind, FinalizeBlock, InitChain, PrepareProposal, ProcessProposal, Query,
};
use tendermint::abci::response;
use tendermint::v0_38::abci::{Request, Response};
use tokio_util::sync::CancellationToken;

use super::convert;
use crate::app::{self, AppError, Block, Verdict};
use crate::handle::LedgerHandle;
use crate::query;

/// Protocol version of the application: changes when blocks are executed differently.
const APP_VERSION: u64 = 1;

/// Answers ABCI requests; cheap to clone, all clones share the ledger.
#[derive(Debug, Clone)]
pub(super) struct AbciService {
    ledger: LedgerHandle,
    shutdown: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl AbciService {
    pub(super) fn new(ledger: LedgerHandle, shutdown: CancellationToken) -> Self {
        Self { ledger, shutdown, failure: Arc::default() }
    }

    /// Why the ledger failed, once it has.
    pub(super) fn failure(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.failure)
    }

    /// The answer, or none if the ledger has failed: the node stops instead.
    pub(super) fn answer(&self, request: Request) -> Option<Response> {
        match self.dispatch(request) {
            Ok(response) => Some(response),
            Err(error) => {
                tracing::error!(%error, "the ledger failed; stopping the node");
                let _ = self.failure.set(error.to_string());
                self.shutdown.cancel();
                None
            }
        }
    }

    fn dispatch(&self, request: Request) -> Result<Response, AppError> {
        Ok(match request {
            Request::Echo(echo) => Response::Echo(response::Echo { message: echo.message }),
            Request::Flush => Response::Flush,
            Request::Info(_) => Response::Info(convert::info(&self.ledger.info(), APP_VERSION)),
            Request::Query(request) => Response::Query(self.query(&request)?),
            Request::CheckTx(request) => Response::CheckTx(self.check(&request)?),
            Request::InitChain(request) => Response::InitChain(self.init(&request)?),
            Request::PrepareProposal(request) => Response::PrepareProposal(self.prepare(&request)?),
            Request::ProcessProposal(request) => Response::ProcessProposal(self.process(&request)?),
            Request::FinalizeBlock(request) => Response::FinalizeBlock(self.finalize(&request)?),
            Request::Commit => {
                self.ledger.commit()?;
                Response::Commit(response::Commit::default())
            }
            Request::ExtendVote(_) => Response::ExtendVote(response::ExtendVote { vote_extension: Default::default() }),
            // We extend no vote, so only an empty extension can be honest.
            Request::VerifyVoteExtension(request) if request.vote_extension.is_empty() => {
                Response::VerifyVoteExtension(response::VerifyVoteExtension::Accept)
            }
            Request::VerifyVoteExtension(_) => Response::VerifyVoteExtension(response::VerifyVoteExtension::Reject),
            // No snapshots are offered or taken: a node that is far behind replays blocks.
            Request::ListSnapshots => Response::ListSnapshots(response::ListSnapshots::default()),
            Request::OfferSnapshot(_) => Response::OfferSnapshot(response::OfferSnapshot::Abort),
            Request::LoadSnapshotChunk(_) => Response::LoadSnapshotChunk(response::LoadSnapshotChunk::default()),
            Request::ApplySnapshotChunk(_) => Response::ApplySnapshotChunk(response::ApplySnapshotChunk {
                result: response::ApplySnapshotChunkResult::Abort,
                ..Default::default()
            }),
        })
    }

    fn init(&self, request: &InitChain) -> Result<response::InitChain, AppError> {
        let app_hash = self.ledger.init_chain(&app::InitChain {
            chain_id: &request.chain_id,
            initial_height: request.initial_height.value(),
            app_state: &request.app_state_bytes,
        })?;
        Ok(response::InitChain { app_hash: convert::app_hash(&app_hash), ..Default::default() })
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

    fn query(&self, request: &Query) -> Result<response::Query, AppError> {
        let query = query::Query {
            path: &request.path,
            data: &request.data,
            height: request.height.value(),
            prove: request.prove,
        };
        Ok(convert::answered(query::answer(&self.ledger.reader(), &query)?))
    }
}
