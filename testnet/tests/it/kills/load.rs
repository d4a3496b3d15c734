//! People who move money and give data, at whichever node answers; and what must have come of it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use datanet_config::Home;
use datanet_ledger::LedgerHandle;
use datanet_ledger::component::accounts;
use datanet_testnet::api::Client;
use datanet_testnet::network::Network;
use datanet_types::action::{Contribute, CreateDatanet, Transfer};
use datanet_types::amount::DNT;
use datanet_types::schema::Schema;
use datanet_types::tx::{TxHash, tx_hash};
use datanet_types::{Action, Address, BlobHash, DatanetId, Digest, NodeKey, SigningKey, TxBody};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::checks::InBlock;
use crate::scene::{self, until};

/// Who pay, and who are paid.
const PAYERS: u8 = 8;
/// Opens the datanet and contributes.
const CONTRIBUTOR: u8 = 100;
/// What each payer and the contributor begin with.
const MONEY: u64 = 2_000 * DNT;
const FEE: u64 = 1_000;
/// The most that one may cost, and take.
const MOST: u64 = 20_000;
const GAS: u64 = 4_000_000;
/// Blocks in which a transaction has to be taken in.
const TTL: u64 = 300;
/// Between two transactions.
const PACE: Duration = Duration::from_millis(60);
/// Every so many transactions are a contribution, and so many are sent to another node once more.
const CONTRIBUTION: u64 = 10;
const AGAIN: u64 = 4;
/// Transactions that are younger than that many later ones are not asked for.
const YOUNG: usize = 20;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn payee(n: u8) -> Address {
    Address([n; 20])
}

/// The people at work.
pub struct Load {
    stop: CancellationToken,
    work: JoinHandle<Result<Done>>,
}

/// What they have sent, and seen.
#[derive(Default)]
pub struct Done {
    /// What each transaction moved, and to whom; nothing for a contribution.
    sent: BTreeMap<TxHash, Option<(u8, u8, u64)>>,
    /// In which block a node said that a transaction is.
    seen: BTreeMap<TxHash, u64>,
    repeated: usize,
    supply: u64,
}

struct Worker {
    clients: Vec<Client>,
    chain: String,
    origin: NodeKey,
    dice: StdRng,
    nonce: u64,
    /// Sent and not yet seen in a block, oldest first.
    open: VecDeque<TxHash>,
    done: Done,
}

impl Load {
    /// Gives people money and has them begin.
    pub async fn begin(network: &Network, seed: u64) -> Result<Self> {
        let clients = network.clients()?;
        let first = scene::node(network, 0)?;
        for n in (1..=PAYERS).chain([CONTRIBUTOR]) {
            first.transfer("node", &key(n).address().to_string(), MONEY).await?;
        }
        let datanet = Action::CreateDatanet(create_datanet());
        scene::ledger::done(&first, network.chain_id(), &key(CONTRIBUTOR), datanet).await?;
        let home = Home::new(network.nodes().first().context("no nodes")?.home());
        let mut worker = Worker {
            clients,
            chain: network.chain_id().to_owned(),
            origin: datanet::init::describe(&home)?.node_key,
            dice: StdRng::seed_from_u64(seed ^ u64::MAX),
            nonce: 0,
            open: VecDeque::new(),
            done: Done { supply: first.supply().await?, ..Done::default() },
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let work = tokio::spawn(async move {
            let mut pace = tokio::time::interval(PACE);
            while !stopped.is_cancelled() {
                pace.tick().await;
                // A node that is away is nobody's fault here.
                let _ = worker.one().await;
            }
            Ok(worker.done)
        });
        Ok(Self { stop, work })
    }

    /// Has them stop, and waits until no transaction waits for a block any more.
    pub async fn end(self, network: &Network) -> Result<Done> {
        self.stop.cancel();
        let done = self.work.await??;
        until("nothing waits for a block", async || {
            for node in network.nodes() {
                let waiting = scene::comet::call(node.home(), "num_unconfirmed_txs", json!({})).await?;
                if waiting["total"] != "0" {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await?;
        Ok(done)
    }
}

impl Worker {
    /// Sends a transaction, perhaps once more, and asks for an older one.
    async fn one(&mut self) -> Result<()> {
        let client = self.any();
        let expiry = client.status().await?.height + TTL;
        self.nonce += 1;
        let (key, action, moved) = self.next();
        let account = key.address();
        let action = Some(action);
        let (chain_id, nonce, gas_limit) = (self.chain.clone(), self.nonce, GAS);
        let body = TxBody { chain_id, expiry, fee: MOST, nonce, account, gas_limit, tip: 0, action };
        let bytes = Bytes::from(body.sign(&key).to_bytes());
        let hash = tx_hash(&bytes);
        // Before it is sent: a node may die between taking it and saying so.
        self.done.sent.insert(hash, moved);
        let tx = json!({ "tx": BASE64.encode(&bytes) });
        let _: Value = client.post("/v1/tx", &tx).await?;
        self.open.push_back(hash);
        if self.nonce.is_multiple_of(AGAIN) && self.any().post::<Value>("/v1/tx", &tx).await.is_err() {
            self.done.repeated += 1;
        }
        self.look().await
    }

    fn any(&mut self) -> Client {
        let at = self.dice.random_range(0..self.clients.len());
        self.clients[at].clone()
    }

    fn next(&mut self) -> (SigningKey, Action, Option<(u8, u8, u64)>) {
        if self.nonce.is_multiple_of(CONTRIBUTION) {
            let blob: [u8; 32] = self.dice.random();
            return (key(CONTRIBUTOR), Action::Contribute(contribute(&self.chain, blob, self.origin)), None);
        }
        let (from, to) = (self.dice.random_range(1..=PAYERS), self.dice.random_range(1..=PAYERS));
        let amount = self.dice.random_range(1..1_000);
        (key(from), Action::Transfer(Transfer { to: payee(to), amount }), Some((from, to, amount)))
    }

    /// Asks any node for the oldest transaction that nobody has seen in a block.
    async fn look(&mut self) -> Result<()> {
        if self.open.len() <= YOUNG {
            return Ok(());
        }
        let (client, Some(hash)) = (self.any(), self.open.pop_front()) else { return Ok(()) };
        if let Ok(tx) = client.get::<Value>(&format!("/v1/tx/{hash}")).await {
            self.done.seen.insert(hash, tx["height"].as_u64().context("no height")?);
        } else {
            self.open.push_back(hash);
        }
        Ok(())
    }
}

impl Done {
    /// How many were sent once more and refused.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// Every transaction that a node has said to be in a block is there.
    pub fn is_in(&self, committed: &BTreeMap<TxHash, InBlock>) -> Result<()> {
        ensure!(!self.seen.is_empty(), "no transaction was seen in a block");
        for (hash, height) in &self.seen {
            let there = committed.get(hash).with_context(|| format!("{hash} was in block {height} and is lost"))?;
            ensure!(there.height == *height, "{hash} was in block {height} and is in {}", there.height);
        }
        for (hash, moved) in &self.sent {
            if let (Some(_), Some(InBlock { height, code: code @ 1.. })) = (moved, committed.get(hash)) {
                bail!("transfer {hash} failed in block {height} with code {code}");
            }
        }
        Ok(())
    }

    /// On every node everybody has what the transactions in its blocks have left, and all the money is there. The network is down.
    pub fn is_paid(&self, network: &Network) -> Result<()> {
        for node in network.nodes() {
            let ledger = LedgerHandle::open(&Home::new(node.home()).ledger())?;
            let state = ledger.reader();
            let (mut spent, mut earned) = ([0; PAYERS as usize + 1], [0; PAYERS as usize + 1]);
            for (hash, moved) in &self.sent {
                if let (Some((from, to, amount)), Some(_)) = (moved, ledger.tx_result(hash)?) {
                    spent[usize::from(*from)] += amount + FEE;
                    earned[usize::from(*to)] += amount;
                }
            }
            for n in 1..=PAYERS {
                let [has, got] = [key(n).address(), payee(n)].map(|who| accounts::balance(&state, who));
                ensure!(has? == MONEY - spent[usize::from(n)], "payer {n} has another sum at {}", node.name());
                ensure!(got? == earned[usize::from(n)], "payee {n} has another sum at {}", node.name());
            }
            let (all, minted) = (accounts::count_supply(&state)?, accounts::supply(&state)?);
            ensure!(
                all == u128::from(minted) && minted == self.supply,
                "{}: {all} of {minted}, once {}",
                node.name(),
                self.supply
            );
        }
        Ok(())
    }
}

const NAME: &str = "kills";

fn create_datanet() -> CreateDatanet {
    CreateDatanet {
        name: NAME.to_owned(),
        description: "what nobody has the bytes of".to_owned(),
        schema: Schema::text_and_label(&["a", "b"]),
        licence: "CC0-1.0".to_owned(),
        price: 1_000,
        accept_threshold: 6_000,
        committee_size: 3,
        storage_quorum: 1,
        holdout: BlobHash([9; 32]),
        holdout_size: 100,
        min_bond: DNT,
        token_price: 0,
        step_price: 0,
    }
}

fn contribute(chain: &str, blob: [u8; 32], origin: NodeKey) -> Contribute {
    Contribute {
        datanet: DatanetId::derive(chain, &key(CONTRIBUTOR).address(), NAME),
        blob: BlobHash(blob),
        size: 1_000,
        format: 0,
        records: 10,
        record_root: Digest(blob),
        bond: DNT,
        origin,
        attempt: 0,
    }
}
