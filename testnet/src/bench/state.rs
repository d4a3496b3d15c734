//! The ledger alone: blocks of transfers through FinalizeBlock and Commit, against a bare tree in the same database with as
//! many updates.

use std::time::Instant;

use anyhow::{Result, ensure};
use bytes::Bytes;
use datanet_baselines::tree::{BareTree, Updates};
use datanet_ledger::LedgerHandle;
use datanet_ledger::app::{Block, InitChain};
use datanet_ledger::component::{Genesis, GenesisAccount, Params};
use datanet_ledger::store::CACHE_BYTES;
use datanet_types::action::Transfer;
use datanet_types::tx::{MAX_TTL, TxBody};
use datanet_types::{Action, SigningKey};
use jmt::KeyHash;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sha2::Sha256;

use super::{Measure, median, nobody};
use crate::ui::Ui;

/// The ratio to reach.
const GOAL: f64 = 0.9;
/// The largest state may be slower than the smallest by this factor.
const FLAT: f64 = 0.5;
const CHAIN: &str = "bench";
const FEE: u64 = 1_500;
const GAS: u64 = 300_000;
/// Base units of each account.
const BALANCE: u64 = 1_000_000_000;
/// Blocks before the clock counts.
const WARM: usize = 2;

/// What to measure.
#[derive(Debug, Clone)]
pub struct StateBench {
    /// Transfers a block, each between two other accounts.
    pub transfers: usize,
    /// Blocks of each size.
    pub blocks: usize,
    /// Accounts, of each size.
    pub accounts: Vec<usize>,
}

/// Measures.
///
/// # Errors
/// When the ledger or the tree fails, or there are fewer accounts than a block has parties.
pub async fn run(bench: &StateBench, json: bool) -> Result<Vec<Measure>> {
    let ui = Ui::new(json);
    let mut measures = Vec::new();
    for &accounts in &bench.accounts {
        let step = ui.step(format!("blocks of {} transfers among {accounts} accounts", bench.transfers));
        let of = bench.clone();
        let (ours, bare) = tokio::task::spawn_blocking(move || both(&of, accounts)).await??;
        step.done(format!("{:.0} transfers/s", ours));
        let what = format!("transfers executed and committed, {accounts} accounts");
        measures.push(Measure::rate(&what, "1/s", ours, bare, "bare jmt + redb, as many updates", GOAL));
    }
    if let (Some(first), Some(last)) = (measures.first(), measures.last())
        && bench.accounts.len() > 1
    {
        let (smallest, largest) = (first.ours, last.ours);
        measures.push(Measure::rate("the largest state", "1/s", largest, smallest, "the smallest state", FLAT));
    }
    Ok(measures)
}

/// Transfers a second of both sides, block by block in turn.
fn both(bench: &StateBench, accounts: usize) -> Result<(f64, f64)> {
    ensure!(accounts >= 2 * bench.transfers, "{accounts} accounts are too few for {} transfers", bench.transfers);
    let folder = tempfile::tempdir()?;
    let mut chain = Chain::start(folder.path(), accounts, bench.transfers)?;
    let mut bare = BareTree::create(&folder.path().join("bare.redb"), CACHE_BYTES)?;
    let mut dice = StdRng::seed_from_u64(accounts as u64);
    bare.commit((0..accounts).map(|at| (key(at), vec![0; 32])).collect())?;
    let (mut ours, mut peer) = (Vec::new(), Vec::new());
    for block in 0..WARM + bench.blocks {
        let ours_took = chain.block(&mut dice)?;
        let updates = updates(block, accounts, bench.transfers, &mut dice);
        let began = Instant::now();
        bare.commit(updates)?;
        let peer_took = began.elapsed().as_secs_f64();
        if block >= WARM {
            ours.push(bench.transfers as f64 / ours_took);
            peer.push(bench.transfers as f64 / peer_took);
        }
    }
    Ok((median(ours), median(peer)))
}

/// What a block of transfers changes in the tree: two accounts each, the treasury, and the leaf of derived state. That the
/// memories against replay are written beside the tree is on our side alone.
fn updates(block: usize, accounts: usize, transfers: usize, dice: &mut StdRng) -> Updates {
    let changed = (0..2 * transfers).map(|_| dice.random_range(0..accounts)).chain([0, 1]);
    let balances = changed.map(|at| (key(at), dice_value(block)));
    balances.collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

fn dice_value(block: usize) -> Vec<u8> {
    blake3::hash(&block.to_le_bytes()).as_bytes().to_vec()
}

fn key(at: usize) -> KeyHash {
    KeyHash::with::<Sha256>(format!("bench/{at}"))
}

/// A ledger with money in many accounts, of which the first can sign.
struct Chain {
    ledger: LedgerHandle,
    signers: Vec<SigningKey>,
    accounts: usize,
    nonce: u64,
}

impl Chain {
    fn start(folder: &std::path::Path, accounts: usize, signers: usize) -> Result<Self> {
        let ledger = LedgerHandle::open(&folder.join("ledger.redb"))?;
        let signers: Vec<SigningKey> = (0..signers).map(|at| SigningKey::from_bytes(&seed(at))).collect();
        let address = |at| signers.get(at).map_or_else(|| nobody(at as u64), SigningKey::address);
        let account = |at| GenesisAccount { address: address(at), balance: BALANCE, name: None };
        let genesis =
            Genesis { params: Params::default(), accounts: (0..accounts).map(account).collect(), ..Genesis::default() };
        let app_state = serde_json::to_vec(&genesis)?;
        ledger.init_chain(&InitChain { chain_id: CHAIN, initial_height: 1, app_state: &app_state })?;
        let chain = Self { ledger, signers, accounts, nonce: 0 };
        chain.run(&[])?;
        Ok(chain)
    }

    /// One block of transfers, signed and checked beforehand as the mempool does; the seconds it took.
    fn block(&mut self, dice: &mut StdRng) -> Result<f64> {
        let height = self.ledger.info().height + 1;
        let mut txs = Vec::with_capacity(self.signers.len());
        for signer in &self.signers {
            self.nonce += 1;
            let to = dice.random_range(self.signers.len()..self.accounts);
            let action = Action::Transfer(Transfer { to: nobody(to as u64), amount: 1 });
            let body = TxBody {
                chain_id: CHAIN.into(),
                expiry: height + MAX_TTL / 2,
                fee: FEE,
                nonce: self.nonce,
                account: signer.address(),
                gas_limit: GAS,
                tip: 0,
                action: Some(action),
            };
            let tx = Bytes::from(body.sign(signer).to_bytes());
            ensure!(self.ledger.check_tx(&tx, false)?.is_ok(), "the ledger refuses a transfer");
            txs.push(tx);
        }
        let began = Instant::now();
        self.run(&txs)?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn run(&self, txs: &[Bytes]) -> Result<()> {
        let height = self.ledger.info().height + 1;
        let block = Block::alone(height, i64::try_from(height)?, [0; 32], txs);
        let finalized = self.ledger.finalize_block(&block)?;
        ensure!(finalized.outcomes.iter().all(|outcome| outcome.is_ok()), "a transfer was refused");
        self.ledger.commit()?;
        Ok(())
    }
}

fn seed(at: usize) -> [u8; 32] {
    *blake3::hash(&at.to_le_bytes()).as_bytes()
}
