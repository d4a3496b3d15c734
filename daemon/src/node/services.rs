//! Puts the services together: each gets the handles that it needs and no more.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use datanet_config::{Home, NodeConfig, Role};
use datanet_inference::runtime::Runtime;
use datanet_p2p::NetworkHandle;
use datanet_types::rate::Rate;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::answers::Answers;
use crate::audits::Audits;
use crate::authority::Authority;
use crate::billing::Billing;
use crate::blobs::BlobStore;
use crate::chain::Chain;
use crate::db::LocalStore;
use crate::embedder::Embedder;
use crate::http::{Metrics, Services};
use crate::init;
use crate::intake::{Announcer, Intake};
use crate::keyring::{Identity, Keyring};
use crate::models::{Models, ModelsSettings};
use crate::records::{Holes, Indexes, Providers, Records};
use crate::sales::Sales;
use crate::status::StatusService;
use crate::status::readiness::{Readiness, ReadinessParts};
use crate::tokens::Tokens;
use crate::training::{Training, TrainingParts};
use crate::trainings::{Trainings, TrainingsParts};
use crate::workers::contributions::{Progress, SeenRecords, Steps};
use crate::x402::X402;

/// What is there before the services.
pub(super) struct Ground {
    pub home: Home,
    pub config: NodeConfig,
    pub secret: datanet_types::SigningKey,
    pub chain: Chain,
    pub network: NetworkHandle,
    pub embedder: Embedder,
    pub runtime: Result<Runtime, String>,
    pub shutdown: CancellationToken,
}

/// The services, and what only the node's own tasks need beside them.
pub(super) struct Composed {
    pub services: Services,
    pub steps: Steps,
    pub providers: Providers,
    pub progress: watch::Sender<Progress>,
}

/// Composes the services over `ground`.
pub(super) fn compose(ground: Ground) -> Result<Composed> {
    let Ground { home, config, secret, chain, network, embedder, runtime, shutdown } = ground;
    let keyring = Keyring::open(&home.keys())?;
    let identity = Identity::new(&config.node.name, secret, init::validator_secrets(&home)?, keyring.clone());
    let node = identity.node_key();
    let db = LocalStore::open(&home.local())?;
    let tokens = Tokens::open(db.clone())?;
    let blobs = BlobStore::new(network.clone(), init::spool_dir(&home));
    let providers = Providers::default();
    let embeddings = init::embeddings_dir(&home);
    let records = Records::new(chain.clone(), blobs.clone(), embedder.clone(), providers.clone(), node, embeddings);
    let followed = config.datanets.subscribe.clone();
    let holes = Holes::default();
    let indexes = Indexes::new(chain.clone(), records.clone(), embedder.clone(), holes.clone(), followed, home.index());
    let announcer = Announcer::new(chain.id().to_owned(), network.clone(), identity.clone());
    let intake = Intake::new(chain.clone(), blobs.clone(), db.clone(), announcer, node, config.api.max_upload_bytes);
    let billing = Billing::new(chain.clone(), blobs.clone(), db.clone(), identity.clone(), keyring.clone())?
        .paid_by(&config.api.payer)
        .with_till(&config.public.till)
        .at_rate(Rate {
            answer: config.serving.text_price,
            thousand: config.serving.token_price,
            step: config.serving.training_price,
        });
    let settings = ModelsSettings {
        folder: init::models_folder(&home, &config.models),
        released: home.released(),
        models: config.models.clone(),
        inference: config.inference.clone(),
        runtime,
    };
    let models = Models::new(chain.clone(), blobs.clone(), db.clone(), embedder.clone(), keyring.clone(), settings);
    let training = Training::new(TrainingParts {
        chain: chain.clone(),
        db: db.clone(),
        billing: billing.clone(),
        records: records.clone(),
        embedder: embedder.clone(),
        models: models.clone(),
        keyring: keyring.clone(),
        config: config.training.clone(),
        most_orders: config.serving.training_orders,
        runs: home.runs(),
    });
    let trainings = Trainings::new(TrainingsParts {
        chain: chain.clone(),
        db: db.clone(),
        blobs: blobs.clone(),
        billing: billing.clone(),
        records: records.clone(),
        models: models.clone(),
        training: training.clone(),
        config: config.serving.clone(),
    });
    let answers = Answers {
        chain: chain.clone(),
        blobs: blobs.clone(),
        records: records.clone(),
        indexes: indexes.clone(),
        embedder: embedder.clone(),
        models: models.clone(),
        billing: billing.clone(),
        identity: identity.clone(),
    };
    let audits = Audits { chain: chain.clone(), billing: billing.clone(), answers: answers.clone() };
    let sales = Sales::new(chain.clone(), blobs.clone(), billing.clone(), identity.clone());
    let x402 = X402::new(chain.clone(), billing.clone(), identity.clone(), models.clone(), &config.public.url)
        .with_sales(sales.clone());
    let (progress, progress_receiver) = watch::channel(Progress::default());
    let roles = &config.node.roles;
    let readiness = Readiness::new(ReadinessParts {
        chain: chain.clone(),
        network: network.clone(),
        node,
        embedder: embedder.clone(),
        needs_model: roles.contains(&Role::Serving) || (roles.contains(&Role::Validator) && config.judging.automatic),
        progress: progress_receiver,
        empty_block_interval: super::spawn::empty_block_interval(&config.consensus),
        data: home.data(),
        min_free: config.health.min_free_mb.saturating_mul(1024 * 1024),
        shutdown: shutdown.clone(),
    });
    let status = StatusService {
        name: config.node.name.clone(),
        chain: chain.clone(),
        network: network.clone(),
        identity: identity.clone(),
        blobs: blobs.clone(),
        embedder: embedder.clone(),
        models: models.clone(),
        training: training.clone(),
        readiness,
        started: Instant::now(),
    };
    let steps = Steps {
        chain: chain.clone(),
        blobs: blobs.clone(),
        db,
        identity: identity.clone(),
        embedder: embedder.clone(),
        records: records.clone(),
        indexes: indexes.clone(),
        seen: SeenRecords::default(),
        holes,
    };
    let services = Services {
        chain: chain.clone(),
        blobs,
        network,
        identity,
        authority: Authority::new(chain, keyring.clone()),
        tokens,
        metrics: Arc::new(Metrics::new()),
        keyring,
        embedder,
        records,
        indexes,
        intake,
        billing,
        models,
        training,
        trainings,
        answers,
        audits,
        x402,
        sales,
        status,
        shutdown,
    };
    Ok(Composed { services, steps, providers, progress })
}
