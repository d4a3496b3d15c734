//! Uploads that are refused: each says why and how to mend it, and leaves nothing behind.

use std::convert::Infallible;
use std::time::Duration;

use futures::stream;
use reqwest::{Body, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::corpus;
use crate::kit::{self, Api, MAX_UPLOAD, PATIENCE, is_problem, plain_node, refused};

const JSONL: &str = "application/x-ndjson";

/// Uploads that are whole, but wrong: name, datanet, media type, body, what the refusal says.
fn wrong_records() -> Vec<(&'static str, &'static str, &'static str, Vec<u8>, &'static str)> {
    let good = corpus::parquet(&corpus::samples(0, 30));
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            "a missing field",
            "topics",
            JSONL,
            text("{\"text\":\"stir the soup slowly\"}\n"),
            "lacks the field \"label\"",
        ),
        (
            "an unknown field",
            "topics",
            JSONL,
            text("{\"text\":\"stir the soup\",\"label\":\"cooking\",\"mood\":\"good\"}\n"),
            "unknown field \"mood\"; remove it",
        ),
        ("a wrong label", "topics", JSONL, text("{\"text\":\"a\",\"label\":\"chess\"}\n"), "it takes one of"),
        (
            "a wrong kind",
            "topics",
            JSONL,
            text("{\"text\":7,\"label\":\"cooking\"}\n"),
            "in the field \"text\"; it takes",
        ),
        ("a field twice", "notes", JSONL, text("{\"text\":\"a\",\"text\":\"b\"}\n"), "twice; keep one"),
        ("no object", "notes", JSONL, text("[\"text\"]\n"), "write one object a line"),
        ("broken JSON", "notes", JSONL, text("{\"text\": \"a\",}\n"), "is not valid JSON"),
        ("a bad second line", "notes", JSONL, text("{\"text\":\"fine\"}\n{\"text\":null}\n"), "record 1 (line 2)"),
        ("broken UTF-8", "notes", JSONL, b"{\"text\":\"caf\xe9 au lait\"}\n".to_vec(), "save the file as UTF-8"),
        ("broken UTF-8 in text", "notes", "text/plain", b"caf\xe9 au lait\n".to_vec(), "byte 3"),
        ("an empty body", "notes", JSONL, Vec::new(), "send at least one"),
        ("an empty text", "notes", "text/plain", text("\n\n  \n"), "send at least one"),
        ("uneven rows", "topics", "text/csv", text("text,label\na b,cooking\na,b,c\n"), "(line 3)"),
        ("a header that is not the schema's", "topics", "text/csv", text("text,topic\na,b\n"), "the column"),
        (
            "text for a schema with labels",
            "topics",
            "text/plain",
            text("Stir the soup.\n"),
            "send JSONL, CSV or Parquet",
        ),
        (
            "truncated Parquet",
            "topics",
            "application/vnd.apache.parquet",
            good[..good.len() / 2].to_vec(),
            "write it again and send all of it",
        ),
        (
            "Parquet with a broken page",
            "topics",
            "application/vnd.apache.parquet",
            good.iter().enumerate().map(|(at, byte)| if (8..60).contains(&at) { !byte } else { *byte }).collect(),
            "Parquet",
        ),
        ("an unclosed quote", "topics", "text/csv", text("text,label\n\"a b,cooking\nc d,cooking\n"), "(line 2)"),
        ("an array", "notes", JSONL, text("[{\"text\":\"a\"}]"), "without brackets around them"),
        ("a workbook", "topics", "text/csv", b"PK\x03\x04\x14\0\x06\0..[Content_Types].xml".to_vec(), "as CSV UTF-8"),
        ("a packed file", "notes", JSONL, b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec(), "Content-Encoding: gzip"),
        ("UTF-16", "topics", "text/csv", b"\xff\xfet\0e\0x\0t\0".to_vec(), "save it as UTF-8"),
        ("no Parquet at all", "topics", "application/vnd.apache.parquet", text("PAR1PAR1"), "Parquet"),
    ]
}

#[tokio::test]
async fn records_that_do_not_fit_are_refused_with_the_fix_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    for (what, datanet, media_type, body, says) in wrong_records() {
        refused(what, node.upload(datanet, "alice", media_type, body), 422, "bad-records", says).await;
    }
    assert_eq!(node.world().await, before);
    assert_eq!(spooled(node.home()), 0);
}

#[tokio::test]
async fn uploads_of_the_wrong_kind_are_refused_and_change_nothing() {
    let node = plain_node().await;
    let before = node.world().await;
    let line = "{\"text\":\"a good enough passage\"}\n";
    let upload = |datanet: &str, account: &str, media_type: &str| node.upload(datanet, account, media_type, line);
    refused("an unknown datanet", upload("nowhere", "alice", JSONL), 404, "unknown-datanet", "GET /v1/datanets").await;
    let id = "ab".repeat(32);
    refused("an unknown id", upload(&id, "alice", JSONL), 404, "unknown-datanet", "GET /v1/datanets").await;
    refused("an unknown account", upload("notes", "nobody", JSONL), 404, "unknown-key", "datanet keys add nobody")
        .await;
    refused("a picture", upload("notes", "alice", "image/png"), 415, "unknown-format", "send application/x-ndjson")
        .await;
    let latin = upload("notes", "alice", "text/csv; charset=latin1");
    refused("another charset", latin, 415, "unknown-format", "save the file as UTF-8").await;
    let brotli = upload("notes", "alice", JSONL).header("content-encoding", "br");
    refused("another coding", brotli, 415, "unknown-format", "send gzip").await;
    let plain = upload("notes", "alice", JSONL).header("content-encoding", "gzip");
    refused("no gzip at all", plain, 422, "bad-records", "not whole gzip data").await;
    let path = "/v1/datanets/notes/contributions?account=alice";
    let untyped = node.raw(Method::POST, path).body(line);
    refused("no content type", untyped, 415, "unknown-format", "send application/x-ndjson").await;
    let low = node.raw(Method::POST, &format!("{path}&bond=1")).header("content-type", JSONL).body(line);
    refused("a bond below the least", low, 422, "bond-too-small", "at least 0.0001 DNT").await;
    let high = node.raw(Method::POST, &format!("{path}&bond=999999999999999")).header("content-type", JSONL).body(line);
    refused("a bond nobody has", high, 402, "insufficient-funds", "").await;
    let key = "k".repeat(300);
    let long = upload("notes", "alice", JSONL).header("idempotency-key", key);
    refused("an endless idempotency key", long, 400, "bad-idempotency-key", "1 to 255").await;
    let odd = node.raw(Method::POST, &format!("{path}&speed=9")).header("content-type", JSONL).body(line);
    refused("an unknown parameter", odd, 400, "bad-query", "speed").await;
    assert_eq!(node.world().await, before);
    assert_eq!(spooled(node.home()), 0);
}

#[tokio::test]
async fn a_body_without_an_end_is_refused_while_it_streams() {
    let node = plain_node().await;
    let before = node.world().await;
    let status = endless(&node, "{\"text\":\"one more passage of an endless file\"}\n").await;
    is_problem("an endless body", &status, 413, "body-too-large", &format!("at most {MAX_UPLOAD} bytes; split it"));
    let status = endless(&node, "{\"text\":\"no quotation mark ends this\n").await;
    is_problem("an endless bad body", &status, 422, "bad-records", "record 0 (line 1)");
    assert_eq!(node.world().await, before);
    assert_eq!(spooled(node.home()), 0);
}

/// Sends the same line for ever and returns the body of the answer that comes in spite of it.
async fn endless(api: &Api, line: &str) -> String {
    let mut socket = TcpStream::connect(api.authority()).await.unwrap();
    let head = format!(
        "POST /v1/datanets/notes/contributions HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: {JSONL}\r\nTransfer-Encoding: chunked\r\n\r\n",
        api.authority(),
        api.token(),
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = socket.into_split();
    let chunk = line.repeat(200);
    let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
    let writing = tokio::spawn(async move { while writer.write_all(chunk.as_bytes()).await.is_ok() {} });
    let mut answer = Vec::new();
    // The node closes the connection after its answer; what comes behind that is the reset our writing earns.
    let _ = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut answer)).await.expect("an answer while streaming");
    writing.abort();
    let answer = String::from_utf8(answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}")).1.to_owned()
}

#[tokio::test]
async fn an_ordinary_client_reads_the_refusal_of_a_body_that_is_too_large() {
    let node = plain_node().await;
    let chunk = "{\"text\":\"one more passage of a large file\"}\n".repeat(2_000);
    let chunks = stream::iter((0..400).map(move |_| Ok::<_, Infallible>(chunk.clone())));
    let request = node.upload("notes", "alice", JSONL, Body::wrap_stream(chunks));
    refused("a large body", request, 413, "body-too-large", "split it").await;
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_is_refused() {
    let node = plain_node().await;
    let line = b"{\"text\":\"one more passage of a large file\"}\n";
    let bomb = kit::gzip(&line.repeat(usize::try_from(MAX_UPLOAD).unwrap() / line.len() + 1));
    assert!(bomb.len() < 1 << 20);
    let request = node.upload("notes", "alice", JSONL, bomb).header("content-encoding", "gzip");
    refused("a bomb", request, 413, "body-too-large", "split it").await;
    assert_eq!(spooled(node.home()), 0);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let node = plain_node().await;
    let before = node.world().await;
    let chunks = stream::iter([Ok("{\"text\":\"half a\"}\n".to_owned()), Err(std::io::Error::other("cable pulled"))]);
    let sent = node.upload("notes", "alice", JSONL, Body::wrap_stream(chunks)).send().await;
    assert!(sent.is_err());
    let home = node.home().to_owned();
    kit::until("the spool is empty", async || (spooled(&home) == 0).then_some(())).await;
    tokio::time::timeout(Duration::from_secs(30), node.world()).await.map(|after| assert_eq!(after, before)).unwrap();
}

fn spooled(home: &std::path::Path) -> usize {
    let dir = datanet::init::spool_dir(&datanet_config::Home::new(home));
    std::fs::read_dir(dir).unwrap().count()
}
