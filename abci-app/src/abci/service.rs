//! Answers to ABCI requests.

use std::sync::{Arc, OnceLock};

use tendermint::abci::response;
use tendermint::v0_38::abci::Response;
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::abci::{
    CheckTxType, RequestCheckTx, RequestFinalizeBlock, RequestInitChain, RequestPrepareProposal,
    RequestProcessProposal, RequestQuery, request::Value,
};
use tokio_util::sync::CancellationToken;

use super::{consensus, convert};
use crate::app::{self, AppError, Block, CommitInfo, Verdict};
use crate::code;
use crate::handle::LedgerHandle;
use crate::query::{self, QueryOutcome};

/// Answers ABCI requests; cheap to clone, all clones share the ledger.
#[derive(Debug, Clone)]
pub(super) struct AbciService {
    ledger: LedgerHandle,
    keep_blocks: u64,
    shutdown: CancellationToken,
    failure: Arc<OnceLock<String>>,
}

impl AbciService {
    pub(super) fn new(ledger: LedgerHandle, keep_blocks: u64, shutdown: CancellationToken) -> Self {
        Self { ledger, keep_blocks, shutdown, failure: Arc::default() }
    }

    /// Why the ledger failed, once it has.
    pub(super) fn failure(&self) -> Arc<OnceLock<String>> {
        Arc::clone(&self.failure)
    }

    /// The answer, or none if the ledger has failed: the node stops instead.
    pub(super) fn answer(&self, request: Value) -> Option<Response> {
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

    fn dispatch(&self, request: Value) -> Result<Response, AppError> {
        Ok(match request {
            Value::Echo(echo) => Response::Echo(response::Echo { message: echo.message }),
            Value::Flush(_) => Response::Flush,
            Value::Info(_) => Response::Info(self.info()?),
            Value::Query(request) => Response::Query(self.query(&request)),
            Value::CheckTx(request) => Response::CheckTx(self.check(&request)?),
            Value::InitChain(request) => Response::InitChain(self.init(&request)?),
            Value::PrepareProposal(request) => Response::PrepareProposal(self.prepare(&request)?),
            Value::ProcessProposal(request) => Response::ProcessProposal(self.process(&request)?),
            Value::FinalizeBlock(request) => Response::FinalizeBlock(self.finalize(&request)?),
            Value::Commit(_) => {
                let height = self.ledger.commit()?.height;
                let retain_height = convert::height(retain_height(height, self.keep_blocks));
                Response::Commit(response::Commit { retain_height, ..Default::default() })
            }
            Value::ExtendVote(_) => Response::ExtendVote(response::ExtendVote { vote_extension: Default::default() }),
            // We extend no vote, so only an empty extension can be honest.
            Value::VerifyVoteExtension(request) if request.vote_extension.is_empty() => {
                Response::VerifyVoteExtension(response::VerifyVoteExtension::Accept)
            }
            Value::VerifyVoteExtension(_) => Response::VerifyVoteExtension(response::VerifyVoteExtension::Reject),
            // No snapshots are offered or taken: a node that is far behind replays blocks.
            Value::ListSnapshots(_) => Response::ListSnapshots(response::ListSnapshots::default()),
            Value::OfferSnapshot(_) => Response::OfferSnapshot(response::OfferSnapshot::Abort),
            Value::LoadSnapshotChunk(_) => Response::LoadSnapshotChunk(response::LoadSnapshotChunk::default()),
            Value::ApplySnapshotChunk(_) => Response::ApplySnapshotChunk(response::ApplySnapshotChunk {
                result: response::ApplySnapshotChunkResult::Abort,
                ..Default::default()
            }),
        })
    }

    /// An engine that has no block yet of a ledger that was imported is asked to begin as with a genesis.
    fn info(&self) -> Result<response::Info, AppError> {
        let info = self.ledger.info();
        let height = if self.ledger.reader().head().imported { 0 } else { info.height };
        Ok(convert::info(&CommitInfo { height, ..info }, self.ledger.app().version()?))
    }

    fn init(&self, request: &RequestInitChain) -> Result<response::InitChain, AppError> {
        let started = self.ledger.init_chain(&app::InitChain {
            chain_id: &request.chain_id,
            initial_height: height(request.initial_height),
            app_state: &request.app_state_bytes,
        })?;
        if let Some(params) = &request.consensus_params
            && let Some(difference) = started.engine.differs(&consensus::params(params))
        {
            let said = format!("genesis contradicts itself: {difference}");
            return Err(AppError::Genesis(said));
        }
        Ok(convert::started(started))
    }

    fn prepare(&self, request: &RequestPrepareProposal) -> Result<response::PrepareProposal, AppError> {
        let time_seconds = seconds(request.time.as_ref());
        let consensus = consensus::proposed(request);
        // A block that is still being put together has no hash.
        let (hash, txs) = ([0; 32], &request.txs);
        let block = Block { height: height(request.height), time_seconds, hash, txs, consensus: &consensus };
        let max_bytes = u64::try_from(request.max_tx_bytes).unwrap_or(0);
        Ok(response::PrepareProposal { txs: self.ledger.prepare_proposal(&block, max_bytes)? })
    }

    fn process(&self, request: &RequestProcessProposal) -> Result<response::ProcessProposal, AppError> {
        let (time_seconds, hash, txs) = (seconds(request.time.as_ref()), hash(&request.hash), &request.txs);
        let consensus =
            consensus::info(&request.proposer_address, request.proposed_last_commit.as_ref(), &request.misbehavior);
        let block = Block { height: height(request.height), time_seconds, hash, txs, consensus: &consensus };
        Ok(match self.ledger.process_proposal(&block)? {
            Verdict::Accept => response::ProcessProposal::Accept,
            Verdict::Reject(reason) => {
                tracing::warn!(height = block.height, reason, "rejected a proposed block");
                response::ProcessProposal::Reject
            }
        })
    }

    fn finalize(&self, request: &RequestFinalizeBlock) -> Result<response::FinalizeBlock, AppError> {
        let (time_seconds, hash, txs) = (seconds(request.time.as_ref()), hash(&request.hash), &request.txs);
        let consensus =
            consensus::info(&request.proposer_address, request.decided_last_commit.as_ref(), &request.misbehavior);
        let block = Block { height: height(request.height), time_seconds, hash, txs, consensus: &consensus };
        Ok(convert::finalized(self.ledger.finalize_block(&block)?))
    }

    fn check(&self, request: &RequestCheckTx) -> Result<response::CheckTx, AppError> {
        let recheck = request.r#type == i32::from(CheckTxType::Recheck);
        Ok(convert::checked(self.ledger.check_tx(&request.tx, recheck)?))
    }

    /// Anybody may ask, and nothing is changed, so even a state that cannot be read is an answer and ends nothing.
    fn query(&self, request: &RequestQuery) -> response::Query {
        let RequestQuery { path, data, height, prove } = request;
        let reader = self.ledger.reader();
        let Ok(height) = u64::try_from(*height) else {
            let log = format!("height is {height}; ask for 0, the latest, or a height from 1 on");
            return convert::answered(QueryOutcome::refused(code::QUERY, reader.height(), log));
        };
        let answer = query::answer(&reader, &query::Query { path, data, height, prove: *prove });
        convert::answered(answer.unwrap_or_else(|error| {
            tracing::error!(%error, "a query failed");
            QueryOutcome::refused(code::INTERNAL, reader.height(), error.to_string())
        }))
    }
}

/// The first of the last `keep` blocks: CometBFT may drop those before it. 0, which is to keep all, where all are kept or there are no more.
fn retain_height(height: u64, keep: u64) -> u64 {
    if keep == 0 { 0 } else { height.saturating_add(1).saturating_sub(keep) }
}

/// A height that is below zero follows no block, and neither does 0.
pub(super) fn height(height: i64) -> u64 {
    u64::try_from(height).unwrap_or(0)
}

/// Zeros if it is none of 32 bytes, which CometBFT's are.
fn hash(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or([0; 32])
}

pub(super) fn seconds(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_blocks_are_kept_unless_a_number_says_how_many() {
        assert_eq!(retain_height(1_000_000, 0), 0);
        assert_eq!([9, 10, 11, 25].map(|height| retain_height(height, 10)), [0, 1, 2, 16]);
    }
}
