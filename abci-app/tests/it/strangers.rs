//! What anybody can send through CometBFT's RPC: it comes to the socket as it is, and closing the socket ends the node.

use datanet_ledger::abci::AbciServer;
use datanet_ledger::code::{self, Code};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost_ics23::Message;
use tendermint_proto::v0_38::abci::{
    Request, RequestCheckTx, RequestFlush, RequestInfo, RequestQuery, request::Value, response,
};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use crate::socket::receive;
use crate::support::{Chain, transfer};

/// Field numbers in `Request`.
const QUERY: u32 = 6;
const CHECK_TX: u32 = 8;
/// What consensus alone asks: there an answer that is wrong is worse than none.
const OF_CONSENSUS: [u32; 5] = [5, 11, 16, 17, 20];

/// A node's socket as CometBFT holds it.
struct Door {
    chain: Chain,
    shutdown: CancellationToken,
    server: AbciServer,
    stream: UnixStream,
}

impl Door {
    async fn open() -> Self {
        let chain = Chain::new();
        for nonce in 1..4 {
            chain.run(&[transfer(1, 2, 5, nonce)]);
        }
        let socket = chain.dir.path().join("abci/abci.sock");
        let shutdown = CancellationToken::new();
        let server = AbciServer::spawn(chain.ledger.clone(), &socket, 0, shutdown.clone()).await.unwrap();
        let stream = UnixStream::connect(&socket).await.unwrap();
        Self { chain, shutdown, server, stream }
    }

    /// The answer to `message`, whatever that is; `None` if the connection has ended instead.
    async fn answer(&mut self, message: &[u8]) -> Option<response::Value> {
        let flush = Request { value: Some(Value::Flush(RequestFlush {})) }.encode_to_vec();
        for message in [message, &flush] {
            self.stream.write_all(&framed(message)).await.ok()?;
        }
        let answer = receive(&mut self.stream).await?;
        matches!(receive(&mut self.stream).await?, response::Value::Flush(_)).then_some(answer)
    }

    async fn ask(&mut self, value: Value) -> Option<response::Value> {
        self.answer(&Request { value: Some(value) }.encode_to_vec()).await
    }

    async fn query(&mut self, path: &str, data: &[u8], height: i64, prove: bool) -> (Code, String) {
        let query = RequestQuery { data: data.to_vec().into(), path: path.into(), height, prove };
        let Some(response::Value::Query(answer)) = self.ask(Value::Query(query)).await else {
            panic!("no answer to {path:?} at {height}")
        };
        (Code::new(&answer.codespace, answer.code).expect("a code of the ledger's"), answer.log)
    }

    /// The node is as it was before anybody knocked.
    async fn still_works(mut self) {
        assert!(!self.shutdown.is_cancelled());
        let Some(response::Value::Info(info)) = self.ask(Value::Info(RequestInfo::default())).await else {
            panic!("no info")
        };
        assert_eq!(info.last_block_app_hash.as_ref(), self.chain.ledger.info().app_hash);
        self.shutdown.cancel();
        self.server.join().await.unwrap();
    }
}

fn varint(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(number, &mut bytes);
    bytes
}

fn framed(message: &[u8]) -> Vec<u8> {
    [varint(message.len() as u64), message.to_vec()].concat()
}

/// A field of any number that holds bytes.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    [varint(u64::from(number) << 3 | 2), framed(bytes)].concat()
}

#[tokio::test]
async fn a_query_that_makes_no_sense_gets_a_code_and_the_next_one_its_answer() {
    let mut door = Door::open().await;
    let key = datanet_ledger::component::params::state_key::params();
    for prove in [false, true] {
        for height in [-1, i64::MIN] {
            for path in ["", "/", "/store/key", "/params", "/no/such/path"] {
                let (code, log) = door.query(path, key.as_bytes(), height, prove).await;
                assert_eq!(code, code::QUERY, "{log}");
                assert!(log.contains("ask for 0"), "{log}");
            }
        }
        for height in [4, i64::MAX] {
            assert_eq!(door.query("/store/key", key.as_bytes(), height, true).await.0, code::QUERY);
        }
        assert_eq!(door.query("", b"", 0, prove).await.0, code::QUERY);
        assert_eq!(door.query("/store/key", b"\xff", 0, prove).await.0, code::QUERY);
        assert_eq!(door.query("/store/key", key.as_bytes(), 0, prove).await.0, code::OK);
    }
    let (code, log) = door.query(&"\u{7f}".repeat(1_000_000), b"", 0, false).await;
    assert_eq!(code, code::QUERY);
    assert!(log.len() < 1_000, "the refusal repeats {} bytes", log.len());
    door.still_works().await;
}

#[tokio::test]
async fn a_path_that_is_no_text_gets_a_code() {
    // CometBFT makes one of `abci_query?path=0xff`.
    let mut door = Door::open().await;
    let Some(response::Value::Query(answer)) = door.answer(&field(QUERY, &field(2, b"\xff"))).await else {
        panic!("no answer")
    };
    assert_eq!(Code::new(&answer.codespace, answer.code), Some(code::QUERY));
    assert!(answer.log.contains("cannot be decoded"), "{}", answer.log);
    door.still_works().await;
}

#[tokio::test]
async fn an_unknown_or_empty_request_is_answered_with_an_exception() {
    let mut door = Door::open().await;
    for message in [b"".as_slice(), &field(4, b""), &field(99, b"x"), b"\x00", b"\x07", &field(1, b"\xff")] {
        let answer = door.answer(message).await;
        assert!(matches!(answer, Some(response::Value::Exception(_))), "{message:?}: {answer:?}");
    }
    door.still_works().await;
}

/// Garbage of every depth: no message, no request, no fields, fields that no ledger has seen.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..60);
    let anything = bytes().prop_filter("consensus is no stranger", |message| {
        let first = message.first().map_or(0, |key| u32::from(key >> 3));
        message.first().is_none_or(|key| *key < 0x80) && !OF_CONSENSUS.contains(&first)
    });
    let inside = (prop_oneof![Just(QUERY), Just(CHECK_TX)], bytes()).prop_map(|(kind, body)| field(kind, &body));
    let height = prop_oneof![-2i64..6, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    let path = prop_oneof![
        bytes(),
        Just(b"/store/key".to_vec()),
        Just(b"/store".to_vec()),
        Just(b"/params".to_vec()),
        Just(Vec::new())
    ];
    let query = (path, bytes(), height, any::<bool>()).prop_map(|(path, data, height, prove)| {
        let numbers = RequestQuery { height, prove, ..Default::default() }.encode_to_vec();
        field(QUERY, &[field(1, &data), field(2, &path), numbers].concat())
    });
    let check = (bytes(), any::<i32>()).prop_map(|(tx, kind)| {
        let check = RequestCheckTx { tx: tx.into(), r#type: kind };
        Request { value: Some(Value::CheckTx(check)) }.encode_to_vec()
    });
    prop_oneof![anything, inside, query, check]
}

#[test]
fn whatever_a_stranger_sends_is_answered_in_its_kind_and_nothing_ends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut door = runtime.block_on(Door::open());
    let door_cell = std::cell::RefCell::new(&mut door);
    let cases = ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(cases).run(&messages(), |message| {
        let answer = runtime.block_on(door_cell.borrow_mut().answer(&message));
        let Some(answer) = answer else { return Err(TestCaseError::fail("the connection has ended")) };
        let right = match message.first() {
            Some(key) if u32::from(*key) == QUERY << 3 | 2 => matches!(answer, response::Value::Query(_)),
            Some(key) if u32::from(*key) == CHECK_TX << 3 | 2 => {
                matches!(&answer, response::Value::CheckTx(check) if check.code != 0)
            }
            _ => true,
        };
        prop_assert!(right, "another kind of answer: {answer:?}");
        Ok(())
    });
    outcome.unwrap();
    runtime.block_on(door.still_works());
}
