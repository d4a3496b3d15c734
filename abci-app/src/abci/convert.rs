//! From the ledger's words to ABCI's.

use std::time::Duration;

use bytes::Bytes;
use tendermint::abci::{Code, response, types::ExecTxResult};
use tendermint::merkle::proof::{ProofOp, ProofOps};
use tendermint::vote::Power;
use tendermint::{AppHash, PublicKey, block, block::Height, consensus, evidence, public_key, validator};

use crate::app::{CommitInfo, FinalizedBlock, Started, TxOutcome};
use crate::code;
use crate::component::{EngineParams, Event, ValidatorUpdate};
use crate::query::QueryOutcome;

/// Type of the proof operator: an `ics23.CommitmentProof` under [`crate::store::spec`].
const PROOF_TYPE: &str = "ics23:jmt";

pub(super) fn app_hash(hash: &[u8; 32]) -> AppHash {
    // Any byte string is an app hash; the conversion is fallible in its type only.
    AppHash::try_from(hash.to_vec()).unwrap_or_default()
}

pub(super) fn height(height: u64) -> Height {
    Height::try_from(height).unwrap_or_default()
}

fn events(events: Vec<Event>) -> Vec<tendermint::abci::Event> {
    let indexed = |(key, value)| (key, value, true);
    events
        .into_iter()
        .map(|event| tendermint::abci::Event::new(event.kind, event.attributes.into_iter().map(indexed)))
        .collect()
}

/// ABCI's two fields of a code.
pub(super) fn coded(code: code::Code) -> (Code, String) {
    (Code::from(code.number()), code.codespace().to_owned())
}

fn validator((update, key): (ValidatorUpdate, PublicKey)) -> validator::Update {
    // No power passes CometBFT's limit, an eighth of what 63 bits hold: all the money there is does not.
    validator::Update { pub_key: key, power: Power::try_from(update.power).unwrap_or_default() }
}

/// Keys on the ledger have signed something, so that all of them are keys.
fn validators(updates: Vec<ValidatorUpdate>) -> Vec<validator::Update> {
    let with_key = |update: ValidatorUpdate| Some((update, PublicKey::from_raw_ed25519(&update.key.0)?));
    updates.into_iter().filter_map(with_key).map(validator).collect()
}

/// All of them: CometBFT takes the version of the rules from whatever it has, if it is not told.
fn consensus_params(engine: EngineParams) -> consensus::Params {
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    consensus::Params {
        block: block::Size {
            max_bytes: engine.max_block_bytes,
            max_gas: engine.max_block_gas.map_or(-1, bytes),
            time_iota_ms: block::Size::default_time_iota_ms(),
        },
        evidence: evidence::Params {
            max_age_num_blocks: engine.evidence_blocks,
            max_age_duration: evidence::Duration(Duration::from_secs(engine.evidence_seconds)),
            max_bytes: bytes(engine.max_evidence_bytes),
        },
        validator: consensus::params::ValidatorParams { pub_key_types: vec![public_key::Algorithm::Ed25519] },
        version: Some(consensus::params::VersionParams { app: engine.app_version }),
        abci: consensus::params::AbciParams::default(),
    }
}

pub(super) fn started(started: Started) -> response::InitChain {
    response::InitChain {
        app_hash: app_hash(&started.app_hash),
        validators: validators(started.validators),
        ..Default::default()
    }
}

pub(super) fn info(info: &CommitInfo, app_version: u64) -> response::Info {
    response::Info {
        data: "datanet".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        app_version,
        last_block_height: height(info.height),
        last_block_app_hash: if info.height == 0 { AppHash::default() } else { app_hash(&info.app_hash) },
    }
}

pub(super) fn checked(outcome: TxOutcome) -> response::CheckTx {
    let (code, codespace) = coded(outcome.code);
    let gas_wanted = gas(outcome.gas_wanted);
    response::CheckTx { code, log: outcome.log, codespace, gas_wanted, ..Default::default() }
}

/// No limit is above a block's, and that one fits.
fn gas(gas: u64) -> i64 {
    i64::try_from(gas).unwrap_or(i64::MAX)
}

fn executed(outcome: TxOutcome) -> ExecTxResult {
    let (code, codespace) = coded(outcome.code);
    ExecTxResult {
        code,
        log: outcome.log,
        gas_wanted: gas(outcome.gas_wanted),
        gas_used: gas(outcome.gas_used),
        events: events(outcome.events),
        codespace,
        ..Default::default()
    }
}

pub(super) fn finalized(block: FinalizedBlock) -> response::FinalizeBlock {
    response::FinalizeBlock {
        events: events(block.events),
        tx_results: block.outcomes.into_iter().map(executed).collect(),
        validator_updates: validators(block.validator_updates),
        consensus_param_updates: block.engine.map(consensus_params),
        app_hash: app_hash(&block.app_hash),
    }
}

pub(super) fn answered(outcome: QueryOutcome) -> response::Query {
    let op = |data| ProofOp { field_type: PROOF_TYPE.into(), key: outcome.key.clone(), data };
    let (code, codespace) = coded(outcome.code);
    response::Query {
        code,
        log: outcome.log,
        codespace,
        proof: outcome.proof.map(|data| ProofOps { ops: vec![op(data)] }),
        key: Bytes::from(outcome.key.clone()),
        value: Bytes::from(outcome.value),
        height: height(outcome.height),
        ..Default::default()
    }
}
