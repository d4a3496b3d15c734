//! The ABCI socket, spoken to byte by byte.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use datanet_ledger::abci::{AbciError, AbciServer};
use prost_ics23::Message;
use tendermint_proto::v0_38::abci::{
    Request, RequestEcho, RequestFinalizeBlock, RequestFlush, RequestInfo, Response, request::Value, response,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::support::Chain;

async fn send(stream: &mut UnixStream, value: Value) {
    // At once: a server that ends over the first would not take the second.
    let both = [value, Value::Flush(RequestFlush {})];
    let messages = both.map(|value| Request { value: Some(value) }.encode_length_delimited_to_vec());
    stream.write_all(&messages.concat()).await.unwrap();
}

/// The next answer; `None` once the server has closed the connection.
pub async fn receive(stream: &mut UnixStream) -> Option<response::Value> {
    let mut length = 0;
    for shift in (0..).step_by(7) {
        let byte = stream.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.ok()?;
    Response::decode(message.as_slice()).unwrap().value
}

async fn answer(stream: &mut UnixStream, value: Value) -> Option<response::Value> {
    send(stream, value).await;
    let answer = receive(stream).await?;
    assert!(matches!(receive(stream).await?, response::Value::Flush(_)));
    Some(answer)
}

#[tokio::test]
async fn the_socket_is_private_survives_a_leftover_and_closes_with_its_token() {
    let chain = Chain::new();
    chain.run(&[]);
    let socket = chain.dir.path().join("abci").join("abci.sock");
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    std::fs::write(&socket, "left by a killed node").unwrap();
    let shutdown = CancellationToken::new();
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
    assert!(server.address().starts_with("unix:///"));
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the folder was there, and may be open to others");
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let echo = answer(&mut stream, Value::Echo(RequestEcho { message: "hello".into() })).await;
    assert!(matches!(echo, Some(response::Value::Echo(echo)) if echo.message == "hello"));
    let Some(response::Value::Info(info)) = answer(&mut stream, Value::Info(RequestInfo::default())).await else {
        panic!("no info")
    };
    assert_eq!(info.last_block_height, 1);
    assert_eq!(info.last_block_app_hash.as_ref(), chain.ledger.info().app_hash);
    shutdown.cancel();
    server.join().await.unwrap();
    assert!(receive(&mut stream).await.is_none());
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_fatal_call_gets_no_answer_and_stops_the_node() {
    let chain = Chain::new();
    let socket = chain.dir.path().join("abci").join("abci.sock");
    let shutdown = CancellationToken::new();
    let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let block = RequestFinalizeBlock {
        height: 9,
        time: Some(tendermint_proto::google::protobuf::Timestamp { seconds: 1, nanos: 0 }),
        hash: vec![1; 32].into(),
        next_validators_hash: vec![1; 32].into(),
        proposer_address: vec![1; 20].into(),
        decided_last_commit: Some(Default::default()),
        ..Default::default()
    };
    send(&mut stream, Value::FinalizeBlock(block)).await;
    tokio::time::timeout(Duration::from_secs(20), shutdown.cancelled()).await.unwrap();
    assert!(receive(&mut stream).await.is_none());
    let error = server.join().await.unwrap_err();
    assert!(matches!(&error, AbciError::Ledger(reason) if reason.contains("does not follow")), "{error}");
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_refused() {
    let chain = Chain::new();
    let socket = chain.dir.path().join("x".repeat(120)).join("abci.sock");
    let spawned = AbciServer::spawn(chain.ledger.clone(), &socket, 0, CancellationToken::new()).await;
    assert!(matches!(spawned, Err(AbciError::Socket { .. })));
}
