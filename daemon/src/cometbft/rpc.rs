//! The few calls that a node makes to its own CometBFT: JSON-RPC over a Unix socket. Answers are typed here and never
//! passed on raw.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};

use super::NodeId;

/// No call of ours takes long; one that does means that CometBFT is stuck.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// Nobody answers: CometBFT starts, stops or is gone.
    #[error("cometbft does not answer on {}: {source}; look at its log", socket.display())]
    Unreachable {
        /// Where it was expected.
        socket: PathBuf,
        /// What the client said.
        source: reqwest::Error,
    },
    /// The HTTP client cannot be set up.
    #[error("cannot set up an HTTP client: {0}")]
    Client(String),
    /// The answer is not one of this release.
    #[error("cometbft's answer to {method} is not understood: {detail}")]
    Malformed {
        /// The method called.
        method: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// The very same bytes were submitted before; they are waiting or in a block.
    #[error("this transaction was submitted before; wait for its block instead of sending it again")]
    AlreadySubmitted,
    /// Too many transactions wait.
    #[error("too many transactions are waiting; try again after the next block")]
    MempoolFull,
    /// The transaction is larger than the mempool takes.
    #[error("the transaction is too large: {detail}")]
    TooLarge {
        /// CometBFT's words, with both sizes.
        detail: String,
    },
    /// Any other refusal.
    #[error("cometbft refused {method}: {detail} (code {code})")]
    Refused {
        /// The method called.
        method: &'static str,
        /// JSON-RPC's error code.
        code: i64,
        /// CometBFT's words.
        detail: String,
    },
}

impl RpcError {
    /// Whether the same call may succeed a moment later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::MempoolFull)
    }
}

/// Where this node's CometBFT stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcStatus {
    /// The chain's id.
    pub chain_id: String,
    /// The height of the last block it has; 0 before the first.
    pub height: u64,
    /// The app hash in that block's header, which is the one after the block before it; upper-case hex.
    pub app_hash: String,
    /// Whether it still fetches old blocks.
    pub catching_up: bool,
    /// The voting power of its own validator key; 0 if that is no validator's.
    pub voting_power: u64,
}

/// What CheckTx said of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BroadcastOutcome {
    /// 0 if it was taken; else the ledger's code, a number in `codespace`.
    pub code: u32,
    /// The part of the ledger that refused it; empty if it was taken.
    #[serde(default)]
    pub codespace: String,
    /// The ledger's words.
    #[serde(default)]
    pub log: String,
    /// The SHA-256 of the bytes, by which CometBFT knows them; upper-case hex.
    pub hash: String,
}

/// A client of one CometBFT. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RpcClient {
    http: reqwest::Client,
    socket: Arc<Path>,
}

impl RpcClient {
    /// A client for the RPC on the Unix socket `socket`, which need not be there yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(socket: &Path) -> Result<Self, RpcError> {
        let socket: Arc<Path> = socket.into();
        let http = datanet_api::loopback::client_builder()
            .map_err(|error| RpcError::Client(error.to_string()))?
            .unix_socket(Arc::clone(&socket))
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(|error| RpcError::Client(error.to_string()))?;
        Ok(Self { http, socket })
    }

    /// Where it is.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Height, app hash, and whether it is catching up.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn status(&self) -> Result<RpcStatus, RpcError> {
        let answer: StatusAnswer = self.call("status", json!({})).await?;
        Ok(RpcStatus {
            chain_id: answer.node_info.network,
            height: answer.sync_info.latest_block_height,
            app_hash: answer.sync_info.latest_app_hash,
            catching_up: answer.sync_info.catching_up,
            voting_power: answer.validator_info.voting_power,
        })
    }

    /// The ids of the peers it is connected to.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn peers(&self) -> Result<Vec<NodeId>, RpcError> {
        let answer: NetInfo = self.call("net_info", json!({})).await?;
        let ids = answer.peers.iter().map(|peer| peer.node_info.id.parse());
        ids.collect::<Result<_, _>>().map_err(|detail| RpcError::Malformed { method: "net_info", detail })
    }

    /// How many transactions wait for a block.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn waiting_txs(&self) -> Result<u64, RpcError> {
        Ok(self.call::<Waiting>("num_unconfirmed_txs", json!({})).await?.total)
    }

    /// How many validators there are, once there is a block.
    ///
    /// # Errors
    /// See [`RpcError`].
    pub async fn validators(&self) -> Result<u64, RpcError> {
        Ok(self.call::<Validators>("validators", json!({ "per_page": "1" })).await?.total)
    }

    /// Submits a transaction and waits for CheckTx, not for a block.
    ///
    /// # Errors
    /// See [`RpcError`]. A refusal by the ledger is no error: see [`BroadcastOutcome::code`].
    pub async fn broadcast_tx_sync(&self, tx: &[u8]) -> Result<BroadcastOutcome, RpcError> {
        self.call("broadcast_tx_sync", json!({ "tx": BASE64.encode(tx) })).await
    }

    async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        // The address in it is no place.
        let unreachable = |source: reqwest::Error| RpcError::Unreachable {
            socket: self.socket.to_path_buf(),
            source: source.without_url(),
        };
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut response = self.http.post("http://localhost/").json(&request).send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let detail = format!("it is larger than {MAX_ANSWER_BYTES} bytes");
                return Err(RpcError::Malformed { method, detail });
            }
            body.extend_from_slice(&chunk);
        }
        parse(method, &body)
    }
}

fn parse<T: DeserializeOwned>(method: &'static str, body: &[u8]) -> Result<T, RpcError> {
    let malformed = |error: serde_json::Error| RpcError::Malformed { method, detail: error.to_string() };
    let answer: Answer = serde_json::from_slice(body).map_err(malformed)?;
    match (answer.result, answer.error) {
        (_, Some(error)) => Err(refusal(method, error)),
        (Some(result), None) => serde_json::from_value(result).map_err(malformed),
        (None, None) => Err(RpcError::Malformed { method, detail: "neither a result nor an error".to_owned() }),
    }
}

/// CometBFT has one code for every internal error; only its words tell the mempool's refusals apart.
fn refusal(method: &'static str, error: ErrorAnswer) -> RpcError {
    let detail = format!("{} {}", error.message, error.data).trim().to_owned();
    if detail.contains("tx already exists in cache") {
        RpcError::AlreadySubmitted
    } else if detail.contains("mempool is full") {
        RpcError::MempoolFull
    } else if detail.to_lowercase().contains("tx too large") {
        RpcError::TooLarge { detail }
    } else {
        RpcError::Refused { method, code: error.code, detail }
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Value>,
    error: Option<ErrorAnswer>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    code: i64,
    message: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct StatusAnswer {
    node_info: NodeInfo,
    sync_info: SyncInfo,
    validator_info: ValidatorInfo,
}

#[derive(Deserialize)]
struct NodeInfo {
    id: String,
    network: String,
}

#[derive(Deserialize)]
struct SyncInfo {
    latest_app_hash: String,
    #[serde(deserialize_with = "from_text")]
    latest_block_height: u64,
    catching_up: bool,
}

#[derive(Deserialize)]
struct ValidatorInfo {
    #[serde(deserialize_with = "from_text")]
    voting_power: u64,
}

#[derive(Deserialize)]
struct NetInfo {
    peers: Vec<Peer>,
}

#[derive(Deserialize)]
struct Waiting {
    #[serde(deserialize_with = "from_text")]
    total: u64,
}

#[derive(Deserialize)]
struct Validators {
    #[serde(deserialize_with = "from_text")]
    total: u64,
}

#[derive(Deserialize)]
struct Peer {
    node_info: NodeInfo,
}

/// 64-bit integers are strings in CometBFT's JSON.
fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broadcast(body: &str) -> Result<BroadcastOutcome, RpcError> {
        parse("broadcast_tx_sync", body.as_bytes())
    }

    #[test]
    fn the_mempools_refusals_are_told_apart() {
        let refused = |data: &str| {
            broadcast(&format!(r#"{{"error":{{"code":-32603,"message":"Internal error","data":"{data}"}}}}"#))
                .unwrap_err()
        };
        assert!(matches!(refused("tx already exists in cache"), RpcError::AlreadySubmitted));
        assert!(matches!(refused("mempool is full: number of txs 5000 (max: 5000)"), RpcError::MempoolFull));
        assert!(matches!(refused("Tx too large. Max size is 5, but got 9"), RpcError::TooLarge { .. }));
        assert!(matches!(refused("something else"), RpcError::Refused { code: -32603, .. }));
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        for body in
            ["", "null", "[]", "{}", "<html>", r#"{"result":{"code":"x"}}"#, r#"{"result":{"code":-1,"hash":""}}"#]
        {
            assert!(matches!(broadcast(body), Err(RpcError::Malformed { .. })), "{body}");
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_transient_and_says_where_it_was_looked_for() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("rpc.sock");
        let client = RpcClient::new(&socket).unwrap();
        // What a killed CometBFT leaves behind.
        for leave in [false, true] {
            if leave {
                drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
            }
            let error = client.status().await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains(socket.to_str().unwrap()), "{error}");
        }
    }
}
