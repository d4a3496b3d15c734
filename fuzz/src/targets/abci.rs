//! What comes over the ABCI socket: CometBFT passes on a query and a transaction as anybody sent them to a node.

use std::sync::OnceLock;

use bytes::Bytes;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::code;
use datanet_ledger::{LedgerHandle, abci};
use datanet_types::action::Transfer;
use datanet_types::{Action, Address, SignedTx, SigningKey, TxBody};
use prost::encoding::decode_varint;
use prost_ics23::Message;
use prost_ics23::encoding::decode_key;
use tendermint_proto::v0_38::abci::{
    CommitInfo, Misbehavior, Request, RequestCheckTx, RequestEcho, RequestFlush, RequestInfo, RequestListSnapshots,
    RequestPrepareProposal, RequestProcessProposal, RequestQuery, Response, VoteInfo, request::Value, response,
};
use tokio_util::sync::CancellationToken;

use super::CHAIN;
use crate::Target;

pub(crate) const ABCI: Target = Target { name: "abci", seeds, run };

/// Field numbers of the requests that strangers shape.
const QUERY: u32 = 6;
const CHECK_TX: u32 = 8;

/// Streams of framed messages, and bodies of transactions: what is signed again below.
fn seeds() -> Vec<Vec<u8>> {
    let query = |path: &str, data: &[u8], height, prove| {
        Value::Query(RequestQuery { data: data.to_vec().into(), path: path.into(), height, prove })
    };
    let check = |kind| Value::CheckTx(RequestCheckTx { tx: tx(), r#type: kind });
    let prepare = RequestPrepareProposal { height: 2, max_tx_bytes: 1 << 20, txs: vec![tx()], ..Default::default() };
    let process = RequestProcessProposal {
        height: 2,
        txs: vec![tx()],
        hash: vec![2; 32].into(),
        proposer_address: vec![1; 20].into(),
        proposed_last_commit: Some(CommitInfo { round: 0, votes: vec![VoteInfo::default()] }),
        misbehavior: vec![Misbehavior { height: 1, ..Default::default() }],
        ..Default::default()
    };
    let params = datanet_ledger::component::params::state_key::params();
    let values = [
        Value::Echo(RequestEcho { message: "hello".into() }),
        Value::Info(RequestInfo { version: "0.38.25".into(), ..Default::default() }),
        Value::ListSnapshots(RequestListSnapshots {}),
        query("/store/key", params.as_bytes(), 0, true),
        query("/params", b"", 1, false),
        query("", b"\xff", -1, true),
        check(0),
        check(1),
        Value::PrepareProposal(prepare),
        Value::ProcessProposal(process),
    ];
    let framed: Vec<_> =
        values.map(|value| Request { value: Some(value) }.encode_length_delimited_to_vec()).into_iter().collect();
    let whole = framed.concat();
    framed.into_iter().chain([whole, prost::Message::encode_to_vec(&body())]).collect()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn tx() -> Bytes {
    body().sign(&key()).to_bytes().into()
}

fn body() -> TxBody {
    let transfer = Transfer { to: Address([2; 20]), amount: 5 };
    let (account, action) = (key().address(), Some(Action::Transfer(transfer)));
    TxBody { chain_id: CHAIN.into(), expiry: 100, fee: 2_000, nonce: 7, account, gas_limit: 250_000, tip: 3, action }
}

/// A ledger with money for the key and one block, whose file goes with the process.
fn ledger() -> LedgerHandle {
    static LEDGER: OnceLock<LedgerHandle> = OnceLock::new();
    let open = || {
        let dir = tempfile::tempdir()?;
        let ledger = LedgerHandle::open(&dir.path().join("ledger.redb"))?;
        let account = serde_json::json!({ "address": key().address(), "balance": 1_000_000_000 });
        let genesis = serde_json::to_vec(&serde_json::json!({ "accounts": [account] }))?;
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &genesis })?;
        ledger.finalize_block(&Block::alone(1, 1_000, [1; 32], &[]))?;
        ledger.commit()?;
        anyhow::Ok(ledger)
    };
    LEDGER.get_or_init(|| open().unwrap_or_else(|error| panic!("there is no ledger to ask: {error:#}"))).clone()
}

fn run(input: &[u8]) {
    speak(input);
    // Whole, whatever its frames.
    speak(&framed(input));
    // Behind the signature.
    let tx = SignedTx { body: input.to_vec(), signatures: Vec::new() }.signed_by(&key()).to_bytes();
    let check = RequestCheckTx { tx: tx.into(), r#type: 0 };
    speak(&Request { value: Some(Value::CheckTx(check)) }.encode_length_delimited_to_vec());
}

/// Says it all on one connection: each message has an answer of its kind, in order, and nothing but a broken frame ends it.
fn speak(stream: &[u8]) {
    let (messages, is_whole) = messages(stream);
    let values = || messages.iter().filter_map(|message| Request::decode(*message).ok()?.value);
    if values().any(|value| matches!(value, Value::InitChain(_) | Value::FinalizeBlock(_) | Value::Commit(_))) {
        // They change the ledger, so that an input would not say everything.
        return;
    }
    let flush = Request { value: Some(Value::Flush(RequestFlush {})) }.encode_length_delimited_to_vec();
    let said = if is_whole { [stream, &flush].concat() } else { stream.to_vec() };
    let (mut answers, shutdown) = (Vec::new(), CancellationToken::new());
    let spoken = abci::converse(ledger(), said.as_slice(), &mut answers, shutdown.clone());
    let ended = futures::executor::block_on(spoken);
    if values().any(|value| matches!(value, Value::PrepareProposal(_) | Value::ProcessProposal(_))) {
        // Consensus is no stranger: there no answer is better than a wrong one.
        return;
    }
    assert_eq!(ended.is_ok(), is_whole, "{ended:?}");
    assert!(!shutdown.is_cancelled(), "a stranger has stopped the node");
    if !is_whole {
        return;
    }
    let (answers, whole) = self::messages(&answers);
    assert!(whole && answers.len() == messages.len() + 1, "{} answers to {} messages", answers.len(), messages.len());
    for (message, answer) in messages.iter().zip(answers) {
        let answer = Response::decode(answer).ok().and_then(|answer| answer.value);
        assert!(answer.as_ref().is_some_and(|answer| is_of_its_kind(message, answer)), "{answer:?}");
    }
}

/// The messages of a stream, and whether it ends with one.
fn messages(mut stream: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut messages = Vec::new();
    while !stream.is_empty() {
        let Some(length) = decode_varint(&mut stream).ok().and_then(|length| usize::try_from(length).ok()) else {
            return (messages, false);
        };
        let Some((message, rest)) = stream.split_at_checked(length) else { return (messages, false) };
        messages.push(message);
        stream = rest;
    }
    (messages, true)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(message.len() as u64, &mut bytes);
    bytes.extend_from_slice(message);
    bytes
}

fn is_of_its_kind(message: &[u8], answer: &response::Value) -> bool {
    let Some(request) = Request::decode(message).ok().and_then(|request| request.value) else {
        return match (decode_key(&mut &message[..]), answer) {
            (Ok((QUERY, _)), response::Value::Query(query)) => query.code != code::OK.number(),
            (Ok((CHECK_TX, _)), response::Value::CheckTx(check)) => check.code != code::OK.number(),
            (Ok((QUERY | CHECK_TX, _)), _) => false,
            (_, answer) => matches!(answer, response::Value::Exception(_)),
        };
    };
    match (request, answer) {
        (Value::Query(_), response::Value::Query(_)) | (Value::CheckTx(_), response::Value::CheckTx(_)) => true,
        (Value::Echo(echo), response::Value::Echo(answer)) => echo.message == answer.message,
        (Value::Query(_) | Value::CheckTx(_) | Value::Echo(_), _) => false,
        (_, answer) => !matches!(answer, response::Value::Exception(_)),
    }
}
