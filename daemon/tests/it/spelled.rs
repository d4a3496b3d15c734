//! One file in many spellings: every name of its format, packed or not.

use serde_json::Value;

use crate::kit::{self, Api, plain_node, read};

async fn root(node: &Api, media_type: &str, coding: Option<&str>, body: Vec<u8>) -> Value {
    let mut request = node.upload("topics", "alice", media_type, body);
    if let Some(coding) = coding {
        request = request.header("content-encoding", coding);
    }
    read(media_type, request).await["record_root"].clone()
}

#[tokio::test]
async fn a_table_is_the_same_whatever_its_format_is_called_and_however_it_is_packed() {
    let node = plain_node().await;
    // Different bytes with the same records, since one account gives the same bytes only once.
    let jsonl = |blanks: usize| {
        format!("{{\"text\":\"stir the soup\",{}\"label\":\"cooking\"}}\n", " ".repeat(blanks)).into_bytes()
    };
    let first = root(&node, "application/x-ndjson", None, jsonl(0)).await;
    let spellings =
        ["application/ndjson", "Application/JSONL; charset=UTF-8", "text/x-ndjson", "application/jsonlines"];
    for (blanks, spelling) in (1..).zip(spellings) {
        assert_eq!(root(&node, spelling, None, jsonl(blanks)).await, first, "{spelling}");
    }
    assert_eq!(root(&node, "application/x-jsonl", Some("gzip"), kit::gzip(&jsonl(9))).await, first);
    let csv = "label;text\r\ncooking;\"stir the soup\"\r\n";
    assert_eq!(root(&node, "application/csv", None, csv.as_bytes().to_vec()).await, first);
    let tabs = csv.replace(';', "\t").into_bytes();
    assert_eq!(root(&node, "text/tab-separated-values", Some("x-gzip"), kit::gzip(&tabs)).await, first);
}
