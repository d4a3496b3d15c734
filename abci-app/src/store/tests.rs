use std::collections::BTreeMap;

use ics23::HostFunctionsManager;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use jmt::{JellyfishMerkleTree, KeyHash, OwnedValue};
use proptest::prelude::*;
use prost_ics23::Message;
use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};
use sha2::Sha256;

use super::*;
use crate::code::{self, Code};
use crate::state::{ChangeLog, StateRead};

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("ledger.redb")).unwrap();
    (dir, store)
}

fn put(store: &Store, height: u64, changes: Changes) -> Snapshot {
    let before = store.snapshot().unwrap();
    let changes = ChangeLog::with_changes(&before, changes).into_net().unwrap();
    let tree = before.tree_update(&changes).unwrap();
    let app_hash = tree.as_ref().map_or(before.head().app_hash(), |tree| tree.root);
    let head = Head::new("test", height, 0, app_hash, [0; 32]);
    store.commit(&before, BlockWrite { head, changes, tree, results: Vec::new() }).unwrap()
}

fn set(key: &str, value: &str) -> Changes {
    Changes::from([(key.into(), Some(value.into()))])
}

fn verifies(proof: &Proof) -> bool {
    let commitment = ics23::CommitmentProof::decode(proof.ics23.as_slice()).unwrap();
    let (root, key) = (proof.app_hash.to_vec(), proof.key.as_bytes());
    match &proof.value {
        Some(value) => ics23::verify_membership::<HostFunctionsManager>(&commitment, &spec(), &root, key, value),
        None => ics23::verify_non_membership::<HostFunctionsManager>(&commitment, &spec(), &root, key),
    }
}

#[test]
fn a_block_without_changes_moves_the_height_only() {
    let (_dir, store) = open();
    let first = put(&store, 1, set("a", "1"));
    let second = put(&store, 2, set("a", "1"));
    assert_eq!(second.head().height, 2);
    assert_eq!(second.head().app_hash(), first.head().app_hash());
    assert_eq!(second.head().version, first.head().version);
    assert!(verifies(&second.prove("a", Some(1)).unwrap()));
    assert!(verifies(&second.prove("a", Some(2)).unwrap()));
}

#[test]
fn derived_state_moves_with_its_block_and_leaves_tree_and_versions() {
    let (dir, store) = open();
    let first = put(&store, 1, set("a", "1"));
    let second = put(&store, 2, set("derived/a", "1"));
    assert_eq!((second.head().app_hash(), second.head().version), (first.head().app_hash(), first.head().version));
    assert_eq!(second.get_raw("derived/a").unwrap().unwrap(), b"1");
    assert_eq!(first.get_raw("derived/a").unwrap(), None, "a snapshot does not move");
    assert!(matches!(second.prove("derived/a", None), Err(StoreError::NotInTree { .. })));
    assert!(verifies(&second.prove("a", Some(2)).unwrap()));
    drop((first, second, store));
    let store = Store::open(&dir.path().join("ledger.redb")).unwrap();
    let third = put(&store, 3, Changes::from([("derived/a".into(), None), ("b".into(), Some(vec![1]))]));
    assert_eq!(third.scan("derived/", None, 9).unwrap(), []);
    let (_dir, plain) = open();
    put(&plain, 1, set("a", "1"));
    assert_eq!(put(&plain, 2, set("b", "\u{1}")).head().app_hash(), third.head().app_hash());
}

#[test]
fn a_reopened_store_is_where_it_was() {
    let (dir, store) = open();
    let before = put(&store, 1, set("a", "1")).head().clone();
    drop(store);
    let store = Store::open(&dir.path().join("ledger.redb")).unwrap();
    let after = store.snapshot().unwrap();
    assert_eq!(after.head(), &before);
    assert_eq!(after.get_raw("a").unwrap().unwrap(), b"1");
}

#[test]
fn a_second_process_is_told_that_the_store_is_taken() {
    let (dir, _store) = open();
    let error = Store::open(&dir.path().join("ledger.redb")).unwrap_err();
    assert!(error.to_string().contains("another node"), "{error}");
}

#[test]
fn what_is_no_database_is_told_so_and_not_that_another_node_runs() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("ledger.redb");
    std::fs::write(&garbage, "not a database at all ".repeat(400)).unwrap();
    for (path, says) in [(garbage.as_path(), "damaged or none"), (dir.path(), "cannot be read")] {
        let error = Store::open(path).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains(&path.display().to_string()), "{error}");
        assert!(!error.contains("another node"), "{error}");
    }
}

#[test]
fn a_snapshot_does_not_move() {
    let (_dir, store) = open();
    let old = put(&store, 1, set("a", "1"));
    put(&store, 2, set("a", "2"));
    assert_eq!(old.get_raw("a").unwrap().unwrap(), b"1");
    assert_eq!(old.scan("", None, 9).unwrap().len(), 1);
}

#[test]
fn a_proof_of_another_value_does_not_verify() {
    let (_dir, store) = open();
    put(&store, 1, set("a", "1"));
    let snapshot = put(&store, 2, set("b", "1"));
    let proof = snapshot.prove("a", None).unwrap();
    assert!(verifies(&proof));
    assert!(!verifies(&Proof { value: Some(b"2".to_vec()), ..proof.clone() }));
    assert!(!verifies(&Proof { key: "c".into(), ..proof.clone() }));
    assert!(!verifies(&Proof { app_hash: [0; 32], ..proof }));
}

#[test]
fn an_empty_store_and_a_future_height_have_no_proof() {
    let (_dir, store) = open();
    assert!(store.snapshot().unwrap().prove("a", None).is_err());
    let snapshot = put(&store, 1, set("a", "1"));
    assert!(matches!(snapshot.prove("a", Some(2)), Err(StoreError::NoSuchHeight { height: 2, first: 1, last: 1 })));
}

#[test]
fn old_versions_are_pruned_and_the_kept_ones_stay_provable() {
    let (_dir, store) = open();
    let last = KEPT_VERSIONS + 40;
    for height in 1..=last {
        let mut changes = set("counter", &height.to_string());
        changes.insert(format!("once/{height}"), Some(vec![1]));
        changes.insert(format!("once/{}", height.saturating_sub(3)), None);
        put(&store, height, changes);
    }
    let snapshot = store.snapshot().unwrap();
    let oldest = last - KEPT_VERSIONS + 1;
    for height in [oldest, oldest + 1, last - 1, last] {
        let counter = snapshot.prove("counter", Some(height)).unwrap();
        assert_eq!(counter.value.as_deref(), Some(height.to_string().as_bytes()));
        assert!(verifies(&counter));
        let present = snapshot.prove(&format!("once/{height}"), Some(height)).unwrap();
        assert!(present.value.is_some() && verifies(&present));
        let gone = snapshot.prove(&format!("once/{}", height - 3), Some(height)).unwrap();
        assert!(gone.value.is_none() && verifies(&gone));
    }
    assert!(snapshot.prove("counter", Some(oldest - 1)).is_err());
    let read = store.database.begin_read().unwrap();
    assert_eq!(read.open_table(tables::VERSIONS).unwrap().len().unwrap(), KEPT_VERSIONS);
    assert_eq!(read.open_table(tables::STALE).unwrap().len().unwrap(), KEPT_VERSIONS - 1);
    assert!(read.open_table(tables::NODES).unwrap().len().unwrap() < 12 * KEPT_VERSIONS);
}

/// A tree of `jmt`'s own, made at once.
struct Nothing;

impl TreeReader for Nothing {
    fn get_node_option(&self, _: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(None)
    }

    fn get_value_option(&self, _: u64, _: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        Ok(None)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        Ok(None)
    }
}

fn root_of(state: &BTreeMap<[u8; 32], String>) -> [u8; 32] {
    let values = state.iter().map(|(hash, value)| (KeyHash(*hash), Some(value.clone().into_bytes())));
    JellyfishMerkleTree::<_, Sha256>::new(&Nothing).put_value_set(values, 0).unwrap().0.0
}

/// A key's hash that has many neighbours, the nearest in its last bits.
fn near() -> impl Strategy<Value = [u8; 32]> {
    (0usize..32, 0u8..4, prop_oneof![Just(1u8), Just(16)]).prop_map(|(at, value, place)| {
        let mut hash = [0; 32];
        hash[at] = value * place;
        hash
    })
}

fn block() -> impl Strategy<Value = Changes> {
    let change = (0u8..24, proptest::option::weighted(0.6, 0u8..3));
    proptest::collection::vec(change, 1..12).prop_map(|changes| {
        changes.into_iter().map(|(key, value)| (format!("k/{key}"), value.map(|v| vec![v]))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_tree_is_that_of_jmt_however_near_its_keys_are(
        blocks in proptest::collection::vec(
            proptest::collection::btree_map(near(), proptest::option::weighted(0.6, "[a-c]"), 1..24),
            1..10,
        ),
    ) {
        let (_dir, store) = open();
        let mut state = BTreeMap::new();
        for (at, block) in blocks.iter().enumerate() {
            let before = store.snapshot().unwrap();
            let changes = block.iter().map(|(hash, value)| (*hash, "key", value.as_deref().map(str::as_bytes)));
            let tree = update::of_hashes(&before, changes.collect(), before.head().next_version()).unwrap();
            for (hash, value) in block {
                match value {
                    Some(value) => state.insert(*hash, value.clone()),
                    None => state.remove(hash),
                };
            }
            prop_assert_eq!(tree.root, root_of(&state));
            let written = tree.nodes.len();
            let head = Head::new("test", at as u64 + 1, 0, tree.root, [0; 32]);
            let tree = Some(tree);
            store.commit(&before, BlockWrite { head, changes: Changes::new(), tree, results: Vec::new() }).unwrap();
            prop_assert!(written <= 65 * block.len() + 2, "{} nodes for {} changes", written, block.len());
        }
        // Nothing is kept twice and nothing is lost: what is not stale is what a tree made at once consists of.
        let read = store.database.begin_read().unwrap();
        let (nodes, stale) = (read.open_table(tables::NODES).unwrap(), read.open_table(tables::STALE).unwrap());
        let mut live: std::collections::BTreeSet<Vec<u8>> =
            nodes.iter().unwrap().map(|entry| entry.unwrap().0.value().to_vec()).collect();
        for entry in stale.iter().unwrap() {
            let (_, keys) = entry.unwrap();
            let mut keys = keys.value();
            while let Some((length, rest)) = keys.split_first() {
                let (key, rest) = rest.split_at(usize::from(*length));
                prop_assert!(live.remove(key), "stale and not there");
                keys = rest;
            }
        }
        let values = state.iter().map(|(hash, value)| (KeyHash(*hash), Some(value.clone().into_bytes())));
        let (_, whole) = JellyfishMerkleTree::<_, Sha256>::new(&Nothing).put_value_set(values, 0).unwrap();
        prop_assert_eq!(live.len(), whole.node_batch.nodes().len());
    }

    #[test]
    fn the_root_depends_on_the_state_alone_and_everything_is_provable(blocks in proptest::collection::vec(block(), 1..8)) {
        let (_dir, store) = open();
        let mut states: Vec<BTreeMap<String, Vec<u8>>> = vec![[("root".to_owned(), vec![1])].into()];
        put(&store, 1, set("root", "\u{1}"));
        for (index, changes) in blocks.iter().enumerate() {
            put(&store, index as u64 + 2, changes.clone());
            let mut state = states.last().unwrap().clone();
            for (key, value) in changes {
                match value {
                    Some(value) => state.insert(key.clone(), value.clone()),
                    None => state.remove(key),
                };
            }
            states.push(state);
        }
        let snapshot = store.snapshot().unwrap();
        for (index, state) in states.iter().enumerate() {
            for key in (0..24).step_by(5).map(|key| format!("k/{key}")) {
                let proof = snapshot.prove(&key, Some(index as u64 + 1)).unwrap();
                prop_assert_eq!(proof.value.as_ref(), state.get(&key));
                prop_assert!(verifies(&proof));
            }
        }
        let (_dir, fresh) = open();
        let whole = states.last().unwrap().iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        prop_assert_eq!(put(&fresh, 1, whole).head().app_hash(), snapshot.head().app_hash());
    }
}

fn result(height: u64, code: Code) -> TxRecord {
    TxRecord { height, code, log: String::new(), events: Vec::new(), gas_used: 0 }
}

fn put_results(store: &Store, height: u64, results: Vec<([u8; 32], TxRecord)>) -> Snapshot {
    let before = store.snapshot().unwrap();
    let head = Head::new("test", height, 0, before.head().app_hash(), [0; 32]);
    store.commit(&before, BlockWrite { head, changes: Changes::new(), tree: None, results }).unwrap()
}

#[test]
fn results_are_forgotten_when_their_block_is_out_of_the_window_and_not_before() {
    let (_dir, store) = open();
    put_results(&store, 1, vec![([1; 32], result(1, code::OK)), ([2; 32], result(1, code::FUNDS))]);
    // One that could not pay in the first block, and could later; and one that is sent again when it has expired.
    put_results(&store, 5, vec![([2; 32], result(5, code::OK)), ([1; 32], result(5, code::EXPIRED))]);
    let found = |snapshot: &Snapshot| [1, 2].map(|n| snapshot.tx_result(&[n; 32]).unwrap().map(|one| one.height));
    assert_eq!(found(&put_results(&store, KEPT_RESULTS, Vec::new())), [Some(1), Some(5)]);
    assert_eq!(found(&put_results(&store, KEPT_RESULTS + 1, Vec::new())), [None, Some(5)]);
    assert_eq!(found(&put_results(&store, KEPT_RESULTS + 5, Vec::new())), [None, None]);
    let read = store.database.begin_read().unwrap();
    assert_eq!(read.open_table(tables::RESULTS).unwrap().len().unwrap(), 0);
    assert_eq!(read.open_table(tables::RESULT_PLACES).unwrap().len().unwrap(), 0);
}

#[test]
fn after_a_long_rest_results_go_bit_by_bit() {
    let (_dir, store) = open();
    let hash = |n: u32| {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        hash
    };
    for block in 0..50 {
        put_results(&store, 1 + block, (0..100).map(|n| (hash(n + 100 * block as u32), result(1, code::OK))).collect());
    }
    let left = |store: &Store| {
        let read = store.database.begin_read().unwrap();
        let (results, places) =
            (read.open_table(tables::RESULTS).unwrap(), read.open_table(tables::RESULT_PLACES).unwrap());
        assert_eq!(100 * results.len().unwrap(), places.len().unwrap());
        places.len().unwrap()
    };
    let mut counts = Vec::new();
    for block in 0..6 {
        put_results(&store, 10 * KEPT_RESULTS + block, Vec::new());
        counts.push(left(&store));
    }
    assert_eq!(counts, [3_900, 2_800, 1_700, 600, 0, 0], "a whole block's at a time");
}

/// Whatever is remembered, a state reads as it is on the disk, and an older one as it was.
#[test]
fn what_is_remembered_of_a_state_is_what_it_holds() {
    let (_dir, store) = open();
    let mut latest = store.snapshot().unwrap();
    let mut former = Vec::new();
    for height in 1..40u64 {
        let key = |n: u64| format!("k/{n}");
        let changes: Changes = (0..8)
            .map(|n| (key((height * 7 + n * n) % 23), (n % 3 > 0).then(|| vec![height as u8, n as u8])))
            .collect();
        let net = ChangeLog::with_changes(&latest, changes).into_net().unwrap();
        let tree = latest.tree_update(&net).unwrap();
        let root = tree.as_ref().map_or(latest.head().app_hash(), |tree| tree.root);
        let head = Head::new("test", height, 0, root, [0; 32]);
        let next = store.commit(&latest, BlockWrite { head, changes: net, tree, results: Vec::new() }).unwrap();
        let all = |snapshot: &Snapshot| (0..23).map(|n| snapshot.get_raw(&key(n)).unwrap()).collect::<Vec<_>>();
        assert_eq!(all(&next), all(&store.snapshot().unwrap()), "height {height}");
        assert_eq!(all(&next), all(&next.aside()), "height {height}");
        former.push((latest.clone(), all(&latest)));
        for (snapshot, values) in &former {
            assert_eq!(all(snapshot), *values);
        }
        latest = next;
    }
}
