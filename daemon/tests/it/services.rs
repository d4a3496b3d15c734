//! Services without a node: each is built from handles on ledger, network and store, and does what it is for; nobody
//! spawned a node, serves HTTP or works in the background.

use std::sync::Arc;

use bytes::Bytes;
use datanet::answers::Answers;
use datanet::billing::Billing;
use datanet::billing::payment::Payment;
use datanet::billing::purchase::{Admission, Order};
use datanet::billing::reservation::{Asked, Kind};
use datanet::blobs::BlobStore;
use datanet::chain::{Beginning, Chain, Engine};
use datanet::db::LocalStore;
use datanet::embedder::Embedder;
use datanet::error::{Code, ServiceResult};
use datanet::init::{init_home, models_folder, node_secret, own_genesis, own_params, validator_secrets};
use datanet::intake::{Accepted, Announcer, DatanetProposal, Intake, IntakeRequest, PendingUploads};
use datanet::keyring::{AccountKey, Identity, Keyring};
use datanet::models::{Models, ModelsSettings};
use datanet::records::{Holes, Indexes, Providers, ReadOptions, Records};
use datanet::training::{DataChoice, NewJob, Training, TrainingParts};
use datanet_config::{Home, NodeConfig, Subscription, TrainingConfig};
use datanet_data::retrieval::Mode;
use datanet_inference::runtime::Runtime;
use datanet_ledger::LedgerHandle;
use datanet_ledger::component::Params;
use datanet_ledger::component::datanets::Datanet;
use datanet_ledger::solo::{SoloConfig, SoloEngine};
use datanet_p2p::{
    FetchError, FetchRequest, Network, NetworkConfig, NetworkEvent, NetworkHandle, PeerInfo, ProviderError, Share,
};
use datanet_training::job::{Job, Task};
use datanet_types::action::{OpenChannel, RegisterNode, role};
use datanet_types::receipt::AskInput;
use datanet_types::record::Format;
use datanet_types::{Action, BlobHash, ContributionId};
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::corpus::{jsonl, labelled, samples};
use crate::kit::{CHAIN, config, tools_with_model};

/// Base units that an answer costs.
const PRICE: u64 = 1_000;

/// The three handles, and whose they are.
struct Handles {
    chain: Chain,
    network: NetworkHandle,
    db: LocalStore,
    identity: Identity,
    keyring: Keyring,
    home: Home,
    _events: Receiver<NetworkEvent>,
    _stop: DropGuard,
    _dir: TempDir,
}

impl Handles {
    async fn open() -> Self {
        Self::on(own_params()).await
    }

    /// On a chain with these numbers.
    async fn on(params: Params) -> Self {
        let (dir, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let home = Home::new(dir.path());
        let outcome = init_home(&home, &NodeConfig::default()).unwrap();
        let genesis = own_genesis(CHAIN, &outcome, "only", params, 1_800_000_000);
        let ledger = LedgerHandle::open(&home.ledger()).unwrap();
        let solo = SoloConfig::new(CHAIN.to_owned(), serde_json::to_vec(&genesis.app_state).unwrap());
        let engine = SoloEngine::spawn(ledger.clone(), solo, stop.clone()).await.unwrap();
        let secret = node_secret(&home).unwrap();
        let loopback = NetworkConfig::loopback(secret.to_bytes(), home.blobs());
        let (network, events) = Network::spawn(loopback, stop.clone()).await.unwrap();
        let keyring = Keyring::open(&home.keys()).unwrap();
        Self {
            chain: Chain::new(CHAIN.to_owned(), ledger, Engine::Solo(engine.handle()), Beginning::PAST),
            network,
            db: LocalStore::open(&home.local()).unwrap(),
            identity: Identity::new("only", secret, validator_secrets(&home).unwrap(), keyring.clone()),
            keyring,
            home,
            _events: events,
            _stop: stop.drop_guard(),
            _dir: dir,
        }
    }

    fn account(&self) -> AccountKey {
        self.identity.account_key().unwrap()
    }

    fn blobs(&self) -> BlobStore {
        BlobStore::new(self.network.clone(), datanet::init::spool_dir(&self.home))
    }

    fn intake(&self) -> Intake {
        let announcer = Announcer::new(CHAIN.to_owned(), self.network.clone(), self.identity.clone());
        Intake::new(self.chain.clone(), self.blobs(), self.db.clone(), announcer, self.identity.node_key(), 1 << 20)
    }

    fn records(&self, embedder: &Embedder) -> Records {
        let (node, embeddings) = (self.identity.node_key(), datanet::init::embeddings_dir(&self.home));
        Records::new(self.chain.clone(), self.blobs(), embedder.clone(), Providers::default(), node, embeddings)
    }

    fn indexes(&self, embedder: &Embedder) -> Indexes {
        let (records, all) = (self.records(embedder), Subscription::ALL);
        Indexes::new(self.chain.clone(), records, embedder.clone(), Holes::default(), all, self.home.index())
    }

    fn billing(&self) -> Billing {
        let (identity, keyring) = (self.identity.clone(), self.keyring.clone());
        Billing::new(self.chain.clone(), self.blobs(), self.db.clone(), identity, keyring).unwrap()
    }

    fn models(&self, embedder: &Embedder, runtime: Result<Runtime, String>) -> Models {
        let config = config();
        let settings = ModelsSettings {
            folder: models_folder(&self.home, &config.models),
            released: self.home.released(),
            models: config.models,
            inference: config.inference,
            runtime,
        };
        let (db, keyring) = (self.db.clone(), self.keyring.clone());
        Models::new(self.chain.clone(), self.blobs(), db, embedder.clone(), keyring, settings)
    }

    fn training(&self, embedder: &Embedder, runtime: Result<Runtime, String>) -> Training {
        Training::new(TrainingParts {
            chain: self.chain.clone(),
            db: self.db.clone(),
            billing: self.billing(),
            records: self.records(embedder),
            embedder: embedder.clone(),
            models: self.models(embedder, runtime),
            keyring: self.keyring.clone(),
            config: TrainingConfig::default(),
            most_orders: 0,
            runs: self.home.runs(),
        })
    }

    fn answers(&self, embedder: &Embedder) -> Answers {
        Answers {
            chain: self.chain.clone(),
            blobs: self.blobs(),
            records: self.records(embedder),
            indexes: self.indexes(embedder),
            embedder: embedder.clone(),
            models: self.models(embedder, absent_runtime()),
            billing: self.billing(),
            identity: self.identity.clone(),
        }
    }

    /// What a contribution names as its origin must be registered.
    async fn register(&self) {
        let (key, node, params) = (self.account(), self.identity.node_key(), self.chain.params().unwrap());
        let proof = self.identity.secret().sign(&RegisterNode::sign_bytes(CHAIN, &key.address(), &node));
        let roles = role::STORAGE | role::VALIDATOR | role::SERVING;
        let action = RegisterNode {
            node,
            proof,
            roles,
            stake: params.min_stake.max(params.min_storage_stake),
            name: "only".into(),
        };
        self.chain.execute(&key, Action::RegisterNode(action)).await.unwrap();
    }

    /// A datanet on the ledger, opened through an intake of its own.
    async fn datanet(&self) -> Datanet {
        let proposal = DatanetProposal {
            name: "topics".into(),
            description: "for tests".into(),
            schema: labelled(),
            licence: "CC0-1.0".into(),
            price: PRICE,
            token_price: 0,
            step_price: 0,
            accept_threshold: 3_000,
            committee_size: 1,
            storage_quorum: 1,
            min_bond: 100,
            holdout: jsonl(&samples(0, 9)),
        };
        let opened = self.intake().open_datanet(&self.account(), proposal).await.unwrap();
        self.chain.datanet(&opened.id).unwrap()
    }

    /// A channel on which the account pays its own node.
    async fn open_channel(&self) {
        let expires_at = self.chain.block_seconds() + self.chain.params().unwrap().channel_min_seconds + 100;
        let open = OpenChannel { node: self.identity.node_key(), deposit: 10 * PRICE, expires_at, voucher_key: None };
        self.chain.execute(&self.account(), Action::OpenChannel(open)).await.unwrap();
    }

    /// Records on the ledger, waiting to be judged.
    async fn contribute(&self, datanet: &Datanet) -> Accepted {
        self.register().await;
        self.upload(datanet).await.unwrap()
    }

    async fn upload(&self, datanet: &Datanet) -> ServiceResult<Accepted> {
        let intake = self.intake();
        let (key, bond) = (self.account(), None);
        let request = IntakeRequest {
            datanet: datanet.id,
            format: Format::Jsonl,
            key,
            bond,
            idempotency_key: Some("one".into()),
        };
        let mut upload = intake.begin(request).await.unwrap();
        upload.push(Bytes::from(jsonl(&samples(9, 6)))).await.unwrap();
        intake.finish(upload.finish().await.unwrap()).await
    }
}

fn no_model() -> Embedder {
    Embedder::absent("left out of this test".into())
}

fn absent_runtime() -> Result<Runtime, String> {
    Err("left out of this test".into())
}

#[tokio::test]
async fn the_bytes_of_a_contribution_are_given_to_nobody_before_it_is_on_the_ledger() {
    let handles = Handles::open().await;
    let datanet = handles.datanet().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = NetworkConfig::loopback([7; 32], dir.path());
    config.bootstrap = handles.network.listen_addrs();
    let (stranger, _events) = Network::spawn(config, CancellationToken::new()).await.unwrap();
    let node = handles.network.node_key();
    let known = |peers: &Arc<Vec<PeerInfo>>| peers.iter().any(|p| p.node_key == node && !p.blob_addrs.is_empty());
    stranger.watch_peers().wait_for(known).await.unwrap();
    let bytes = jsonl(&samples(9, 6));
    let blob = BlobHash(*blake3::hash(bytes.as_bytes()).as_bytes());
    let fetch = async || {
        stranger.blobs().fetch(FetchRequest::new(blob.0, 1 << 20, &[node], Share::OWN)).await.map(|held| held.size())
    };
    let is_withheld = |fetched| match fetched {
        Err(FetchError::AllFailed(why)) => matches!(why[..], [(_, ProviderError::NotFound)]),
        _ => false,
    };
    // Its transaction has been in a block, for all to read, but did nothing there: nobody runs a judge.
    let refused = handles.upload(&datanet).await.unwrap_err();
    assert!(refused.detail.contains("no validator is registered"), "{refused}");
    assert!(is_withheld(fetch().await));
    // On its way for the second time: what is not on the ledger is not published by looking there.
    let pending = PendingUploads::new(handles.chain.clone(), handles.blobs());
    let id = ContributionId::derive(CHAIN, &datanet.id, &handles.account().address(), &blob, 0);
    pending.keep(&id, &blob).await.unwrap();
    pending.publish_given().await.unwrap();
    assert!(is_withheld(fetch().await));
    let accepted = handles.contribute(&datanet).await;
    assert_eq!(accepted.id, id);
    assert_eq!(fetch().await.unwrap(), bytes.len() as u64);
    stranger.shutdown().await;
}

#[tokio::test]
async fn what_intake_takes_in_records_read() {
    let handles = Handles::open().await;
    let datanet = handles.datanet().await;
    let accepted = handles.contribute(&datanet).await;
    let (contribution, _) = handles.chain.contribution_and_datanet(&accepted.id).unwrap();
    let records = handles.records(&no_model());
    let page = ReadOptions::Page { offset: 0, limit: 10 };
    let batch = records.read(&contribution, &datanet, page).await.map_err(datanet::error::ServiceError::from).unwrap();
    let given: Vec<String> = samples(9, 6).into_iter().map(|(text, _)| text).collect();
    let read: Vec<&str> = batch.records.iter().map(|(_, record)| record.text()).collect();
    assert_eq!(read, given);
    assert_eq!(records.held_out_records(&datanet, 0).await.unwrap().len(), 9);
    assert!(records.providers_of(&contribution).unwrap().is_empty(), "this node is nobody to fetch from");
}

#[tokio::test]
async fn a_holder_refuses_what_nobody_else_could_fetch() {
    let handles = Handles::open().await;
    let datanet = handles.datanet().await;
    let accepted = handles.contribute(&datanet).await;
    let (contribution, _) = handles.chain.contribution_and_datanet(&accepted.id).unwrap();
    let (blobs, blob, size) = (handles.blobs(), contribution.blob, contribution.size);
    blobs.bring(&blob, Some(size), size, &[]).await.unwrap();
    for (expected, limit, why) in [(Some(size + 1), size + 1, "announced"), (None, size - 1, "limit")] {
        let refused = blobs.bring(&blob, expected, limit, &[]).await.err().unwrap();
        assert_eq!(refused.code, Code::BlobUnavailable);
        assert!(refused.detail.contains(why), "{}", refused.detail);
    }
}

#[tokio::test]
async fn billing_admits_what_is_free_and_refuses_what_is_not_paid_for() {
    let handles = Handles::open().await;
    let (billing, account) = (handles.billing(), handles.account());
    let order = |payment, price: u64| Order {
        payment,
        asked: Asked::of(Kind::Ask, &[1; 32], b"how long do lentils take?"),
        price: price.into(),
    };
    let free = billing.reserve(order(Payment::none(), 0)).await.unwrap();
    assert!(matches!(free, Admission::Charge(held) if !held.is_paid()));
    let unpaid = billing.reserve(order(Payment::none(), PRICE)).await.err().unwrap();
    assert_eq!(unpaid.code, Code::PaymentRequired);
    let by_account = || billing.payment(None, Some("node".into())).unwrap();
    let no_channel = billing.reserve(order(by_account(), PRICE)).await.err().unwrap();
    assert_eq!(no_channel.code, Code::NoChannel);
    handles.register().await;
    handles.open_channel().await;
    let admitted = billing.reserve(order(by_account(), PRICE)).await.unwrap();
    assert!(matches!(&admitted, Admission::Charge(held) if held.is_paid()));
    let too_much = billing.reserve(order(by_account(), 10 * PRICE)).await.err().unwrap();
    assert_eq!(too_much.code, Code::ChannelExhausted, "a price is spoken for until it is charged or dropped");
    drop(admitted);
    billing.reserve(order(by_account(), 10 * PRICE)).await.unwrap();
    let earnings = billing.earnings(&account.address()).await.unwrap();
    assert_eq!((earnings.earned, earnings.claimable, earnings.missing.len()), (0, 0, 0));
    assert!(billing.settle().await.unwrap().is_none(), "nothing has accrued");
}

/// Whatever is asked at once: no more is sold than the stake answers for.
#[tokio::test]
async fn no_answer_is_sold_that_the_stake_does_not_cover() {
    let handles = Handles::on(Params {
        challenge_seconds: 3_600,
        min_stake: 6 * PRICE,
        min_storage_stake: 6 * PRICE,
        ..Params::default()
    })
    .await;
    let billing = handles.billing();
    handles.register().await;
    handles.open_channel().await;
    let order = |payment, price: u64| Order {
        payment,
        asked: Asked::of(Kind::Ask, &[1; 32], b"how long do lentils take?"),
        price: price.into(),
    };
    let by_account = || billing.payment(None, Some("node".into())).unwrap();
    let two = futures::future::join_all((0..2).map(|_| billing.reserve(order(by_account(), PRICE)))).await;
    let many = futures::future::join_all((0..20).map(|_| billing.reserve(order(by_account(), PRICE)))).await;
    let sold = two.iter().chain(&many).filter(|admitted| admitted.is_ok()).count();
    assert_eq!(sold, 3, "half of the stake, whoever asks at once");
    let codes: Vec<_> = many.iter().filter_map(|admitted| admitted.as_ref().err()).map(|error| error.code).collect();
    assert!(codes.iter().all(|code| *code == Code::Unsettled), "{codes:?}");
    let refused = many.iter().find_map(|admitted| admitted.as_ref().err()).unwrap();
    assert!(refused.detail.contains("datanet stake AMOUNT"), "{}", refused.detail);
    assert_eq!(billing.least_stake().unwrap(), 6 * PRICE);
    drop((two, many));
    assert_eq!(billing.least_stake().unwrap(), 0, "what was not answered is nobody's");
    billing.reserve(order(by_account(), PRICE)).await.unwrap();
}

#[tokio::test]
async fn without_a_model_services_are_built_and_say_what_they_lack() {
    let handles = Handles::open().await;
    let datanet = handles.datanet().await;
    let models = handles.models(&no_model(), absent_runtime());
    assert!(models.bases().await.unwrap().is_empty());
    assert_eq!(models.runtime().unwrap_err().code, Code::NoRuntime);
    let training = handles.training(&no_model(), absent_runtime());
    assert_eq!(training.create_job(job("minilm", &datanet)).await.unwrap_err().code, Code::NoRuntime);
    assert!(training.jobs().unwrap().is_empty(), "what was refused is not kept");
    assert_eq!(handles.indexes(&no_model()).open(&datanet.id).await.err().unwrap().code, Code::NoModel);
    let answers = handles.answers(&no_model());
    let unpaid = answers.ask(&datanet, question(), Payment::none()).await.unwrap_err();
    assert_eq!(unpaid.code, Code::PaymentRequired);
    handles.register().await;
    handles.open_channel().await;
    let by_account = answers.billing.payment(None, Some("node".into())).unwrap();
    assert_eq!(answers.ask(&datanet, question(), by_account).await.unwrap_err().code, Code::NoModel);
}

#[tokio::test]
async fn with_a_model_indexes_fill_answers_are_receipted_and_jobs_are_checked() {
    let Some(tools) = tools_with_model().await else { return };
    let (dylib, folder) = tools.model.unwrap();
    let inference = config().inference;
    let loaded = {
        let dylib = dylib.clone();
        tokio::task::spawn_blocking(move || Embedder::load(&inference, folder, dylib)).await.unwrap()
    };
    let handles = Handles::open().await;
    let datanet = handles.datanet().await;
    let accepted = handles.contribute(&datanet).await;
    let (contribution, _) = handles.chain.contribution_and_datanet(&accepted.id).unwrap();

    let indexes = handles.indexes(&loaded);
    indexes.add(&contribution, &datanet).await.unwrap();
    assert!(indexes.open(&datanet.id).await.unwrap().contains(&accepted.id));
    let found = indexes.search("lentils", Some(datanet.id), Mode::Hybrid, 3).await.unwrap();
    assert!(found.is_empty(), "what nobody has judged is not found");
    drop(indexes);

    let answers = handles.answers(&loaded);
    handles.open_channel().await;
    let by_account = answers.billing.payment(None, Some("node".into())).unwrap();
    let answered = answers.ask(&datanet, question(), by_account).await.unwrap();
    assert!(answered.quotes.is_empty(), "nothing is final, so nothing is quoted");
    assert_eq!(answered.record.receipt.fee, 0, "what finds nothing costs nothing");
    let receipt = answered.record.id();
    assert_eq!(answers.answer_record(&receipt).await.unwrap(), answered.record);

    let runtime = Runtime::init(&dylib).map_err(|error| error.to_string());
    let training = handles.training(&loaded, runtime.clone());
    let models = handles.models(&loaded, runtime);
    let base = models.bases().await.unwrap().into_iter().next().expect("the embedding model");
    let nothing_final = training.create_job(job(&base.name, &datanet)).await.unwrap_err();
    assert_eq!(nothing_final.code, Code::NoData, "{nothing_final}");
}

fn question() -> AskInput {
    AskInput { text: "how long do lentils take?".into(), ..AskInput::default() }
}

fn job(base: &str, datanet: &Datanet) -> NewJob {
    NewJob {
        job: Job::new(base, Task::Classify),
        datanets: vec![DataChoice { datanet: datanet.name.clone(), count: None }],
        suffix: None,
        metadata: Default::default(),
        account: "node".into(),
        licence: None,
    }
}
