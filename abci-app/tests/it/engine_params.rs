//! The engine's parameters, and the version of the rules, as they go over the wire.

use datanet_ledger::LedgerHandle;
use datanet_ledger::abci::{AbciError, AbciServer};
use datanet_ledger::app::Block;
use datanet_ledger::code;
use datanet_ledger::component::params::versions;
use datanet_ledger::component::{EngineParams, Params};
use datanet_types::Action;
use datanet_types::action::SetParams;
use prost_ics23::Message;
use tendermint_proto::google::protobuf::{Duration, Timestamp};
use tendermint_proto::v0_38::abci::{
    Request, RequestCommit, RequestFinalizeBlock, RequestFlush, RequestInfo, RequestInitChain, request::Value, response,
};
use tendermint_proto::v0_38::types::{
    AbciParams, BlockParams, ConsensusParams, EvidenceParams, ValidatorParams, VersionParams,
};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::socket::receive;
use crate::support::{CHAIN, Chain, address, body, genesis_with, signed};

/// What CometBFT's genesis says by the usual parameters.
fn usual() -> ConsensusParams {
    let engine = EngineParams::of(&Params::default());
    ConsensusParams {
        block: Some(BlockParams { max_bytes: engine.max_block_bytes as i64, max_gas: -1 }),
        evidence: Some(EvidenceParams {
            max_age_num_blocks: engine.evidence_blocks as i64,
            max_age_duration: Some(Duration { seconds: engine.evidence_seconds as i64, nanos: 0 }),
            max_bytes: engine.max_evidence_bytes as i64,
        }),
        validator: Some(ValidatorParams { pub_key_types: vec!["ed25519".to_owned()] }),
        version: Some(VersionParams { app: 1 }),
        abci: Some(AbciParams { vote_extensions_enable_height: 0 }),
    }
}

type Bend = fn(&mut ConsensusParams);

struct Wire {
    chain: Chain,
    stream: UnixStream,
    server: AbciServer,
}

impl Wire {
    async fn new() -> Self {
        let chain = Chain::empty();
        let socket = chain.dir.path().join("abci").join("abci.sock");
        let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, CancellationToken::new()).await.unwrap();
        let stream = UnixStream::connect(&socket).await.unwrap();
        Self { chain, stream, server }
    }

    async fn ask(&mut self, value: Value) -> Option<response::Value> {
        let both = [value, Value::Flush(RequestFlush {})];
        let messages = both.map(|value| Request { value: Some(value) }.encode_length_delimited_to_vec());
        self.stream.write_all(&messages.concat()).await.unwrap();
        let answer = receive(&mut self.stream).await?;
        receive(&mut self.stream).await?;
        Some(answer)
    }

    async fn init(&mut self, params: ConsensusParams) -> Option<response::Value> {
        let changed = serde_json::json!({ "authority_delay_seconds": 5 });
        let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_with(&changed)).unwrap();
        genesis["authority"] = serde_json::json!(address(1));
        let init = RequestInitChain {
            time: Some(Timestamp { seconds: 1_000, nanos: 0 }),
            chain_id: CHAIN.to_owned(),
            consensus_params: Some(params),
            validators: Vec::new(),
            app_state_bytes: serde_json::to_vec(&genesis).unwrap().into(),
            initial_height: 1,
        };
        self.ask(Value::InitChain(init)).await
    }
}

#[tokio::test]
async fn a_genesis_whose_engine_goes_by_other_parameters_starts_no_chain() {
    let bent: [(Bend, &str); 7] = [
        (|params| params.block.as_mut().unwrap().max_bytes = 1 << 30, "block.max_bytes is 1073741824"),
        (|params| params.block.as_mut().unwrap().max_gas = 7, "block.max_gas is 7"),
        (|params| params.evidence.as_mut().unwrap().max_age_num_blocks = 100_000, "max_age_num_blocks is 100000"),
        (|params| params.evidence.as_mut().unwrap().max_age_duration = None, "max_age_duration is 0 s"),
        (|params| params.validator = None, "pub_key_types is , and"),
        (|params| params.abci.as_mut().unwrap().vote_extensions_enable_height = 9, "enable_height is 9"),
        (|params| params.version.as_mut().unwrap().app = 0, "version.app is 0"),
    ];
    for (bend, words) in bent {
        let mut wire = Wire::new().await;
        let mut params = usual();
        bend(&mut params);
        assert_eq!(wire.init(params).await, None);
        let error = wire.server.join().await.unwrap_err();
        assert!(matches!(&error, AbciError::Ledger(said) if said.contains(words)), "{error} does not say {words:?}");
    }
}

#[tokio::test]
async fn the_engine_is_told_of_parameters_that_change_and_of_the_version_of_the_rules() {
    let mut wire = Wire::new().await;
    let Some(response::Value::Info(info)) = wire.ask(Value::Info(RequestInfo::default())).await else { panic!() };
    assert_eq!((info.last_block_height, info.app_version), (0, 1));
    assert!(matches!(wire.init(usual()).await, Some(response::Value::InitChain(_))));
    let set = |changes: &str, nonce| {
        signed(1, &body(Action::SetParams(SetParams { changes: changes.to_owned() }), 100, nonce))
    };
    let blocks = [
        (1_000, vec![set(r#"{"max_block_bytes": 1048576}"#, 1)], None),
        (1_001, Vec::new(), None),
        (1_005, Vec::new(), Some((1_048_576, 34_560))),
        (1_006, vec![set(r#"{"byte_fee": 2}"#, 2)], None),
        (1_011, Vec::new(), None),
        (1_012, vec![set(r#"{"evidence_blocks": 30000}"#, 3)], None),
        (1_017, Vec::new(), Some((1_048_576, 30_000))),
    ];
    for (height, (seconds, txs, told)) in (1..).zip(blocks) {
        let request = RequestFinalizeBlock {
            height,
            time: Some(Timestamp { seconds, nanos: 0 }),
            hash: vec![height as u8; 32].into(),
            next_validators_hash: vec![1; 32].into(),
            proposer_address: vec![0; 20].into(),
            decided_last_commit: Some(Default::default()),
            txs,
            ..Default::default()
        };
        let answer = wire.ask(Value::FinalizeBlock(request)).await;
        let Some(response::Value::FinalizeBlock(block)) = answer else { panic!("{answer:?}") };
        assert!(block.tx_results.iter().all(|result| result.code == 0), "{:?}", block.tx_results);
        let update = block.consensus_param_updates;
        let numbers = update
            .as_ref()
            .map(|params| (params.block.unwrap().max_bytes, params.evidence.as_ref().unwrap().max_age_num_blocks));
        assert_eq!(numbers, told, "height {height}");
        if let Some(params) = update {
            assert_eq!(params.version.unwrap().app, 1, "or CometBFT would take what its genesis says");
            assert_eq!(params.validator.unwrap().pub_key_types, ["ed25519"]);
        }
        wire.ask(Value::Commit(RequestCommit {})).await.unwrap();
    }
    assert_eq!(versions::number(&wire.chain.ledger.reader()).unwrap(), 3);
}

#[test]
fn a_program_that_does_not_know_a_version_of_the_rules_stops_at_its_first_block_and_says_so() {
    let chain = Chain::empty();
    let changed = serde_json::json!({ "authority_delay_seconds": 5 });
    let mut genesis: serde_json::Value = serde_json::from_slice(&genesis_with(&changed)).unwrap();
    genesis["authority"] = serde_json::json!(address(1));
    chain.init_with(&serde_json::to_vec(&genesis).unwrap());
    let changes = r#"{"app_version": 2}"#.to_owned();
    let done = chain.run(&[signed(1, &body(Action::SetParams(SetParams { changes }), 100, 1))]);
    assert_eq!(Chain::codes(&done), [code::OK], "{}", done.outcomes[0].log);
    for _ in 0..4 {
        chain.run(&[]);
    }
    let height = chain.next();
    let said = chain.ledger.finalize_block(&Block::alone(height, 2_000, [9; 32], &[])).unwrap_err().to_string();
    assert!(said.contains("version 2 of its rules") && said.contains("install a newer one"), "{said}");
    // Nothing is written: the newer program goes on from here.
    let dir = chain.dir.path().join("ledger.redb");
    let Chain { ledger, dir: _kept, .. } = chain;
    drop(ledger);
    assert_eq!(LedgerHandle::open(&dir).unwrap().info().height + 1, height);
}
