//! What an operator can choose. Every field names its environment variable; the flag is `--set section.key=value`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use datanet_types::DatanetId;
use serde::{Deserialize, Serialize};

/// The version of the configuration that this datanet reads and writes.
pub const VERSION: u32 = 1;

/// A node's configuration. Precedence: flag > environment > file > default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The format's version, [`VERSION`]. Every file must state it.
    pub version: u32,
    /// Who this node is and what it does.
    #[serde(default)]
    pub node: NodeSection,
    /// The HTTP interface.
    #[serde(default)]
    pub api: ApiConfig,
    /// The interface for strangers.
    #[serde(default)]
    pub public: PublicConfig,
    /// Gossip and blobs.
    #[serde(default)]
    pub p2p: P2pConfig,
    /// The order of transactions.
    #[serde(default)]
    pub consensus: ConsensusConfig,
    /// What of the chain is kept.
    #[serde(default)]
    pub ledger: LedgerConfig,
    /// Running models.
    #[serde(default)]
    pub inference: InferenceConfig,
    /// Which datanets this node follows.
    #[serde(default)]
    pub datanets: DatanetsConfig,
    /// Scoring contributions.
    #[serde(default)]
    pub judging: JudgingConfig,
    /// Answering for pay.
    #[serde(default)]
    pub serving: ServingConfig,
    /// Making models.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Serving models.
    #[serde(default)]
    pub models: ModelsConfig,
    /// When this node is ready.
    #[serde(default)]
    pub health: HealthConfig,
    /// What is logged, and how.
    #[serde(default)]
    pub log: LogConfig,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            version: VERSION,
            node: NodeSection::default(),
            api: ApiConfig::default(),
            public: PublicConfig::default(),
            p2p: P2pConfig::default(),
            consensus: ConsensusConfig::default(),
            ledger: LedgerConfig::default(),
            inference: InferenceConfig::default(),
            datanets: DatanetsConfig::default(),
            judging: JudgingConfig::default(),
            serving: ServingConfig::default(),
            training: TrainingConfig::default(),
            models: ModelsConfig::default(),
            health: HealthConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// Something that a node does for its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Signs blocks and scores contributions.
    Validator,
    /// Keeps the bytes of the contributions of its datanets, and attests that it does.
    Storage,
    /// Answers questions for pay.
    Serving,
}

/// `[node]`: who this node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeSection {
    /// A name for people: 1 to 64 letters, digits, `-`, `_` or `.`. `DATANET_NODE_NAME`.
    pub name: String,
    /// What this node does. `DATANET_NODE_ROLES`, separated by commas.
    pub roles: Vec<Role>,
}

impl Default for NodeSection {
    fn default() -> Self {
        Self { name: "node".to_owned(), roles: vec![Role::Validator, Role::Storage, Role::Serving] }
    }
}

/// `[api]`: the HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Where it listens; port 0 picks a free one. `DATANET_API_LISTEN`.
    pub listen: SocketAddr,
    /// Host names and addresses, besides loopback and those listened on, by which callers may address it.
    /// `DATANET_API_ALLOWED_HOSTS`.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages, besides the node's own, that may call it: `scheme://host[:port]`.
    /// `DATANET_API_ALLOWED_ORIGINS`.
    pub allowed_origins: Vec<String>,
    /// The account on this node that pays for the answers of callers who name nobody; empty for none.
    /// `DATANET_API_PAYER`.
    pub payer: String,
    /// The largest contribution in bytes. `DATANET_API_MAX_UPLOAD_BYTES`.
    pub max_upload_bytes: u64,
    /// The largest body of any other request, in bytes. `DATANET_API_MAX_BODY_BYTES`.
    pub max_body_bytes: u64,
    /// How many requests are served at once; more get 429. `DATANET_API_MAX_REQUESTS`.
    pub max_requests: u32,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 26680)),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            payer: String::new(),
            max_upload_bytes: 4 * 1024 * 1024 * 1024,
            max_body_bytes: 4 * 1024 * 1024,
            max_requests: 256,
        }
    }
}

/// `[public]`: the interface for strangers, who pay for their answers by vouchers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PublicConfig {
    /// Where it listens, `address:port`; empty for nowhere. `DATANET_PUBLIC_LISTEN`.
    pub listen: String,
    /// Host names and addresses, besides loopback and those listened on, by which callers may address it.
    /// `DATANET_PUBLIC_ALLOWED_HOSTS`.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages whose scripts may call it. `DATANET_PUBLIC_ALLOWED_ORIGINS`.
    pub allowed_origins: Vec<String>,
    /// Where callers find it, `https://…`; empty for the host that they write, by plain HTTP. `DATANET_PUBLIC_URL`.
    pub url: String,
    /// The account that takes transfers for single answers, and buys them on its own channel with this node; empty for none.
    /// `DATANET_PUBLIC_TILL`.
    pub till: String,
    /// Addresses of proxies in front of it, whose word on where a caller is counts. `DATANET_PUBLIC_TRUSTED_PROXIES`.
    pub trusted_proxies: Vec<IpAddr>,
    /// Connections at once. `DATANET_PUBLIC_MAX_CONNECTIONS`.
    pub max_connections: u32,
    /// Connections at once of one address, or of one /64 of IPv6; a proxy's are not counted. `DATANET_PUBLIC_MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: u32,
    /// Requests answered at once. `DATANET_PUBLIC_MAX_REQUESTS`.
    pub max_requests: u32,
    /// Streams sent at once. `DATANET_PUBLIC_MAX_STREAMS`.
    pub max_streams: u32,
    /// The largest body, in bytes. `DATANET_PUBLIC_MAX_BODY_BYTES`.
    pub max_body_bytes: u64,
    /// Seconds in which a request's headers must be there. `DATANET_PUBLIC_HEADER_SECONDS`.
    pub header_seconds: u64,
    /// Seconds in which its body must be there. `DATANET_PUBLIC_BODY_SECONDS`.
    pub body_seconds: u64,
    /// Seconds in which an answer must begin. `DATANET_PUBLIC_REQUEST_SECONDS`.
    pub request_seconds: u64,
    /// Seconds in which an answer must have ended. `DATANET_PUBLIC_ANSWER_SECONDS`.
    pub answer_seconds: u64,
    /// How much one address may ask for in a minute, counted in views; other routes count for several. `DATANET_PUBLIC_REQUESTS_PER_MINUTE`.
    pub requests_per_minute: u32,
    /// How many answers one payer may ask for in a minute. `DATANET_PUBLIC_ANSWERS_PER_MINUTE`.
    pub answers_per_minute: u32,
    /// The file of hashes that are not given out; empty for `denied` in the node's home. `DATANET_PUBLIC_DENY_FILE`.
    pub deny_file: PathBuf,
}

impl PublicConfig {
    /// Where it listens, if anywhere. The configuration has been checked.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

impl Default for PublicConfig {
    fn default() -> Self {
        Self {
            listen: String::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            url: String::new(),
            till: String::new(),
            trusted_proxies: Vec::new(),
            max_connections: 1024,
            max_connections_per_address: 32,
            max_requests: 64,
            max_streams: 64,
            max_body_bytes: 256 * 1024,
            header_seconds: 10,
            body_seconds: 20,
            request_seconds: 120,
            answer_seconds: 600,
            requests_per_minute: 240,
            answers_per_minute: 120,
            deny_file: PathBuf::new(),
        }
    }
}

/// `[p2p]`: gossip and blobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Where libp2p listens, as multiaddresses; port 0 picks a free one. `DATANET_P2P_LISTEN`, separated by commas.
    pub listen: Vec<String>,
    /// Where iroh's blob endpoint listens (UDP); port 0 picks a free one. `DATANET_P2P_BLOB_BIND`.
    pub blob_bind: SocketAddr,
    /// Hosts by which others dial this node, IP addresses or names, on the ports listened on; empty for those of its
    /// interfaces. `DATANET_P2P_ANNOUNCE`, separated by commas.
    pub announce: Vec<String>,
    /// Peers to join through: multiaddresses that end in `/p2p/PEER_ID`. `DATANET_P2P_BOOTSTRAP`.
    pub bootstrap: Vec<String>,
    /// How many connections are kept at most. `DATANET_P2P_MAX_CONNECTIONS`.
    pub max_connections: u32,
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned(), "/ip4/127.0.0.1/tcp/0".to_owned()],
            blob_bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            announce: Vec::new(),
            bootstrap: Vec::new(),
            max_connections: 128,
        }
    }
}

/// Who orders transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// A supervised CometBFT: a network of validators.
    Cometbft,
    /// This process alone, for a first look and for development.
    Solo,
}

/// The pace of the chain. All validators of a network use the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Nodes on one machine: short rests, peers on loopback allowed.
    Local,
    /// Machines apart.
    Production,
}

/// `[consensus]`: the order of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsensusConfig {
    /// Who orders. `DATANET_CONSENSUS_ENGINE`.
    pub engine: Engine,
    /// The pace. `DATANET_CONSENSUS_PROFILE`.
    pub profile: Profile,
    /// Where CometBFT's peers connect; port 0 picks a free one. `DATANET_CONSENSUS_P2P_LISTEN`.
    pub p2p_listen: SocketAddr,
    /// The address that CometBFT's peers are told, `host:port`; empty for the one listened on.
    /// `DATANET_CONSENSUS_EXTERNAL_ADDRESS`.
    pub external_address: String,
    /// CometBFT peers to stay connected to: `id@host:port`. `DATANET_CONSENSUS_PERSISTENT_PEERS`.
    pub persistent_peers: Vec<String>,
    /// The rest after each block in milliseconds; 0 for the profile's own. `DATANET_CONSENSUS_BLOCK_INTERVAL_MS`.
    pub block_interval_ms: u64,
    /// An idle chain makes an empty block after so many milliseconds; 0 for the profile's own.
    /// `DATANET_CONSENSUS_EMPTY_BLOCK_INTERVAL_MS`.
    pub empty_block_interval_ms: u64,
}

impl Default for ConsensusConfig {
    fn default() -> Self {
        Self {
            engine: Engine::Cometbft,
            profile: Profile::Production,
            p2p_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 26656)),
            external_address: String::new(),
            persistent_peers: Vec::new(),
            block_interval_ms: 0,
            empty_block_interval_ms: 0,
        }
    }
}

/// `[ledger]`: what of the chain is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LedgerConfig {
    /// How many of the last blocks CometBFT keeps; 0 for all. `DATANET_LEDGER_KEEP_BLOCKS`.
    pub keep_blocks: u64,
    /// Version of the rules that this program acts as if it knew, to rehearse an upgrade; 0 for what it knows. `DATANET_LEDGER_REHEARSE`.
    pub rehearse: u64,
}

impl LedgerConfig {
    /// Fewest blocks that may be kept, if not all: three and a half days at two blocks a second. Evidence of a double signing is good for
    /// 100,000 blocks and two days, and stake takes three days to come home: until then the blocks must be there to be looked at.
    pub const LEAST_BLOCKS: u64 = 600_000;
}

/// `[inference]`: running models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// `cpu` or `cuda:N`. `DATANET_INFERENCE_DEVICE`.
    pub device: String,
    /// Threads for one model; 0 for one per core, at most 2. `DATANET_INFERENCE_THREADS`.
    pub threads: u32,
    /// The most tokens in one batch, padding included; 0 for what suits the device. `DATANET_INFERENCE_MAX_BATCH_TOKENS`.
    pub max_batch_tokens: u32,
    /// How many texts may wait, and the most in one request; more get 429. `DATANET_INFERENCE_QUEUE_DEPTH`.
    pub queue_depth: u32,
    /// The embedding model's folder; empty for the one that setup brings. `DATANET_INFERENCE_MODEL_DIR`.
    pub model_dir: PathBuf,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self { device: "cpu".to_owned(), threads: 0, max_batch_tokens: 0, queue_depth: 4096, model_dir: PathBuf::new() }
    }
}

impl InferenceConfig {
    /// The number of the CUDA device, or `None` for the processor. The value is checked when it is loaded.
    pub fn cuda_device(&self) -> Option<u32> {
        self.device.strip_prefix("cuda:")?.parse().ok()
    }
}

/// Which datanets a node follows: fetches, keeps, indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "write \"all\" or a list of datanet ids")]
pub enum Subscription {
    /// Every one there is.
    All(All),
    /// These, by id.
    Only(Vec<DatanetId>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum All {
    /// `all`.
    All,
}

impl Subscription {
    /// Every datanet there is.
    pub const ALL: Self = Self::All(All::All);

    /// Whether the datanet with this id is followed.
    pub fn includes(&self, id: &DatanetId) -> bool {
        match self {
            Self::All(_) => true,
            Self::Only(ids) => ids.contains(id),
        }
    }
}

/// `[datanets]`: which datanets this node follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatanetsConfig {
    /// `"all"`, or a list of ids. `DATANET_DATANETS_SUBSCRIBE`: `all`, or ids separated by commas.
    pub subscribe: Subscription,
}

impl Default for DatanetsConfig {
    fn default() -> Self {
        Self { subscribe: Subscription::ALL }
    }
}

/// `[judging]`: scoring contributions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JudgingConfig {
    /// Score by itself whenever this node is on a committee. `DATANET_JUDGING_AUTOMATIC`.
    pub automatic: bool,
    /// How many contributions are judged at once. `DATANET_JUDGING_CONCURRENCY`.
    pub concurrency: u32,
    /// Make other nodes' epochs again once they are settled, and challenge those that are false. `DATANET_JUDGING_WATCH_EPOCHS`.
    pub watch_epochs: bool,
}

impl Default for JudgingConfig {
    fn default() -> Self {
        Self { automatic: true, concurrency: 1, watch_epochs: true }
    }
}

/// `[serving]`: answering for pay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServingConfig {
    /// What answers have earned is settled on the ledger after so many seconds; 0 for only on request. What would be
    /// lost otherwise, because its channel is about to expire, is settled at once either way.
    /// `DATANET_SERVING_SETTLE_EVERY_SECONDS`.
    pub settle_every_seconds: u64,
    /// What this node takes for a text that a model writes, in base units, where the ledger asks less. `DATANET_SERVING_TEXT_PRICE`.
    pub text_price: u64,
    /// The same for a thousand tokens of it, beside that. `DATANET_SERVING_TOKEN_PRICE`.
    pub token_price: u64,
    /// Trainings of strangers that may wait or run here at once, each for pay; 0 trains for nobody. `DATANET_SERVING_TRAINING_ORDERS`.
    pub training_orders: u32,
    /// What this node takes for each step of one, in base units, where the ledger asks less. `DATANET_SERVING_TRAINING_PRICE`.
    pub training_price: u64,
    /// The most steps of one. `DATANET_SERVING_TRAINING_STEPS`.
    pub training_steps: u32,
    /// Hours within which one is done, from its order; else it is ended, and costs nothing. Its channel must last as long.
    /// `DATANET_SERVING_TRAINING_HOURS`.
    pub training_hours: u32,
}

impl Default for ServingConfig {
    fn default() -> Self {
        Self {
            settle_every_seconds: 600,
            text_price: 0,
            token_price: 0,
            training_orders: 0,
            training_price: 0,
            training_steps: 10_000,
            training_hours: 12,
        }
    }
}

/// `[training]`: making models from datanets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Whether this node takes fine-tuning jobs. `DATANET_TRAINING_ENABLED`.
    pub enabled: bool,
    /// Threads of a job; 0 for one per core, at most 2. `DATANET_TRAINING_THREADS`.
    pub threads: u32,
    /// A job that needs more memory than this, in MiB, ends; 0 for no bound. `DATANET_TRAINING_MAX_MEMORY_MB`.
    pub max_memory_mb: u64,
    /// How many jobs may wait; more get 429. `DATANET_TRAINING_MAX_QUEUED`.
    pub max_queued: u32,
    /// Folders of ended runs that are kept. `DATANET_TRAINING_KEEP_RUNS`.
    pub keep_runs: u32,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self { enabled: true, threads: 0, max_memory_mb: 8192, max_queued: 64, keep_runs: 8 }
    }
}

/// `[models]`: serving released models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// Folder of base models, one folder each; empty for the one in the node's home. `DATANET_MODELS_FOLDER`.
    pub folder: PathBuf,
    /// Adapters of one base model held in memory at once. `DATANET_MODELS_BANK_SLOTS`.
    pub bank_slots: u32,
    /// The most tokens in one batch, padding included; 0 for what suits the device. `DATANET_MODELS_MAX_BATCH_TOKENS`.
    pub max_batch_tokens: u32,
    /// How many requests may wait for a model; more get 429. `DATANET_MODELS_QUEUE_DEPTH`.
    pub queue_depth: u32,
    /// Texts that a model writes at once. `DATANET_MODELS_MAX_STREAMS`.
    pub max_streams: u32,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self { folder: PathBuf::new(), bank_slots: 32, max_batch_tokens: 0, queue_depth: 1024, max_streams: 16 }
    }
}

/// `[health]`: when this node is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// MiB that must be free on the disk of the node's data; 0 for no bound. `DATANET_HEALTH_MIN_FREE_MB`.
    pub min_free_mb: u64,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { min_free_mb: 512 }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`: what is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// A level or a filter: `info`, `warn,datanet=debug`. `DATANET_LOG_FILTER`.
    pub filter: String,
    /// How lines look. `DATANET_LOG_FORMAT`.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}
