//! Asking a node's CometBFT by hand, over its socket; and evidence against one of its validators.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use datanet_api::RunFile;
use datanet_config::Home;
use datanet_types::SigningKey;
use prost_ics23::Message as _;
use serde_json::{Value, json};
use tendermint_proto::google::protobuf::Timestamp;
use tendermint_proto::v0_38::types::{CanonicalBlockId, CanonicalPartSetHeader, CanonicalVote};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// CometBFT's number for a first vote.
const PREVOTE: i32 = 1;

/// Calls a method of the CometBFT of the node that lives in `home`.
///
/// # Errors
/// When nobody answers, or with an error.
pub async fn call(home: &Path, method: &str, params: Value) -> Result<Value> {
    let run = RunFile::read(&Home::new(home))?;
    call_on(&run.comet_rpc.context("it runs no CometBFT")?, method, params).await
}

/// Calls a method of the CometBFT whose RPC listens on `socket`.
///
/// # Errors
/// When nobody answers, or with an error.
pub async fn call_on(socket: &Path, method: &str, params: Value) -> Result<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    let length = body.len();
    let request = format!("POST / HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = exchange(socket, &request).await?;
    ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
    Ok(answer["result"].clone())
}

/// A request as of HTTP/1.0, whose answer ends with the connection.
///
/// # Errors
/// When nobody listens there, or what comes is no JSON.
pub async fn exchange(socket: &Path, request: &str) -> Result<Value> {
    let mut stream = UnixStream::connect(socket).await.context("nobody listens there any more")?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").with_context(|| format!("no answer: {answer}"))?;
    serde_json::from_str(body).with_context(|| body.to_owned())
}

/// Two votes of one validator for different blocks of a height that it took part in: what somebody has who hears a validator
/// that runs twice. `home` is that of any node; `key` signs.
///
/// # Errors
/// When the node does not answer, or the key is no validator's at that height.
pub async fn two_votes(home: &Path, chain_id: &str, height: u64, key: &SigningKey) -> Result<Value> {
    let at = json!({ "height": height.to_string() });
    let time = call(home, "block", at.clone()).await?["block"]["header"]["time"].clone();
    let set = call(home, "validators", json!({ "height": height.to_string(), "per_page": "100" })).await?;
    let validators = set["validators"].as_array().context("no validators")?;
    let address = key.consensus_key().address().to_hex().to_uppercase();
    let index = validators.iter().position(|one| one["address"] == *address).context("no validator at that height")?;
    let power = |one: &Value| -> Result<u64> { Ok(one["voting_power"].as_str().context("no power")?.parse()?) };
    let total = validators.iter().map(power).sum::<Result<u64>>()?;
    let vote = |block: u8| vote(chain_id, height, key, &address, index, block);
    // In the order of their blocks' hashes.
    Ok(json!({ "type": "tendermint/DuplicateVoteEvidence", "value": {
        "vote_a": vote(1), "vote_b": vote(2), "Timestamp": time,
        "TotalVotingPower": total.to_string(), "ValidatorPower": power(&validators[index])?.to_string(),
    }}))
}

fn vote(chain_id: &str, height: u64, key: &SigningKey, address: &str, index: usize, block: u8) -> Value {
    let hash = [block; 32];
    let parts = CanonicalPartSetHeader { total: 1, hash: hash.to_vec() };
    let signed = CanonicalVote {
        r#type: PREVOTE,
        height: i64::try_from(height).unwrap_or(i64::MAX),
        round: 0,
        block_id: Some(CanonicalBlockId { hash: hash.to_vec(), part_set_header: Some(parts) }),
        timestamp: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        chain_id: chain_id.to_owned(),
    };
    let signature = key.sign(&signed.encode_length_delimited_to_vec());
    let hash = hex::encode_upper(hash);
    json!({
        "type": PREVOTE, "height": height.to_string(), "round": 0, "timestamp": "2023-11-14T22:13:20Z",
        "block_id": { "hash": hash, "parts": { "total": 1, "hash": hash } },
        "validator_address": address, "validator_index": index, "signature": BASE64.encode(signature.0),
    })
}
