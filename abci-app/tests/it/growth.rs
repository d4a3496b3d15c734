//! What things leave on the ledger, in bytes: the figures in docs/ledger.md. `--nocapture` prints them:
//!
//! ```sh
//! cargo test -p datanet-ledger --test it growth -- --nocapture
//! ```

use datanet_ledger::component::{Params, audits};
use datanet_ledger::state::StateRead;
use datanet_ledger::store::KEPT_VERSIONS;
use datanet_types::action::{CloseChannel, Transfer};
use datanet_types::closing::ClosingStatement;
use datanet_types::epoch::EpochLeaf;
use datanet_types::sum_tree::{SumNode, prove, root};
use datanet_types::{Action, Address, Scores};
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::attacks::judging::Judging;
use crate::attacks::serving::{FEES, PAYER, Serving, VICTIMS, claim, claimable, node};
use crate::support::{CHAIN, Chain, body, key, signed};

/// Entries and bytes of the state: keys and values, without the memory of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    entries: usize,
    bytes: usize,
}

fn state(reader: &impl StateRead) -> State {
    let all = reader.scan("", None, usize::MAX).unwrap();
    let all: Vec<_> = all.into_iter().filter(|(key, _)| !key.starts_with("derived/admission/")).collect();
    State { entries: all.len(), bytes: all.iter().map(|(key, value)| key.len() + value.len()).sum() }
}

/// What `after` has beyond `before`, `count` times over.
fn more(before: State, after: State, count: usize) -> State {
    State { entries: (after.entries - before.entries) / count, bytes: (after.bytes - before.bytes) / count }
}

fn say(what: &str, block: usize, meanwhile: State, for_good: State) {
    println!(
        "{what:<44} {block:>6} B of block, {:>3} entries with {:>5} B of state for a while, {:>2} with {:>4} B for good",
        meanwhile.entries, meanwhile.bytes, for_good.entries, for_good.bytes
    );
}

#[test]
fn a_judged_contribution_leaves_its_record_and_its_committee() {
    let mut chain = Judging::new(1);
    let give = |chain: &mut Judging, blob: u8, score: u32| {
        let id = chain.give([blob; 32]);
        chain.block(&[]);
        chain.block(&[]);
        chain.judge(&id, |_| Some(Some(Scores::from_array([score; 4]))));
    };
    // The first of each kind leaves what all share.
    give(&mut chain, 1, 9_000);
    give(&mut chain, 2, 100);
    for (what, first, score) in
        [("a contribution judged and final, 3 seats", 11, 9_000), ("a contribution refused, 3 seats", 31, 100)]
    {
        chain.idle += 2 * Params::default().forget_seconds as i64;
        chain.block(&[]);
        let (before, bytes) = (state(&chain.ledger.reader()), chain.bytes);
        (first..first + 8).for_each(|blob| give(&mut chain, blob, score));
        let block = (chain.bytes - bytes) / 8;
        let meanwhile = more(before, state(&chain.ledger.reader()), 8);
        chain.idle += 2 * Params::default().forget_seconds as i64;
        chain.block(&[]);
        let for_good = more(before, state(&chain.ledger.reader()), 8);
        say(what, block, meanwhile, for_good);
        let most = if score > 6_000 { (7, 1_700) } else { (2, 700) };
        assert!(for_good.entries <= most.0 && for_good.bytes <= most.1, "{for_good:?}");
        assert!(meanwhile.bytes > for_good.bytes + 500);
    }
}

#[test]
fn an_epoch_leaves_nothing_once_it_is_claimed_however_many_earned() {
    for accounts in [1u8, 100] {
        let mut serving = Serving::new();
        let account = |n: u8| Address([n + 1; 20]);
        let share = claimable(FEES) / u64::from(accounts);
        let settle = |serving: &mut Serving, epoch: u64| {
            let leaf = |n: u8| EpochLeaf { account: account(n).into(), amount: share }.node(CHAIN, &node(), epoch);
            let leaves: Vec<SumNode> = (0..accounts).map(leaf).collect();
            let top = root(&leaves).unwrap();
            let at = serving.bytes;
            serving.settle_as(PAYER, FEES, top.digest, accounts.into(), claimable(FEES) - top.sum);
            (leaves, serving.bytes - at)
        };
        let (_, before) = (settle(&mut serving, 1), state(&serving.chain.ledger.reader()));
        let (leaves, block) = settle(&mut serving, 2);
        let meanwhile = more(before, state(&serving.chain.ledger.reader()), 1);
        let mut claims = 0;
        for n in 0..accounts {
            let mut one = claim(VICTIMS[0], 2, share, prove(&leaves, n.into()).unwrap().unwrap());
            one.account = account(n);
            let at = serving.bytes;
            serving.done(VICTIMS[0], Action::Claim(one));
            claims = serving.bytes - at;
        }
        let earners: usize = serving
            .chain
            .ledger
            .reader()
            .scan("accounts/", None, 999)
            .unwrap()
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        println!("{earners} B are accounts");
        serving.chain.pass(Params::default().forget_seconds);
        assert!(audits::get(&serving.chain.ledger.reader(), &node(), 2).unwrap().is_none());
        assert_eq!(epochs(&serving), 1, "the first, of which nobody has claimed");
        say(
            &format!("an epoch with {accounts} earners, and its channel"),
            block,
            meanwhile,
            State { entries: 0, bytes: 0 },
        );
        println!("a claim of one leaf among {accounts:<20} {claims:>20} B of block");
    }
}

fn epochs(serving: &Serving) -> usize {
    serving.chain.ledger.reader().scan("settlement/epoch/", None, 99).unwrap().len()
}

#[test]
fn a_channel_leaves_nothing() {
    let mut serving = Serving::new();
    let warm = serving.channel(PAYER, FEES);
    let close = |channel| {
        let statement = Some(ClosingStatement::sign(CHAIN, channel, 0, &key(100)));
        Action::CloseChannel(CloseChannel { channel, statement })
    };
    serving.done(PAYER, close(warm));
    serving.chain.pass(Params::default().forget_seconds);
    let (before, bytes) = (state(&serving.chain.ledger.reader()), serving.bytes);
    let channel = serving.channel(PAYER, FEES);
    let open = more(before, state(&serving.chain.ledger.reader()), 1);
    serving.done(PAYER, close(channel));
    let block = serving.bytes - bytes;
    serving.chain.pass(Params::default().forget_seconds);
    let after = state(&serving.chain.ledger.reader());
    say("a channel opened and closed", block, open, more(before, after, 1));
    assert_eq!(after.entries, before.entries);
}

/// Bytes of a table, and its entries.
fn table(database: &redb::Database, name: &str) -> (u64, u64) {
    let read = database.begin_read().unwrap();
    let handle = read.list_tables().unwrap().find(|table| redb::TableHandle::name(table) == name).unwrap();
    let table = read.open_untyped_table(handle).unwrap();
    (table.stats().unwrap().stored_bytes(), table.len().unwrap())
}

/// Bytes of tree nodes that only older versions need.
fn stale(database: &redb::Database) -> u64 {
    const NODES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("nodes");
    const STALE: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("stale");
    let read = database.begin_read().unwrap();
    let (nodes, stale) = (read.open_table(NODES).unwrap(), read.open_table(STALE).unwrap());
    let size = |key: &[u8]| nodes.get(key).unwrap().map_or(0, |node| key.len() + node.value().len()) as u64;
    let mut sum = 0;
    for entry in stale.iter().unwrap() {
        let (_, keys) = entry.unwrap();
        let mut keys = keys.value();
        while let Some((length, rest)) = keys.split_first() {
            let (key, rest) = rest.split_at(usize::from(*length));
            sum += size(key);
            keys = rest;
        }
    }
    sum
}

#[test]
fn a_transfer_leaves_its_result_for_a_while_and_an_entry_costs_its_bytes_and_its_place_in_the_tree() {
    const ACCOUNTS: u64 = 4_000;
    let chain = Chain::new();
    let mut sent = 0;
    for block in 0..ACCOUNTS / 200 {
        let to = |n: u64| {
            let mut to = [0; 20];
            to[..8].copy_from_slice(&(block * 200 + n).to_be_bytes());
            to[19] = 1;
            Action::Transfer(Transfer { to: Address(to), amount: 1 })
        };
        let txs: Vec<_> = (0..200).map(|n| signed(1, &body(to(n), chain.next() + 9, n + block * 200))).collect();
        sent = txs[0].len();
        chain.run(&txs);
    }
    // Until nothing of them waits to be pruned but what these leave, which is the same few entries.
    for _ in 0..KEPT_VERSIONS {
        chain.run(&[signed(
            1,
            &body(
                Action::Transfer(Transfer { to: crate::support::address(2), amount: 1 }),
                chain.next() + 9,
                chain.next() + 1_000_000,
            ),
        )]);
    }
    let State { entries, bytes } = state(&chain.ledger.reader());
    let path = chain.dir.path().join("ledger.redb");
    let Chain { dir, ledger, .. } = chain;
    drop(ledger);
    let database = redb::Database::open(&path).unwrap();
    let (nodes, _) = table(&database, "nodes");
    let ((results, _), (heights, count)) = (table(&database, "results"), table(&database, "result_places"));
    let count_of = entries as u64;
    let tree = (nodes - stale(&database)) / count_of;
    let (entry, result) = (bytes as u64 / count_of, (results + heights) / count);
    println!("a transfer: {sent} B of block, {result} B of its result for a while");
    println!("an entry, here an account of {entry} B: {tree} B of tree beside it, for as long as it is there");
    assert!(result < 500 && tree < 400, "{result} {tree}");
    drop(dir);
}
